//! Limit increases: a holder of a key asks for higher limits or budgets, an administrator decides; or an
//! administrator raises for a while what the keys of a user, a project or an organization share.
//!
//! An increase raises figures that are there. It takes no limit away and adds none, so that whatever
//! bounds a call before bounds it afterwards: to do without a limit is an edit.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::bounds::Bounds;
use crate::budget::{Amount, Budget, Overrun};
use crate::limit::Limits;
use crate::rights::Rights;
use crate::words::words;

/// The longest that an increase with an end holds.
pub const INCREASE_MAX: SignedDuration = SignedDuration::from_hours(365 * 24);
/// The longest reason or note, in characters.
pub const WORDS_CHARS_MAX: usize = 500;

/// What is raised, and how high.
#[derive(
    Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Raise {
    /// The new height of each limit that is named.
    #[serde(default)]
    pub limits: Limits,
    /// The new amount of each budget that is named, by its unit and period.
    #[serde(default)]
    pub budgets: Vec<Budget>,
}

/// Why a figure raises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRaise {
    /// There is no such limit or budget, so that there is nothing to raise.
    #[error("there is none of this kind that could be raised")]
    NotThere,
    /// It is not above what is there.
    #[error("must be above what is there")]
    NotAbove,
    /// A second one in the same unit and period.
    #[error("there is already one in this unit and period")]
    Doubled,
    /// It changes what happens at the line.
    #[error("cannot change what happens once the budget is spent")]
    Overrun,
    /// The database counts in signed 64 bits.
    #[error("is too large")]
    TooLarge,
}

/// What became of a limit increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncreaseState {
    /// Nobody has decided yet.
    Open,
    /// It was granted, or something in its place.
    Granted,
    /// It was declined.
    Declined,
    /// Whoever asked no longer wants it.
    Withdrawn,
    /// The key ended before anybody decided.
    Lapsed,
}

/// A text that names no state of a limit increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of open, granted, declined, withdrawn and lapsed")]
pub struct UnknownIncreaseState;

/// An end that no increase can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEnd {
    /// It is over before it begins.
    #[error("must be later than now")]
    Past,
    /// Further away than anybody looks.
    #[error("must be within a year")]
    TooLate,
}

impl Raise {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.limits == Limits::NONE && self.budgets.is_empty()
    }

    /// The rights with what is named at its height. Nothing becomes tighter by it, and nothing is
    /// without a limit or budget that had one.
    #[must_use]
    pub fn applied_to(&self, rights: &Rights) -> Rights {
        let Bounds { limits, budgets } = self.raised(&rights.bounds());
        Rights { limits, budgets, ..rights.clone() }
    }

    /// The same of bounds.
    #[must_use]
    pub fn raised(&self, own: &Bounds) -> Bounds {
        Bounds {
            limits: own.limits.raised_to(&self.limits),
            budgets: own.budgets.iter().map(|own| self.budget_for(own)).collect(),
        }
    }

    fn budget_for(&self, own: &Budget) -> Budget {
        let named = self.budgets.iter().filter(|named| is_of_one_kind(named, own));
        let amount = named.map(|named| named.amount).fold(own.amount, higher);
        Budget { amount, ..*own }
    }

    /// What is named and raises nothing of these bounds, by its field. Empty: it can be granted, if it
    /// is not empty itself.
    pub fn faults(&self, bounds: &Bounds) -> Vec<(String, NoRaise)> {
        let axes = self.limits.axes().into_iter().zip(bounds.limits.axes());
        let limits = axes.filter_map(|((name, named), (_, own))| {
            let fault = match own {
                None => Some(NoRaise::NotThere),
                Some(own) => (named? <= own).then_some(NoRaise::NotAbove),
            };
            named.and(fault).map(|fault| (format!("limits.{name}"), fault))
        });
        let budgets = self.budgets.iter().enumerate().filter_map(|(index, named)| {
            let is_doubled = self.budgets.iter().take(index).any(|b| is_of_one_kind(b, named));
            let fault = if is_doubled { Some(NoRaise::Doubled) } else { fault(named, bounds) };
            fault.map(|fault| (format!("budgets[{index}]"), fault))
        });
        limits.chain(budgets).collect()
    }
}

/// Why a budget that is named raises none of these.
fn fault(named: &Budget, bounds: &Bounds) -> Option<NoRaise> {
    let Some(own) = bounds.budgets.iter().find(|own| is_of_one_kind(named, own)) else {
        return Some(NoRaise::NotThere);
    };
    if named.overrun == Overrun::Allow && own.overrun == Overrun::Deny {
        return Some(NoRaise::Overrun);
    }
    if matches!(named.amount, Amount::Tokens(tokens) if i64::try_from(tokens).is_err()) {
        return Some(NoRaise::TooLarge);
    }
    (higher(own.amount, named.amount) == own.amount).then_some(NoRaise::NotAbove)
}

