//! What one event of a stream holds, read in one pass over its strings.

use super::strings::first_string;

/// Up to this many bytes of one text count as one token; longer ones by four bytes each.
const TOKEN_BYTES_MAX: usize = 12;

/// The last events of streams that are no responses: of Anthropic's messages, of OpenAI's speech,
/// transcripts and pictures. They repeat what came before them.
const LAST: [&[u8]; 4] =
    [b"message_stop", b"speech.audio.done", b"transcript.text.done", b"image_generation.completed"];

/// What metering must know of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub(super) struct Facts {
    /// Tokens of the text that it carries.
    pub(super) output_tokens: u64,
    /// It has a `usage` or `usageMetadata` that is an object.
    pub(super) has_usage: bool,
    /// It says that the answer is over: a response that is completed, incomplete or failed, or one of
    /// [`LAST`].
    pub(super) is_last: bool,
    /// It has an `error` that is an object.
    pub(super) has_error: bool,
}

/// What is found, by the kind of member.
#[derive(Default)]
struct Found {
    /// Tokens of `content`, `delta`, `arguments`, `refusal`, `thinking`, `partial_json` and `input`.
    said: u64,
    /// Tokens of `text`, `reasoning` and `reasoning_content`: servers tell the same thought by several
    /// names at once.
    text: u64,
    reasoning: u64,
    reasoning_content: u64,
    has_usage: bool,
    has_error: bool,
    response: Option<Response>,
}

/// What an event of a stream with named events is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response {
    /// It brings a part that has not been there.
    Delta,
    /// It repeats what the deltas brought.
    Other,
    /// It is the last one, and may repeat them too.
    Last,
}

/// Reads an event: its `data`, or all of its lines, which makes no difference.
pub(super) fn read(event: &[u8]) -> Facts {
    let mut found = Found::default();
    let (mut rest, mut key) = (event, None);
    while let Some((text, behind)) = first_string(rest) {
        rest = behind;
        if let Some(key) = key.take() {
            found.take(key, text);
            continue;
        }
        match value_begins_with(behind) {
            Some(b'"') => key = Some(text),
            Some(b'{') if matches!(text, b"usage" | b"usageMetadata") => found.has_usage = true,
            Some(b'{') if text == b"error" => found.has_error = true,
            Some(_) | None => {}
        }
    }
    found.facts()
}

/// The first byte of a member's value, if what is before these bytes was its key.
fn value_begins_with(bytes: &[u8]) -> Option<u8> {
    let value = match bytes {
        [b':', value @ ..] => value,
        _ => bytes.trim_ascii_start().strip_prefix(b":")?,
    };
    match value {
        [b' ' | b'\t' | b'\r' | b'\n', ..] => value.trim_ascii_start().first().copied(),
        _ => value.first().copied(),
    }
}

impl Found {
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let sum = match key {
            b"content" | b"delta" | b"arguments" | b"refusal" | b"thinking" | b"partial_json"
            | b"input" => &mut self.said,
            b"text" => &mut self.text,
            b"reasoning" => &mut self.reasoning,
            b"reasoning_content" => &mut self.reasoning_content,
            b"type" => return self.take_type(value),
            _ => return,
        };
        *sum = sum.saturating_add(tokens(value.len()));
    }

    fn take_type(&mut self, value: &[u8]) {
        let name = match value.strip_prefix(b"response.") {
            Some(name) => name,
            None if LAST.contains(&value) => b"completed",
            None => return,
        };
        self.response = Some(match name {
            b"completed" | b"incomplete" | b"failed" => Response::Last,
            name if name.ends_with(b".delta") => Response::Delta,
            _ => Response::Other,
        });
    }

    fn facts(&self) -> Facts {
        let thought = self.text.max(self.reasoning).max(self.reasoning_content);
        let is_new = matches!(self.response, None | Some(Response::Delta));
        Facts {
            output_tokens: if is_new { self.said.saturating_add(thought) } else { 0 },
            has_usage: self.has_usage,
            is_last: self.response == Some(Response::Last),
            has_error: self.has_error,
        }
    }
}

