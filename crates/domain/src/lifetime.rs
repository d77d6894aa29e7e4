//! How long a key lives: what was asked for, under the organization's cap.

use jiff::{SignedDuration, Timestamp};

/// 90 days: the cap unless the operator sets another.
pub const TTL_MINUTES_DEFAULT: u64 = 129_600;
/// The life of a key of which nothing is said, unless an administrator sets another.
pub const DAYS_DEFAULT: u32 = 90;

/// What an organization says of lifetimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The longest life of a secret, in minutes. 0: no cap.
    pub cap_minutes: u64,
    /// The life of a key of which nothing is said; the cap holds for it too.
    pub default_days: u32,
}

/// What a request says about the end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// Nothing.
    Unsaid,
    /// A number of days from now.
    Days(i64),
    /// An instant.
    At(Timestamp),
    /// No end.
    Never,
}

/// When a key ends, as decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The instant. `None`: never, possible only without a cap.
    pub at: Option<Timestamp>,
    /// Whether the cap shortened what was asked for; the answer to the client says so.
    pub is_clamped: bool,
}

/// A wish that has no meaning where no cap gives it one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key lives for at least one day, or says that it never expires")]
pub struct NoLifetime;

/// Decides the end of a key, asked for at `now`, under a cap on the life of its secret, which was made
/// at `since`: for a new key that is `now` too.
///
/// With a cap, whatever is not a shorter lifetime means the cap: zero, negative, too large, never.
/// Without one, `Never` is never, and zero or less is refused rather than read as immortal. An unsaid
/// end is the default, within the cap. An end in the past stays as it is, whether it was asked for or
/// is where the cap lies: the caller refuses it by name.
pub fn resolve(
    requested: Requested,
    rule: Rule,
    since: Timestamp,
    now: Timestamp,
) -> Result<Expiry, NoLifetime> {
    let cap = cap_at(rule.cap_minutes, since);
    let wanted = match requested {
        Requested::Unsaid => {
            return Ok(Expiry {
                at: Some(default_at(rule.default_days, cap, now)),
                is_clamped: false,
            });
        }
        Requested::Days(days) if days > 0 => after_hours(now, days.checked_mul(24)),
        Requested::Days(_) => cap.map(|_| None).ok_or(NoLifetime)?,
        Requested::At(at) => Some(at),
        Requested::Never => None,
    };
    Ok(match (wanted, cap) {
        (wanted, None) => Expiry { at: wanted, is_clamped: false },
        (Some(at), Some(cap)) if at <= cap => Expiry { at: Some(at), is_clamped: false },
        (_, Some(cap)) => Expiry { at: Some(cap), is_clamped: true },
    })
}

/// `None` where no cap is set; a cap beyond the end of time is the end of time.
fn cap_at(cap_minutes: u64, since: Timestamp) -> Option<Timestamp> {
    let minutes = i64::try_from(cap_minutes).unwrap_or(i64::MAX);
    (minutes > 0).then(|| {
        let seconds = minutes.checked_mul(60).map(SignedDuration::from_secs);
        seconds.and_then(|s| since.checked_add(s).ok()).unwrap_or(Timestamp::MAX)
    })
}

fn default_at(days: u32, cap: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let default = after_hours(now, Some(i64::from(days) * 24)).unwrap_or(Timestamp::MAX);
    cap.map_or(default, |cap| cap.min(default))
}

