//! The query of a report.
//!
//! Whole hours are read from their sums; what stands before the first and behind the last of them, from
//! the single calls.

use sqlx::{Database, Encode, QueryBuilder, Type};

use super::figures::{columns, each};
use super::hours::{HOUR_US, hour_of};
use super::{GroupBy, UsageFilter};
use crate::db::is_storable;

const DAY_US: i64 = 24 * HOUR_US;

/// Whole hours. The columns of the figures, then [`FROM_HOURS`], follow.
const HOURS: &str = "
    SELECT hour_us AS at_us, key_id, owner_id, project_id, provider_id, model, requests, errors,
        attempts, duration_us, first_byte_us, cost_nanousd, ";
const FROM_HOURS: &str = " FROM usage_hours WHERE organization_id = ";
/// Single calls, each as if it were an hour. The columns of the figures, then [`FROM_CALLS`], follow.
const CALLS: &str = "
    UNION ALL
    SELECT e.started_at_us, e.key_id,
        COALESCE((SELECT k.owner_id FROM api_keys k WHERE k.id = e.key_id), ''), e.project_id,
        e.provider_id, e.model, CASE WHEN e.attempt = 0 THEN 1 ELSE 0 END,
        CASE WHEN e.attempt = 0 THEN e.is_error ELSE 0 END, 1,
        CASE WHEN e.attempt = 0 AND e.is_error = 0 THEN e.duration_us ELSE 0 END,
        CASE WHEN e.attempt = 0 AND e.is_error = 0 THEN e.first_byte_us ELSE 0 END,
        e.cost_nanousd, ";
const FROM_CALLS: &str = " FROM usage_events e WHERE e.organization_id = ";

/// Dollars and the rest of them are summed apart: nano-dollars of many dear calls are more than a
/// column holds. The sums of the figures follow.
const SUMS: &str = "
    CAST(SUM(u.requests) AS BIGINT) AS requests,
    CAST(SUM(u.errors) AS BIGINT) AS errors,
    CAST(SUM(u.attempts) AS BIGINT) AS attempts,
    CAST(SUM(u.duration_us) AS BIGINT) AS duration_us,
    CAST(SUM(u.first_byte_us) AS BIGINT) AS first_byte_us,
    CAST(SUM(u.cost_nanousd / 1000000000) AS BIGINT)
      + CAST(SUM(u.cost_nanousd % 1000000000) AS BIGINT) / 1000000000 AS cost_usd,
    CAST(SUM(u.cost_nanousd % 1000000000) AS BIGINT) % 1000000000 AS cost_rest_nanousd, ";

/// What rows are named after: the name's column, the table that knows it, and the column of its id.
const NAMED: [(&str, &str, &str); 5] = [
    ("key_name", "api_keys", "grouped_key"),
    ("user_name", "users", "grouped_user"),
    ("service_account_name", "service_accounts", "grouped_service_account"),
    ("project_name", "projects", "grouped_project"),
    ("provider_name", "providers", "grouped_provider"),
];

/// Columns that are not times, each with what it is called in a row and what it is read from.
const NAMES: [(GroupBy, &str, &str); 6] = [
    (GroupBy::Key, "grouped_key", "u.key_id"),
    (GroupBy::User, "grouped_user", "CASE WHEN u.owner_id LIKE 'usr%' THEN u.owner_id ELSE '' END"),
    (
        GroupBy::ServiceAccount,
        "grouped_service_account",
        "CASE WHEN u.owner_id LIKE 'sva%' THEN u.owner_id ELSE '' END",
    ),
    (GroupBy::Project, "grouped_project", "u.project_id"),
    (GroupBy::Model, "grouped_model", "u.model"),
    (GroupBy::Provider, "grouped_provider", "u.provider_id"),
];

/// The finest time that a report is grouped by, in microseconds. `None`: none.
pub(super) fn grain_us(group_by: &[GroupBy]) -> Option<i64> {
    let hour = group_by.contains(&GroupBy::Hour).then_some(HOUR_US);
    hour.or_else(|| group_by.contains(&GroupBy::Day).then_some(DAY_US))
}

/// The times of a report, each from its first moment to before its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spans {
    /// Of an hour of which not all is asked for.
    pub(super) before: (i64, i64),
    pub(super) hours: (i64, i64),
    /// Of another one.
    pub(super) behind: (i64, i64),
}

impl Spans {
    pub(super) fn of(filter: &UsageFilter) -> Self {
        let (from, to) = (filter.from.as_microsecond(), filter.to.as_microsecond());
        let first = hour_of(from.saturating_add(HOUR_US - 1));
        let last = hour_of(to).max(first);
        Self { before: (from, first.min(to)), hours: (first, last), behind: (last, to.max(last)) }
    }

    /// The hours of which the single calls are needed, by their first moments, each with the end of the
    /// report that lies within it.
    pub(super) fn parts(self) -> impl Iterator<Item = (&'static str, i64)> {
        let parts = [("from", self.before), ("to", self.behind)];
        let parts = parts.into_iter().filter(|(_, (from, to))| from < to);
        parts.map(|(field, (from, _))| (field, hour_of(from)))
    }
}

