//! Which report is asked for.

use std::str::FromStr;

use doorward_domain::id::OrganizationId;
use doorward_domain::key::Owner;
use doorward_store::{GroupBy, Store, StoreError, USAGE_ROWS_MAX, UsageFilter};
use http::HeaderMap;
use http::header::ACCEPT;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use utoipa::ToSchema;

use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::Params;

/// How far back a report reaches that does not say.
const SPAN_DEFAULT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = ReportFormat, rename_all = "lowercase")]
pub(crate) enum Format {
    Json,
    Csv,
    Jsonl,
}

/// A report, read from its query.
pub(super) struct Wish {
    pub(super) filter: UsageFilter,
    pub(super) group_by: Vec<GroupBy>,
    pub(super) format: Format,
    /// Of how many rows it is at most. `None`: of all.
    pub(super) limit: Option<u32>,
}

impl Wish {
    /// Reads everything that a report takes; faults are noted in `params`.
    pub(super) async fn read(
        control: &Control,
        caller: &Caller,
        headers: &HeaderMap,
        params: &mut Params,
    ) -> Result<Self, ApiError> {
        let filter = filter(control, caller, params).await?;
        let with_names = params.parse("names").unwrap_or_default();
        let filter = UsageFilter { with_names, ..filter };
        let (group_by, format) = (columns(params), format(params, headers));
        Ok(Self { filter, group_by, format, limit: limit(params, format) })
    }
}

/// Which calls are asked for; faults are noted in `params`.
pub(super) async fn filter(
    control: &Control,
    caller: &Caller,
    params: &mut Params,
) -> Result<UsageFilter, ApiError> {
    let names = Names { store: &control.store, caller };
    let (from, to) = span(params, control.now());
    Ok(UsageFilter {
        owner: only_owner(caller),
        key: params.parse_filter("key"),
        user: names.find(params, GroupBy::User).await?,
        service_account: names.find(params, GroupBy::ServiceAccount).await?,
        project: names.find(params, GroupBy::Project).await?,
        model: params.filter("model"),
        provider: names.find(params, GroupBy::Provider).await?,
        ..UsageFilter::all(caller.organization(), from, to)
    })
}

/// Whose calls the caller may see. `None`: everyone's in the organization.
fn only_owner(caller: &Caller) -> Option<Owner> {
    (!caller.role.manages_others()).then_some(caller.owner())
}

/// What reports are narrowed to: by id; or, for whoever manages others, by name. Nobody else can learn
/// which names there are.
struct Names<'a> {
    store: &'a Store,
    caller: &'a Caller,
}

impl Names<'_> {
    async fn find<T: FromStr>(
        &self,
        params: &mut Params,
        noun: GroupBy,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = params.filter(noun.as_str()) else { return Ok(None) };
        if let Ok(id) = text.parse() {
            return Ok(Some(id));
        }
        let found = if self.caller.role.manages_others() {
            self.id_of(self.caller.organization(), noun, &text).await?
        } else {
            None
        };
        if found.is_none() {
            params.refuse(noun.as_str(), "there is none of this id or name");
        }
        Ok(found.and_then(|id| id.parse().ok()))
    }

    async fn id_of(
        &self,
        organization: OrganizationId,
        noun: GroupBy,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        let (store, of) = (self.store, organization);
        Ok(match noun {
            GroupBy::User => store.find_user_by_name(of, name).await?.map(|it| it.id.to_string()),
            GroupBy::ServiceAccount => {
                let found = store.find_service_account_by_name(of, name).await?;
                found.map(|it| it.id.to_string())
            }
            GroupBy::Project => {
                store.find_project_by_name(of, name).await?.map(|it| it.id.to_string())
            }
            GroupBy::Provider => {
                store.find_provider_by_name(of, name).await?.map(|it| it.id.to_string())
            }
            GroupBy::Key | GroupBy::Model | GroupBy::Day | GroupBy::Hour => None,
        })
    }
}

