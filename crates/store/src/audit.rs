//! The audit log: one row per administrative act, in the act's own transaction.

use doorward_domain::audit::{AuditEntry, BrokenChain};
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;

use crate::{Store, StoreError};

/// Who does something, where and when: the first argument of everything that changes data.
#[derive(Debug, Clone)]
pub struct Act {
    /// The organization that it happens in; every query keeps to it.
    pub organization: OrganizationId,
    /// A key id, a user id, or `system`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// What checking the chain found.
#[derive(Debug)]
pub enum AuditVerdict {
    /// Every entry fits; how many there are.
    Whole(i64),
    /// The first that does not.
    Broken(BrokenChain),
}

impl Store {
    /// Records something that changes no other row: a sign-in, a reveal, a denial by policy.
    pub async fn record(
        &self,
        act: &Act,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Entries of one organization, newest first, at most `limit`, before the sequence `before`.
    pub async fn list_audit(
        &self,
        organization: OrganizationId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        todo!()
    }

    /// Walks the whole chain, page by page, against the stored head.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        todo!()
    }
}
