//! Raising what keys share, without being asked.

use doorward_domain::bounds::Subject;
use doorward_domain::id::IncreaseId;
use doorward_domain::increase::Raise;
use jiff::Timestamp;

use super::Increase;
use super::ask::INSERT;
use super::decide::{About, Grant, hold};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{check_storable, json_text, on};
use crate::{Act, Store, StoreError};

/// What an administrator raises for a while.
#[derive(Debug, Clone)]
pub struct NewRaise {
    /// Whose limits or budgets.
    pub subject: Subject,
    /// The name of that one, for the audit log.
    pub name: String,
    /// What is raised, and how high.
    pub raise: Raise,
    /// Until when.
    pub ends_at: Timestamp,
    /// What they say of it.
    pub note: String,
    /// Only if whose it is was last edited at this instant; else [`StoreError::Stale`].
    pub updated_at: Timestamp,
}

/// Refuses what is done to a user who is above whoever acts, inside an open transaction that has written
/// its audit row. Others have no role. `?` acts on the caller.
macro_rules! refuse_above_own {
    ($tx:ident, $act:expr, $subject:expr) => {
        let row: Option<(String,)> = sqlx::query_as($crate::organizations::owners::ROLE)
            .bind($act.organization.to_string())
            .bind($subject.id())
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some((role,)) = row {
            let role = $crate::db::parsed("role", &role)?;
            let own = $crate::organizations::owners::role_of!($tx, $act);
            $crate::organizations::owners::refuse_above(own, &[role])?;
        }
    };
}
pub(super) use refuse_above_own;

impl Store {
    /// Raises limits or budgets until an end, in place of what raises them already; audits it, and tells
    /// whoever it concerns. It is asked for and granted in one step, so it is found among the others.
    /// The data plane sees it with the next call, and what was taken stays counted.
    /// [`StoreError::Stale`] when its subject was edited, or ended, since it was looked at;
    /// [`StoreError::AboveOwnRole`] when it is a user who is above whoever acts.
    pub async fn raise_bounds(
        &self,
        act: &Act,
        new: NewRaise,
        can_mail: bool,
    ) -> Result<Increase, StoreError> {
        let NewRaise { subject, name, raise, ends_at, note, updated_at } = new;
        check_storable(&[("note", &note)])?;
        let about = About { id: self.new_id(IncreaseId::new), subject, name: &name };
        let grant = Grant { raise, ends_at: Some(ends_at), note, updated_at };
        let done = self.write_raise(act, &about, &grant, can_mail).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_bounded(&subject);
        done?;
        self.increase(act.organization, about.id).await
    }

    async fn write_raise(
        &self,
        act: &Act,
        about: &About<'_>,
        grant: &Grant,
        can_mail: bool,
    ) -> Result<(), StoreError> {
        let decision = self.grant_of(act, about, grant, can_mail).await?;
        let (id, updated_at) = (about.id.to_string(), whole_us(grant.updated_at));
        let asked = json_text("limit increase", &grant.raise)?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(decision.action(), &id, &decision.detail));
            refuse_above_own!(tx, act, about.subject);
            sqlx::query(INSERT)
                .bind(&id)
                .bind(act.organization.to_string())
                .bind(about.subject.to_string())
                .bind(act.actor.to_string())
                .bind("")
                .bind(&asked)
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            hold!(self, tx, act, (*about, updated_at), decision);
            tx.commit().await?;
        });
        Ok(())
    }
}
