//! Money: integer nano-dollars, never a float.

use std::fmt;
use std::str::FromStr;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, Object, Schema, Type};

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// The largest amount: what fits the database's signed 64-bit column, about nine billion dollars.
const NANOS_MAX: u64 = i64::MAX as u64;

/// An amount of US dollars in billionths. Never negative; arithmetic saturates at the bounds, so
/// that no overflow can ever give credit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of dollars such as 12.50, with at most nine decimals")]
pub struct MalformedMoney;

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(NANOS_MAX);

    /// An amount from nano-dollars; what is larger than [`MAX`](Self::MAX) becomes that.
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos > NANOS_MAX { Self::MAX } else { Self(nanos) }
    }

    /// The same from a wider calculation.
    pub fn from_wide_nanos(nanos: u128) -> Self {
        Self::from_nanos(u64::try_from(nanos).unwrap_or(NANOS_MAX))
    }

    /// The amount in nano-dollars.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The amount in nano-dollars as the database stores it.
    pub const fn to_column(self) -> i64 {
        self.0.cast_signed()
    }

    /// Reads a database column; a negative value, which is never written, reads as nothing.
    pub fn from_column(nanos: i64) -> Self {
        Self(u64::try_from(nanos).unwrap_or(0))
    }

    /// The sum, at most [`MAX`](Self::MAX).
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::from_nanos(self.0.saturating_add(other.0))
    }

    /// The difference, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl FromStr for NanoUsd {
    type Err = MalformedMoney;

    fn from_str(text: &str) -> Result<Self, MalformedMoney> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) || decimals.len() > 9 {
            return Err(MalformedMoney);
        }
        let whole: u64 = whole.parse().map_err(|_| MalformedMoney)?;
        let nanos: u64 = format!("{decimals:0<9}").parse().map_err(|_| MalformedMoney)?;
        let total = whole.checked_mul(NANOS_PER_DOLLAR).and_then(|w| w.checked_add(nanos));
        total.filter(|total| *total <= NANOS_MAX).map(Self).ok_or(MalformedMoney)
    }
}

impl fmt::Display for NanoUsd {
    /// Decimal dollars with as many decimals as needed, two at least: `12.50`, `0.000000315`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:09}", self.0 % NANOS_PER_DOLLAR);
        let short = decimals.trim_end_matches('0');
        write!(f, "{}.{short:0<2}", self.0 / NANOS_PER_DOLLAR)
    }
}

impl fmt::Debug for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

/// Digits without an exponent: what does not fit nine decimals is then refused, not rounded.
fn decimal(number: &serde_json::Number) -> String {
    match number.as_u64() {
        Some(whole) => whole.to_string(),
        None => number.as_f64().map(|value| value.to_string()).unwrap_or_default(),
    }
}

impl serde::Serialize for NanoUsd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for NanoUsd {
    /// Takes a string, or a number in its shortest decimal spelling.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => decimal(&number),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => String::new(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::ToSchema for NanoUsd {}

impl utoipa::PartialSchema for NanoUsd {
    fn schema() -> RefOr<Schema> {
        let text = Object::builder()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]+(\.[0-9]{1,9})?$"))
            .description(Some("Answers always have it as text."));
        let number = Object::builder()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(NANOS_MAX / NANOS_PER_DOLLAR));
        AnyOfBuilder::new()
            .item(text)
            .item(number)
            .description(Some("US dollars with at most nine decimals."))
            .examples(["12.50"])
            .into()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_money() -> impl Strategy<Value = NanoUsd> {
        prop_oneof![0_u64..2_000_000_000, 0..=NANOS_MAX].prop_map(NanoUsd::from_nanos)
    }

    #[test]
    fn amounts_are_plain_decimals_with_at_most_nine_places() {
        #[rustfmt::skip]
        let cases = [
            // text                     nano-dollars
            ("0",                       Some(0)),
            ("0.0",                     Some(0)),
            ("1",                       Some(1_000_000_000)),
            ("12.50",                   Some(12_500_000_000)),
            ("12.5",                    Some(12_500_000_000)),
            ("0.000000001",             Some(1)),
            ("0.000000315",             Some(315)),
            ("007",                     Some(7_000_000_000)),
            ("9223372036.854775807",    Some(i64::MAX as u64)),
            ("9223372036.854775808",    None), // one more than the database holds
            ("9223372037",              None),
            ("99999999999999999999999", None),
            ("1e30",                    None),
            ("1e3",                     None),
            ("0.0000000001",            None), // ten decimals
            ("0.0000000000",            None),
            ("-1",                      None),
            ("-0",                      None),
            ("+1",                      None),
            ("",                        None),
            (".",                       None),
            ("1.",                      None),
            (".5",                      None),
            ("1.2.3",                   None),
            ("1,50",                    None),
            ("1_000",                   None),
            ("$1",                      None),
            ("1 ",                      None),
            (" 1",                      None),
            ("1.-5",                    None),
            ("NaN",                     None),
            ("inf",                     None),
            ("0x10",                    None),
            ("١",                       None), // a digit, but not ASCII
        ];
        for (text, nanos) in cases {
            assert_eq!(text.parse::<NanoUsd>().ok().map(NanoUsd::nanos), nanos, "{text:?}");
        }
    }

