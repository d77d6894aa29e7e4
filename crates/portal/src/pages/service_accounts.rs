//! `/service-accounts`: identities of apps and agents, which never sign in.

mod edit;
mod life;
mod list;

use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use edit::{act as edit, create, new, show};
pub(crate) use life::{act_disable, act_enable, act_remove, disable, remove};
pub(crate) use list::list;

/// What the API says of one.
#[derive(Debug, Deserialize)]
struct Account {
    id: String,
    name: String,
    description: String,
    project: String,
    /// `active` or `disabled`.
    status: String,
    created_at: Timestamp,
}

impl Account {
    fn is_active(&self) -> bool {
        self.status == "active"
    }
}
