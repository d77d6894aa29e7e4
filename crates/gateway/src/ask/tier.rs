//! Wishes by which a call costs otherwise than the price of its model says.

use serde_json::value::RawValue;

use super::called;
use super::fields::{Field, Fields};
use super::generation::{Member, Members};
use crate::route::Call;

/// What is meant where nobody wishes anything. `auto` is what the provider's customer has chosen there.
const USUAL: [&str; 7] = [
    "auto",
    "default",
    "standard",
    "standard_only",
    "unspecified",
    "service_tier_unspecified",
    "global",
];

/// The wish in a body of `OpenAI`'s or Anthropic's dialect that has no price.
///
/// Sources: <https://platform.openai.com/docs/pricing> for `service_tier`,
/// <https://docs.claude.com/en/docs/about-claude/pricing> for `speed` and `inference_geo`.
pub(super) fn of_fields(call: Call, fields: &Fields<'_>) -> Option<Box<str>> {
    let wishes: &[Field] = if call == Call::Messages {
        &[Field::ServiceTier, Field::Speed, Field::InferenceGeo]
    } else {
        &[Field::ServiceTier]
    };
    wishes.iter().find_map(|field| unsold(field.name(), fields.get(*field)))
}

/// The same of Google's. Source: <https://ai.google.dev/gemini-api/docs/pricing>.
pub(super) fn of_members(members: &Members<'_>) -> Option<Box<str>> {
    unsold(Member::ServiceTier.name(), members.get(Member::ServiceTier))
}

fn unsold(name: &str, raw: Option<&RawValue>) -> Option<Box<str>> {
    let text = raw?.get();
    let word = text.trim_matches('"');
    let is_usual = text == "null" || USUAL.iter().any(|usual| word.eq_ignore_ascii_case(usual));
    (!is_usual).then(|| called(name, word))
}

#[cfg(test)]
mod tests {
    use doorward_dialect::google::Framing;

    use crate::ask::Ask;
    use crate::route::{Call, InPath};

    #[test]
    fn what_is_served_sooner_or_elsewhere_for_another_price_is_named() {
        let place = InPath { model: "m".to_owned(), framing: Framing::Events };
        #[rustfmt::skip]
        let cases = [
            // call                  member                          what has no price
            (Call::ChatCompletions,  r#""service_tier":"priority""#, Some("service_tier `priority`")),
            (Call::ChatCompletions,  r#""service_tier":"auto""#,     None),
            (Call::ChatCompletions,  r#""service_tier":null"#,       None),
            (Call::ChatCompletions,  r#""service_tier":5"#,          Some("service_tier `5`")),
            (Call::ChatCompletions,  r#""speed":"fast""#,            None),
            (Call::Responses,        r#""service_tier":"flex""#,     Some("service_tier `flex`")),
            (Call::Responses,        r#""service_tier":"default""#,  None),
            (Call::Messages,         r#""service_tier":"standard_only""#, None),
            (Call::Messages,         r#""speed":"fast""#,            Some("speed `fast`")),
            (Call::Messages,         r#""speed":"standard""#,        None),
            (Call::Messages,         r#""inference_geo":"us""#,      Some("inference_geo `us`")),
            (Call::Messages,         r#""inference_geo":"global""#,  None),
            (Call::GenerateContent,  r#""serviceTier":"PRIORITY""#,  Some("serviceTier `PRIORITY`")),
            (Call::GenerateContent,  r#""service_tier":"flex""#,     Some("serviceTier `flex`")),
            (Call::GenerateContent,  r#""serviceTier":"STANDARD""#,  None),
        ];
        for (call, member, expected) in cases {
            let place = (call == Call::GenerateContent).then_some(&place);
            let body = format!(r#"{{"model":"m",{member}}}"#);
            let ask = Ask::parse(call, place, body.as_bytes()).unwrap();
            assert_eq!(ask.unsold(), expected, "{call:?} {member}");
        }
    }
}
