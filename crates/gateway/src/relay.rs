//! Passing an answer on: untouched, as soon as it is ready, with the meter reading along.

mod end;
mod watch;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_domain::call::Outcome;
use http_body::{Body, Frame, SizeHint};

pub(crate) use end::{CallEnd, Question};
pub(crate) use watch::{Cut, Watch};

use crate::echo::Events;
use crate::error::{ProxyError, Told, UpstreamFault};
use crate::meter::{JsonMeter, Metered, SseMeter};
use crate::redact::Mask;
use crate::transcript::Transcript;
use crate::translate::StreamTranslation;
use crate::upstream::Exchange;

/// The body of an answer of the gateway.
#[derive(Debug)]
pub enum RelayBody {
    /// All of it is here.
    Whole(Option<Bytes>),
    /// It is still arriving.
    Live(Box<Live>),
}

/// An answer that is still arriving, and everything that must happen when it ends.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Live {
    source: Source,
    meter: Meter,
    /// Where the client speaks another dialect than the provider.
    translation: Option<Box<StreamTranslation>>,
    end: Box<CallEnd>,
    watch: Watch,
    /// What the call asks and is answered, where its project keeps that.
    transcript: Option<Box<Transcript>>,
    /// Waits to go out before anything else: the first piece, or an error event.
    ready: VecDeque<Bytes>,
    /// The answer ended in a way that only closing the connection can tell.
    is_broken: bool,
    is_over: bool,
    /// The upstream sent something since it was last looked at.
    has_arrived: bool,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    Http(Exchange),
    Events(Events),
}

/// Who reads along.
#[derive(Debug)]
pub(crate) enum Meter {
    Json(JsonMeter),
    Sse(SseMeter),
    /// Nobody: sound or text, which does not tell what it cost. The credential is covered up all the same.
    Plain(Mask),
}

/// An answer broke off where only closing the connection can tell the client.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

impl Meter {
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<Bytes, ()> {
        match self {
            Self::Json(meter) => Ok(meter.push(piece)),
            Self::Sse(meter) => meter.push(piece).map_err(|_overlong| ()),
            Self::Plain(mask) => Ok(mask.push(piece)),
        }
    }

    fn metered(&self) -> Metered {
        match self {
            Self::Json(meter) => meter.metered(),
            Self::Sse(meter) => meter.metered(),
            Self::Plain(_) => Metered::default(),
        }
    }

    /// Whether a stream was said to its end, whatever becomes of its connection: some servers just
    /// close then.
    fn is_said(&self) -> bool {
        match self {
            Self::Json(_) | Self::Plain(_) => false,
            Self::Sse(meter) => meter.is_said(),
        }
    }

    /// Whether the provider told the client an error itself.
    fn has_failed(&self) -> bool {
        matches!(self, Self::Sse(meter) if meter.has_failed())
    }
}

impl RelayBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }

    /// Relays what is still arriving. `first` was read already.
    pub(crate) fn live(
        first: Bytes,
        source: Source,
        (meter, translation): (Meter, Option<Box<StreamTranslation>>),
        end: Box<CallEnd>,
        watch: Watch,
    ) -> Self {
        let ready = if first.is_empty() { VecDeque::new() } else { VecDeque::from([first]) };
        Self::Live(Box::new(Live {
            source,
            meter,
            translation,
            end,
            watch,
            transcript: None,
            ready,
            is_broken: false,
            is_over: false,
            has_arrived: false,
        }))
    }

    /// Has a transcript read along what goes to the client; it has all of an answer that is here.
    pub(crate) fn read_along(&mut self, mut transcript: Box<Transcript>) {
        match self {
            Self::Whole(bytes) => transcript.push(bytes.as_deref().unwrap_or_default()),
            Self::Live(live) => live.transcript = Some(transcript),
        }
    }
}

