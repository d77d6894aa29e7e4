//! API keys: making, listing, editing and ending them.

mod budgets;
pub(crate) mod change;
mod cursor;
mod denials;
pub(crate) mod edited;
mod forget;
mod list;
mod neighbours;
pub(crate) mod origins;
mod page;
mod role_max;
mod rotate;
mod row;
mod secrets;
mod sweep;
pub(crate) mod uses;

use std::net::IpAddr;

use doorward_domain::budget::{Budget, Spend};
use doorward_domain::id::{ProjectId, UserId};
use doorward_domain::key::{ApiKey, KeyStatus, Owner};
use doorward_domain::rights::Rights;
use doorward_domain::rotation::KeySecret;
use jiff::Timestamp;

use crate::increases::HeldIncrease;

pub(crate) use budgets::load_key_budgets;
pub use cursor::{KeyCursor, KeySort, KeySortBy, MalformedCursor, UnknownKeySort};
pub(crate) use denials::DENIAL_DAYS;
pub use denials::KeyDenial;
pub(crate) use forget::KeptFrom;
pub use rotate::Rotation;
pub(crate) use row::{SharedBounds, StoredCallKey, StoredRights, load_call_key, owner};
pub(crate) use secrets::Secrets;
pub use sweep::Swept;
pub(crate) use uses::{
    INSERT as USES_INSERT, ROWS as USES_ROWS, UNLESS_FRESH as USES_UNLESS_FRESH, Use, insert_uses,
    model_use,
};

/// A key to be made; its credential is minted inside.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Unique within the owner.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// As whom it acts.
    pub owner: Owner,
    /// Where it belongs.
    pub project: ProjectId,
    /// The user who makes it.
    pub created_by: UserId,
    /// What it may do.
    pub rights: Rights,
    /// Free data.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// At most this many active and disabled keys of the same owner, this one included. `None`: any.
    pub quota: Option<u32>,
}

/// What an edit changes; `None` leaves a field alone.
#[derive(Debug, Clone, Default)]
pub struct KeyEdit {
    /// What it is for.
    pub description: Option<String>,
    /// What it may do, as a whole.
    pub rights: Option<Rights>,
    /// Free data, as a whole.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// Only if it was last edited at this instant; else [`StoreError::Stale`](crate::StoreError::Stale).
    pub if_updated_at: Option<Timestamp>,
}

/// A key with what lists show beside it.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// The key.
    pub key: ApiKey,
    /// What it spent in the present period of each of its budgets, in their order.
    pub spent: Vec<(Budget, Spend)>,
    /// What it spent in the present month, whether it has budgets or not.
    pub spent_this_month: Spend,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<IpAddr>,
    /// The secrets that were replaced and still work, newest first.
    pub previous_secrets: Vec<KeySecret>,
    /// What raises its limits or budgets for a while.
    pub increase: Option<HeldIncrease>,
}

impl KeyRecord {
    /// The rights that it has now: its own, or what an increase makes of them.
    pub fn rights_now(&self) -> Rights {
        let own = &self.key.rights;
        self.increase.as_ref().map_or_else(|| own.clone(), |held| held.raise.applied_to(own))
    }
}

/// Which keys to list. All given conditions hold.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Only keys of this owner: a member's own.
    pub owner: Option<Owner>,
    /// Only keys with this status now. `None`: all but those that are revoked or put away.
    pub status: Option<KeyStatus>,
    /// Only keys of this project.
    pub project: Option<ProjectId>,
    /// Only this kind, `user` or `service`.
    pub kind: Option<String>,
    /// Only keys that end before this instant.
    pub expires_before: Option<Timestamp>,
    /// Only keys whose name, description or id contains this text.
    pub search: Option<String>,
    /// Only keys that this user made.
    pub created_by: Option<UserId>,
    /// Only keys that were not used at this instant or later; one that was never used counts from when
    /// it was made.
    pub unused_since: Option<Timestamp>,
    /// In which order.
    pub sort: KeySort,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
}
