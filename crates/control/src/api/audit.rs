//! `/v1/audit`.

use axum::Json;
use axum::extract::State;
use doorward_domain::audit::AuditEntry;
use doorward_store::{AuditFilter, AuditStep, AuditVerdict};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::list::List;
use crate::api::usage::instant;
use crate::caller::Caller;
use crate::openapi::text::Instant;
use crate::problem::ApiError;
use crate::request::Params;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(list_audit, verify_audit,))]
pub(crate) struct Described;

/// How much of the chain one request walks, in pages of a thousand entries: well under a second.
const PAGES_MAX: u32 = 100;

/// One act, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct EntryObject {
    #[schema(pattern = "^audit_entry$")]
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

/// Whether the chain of entries is as it was written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerdict)]
pub(crate) struct VerdictObject {
    #[schema(pattern = "^audit_verdict$")]
    object: &'static str,
    /// `whole`, `broken`, or `unfinished`: then `next` is what `after` must say to go on.
    #[schema(pattern = "^(whole|broken|unfinished)$")]
    verdict: &'static str,
    /// How many entries fit so far.
    #[schema(required)]
    entries: Option<i64>,
    /// What is wrong with the first that does not.
    #[schema(required)]
    fault: Option<String>,
    #[schema(required)]
    next: Option<String>,
}

impl From<AuditStep> for VerdictObject {
    fn from(step: AuditStep) -> Self {
        let (verdict, entries, fault) = match step {
            AuditStep::Walked(count) => ("unfinished", Some(count), None),
            AuditStep::Ended(AuditVerdict::Whole(count)) => ("whole", Some(count), None),
            AuditStep::Ended(AuditVerdict::Broken(broken)) => {
                ("broken", None, Some(broken.to_string()))
            }
        };
        let next = entries.filter(|_| verdict == "unfinished").map(|count| count.to_string());
        Self { object: "audit_verdict", verdict, entries, fault, next }
    }
}

/// Lists what was done, by whom and when, newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<i64>, Query), ("actor" = Option<String>, Query, min_length = 1), ("action" = Option<String>, Query, min_length = 1), ("subject" = Option<String>, Query, min_length = 1), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query)),
    responses((status = 200, body = List<EntryObject>)),
)]
pub(crate) async fn list_audit(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<EntryObject>, ApiError> {
    let (limit, before) = (params.limit(), params.parse::<i64>("after"));
    let filter = filter(&mut params);
    params.finish()?;
    let organization = caller.organization();
    let rows = control.store.search_audit(organization, &filter, before, limit + 1).await?;
    let rows = rows.into_iter().map(EntryObject::from).collect();
    Ok(List::cut(rows, limit, |entry| entry.sequence.to_string()))
}

/// Checks that no entry of the whole installation was edited, deleted, moved or cut off; a long chain
/// takes several requests.
#[utoipa::path(
    get,
    path = "/v1/audit/verify",
    params(("after" = Option<u32>, Query)),
    responses((status = 200, body = VerdictObject), (status = 404)),
)]
pub(crate) async fn verify_audit(
    State(control): State<Control>,
    _: Caller,
    mut params: Params,
) -> Result<Json<VerdictObject>, ApiError> {
    let after = params.parse::<u32>("after").map_or(0, i64::from);
    params.finish()?;
    let step = control.store.verify_audit_after(after, PAGES_MAX).await?;
    if let AuditStep::Ended(AuditVerdict::Broken(broken)) = &step {
        tracing::error!(%broken, "the audit log is broken");
    }
    Ok(Json(step.into()))
}

fn filter(params: &mut Params) -> AuditFilter {
    let (from, to) = (instant(params, "from"), instant(params, "to"));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        params.refuse("from", "must be before `to`");
    }
    AuditFilter {
        actor: params.filter("actor"),
        action: params.filter("action"),
        subject: params.filter("subject"),
        from,
        to,
    }
}
