//! `/v1/usage`.

mod lines;
mod wish;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use doorward_domain::credential::KeyId;
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Usage;
use doorward_store::{USAGE_ROWS_MAX, UsageRow};
use http::HeaderMap;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::{Instant, Name};
use crate::problem::ApiError;
use crate::request::Params;

pub(super) use lines::push_cell;
use lines::stream;
pub(crate) use wish::Format;
use wish::Wish;

pub(super) use wish::{format, instant};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(report_usage,))]
pub(crate) struct Described;

/// One row of a report; what it is not grouped by, or what there is none of, is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageRow)]
pub(crate) struct RowObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<String>,
    requests: u64,
    errors: u64,
    /// How often a provider was tried for these requests.
    attempts: u64,
    #[serde(flatten)]
    usage: Usage,
    cost_usd: NanoUsd,
}

impl From<UsageRow> for RowObject {
    fn from(row: UsageRow) -> Self {
        Self {
            key: row.key,
            user: row.user,
            service_account: row.service_account,
            project: row.project,
            model: row.model,
            provider: row.provider,
            day: row.day,
            hour: row.hour,
            requests: row.requests,
            errors: row.errors,
            attempts: row.attempts,
            usage: row.usage,
            cost_usd: row.spend.cost,
        }
    }
}

/// Reports what calls consumed, in the last 30 days unless told otherwise; as CSV or JSON lines however
/// many rows it has.
#[utoipa::path(
    get,
    path = "/v1/usage",
    params(("group_by" = Option<String>, Query, pattern = "^((key|user|service_account|project|model|provider|day|hour)(,(key|user|service_account|project|model|provider|day|hour))*)?$"), ("key" = Option<KeyId>, Query, description = "Only calls with this key."), ("user" = Option<Name>, Query, description = "Only calls with keys of this user, by id or name."), ("service_account" = Option<Name>, Query, description = "Only calls with keys of this service account, by id or name."), ("project" = Option<Name>, Query, description = "Only calls with keys of this project, by id or name."), ("model" = Option<String>, Query, description = "Only calls of this model, by its public name.", min_length = 1), ("provider" = Option<Name>, Query, description = "Only calls that this provider served, by id or name."), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query), ("format" = Option<Format>, Query, description = "How the rows are written; without it as the `accept` header says. CSV and JSON lines have no bound on their rows.")),
    responses((status = 200, content((List<RowObject> = "application/json"), (String = "text/csv"), (String = "application/jsonl")))),
)]
pub(crate) async fn report_usage(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, ApiError> {
    let wish = Wish::read(&control, &caller, &headers, &mut params).await?;
    params.finish()?;
    let Wish { filter, group_by, format } = wish;
    if format != Format::Json {
        let rows = control.store.usage_rows(filter, group_by.clone()).await?;
        return Ok(stream(rows, group_by, format));
    }
    let rows = control.store.usage_report(&filter, &group_by).await?;
    refuse_cut(&rows)?;
    let rows = rows.into_iter().map(RowObject::from).collect();
    Ok(List::page(rows, false, None).into_response())
}

/// A report that was cut short would pass for the whole.
fn refuse_cut(rows: &[UsageRow]) -> Result<(), ApiError> {
    let mut faults = Faults::new();
    if rows.len() as u64 > u64::from(USAGE_ROWS_MAX) {
        let detail = format!(
            "the report has more than {USAGE_ROWS_MAX} rows; narrow the time with `from` and `to`, \
             group by less, or ask for `format=csv` or `format=jsonl`"
        );
        faults.add("group_by", "too_many_rows", detail);
    }
    faults.finish()
}
