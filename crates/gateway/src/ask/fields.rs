//! The members of a body that are read: found in one pass, and left where they stand.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of the body that the gateway reads, or that means as much as one that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    StreamOptions,
    StreamFormat,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    BestOf,
    Prompt,
    Input,
    Quality,
    Size,
    PartialImages,
    Documents,
    Background,
    PreviousResponseId,
    Conversation,
    Tools,
    MaxToolCalls,
    WebSearchOptions,
    ServiceTier,
    Speed,
    InferenceGeo,
    Plugins,
    McpServers,
    Thinking,
    Drop,
    /// Stands in `stream_options`.
    IncludeUsage,
}

impl Field {
    const ALL: [Self; 29] = [
        Self::Model,
        Self::Stream,
        Self::StreamOptions,
        Self::StreamFormat,
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::MaxOutputTokens,
        Self::N,
        Self::BestOf,
        Self::Prompt,
        Self::Input,
        Self::Quality,
        Self::Size,
        Self::PartialImages,
        Self::Documents,
        Self::Background,
        Self::PreviousResponseId,
        Self::Conversation,
        Self::Tools,
        Self::MaxToolCalls,
        Self::WebSearchOptions,
        Self::ServiceTier,
        Self::Speed,
        Self::InferenceGeo,
        Self::Plugins,
        Self::McpServers,
        Self::Thinking,
        Self::Drop,
        Self::IncludeUsage,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::StreamFormat => "stream_format",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::BestOf => "best_of",
            Self::Prompt => "prompt",
            Self::Input => "input",
            Self::Quality => "quality",
            Self::Size => "size",
            Self::PartialImages => "partial_images",
            Self::Documents => "documents",
            Self::Background => "background",
            Self::PreviousResponseId => "previous_response_id",
            Self::Conversation => "conversation",
            Self::Tools => "tools",
            Self::MaxToolCalls => "max_tool_calls",
            Self::WebSearchOptions => "web_search_options",
            Self::ServiceTier => "service_tier",
            Self::Speed => "speed",
            Self::InferenceGeo => "inference_geo",
            Self::Plugins => "plugins",
            Self::McpServers => "mcp_servers",
            Self::Thinking => "thinking",
            Self::Drop => super::Ask::DROP,
            Self::IncludeUsage => "include_usage",
        }
    }

    /// The field whose name has these letters.
    const fn with_letters(letters: &[u8]) -> Option<Self> {
        Some(match letters {
            b"model" => Self::Model,
            b"stream" => Self::Stream,
            b"streamoptions" => Self::StreamOptions,
            b"streamformat" => Self::StreamFormat,
            b"maxtokens" => Self::MaxTokens,
            b"maxcompletiontokens" => Self::MaxCompletionTokens,
            b"maxoutputtokens" => Self::MaxOutputTokens,
            b"n" => Self::N,
            b"bestof" => Self::BestOf,
            b"prompt" => Self::Prompt,
            b"input" => Self::Input,
            b"quality" => Self::Quality,
            b"size" => Self::Size,
            b"partialimages" => Self::PartialImages,
            b"documents" => Self::Documents,
            b"background" => Self::Background,
            b"previousresponseid" => Self::PreviousResponseId,
            b"conversation" => Self::Conversation,
            b"tools" => Self::Tools,
            b"maxtoolcalls" => Self::MaxToolCalls,
            b"websearchoptions" => Self::WebSearchOptions,
            b"servicetier" => Self::ServiceTier,
            b"speed" => Self::Speed,
            b"inferencegeo" => Self::InferenceGeo,
            b"plugins" => Self::Plugins,
            b"mcpservers" => Self::McpServers,
            b"thinking" => Self::Thinking,
            b"doorwarddropunsupported" => Self::Drop,
            b"includeusage" => Self::IncludeUsage,
            _ => return None,
        })
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
        match Field::with_letters(Letters::of(key).as_bytes()) {
            Some(field) if key != field.name() => {
                let name = field.name();
                Err(E::custom(format_args!("the field `{name}` must be spelled exactly so")))
            }
            field => Ok(Key(field)),
        }
    }
}

/// What a server goes by that reads keys generously: their letters without regard to case, also those
/// few beyond ASCII that fold to one, without underscores and hyphens. Empty: the key has more of
/// them than any field.
#[derive(Default)]
pub(super) struct Letters {
    bytes: [u8; LETTERS_MAX],
    count: usize,
}

/// The letters of the longest field, `doorward_drop_unsupported`.
const LETTERS_MAX: usize = 23;

impl Letters {
    pub(super) fn of(key: &str) -> Self {
        if key.is_ascii() {
            Self::gather(key.bytes().map(|byte| byte.to_ascii_lowercase()))
        } else {
            Self::gather(key.chars().map(folded))
        }
    }

    fn gather(key: impl Iterator<Item = u8>) -> Self {
        let mut letters = Self::default();
        for letter in key.filter(|letter| !matches!(letter, b'_' | b'-')) {
            let Some(slot) = letters.bytes.get_mut(letters.count) else { return Self::default() };
            *slot = letter;
            letters.count += 1;
        }
        letters
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }
}

/// The letter of a field that a server could take `c` for; 0: none.
fn folded(c: char) -> u8 {
    match c {
        '\u{17f}' => b's',
        '\u{212a}' => b'k',
        '\u{130}' | '\u{131}' => b'i',
        c => u8::try_from(c).map_or(0, |byte| byte.to_ascii_lowercase()),
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
            ("Quality",                     Err("quality")),
            ("SIZE",                        Err("size")),
            ("partialImages",               Err("partial_images")),
            ("Documents",                   Err("documents")),
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
