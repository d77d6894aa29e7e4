//! Granting, declining and withdrawing an increase.

use doorward_domain::bounds::Subject;
use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_domain::notice::NoticeKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::raise::refuse_above_own;
use super::told::Telling;
use super::{Increase, whose};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{check_storable, json_text, on, set_next_version};
use crate::keys::KeyEdit;
use crate::keys::change::{PreparedEdit, write_edit};
use crate::notices::{NewNotice, put_notice};
use crate::{Act, Store, StoreError};

/// What an administrator gives.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What is raised, and how high: what was asked for, or something else.
    pub raise: Raise,
    /// Until when. `None`: for good, as an edit of the key.
    pub ends_at: Option<Timestamp>,
    /// What they say of it.
    pub note: String,
    /// Only if whose it is was last edited at this instant; else [`StoreError::Stale`].
    pub updated_at: Timestamp,
}

/// Which increase is decided, and whose limits or budgets it is about.
pub(super) struct About<'a> {
    pub(super) id: IncreaseId,
    pub(super) subject: Subject,
    pub(super) name: &'a str,
}

impl Increase {
    fn about(&self) -> About<'_> {
        About { id: self.id, subject: self.subject, name: &self.name }
    }
}

/// One that somebody else has decided on finds no row.
pub(super) const CLOSE: &str = "
    UPDATE limit_increases SET state = $3, granted = $4, ends_at_us = $5, decided_by = $6,
        decided_at_us = $7, note = $8
    WHERE organization_id = $1 AND id = $2 AND state = 'open'";

/// Makes a subject another version, for whoever edits it by that; one that was edited, or ended, since it
/// was looked at finds no row.
macro_rules! touch {
    ($table:literal, $only_where:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            set_next_version!("$3"),
            " WHERE id = $2 AND updated_at_us = $4 AND ",
            $only_where
        )
    };
}
pub(super) const fn touch_of(subject: &Subject) -> &'static str {
    match subject {
        Subject::Key(_) => touch!("api_keys", "organization_id = $1 AND revoked_at_us IS NULL"),
        Subject::User(_) => touch!("users", "organization_id = $1 AND removed_at_us IS NULL"),
        Subject::Project(_) => touch!("projects", "organization_id = $1 AND removed_at_us IS NULL"),
        Subject::Organization(_) => touch!("organizations", "id = $1"),
    }
}

/// How an increase is decided, and what is told of it.
pub(super) struct Decision {
    pub(super) state: IncreaseState,
    /// As it is stored.
    pub(super) granted: Option<String>,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) note: String,
    pub(super) detail: Value,
    pub(super) notices: Vec<NewNotice>,
}

impl Decision {
    /// What it is called in the audit log.
    pub(super) const fn action(&self) -> &'static str {
        match self.state {
            IncreaseState::Granted => "limit_increase.grant",
            IncreaseState::Declined => "limit_increase.decline",
            IncreaseState::Withdrawn => "limit_increase.withdraw",
            IncreaseState::Open | IncreaseState::Lapsed => "limit_increase.lapse",
        }
    }
}

