//! Values as servers write them: often right, never trusted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Text;

/// A text, borrowed where it has no escapes. `None`: something else stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said<'a>(pub(super) Option<Text<'a>>);

impl<'a> Said<'a> {
    /// The text, if it says anything.
    pub(super) fn filled(self) -> Option<Text<'a>> {
        self.0.filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SaidVisitor).map(Said)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = Option<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A count. `None`: something else stands there. Below zero is zero, and parts of one are cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

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

    /// Only what is negative comes here.
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Some(0))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates: negative and not-a-number become 0, huge the maximum"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        Ok(Some(count as u64))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
        SaidVisitor.visit_seq(seq).map(|_| None)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        SaidVisitor.visit_map(map).map(|_| None)
    }
}

/// Something, or anything else, which counts as nothing.
pub(super) fn or_nothing<'de, T: Deserialize<'de>>(
    json: Option<&'de serde_json::value::RawValue>,
) -> Option<T> {
    json.and_then(|json| serde_json::from_str(json.get()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_or_count_is_nothing_and_no_error() {
        #[rustfmt::skip]
        let cases = [
            // json            text        count
            (r#""a""#,         Some("a"),  None),
            (r#""a\n""#,       Some("a\n"), None),
            ("null",           None,       None),
            ("true",           None,       None),
            ("7",              None,       Some(7)),
            ("-7",             None,       Some(0)),
            ("7.9",            None,       Some(7)),
            ("-0.5",           None,       Some(0)),
            ("1e300",          None,       Some(u64::MAX)),
            ("[1,[2]]",        None,       None),
            (r#"{"a":{}}"#,    None,       None),
        ];
        for (json, text, count) in cases {
            let said: Said<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(said.0.as_deref(), text, "{json}");
            assert_eq!(serde_json::from_str::<Count>(json).unwrap().0, count, "{json}");
        }
    }

    #[test]
    fn a_text_without_escapes_is_borrowed() {
        let said: Said<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(said.0, Some(Cow::Borrowed("plain"))));
    }
}
