//! Reading what is kept, and the form in which it is.

use doorward_domain::id::{CallId, OrganizationId, ProjectId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::PromptRecord;
use crate::db::{on, parsed, timestamp};
use crate::keyring::{Keyring, SealedFor};
use crate::row::row;
use crate::{Act, Store, StoreError};

/// What is kept of one text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptText {
    /// The text, or its beginning.
    pub text: String,
    /// Whether it went on.
    pub is_cut: bool,
}

/// How long it is; never what it says.
impl std::fmt::Debug for KeptText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptText({} bytes)", self.text.len())
    }
}

/// What was asked and answered in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPrompt {
    /// The call.
    pub call: CallId,
    /// Of which project.
    pub project: ProjectId,
    /// When the call began.
    pub at: Timestamp,
    /// Whether addresses and numbers were taken out, beside keys.
    pub is_redacted: bool,
    /// What was asked. `None`: a form with a file.
    pub request: Option<KeptText>,
    /// What was answered. `None`: a file.
    pub answer: Option<KeptText>,
}

/// What is sealed of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    is_redacted: bool,
    request: Option<KeptText>,
    answer: Option<KeptText>,
}

impl Sealed {
    pub(super) fn of(record: PromptRecord) -> Self {
        let is_redacted = record.policy.redact;
        let [request, answer] = record.into_kept();
        Self { is_redacted, request, answer }
    }

    pub(super) fn seal(
        &self,
        keyring: &Keyring,
        organization: OrganizationId,
        call: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(self).map(Zeroizing::new);
        let plain = plain.map_err(|_| StoreError::Corrupt("prompt".to_owned()))?;
        keyring.seal_prompt(&place(organization, call), &plain)
    }

    fn open(
        keyring: &Keyring,
        organization: OrganizationId,
        (call, sealed): (&str, &[u8]),
    ) -> Result<Self, StoreError> {
        let plain = keyring.open_prompt(&place(organization, call), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| StoreError::Corrupt("prompt".to_owned()))
    }
}

fn place(organization: OrganizationId, call: &str) -> SealedFor<'_> {
    SealedFor { organization, row: call, field: "prompt" }
}

row! {
    struct PromptRow {
        call_id: String,
        project_id: String,
        created_at_us: i64,
        sealed: Vec<u8>,
    }
}

impl Store {
    /// Reads what was asked and answered in a call of this organization, and audits that it was read before
    /// anybody sees it. What is handed over and not written yet is written first. `None`: nothing is kept.
    pub async fn read_prompt(
        &self,
        act: &Act,
        call: CallId,
    ) -> Result<Option<StoredPrompt>, StoreError> {
        self.flush_prompts().await?;
        let Some(row) = self.find_prompt(act.organization, call).await? else { return Ok(None) };
        let kept = Sealed::open(&self.keyring, act.organization, (&row.call_id, &row.sealed))?;
        let detail = json!({ "project": row.project_id });
        self.record(act, "prompt.read", &row.call_id, detail).await?;
        Ok(Some(StoredPrompt {
            call: parsed("call", &row.call_id)?,
            project: parsed("project", &row.project_id)?,
            at: timestamp(row.created_at_us)?,
            is_redacted: kept.is_redacted,
            request: kept.request,
            answer: kept.answer,
        }))
    }

    async fn find_prompt(
        &self,
        organization: OrganizationId,
        call: CallId,
    ) -> Result<Option<PromptRow>, StoreError> {
        const SQL: &str = "
            SELECT call_id, project_id, created_at_us, sealed FROM prompts
            WHERE organization_id = $1 AND call_id = $2";
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(call.to_string())
                .fetch_optional(pool)
                .await?
        }))
    }
}
