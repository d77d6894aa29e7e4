//! The `usage` object.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/object>.

use doorward_domain::usage::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::units::sound_ms;
use super::wire::or_nothing;
use crate::count::Count;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Read<'a> {
    prompt_tokens: Count,
    completion_tokens: Count,
    /// The words of responses; some servers say both.
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
    /// The word of transcriptions.
    #[serde(borrow)]
    input_token_details: Option<&'a RawValue>,
    /// The word of `DeepSeek` for the cached ones.
    prompt_cache_hit_tokens: Count,
    /// The length of what was written down, and Mistral's word for it.
    #[serde(borrow)]
    seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_audio_seconds: Option<&'a RawValue>,
    /// `OpenRouter` tells searches so.
    #[serde(borrow)]
    server_tool_use: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadDetails<'a> {
    cached_tokens: Count,
    cache_write_tokens: Count,
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
    video_tokens: Count,
    /// Of what the cached ones are.
    #[serde(borrow)]
    cached_tokens_details: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadTools {
    web_search_requests: Count,
}

/// Reads `usage`. `None`: it is null, says nothing, or is something else.
pub(super) fn read(json: Option<&RawValue>) -> Option<Usage> {
    let read: Read<'_> = or_nothing(json)?;
    let input_tokens = read.prompt_tokens.0.or(read.input_tokens.0);
    let output_tokens = read.completion_tokens.0.or(read.output_tokens.0);
    let sound = read.seconds.or(read.prompt_audio_seconds).and_then(sound_ms);
    if input_tokens.is_none() && output_tokens.is_none() && sound.is_none() {
        return None;
    }
    let input = read.prompt_tokens_details.or(read.input_tokens_details);
    let input = input.or(read.input_token_details);
    let output = read.completion_tokens_details.or(read.output_tokens_details);
    let input: ReadDetails<'_> = or_nothing(input).unwrap_or_default();
    let output: ReadDetails<'_> = or_nothing(output).unwrap_or_default();
    let cached = input.cached_tokens.0.or(read.prompt_cache_hit_tokens.0);
    let of_cache: ReadDetails<'_> = or_nothing(input.cached_tokens_details).unwrap_or_default();
    let tools: ReadTools = or_nothing(read.server_tool_use).unwrap_or_default();
    let usage = Usage {
        input_tokens: input_tokens.unwrap_or_default(),
        cached_input_tokens: cached.unwrap_or_default(),
        cache_write_tokens: input.cache_write_tokens.or_zero(),
        output_tokens: output_tokens.unwrap_or_default(),
        reasoning_tokens: output.reasoning_tokens.or_zero(),
        input_audio_tokens: input.audio_tokens.or_zero(),
        input_image_tokens: input.image_tokens.or_zero(),
        input_video_tokens: input.video_tokens.or_zero(),
        cached_audio_tokens: of_cache.audio_tokens.or_zero(),
        cached_image_tokens: of_cache.image_tokens.or_zero(),
        output_audio_tokens: output.audio_tokens.or_zero(),
        output_image_tokens: output.image_tokens.or_zero(),
        output_video_tokens: output.video_tokens.or_zero(),
        web_searches: tools.web_search_requests.or_zero(),
        audio_ms: sound.unwrap_or_default(),
        ..Usage::default()
    };
    Some(with_reasoning(usage, read.total_tokens.0).bounded())
}

/// Reads the value of a `usage` member, of chat or of responses. `None`: it is null, or says nothing.
pub fn read_usage(json: &[u8]) -> Option<Usage> {
    read(serde_json::from_slice(json).ok()?)
}

/// Servers over Gemini leave the reasoning out of `completion_tokens`; the total tells on them.
fn with_reasoning(usage: Usage, total: Option<u64>) -> Usage {
    let missing = total.unwrap_or_default().saturating_sub(usage.total_tokens());
    if missing == 0 || missing != usage.reasoning_tokens {
        return usage;
    }
    Usage { output_tokens: usage.output_tokens.saturating_add(missing), ..usage }
}