/// Writes the query of a report, its rows newest first, then by cost, at most `rows_max` of them. What
/// is not grouped by is one empty text in all rows.
pub(super) fn ask<DB: Database>(
    query: &mut QueryBuilder<DB>,
    filter: &UsageFilter,
    group_by: &[GroupBy],
    rows_max: Option<u32>,
) where
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let grain = grain_us(group_by);
    let mut groups: Vec<&str> = Vec::new();
    push_names(query, filter);
    query.push(" FROM (SELECT ");
    for (column, name, source) in NAMES {
        let is_grouped = group_by.contains(&column);
        groups.extend(is_grouped.then_some(name));
        query.push(if is_grouped { source } else { "''" }).push(" AS ").push(name).push(", ");
    }
    match grain {
        Some(us) => {
            groups.push("grouped_at_us");
            query.push(format_args!("u.at_us / {us} * {us}"))
        }
        None => query.push("CAST(0 AS BIGINT)"),
    };
    let sums = each(|name| format!("CAST(SUM(u.{name}) AS BIGINT) AS {name}"));
    query.push(" AS grouped_at_us, ").push(SUMS).push(sums).push(" FROM (");
    push_calls(query, filter);
    query.push(") u WHERE 1 = 1");
    push_filters(query, filter);
    if !groups.is_empty() {
        query.push(" GROUP BY ").push(groups.join(", "));
    }
    // Nothing is no row, also where it is grouped by nothing.
    query.push(" HAVING COUNT(*) > 0) r ORDER BY grouped_at_us DESC, cost_usd DESC, ");
    query.push("cost_rest_nanousd DESC, requests DESC");
    for (_, name, _) in NAMES {
        query.push(", ").push(name);
    }
    if let Some(rows) = rows_max {
        query.push(" LIMIT ").push_bind(i64::from(rows));
    }
}

/// What each row has, and, where it is wished, what that is called.
fn push_names<DB: Database>(query: &mut QueryBuilder<DB>, filter: &UsageFilter)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    query.push("SELECT r.*");
    for (column, table, id) in NAMED {
        if filter.with_names {
            query.push(format_args!(
                ", COALESCE((SELECT n.name FROM {table} n WHERE n.id = r.{id} AND n.organization_id = "
            ));
            query.push_bind(filter.organization.to_string()).push("), '') AS ").push(column);
        } else {
            query.push(", '' AS ").push(column);
        }
    }
}

fn push_calls<DB: Database>(query: &mut QueryBuilder<DB>, filter: &UsageFilter)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let (spans, organization) = (Spans::of(filter), filter.organization.to_string());
    let parts = [
        ((HOURS, "", FROM_HOURS), "hour_us", spans.hours),
        ((CALLS, "e.", FROM_CALLS), "e.started_at_us", spans.before),
        ((CALLS, "e.", FROM_CALLS), "e.started_at_us", spans.behind),
    ];
    for ((select, prefix, from_where), at, (from, to)) in parts {
        query.push(select).push(columns(prefix)).push(from_where).push_bind(organization.clone());
        query.push(" AND ").push(at).push(" >= ").push_bind(from);
        query.push(" AND ").push(at).push(" < ").push_bind(to);
    }
}

/// Narrows rows of `u` to what is asked for.
pub(super) fn push_filters<DB: Database>(query: &mut QueryBuilder<DB>, filter: &UsageFilter)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    let wanted = [
        ("u.owner_id", filter.owner.map(|owner| owner.to_string())),
        ("u.owner_id", filter.user.map(|user| user.to_string())),
        ("u.owner_id", filter.service_account.map(|account| account.to_string())),
        ("u.key_id", filter.key.map(|key| key.to_string())),
        ("u.project_id", filter.project.map(|project| project.to_string())),
        ("u.model", filter.model.clone()),
        ("u.provider_id", filter.provider.map(|provider| provider.to_string())),
    ];
    for (column, value) in wanted {
        let Some(value) = value else { continue };
        if is_storable(&value) {
            query.push(" AND ").push(column).push(" = ").push_bind(value);
        } else {
            query.push(" AND 1 = 0");
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::id::OrganizationId;
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn spans(from: i64, to: i64) -> Spans {
        let at = |us| Timestamp::from_microsecond(us).unwrap();
        Spans::of(&UsageFilter::all(OrganizationId::new(1, 1), at(from), at(to)))
    }

    proptest! {
        #[test]
        fn every_moment_of_a_report_is_in_one_span_and_no_other_is(
            hours in 0_i64..3,
            offsets in prop::array::uniform2(-2_i64..3),
        ) {
            let (from, to) = (offsets[0], hours * HOUR_US + offsets[1]);
            prop_assume!(from < to);
            let spans = spans(from, to);
            let all = [spans.before, spans.hours, spans.behind];
            let edges = (-1..=3).flat_map(|hour| (-3..=3).map(move |us| hour * HOUR_US + us));
            for at in edges {
                let holding = all.iter().filter(|(from, to)| (*from..*to).contains(&at)).count();
                prop_assert_eq!(holding, usize::from((from..to).contains(&at)), "{} of {:?}", at, spans);
            }
            let (first, last) = spans.hours;
            prop_assert_eq!((first % HOUR_US, last % HOUR_US), (0, 0));
        }
    }

    #[test]
    fn a_report_of_whole_hours_needs_no_single_call() {
        assert_eq!(spans(HOUR_US, 5 * HOUR_US).parts().count(), 0);
        assert_eq!(
            spans(HOUR_US + 1, 5 * HOUR_US).parts().collect::<Vec<_>>(),
            [("from", HOUR_US)]
        );
        assert_eq!(spans(0, 2).parts().collect::<Vec<_>>(), [("to", 0)]);
        assert_eq!(spans(1, 2).parts().collect::<Vec<_>>(), [("from", 0)], "one hour, once");
    }
}
