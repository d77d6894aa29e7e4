//! When which provider is asked: told the time and random numbers, it asks nobody itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use doorward_domain::id::ProviderId;
use tokio::time::Instant;

/// The first questions after a start, or of new checks, are spread over so long.
const SPREAD: Duration = Duration::from_secs(10);

/// When every provider that has a check is due, and who is being asked, whether it still has one or not.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    places: HashMap<ProviderId, Place>,
    running: HashSet<ProviderId>,
}

#[derive(Debug)]
struct Place {
    every: Duration,
    due: Instant,
}

impl Schedule {
    /// Knows these providers from now on, and no others. A shorter interval than before holds at once.
    pub(super) fn follow(
        &mut self,
        wanted: impl Iterator<Item = (ProviderId, Duration)>,
        now: Instant,
        random: impl Fn() -> u64,
    ) {
        let before = std::mem::take(&mut self.places);
        for (provider, every) in wanted {
            let due = match before.get(&provider) {
                None => now + share(every.min(SPREAD), random()),
                Some(place) => place.due.min(now + longest(every)),
            };
            self.places.insert(provider, Place { every, due });
        }
    }

    /// The one that is due for longest, which counts as being asked until it [ended](Self::ended).
    pub(super) fn begin(&mut self, now: Instant) -> Option<ProviderId> {
        let (due, provider) = self.next()?;
        (due <= now).then(|| {
            self.running.insert(provider);
            provider
        })
    }

    /// A round is over: the next one is due after the interval, give or take a tenth.
    pub(super) fn ended(&mut self, provider: ProviderId, now: Instant, random: u64) {
        self.running.remove(&provider);
        if let Some(Place { every, due }) = self.places.get_mut(&provider) {
            let shortest = *every * 9 / 10;
            *due = now + shortest + share(*every / 5, random);
        }
    }

    /// When somebody is due next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.next().map(|(due, _)| due)
    }

    fn next(&self) -> Option<(Instant, ProviderId)> {
        let waiting = self.places.iter().filter(|(provider, _)| !self.running.contains(*provider));
        waiting.map(|(provider, place)| (place.due, *provider)).min()
    }
}

fn longest(every: Duration) -> Duration {
    every + every / 10
}

/// A part of a time that a random number says.
fn share(time: Duration, random: u64) -> Duration {
    let most_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % most_us.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Duration = Duration::from_secs(100);

    fn provider(n: u128) -> ProviderId {
        ProviderId::new(1, n)
    }

    proptest! {
        /// Questions come neither in a flood nor hardly ever.
        #[test]
        fn the_next_round_is_an_interval_away_give_or_take_a_tenth(
            random: u64, seconds in 1_u64..=3_600,
        ) {
            let (now, every) = (Instant::now(), Duration::from_secs(seconds));
            let mut schedule = Schedule::default();
            let wanted = || std::iter::once((provider(1), every));
            schedule.follow(wanted(), now, || random);
            let first = schedule.next_at().unwrap();
            prop_assert!(first >= now && first < now + every.min(SPREAD));
            prop_assert_eq!(schedule.begin(first), Some(provider(1)));
            schedule.ended(provider(1), now, random);
            let next = schedule.next_at().unwrap() - now;
            prop_assert!(next * 10 >= every * 9 && next * 10 <= every * 11, "{:?}", next);
            schedule.follow(wanted(), now, || random);
            prop_assert_eq!(schedule.next_at().unwrap() - now, next, "following changes nothing");
        }
    }

    #[test]
    fn a_provider_is_asked_once_at_a_time_and_not_at_all_when_it_is_gone() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let one = (provider(1), EVERY);
        schedule.follow([one].into_iter(), now, || 0);
        assert_eq!((schedule.begin(now), schedule.begin(now)), (Some(provider(1)), None));
        schedule.follow([one, (provider(2), EVERY)].into_iter(), now, || 0);
        assert_eq!((schedule.begin(now), schedule.begin(now)), (Some(provider(2)), None));
        schedule.follow(std::iter::empty(), now, || 0);
        schedule.follow([one].into_iter(), now, || 0);
        assert_eq!(schedule.begin(now), None, "switched off and on, it is still being asked");
        schedule.ended(provider(2), now, 0);
        assert_eq!(schedule.next_at(), None, "one runs, the other is gone");
        schedule.ended(provider(1), now, 0);
        assert_eq!(schedule.next_at(), Some(now + Duration::from_secs(90)));
    }

    #[test]
    fn who_is_due_for_longest_is_asked_first() {
        let now = Instant::now();
        for order in [[1, 2, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            let mut schedule = Schedule::default();
            for (later, n) in (0..).zip(order) {
                let known = order.iter().take(later + 1).map(|n| (provider(*n), EVERY));
                schedule.follow(known, now, || later as u64);
                assert!(schedule.places.contains_key(&provider(n)));
            }
            let later = now + SPREAD;
            assert_eq!(order.map(|_| schedule.begin(later)), order.map(|n| Some(provider(n))));
        }
    }

    #[test]
    fn a_shorter_interval_holds_at_once() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.follow([(provider(1), EVERY)].into_iter(), now, || 0);
        schedule.begin(now);
        schedule.ended(provider(1), now, u64::MAX);
        schedule.follow([(provider(1), Duration::from_secs(10))].into_iter(), now, || 0);
        assert_eq!(schedule.next_at(), Some(now + Duration::from_secs(11)));
    }
}
