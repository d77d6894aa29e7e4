//! The built-in provider: answers with the last user message, so that a first call works before any
//! provider is set up. It counts a word as a token, and costs nothing.

use std::collections::VecDeque;

use bytes::Bytes;
use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ProxyError;
use crate::route::Call;

/// What to say where there is no user message.
const SILENCE: &str = "Hello from Doorward.";

/// What the built-in provider answers.
#[derive(Debug)]
pub(crate) enum Echo {
    /// At once.
    Whole(Bytes),
    /// Event by event.
    Events(VecDeque<Bytes>),
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    messages: Vec<Message>,
    prompt: Option<Value>,
    input: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    role: Option<String>,
    content: Option<Value>,
}

/// What an answer is made of.
struct Reply<'a> {
    id: String,
    model: &'a str,
    created_at_s: i64,
    text: String,
    usage: Usage,
}

/// Answers a call. At most `output_tokens` words.
pub(crate) fn answer(
    body: &[u8],
    ask: &crate::ask::Ask<'_>,
    (id, created_at_s, output_tokens): (String, i64, u64),
) -> Result<Echo, ProxyError> {
    let call = ask.call;
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        ProxyError::BadRequest(format!("The request body does not fit this route: {error}."))
    })?;
    let input = input_text(&body);
    let text = first_words(if input.is_empty() { SILENCE } else { &input }, output_tokens);
    let usage = Usage {
        input_tokens: words(&input),
        output_tokens: if call.has_output() { words(&text) } else { 0 },
        ..Usage::default()
    };
    let reply = Reply { id, model: &ask.model.value, created_at_s, text, usage };
    Ok(match (call, ask.is_stream) {
        (Call::ChatCompletions, false) => Echo::Whole(line(&reply.chat())),
        (Call::Completions, false) => Echo::Whole(line(&reply.completion())),
        (Call::Responses, false) => Echo::Whole(line(&reply.response("completed"))),
        (Call::Embeddings, _) => Echo::Whole(line(&reply.embedding())),
        (Call::ChatCompletions, true) => Echo::Events(reply.chat_events()),
        (Call::Completions, true) => Echo::Events(reply.completion_events()),
        (Call::Responses, true) => Echo::Events(reply.response_events()),
    })
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Each word with the white space behind it, so that the pieces joined are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

fn first_words(text: &str, count: u64) -> String {
    pieces(text).take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

fn input_text(body: &Body) -> String {
    let is_user = |message: &&Message| message.role.as_deref() == Some("user");
    let message = body.messages.iter().rev().find(is_user).and_then(|m| m.content.as_ref());
    message.or(body.prompt.as_ref()).or(body.input.as_ref()).map(plain_text).unwrap_or_default()
}

/// The text of a string, of a list of strings, or of content parts and items with a text in them.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .map(plain_text)
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        Value::Object(part) => {
            part.get("text").or_else(|| part.get("content")).map(plain_text).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn line(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

fn event(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

fn named_event(name: &str, value: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {value}\n\n"))
}

impl Reply<'_> {
    fn chat_usage(&self) -> Value {
        json!({
            "prompt_tokens": self.usage.input_tokens,
            "completion_tokens": self.usage.output_tokens,
            "total_tokens": self.usage.total_tokens(),
        })
    }

    fn chat(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created_at_s, "model": self.model,
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": self.text, "refusal": null },
            }],
            "usage": self.chat_usage(),
        })
    }

    fn completion(&self) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created_at_s, "model": self.model,
            "choices": [{ "index": 0, "text": self.text, "finish_reason": "stop", "logprobs": null }],
            "usage": self.chat_usage(),
        })
    }

    /// Sixteen numbers that depend on the text and on nothing else.
    fn embedding(&self) -> Value {
        let checksum = |seed: u8| {
            let sum = self.text.bytes().fold(u32::from(seed), |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(u32::from(byte))
            });
            f64::from(sum % 2_000) / 1_000.0 - 1.0
        };
        let vector: Vec<f64> = (1..=16).map(checksum).collect();
        json!({
            "object": "list", "model": self.model,
            "data": [{ "object": "embedding", "index": 0, "embedding": vector }],
            "usage": { "prompt_tokens": self.usage.input_tokens, "total_tokens": self.usage.input_tokens },
        })
    }

    fn response(&self, status: &str) -> Value {
        let is_over = status == "completed";
        let message = json!([{
            "id": format!("msg_{}", self.id), "type": "message", "role": "assistant", "status": status,
            "content": [{ "type": "output_text", "text": self.text, "annotations": [] }],
        }]);
        let usage = json!({
            "input_tokens": self.usage.input_tokens, "output_tokens": self.usage.output_tokens,
            "total_tokens": self.usage.total_tokens(),
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens_details": { "reasoning_tokens": 0 },
        });
        json!({
            "id": self.id, "object": "response", "created_at": self.created_at_s, "model": self.model,
            "status": status, "error": null, "incomplete_details": null, "instructions": null,
            "metadata": {}, "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto",
            "tools": [], "top_p": null,
            "output": if is_over { message } else { json!([]) },
            "usage": if is_over { usage } else { Value::Null },
        })
    }

    fn chat_chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created_at_s, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    }

    fn chat_events(&self) -> VecDeque<Bytes> {
        let usage = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created_at_s, "model": self.model,
            "choices": [], "usage": self.chat_usage(),
        });
        let mut events = VecDeque::new();
        events.push_back(event(
            &self.chat_chunk(&json!({ "role": "assistant", "content": "" }), None),
        ));
        for piece in pieces(&self.text) {
            events.push_back(event(&self.chat_chunk(&json!({ "content": piece }), None)));
        }
        events.push_back(event(&self.chat_chunk(&json!({}), Some("stop"))));
        events.push_back(event(&usage));
        events.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn completion_events(&self) -> VecDeque<Bytes> {
        let chunk = |choices: Value, usage: Value| {
            event(&json!({
                "id": self.id, "object": "text_completion", "created": self.created_at_s,
                "model": self.model, "choices": choices, "usage": usage,
            }))
        };
        let choice = |text: &str, finish: Option<&str>| json!([{ "index": 0, "text": text, "finish_reason": finish, "logprobs": null }]);
        let mut events: VecDeque<Bytes> =
            pieces(&self.text).map(|piece| chunk(choice(piece, None), Value::Null)).collect();
        events.push_back(chunk(choice("", Some("stop")), Value::Null));
        events.push_back(chunk(json!([]), self.chat_usage()));
        events.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn response_events(&self) -> VecDeque<Bytes> {
        let item = format!("msg_{}", self.id);
        let mut sequence = 0;
        let mut next = |name: &str, mut value: Value| {
            if let Value::Object(members) = &mut value {
                members.insert("type".to_owned(), name.into());
                members.insert("sequence_number".to_owned(), sequence.into());
            }
            sequence += 1;
            named_event(name, &value)
        };
        let mut events = VecDeque::new();
        events.push_back(next(
            "response.created",
            json!({ "response": self.response("in_progress") }),
        ));
        for piece in pieces(&self.text) {
            let delta =
                json!({ "item_id": item, "output_index": 0, "content_index": 0, "delta": piece });
            events.push_back(next("response.output_text.delta", delta));
        }
        let done =
            json!({ "item_id": item, "output_index": 0, "content_index": 0, "text": self.text });
        events.push_back(next("response.output_text.done", done));
        events.push_back(next(
            "response.completed",
            json!({ "response": self.response("completed") }),
        ));
        events
    }
}
