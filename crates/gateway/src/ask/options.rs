//! The two fields of a body that are read inside.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Field, Key};

/// Whether these `stream_options` ask for usage.
pub(super) fn wants_usage(raw: &RawValue) -> Result<bool, serde_json::Error> {
    let options: Option<Options> = serde_json::from_str(raw.get())?;
    Ok(options.is_some_and(|options| options.0))
}

struct Options(bool);

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = Options;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Options, A::Error> {
        let mut include_usage: Option<Option<bool>> = None;
        while let Some(Key(field)) = map.next_key()? {
            if field != Some(Field::IncludeUsage) {
                map.next_value::<IgnoredAny>()?;
            } else if include_usage.replace(map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(Field::IncludeUsage.name()));
            }
        }
        Ok(Options(include_usage.flatten().unwrap_or(false)))
    }
}

/// How many prompts this is: a text or its tokens are one, a list of those is as many as it has.
pub(super) fn prompts(raw: &RawValue) -> u64 {
    // What is no list is one, or what the upstream refuses.
    serde_json::from_str(raw.get()).map_or(1, |Prompts(count)| count.max(1))
}

struct Prompts(u64);

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PromptsVisitor)
    }
}

struct PromptsVisitor;

impl<'de> Visitor<'de> for PromptsVisitor {
    type Value = Prompts;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prompts, A::Error> {
        let mut count = 0;
        while let Some(part) = list.next_element::<&RawValue>()? {
            count += u64::from(part.get().starts_with(['"', '[', '{']));
        }
        Ok(Prompts(count))
    }
}