fn columns(params: &mut Params) -> Vec<GroupBy> {
    let Some(text) = params.text("group_by") else { return Vec::new() };
    let mut columns = Vec::new();
    for name in text.split(',') {
        let found = GroupBy::ALL.into_iter().find(|column| column.as_str() == name.trim());
        match found {
            Some(column) if columns.contains(&column) => {}
            Some(column) => columns.push(column),
            None => {
                let name: String = name.chars().take(40).collect();
                let known = GroupBy::ALL.map(GroupBy::as_str).join(", ");
                params.refuse("group_by", format!("`{name}` is none of: {known}"));
            }
        }
    }
    columns
}

/// What is asked for by name, else what the client would rather read.
pub(in crate::api) fn format(params: &mut Params, headers: &HeaderMap) -> Format {
    match params.filter("format").as_deref() {
        Some("json") => Format::Json,
        Some("csv") => Format::Csv,
        Some("jsonl") => Format::Jsonl,
        Some(_) => {
            params.refuse("format", "must be one of: json, csv, jsonl");
            Format::Json
        }
        None => accepted(headers),
    }
}

/// Whoever takes rows one by one can stop by themselves.
fn limit(params: &mut Params, format: Format) -> Option<u32> {
    let text = params.filter("limit")?;
    let limit = text.parse().ok().filter(|limit| (1..=USAGE_ROWS_MAX).contains(limit));
    if limit.is_none() {
        params.refuse("limit", format!("must be a whole number from 1 to {USAGE_ROWS_MAX}"));
    } else if format != Format::Json {
        params.refuse("limit", "is for JSON only; CSV and JSON lines have all rows");
    }
    limit
}

fn accepted(headers: &HeaderMap) -> Format {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = values.flat_map(|value| value.split(','));
    let mut known = kinds.filter_map(|kind| {
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(Format::Json),
            "text/csv" => Some(Format::Csv),
            "application/jsonl" | "application/x-ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    });
    known.next().unwrap_or(Format::Json)
}

fn span(params: &mut Params, now: Timestamp) -> (Timestamp, Timestamp) {
    let to = instant(params, "to").unwrap_or(now);
    let from = instant(params, "from").unwrap_or_else(|| begin(to));
    if from >= to {
        params.refuse("from", "must be before `to`");
    }
    (from, to)
}

/// Where a report begins that does not say: with a whole hour, for single calls of so long ago may be
/// kept no more.
fn begin(to: Timestamp) -> Timestamp {
    let from = to.checked_sub(SPAN_DEFAULT).unwrap_or(Timestamp::MIN);
    let second = from.as_second();
    Timestamp::from_second(second - second.rem_euclid(3_600)).unwrap_or(from)
}

/// An instant, or a day, which means its first moment in UTC.
pub(in crate::api) fn instant(params: &mut Params, name: &str) -> Option<Timestamp> {
    let text = params.filter(name)?;
    let day =
        || text.parse::<Date>().ok().filter(|_| text.len() == 10)?.to_zoned(TimeZone::UTC).ok();
    let at = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
    if at.is_none() {
        params.refuse(name, "must be a time such as 2026-11-21T09:00:00Z, or a day");
    }
    at
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_report_is_written_as_the_client_reads_it() {
        let cases = [
            ("",                                            Format::Json),
            ("*/*",                                         Format::Json),
            ("text/html, */*",                              Format::Json),
            ("text/csv",                                    Format::Csv),
            ("TEXT/CSV; header=present",                    Format::Csv),
            ("text/html, text/csv;q=0.9, application/json", Format::Csv),
            ("application/json, text/csv",                  Format::Json),
            ("application/jsonl",                           Format::Jsonl),
            ("application/x-ndjson",                        Format::Jsonl),
            ("text/csvx",                                   Format::Json),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(accepted(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn a_report_that_does_not_say_begins_with_a_whole_hour_thirty_days_ago() {
        let to = "2026-11-21T09:30:12.5Z".parse().unwrap();
        assert_eq!(begin(to), "2026-10-22T09:00:00Z".parse().unwrap());
        assert_eq!(begin(Timestamp::MIN), Timestamp::MIN);
    }
}
