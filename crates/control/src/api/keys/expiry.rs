//! The end of a key: what the three fields of a request ask for, and what becomes of it.

use doorward_domain::key::{Life, Owner};
use doorward_domain::lifetime::{Requested, Rule, resolve};
use doorward_store::Settings;
use jiff::Timestamp;
use serde::Deserialize;

use crate::caller::Caller;
use crate::control::whole_microseconds;
use crate::faults::Faults;
use crate::request::Field;

/// A number of days. Whole numbers only; one that is too large for the machine is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Number")]
pub(super) struct Days(i64);

impl TryFrom<serde_json::Number> for Days {
    type Error = &'static str;

    #[expect(clippy::cast_possible_truncation, reason = "saturates: too large means the cap")]
    fn try_from(number: serde_json::Number) -> Result<Self, &'static str> {
        let whole = || number.as_f64().filter(|days| days.fract() == 0.0).map(|days| days as i64);
        number.as_i64().or_else(whole).map(Self).ok_or("must be a whole number of days")
    }
}

/// `expires_in_days`, `expires_at` and `never_expires`. `null` means never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) in_days: Field<Days>,
    pub(super) at: Field<Timestamp>,
    pub(super) never: Option<bool>,
}

/// When a key ends, as decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) at: Option<Timestamp>,
    /// Whether the answer must say that it is sooner than what was asked for.
    pub(super) is_clamped: bool,
}

/// Under what a wish is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// What the organization says of lifetimes.
    pub(super) rule: Rule,
    /// When the key of whoever asks ends.
    pub(super) own: Option<Timestamp>,
    /// Since when the secret is there: the cap counts from then, or each edit would put it off.
    pub(super) since: Timestamp,
    pub(super) now: Timestamp,
}

impl Wish {
    /// What the fields say together; more than one of them is a contradiction.
    pub(super) fn requested(self, faults: &mut Faults) -> Requested {
        let never = self.never.filter(|never| *never).map(|_| Requested::Never);
        let wishes = [
            ("expires_in_days", request_of(self.in_days, |days| Requested::Days(days.0))),
            ("expires_at", request_of(self.at, Requested::At)),
            ("never_expires", never),
        ];
        let mut given = wishes.into_iter().filter_map(|(field, wish)| Some((field, wish?)));
        let first = given.next();
        for (field, _) in given {
            let detail = "only one of expires_in_days, expires_at and never_expires can be given";
            faults.add(field, "conflict", detail);
        }
        first.map_or(Requested::Unsaid, |(_, wish)| wish)
    }
}

fn request_of<T>(field: Field<T>, request: impl Fn(T) -> Requested) -> Option<Requested> {
    match field {
        Field::Absent => None,
        Field::Null => Some(Requested::Never),
        Field::Value(value) => Some(request(value)),
    }
}

/// Decides the end of a key. `None`: refused, and noted.
///
/// No key outlives the one that makes or edits it: a later end becomes the end of the caller's own
/// key, as one beyond the cap becomes the cap, and the answer says so.
pub(super) fn decide(requested: Requested, bounds: Bounds, faults: &mut Faults) -> Option<Decided> {
    if let Requested::At(at) = requested
        && at <= bounds.now
    {
        faults.add("expires_at", "in_the_past", "must be later than now");
        return None;
    }
    let resolved = resolve(requested, bounds.rule, bounds.since, bounds.now);
    let expiry = faults.check("expires_in_days", resolved)?;
    let at = expiry.at.map(whole_microseconds);
    // The cap was lowered since the key was made: to shorten the key to it would end it.
    if at.is_some_and(|at| at <= bounds.now) {
        let detail = "this key is older than keys may become: make a new one";
        faults.add("expires_at", "lifetime_over", detail);
        return None;
    }
    match bounds.own {
        Some(own) if at.is_none_or(|at| at > own) => {
            Some(Decided { at: Some(own), is_clamped: true })
        }
        Some(_) | None => Some(Decided { at, is_clamped: expiry.is_clamped }),
    }
}

impl Bounds {
    /// Those of a key that is made now.
    pub(super) fn new(caller: &Caller, settings: &Settings, now: Timestamp) -> Self {
        let own = caller.rights.expires_at;
        Self { rule: settings.lifetime_rule(caller.owner()), own, since: now, now }
    }

    /// The same for a key of somebody else.
    pub(super) fn owned_by(self, owner: Owner, settings: &Settings) -> Self {
        Self { rule: settings.lifetime_rule(owner), ..self }
    }

