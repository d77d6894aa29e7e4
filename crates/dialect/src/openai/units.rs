//! What an answer tells of its use beside tokens: the length of a sound, what a ranking is sold by.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/audio/verbose-json-object>,
//! <https://docs.cohere.com/reference/rerank>, <https://jina.ai/reranker>.

use doorward_domain::usage::{TOKENS_MAX, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::or_nothing;
use crate::count::Count;

/// Reads a number of seconds, or the text of one, as the `duration` of a transcript. `None`: it is none.
pub fn read_seconds(json: &[u8]) -> Option<Usage> {
    let audio_ms = milliseconds_in(std::str::from_utf8(json).ok()?)?;
    Some(Usage { audio_ms, ..Usage::default() })
}

/// The same of a member, in milliseconds.
pub(super) fn sound_ms(json: &RawValue) -> Option<u64> {
    milliseconds_in(json.get())
}

fn milliseconds_in(json: &str) -> Option<u64> {
    let seconds = json.trim().trim_matches('"').parse::<f64>().ok();
    seconds.filter(|seconds| *seconds >= 0.0).map(milliseconds)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates, and what is too large is cut"
)]
fn milliseconds(seconds: f64) -> u64 {
    ((seconds * 1_000.0).ceil() as u64).min(TOKENS_MAX)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    billed_units: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BilledUnits {
    search_units: Count,
    input_tokens: Count,
    output_tokens: Count,
}

/// Reads the `meta` of a ranking. `None`: it tells nothing of what is billed.
pub fn read_meta(json: &[u8]) -> Option<Usage> {
    let meta: Meta<'_> = serde_json::from_slice(json).ok()?;
    let units: BilledUnits = or_nothing(meta.billed_units)?;
    let all = [units.search_units, units.input_tokens, units.output_tokens];
    all.iter().any(|count| count.0.is_some()).then(|| {
        let tokens = Usage::of_tokens(units.input_tokens.or_zero(), units.output_tokens.or_zero());
        Usage { ranking_units: units.search_units.or_zero(), ..tokens }.bounded()
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Amounts<'a> {
    #[serde(borrow)]
    seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_audio_seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    billed_units: Option<&'a RawValue>,
}

/// Whether a `usage`, a `duration` or a `meta` tells how much of its unit was used, be it nothing.
pub fn tells_unit(json: &[u8]) -> bool {
    let Ok(amounts) = serde_json::from_slice::<Amounts<'_>>(json) else {
        return read_seconds(json).is_some();
    };
    let searched: Option<BilledUnits> = or_nothing(amounts.billed_units);
    amounts.seconds.or(amounts.prompt_audio_seconds).and_then(sound_ms).is_some()
        || searched.is_some_and(|units| units.search_units.0.is_some())
}

#[derive(Deserialize)]
struct Total {
    total_tokens: Count,
}

/// Reads the `usage` of an answer that has no tokens of its own, so that the total is that of the input.
pub fn read_total(json: &[u8]) -> Option<Usage> {
    let total: Total = serde_json::from_slice(json).ok()?;
    total.total_tokens.0.map(|total| Usage::of_tokens(total, 0).bounded())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_servers_write_it_and_rounded_up() {
        #[rustfmt::skip]
        let cases = [
            (" 3.5",                   Some(3_500)),
            ("\"8.470000267028809\"",  Some(8_471)),
            ("0",                      Some(0)),
            ("1e300",                  Some(TOKENS_MAX)),
            ("-1",                     None),
            ("NaN",                    None),
            ("null",                   None),
            ("{}",                     None),
        ];
        for (json, ms) in cases {
            assert_eq!(read_seconds(json.as_bytes()).map(|usage| usage.audio_ms), ms, "{json}");
        }
    }

    #[test]
    fn a_unit_is_told_also_where_it_is_nothing() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"type":"duration","seconds":0}"#,       true),
            (r#"{"prompt_audio_seconds":0.0}"#,          true),
            ("0",                                        true),
            ("\"0.0\"",                                  true),
            (r#"{"billed_units":{"search_units":0}}"#,   true),
            (r#"{"billed_units":{"input_tokens":9}}"#,   false),
            (r#"{"input_tokens":0,"output_tokens":0}"#,  false),
            (r#"{"seconds":null}"#,                      false),
            ("null",                                     false),
        ];
        for (json, expected) in cases {
            assert_eq!(tells_unit(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn a_ranking_tells_what_it_is_sold_by() {
        let told =
            |ranking_units, input| Some(Usage { ranking_units, ..Usage::of_tokens(input, 0) });
        #[rustfmt::skip]
        let cases = [
            (r#"{"api_version":{"version":"2"},"billed_units":{"search_units":2}}"#, told(2, 0)),
            (r#"{"billed_units":{"search_units":1.0,"input_tokens":9}}"#,            told(1, 9)),
            (r#"{"billed_units":{"images":1}}"#,                                     None),
            (r#"{"billed_units":null}"#,                                             None),
            (r#"{"api_version":{}}"#,                                                None),
            ("null",                                                                 None),
        ];
        for (json, expected) in cases {
            assert_eq!(read_meta(json.as_bytes()), expected, "{json}");
        }
        assert_eq!(read_total(br#"{"total_tokens":815}"#), told(0, 815));
        assert_eq!(read_total(br#"{"prompt_tokens":5}"#), None);
        assert_eq!(read_total(b"7"), None);
    }
}
