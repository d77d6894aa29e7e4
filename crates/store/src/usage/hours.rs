//! Calls summed up by the hour: what reports of whole hours read.

use std::collections::BTreeMap;

use doorward_domain::call::UsageEvent;
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, ProjectId, ProviderId};
use doorward_domain::key::Owner;
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Usage;

use super::figures::each;

pub(super) const HOUR_US: i64 = 3_600_000_000;
/// The longest time of one call: a day.
const CALL_US_MAX: u64 = 86_400_000_000;

/// The figures follow.
pub(super) const INSERT: &str = "
    INSERT INTO usage_hours (organization_id, hour_us, key_id, owner_id, project_id, provider_id,
        model, requests, errors, attempts, duration_us, first_byte_us, cost_nanousd, ";

/// Rows in one statement.
pub(super) const ROWS: usize = 50;

/// Adds to what stands there already.
pub(super) fn add() -> String {
    const COUNTS: [&str; 6] =
        ["requests", "errors", "attempts", "duration_us", "first_byte_us", "cost_nanousd"];
    let counts = COUNTS.map(add_to).join(", ");
    let figures = each(add_to);
    format!(
        " ON CONFLICT (organization_id, hour_us, key_id, project_id, provider_id, model) \
          DO UPDATE SET {counts}, {figures}"
    )
}

/// Adds to a column, up to the largest number: an overflow would stop every batch from then on.
fn add_to(column: &'static str) -> String {
    format!(
        "{column} = CASE WHEN usage_hours.{column} > 9223372036854775807 - excluded.{column} \
         THEN 9223372036854775807 ELSE usage_hours.{column} + excluded.{column} END"
    )
}

/// Adds sums of hours inside an open transaction of either engine. `?` acts on the caller.
macro_rules! add_hours {
    ($tx:ident, $hours:expr) => {
        for rows in $hours.chunks($crate::usage::hours::ROWS) {
            let mut insert = sqlx::QueryBuilder::new($crate::usage::hours::INSERT);
            insert.push($crate::usage::figures::columns("")).push(") ");
            insert.push_values(rows, |mut row, (place, sum)| {
                row.push_bind(place.organization.to_string())
                    .push_bind(place.hour_us)
                    .push_bind(place.key.to_string())
                    .push_bind(place.owner.to_string())
                    .push_bind(place.project.to_string())
                    .push_bind(place.provider.to_string())
                    .push_bind(place.model.to_owned())
                    .push_bind(signed(sum.requests))
                    .push_bind(signed(sum.errors))
                    .push_bind(signed(sum.attempts))
                    .push_bind(signed(sum.duration_us))
                    .push_bind(signed(sum.first_byte_us))
                    .push_bind(sum.cost.to_column());
                for figure in sum.usage.figures() {
                    row.push_bind(signed(figure));
                }
            });
            insert.push($crate::usage::hours::add());
            insert.build().execute(&mut *$tx).await?;
        }
    };
}
pub(super) use add_hours;

/// What calls are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    pub(super) organization: OrganizationId,
    /// The first moment of the hour in which they began.
    pub(super) hour_us: i64,
    pub(super) key: KeyId,
    /// Stands with the calls: the key may be gone when they are reported.
    pub(super) owner: Owner,
    pub(super) project: ProjectId,
    pub(super) provider: ProviderId,
    pub(super) model: &'a str,
}

/// What they consumed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) attempts: u64,
    /// How long the requests without an error took, together.
    pub(super) duration_us: u64,
    /// The same until the first byte.
    pub(super) first_byte_us: u64,
    pub(super) usage: Usage,
    pub(super) cost: NanoUsd,
}

/// The sums of a batch, always in one order, so that two writers never wait for each other.
pub(super) fn sum_up<'a>(events: &[&'a UsageEvent]) -> Vec<(Place<'a>, Sum)> {
    let mut sums: BTreeMap<Place<'a>, Sum> = BTreeMap::new();
    for event in events {
        sums.entry(Place::of(event)).or_default().add(event);
    }
    sums.into_iter().collect()
}

impl<'a> Place<'a> {
    fn of(UsageEvent { hold, .. }: &'a UsageEvent) -> Self {
        Self {
            organization: hold.organization,
            hour_us: hour_of(hold.started_at_us),
            key: hold.key,
            owner: hold.owner,
            project: hold.project,
            provider: hold.provider,
            model: &hold.model,
        }
    }
}

impl Sum {
    fn add(&mut self, event: &UsageEvent) {
        let settled = &event.settlement;
        // Only the call's own event counts as a request.
        let is_call = event.is_call();
        self.requests += u64::from(is_call);
        self.errors += u64::from(is_call && settled.outcome.is_error());
        self.attempts += 1;
        if is_call && !settled.outcome.is_error() {
            self.duration_us += bounded_us(settled.duration_us);
            self.first_byte_us += bounded_us(settled.first_byte_us);
        }
        self.usage = self.usage.plus(settled.usage.bounded());
        self.cost = self.cost.plus(settled.spend.cost);
    }
}

/// The time of a call as it is summed up. No call takes so long; sums of what is not true must still be sums.
pub(super) fn bounded_us(us: u64) -> u64 {
    us.min(CALL_US_MAX)
}

/// The first moment of the hour that holds this one. Hours of UTC begin where those of the epoch do.
pub(super) const fn hour_of(us: i64) -> i64 {
    us - us.rem_euclid(HOUR_US)
}