    /// Those of a key that is there already.
    pub(super) fn of(self, life: &Life) -> Self {
        Self { since: life.secret_made_at(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::lifetime::DAYS_DEFAULT;
    use jiff::ToSpan;

    use super::*;

    const CAP_MINUTES: u64 = 90 * 24 * 60;

    fn after(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap().checked_add(hours.hours()).unwrap()
    }

    fn decided(requested: Requested, cap_minutes: u64, own: Option<Timestamp>) -> Option<Decided> {
        let rule = Rule { cap_minutes, default_days: DAYS_DEFAULT };
        decided_within(requested, Bounds { rule, own, since: after(0), now: after(0) })
    }

    fn decided_within(requested: Requested, bounds: Bounds) -> Option<Decided> {
        let mut faults = Faults::new();
        let decided = decide(requested, bounds, &mut faults);
        assert_eq!(decided.is_none(), faults.finish().is_err());
        decided
    }

    #[test]
    fn a_key_that_is_older_than_the_cap_gets_no_new_end() {
        let of_age = |hours: i64| Bounds {
            rule: Rule { cap_minutes: CAP_MINUTES, default_days: DAYS_DEFAULT },
            own: None,
            since: after(-hours),
            now: after(0),
        };
        let last = decided_within(Requested::Days(5), of_age(90 * 24 - 1));
        assert_eq!(last, Some(Decided { at: Some(after(1)), is_clamped: true }));
        assert_eq!(decided_within(Requested::Days(5), of_age(90 * 24)), None);
        assert_eq!(decided_within(Requested::Never, of_age(91 * 24)), None);
    }

    #[test]
    #[rustfmt::skip]
    fn an_end_is_clamped_to_the_cap_and_to_the_end_of_the_callers_own_key() {
        let days = Requested::Days;
        let (ninety, ten) = (after(90 * 24), after(10 * 24));
        let cases = [
            // requested                 cap          own        at                     clamped
            (Requested::Unsaid,          CAP_MINUTES, None,      Some(ninety),          false),
            (Requested::Never,           CAP_MINUTES, None,      Some(ninety),          true),
            (days(0),                    CAP_MINUTES, None,      Some(ninety),          true),
            (days(-1),                   CAP_MINUTES, None,      Some(ninety),          true),
            (days(i64::MAX),             CAP_MINUTES, None,      Some(ninety),          true),
            (days(5),                    CAP_MINUTES, None,      Some(after(5 * 24)),   false),
            (Requested::Never,           0,           None,      None,                  false),
            (Requested::Unsaid,          CAP_MINUTES, Some(ten), Some(ten),             true),
            (Requested::Never,           CAP_MINUTES, Some(ten), Some(ten),             true),
            (Requested::Never,           0,           Some(ten), Some(ten),             true),
            (days(5),                    CAP_MINUTES, Some(ten), Some(after(5 * 24)),   false),
            (days(10),                   CAP_MINUTES, Some(ten), Some(ten),             false),
            (days(30),                   CAP_MINUTES, Some(ten), Some(ten),             true),
            (Requested::At(after(720)),  CAP_MINUTES, Some(ten), Some(ten),             true),
            (Requested::At(after(720)),  0,           Some(ten), Some(ten),             true),
            (days(91),                   CAP_MINUTES, None,      Some(ninety),          true),
        ];
        for (requested, cap, own, at, is_clamped) in cases {
            let found = decided(requested, cap, own).unwrap();
            assert_eq!(found, Decided { at, is_clamped }, "{requested:?} {cap} {own:?}");
        }
    }

    #[test]
    fn an_end_in_the_past_and_one_without_meaning_are_refused() {
        assert_eq!(decided(Requested::At(after(0)), CAP_MINUTES, None), None);
        assert_eq!(decided(Requested::At(after(-1)), CAP_MINUTES, None), None);
        assert_eq!(decided(Requested::Days(0), 0, None), None);
    }

    #[test]
    fn two_wishes_contradict_each_other() {
        let wish = Wish { in_days: Field::Value(Days(5)), at: Field::Null, never: Some(true) };
        let mut faults = Faults::new();
        wish.requested(&mut faults);
        assert_eq!(
            faults.finish().unwrap_err().to_string().matches("only one of").count(),
            2,
            "each of the two that come after the first"
        );
    }

    #[test]
    #[rustfmt::skip]
    fn days_are_whole_numbers() {
        let cases = [
            ("30",                   Some(30)),
            ("-1",                   Some(-1)),
            ("30.0",                 Some(30)),
            ("1e30",                 Some(i64::MAX)),
            ("-1e30",                Some(i64::MIN)),
            ("18446744073709551615", Some(i64::MAX)),
            ("30.5",                 None),
            ("\"30\"",               None),
            ("true",                 None),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str(json).ok(), expected.map(Days), "{json}");
        }
    }
}
