//! What a restore writes into the audit log that it restores.

use doorward_domain::audit::AuditKey;
use jiff::Timestamp;
use serde_json::Value;

use super::restore::Restored;
use crate::audit::{Deed, append_entry, next_place};
use crate::db::{Session, on_session, parsed};
use crate::{Act, Actor, Clock, StoreError};

/// Writes down what the restore does, in the chain that it restores.
pub(super) struct Signer {
    pub(super) key: AuditKey,
    pub(super) clock: Clock,
}

impl Signer {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) async fn append(
        &self,
        session: &mut Session,
        organization: &str,
        (action, subject): (&str, &str),
        detail: &Value,
    ) -> Result<(), StoreError> {
        let organization = parsed("organization", organization)?;
        let act = Act { organization, actor: Actor::System, at: self.now() };
        let Deed { entry, .. } = act.entry(action, subject, detail);
        on_session!(session, |tx| {
            let place = next_place!(tx);
            append_entry!(&self.key, tx, entry, place);
        });
        Ok(())
    }

    /// The restore itself, for each organization: each reads its own part of the log.
    pub(super) async fn note(
        &self,
        session: &mut Session,
        restored: &Restored,
    ) -> Result<(), StoreError> {
        const ALL: &str = "SELECT id FROM organizations ORDER BY created_at_us, id";
        let organizations: Vec<(String,)> =
            on_session!(&mut *session, |conn| sqlx::query_as(ALL).fetch_all(conn).await?);
        let mut detail = restored.counts();
        detail.insert("backup_made_at".to_owned(), restored.made_at.to_string().into());
        let detail = detail.into();
        for (id,) in organizations {
            self.append(session, &id, ("installation.restore", &id), &detail).await?;
        }
        Ok(())
    }
}
