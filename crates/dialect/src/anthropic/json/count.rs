//! Counts, read with patience.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A count of tokens as a provider tells it: nonsense is no reason to lose an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::anthropic) struct Count(pub(in crate::anthropic) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyCount)
    }
}

struct AnyCount;

impl<'de> Visitor<'de> for AnyCount {
    type Value = Count;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count)))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
        Ok(Count(Some(u64::try_from(count).unwrap_or(0))))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast goes to the nearest count there is, which is what is wanted of nonsense"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        Ok(Count(Some(count as u64)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Count, A::Error> {
        IgnoredAny::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
        IgnoredAny::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Count(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anthropic::json::read;

    #[test]
    fn nonsense_for_a_count_is_the_nearest_count_or_none() {
        #[rustfmt::skip]
        let cases = [
            ("7",          Some(7)),
            ("0",          Some(0)),
            ("-3",         Some(0)),
            ("2.9",        Some(2)),
            ("-1e300",     Some(0)),
            ("1e300",      Some(u64::MAX)),
            ("\"12\"",     None),
            ("true",       None),
            ("null",       None),
            ("[1,[2]]",    None),
            ("{\"a\":{}}", None),
        ];
        for (json, expected) in cases {
            assert_eq!(read::<Count>(json.as_bytes()).unwrap(), Count(expected), "{json}");
        }
    }
}
