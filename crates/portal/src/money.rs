//! Money and counts, as people read and type them.

use doorward_domain::money::NanoUsd;
use serde_json::Value;

const NANOS_PER_CENT: u64 = 10_000_000;

/// Dollars and cents, the cents rounded down: `$1,204.50`; less than a cent is said so.
pub(crate) fn dollars(amount: NanoUsd) -> String {
    let cents = amount.nanos() / NANOS_PER_CENT;
    if cents == 0 && amount > NanoUsd::ZERO {
        return "<$0.01".to_owned();
    }
    format!("${}.{:02}", count(cents / 100), cents % 100)
}

/// The same of what may be far less than a cent: in three digits, to a millionth of a dollar. `$0.0042`.
pub(crate) fn fine(amount: NanoUsd) -> String {
    let millionths = amount.nanos().div_ceil(1_000);
    let unit = match millionths {
        100_000.. => 1_000,
        10_000.. => 100,
        1_000.. => 10,
        _ => 1,
    };
    let millionths = millionths.div_ceil(unit).saturating_mul(unit);
    if amount >= NanoUsd::from_nanos(1_000_000_000) || millionths >= 1_000_000 {
        return dollars(NanoUsd::from_nanos(amount.nanos().max(1_000_000_000)));
    }
    let digits = format!("{millionths:06}");
    let (cents, rest) = digits.split_at(2);
    format!("$0.{cents}{}", rest.trim_end_matches('0'))
}

/// A whole number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && at % 3 == first {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Usd,
    Tokens,
}

impl Unit {
    /// What the API calls it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
        }
    }

    /// The one that is called so; dollars, where none is.
    pub(crate) fn named(name: &str) -> Self {
        if name == Self::Tokens.as_str() { Self::Tokens } else { Self::Usd }
    }

    /// What somebody typed, as the API reads it: of `$1,200.50`, `1200.50`. What is no amount goes on as
    /// it is, and is refused by name.
    pub(crate) fn said(self, typed: &str) -> Value {
        let figures = self.figures(typed);
        let read = match self {
            Self::Usd => figures.parse::<NanoUsd>().ok().map(|_| figures.into()),
            Self::Tokens => figures.parse::<u64>().ok().map(Value::from),
        };
        read.unwrap_or_else(|| typed.into())
    }

    fn figures(self, typed: &str) -> String {
        match self {
            Self::Usd => figures(typed.trim().trim_start_matches('$')),
            Self::Tokens => figures(typed),
        }
    }

    /// Whether what somebody typed is an amount.
    pub(crate) fn reads(self, typed: &str) -> bool {
        let figures = self.figures(typed);
        match self {
            Self::Usd => figures.parse::<NanoUsd>().is_ok(),
            Self::Tokens => figures.parse::<u64>().is_ok(),
        }
    }
}

/// What is typed without what sets thousands apart. A comma elsewhere stays, and makes it no number: `12,50` is
/// not 1250.
pub(crate) fn figures(typed: &str) -> String {
    let typed = typed.trim();
    let (whole, cents) = typed.split_once('.').map_or((typed, None), |(a, b)| (a, Some(b)));
    let mut groups = whole.split([',', ' ']);
    let is_first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    if !is_first || !groups.all(|group| group.len() == 3) {
        return typed.to_owned();
    }
    let whole = whole.replace([',', ' '], "");
    cents.map_or(whole.clone(), |cents| format!("{whole}.{cents}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn money_is_told_in_cents() {
        for (nanos, expected) in [
            (0,                     "$0.00"),
            (1,                     "<$0.01"),
            (9_999_999,             "<$0.01"),
            (10_000_000,            "$0.01"),
            (12_345_678_901,        "$12.34"),
            (1_204_500_000_000,     "$1,204.50"),
        ] {
            assert_eq!(dollars(NanoUsd::from_nanos(nanos)), expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn little_money_is_told_in_three_digits() {
        for (nanos, expected) in [
            (0,                 "$0.00"),
            (1,                 "$0.000001"),
            (4_200_000,         "$0.0042"),
            (4_657_001,         "$0.00466"),
            (123_456_789,       "$0.124"),
            (500_000_000,       "$0.50"),
            (999_999_999,       "$1.00"),
            (1_000_000,         "$0.001"),
            (12_345_678_901,    "$12.34"),
        ] {
            assert_eq!(fine(NanoUsd::from_nanos(nanos)), expected, "{nanos}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn an_amount_is_read_as_people_type_it() {
        for (typed, usd, tokens) in [
            ("20",            Some("20"),        Some(20)),
            ("$12.50",        Some("12.50"),     None),
            (" $1,200.50 ",   Some("1200.50"),   None),
            ("5000",          Some("5000"),      Some(5_000)),
            ("1 000 000",     Some("1000000"),   Some(1_000_000)),
            ("12,50",         None,              None),
            ("1,2,3",         None,              None),
            (",500",          None,              None),
            ("1,200,50",      None,              None),
            ("-5",            None,              None),
            ("five",          None,              None),
            ("$",             None,              None),
            ("",              None,              None),
        ] {
            assert_eq!(Unit::Usd.reads(typed), usd.is_some(), "{typed}");
            assert_eq!(Unit::Tokens.reads(typed), tokens.is_some(), "{typed}");
            assert_eq!(Unit::Usd.said(typed), usd.unwrap_or(typed), "{typed}");
            assert_eq!(Unit::Tokens.said(typed), tokens.map_or(typed.into(), Value::from), "{typed}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ];
        for (number, expected) in cases {
            assert_eq!(count(number), expected);
        }
    }
}