/// `None` where the sum leaves the calendar: as good as never.
fn after_hours(now: Timestamp, hours: Option<i64>) -> Option<Timestamp> {
    let seconds = hours?.checked_mul(3_600)?;
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_SECONDS: i64 = 86_400;

    fn any_instant() -> impl Strategy<Value = Timestamp> {
        let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        prop_oneof![
            4 => 0_i64..4_000_000_000,
            1 => first..=last,
            1 => last - 100 * DAY_SECONDS..=last,
        ]
        .prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    /// When a secret was made, and a later instant or the same one.
    fn any_life() -> impl Strategy<Value = (Timestamp, Timestamp)> {
        (any_instant(), any_instant(), any::<bool>()).prop_map(|(one, other, is_new)| {
            if is_new { (one, one) } else { (one.min(other), one.max(other)) }
        })
    }

    fn any_request() -> impl Strategy<Value = Requested> {
        prop_oneof![
            Just(Requested::Unsaid),
            Just(Requested::Never),
            any::<i64>().prop_map(Requested::Days),
            (-2_i64..400).prop_map(Requested::Days),
            any_instant().prop_map(Requested::At),
        ]
    }

    fn any_cap() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..400 * 1_440, any::<u64>(), Just(0), Just(u64::MAX)]
    }

    /// The usual default under this cap.
    fn capped(cap_minutes: u64) -> Rule {
        Rule { cap_minutes, default_days: DAYS_DEFAULT }
    }

    /// `now` plus so many minutes, at most the end of time, in nanoseconds.
    fn after_minutes(now: Timestamp, minutes: i128) -> i128 {
        (now.as_nanosecond() + minutes * 60_000_000_000).min(Timestamp::MAX.as_nanosecond())
    }

    /// What the request asks for in nanoseconds; what cannot be reached is for ever.
    fn wanted(requested: Requested, now: Timestamp) -> i128 {
        match requested {
            Requested::At(at) => at.as_nanosecond(),
            Requested::Days(days) if days > 0 => {
                now.as_nanosecond() + i128::from(days) * 86_400_000_000_000
            }
            Requested::Days(_) | Requested::Never | Requested::Unsaid => i128::MAX,
        }
    }

    #[test]
    fn the_usual_wishes_under_a_cap_of_ninety_days() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let in_days =
            |days: i64| now.checked_add(SignedDuration::from_secs(days * DAY_SECONDS)).unwrap();
        #[rustfmt::skip]
        let cases = [
            // requested                   ends in days  clamped
            (Requested::Unsaid,                   90,    false),
            (Requested::Days(1),                   1,    false),
            (Requested::Days(89),                 89,    false),
            (Requested::Days(90),                 90,    false),
            (Requested::Days(91),                 90,    true),
            (Requested::Days(0),                  90,    true),
            (Requested::Days(-1),                 90,    true),
            (Requested::Days(i64::MIN),           90,    true),
            (Requested::Days(i64::MAX),           90,    true),
            (Requested::Never,                    90,    true),
            (Requested::At(in_days(90)),          90,    false),
            (Requested::At(in_days(91)),          90,    true),
            (Requested::At(Timestamp::MAX),       90,    true),
            (Requested::At(in_days(-1)),          -1,    false), // the caller refuses it by name
        ];
        for (requested, days, is_clamped) in cases {
            let expected = Expiry { at: Some(in_days(days)), is_clamped };
            assert_eq!(
                resolve(requested, capped(TTL_MINUTES_DEFAULT), now, now),
                Ok(expected),
                "{requested:?}"
            );
        }
    }

    #[test]
    fn without_a_cap_only_an_express_wish_is_for_ever() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let in_days =
            |days: i64| now.checked_add(SignedDuration::from_secs(days * DAY_SECONDS)).ok();
        let ends = |at: Option<Timestamp>| Ok(Expiry { at, is_clamped: false });
        #[rustfmt::skip]
        let cases = [
            // requested                  decided
            (Requested::Unsaid,           ends(in_days(90))),
            (Requested::Days(1),          ends(in_days(1))),
            (Requested::Days(3_650),      ends(in_days(3_650))),
            (Requested::Days(i64::MAX),   ends(None)), // beyond the calendar
            (Requested::Never,            ends(None)),
            (Requested::Days(0),          Err(NoLifetime)), // zero is never immortal
            (Requested::Days(-1),         Err(NoLifetime)),
            (Requested::Days(i64::MIN),   Err(NoLifetime)),
        ];
        for (requested, expected) in cases {
            assert_eq!(resolve(requested, capped(0), now, now), expected, "{requested:?}");
        }
    }

    #[test]
    fn a_short_cap_shortens_the_default_without_calling_it_a_clamp() {
        let now = Timestamp::UNIX_EPOCH;
        let at = Timestamp::from_second(600).ok();
        assert_eq!(
            resolve(Requested::Unsaid, capped(10), now, now),
            Ok(Expiry { at, is_clamped: false })
        );
    }

    #[test]
    fn the_cap_counts_from_when_the_secret_was_made() {
        let since = Timestamp::from_second(1_800_000_000).unwrap();
        let day =
            |days: i64| since.checked_add(SignedDuration::from_secs(days * DAY_SECONDS)).unwrap();
        #[rustfmt::skip]
        let cases = [
            // asked on day  requested                  ends on day  clamped
            (60,             Requested::Days(30),       90,          false),
            (60,             Requested::Days(31),       90,          true),
            (60,             Requested::Never,          90,          true),
            (60,             Requested::At(day(91)),    90,          true),
            (60,             Requested::At(day(61)),    61,          false),
            (60,             Requested::Unsaid,         90,          false),
            (100,            Requested::Days(1),        90,          true), // the caller refuses it by name
        ];
        for (asked, requested, ends, is_clamped) in cases {
            let expected = Expiry { at: Some(day(ends)), is_clamped };
            let found = resolve(requested, capped(TTL_MINUTES_DEFAULT), since, day(asked));
            assert_eq!(found, Ok(expected), "{asked} {requested:?}");
        }
    }

    proptest! {
        #[test]
        fn no_key_outlives_the_cap(
            requested in any_request(),
            cap_minutes in any_cap().prop_filter("a cap", |cap| *cap > 0),
            (since, now) in any_life(),
        ) {
            let expiry = resolve(requested, capped(cap_minutes), since, now).unwrap();
            let end = expiry.at.expect("a cap always gives an end").as_nanosecond();
            prop_assert!(end <= after_minutes(since, i128::from(cap_minutes)));
        }

        #[test]
        fn a_clamp_is_reported_exactly_when_there_was_one(
            requested in any_request(),
            cap_minutes in any_cap(),
            (since, now) in any_life(),
        ) {
            let Ok(expiry) = resolve(requested, capped(cap_minutes), since, now) else {
                prop_assert!(cap_minutes == 0 && matches!(requested, Requested::Days(days) if days <= 0));
                return Ok(());
            };
            let wanted = wanted(requested, now);
            let cap = after_minutes(since, i128::from(cap_minutes));
            let is_over = cap_minutes > 0 && wanted > cap && requested != Requested::Unsaid;
            prop_assert_eq!(expiry.is_clamped, is_over);
            if is_over {
                prop_assert_eq!(expiry.at.map(Timestamp::as_nanosecond), Some(cap));
            }
        }

        #[test]
        fn an_unsaid_end_is_the_default_or_the_cap_whichever_is_sooner(
            cap_minutes in any_cap(),
            default_days in 1_u32..=3_650,
            (since, now) in any_life(),
        ) {
            let rule = Rule { cap_minutes, default_days };
            let expiry = resolve(Requested::Unsaid, rule, since, now).unwrap();
            let default = after_minutes(now, i128::from(default_days) * 1_440);
            let cap = match cap_minutes {
                0 => i128::MAX,
                minutes => after_minutes(since, i128::from(minutes)),
            };
            prop_assert_eq!(expiry.at.map(Timestamp::as_nanosecond), Some(default.min(cap)));
            prop_assert!(!expiry.is_clamped);
        }

        #[test]
        fn what_is_asked_for_within_the_cap_is_kept_to_the_nanosecond(
            requested in any_request().prop_filter("said", |r| *r != Requested::Unsaid),
            cap_minutes in any_cap(),
            (since, now) in any_life(),
        ) {
            if let Ok(Expiry { at: Some(at), is_clamped: false }) = resolve(requested, capped(cap_minutes), since, now) {
                prop_assert_eq!(at.as_nanosecond(), wanted(requested, now));
            }
        }

        #[test]
        fn a_key_never_expires_only_without_a_cap(
            requested in any_request(),
            cap_minutes in any_cap(),
            (since, now) in any_life(),
        ) {
            if let Ok(Expiry { at: None, .. }) = resolve(requested, capped(cap_minutes), since, now) {
                prop_assert_eq!(cap_minutes, 0);
                prop_assert!(wanted(requested, now) > Timestamp::MAX.as_nanosecond());
                prop_assert!(requested != Requested::Unsaid);
            }
        }
    }
}
