//! `/v1/usage`.

use axum::extract::State;
use doorward_domain::key::Owner;
use doorward_domain::money::NanoUsd;
use doorward_store::{GroupBy, USAGE_ROWS_MAX, UsageFilter, UsageRow};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::Instant;
use crate::problem::ApiError;
use crate::request::Params;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(report_usage,))]
pub(crate) struct Described;

/// How far back a report reaches that does not say.
const SPAN_DEFAULT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One row of a report; what it is not grouped by is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageRow)]
pub(crate) struct RowObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    requests: u64,
    errors: u64,
    /// How often a provider was tried for these requests.
    attempts: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: NanoUsd,
}

impl From<UsageRow> for RowObject {
    fn from(row: UsageRow) -> Self {
        Self {
            key: row.key,
            model: row.model,
            day: row.day,
            requests: row.requests,
            errors: row.errors,
            attempts: row.attempts,
            input_tokens: row.usage.input_tokens,
            cached_input_tokens: row.usage.cached_input_tokens,
            output_tokens: row.usage.output_tokens,
            reasoning_tokens: row.usage.reasoning_tokens,
            cost_usd: row.spend.cost,
        }
    }
}

/// Reports what calls consumed, in the last 30 days unless told otherwise.
#[utoipa::path(
    get,
    path = "/v1/usage",
    params(("group_by" = Option<String>, Query, pattern = "^((key|model|day)(,(key|model|day))*)?$"), ("from" = Option<Instant>, Query), ("to" = Option<Instant>, Query)),
    responses((status = 200, body = List<RowObject>)),
)]
pub(crate) async fn report_usage(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<RowObject>, ApiError> {
    let columns = columns(&mut params);
    let (from, to) = span(&mut params, control.now());
    params.finish()?;
    let filter =
        UsageFilter { organization: caller.organization(), owner: only_owner(&caller), from, to };
    let rows = control.store.usage_report(&filter, &columns).await?;
    refuse_cut(&rows)?;
    Ok(List::page(rows.into_iter().map(RowObject::from).collect(), false, None))
}

/// A report that was cut short would pass for the whole.
fn refuse_cut(rows: &[UsageRow]) -> Result<(), ApiError> {
    let mut faults = Faults::new();
    if rows.len() as u64 > u64::from(USAGE_ROWS_MAX) {
        let detail = format!(
            "the report has more than {USAGE_ROWS_MAX} rows; narrow the time with `from` and `to`, \
             or group by less"
        );
        faults.add("group_by", "too_many_rows", detail);
    }
    faults.finish()
}

/// Whose calls the caller may see. `None`: everyone's in the organization.
fn only_owner(caller: &Caller) -> Option<Owner> {
    (!caller.role.manages_others()).then_some(caller.owner())
}

fn columns(params: &mut Params) -> Vec<GroupBy> {
    let Some(text) = params.text("group_by") else { return Vec::new() };
    let mut columns = Vec::new();
    for name in text.split(',') {
        match column(name.trim()) {
            Some(column) if columns.contains(&column) => {}
            Some(column) => columns.push(column),
            None => {
                let name: String = name.chars().take(40).collect();
                params.refuse("group_by", format!("`{name}` is none of: key, model, day"));
            }
        }
    }
    columns
}

fn column(name: &str) -> Option<GroupBy> {
    match name {
        "key" => Some(GroupBy::Key),
        "model" => Some(GroupBy::Model),
        "day" => Some(GroupBy::Day),
        _ => None,
    }
}

fn span(params: &mut Params, now: Timestamp) -> (Timestamp, Timestamp) {
    let to = instant(params, "to").unwrap_or(now);
    let default = || to.checked_sub(SPAN_DEFAULT).unwrap_or(Timestamp::MIN);
    let from = instant(params, "from").unwrap_or_else(default);
    if from >= to {
        params.refuse("from", "must be before `to`");
    }
    (from, to)
}

/// An instant, or a day, which means its first moment in UTC.
pub(super) fn instant(params: &mut Params, name: &str) -> Option<Timestamp> {
    let text = params.filter(name)?;
    let day =
        || text.parse::<Date>().ok().filter(|_| text.len() == 10)?.to_zoned(TimeZone::UTC).ok();
    let at = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
    if at.is_none() {
        params.refuse(name, "must be a time such as 2026-11-21T09:00:00Z, or a day");
    }
    at
}
