//! What a stream says, put together from its events.
//!
//! A word comes in pieces, one to an event: only together can it be read, and be seen for an address or a key.

use doorward_store::Excerpt;
use serde_json::{Map, Value};

/// The most that is put together, in bytes; the store keeps less.
const SAID_BYTES_MAX: usize = 80 * 1024;
/// The most texts that are told apart; what comes beyond is left out.
const TEXTS_MAX: usize = 64;
/// What a text loses at its end where it is cut: more than the longest key or address.
const CUT_BYTES: usize = 1024;
/// The longest event that is read: no text comes in one piece of that length.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// The members that bring text, in the dialects that clients speak.
const TEXTS: [&str; 13] = [
    "arguments",
    "content",
    "delta",
    "message",
    "name",
    "output",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "refusal",
    "text",
    "thinking",
    "transcript",
];

/// The texts of a stream, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The unfinished line.
    line: Vec<u8>,
    texts: Vec<Text>,
    bytes: usize,
    is_cut: bool,
}

/// One of them.
struct Text {
    /// The member that brings it.
    member: &'static str,
    /// Those of the choices, blocks or tools above it.
    indices: Vec<u64>,
    said: String,
    is_cut: bool,
}

/// How long it is; never what it says.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name(), self.said.len())
    }
}

impl Text {
    fn name(&self) -> String {
        if self.indices.iter().all(|index| *index == 0) {
            return self.member.to_owned();
        }
        let indices = self.indices.iter().map(|index| format!("[{index}]"));
        indices.fold(self.member.to_owned(), |name, index| name + &index)
    }

    /// Of what was cut off, no half of a word is left: it may be half a key.
    fn finish(mut self) -> String {
        if self.is_cut {
            let end = self.said.len().saturating_sub(CUT_BYTES);
            self.said.truncate(self.said.floor_char_boundary(end));
        }
        self.said
    }
}

