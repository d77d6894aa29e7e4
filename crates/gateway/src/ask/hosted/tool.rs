//! What a tool costs by what it is called. Whatever is not known here to cost nothing has no price.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::SEARCHES_MAX;
use crate::ask::fields::Letters;
use crate::ask::string;

/// What a tool costs beside the tokens that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Nothing: who asks runs it.
    Nothing,
    /// Nothing, but what it finds is input.
    Input,
    /// Searches of the web.
    WebSearch,
    /// Searches in files that are stored with the provider.
    FileSearch,
    /// Nobody here knows.
    Unsold,
}

/// By what the type of a tool begins with.
const TYPES: [(&str, Cost); 14] = [
    ("function", Cost::Nothing),
    ("custom", Cost::Nothing),
    ("computer", Cost::Nothing),
    ("bash_", Cost::Nothing),
    ("text_editor_", Cost::Nothing),
    ("memory_", Cost::Nothing),
    ("tool_search", Cost::Nothing),
    ("local_shell", Cost::Nothing),
    ("apply_patch", Cost::Nothing),
    ("namespace", Cost::Nothing),
    ("mcp", Cost::Input),
    ("web_fetch", Cost::Input),
    ("web_search", Cost::WebSearch),
    ("file_search", Cost::FileSearch),
];

/// By the letters of the member that is a tool of Google's dialect.
const MEMBERS: [(&str, Cost); 9] = [
    ("functiondeclarations", Cost::Nothing),
    ("computeruse", Cost::Nothing),
    ("codeexecution", Cost::Input),
    ("filesearch", Cost::Input),
    ("mcpservers", Cost::Input),
    ("urlcontext", Cost::Input),
    ("googlesearch", Cost::WebSearch),
    ("googlesearchretrieval", Cost::WebSearch),
    ("enterprisewebsearch", Cost::WebSearch),
];

/// Plugins of `OpenRouter` that cost nothing.
const FREE_PLUGINS: [&str; 2] = ["response-healing", "context-compression"];

impl Cost {
    pub(super) fn of_type(kind: &str) -> Self {
        let known = TYPES.iter().find(|(start, _)| kind.starts_with(start));
        known.map_or(Self::Unsold, |(_, cost)| *cost)
    }

    /// There no answer tells what the provider did.
    pub(super) fn of_type_in_chat(kind: &str) -> Self {
        if matches!(kind, "function" | "custom") { Self::Nothing } else { Self::Unsold }
    }

    fn of_member(name: &str) -> Self {
        let letters = Letters::of(name);
        let known = MEMBERS.iter().find(|(one, _)| one.as_bytes() == letters.as_bytes());
        known.map_or(Self::Unsold, |(_, cost)| *cost)
    }
}

/// A tool that says by its `type` what it is. What stands twice is an error, for which of the two the
/// provider would take is anybody's guess.
pub(super) struct TypedTool<'a> {
    /// `None`: it is one of the client's own, in Anthropic's dialect.
    pub(super) kind: Option<Cow<'a, str>>,
    /// `max_uses`, where it is a bound.
    pub(super) uses_max: Option<u64>,
}

impl<'de> Deserialize<'de> for TypedTool<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TypedVisitor)
    }
}

struct TypedVisitor;

impl<'de> Visitor<'de> for TypedVisitor {
    type Value = TypedTool<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TypedTool<'de>, A::Error> {
        let (mut kind, mut uses_max): (Option<&RawValue>, Option<&RawValue>) = (None, None);
        while let Some(key) = map.next_key()? {
            let slot = match key {
                Key::Type => &mut kind,
                Key::MaxUses => &mut uses_max,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("it stands twice"));
            }
        }
        let kind = kind.filter(|raw| raw.get() != "null");
        let text = |raw: &'de RawValue| string(raw.get()).ok_or(A::Error::custom("it is no text"));
        let uses_max = uses_max.and_then(|raw| raw.get().parse::<u64>().ok());
        Ok(TypedTool {
            kind: kind.map(text).transpose()?,
            uses_max: uses_max.filter(|number| (1..=SEARCHES_MAX).contains(number)),
        })
    }
}

/// Which member of a tool it is.
enum Key {
    Type,
    MaxUses,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// Some servers read keys without regard to case.
    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        match (Letters::of(key).as_bytes(), key) {
            (b"type", "type") => Ok(Key::Type),
            (b"maxuses", "max_uses") => Ok(Key::MaxUses),
            (b"type" | b"maxuses", _) => Err(E::custom("it is spelled otherwise")),
            _ => Ok(Key::Other),
        }
    }
}

/// A tool of Google's dialect is what its members are called; those that cost anything, with their names.
pub(super) struct MemberTool(pub(super) Vec<(Cost, Box<str>)>);

impl<'de> Deserialize<'de> for MemberTool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = MemberTool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MemberTool, A::Error> {
        let mut costs: Vec<(Cost, Box<str>)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let is_there = map.next_value::<Option<IgnoredAny>>()?.is_some();
            let cost = Cost::of_member(&name);
            // Each is wanted once, however often it stands there.
            let is_new = costs.iter().all(|(other, _)| *other != cost);
            if is_there && cost != Cost::Nothing && is_new {
                costs.push((cost, name.into()));
            }
        }
        Ok(MemberTool(costs))
    }
}

/// What `OpenRouter` may do beside what the model does. Source:
/// <https://openrouter.ai/docs/guides/features/plugins/overview>.
#[derive(serde::Deserialize)]
pub(super) struct Plugin<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    enabled: Option<bool>,
}

impl Plugin<'_> {
    /// Its name, where it may cost something.
    pub(super) fn unsold(&self) -> Option<&str> {
        let name = self.id.as_deref().unwrap_or_default();
        (self.enabled != Some(false) && !FREE_PLUGINS.contains(&name)).then_some(name)
    }
}
