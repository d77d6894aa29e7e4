//! A stream on its way from a provider to a client that speaks in another way.

use bytes::Bytes;
use doorward_dialect::answer::Face;
use doorward_dialect::event::Event;
use doorward_dialect::google::{Frames, Framing};
use doorward_dialect::spoken::{Manner, StreamReader, StreamWriter};
use doorward_dialect::unsupported::Malformed;
use doorward_dialect::{Client, Dialect};
use doorward_domain::id::CallId;

use super::{Between, broken};
use crate::ask::Ask;
use crate::error::Told;
use crate::meter::event_data;

/// Changes a stream, event by event, behind the meter: whole events come in, whole pieces go out.
#[derive(Debug)]
pub(crate) struct StreamTranslation {
    saying: Saying,
    /// An error is part of what is written, and no event like any other.
    tells_itself: bool,
    state: State,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    /// An end: nothing may follow.
    Over,
    /// An error: nothing may follow.
    Failed,
}

/// What becomes of the events.
#[derive(Debug)]
enum Saying {
    /// Another dialect.
    Dialect { reader: Box<StreamReader>, writer: Box<StreamWriter> },
    /// The same words, put one after the other in another way.
    Frames(Frames),
}

impl StreamTranslation {
    /// In the words of another dialect, or in those of a form in which no provider is asked.
    pub(crate) fn new(between: Between, ask: &Ask<'_>, face: &Face<'_>) -> Self {
        let manner = Manner { wants_usage: ask.wants_usage(), framing: ask.framing };
        let reader = Box::new(between.provider.stream_reader());
        let writer = Box::new(between.client.stream_writer(face, manner, ask.body()));
        let has_own_end = matches!(between.client, Client::Responses | Client::Inference);
        let tells_itself = has_own_end || ask.framing == Framing::List;
        Self::of(Saying::Dialect { reader, writer }, tells_itself)
    }

    /// Into one list of JSON.
    pub(crate) fn into_list() -> Self {
        Self::of(Saying::Frames(Frames::new(Framing::List)), true)
    }

    const fn of(saying: Saying, tells_itself: bool) -> Self {
        Self { saying, tells_itself, state: State::Going }
    }

    /// Takes whole events, and gives what the client is to see.
    pub(crate) fn push(&mut self, events: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(events.len());
        for data in event_data(events) {
            if self.state == State::Going {
                self.translate(&data, &mut out);
            }
        }
        out.into()
    }

    fn translate(&mut self, data: &[u8], out: &mut Vec<u8>) {
        match &mut self.saying {
            Saying::Frames(frames) => frames.put(data, out),
            Saying::Dialect { reader, .. } => {
                let read = reader.read(data);
                self.write(read, out);
            }
        }
    }

    /// What is left when the provider has ended its stream.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.state != State::Going {
            return Bytes::new();
        }
        match &mut self.saying {
            Saying::Frames(frames) => {
                frames.close(&mut out);
                self.state = State::Over;
            }
            Saying::Dialect { reader, .. } => {
                let left = reader.end();
                self.write(left, &mut out);
                if self.state == State::Going {
                    // The provider left its words without an end.
                    self.write(Ok(vec![Event::Fault(Told::broken_off().fault())]), &mut out);
                }
            }
        }
        out.into()
    }

    fn write(&mut self, read: Result<Vec<Event<'_>>, Malformed>, out: &mut Vec<u8>) {
        let events = read.unwrap_or_else(|error| vec![Event::Fault(broken(&error.to_string()))]);
        let Saying::Dialect { writer, .. } = &mut self.saying else { return };
        for event in &events {
            match event {
                Event::Fault(_) => self.state = State::Failed,
                Event::End => self.state = State::Over,
                Event::Start { .. }
                | Event::Text { .. }
                | Event::Refusal { .. }
                | Event::Thought { .. }
                | Event::Seal { .. }
                | Event::Call { .. }
                | Event::Arguments { .. }
                | Event::Finish { .. }
                | Event::Usage(_) => {}
            }
            writer.write(event, out);
        }
    }

    /// The answer breaks off: how the client is told. Nothing where it was told an end or an error before.
    pub(crate) fn break_off(&mut self, told: &Told, (client, call): (Dialect, CallId)) -> Bytes {
        if std::mem::replace(&mut self.state, State::Failed) != State::Going {
            return Bytes::new();
        }
        let mut out = Vec::new();
        match &mut self.saying {
            _ if !self.tells_itself => return told.event(client, call),
            Saying::Frames(frames) => {
                frames.put(&told.body(client, call), &mut out);
                frames.close(&mut out);
            }
            Saying::Dialect { writer, .. } => writer.write(&Event::Fault(told.fault()), &mut out),
        }
        out.into()
    }

    /// Whether the client was told that it went wrong, or the provider's answer made no sense.
    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed)
    }
}
