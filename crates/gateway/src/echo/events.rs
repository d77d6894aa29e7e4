//! The built-in provider's streams, each event made when it is asked for.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Reply;

/// The events of one stream that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Those that are there already.
    made: VecDeque<Bytes>,
    text: Option<Box<Stream>>,
}

/// How a text is told event by event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Chat,
    Completion,
    Response,
}

#[derive(Debug)]
struct Stream {
    reply: Reply,
    manner: Manner,
    step: Step,
    /// Bytes of the text that have gone out.
    told: usize,
    /// Events that have gone out.
    sequence: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Text,
    Finish,
    Usage,
    Done,
}

impl Events {
    pub(super) fn new(manner: Manner, reply: Reply) -> Self {
        let stream = Stream { reply, manner, step: Step::Start, told: 0, sequence: 0 };
        Self { made: VecDeque::new(), text: Some(Box::new(stream)) }
    }

    /// These ones, each of which has a `type`.
    pub(super) fn of(all: &[Value]) -> Self {
        let made = all.iter().map(|event| Bytes::from(format!("data: {event}\n\n"))).collect();
        Self { made, text: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.made.is_empty() && self.text.is_none()
    }

    pub(crate) fn pop_front(&mut self) -> Option<Bytes> {
        if let Some(event) = self.made.pop_front() {
            return Some(event);
        }
        let stream = self.text.as_mut()?;
        let (event, next) = stream.event();
        stream.sequence += 1;
        match next {
            Some(step) => stream.step = step,
            None => self.text = None,
        }
        Some(event)
    }
}

impl Stream {
    /// The next event, and the step after it; `None`: it is the last one.
    fn event(&mut self) -> (Bytes, Option<Step>) {
        match self.step {
            Step::Start => (self.start(), Some(self.step_at(0))),
            Step::Text => {
                let piece = self.piece().to_owned();
                self.told += piece.len();
                (self.text(&piece), Some(self.step_at(self.told)))
            }
            Step::Finish => (self.finish(), Some(Step::Usage)),
            Step::Usage if self.manner == Manner::Response => (self.end_of_response(), None),
            Step::Usage => (self.usage(), Some(Step::Done)),
            Step::Done => (Bytes::from_static(b"data: [DONE]\n\n"), None),
        }
    }

    fn step_at(&self, told: usize) -> Step {
        if told < self.reply.text.len() { Step::Text } else { Step::Finish }
    }

    /// The next word, with the white space behind it.
    fn piece(&self) -> &str {
        let rest = self.reply.text.get(self.told..).unwrap_or_default();
        super::pieces(rest).next().unwrap_or_default()
    }

    fn start(&self) -> Bytes {
        match self.manner {
            Manner::Response => {
                self.named("response.created", json!({ "response": self.reply.response(false) }))
            }
            Manner::Completion => self.chunk(&completion_choice("", None), &Value::Null),
            Manner::Chat => self.delta(&json!({ "role": "assistant", "content": "" }), None),
        }
    }

    fn text(&self, piece: &str) -> Bytes {
        match self.manner {
            Manner::Response => self.named("response.output_text.delta", self.part("delta", piece)),
            Manner::Completion => self.chunk(&completion_choice(piece, None), &Value::Null),
            Manner::Chat => self.delta(&json!({ "content": piece }), None),
        }
    }

    fn finish(&self) -> Bytes {
        let reason = self.reply.finish_reason();
        match self.manner {
            Manner::Response => {
                self.named("response.output_text.done", self.part("text", &self.reply.text))
            }
            Manner::Completion => self.chunk(&completion_choice("", Some(reason)), &Value::Null),
            Manner::Chat => self.delta(&json!({}), Some(reason)),
        }
    }

    fn usage(&self) -> Bytes {
        self.chunk(&json!([]), &self.reply.chat_usage())
    }

    fn end_of_response(&self) -> Bytes {
        let name = if self.reply.is_cut { "response.incomplete" } else { "response.completed" };
        self.named(name, json!({ "response": self.reply.response(true) }))
    }

    fn delta(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        self.chunk(&choices, &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Bytes {
        let reply = &self.reply;
        let object = if self.manner == Manner::Completion {
            "text_completion"
        } else {
            "chat.completion.chunk"
        };
        let event = json!({
            "id": reply.id, "object": object, "created": reply.created_at_s, "model": reply.model,
            "choices": choices, "usage": usage,
        });
        Bytes::from(format!("data: {event}\n\n"))
    }

    fn part(&self, member: &str, text: &str) -> Value {
        let item = self.reply.message_id();
        json!({ "item_id": item, "output_index": 0, "content_index": 0, member: text })
    }

    fn named(&self, name: &str, mut event: Value) -> Bytes {
        if let Value::Object(members) = &mut event {
            members.insert("type".to_owned(), name.into());
            members.insert("sequence_number".to_owned(), self.sequence.into());
        }
        Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
    }
}

fn completion_choice(text: &str, finish: Option<&str>) -> Value {
    json!([{ "index": 0, "text": text, "finish_reason": finish, "logprobs": null }])
}