impl Body for RelayBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(live) => {
                let polled = live.poll(cx);
                if live.transcript.is_some() {
                    live.take_down(&polled);
                }
                polled.map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Live(live) => live.is_over && live.ready.is_empty() && !live.is_broken,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

impl Live {
    /// Takes down what goes to the client. The record is handed over before the last byte is: whoever has read
    /// the answer finds it.
    fn take_down(&mut self, polled: &Poll<Option<Result<Bytes, BrokenOff>>>) {
        if let (Some(transcript), Poll::Ready(Some(Ok(bytes)))) = (&mut self.transcript, polled) {
            transcript.push(bytes);
        }
        if self.is_over && self.ready.is_empty() {
            self.transcript = None;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let Some(bytes) = self.ready.pop_front() {
            // The first piece may have been the last one, too.
            if !self.is_over && self.is_source_ended() {
                self.finish();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.is_over {
            let is_broken = std::mem::take(&mut self.is_broken);
            return Poll::Ready(is_broken.then_some(Err(BrokenOff)));
        }
        // A stream that always has something ready must not outlive its key.
        if self.watch.is_due()
            && let Poll::Ready(cut) = self.watch.poll(cx)
        {
            return self.break_off(cut);
        }
        let polled = self.poll_source(cx);
        // Also where nothing of it goes on: a provider that is at work is not silent.
        if std::mem::take(&mut self.has_arrived) {
            self.watch.saw_data();
        }
        match polled {
            Poll::Ready(Some(Ok(bytes))) => {
                if self.translation.as_ref().is_some_and(|said| said.has_failed()) {
                    self.give_up();
                } else if self.is_source_ended() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Err(()))) if !self.meter.is_said() => self.break_off(Cut::Upstream),
            Poll::Ready(Some(Err(())) | None) => {
                self.finish();
                self.poll(cx)
            }
            Poll::Pending => match self.watch.poll(cx) {
                Poll::Ready(cut) => self.break_off(cut),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let (meter, translation) = (&mut self.meter, &mut self.translation);
        let has_arrived = &mut self.has_arrived;
        let mut pass = |piece| {
            *has_arrived = true;
            let passed = meter.push(piece)?;
            Ok(match translation {
                Some(translation) => translation.push(&passed),
                None => passed,
            })
        };
        match &mut self.source {
            Source::Http(exchange) => {
                let polled = exchange.poll_ready_bytes(cx, pass);
                polled.map(|bytes| {
                    bytes.map(|bytes| {
                        bytes.map_err(|broken| {
                            tracing::warn!(%broken, "an upstream's answer broke off");
                        })
                    })
                })
            }
            Source::Events(events) => {
                let Some(event) = events.pop_front() else { return Poll::Ready(None) };
                match pass(event) {
                    // The next event is ready: ask again, without giving the empty one out.
                    Ok(bytes) if bytes.is_empty() => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    passed => Poll::Ready(Some(passed)),
                }
            }
        }
    }

    fn is_source_ended(&self) -> bool {
        match &self.source {
            Source::Http(exchange) => exchange.is_ended(),
            Source::Events(events) => events.is_empty(),
        }
    }

    /// The upstream is through. A stream that just stops must not look like one that ended well.
    fn finish(&mut self) {
        self.is_over = true;
        let (mut rest, mut is_complete) = match &mut self.meter {
            Meter::Json(meter) => {
                self.is_broken = !meter.is_complete();
                (meter.finish(), meter.is_complete())
            }
            Meter::Sse(meter) => (meter.finish(), meter.is_complete()),
            Meter::Plain(mask) => (mask.finish(), true),
        };
        if matches!(self.meter, Meter::Sse(_)) {
            let is_told = is_complete || self.meter.has_failed();
            rest = self.last_events(&rest, is_told);
        }
        if !rest.is_empty() {
            self.ready.push_back(rest);
        }
        if !is_complete {
            self.end.broke_off();
        }
        is_complete &= !self.translation.as_ref().is_some_and(|said| said.has_failed());
        self.settle(if is_complete { Outcome::Done } else { Outcome::Interrupted });
    }

    /// What a stream ends with. Half an event would swallow the one that says why it is half. `is_told`: its
    /// end was told, or an error.
    fn last_events(&mut self, rest: &Bytes, is_told: bool) -> Bytes {
        match &mut self.translation {
            _ if !is_told => self.cut_event(Cut::Upstream),
            Some(translation) => {
                let rest = translation.push(rest);
                Bytes::from([rest, translation.finish()].concat())
            }
            None => rest.clone(),
        }
    }

    /// The client was told that it went wrong: what still comes would be made, and billed, for nobody.
    fn give_up(&mut self) {
        self.is_over = true;
        self.end.broke_off();
        self.settle(Outcome::Interrupted);
        self.source = Source::Events(Events::default());
    }

    /// Ends the answer early: a stream by an event that says why, anything else by its connection.
    fn break_off(&mut self, cut: Cut) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.is_over = true;
        match cut {
            Cut::Upstream | Cut::Timeout => self.end.broke_off(),
            Cut::Denied(_) | Cut::Ended => {}
        }
        self.settle(Outcome::Interrupted);
        self.source = Source::Events(Events::default());
        Poll::Ready(Some(match &self.meter {
            Meter::Sse(_) => Ok(self.cut_event(cut)),
            Meter::Json(_) | Meter::Plain(_) => Err(BrokenOff),
        }))
    }

    fn cut_event(&mut self, cut: Cut) -> Bytes {
        let (told, client) = (told(cut), (self.end.dialect(), self.end.id()));
        match &mut self.translation {
            Some(translation) => translation.break_off(&told, client),
            None => told.event(client.0, client.1),
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        // Reading what an answer used can mean reading all of it.
        if !self.end.is_settled() {
            self.end.settle(outcome, self.meter.metered());
        }
    }
}

impl Drop for Live {
    /// The client went away: the upstream's connection closes with `source`, and what was produced
    /// until now is billed. Settling twice is nothing.
    fn drop(&mut self) {
        self.transcript = None;
        self.settle(Outcome::Disconnected);
    }
}

fn told(cut: Cut) -> Told {
    match cut {
        Cut::Denied(denial) => Told::denied(&denial),
        Cut::Upstream => Told::broken_off(),
        Cut::Timeout => ProxyError::UpstreamTimeout.told(),
        Cut::Ended => ProxyError::UpstreamUnavailable(UpstreamFault::Ended).told(),
    }
}