/// `usage` as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    #[serde(flatten)]
    made_of: MadeOf,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
    #[serde(flatten)]
    made_of: MadeOf,
}

/// What is not text. Zeros are left out: most servers never tell these.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names")]
struct MadeOf {
    #[serde(skip_serializing_if = "is_zero")]
    audio_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    video_tokens: u64,
}

impl MadeOf {
    const fn input(usage: Usage) -> Self {
        Self {
            audio_tokens: usage.input_audio_tokens,
            image_tokens: usage.input_image_tokens,
            video_tokens: usage.input_video_tokens,
        }
    }

    const fn output(usage: Usage) -> Self {
        Self {
            audio_tokens: usage.output_audio_tokens,
            image_tokens: usage.output_image_tokens,
            video_tokens: usage.output_video_tokens,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Usage> for Written {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens(),
            prompt_tokens_details: InputDetails {
                cached_tokens: usage.cached_input_tokens,
                cache_write_tokens: usage.cache_write_tokens,
                made_of: MadeOf::input(usage),
            },
            completion_tokens_details: OutputDetails {
                reasoning_tokens: usage.reasoning_tokens,
                made_of: MadeOf::output(usage),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(json: &str) -> Option<[u64; 5]> {
        let json: &RawValue = serde_json::from_str(json).unwrap();
        let usage = read(Some(json))?;
        let Usage { input_tokens, cached_input_tokens, cache_write_tokens, .. } = usage;
        let outputs = [usage.output_tokens, usage.reasoning_tokens];
        Some([input_tokens, cached_input_tokens, cache_write_tokens, outputs[0], outputs[1]])
    }

    #[test]
    fn what_was_heard_is_read_in_seconds_and_in_tokens() {
        let heard = |audio_ms, input, audio, output| Usage {
            audio_ms,
            input_audio_tokens: audio,
            ..Usage::of_tokens(input, output)
        };
        #[rustfmt::skip]
        let cases = [
            (r#"{"type":"duration","seconds":9}"#,                                                Some(heard(9_000, 0, 0, 0))),
            (r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59}"#, Some(heard(0, 14, 10, 45))),
            (r#"{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}"#, Some(heard(203_000, 4, 0, 635))),
            (r#"{"type":"duration","seconds":null}"#,                                             None),
        ];
        for (json, expected) in cases {
            assert_eq!(read_usage(json.as_bytes()), expected, "{json}");
        }
        let pictures = r#"{"input_tokens":50,"output_tokens":272,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":272}}"#;
        let drawn =
            Usage { input_image_tokens: 40, output_image_tokens: 272, ..Usage::of_tokens(50, 272) };
        assert_eq!(read_usage(pictures.as_bytes()), Some(drawn));
    }

    #[test]
    fn every_shape_of_usage_is_read_and_nonsense_is_bounded() {
        const MAX: u64 = doorward_domain::usage::TOKENS_MAX;
        #[rustfmt::skip]
        let cases = [
            // usage                                                                            in, cached, written, out, reasoning
            (r#"{"prompt_tokens":14,"completion_tokens":30,"total_tokens":44}"#,                Some([14, 0, 0, 30, 0])),
            (r#"{"prompt_tokens":9,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0}}"#, Some([9, 4, 3, 7, 5])),
            (r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#,                   Some([0, 0, 0, 0, 0])),
            (r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":null,"completion_tokens_details":null}"#, Some([9, 0, 0, 1, 0])),
            (r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":1}"#, Some([9, 8, 0, 1, 0])),
            // The total says that the reasoning stands beside the completion, or that it does not.
            (r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":16,"completion_tokens_details":{"reasoning_tokens":6}}"#, Some([9, 0, 0, 7, 6])),
            (r#"{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"completion_tokens_details":{"reasoning_tokens":6}}"#, Some([9, 0, 0, 7, 6])),
            (r#"{"prompt_tokens":9,"completion_tokens":7,"total_tokens":99,"completion_tokens_details":{"reasoning_tokens":6}}"#, Some([9, 0, 0, 7, 6])),
            (r#"{"prompt_tokens":5}"#,                                                          Some([5, 0, 0, 0, 0])),
            (r#"{"prompt_tokens":-5,"completion_tokens":2.9}"#,                                 Some([0, 0, 0, 2, 0])),
            (r#"{"prompt_tokens":1e30,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":99}}"#, Some([MAX, 0, 0, 1, 1])),
            (r#"{"prompt_tokens":2,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}"#, Some([2, 2, 0, 1, 0])),
            (r#"{"prompt_tokens":2,"completion_tokens":1,"prompt_tokens_details":"many"}"#,     Some([2, 0, 0, 1, 0])),
            (r#"{"prompt_tokens":"many","completion_tokens":{}}"#,                              None),
            (r#"{"input_tokens":25,"output_tokens":30,"input_tokens_details":{"cached_tokens":5},"output_tokens_details":{"reasoning_tokens":7}}"#, Some([25, 5, 0, 30, 7])),
            (r#"{"prompt_tokens":25.0,"input_tokens":25,"completion_tokens":30,"output_tokens":30}"#, Some([25, 0, 0, 30, 0])),
            ("{}",                                                                              None),
            ("null",                                                                            None),
            ("[]",                                                                              None),
            ("7",                                                                               None),
        ];
        for (json, expected) in cases {
            assert_eq!(figures(json), expected, "{json}");
        }
    }

    /// As they stand in the documents of `OpenAI` (audio and images of conversations, responses,
    /// transcriptions) and of `OpenRouter`.
    #[test]
    fn what_is_not_text_is_read_in_the_words_of_each_route() {
        let all = |json: &str| {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            let usage = read(Some(json)).unwrap();
            let input =
                [usage.input_audio_tokens, usage.input_image_tokens, usage.cached_audio_tokens];
            let output = [usage.output_audio_tokens, usage.output_image_tokens];
            (input, output, usage.web_searches)
        };
        #[rustfmt::skip]
        let cases = [
            (r#"{"prompt_tokens":117,"completion_tokens":200,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":100},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":150}}"#, ([100, 0, 0], [150, 0], 0)),
            (r#"{"input_tokens":50,"output_tokens":50,"total_tokens":100,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":45,"text_tokens":5}}"#, ([0, 40, 0], [0, 45], 0)),
            (r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}"#, ([14, 0, 0], [0, 0], 0)),
            (r#"{"prompt_tokens":90,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":50,"cached_tokens_details":{"text_tokens":10,"audio_tokens":30}}}"#, ([50, 0, 30], [0, 0], 0)),
            (r#"{"prompt_tokens":9,"completion_tokens":1,"server_tool_use":{"web_search_requests":2},"completion_tokens_details":{"image_tokens":1}}"#, ([0, 0, 0], [0, 1], 2)),
            (r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":99},"server_tool_use":7}"#, ([9, 0, 0], [0, 0], 0)),
        ];
        for (json, expected) in cases {
            assert_eq!(all(json), expected, "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_figures(parts: [u32; 5], made_of: [u32; 6]) {
            let [plain, cached, written, answer, reasoning] = parts.map(u64::from);
            let [sound, picture, film, said, drawn, filmed] = made_of.map(u64::from);
            let usage = Usage {
                input_tokens: plain + cached + written + sound + picture + film,
                cached_input_tokens: cached,
                cache_write_tokens: written,
                input_audio_tokens: sound,
                input_image_tokens: picture,
                input_video_tokens: film,
                output_tokens: answer + reasoning + said + drawn + filmed,
                reasoning_tokens: reasoning,
                output_audio_tokens: said,
                output_image_tokens: drawn,
                output_video_tokens: filmed,
                ..Usage::default()
            };
            let json = serde_json::value::to_raw_value(&Written::from(usage)).unwrap();
            proptest::prop_assert_eq!(read(Some(&json)), Some(usage));
        }
    }
}
