//! Limit increases: a holder of a key asks, an administrator grants or declines, both are told. What the
//! keys of a user, a project or the organization share, an administrator raises without being asked.
//!
//! One that is granted for good is an edit of its key. One with an end leaves the row of its subject alone:
//! what it raises holds beside it until that instant, by the clock and nothing else, so that nobody has to
//! do anything for the old limits to hold again, and a restart changes nothing. At most one holds for a
//! subject: another one, and any edit of the limits or budgets, ends it.

mod ask;
mod decide;
mod held;
mod raise;
mod sweep;
mod told;

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_domain::key::Owner;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::db::{on, parsed, parsed_json, timestamp};
use crate::keys::{Page, StoredRights, owner};
use crate::row::row;
use crate::{Store, StoreError};

pub use ask::{ASKED_PER_DAY_MAX, NewIncrease, OPEN_MAX};
pub use decide::Grant;
pub use held::HeldIncrease;
pub(crate) use held::{Raised, load_held};
pub use raise::NewRaise;

/// What was asked for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increase {
    /// Its id.
    pub id: IncreaseId,
    /// Whose.
    pub organization: OrganizationId,
    /// Whose limits or budgets are to be raised: those of a key, or those that many share.
    pub subject: Subject,
    /// The name of that one.
    pub name: String,
    /// The owner of the key, where it is one.
    pub owner: Option<Owner>,
    /// The limits and budgets that the key has of its own by now, where it is one.
    pub own: Option<Bounds>,
    /// The key or user who asked.
    pub asked_by: String,
    /// What for. Empty: it was not asked for, but given.
    pub reason: String,
    /// What was asked for.
    pub asked: Raise,
    /// What became of it.
    pub state: IncreaseState,
    /// What was granted.
    pub granted: Option<Raise>,
    /// Until when. `None`: nothing was granted, or it is for good.
    pub ends_at: Option<Timestamp>,
    /// The key or user who decided, or the program.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// What they say of it.
    pub note: String,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Increase {
    /// Whether it raises limits or budgets at `now`, until an end.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.state == IncreaseState::Granted && self.ends_at.is_some_and(|at| at > now)
    }
}

/// Which limit increases to list. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct IncreaseFilter {
    /// Only those in this state.
    pub state: Option<IncreaseState>,
    /// Only those of this key.
    pub key: Option<KeyId>,
    /// Only those of keys of this owner: a member's own.
    pub owner: Option<Owner>,
    /// Only those of keys, none of what keys share.
    pub is_of_keys: bool,
}

/// Reads limit increases with the names of whose they are.
macro_rules! select_increases {
    ($only:literal) => {
        concat!(
            "SELECT i.id, i.organization_id, i.subject,
                 COALESCE(k.name, u.name, p.name, o.name) AS name, k.owner_kind, k.owner_id,
                 k.rights, i.asked_by, i.reason, i.asked, i.state, i.granted, i.ends_at_us, i.decided_by,
                 i.decided_at_us, i.note, i.created_at_us
             FROM limit_increases i
             LEFT JOIN api_keys k ON k.organization_id = i.organization_id AND k.id = i.key_id
             LEFT JOIN users u
               ON u.organization_id = i.organization_id AND u.id = substr(i.subject, 6)
             LEFT JOIN projects p
               ON p.organization_id = i.organization_id AND p.id = substr(i.subject, 9)
             LEFT JOIN organizations o ON o.id = i.organization_id
             WHERE i.organization_id = $1 AND ",
            $only
        )
    };
}

const FIND: &str = select_increases!("i.id = $2");
const LIST: &str = select_increases!(
    "(CAST($2 AS TEXT) IS NULL OR i.state = $2)
       AND (CAST($3 AS TEXT) IS NULL OR i.key_id = $3)
       AND (CAST($4 AS TEXT) IS NULL OR k.owner_id = $4)
       AND (CAST($5 AS TEXT) IS NULL OR i.id < $5)
       AND (CAST($7 AS TEXT) IS NULL OR i.subject LIKE $7)
     ORDER BY i.id DESC LIMIT $6"
);

/// Ends what raises the limits or budgets of one for a while.
pub(crate) const END_HELD: &str = "
    UPDATE limit_increases SET ends_at_us = $3
    WHERE organization_id = $1 AND subject = $2 AND state = 'granted' AND ends_at_us > $3
    RETURNING id";