impl Said {
    /// Takes the next bytes of the stream; they may end anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let Some(first) = lines.next() else { return };
        self.extend_line(first);
        for next in lines {
            self.read_line();
            self.extend_line(next);
        }
    }

    /// All of it, as one JSON object: what each member said.
    pub(super) fn finish(mut self) -> Excerpt {
        self.read_line();
        let mut members = Map::new();
        for text in self.texts {
            members.insert(text.name(), text.finish().into());
        }
        let mut excerpt = Excerpt::of(Value::Object(members).to_string().as_bytes());
        if self.is_cut {
            excerpt.cut();
        }
        excerpt
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > EVENT_BYTES_MAX {
            self.is_cut = true;
            self.line.clear();
            return;
        }
        self.line.extend_from_slice(bytes);
    }

    /// A line of data, or one of a list of answers.
    fn read_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_prefix(b"data:").unwrap_or(&line).trim_ascii();
        let line = line.strip_prefix(b"[").or(line.strip_prefix(b",")).unwrap_or(line);
        let line = line.strip_suffix(b"]").or(line.strip_suffix(b",")).unwrap_or(line);
        match serde_json::from_slice(line) {
            Ok(Value::Object(event)) if !repeats(&event) => self.take_members(&event, &[]),
            Ok(_) | Err(_) => {}
        }
    }

    fn take_members(&mut self, members: &Map<String, Value>, above: &[u64]) {
        let index = ["index", "output_index"].into_iter().find_map(|name| members.get(name));
        let mut indices = above.to_vec();
        indices.extend(index.and_then(Value::as_u64));
        for (name, value) in members {
            match value {
                Value::String(text) => self.take(name, &indices, text),
                Value::Object(args) if name == "args" => {
                    self.take("arguments", &indices, &Value::from(args.clone()).to_string());
                }
                Value::Object(members) => self.take_members(members, &indices),
                Value::Array(items) => {
                    for member in items.iter().filter_map(Value::as_object) {
                        self.take_members(member, &indices);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
    }

    fn take(&mut self, name: &str, indices: &[u64], said: &str) {
        let Some(member) = TEXTS.into_iter().find(|member| *member == name) else { return };
        let is_it = |text: &Text| text.member == member && text.indices == indices;
        let at = match self.texts.iter().position(is_it) {
            Some(at) => at,
            None if self.texts.len() < TEXTS_MAX && !said.is_empty() => {
                let (indices, is_cut) = (indices.to_vec(), false);
                self.texts.push(Text { member, indices, said: String::new(), is_cut });
                self.texts.len() - 1
            }
            None => {
                self.is_cut |= !said.is_empty();
                return;
            }
        };
        let Some(text) = self.texts.get_mut(at) else { return };
        let taken = said.floor_char_boundary(SAID_BYTES_MAX - self.bytes);
        text.said.push_str(said.get(..taken).unwrap_or_default());
        text.is_cut |= taken < said.len();
        self.is_cut |= text.is_cut;
        self.bytes += taken;
    }
}

/// Whether an event brings again what others brought before it.
fn repeats(event: &Map<String, Value>) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let last = kind.rsplit('.').next().unwrap_or_default();
    let is_new =
        last == "delta" || matches!(kind, "response.output_item.added" | "response.failed");
    !is_new && (kind.starts_with("response.") || last == "done")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CHAT: &str = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ada@exa\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"No.\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"mple.com\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n",
        "data: [DONE]\n\n",
    );

    fn read(stream: &str, piece_bytes: usize) -> Value {
        let mut said = Said::default();
        for piece in stream.as_bytes().chunks(piece_bytes) {
            said.push(piece);
        }
        serde_json::from_slice(said.finish().as_bytes()).unwrap()
    }

    #[test]
    fn what_comes_in_pieces_is_put_together_in_every_dialect() {
        let events = |events: &[Value]| -> String {
            let event = |event: &Value| format!("event: x\ndata: {event}\n\n");
            events.iter().map(event).collect::<Vec<_>>().concat()
        };
        let responses = events(&[
            json!({"type": "response.created", "response": {"output": []}}),
            json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hel"}),
            json!({"type": "response.output_text.delta", "output_index": 0, "delta": "lo"}),
            json!({"type": "response.output_text.done", "text": "Hello"}),
            json!({"type": "response.completed", "response": {"output": [{"content": [{"text": "Hello"}]}]}}),
        ]);
        let messages = events(&[
            json!({"type": "message_start", "message": {"id": "m", "content": []}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}}),
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ]);
        let part = |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}]}}]});
        let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}}]});
        let list = format!("[{}\n,{}\n,{call}]", part("Hel"), part("lo"));
        #[rustfmt::skip]
        let cases = [
            (CHAT,         json!({"content": "ada@example.com", "content[1]": "No.", "name[0][1]": "f", "arguments[0][1]": "{\"a\":1}"})),
            (&*responses,  json!({"delta": "Hello"})),
            (&*messages,   json!({"thinking": "Hm", "text[1]": "Hello", "message": "Overloaded"})),
            (&*list,       json!({"text": "Hello", "name": "f", "arguments": "{\"a\":1}"})),
            ("",           json!({})),
            ("data: {\"choices\":[{\"del", json!({})),
        ];
        for (stream, expected) in cases {
            assert_eq!(read(stream, usize::MAX), expected, "{stream}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut said = Said::default();
        for number in 0..1_000 {
            let text = "x".repeat(1_000);
            let event = json!({"choices": [{"index": number, "delta": {"content": text}}]});
            said.push(format!("data: {event}\n\n").as_bytes());
        }
        assert_eq!((said.texts.len(), said.bytes), (TEXTS_MAX, TEXTS_MAX * 1_000));
        said.push("x".repeat(EVENT_BYTES_MAX * 2).as_bytes());
        assert!(said.line.len() <= EVENT_BYTES_MAX && said.is_cut);
    }

    #[test]
    fn a_text_that_is_cut_ends_before_the_word_in_which_it_was() {
        let mut said = Said::default();
        let text = format!("{}sk-{}", ". ".repeat(SAID_BYTES_MAX / 2 - 10), "a1B2".repeat(20));
        said.push(format!("data: {}\n", json!({ "text": text })).as_bytes());
        let kept = said.texts.remove(0);
        assert!(kept.is_cut && kept.said.contains("sk-") && !kept.finish().contains("sk-"));
    }

    proptest! {
        /// Wherever the pieces end, the same is read.
        #[test]
        fn pieces_may_end_anywhere(piece_bytes in 1_usize..200) {
            prop_assert_eq!(read(CHAT, piece_bytes), read(CHAT, usize::MAX));
        }
    }
}
