//! `/v1/audit`.

mod lines;

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use doorward_domain::audit::AuditEntry;
use doorward_domain::id::OrganizationId;
use doorward_store::{AuditFilter, AuditStep, AuditVerdict};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::list::List;
use crate::api::usage::{Format, format, instant};
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
    /// What the actor is called now. `null`: nothing, or it is not there any more.
    #[schema(required)]
    actor_name: Option<String>,
    action: String,
    subject: String,
    /// What the subject is called now. `null`: nothing, or it is not there any more.
    #[schema(required)]
    subject_name: Option<String>,
    detail: Value,
}

impl EntryObject {
    fn new(entry: AuditEntry, names: &HashMap<String, String>) -> Self {
        Self {
            actor_name: names.get(&entry.actor).cloned(),
            subject_name: names.get(&entry.subject).cloned(),
            object: "audit_entry",
            sequence: entry.sequence,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
        }
    }

    /// What `after` says to go on behind it.
    pub(super) fn cursor(&self) -> String {
        self.sequence.to_string()
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
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<i64>, Query), ("actor" = Option<String>, Query, min_length = 1, description = "Only what this key did, or any key of this user or service account, by id or name; or `system`."), ("action" = Option<String>, Query, min_length = 1, description = "Only actions that begin so, such as `key.`."), ("except" = Option<String>, Query, min_length = 1, description = "Only actions that do not begin so, such as `session.`."), ("subject" = Option<String>, Query, min_length = 1), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query), ("format" = Option<Format>, Query, description = "How the entries are written; without it as the `accept` header says. CSV and JSON lines hold all of them, without `limit` and `after`.")),
    responses((status = 200, content((List<EntryObject> = "application/json"), (String = "text/csv"), (String = "application/jsonl")))),
)]
pub(crate) async fn list_audit(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    let (limit, before) = (params.limit(), params.parse::<i64>("after"));
    let organization = caller.organization();
    let mut filter = filter(&mut params);
    let format = format(&mut params, &headers);
    params.finish()?;
    filter.actor = named(&control, organization, filter.actor).await?;
    if format != Format::Json {
        return Ok(lines::stream(control, organization, filter, format));
    }
    let rows = page(&control, organization, &filter, before, limit + 1).await?;
    Ok(List::cut(rows, limit, EntryObject::cursor).into_response())
}

/// A page of those that fit a filter.
async fn page(
    control: &Control,
    organization: OrganizationId,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<EntryObject>, ApiError> {
    let rows = control.store.search_audit(organization, filter, before, limit).await?;
    entries(control, organization, rows).await
}

/// Entries with the names of whom and what they are about.
pub(super) async fn entries(
    control: &Control,
    organization: OrganizationId,
    rows: Vec<AuditEntry>,
) -> Result<Vec<EntryObject>, ApiError> {
    let ids = rows.iter().flat_map(|entry| [entry.actor.clone(), entry.subject.clone()]);
    let ids: HashSet<String> = ids.collect();
    let names = control.store.names_of(organization, ids).await?;
    Ok(rows.into_iter().map(|entry| EntryObject::new(entry, &names)).collect())
}

/// The id of whoever has this name; what is nobody's stays as it is, for it may be an id.
async fn named(
    control: &Control,
    organization: OrganizationId,
    actor: Option<String>,
) -> Result<Option<String>, ApiError> {
    let Some(name) = actor else { return Ok(None) };
    if let Some(user) = control.store.find_user_by_name(organization, &name).await? {
        return Ok(Some(user.id.to_string()));
    }
    let account = control.store.find_service_account_by_name(organization, &name).await?;
    Ok(Some(account.map_or(name, |account| account.id.to_string())))
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
        except: params.filter("except"),
        subject: params.filter("subject"),
        from,
        to,
    }
}