/// Writes a decision and puts its notices, inside an open transaction that has written its audit row.
/// `?` acts on the caller.
macro_rules! close {
    ($store:expr, $tx:ident, $act:expr, $id:expr, $decision:expr) => {{
        let decision: &$crate::increases::decide::Decision = &$decision;
        let done = sqlx::query($crate::increases::decide::CLOSE)
            .bind($act.organization.to_string())
            .bind($id)
            .bind(decision.state.as_str())
            .bind(decision.granted.as_deref())
            .bind(decision.ends_at.map(Timestamp::as_microsecond))
            .bind($act.actor.to_string())
            .bind($act.at.as_microsecond())
            .bind(&decision.note)
            .execute(&mut *$tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        for notice in &decision.notices {
            $crate::notices::put_notice!($store, $tx, $act.organization, $act.at, notice);
        }
    }};
}

/// Writes that an increase holds from now on until its end, in place of what held, inside an open
/// transaction that has written its audit row. What holds until then ends before this one is written: it
/// would end itself. `?` acts on the caller.
macro_rules! hold {
    ($store:expr, $tx:ident, $act:expr, ($about:expr, $updated_at:expr), $decision:expr) => {{
        let about: &$crate::increases::decide::About<'_> = &$about;
        let touched = sqlx::query($crate::increases::decide::touch_of(&about.subject))
            .bind($act.organization.to_string())
            .bind(about.subject.id())
            .bind($act.at.as_microsecond())
            .bind($updated_at.as_microsecond())
            .execute(&mut *$tx)
            .await?;
        if touched.rows_affected() == 0 {
            return Err(StoreError::Stale);
        }
        $crate::increases::end_held!($store, $tx, $act, (about.subject, about.name));
        $crate::increases::decide::close!($store, $tx, $act, &about.id.to_string(), $decision);
    }};
}
pub(super) use {close, hold};

/// What the audit log says of a grant.
fn granted(mut whose: Value, raise: &Raise, ends_at: Option<Timestamp>) -> Value {
    if let Some(fields) = whose.as_object_mut() {
        fields.insert("granted".to_owned(), json!(raise));
        fields.insert("ends_at".to_owned(), json!(ends_at));
    }
    whose
}

impl Store {
    /// Grants an increase, audits it, and tells the owner of the key. Without an end it is an edit of the
    /// key; with one, it holds beside the key's row until then, in place of any that held before. The
    /// data plane sees it with its next call, and what was taken from limits and budgets stays counted.
    /// [`StoreError::Stale`] when it is decided already, or the key was edited since.
    pub async fn grant_increase(
        &self,
        act: &Act,
        found: &Increase,
        grant: Grant,
        can_mail: bool,
    ) -> Result<Increase, StoreError> {
        check_storable(&[("note", &grant.note)])?;
        let decision = self.grant_of(act, &found.about(), &grant, can_mail).await?;
        let done = match grant.ends_at {
            Some(_) => self.raise_for_a_while(act, found, &grant, &decision).await,
            None => self.raise_for_good(act, found, &grant, &decision).await,
        };
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_bounded(&found.subject);
        done?;
        self.increase(found.organization, found.id).await
    }

    pub(super) async fn grant_of(
        &self,
        act: &Act,
        about: &About<'_>,
        grant: &Grant,
        can_mail: bool,
    ) -> Result<Decision, StoreError> {
        let ends_at = grant.ends_at.map(whole_us);
        let About { id, subject, name } = *about;
        let telling = Telling { kind: NoticeKind::IncreaseGranted, id, subject };
        let said = json!({ "granted": grant.raise, "ends_at": ends_at, "note": grant.note });
        Ok(Decision {
            state: IncreaseState::Granted,
            granted: Some(json_text("limit increase", &grant.raise)?),
            ends_at,
            note: grant.note.clone(),
            detail: granted(whose(&subject, name), &grant.raise, ends_at),
            notices: self.tell_concerned(act, &telling, said, can_mail).await?,
        })
    }

    async fn raise_for_a_while(
        &self,
        act: &Act,
        found: &Increase,
        grant: &Grant,
        decision: &Decision,
    ) -> Result<(), StoreError> {
        let (id, updated_at) = (found.id.to_string(), whole_us(grant.updated_at));
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(decision.action(), &id, &decision.detail));
            hold!(self, tx, act, (found.about(), updated_at), *decision);
            tx.commit().await?;
        });
        Ok(())
    }

    async fn raise_for_good(
        &self,
        act: &Act,
        found: &Increase,
        grant: &Grant,
        decision: &Decision,
    ) -> Result<(), StoreError> {
        let key = found.subject.key().ok_or(StoreError::Missing("key"))?;
        let key = self.living_key(act, &key, Some(grant.updated_at)).await?;
        let rights = Some(grant.raise.applied_to(&key.rights));
        let edit = KeyEdit { rights, ..KeyEdit::default() };
        // What raises nothing was refused before; only an edit in between makes it so.
        let edit = PreparedEdit::of(act, key, edit)?.ok_or(StoreError::Stale)?;
        let id = found.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            write_edit!(self, tx, act, edit);
            let deed = act.entry(decision.action(), &id, &decision.detail).that_follows();
            append_audit!(self, tx, deed);
            close!(self, tx, act, &id, *decision);
            tx.commit().await?;
        });
        Ok(())
    }

    /// Declines an increase, audits it, and tells the owner of the key.
    pub async fn decline_increase(
        &self,
        act: &Act,
        found: &Increase,
        note: String,
        can_mail: bool,
    ) -> Result<Increase, StoreError> {
        check_storable(&[("note", &note)])?;
        let (id, subject) = (found.id, found.subject);
        let telling = Telling { kind: NoticeKind::IncreaseDeclined, id, subject };
        let said = json!({ "asked": found.asked, "note": note });
        let notices = self.tell_concerned(act, &telling, said, can_mail).await?;
        self.end_asking(act, found, (IncreaseState::Declined, note, notices)).await
    }

    /// Takes back what was asked for, and audits it. Nobody is told: administrators that were not told
    /// yet are not told any more.
    pub async fn withdraw_increase(
        &self,
        act: &Act,
        found: &Increase,
    ) -> Result<Increase, StoreError> {
        let withdrawn = (IncreaseState::Withdrawn, String::new(), Vec::new());
        self.end_asking(act, found, withdrawn).await
    }

    /// Ends an increase that holds before its time, audits it, and tells whoever it concerns: from now on
    /// the old limits hold again. [`StoreError::Stale`] when it holds no longer;
    /// [`StoreError::AboveOwnRole`] when it is of a user who is above whoever acts.
    pub async fn end_increase(
        &self,
        act: &Act,
        found: &Increase,
        can_mail: bool,
    ) -> Result<Increase, StoreError> {
        let (id, subject) = (found.id, found.subject);
        let telling = Telling { kind: NoticeKind::IncreaseEnded, id, subject };
        let said = json!({ "granted": found.granted });
        let notices = self.tell_concerned(act, &telling, said, can_mail).await?;
        let done = self.cut_short(act, found, &notices).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_bounded(&found.subject);
        done?;
        self.increase(found.organization, found.id).await
    }

    async fn cut_short(
        &self,
        act: &Act,
        found: &Increase,
        notices: &[NewNotice],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE limit_increases SET ends_at_us = $3
            WHERE organization_id = $1 AND id = $2 AND state = 'granted' AND ends_at_us > $3";
        let id = found.id.to_string();
        let detail = whose(&found.subject, &found.name);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("limit_increase.end", &id, &detail));
            refuse_above_own!(tx, act, found.subject);
            let query = sqlx::query(SQL).bind(act.organization.to_string()).bind(&id);
            let done = query.bind(act.at.as_microsecond()).execute(&mut *tx).await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            for notice in notices {
                put_notice!(self, tx, act.organization, act.at, notice);
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Ends an increase of which nothing is granted.
    pub(super) async fn end_asking(
        &self,
        act: &Act,
        found: &Increase,
        (state, note, notices): (IncreaseState, String, Vec<NewNotice>),
    ) -> Result<Increase, StoreError> {
        let detail = whose(&found.subject, &found.name);
        let decision = Decision { state, granted: None, ends_at: None, note, detail, notices };
        let id = found.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(decision.action(), &id, &decision.detail));
            close!(self, tx, act, &id, decision);
            tx.commit().await?;
        });
        self.increase(found.organization, found.id).await
    }

    /// Whether somebody still waits for a decision.
    pub(crate) async fn is_increase_open(
        &self,
        organization: OrganizationId,
        id: &str,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT 1 FROM limit_increases
            WHERE organization_id = $1 AND id = $2 AND state = 'open'";
        let row: Option<(i32,)> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string()).bind(id);
            query.fetch_optional(pool).await?
        });
        Ok(row.is_some())
    }
}