/// Whether two budgets count the same in the same time.
fn is_of_one_kind(one: &Budget, other: &Budget) -> bool {
    let is_money = |budget: &Budget| matches!(budget.amount, Amount::Usd(_));
    one.period == other.period && is_money(one) == is_money(other)
}

/// The higher of two amounts in the same unit; of two that cannot be compared, the first.
fn higher(one: Amount, other: Amount) -> Amount {
    match (one, other) {
        (Amount::Usd(one), Amount::Usd(other)) => Amount::Usd(one.max(other)),
        (Amount::Tokens(one), Amount::Tokens(other)) => Amount::Tokens(one.max(other)),
        (Amount::Usd(_), Amount::Tokens(_)) | (Amount::Tokens(_), Amount::Usd(_)) => one,
    }
}

/// Hands an end on that an increase can have which is granted now.
pub fn check_end(ends_at: Timestamp, now: Timestamp) -> Result<Timestamp, BadEnd> {
    if ends_at <= now {
        Err(BadEnd::Past)
    } else if ends_at.duration_since(now) > INCREASE_MAX {
        Err(BadEnd::TooLate)
    } else {
        Ok(ends_at)
    }
}

impl utoipa::ToSchema for IncreaseState {}

impl utoipa::PartialSchema for IncreaseState {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.map(Self::as_str))
    }
}

impl IncreaseState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Open, Self::Granted, Self::Declined, Self::Withdrawn, Self::Lapsed];

    /// The text form. It is stored, and never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }
}

impl fmt::Display for IncreaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IncreaseState {
    type Err = UnknownIncreaseState;

