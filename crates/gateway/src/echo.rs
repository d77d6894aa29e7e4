//! The built-in provider: answers with the last user message, so that a first call works before any
//! provider is set up. It counts a word as a token, and costs nothing.

mod events;
mod judge;
mod pictures;
mod sound;

use bytes::Bytes;
use doorward_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ProxyError;
use crate::route::Work;

pub(crate) use events::Events;
use events::Manner;

/// The longest answer, in words and in bytes: it is there to try things out, and must fit into one
/// event also where each byte needs six in JSON.
const WORDS_MAX: usize = 16_384;
const TEXT_BYTES_MAX: usize = 128 * 1024;

/// What to say where there is no user message.
const SILENCE: &str = "Hello from Doorward.";

/// What the built-in provider answers.
#[derive(Debug)]
pub(crate) enum Echo {
    /// At once.
    Whole(Bytes),
    /// At once, and no JSON: of this kind.
    Plain(&'static str, Bytes),
    /// Event by event.
    Events(Events),
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
#[derive(Debug)]
struct Reply {
    id: String,
    model: String,
    created_at_s: i64,
    text: String,
    /// The text is not all that there would be to say.
    is_cut: bool,
    usage: Usage,
}

/// Answers a call. At most `output_tokens` words.
pub(crate) fn answer(
    body: &[u8],
    ask: &crate::ask::Ask<'_>,
    (id, created_at_s, output_tokens): (String, i64, u64),
) -> Result<Echo, ProxyError> {
    let work = ask.call.work();
    match work {
        Work::Moderation => return judge::moderation(body, ask, &id),
        Work::Ranking => return judge::ranking(body, ask, &id),
        Work::Picture => return pictures::answer(body, ask, created_at_s),
        Work::Speech => return sound::speech(body, ask),
        Work::Transcript => return sound::transcript(ask),
        Work::Chat
        | Work::Completion
        | Work::Response
        | Work::Prompt
        | Work::Embedding
        | Work::Count => {}
    }
    let body: Body = read(body)?;
    let input = input_text(&body);
    let said = if input.is_empty() { SILENCE } else { &input };
    let text = if work.has_output() { beginning(said, output_tokens) } else { said };
    let usage = Usage {
        input_tokens: words(&input),
        output_tokens: if work.has_output() { words(text) } else { 0 },
        ..Usage::default()
    };
    let (is_cut, text) = (text.len() < said.len(), text.to_owned());
    let model = ask.model.clone().into_owned();
    let reply = Reply { id, model, created_at_s, text, is_cut, usage };
    Ok(match manner(work) {
        None => Echo::Whole(line(&reply.embedding())),
        Some(manner) if ask.is_stream => Echo::Events(Events::new(manner, reply)),
        Some(Manner::Chat) => Echo::Whole(line(&reply.chat())),
        Some(Manner::Completion) => Echo::Whole(line(&reply.completion())),
        Some(Manner::Response) => Echo::Whole(line(&reply.response(true))),
    })
}

/// How a text is told. `None`: not at all.
const fn manner(work: Work) -> Option<Manner> {
    match work {
        Work::Chat | Work::Prompt => Some(Manner::Chat),
        Work::Completion => Some(Manner::Completion),
        Work::Response => Some(Manner::Response),
        Work::Embedding
        | Work::Moderation
        | Work::Picture
        | Work::Speech
        | Work::Transcript
        | Work::Ranking
        | Work::Count => None,
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ProxyError> {
    serde_json::from_slice(body).map_err(|error| {
        ProxyError::BadRequest(format!("The request body does not fit this route: {error}."))
    })
}

fn bad(field: &str, why: &str) -> ProxyError {
    ProxyError::BadRequest(format!("The field `{field}` {why}."))
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Each word with the white space behind it, so that the pieces joined are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// The first words, at most this many and at most what one answer may hold.
fn beginning(text: &str, words: u64) -> &str {
    let words = usize::try_from(words).unwrap_or(WORDS_MAX).min(WORDS_MAX);
    let bytes = pieces(text).take(words).map(str::len).sum::<usize>();
    let end = text.floor_char_boundary(bytes.min(TEXT_BYTES_MAX));
    text.get(..end).unwrap_or_default()
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

impl Reply {
    const fn finish_reason(&self) -> &'static str {
        if self.is_cut { "length" } else { "stop" }
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.id)
    }

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
                "index": 0, "finish_reason": self.finish_reason(), "logprobs": null,
                "message": { "role": "assistant", "content": self.text, "refusal": null },
            }],
            "usage": self.chat_usage(),
        })
    }

    fn completion(&self) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created_at_s, "model": self.model,
            "choices": [{ "index": 0, "text": self.text, "finish_reason": self.finish_reason(), "logprobs": null }],
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

    fn response(&self, is_over: bool) -> Value {
        let status = match (is_over, self.is_cut) {
            (false, _) => "in_progress",
            (true, true) => "incomplete",
            (true, false) => "completed",
        };
        let why = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
        let message = json!([{
            "id": self.message_id(), "type": "message", "role": "assistant", "status": status,
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
            "status": status, "error": null, "incomplete_details": why, "instructions": null,
            "metadata": {}, "parallel_tool_calls": true, "temperature": null, "tool_choice": "auto",
            "tools": [], "top_p": null,
            "output": if is_over { message } else { json!([]) },
            "usage": if is_over { usage } else { Value::Null },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Ask;
    use crate::route::Call;

    fn answered(call: Call, body: &Value, output_tokens: u64) -> Echo {
        let body = body.to_string();
        let ask = Ask::parse(call, None, body.as_bytes()).unwrap();
        answer(body.as_bytes(), &ask, ("id".to_owned(), 0, output_tokens)).unwrap()
    }

    fn whole(call: Call, body: &Value, output_tokens: u64) -> Value {
        match answered(call, body, output_tokens) {
            Echo::Whole(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Echo::Events(_) | Echo::Plain(..) => panic!("it was to be JSON"),
        }
    }

    fn all(call: Call, body: &Value, output_tokens: u64) -> Vec<String> {
        let Echo::Events(mut events) = answered(call, body, output_tokens) else {
            panic!("it was to be a stream")
        };
        let mut all = Vec::new();
        while let Some(event) = events.pop_front() {
            all.push(String::from_utf8(event.to_vec()).unwrap());
        }
        assert!(events.is_empty());
        all
    }

    fn asking(text: &str) -> Value {
        json!({ "model": "m", "input": text, "prompt": text, "stream": true,
                "messages": [{ "role": "user", "content": text }] })
    }

    #[test]
    fn a_stream_tells_the_text_word_by_word_and_ends_as_its_dialect_does() {
        #[rustfmt::skip]
        let cases = [
            // call                 words  events  the end says
            (Call::ChatCompletions, 9,     3 + 4,  r#""finish_reason":"stop""#),
            (Call::ChatCompletions, 2,     2 + 4,  r#""finish_reason":"length""#),
            (Call::Completions,     9,     3 + 4,  r#""finish_reason":"stop""#),
            (Call::Completions,     2,     2 + 4,  r#""finish_reason":"length""#),
            (Call::Responses,       9,     3 + 3,  r#""status":"completed""#),
            (Call::Responses,       2,     2 + 3,  r#""reason":"max_output_tokens""#),
        ];
        for (call, words, count, end) in cases {
            let events = all(call, &asking("one two\nthree"), words);
            assert_eq!(events.len(), count, "{call:?} {events:?}");
            let said = events.concat();
            assert!(said.contains("\"one \"") && said.contains(end), "{said}");
            let mut meter =
                crate::meter::SseMeter::new(doorward_dialect::Dialect::OpenAi, false, None);
            meter.push(Bytes::from(said)).unwrap();
            assert!(meter.is_complete());
            let metered = meter.metered();
            assert_eq!(metered.counted_output, 0, "{call:?}: the end tells the whole");
            assert_eq!(metered.told.unwrap().output_tokens, words.min(3));
        }
    }

    #[test]
    fn an_answer_is_bounded_whatever_is_asked_for() {
        let (many, long) = ("a ".repeat(100_000), "é".repeat(1 << 20));
        let answer = whole(Call::Completions, &json!({ "model": "m", "prompt": many }), 1 << 22);
        assert_eq!(answer["usage"]["completion_tokens"], WORDS_MAX);
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        let answer = whole(Call::Completions, &json!({ "model": "m", "prompt": long }), 1 << 22);
        assert_eq!(answer["choices"][0]["text"].as_str().unwrap().len(), TEXT_BYTES_MAX);
        assert_eq!(all(Call::ChatCompletions, &asking(&many), 1 << 22).len(), WORDS_MAX + 4);
    }

    #[test]
    fn an_embedding_depends_on_its_text() {
        let of = |text| whole(Call::Embeddings, &json!({ "model": "m", "input": text }), 0);
        assert_eq!(of("a")["data"], of("a")["data"]);
        assert_ne!(of("a")["data"], of("b")["data"]);
    }
}
