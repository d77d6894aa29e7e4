//! A stream of a provider with Google's dialect.

use crate::Text;
use crate::answer::Finish;
use crate::event::Event;
use crate::google::answer::read::{Body, Candidate, Kind, Piece, Place, malformed};
use crate::google::finish::{self, Holds};
use crate::google::{fault, usage};
use crate::unsupported::Malformed;

/// The most answers that are told apart in a stream; a position beyond it is nonsense.
const CHOICES_MAX: usize = 128;

/// Reads the stream of one answer.
///
/// It has no mark at its end, and old models say `STOP` in every piece. So what ends an answer is held until
/// the stream is over, and told by [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct StreamReader {
    /// The answer's name, once it has begun.
    id: Option<String>,
    choices: Vec<Choice>,
    /// An error was told, after which nothing follows.
    is_over: bool,
}

#[derive(Debug, Default)]
struct Choice {
    /// The last reason that was given. `None`: none yet.
    reason: Option<String>,
    is_something: bool,
    calls: usize,
}

impl StreamReader {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data of one server-sent event.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
        if self.is_over || data.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        let body = Body::parse(data)?;
        let mut events = Vec::new();
        if let Some(error) = body.error {
            self.is_over = true;
            events.push(Event::Fault(fault::read_in_stream(error.get())));
            return Ok(events);
        }
        let is_blocked = body.is_blocked();
        self.start(body.response_id.unwrap_or_default().0, &mut events);
        let candidates = body.candidates.unwrap_or_default();
        if is_blocked && candidates.is_empty() {
            self.choice(0)?.reason = Some("SAFETY".to_owned());
        }
        for candidate in candidates {
            self.candidate(candidate, &mut events)?;
        }
        let usage = body.usage_metadata.and_then(usage::Said::into_usage);
        events.extend(usage.map(Event::Usage));
        Ok(events)
    }

    /// The stream is over. Tells why each answer ended, and that all is said; nothing at all if one of the
    /// answers has no end, for then the stream was cut.
    pub fn finish(&mut self) -> Vec<Event<'static>> {
        let is_whole = self.choices.iter().all(|choice| choice.reason.is_some());
        if self.is_over || self.choices.is_empty() || !is_whole {
            return Vec::new();
        }
        self.is_over = true;
        let finish =
            |(choice, state): (usize, &Choice)| Event::Finish { choice, finish: state.finish() };
        let ends = self.choices.iter().enumerate().map(finish);
        ends.chain([Event::End]).collect()
    }

    fn start<'a>(&mut self, id: Text<'a>, events: &mut Vec<Event<'a>>) {
        if self.id.is_none() {
            self.id = Some(id.clone().into_owned());
            events.push(Event::Start { id });
        }
    }

    fn choice(&mut self, at: usize) -> Result<&mut Choice, Malformed> {
        let wrong = || malformed("candidates[].index", "is too high");
        if at >= CHOICES_MAX {
            return Err(wrong());
        }
        if at >= self.choices.len() {
            self.choices.resize_with(at + 1, Choice::default);
        }
        self.choices.get_mut(at).ok_or_else(wrong)
    }

    fn candidate<'a>(
        &mut self,
        candidate: Candidate<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let at = candidate.index.unwrap_or_default();
        for piece in candidate.content.and_then(|said| said.parts).unwrap_or_default() {
            self.piece(at, piece, events)?;
        }
        let choice = self.choice(at)?;
        let reason = candidate.finish_reason.map(|reason| reason.0);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            choice.reason = Some(reason.into_owned());
        }
        Ok(())
    }

    fn piece<'a>(
        &mut self,
        choice: usize,
        piece: Piece<'a>,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Malformed> {
        let call = self.choice(choice)?.calls;
        let answer = self.id.as_deref().unwrap_or_default();
        let (kind, seal) = piece.open(Place { answer, choice, call })?;
        let before = events.len();
        match kind {
            Kind::Text(text) if !text.is_empty() => events.push(Event::Text { choice, text }),
            Kind::Thought(text) if !text.is_empty() => events.push(Event::Thought { choice, text }),
            Kind::Text(_) | Kind::Thought(_) | Kind::Unknown => {}
            Kind::Call(made) => {
                let json = arguments(made.arguments);
                let (id, name, seal) = (made.id, made.name, made.seal);
                events.push(Event::Call { choice, call, id, name, seal });
                events.push(Event::Arguments { choice, call, json });
                self.choice(choice)?.calls += 1;
            }
            // Leaving it out would give an answer that is not the model's.
            Kind::Media(_) => {
                let path = format!("candidates[{choice}].content.parts[].inlineData");
                return Err(malformed(&path, "cannot be told in pieces"));
            }
        }
        events.extend(seal.map(|seal| Event::Seal { choice, seal }));
        self.choice(choice)?.is_something |= events.len() > before;
        Ok(())
    }
}

fn arguments(json: crate::Json<'_>) -> Text<'_> {
    match json {
        crate::Json::Borrowed(raw) => Text::Borrowed(raw.get()),
        crate::Json::Owned(raw) => Text::Owned(raw.get().to_owned()),
    }
}

impl Choice {
    fn finish(&self) -> Finish<'static> {
        let holds = Holds { is_something: self.is_something, is_calls: self.calls > 0 };
        finish::read(self.reason.as_deref().unwrap_or_default(), holds)
    }
}