    fn from_str(text: &str) -> Result<Self, UnknownIncreaseState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownIncreaseState)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::budget::tests::any_budget;
    use crate::limit::tests::any_limits;
    use crate::rights::tests::any_rights;

    fn raise(json: &str) -> Raise {
        serde_json::from_str(json).unwrap()
    }

    fn rights(limits: &str, budgets: &str) -> Rights {
        Rights {
            limits: serde_json::from_str(limits).unwrap(),
            budgets: serde_json::from_str(budgets).unwrap(),
            ..Rights::of_role(crate::role::OrganizationRole::Member)
        }
    }

    const LIMITS: &str = r#"{"requests_per_minute": 60, "concurrency": 2}"#;
    const BUDGETS: &str = r#"[{"usd": "5", "period": "day"}, {"tokens": 1000, "period": "month", "overrun": "allow"}]"#;

    #[test]
    #[rustfmt::skip]
    fn what_raises_nothing_is_named_with_the_reason() {
        use NoRaise::{Doubled, NotAbove, NotThere, Overrun, TooLarge};
        let cases = [
            // asked for                                                               fault
            (r"{}",                                                                    vec![]),
            (r#"{"limits": {"requests_per_minute": 61}}"#,                             vec![]),
            (r#"{"limits": {"requests_per_minute": 61, "concurrency": 3}}"#,           vec![]),
            (r#"{"limits": {"requests_per_minute": 60}}"#,                             vec![("limits.requests_per_minute", NotAbove)]),
            (r#"{"limits": {"requests_per_minute": 1, "concurrency": 3}}"#,            vec![("limits.requests_per_minute", NotAbove)]),
            (r#"{"limits": {"tokens_per_day": 9}}"#,                                   vec![("limits.tokens_per_day", NotThere)]),
            (r#"{"budgets": [{"usd": "5.01", "period": "day"}]}"#,                     vec![]),
            (r#"{"budgets": [{"tokens": 1001, "period": "month"}]}"#,                  vec![]),
            (r#"{"budgets": [{"usd": "5", "period": "day"}]}"#,                        vec![("budgets[0]", NotAbove)]),
            (r#"{"budgets": [{"usd": "9", "period": "week"}]}"#,                       vec![("budgets[0]", NotThere)]),
            (r#"{"budgets": [{"tokens": 9, "period": "day"}]}"#,                       vec![("budgets[0]", NotThere)]),
            (r#"{"budgets": [{"usd": "9", "period": "day", "overrun": "allow"}]}"#,    vec![("budgets[0]", Overrun)]),
            (r#"{"budgets": [{"usd": "9", "period": "day"}, {"usd": "9", "period": "day"}]}"#, vec![("budgets[1]", Doubled)]),
            (r#"{"budgets": [{"tokens": 18446744073709551615, "period": "month"}]}"#,  vec![("budgets[0]", TooLarge)]),
        ];
        let own = rights(LIMITS, BUDGETS);
        for (json, expected) in cases {
            let found = raise(json).faults(&own.bounds());
            let found: Vec<_> = found.iter().map(|(field, fault)| (field.as_str(), *fault)).collect();
            assert_eq!(found, expected, "{json}");
        }
    }

    #[test]
    fn what_is_named_is_raised_and_the_rest_stays() {
        let asked = raise(
            r#"{"limits": {"requests_per_minute": 90}, "budgets": [{"tokens": 2000, "period": "month"}]}"#,
        );
        let raised = asked.applied_to(&rights(LIMITS, BUDGETS));
        let expected = rights(
            r#"{"requests_per_minute": 90, "concurrency": 2}"#,
            r#"[{"usd": "5", "period": "day"}, {"tokens": 2000, "period": "month", "overrun": "allow"}]"#,
        );
        assert_eq!(raised, expected);
    }

    #[test]
    fn what_nobody_bounds_is_bounded_by_no_raise() {
        let asked = raise(
            r#"{"limits": {"requests_per_minute": 90}, "budgets": [{"usd": "9", "period": "day"}]}"#,
        );
        assert_eq!(asked.raised(&Bounds::NONE), Bounds::NONE);
        let found: Vec<_> = asked.faults(&Bounds::NONE).into_iter().map(|(_, why)| why).collect();
        assert_eq!(found, [NoRaise::NotThere; 2]);
    }

    #[test]
    fn an_end_is_ahead_and_within_a_year() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let year = 365 * 86_400;
        let cases = [
            (at(99), Err(BadEnd::Past)),
            (at(100), Err(BadEnd::Past)),
            (at(101), Ok(at(101))),
            (at(100 + year), Ok(at(100 + year))),
            (at(101 + year), Err(BadEnd::TooLate)),
            (Timestamp::MIN, Err(BadEnd::Past)),
            (Timestamp::MAX, Err(BadEnd::TooLate)),
        ];
        for (ends_at, expected) in cases {
            assert_eq!(check_end(ends_at, at(100)), expected, "{ends_at}");
        }
    }

    #[test]
    fn states_are_told_apart_and_read_back() {
        for state in IncreaseState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert!(UnknownIncreaseState.to_string().contains(state.as_str()));
        }
        for text in ["", "Open", "open ", "ended"] {
            assert_eq!(text.parse::<IncreaseState>(), Err(UnknownIncreaseState), "{text:?}");
        }
    }

    fn any_raise() -> impl Strategy<Value = Raise> {
        (any_limits(), prop::collection::vec(any_budget(), 0..3))
            .prop_map(|(limits, budgets)| Raise { limits, budgets })
    }

    proptest! {
        /// Whatever is granted: the key may do no less than before, has every limit and budget that it
        /// had, and nothing but limits and budgets has changed.
        #[test]
        fn an_increase_loosens_and_never_frees(own in any_rights(), raise in any_raise()) {
            let raised = raise.applied_to(&own);
            prop_assert_eq!(raised.exceeded_by(&own), vec![]);
            let is_limited = |rights: &Rights| rights.limits.axes().map(|(_, limit)| limit.is_some());
            prop_assert_eq!(is_limited(&raised), is_limited(&own));
            prop_assert_eq!(raised.budgets.len(), own.budgets.len());
            let back = Rights { limits: own.limits, budgets: own.budgets.clone(), ..raised };
            prop_assert_eq!(back, own);
        }

        /// What has no fault is what the key has afterwards.
        #[test]
        fn what_can_be_granted_is_granted(own in any_rights(), raise in any_raise()) {
            let raised = raise.applied_to(&own);
            let faults = raise.faults(&own.bounds());
            let is_right = |field: String| faults.iter().all(|(named, _)| *named != field);
            for ((name, named), (_, has)) in raise.limits.axes().into_iter().zip(raised.limits.axes()) {
                let is_granted = named.is_none() || named == has;
                let is_right = is_right(format!("limits.{name}"));
                prop_assert!(is_granted || !is_right);
            }
            for (index, named) in raise.budgets.iter().enumerate() {
                let is_it = |has: &Budget| higher(has.amount, named.amount) == has.amount;
                let mut alike = raised.budgets.iter().filter(|has| is_of_one_kind(has, named));
                let is_right = is_right(format!("budgets[{index}]"));
                prop_assert!(alike.any(is_it) || !is_right);
            }
            let is_all_right = faults.is_empty();
            prop_assert!(!is_all_right || raise.is_empty() == (raised == own));
        }

        #[test]
        fn a_raise_reads_as_it_was_written(raise in any_raise()) {
            let text = serde_json::to_string(&raise).unwrap();
            prop_assert_eq!(serde_json::from_str::<Raise>(&text).unwrap(), raise);
        }
    }
}
