//! Money: integer nano-dollars, never a float.

use std::fmt;
use std::str::FromStr;

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
