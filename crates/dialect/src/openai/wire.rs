//! Texts as servers write them: often right, never trusted.

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
    fn what_is_no_text_is_nothing_and_no_error() {
        #[rustfmt::skip]
        let cases = [
            (r#""a""#,         Some("a")),
            (r#""a\n""#,       Some("a\n")),
            ("null",           None),
            ("true",           None),
            ("7",              None),
            ("-7",             None),
            ("7.9",            None),
            ("[1,[2]]",        None),
            (r#"{"a":{}}"#,    None),
        ];
        for (json, text) in cases {
            let said: Said<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(said.0.as_deref(), text, "{json}");
        }
    }

    #[test]
    fn a_text_without_escapes_is_borrowed() {
        let said: Said<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(said.0, Some(Cow::Borrowed("plain"))));
    }
}