    #[test]
    fn amounts_print_two_decimals_and_more_where_needed() {
        #[rustfmt::skip]
        let cases = [
            // nano-dollars    printed
            (0,                "0.00"),
            (12_500_000_000,   "12.50"),
            (1_000_000_000,    "1.00"),
            (100_000_000,      "0.10"),
            (315,              "0.000000315"),
            (1_230_000_000,    "1.23"),
            (1_234_000_000,    "1.234"),
            (i64::MAX as u64,  "9223372036.854775807"),
        ];
        for (nanos, printed) in cases {
            assert_eq!(NanoUsd::from_nanos(nanos).to_string(), printed);
            assert_eq!(format!("{:?}", NanoUsd::from_nanos(nanos)), format!("${printed}"));
        }
    }

    #[test]
    fn json_takes_a_string_or_a_number() {
        #[rustfmt::skip]
        let cases = [
            // json            nano-dollars
            (r#""12.50""#,     Some(12_500_000_000)),
            ("12.5",           Some(12_500_000_000)),
            ("12",             Some(12_000_000_000)),
            ("0.1",            Some(100_000_000)),
            ("0.000000001",    Some(1)),
            ("1e-9",           Some(1)),
            ("1e2",            Some(100_000_000_000)),
            ("1e-10",          None),
            ("0.1234567891",   None),
            ("-1",             None),
            ("-0.5",           None),
            ("1e30",           None),
            ("9223372037",     None),
            (r#""NaN""#,       None),
            (r#""""#,          None),
            (r#""-1""#,        None),
            ("null",           None),
            ("true",           None),
            ("[1]",            None),
            (r#"{"usd":1}"#,   None),
        ];
        for (json, nanos) in cases {
            let read = serde_json::from_str::<NanoUsd>(json).ok();
            assert_eq!(read.map(NanoUsd::nanos), nanos, "{json}");
        }
    }

    #[test]
    fn arithmetic_stops_at_its_bounds() {
        let one = NanoUsd::from_nanos(1);
        assert_eq!(NanoUsd::MAX.plus(one), NanoUsd::MAX);
        assert_eq!(NanoUsd::MAX.plus(NanoUsd::MAX), NanoUsd::MAX);
        assert_eq!(NanoUsd::ZERO.minus(one), NanoUsd::ZERO);
        assert_eq!(NanoUsd::from_nanos(u64::MAX), NanoUsd::MAX);
        assert_eq!(NanoUsd::from_wide_nanos(u128::MAX), NanoUsd::MAX);
        assert_eq!(NanoUsd::from_wide_nanos(1), one);
    }

    #[test]
    fn a_negative_column_is_no_credit() {
        assert_eq!(NanoUsd::from_column(-1), NanoUsd::ZERO);
        assert_eq!(NanoUsd::from_column(i64::MIN), NanoUsd::ZERO);
        assert_eq!(NanoUsd::from_column(i64::MAX), NanoUsd::MAX);
    }

    proptest! {
        #[test]
        fn an_amount_prints_what_it_reads(amount in any_money()) {
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            prop_assert_eq!(NanoUsd::from_column(amount.to_column()), amount);
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(&json, &format!("\"{amount}\""));
            prop_assert_eq!(serde_json::from_str::<NanoUsd>(&json).unwrap(), amount);
        }

        #[test]
        fn a_number_in_json_means_what_its_digits_say(dollars in 0_u32..1_000_000, micros in 0_u32..1_000_000) {
            let text = format!("{dollars}.{micros:06}");
            let read: NanoUsd = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Ok(read), text.parse());
        }

        #[test]
        fn sums_and_differences_agree_with_wide_arithmetic(a in any_money(), b in any_money()) {
            let (wide_a, wide_b) = (i128::from(a.nanos()), i128::from(b.nanos()));
            prop_assert_eq!(i128::from(a.plus(b).nanos()), (wide_a + wide_b).min(i128::from(i64::MAX)));
            prop_assert_eq!(i128::from(a.minus(b).nanos()), (wide_a - wide_b).max(0));
        }
    }
}
