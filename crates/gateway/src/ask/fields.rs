//! The members of a body that are read: found in one pass, and left where they stand.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of the body that the gateway reads, or that means as much as one that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    BestOf,
    Prompt,
    Input,
    Background,
    PreviousResponseId,
    Conversation,
    /// Stands in `stream_options`.
    IncludeUsage,
}

impl Field {
    const ALL: [Self; 14] = [
        Self::Model,
        Self::Stream,
        Self::StreamOptions,
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::MaxOutputTokens,
        Self::N,
        Self::BestOf,
        Self::Prompt,
        Self::Input,
        Self::Background,
        Self::PreviousResponseId,
        Self::Conversation,
        Self::IncludeUsage,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::BestOf => "best_of",
            Self::Prompt => "prompt",
            Self::Input => "input",
            Self::Background => "background",
            Self::PreviousResponseId => "previous_response_id",
            Self::Conversation => "conversation",
            Self::IncludeUsage => "include_usage",
        }
    }
}

/// The values of the fields, borrowed. A field that stands twice is an error, for which of the two
/// the upstream would take is anybody's guess; a `null` stands there, too.
pub(super) struct Fields<'a>([Option<&'a RawValue>; Field::ALL.len()]);

impl<'a> Fields<'a> {
    pub(super) fn get(&self, field: Field) -> Option<&'a RawValue> {
        self.0.get(field as usize).copied().flatten()
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut values = [None; Field::ALL.len()];
        while let Some(Key(field)) = map.next_key()? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &RawValue = map.next_value()?;
            if let Some(slot) = values.get_mut(field as usize)
                && slot.replace(value).is_some()
            {
                return Err(A::Error::duplicate_field(field.name()));
            }
        }
        Ok(Fields(values))
    }
}

/// A key, its escapes undone; `None`: no field of ours.
pub(super) struct Key(pub(super) Option<Field>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    /// Some servers read keys without regard to case (Go's encoding/json), and the last one wins: what
    /// was checked here under one spelling would be another thing there.
    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        let field = Field::ALL.into_iter().find(|field| is_spelling(key, field.name()));
        match field {
            Some(field) if key != field.name() => {
                let name = field.name();
                Err(E::custom(format_args!("the field `{name}` must be spelled exactly so")))
            }
            field => Ok(Key(field)),
        }
    }
}

/// Whether some server could take `key` for `name`: letters without regard to case, also those few
/// beyond ASCII that fold to one, and underscores or hyphens anywhere.
fn is_spelling(key: &str, name: &str) -> bool {
    let significant = |c: &char| !matches!(c, '_' | '-');
    key.chars().filter(significant).map(folded).eq(name.chars().filter(significant))
}

const fn folded(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        c => c.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_where_it_is_spelled_exactly_and_refused_where_a_server_could_take_it_for_one()
     {
        #[rustfmt::skip]
        let cases = [
            // key                          read as, or the field that is named
            ("model",                       Ok(Some("model"))),
            ("mod\\u0065l",                 Ok(Some("model"))),
            ("models",                      Ok(None)),
            ("mode",                        Ok(None)),
            ("",                            Ok(None)),
            ("_",                           Ok(None)),
            ("temperature",                 Ok(None)),
            ("MODEL",                       Err("model")),
            ("Model",                       Err("model")),
            ("\\u004dodel",                 Err("model")),
            ("N",                           Err("n")),
            ("Best_Of",                     Err("best_of")),
            ("max_to\u{212a}ens",            Err("max_tokens")),
            ("max_to\\u212aen\\u017f",       Err("max_tokens")),
            ("\u{17f}tream",                 Err("stream")),
            ("STREAM_OPTION\u{17f}",         Err("stream_options")),
            ("\u{130}nput",                  Err("input")),
            ("maxTokens",                   Err("max_tokens")),
            ("max-completion-tokens",       Err("max_completion_tokens")),
            ("MaxOutputTokens",             Err("max_output_tokens")),
            ("PROMPT",                      Err("prompt")),
        ];
        for (key, expected) in cases {
            let json = format!(r#""{key}""#);
            let read = serde_json::from_str::<Key>(&json).map(|Key(field)| field.map(Field::name));
            match (read, expected) {
                (Ok(read), expected) => assert_eq!(Ok(read), expected, "{key}"),
                (Err(error), expected) => {
                    let said = format!("the field `{}` must be", expected.unwrap_err());
                    assert!(error.to_string().contains(&said), "{key}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_field_is_found_under_its_own_name() {
        for field in Field::ALL {
            let body = format!(r#"{{"x":1,"{}":"v"}}"#, field.name());
            let fields: Fields<'_> = serde_json::from_str(&body).unwrap();
            assert_eq!(fields.get(field).map(RawValue::get), Some(r#""v""#), "{field:?}");
            assert_eq!(fields.0.iter().flatten().count(), 1);
        }
    }
}