/// Ends what raises the limits or budgets of one, by subject and name, and audits it, inside an open
/// transaction that has written the audit row of what ends it. `?` acts on the caller.
macro_rules! end_held {
    ($store:expr, $tx:ident, $act:expr, ($subject:expr, $name:expr)) => {{
        let ended: Vec<(String,)> = sqlx::query_as($crate::increases::END_HELD)
            .bind($act.organization.to_string())
            .bind($subject.to_string())
            .bind($act.at.as_microsecond())
            .fetch_all(&mut *$tx)
            .await?;
        for (id,) in ended {
            let detail = $crate::increases::whose(&$subject, $name);
            let deed = $act.entry("limit_increase.end", &id, &detail).that_follows();
            $crate::audit::append_audit!($store, $tx, deed);
        }
    }};
}
pub(crate) use end_held;

/// Whose an increase is, as its audit entries say it: `{"key": "dw_…", "name": "ci"}`.
pub(crate) fn whose(subject: &Subject, name: &str) -> Value {
    json!({ subject.bound_of().as_str(): subject.id(), "name": name })
}

/// A subject as it is stored.
fn subject(text: &str) -> Result<Subject, StoreError> {
    Subject::parse(text).ok_or_else(|| StoreError::Corrupt("subject".to_owned()))
}

row! {
    struct IncreaseRow {
        id: String,
        organization_id: String,
        subject: String,
        name: String,
        owner_kind: Option<String>,
        owner_id: Option<String>,
        rights: Option<String>,
        asked_by: String,
        reason: String,
        asked: String,
        state: String,
        granted: Option<String>,
        ends_at_us: Option<i64>,
        decided_by: Option<String>,
        decided_at_us: Option<i64>,
        note: String,
        created_at_us: i64,
    }
}

impl IncreaseRow {
    fn parse(self) -> Result<Increase, StoreError> {
        Ok(Increase {
            id: parsed("limit increase", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            subject: subject(&self.subject)?,
            name: self.name,
            owner: match (self.owner_kind, self.owner_id) {
                (Some(kind), Some(id)) => Some(owner(&kind, &id)?),
                (_, _) => None,
            },
            own: self.rights.as_deref().map(StoredRights::bounds).transpose()?,
            asked_by: self.asked_by,
            reason: self.reason,
            asked: parsed_json("limit increase", &self.asked)?,
            state: parsed("state of a limit increase", &self.state)?,
            granted: self.granted.map(|text| parsed_json("limit increase", &text)).transpose()?,
            ends_at: self.ends_at_us.map(timestamp).transpose()?,
            decided_by: self.decided_by,
            decided_at: self.decided_at_us.map(timestamp).transpose()?,
            note: self.note,
            created_at: timestamp(self.created_at_us)?,
        })
    }
}

impl Store {
    /// A limit increase of this organization.
    pub async fn find_increase(
        &self,
        organization: OrganizationId,
        id: IncreaseId,
    ) -> Result<Option<Increase>, StoreError> {
        let row: Option<IncreaseRow> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(FIND).bind(organization.to_string()).bind(id.to_string());
            query.fetch_optional(pool).await?
        });
        row.map(IncreaseRow::parse).transpose()
    }

    /// Limit increases of this organization, newest first, older than `after`.
    pub async fn list_increases(
        &self,
        organization: OrganizationId,
        filter: &IncreaseFilter,
        after: Option<IncreaseId>,
        limit: u32,
    ) -> Result<Page<Increase>, StoreError> {
        let rows: Vec<IncreaseRow> = on!(self.db.read, |pool| {
            sqlx::query_as(LIST)
                .bind(organization.to_string())
                .bind(filter.state.map(IncreaseState::as_str))
                .bind(filter.key.as_ref().map(KeyId::as_str))
                .bind(filter.owner.map(|owner| owner.to_string()))
                .bind(after.map(|id| id.to_string()))
                .bind(i64::from(limit) + 1)
                .bind(filter.is_of_keys.then_some("key:%"))
                .fetch_all(pool)
                .await?
        });
        let has_more = rows.len() > limit as usize;
        let rows = rows.into_iter().take(limit as usize).map(IncreaseRow::parse);
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, has_more })
    }

    async fn increase(
        &self,
        organization: OrganizationId,
        id: IncreaseId,
    ) -> Result<Increase, StoreError> {
        let found = self.find_increase(organization, id).await?;
        found.ok_or(StoreError::Missing("limit increase"))
    }
}
