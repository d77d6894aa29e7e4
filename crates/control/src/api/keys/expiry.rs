//! The end of a key: what the three fields of a request ask for, and what becomes of it.

use doorward_domain::lifetime::{Requested, resolve};
use doorward_store::Settings;
use jiff::Timestamp;
use serde::Deserialize;

use crate::caller::Caller;
use crate::control::whole_microseconds;
use crate::faults::Faults;

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

/// `expires_in_days`, `expires_at` and `never_expires`. An inner `None` is a `null`: never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) in_days: Option<Option<Days>>,
    pub(super) at: Option<Option<Timestamp>>,
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
    /// The organization's cap; 0: none.
    pub(super) cap_minutes: u64,
    /// When the key of whoever asks ends.
    pub(super) own: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Wish {
    /// What the fields say together; more than one of them is a contradiction.
    pub(super) fn requested(self, faults: &mut Faults) -> Requested {
        let wishes = [
            (
                "expires_in_days",
                self.in_days.map(|d| d.map_or(Requested::Never, |d| Requested::Days(d.0))),
            ),
            ("expires_at", self.at.map(|at| at.map_or(Requested::Never, Requested::At))),
            ("never_expires", self.never.filter(|never| *never).map(|_| Requested::Never)),
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

/// Decides the end of a key. `None`: refused, and noted.
///
/// What did not name an end of its own (nothing, never, the cap) ends with the caller's own key at
/// the latest. A named end stays as named: if it is later than the caller's, the rule on rights
/// refuses it.
pub(super) fn decide(requested: Requested, bounds: Bounds, faults: &mut Faults) -> Option<Decided> {
    if let Requested::At(at) = requested
        && at <= bounds.now
    {
        faults.add("expires_at", "in_the_past", "must be later than now");
        return None;
    }
    let resolved = resolve(requested, bounds.cap_minutes, bounds.now);
    let expiry = faults.check("expires_in_days", resolved)?;
    let at = expiry.at.map(whole_microseconds);
    let is_named = match requested {
        Requested::Days(days) => days > 0,
        Requested::At(_) => true,
        Requested::Unsaid | Requested::Never => false,
    };
    match bounds.own {
        Some(own) if !is_named && at.is_none_or(|at| at > own) => {
            Some(Decided { at: Some(own), is_clamped: true })
        }
        Some(_) | None => Some(Decided { at, is_clamped: expiry.is_clamped }),
    }
}

impl Bounds {
    pub(super) fn new(caller: &Caller, settings: &Settings, now: Timestamp) -> Self {
        Self { cap_minutes: settings.ttl_minutes_max, own: caller.rights.expires_at, now }
    }
}