fn tokens(bytes: usize) -> u64 {
    match bytes {
        0 => 0,
        1..=TOKEN_BYTES_MAX => 1,
        more => more.div_ceil(4) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tokens: u64) -> Facts {
        Facts { output_tokens: tokens, ..Facts::default() }
    }

    #[test]
    fn the_output_of_an_event_is_counted_however_a_server_writes_it() {
        let usage = Facts { has_usage: true, ..of(0) };
        let last = Facts { is_last: true, ..of(0) };
        #[rustfmt::skip]
        let cases = [
            // OpenAI
            (r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#, of(0)),
            (r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"Hi","logprob":0,"bytes":[72]}],"refusal":null}}]}"#, of(1)),
            (r#"{"choices":[{"delta":{"refusal":"No."}}]}"#, of(1)),
            (r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#, of(2)),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, usage),
            // tool calls
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"ci"}}]}}]}"#, of(1)),
            (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"city\":\"Paris\",\"content\":\"x\"}"}},{"function":{"arguments":"1"}}]}}]}"#, of(10 + 1)),
            // vLLM: both names of the thought, and usage with every event
            (r#"{"choices":[{"delta":{"reasoning":"Hm","reasoning_content":"Hm"}}],"usage":{"prompt_tokens":1}}"#, Facts { output_tokens: 1, ..usage }),
            (r#"{"choices":[{"delta":{"reasoning_content":"Hm","content":"Hi"}}]}"#, of(2)),
            // llama.cpp
            (r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" token"}}],"created":1,"timings":{"prompt_n":1}}"#, of(1)),
            (r#"{"choices":[{"text":" token","index":0}],"object":"text_completion"}"#, of(1)),
            // Ollama
            (r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hm"},"finish_reason":null}]}"#, of(1)),
            // OpenRouter
            (r#"{"choices":[{"delta":{"content":"","reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}}]}"#, of(1)),
            // Python's json.dumps
            (r#"{"choices": [{"index": 0, "delta": {"content": "Hi"}}]}"#, of(1)),
            (r#"{"choices": [{"text": "Hi"}], "usage": null}"#, of(1)),
            (r#"{"choices" : [], "usage" : {"prompt_tokens": 1}}"#, usage),
            (r#"{"choices": [{"delta": {"content": "\u4f60\u597d"}}]}"#, of(1)),
            // Responses
            (r#"{"type":"response.output_text.delta","delta":"Hi","logprobs":[]}"#, of(1)),
            (r#"{"delta": "Hi", "item_id": "m", "type": "response.reasoning_summary_text.delta"}"#, of(1)),
            (r#"{"type":"response.function_call_arguments.delta","delta":"{\"a\""}"#, of(1)),
            (r#"{"type":"response.output_text.done","text":"Hi"}"#, of(0)),
            (r#"{"text":"Hi","type":"response.output_text.done"}"#, of(0)),
            (r#"{"type":"response.function_call_arguments.done","arguments":"{}"}"#, of(0)),
            (r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"Hi"}]}}"#, of(0)),
            (r#"{"type":"response.created","response":{"status":"in_progress","usage":null}}"#, of(0)),
            (r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":1}}}"#, Facts { has_usage: true, ..last }),
            (r#"{"type": "response.incomplete", "response": {"usage": {}}}"#, Facts { has_usage: true, ..last }),
            (r#"{"type":"response.failed","response":{"error":{"code":"x"},"usage":null}}"#, Facts { has_error: true, ..last }),
            // Anthropic
            (r#"{"type":"message_start","message":{"id":"msg_1","content":[],"usage":{"input_tokens":25,"output_tokens":1}}}"#, usage),
            (r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#, of(0)),
            (r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#, of(1)),
            (r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#, of(1)),
            (r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}}"#, of(0)),
            (r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"ci"}}"#, of(1)),
            (r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}"#, usage),
            (r#"{"type":"message_stop"}"#, last),
            // Speech, transcripts, pictures
            (r#"{"type":"speech.audio.delta","audio":"SGk="}"#, of(0)),
            (r#"{"type":"speech.audio.done","usage":{"input_tokens":1}}"#, Facts { has_usage: true, ..last }),
            (r#"{"type":"transcript.text.delta","delta":"Hi"}"#, of(1)),
            (r#"{"type":"transcript.text.done","text":"Hi","usage":{"type":"tokens"}}"#, Facts { has_usage: true, ..last }),
            (r#"{"type":"image_generation.partial_image","b64_json":"SGk="}"#, of(0)),
            (r#"{"type":"image_generation.completed","b64_json":"SGk="}"#, last),
            // Google
            (r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":1}}"#, Facts { output_tokens: 1, ..usage }),
            // Bedrock
            (r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abcdefghijklmnopqrstuvwx"}}"#, of(1)),
            (r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}}"#, of(1)),
            (r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}}}}"#, of(0)),
            (r#"{"contentBlockStart":{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"f"}}}}"#, of(0)),
            (r#"{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"ci"}}}}"#, of(1)),
            (r#"{"metadata":{"usage":{"inputTokens":1,"outputTokens":2},"metrics":{"latencyMs":5}}}"#, usage),
            (r#"{"error":{"throttlingException":{"message":"x"}}}"#, Facts { has_error: true, ..of(0) }),
            // errors
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Facts { has_error: true, ..of(0) }),
            (r#"{"error": {"message":"x"}}"#, Facts { has_error: true, ..of(0) }),
            (r#"{"type":"response.created","response":{"error":null,"usage":null}}"#, of(0)),
            // what a text says is not what the event says
            (r#"{"choices":[{"delta":{"content":"\"usage\":{\"text\":\"a\"},\"type\":\"response.completed\""}}]}"#, of(15)),
            ("[DONE]", of(0)),
            (r#"{"content":"cut"#, of(0)),
            (r#"{"content":"#, of(0)),
        ];
        for (json, expected) in cases {
            let event = format!("event: x\ndata: {json}\n\n");
            assert_eq!(read(event.as_bytes()), expected, "{json}");
        }
    }
}
