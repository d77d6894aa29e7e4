//! `/v1/audit`.

use axum::extract::State;
use doorward_domain::audit::AuditEntry;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::Params;

/// One act, as answers show it.
#[derive(Debug, Serialize)]
pub(crate) struct EntryObject {
    object: &'static str,
    sequence: i64,
    at: Timestamp,
    actor: String,
    action: String,
    subject: String,
    detail: Value,
}

impl From<AuditEntry> for EntryObject {
    fn from(entry: AuditEntry) -> Self {
        Self {
            object: "audit_entry",
            sequence: entry.sequence,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
        }
    }
}

/// Lists what was done, by whom and when, newest first.
pub(crate) async fn list_audit(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<EntryObject>, ApiError> {
    let (limit, before) = (params.limit(), params.parse::<i64>("after"));
    params.finish()?;
    let rows = control.store.list_audit(caller.organization(), before, limit + 1).await?;
    let rows = rows.into_iter().map(EntryObject::from).collect();
    Ok(List::cut(rows, limit, |entry| entry.sequence.to_string()))
}
