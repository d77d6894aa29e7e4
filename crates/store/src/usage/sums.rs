//! What a batch of finished calls adds to the sums behind budgets, and which of them used a key last.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use doorward_domain::bounds::Subject;
use doorward_domain::budget::{Period, Spend};
use doorward_domain::call::{Hold, UsageEvent};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::rotation::SecretNumber;
use jiff::tz::TimeZone;

use super::day::Day;
use crate::StoreError;
use crate::db::timestamp;
use crate::keys::{Use, model_use};

/// Always in one order, so that two writers never wait for each other.
#[derive(Default)]
pub(super) struct Sums<'a> {
    /// What each period of each subject grows by; the third of the key is when the period began.
    pub(super) spent: BTreeMap<(Subject, Period, i64), (OrganizationId, Spend)>,
    /// The last call with each secret of each key.
    pub(super) last_used: BTreeMap<(KeyId, SecretNumber), &'a Hold>,
    /// The last call of each model with each key.
    called: BTreeMap<(KeyId, &'a str), &'a Hold>,
}

impl<'a> Sums<'a> {
    /// Each call is added once, to a day of its key and project. Every period is made of whole days and every
    /// subject of whole keys in projects, so that the few sums of days make all the others.
    pub(super) fn of(events: &[&'a UsageEvent], zone: &TimeZone) -> Result<Self, StoreError> {
        let mut sums = Self::default();
        let mut day = Day::NONE;
        let mut days: BTreeMap<(KeyId, ProjectId, i64), (&Hold, Spend)> = BTreeMap::new();
        for UsageEvent { hold, settlement, .. } in events {
            day = day.or_that_of(hold.started_at_us, zone)?;
            let place = days.entry((hold.key, hold.project, day.start_us()));
            let (_, sum) = place.or_insert((hold, Spend::default()));
            *sum = sum.plus(settlement.spend);
            keep_latest(sums.last_used.entry((hold.key, hold.secret)), hold);
            keep_latest(sums.called.entry((hold.key, &hold.model)), hold);
        }
        for (hold, spend) in days.into_values() {
            sums.add(hold, spend, zone)?;
        }
        Ok(sums)
    }

    /// Adds what the calls of a day spent, of which this one is the first.
    fn add(&mut self, hold: &Hold, spend: Spend, zone: &TimeZone) -> Result<(), StoreError> {
        let started_at = timestamp(hold.started_at_us)?;
        for period in Period::ALL {
            let start_us = period.start(started_at, zone).as_microsecond();
            for subject in hold.subjects() {
                let place = self.spent.entry((subject, period, start_us));
                let (_, sum) = place.or_insert((hold.organization, Spend::default()));
                *sum = sum.plus(spend);
            }
        }
        Ok(())
    }

    /// The calls as uses of models.
    pub(super) fn uses(&self) -> Vec<Use> {
        let used = |((key, model), last): (&(KeyId, &str), &&Hold)| Use {
            organization: last.organization,
            key: *key,
            what: model_use(model),
            at_us: last.started_at_us,
        };
        self.called.iter().map(used).collect()
    }
}

fn keep_latest<'a, K: Ord>(place: Entry<'_, K, &'a Hold>, hold: &'a Hold) {
    let last = place.or_insert(hold);
    if hold.started_at_us > last.started_at_us {
        *last = hold;
    }
}
