//! From the form into this dialect.

use std::collections::BTreeMap;

use doorward_domain::usage::Usage;
use serde::Serialize;

use crate::answer::{Face, Finish};
use crate::event::Event;
use crate::fault::Fault;
use crate::openai::answer::ExtraContent;
use crate::openai::fault::write_fault_event;
use crate::openai::{finish, usage};

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChoiceOut<'a>],
    /// Null in each chunk but the last, for a client that wants to be told; absent for any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "absent, null and there are three things")]
    usage: Option<Option<usage::Written>>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallOut<'a>; 1]>,
}

#[derive(Serialize)]
struct CallOut<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent<'a>>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Writes the events of one stream.
///
/// After a fault nothing more is written, whatever comes: this dialect ends such a stream without `[DONE]`.
#[derive(Debug)]
pub struct StreamWriter {
    model: String,
    created_s: i64,
    wants_usage: bool,
    /// The name of the answer: the provider's, once it has said it.
    id: String,
    choices: BTreeMap<usize, State>,
    usage: Option<Usage>,
    is_over: bool,
}

/// What was written of one answer.
#[derive(Debug, Default)]
struct State {
    has_begun: bool,
    has_refusal: bool,
    /// Of each call, whether something was said of its arguments.
    calls: Vec<bool>,
}

impl StreamWriter {
    /// A writer of a stream that has not begun. `wants_usage`: the client asked to be told the usage.
    pub fn new(face: &Face<'_>, wants_usage: bool) -> Self {
        Self {
            model: face.model.to_owned(),
            created_s: face.created_s,
            wants_usage,
            id: format!("chatcmpl-{}", face.call),
            choices: BTreeMap::new(),
            usage: None,
            is_over: false,
        }
    }

    /// Appends what the event is in this dialect: whole frames, or nothing.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id } => self.start(id, out),
            Event::Text { choice, text } => {
                self.piece(*choice, Delta { content: Some(text), ..Delta::default() }, out);
            }
            Event::Thought { choice, text } => {
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                self.piece(*choice, delta, out);
            }
            Event::Refusal { choice, text } => self.refusal(*choice, text, out),
            // It has no place here but with a call.
            Event::Seal { .. } => {}
            Event::Call { choice, call, .. } => self.call(*choice, *call, event, out),
            Event::Arguments { choice, call, json } => self.arguments(*choice, *call, json, out),
            Event::Finish { choice, finish } => self.finish(*choice, finish, out),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Fault(fault) => self.fault(fault, out),
            Event::End => self.end(out),
        }
    }

    /// The first chunk is there at once, as with OpenAI: clients show by it that an answer comes.
    fn start(&mut self, id: &str, out: &mut Vec<u8>) {
        if !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        self.piece(0, Delta { content: Some(""), ..Delta::default() }, out);
    }

    fn refusal(&mut self, choice: usize, text: &str, out: &mut Vec<u8>) {
        self.state(choice).has_refusal = true;
        self.piece(choice, Delta { refusal: Some(text), ..Delta::default() }, out);
    }

    fn call(&mut self, choice: usize, call: usize, event: &Event<'_>, out: &mut Vec<u8>) {
        let Event::Call { id, name, seal, .. } = event else { return };
        let calls = &mut self.state(choice).calls;
        calls.resize(calls.len().max(call + 1), false);
        let call = CallOut {
            index: call,
            id: Some(id),
            kind: Some("function"),
            function: FunctionOut { name: Some(name), arguments: "" },
            extra_content: ExtraContent::of(seal.as_ref()),
        };
        self.piece(choice, Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    fn arguments(&mut self, choice: usize, call: usize, json: &str, out: &mut Vec<u8>) {
        if json.is_empty() {
            return;
        }
        if let Some(has_arguments) = self.state(choice).calls.get_mut(call) {
            *has_arguments = true;
        }
        let function = FunctionOut { name: None, arguments: json };
        let call = CallOut { index: call, id: None, kind: None, function, extra_content: None };
        self.piece(choice, Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    /// A call of which nothing more was said has no arguments, and clients parse what they have.
    fn close_calls(&mut self, choice: usize, out: &mut Vec<u8>) {
        for call in 0..self.state(choice).calls.len() {
            if self.state(choice).calls.get(call) == Some(&false) {
                self.arguments(choice, call, "{}", out);
            }
        }
    }

    fn finish(&mut self, choice: usize, finish: &Finish<'_>, out: &mut Vec<u8>) {
        self.close_calls(choice, out);
        if let Finish::Refused(Some(why)) = finish
            && !self.state(choice).has_refusal
        {
            self.refusal(choice, why, out);
        }
        let state = self.state(choice);
        let calls = !state.calls.is_empty();
        let said = finish::Said { anything: true, calls, refusal: state.has_refusal };
        match finish::write(finish, said) {
            Ok(word) => self.chunk(choice, Delta::default(), Some(word), out),
            Err(fault) => self.fault(&fault, out),
        }
    }

    fn fault(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        self.is_over = true;
        write_fault_event(fault, out);
    }

    /// The usage stands last: clients take each chunk's for what the answer cost.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.is_over = true;
        if let Some(usage) = self.usage.filter(|_| self.wants_usage) {
            self.frame(&[], Some(usage.into()), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn state(&mut self, choice: usize) -> &mut State {
        self.choices.entry(choice).or_default()
    }

    fn piece(&mut self, choice: usize, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.chunk(choice, delta, None, out);
    }

    /// The first chunk of each answer says whose it is.
    fn chunk(
        &mut self,
        choice: usize,
        mut delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) {
        let is_first = !std::mem::replace(&mut self.state(choice).has_begun, true);
        delta.role = is_first.then_some("assistant");
        self.frame(&[ChoiceOut { index: choice, delta, logprobs: None, finish_reason }], None, out);
    }

    fn frame(&self, choices: &[ChoiceOut<'_>], usage: Option<usage::Written>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created_s,
            model: &self.model,
            choices,
            usage: self.wants_usage.then_some(usage),
        };
        let begin = out.len();
        out.extend_from_slice(b"data: ");
        // Texts and numbers are all that is in it, so it cannot fail; if it did, half a frame would be worse.
        match serde_json::to_writer(&mut *out, &chunk) {
            Ok(()) => out.extend_from_slice(b"\n\n"),
            Err(_) => out.truncate(begin),
        }
    }
}
