//! A count as some server wrote it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A count of tokens, or of whatever else a provider tells: often right, never trusted, and nonsense is no
/// reason to lose an answer.
///
/// Below zero is zero, parts of one are cut off, and what is too large is the largest. Digits in a string
/// count, as Google writes numbers of 64 bits. `None`: something else stands there, or nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count(pub Option<u64>);

impl Count {
    /// What was counted; nothing, where nobody knows.
    pub fn or_zero(self) -> u64 {
        self.0.unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor).map(Count)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Some(count))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Self::Value, E> {
        Ok(Some(u64::try_from(count).unwrap_or_default()))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates: negative and not-a-number become 0, huge the maximum"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        Ok(Some(count as u64))
    }

    fn visit_str<E>(self, digits: &str) -> Result<Self::Value, E> {
        Ok(digits.parse().ok())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_for_a_count_is_the_nearest_count_or_none() {
        #[rustfmt::skip]
        let cases = [
            ("7",          Some(7)),
            ("0",          Some(0)),
            ("-3",         Some(0)),
            ("2.9",        Some(2)),
            ("-0.5",       Some(0)),
            ("-1e300",     Some(0)),
            ("1e300",      Some(u64::MAX)),
            ("\"12\"",     Some(12)),
            ("\"-12\"",    None),
            ("\"many\"",   None),
            ("\"\"",       None),
            ("true",       None),
            ("null",       None),
            ("[1,[2]]",    None),
            ("{\"a\":{}}", None),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap(), Count(expected), "{json}");
        }
    }
}
