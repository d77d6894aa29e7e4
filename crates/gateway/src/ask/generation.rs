//! What a request of Google's dialect asks for, whose fields stand elsewhere and have two spellings.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Letters;

/// A member that the gateway reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    GenerationConfig,
    CachedContent,
    Tools,
    ServiceTier,
    Drop,
    /// Stands in the body, and in what stands in it.
    Model,
    /// Those of a batch.
    Requests,
    /// What is counted.
    GenerateContentRequest,
    /// Stands in `generationConfig`.
    MaxOutputTokens,
    /// Stands in `generationConfig`.
    CandidateCount,
}

impl Member {
    const ALL: [Self; 10] = [
        Self::GenerationConfig,
        Self::CachedContent,
        Self::Tools,
        Self::ServiceTier,
        Self::Drop,
        Self::Model,
        Self::Requests,
        Self::GenerateContentRequest,
        Self::MaxOutputTokens,
        Self::CandidateCount,
    ];

    /// As Google's documents spell it, and as the definitions behind them do: its servers take both.
    const fn spellings(self) -> [&'static str; 2] {
        match self {
            Self::GenerationConfig => ["generationConfig", "generation_config"],
            Self::CachedContent => ["cachedContent", "cached_content"],
            Self::Tools => ["tools", "tools"],
            Self::ServiceTier => ["serviceTier", "service_tier"],
            Self::Drop => [super::Ask::DROP, super::Ask::DROP],
            Self::Model => ["model", "model"],
            Self::Requests => ["requests", "requests"],
            Self::GenerateContentRequest => ["generateContentRequest", "generate_content_request"],
            Self::MaxOutputTokens => ["maxOutputTokens", "max_output_tokens"],
            Self::CandidateCount => ["candidateCount", "candidate_count"],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        let [name, _] = self.spellings();
        name
    }
}

/// The values of the members, borrowed. One that stands twice is an error, in whichever spelling: which of
/// the two the upstream would take is anybody's guess.
#[derive(Default)]
pub(super) struct Members<'a>([Option<&'a RawValue>; Member::ALL.len()]);

impl<'a> Members<'a> {
    pub(super) fn get(&self, member: Member) -> Option<&'a RawValue> {
        self.0.get(member as usize).copied().flatten()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let letters = Letters::of(&key);
            let means = |one: &Member| Letters::of(one.name()).as_bytes() == letters.as_bytes();
            let Some(member) = Member::ALL.into_iter().find(means) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // A server that reads keys generously would take it for the other one.
            if !member.spellings().contains(&&*key) {
                let name = member.name();
                let why = format_args!("the field `{name}` must be spelled exactly so");
                return Err(A::Error::custom(why));
            }
            let value: &RawValue = map.next_value()?;
            if let Some(slot) = members.0.get_mut(member as usize)
                && slot.replace(value).is_some()
            {
                return Err(A::Error::duplicate_field(member.name()));
            }
        }
        Ok(members)
    }
}

/// What each object of a list says for `model`, where it says anything: nothing else of it is kept.
#[derive(Default)]
pub(super) struct ModelsOfEach<'a>(pub(super) Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for ModelsOfEach<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ModelsVisitor)
    }
}

struct ModelsVisitor;

impl<'de> Visitor<'de> for ModelsVisitor {
    type Value = ModelsOfEach<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ModelsOfEach<'de>, A::Error> {
        let mut models = ModelsOfEach::default();
        while let Some(members) = list.next_element::<Members<'de>>()? {
            models.0.extend(members.get(Member::Model));
        }
        Ok(models)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_in_both_spellings_and_never_twice() {
        for member in Member::ALL {
            for name in member.spellings() {
                let body = format!(r#"{{"x":1,"{name}":"v"}}"#);
                let members: Members<'_> = serde_json::from_str(&body).unwrap();
                assert_eq!(members.get(member).map(RawValue::get), Some(r#""v""#), "{name}");
            }
            let [one, other] = member.spellings();
            let body = format!(r#"{{"{one}":1,"{other}":1}}"#);
            let error = serde_json::from_str::<Members<'_>>(&body).err().unwrap().to_string();
            assert!(error.contains(&format!("duplicate field `{one}`")), "{error}");
        }
    }
}
