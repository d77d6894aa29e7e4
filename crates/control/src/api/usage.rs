//! `/v1/usage`.

mod failures;
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

pub(crate) use failures::list_failures;
pub(super) use lines::push_cell;
use lines::{Columns, stream};
pub(crate) use wish::Format;
use wish::Wish;

pub(super) use wish::{format, instant};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(report_usage, failures::list_failures,))]
pub(crate) struct Described;

/// One row of a report; what it is not grouped by, or what there is none of, is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageRow)]
pub(crate) struct RowObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What it is called, as with all names where `names` asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<String>,
    requests: u64,
    errors: u64,
    /// How often a provider was tried for these requests.
    attempts: u64,
    /// How long the requests without an error took, together, in microseconds.
    duration_us: u64,
    /// The same until the first byte of their answers.
    first_byte_us: u64,
    #[serde(flatten)]
    usage: Usage,
    cost_usd: NanoUsd,
}

impl From<UsageRow> for RowObject {
    fn from(row: UsageRow) -> Self {
        Self {
            key: row.key,
            key_name: row.names.key,
            user: row.user,
            user_name: row.names.user,
            service_account: row.service_account,
            service_account_name: row.names.service_account,
            project: row.project,
            project_name: row.names.project,
            model: row.model,
            provider: row.provider,
            provider_name: row.names.provider,
            day: row.day,
            hour: row.hour,
            requests: row.requests,
            errors: row.errors,
            attempts: row.attempts,
            duration_us: row.duration_us,
            first_byte_us: row.first_byte_us,
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
    params(("group_by" = Option<String>, Query, pattern = "^((key|user|service_account|project|model|provider|day|hour)(,(key|user|service_account|project|model|provider|day|hour))*)?$"), ("key" = Option<KeyId>, Query, description = "Only calls with this key."), ("user" = Option<Name>, Query, description = "Only calls with keys of this user, by id or name."), ("service_account" = Option<Name>, Query, description = "Only calls with keys of this service account, by id or name."), ("project" = Option<Name>, Query, description = "Only calls with keys of this project, by id or name."), ("model" = Option<String>, Query, description = "Only calls of this model, by its public name.", min_length = 1), ("provider" = Option<Name>, Query, description = "Only calls that this provider served, by id or name."), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query), ("names" = Option<bool>, Query, description = "Whether rows say what things are called, beside their ids."), ("limit" = Option<u32>, Query, description = "Only the first rows, newest first, then by cost; JSON only.", minimum = 1, maximum = 10_000), ("format" = Option<Format>, Query, description = "How the rows are written; without it as the `accept` header says. CSV and JSON lines have no bound on their rows.")),
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
    let Wish { filter, group_by, format, limit } = wish;
    if format != Format::Json {
        let rows = control.store.usage_rows(filter.clone(), group_by.clone()).await?;
        return Ok(stream(rows, Columns { group_by, has_names: filter.with_names }, format));
    }
    let rows_max = limit.unwrap_or(USAGE_ROWS_MAX);
    let mut rows = control.store.usage_first(&filter, &group_by, rows_max).await?;
    if limit.is_none() {
        refuse_cut(&rows)?;
    }
    let rows_max = rows_max.try_into().unwrap_or(usize::MAX);
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let rows = rows.into_iter().map(RowObject::from).collect();
    Ok(List::page(rows, has_more, None).into_response())
}

/// A report that was cut short would pass for the whole.
fn refuse_cut(rows: &[UsageRow]) -> Result<(), ApiError> {
    let mut faults = Faults::new();
    if rows.len() as u64 > u64::from(USAGE_ROWS_MAX) {
        let detail = format!(
            "the report has more than {USAGE_ROWS_MAX} rows; narrow the time with `from` and `to`, \
             group by less, ask for the first ones with `limit`, or for `format=csv` or \
             `format=jsonl`"
        );
        faults.add("group_by", "too_many_rows", detail);
    }
    faults.finish()
}
