//! From the upstream's answer to the client's.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use doorward_dialect::fault::FaultKind;
use doorward_dialect::google::Framing;
use doorward_dialect::{Dialect, Provider};
use doorward_domain::call::Outcome;
use futures_util::FutureExt as _;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::{Gateway, Way, translated};
use crate::answer::{self, Answer, Headers, Shape};
use crate::ask::Ask;
use crate::echo::Echo;
use crate::error::{ProxyError, UpstreamFault};
use crate::meter::{JsonMeter, Metered, SseMeter};
use crate::redact::{Mask, Needle};
use crate::relay::{CallEnd, Meter, RelayBody, Source, Watch};
use crate::translate::{self, StreamTranslation};
use crate::upstream::{self, Exchange, Failure};

/// The largest error body of an upstream that is passed on.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// An answer of which nothing has gone to the client, and nothing will: somebody else may be asked.
pub(super) struct Spoilt {
    pub(super) failure: Failure,
    pub(super) end: Box<CallEnd>,
}

impl Gateway {
    /// Passes an upstream's answer on. Errors of the upstream are the client's to read; what is no
    /// answer that this route speaks is refused.
    pub(super) async fn deliver(
        &self,
        answer: Box<upstream::Answer>,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, Spoilt> {
        end.answered(answer.status);
        if !answer.status.is_success() {
            return Box::pin(self.deliver_error(answer, end)).await;
        }
        let (provider, is_translated) = (end.target().speech(), end.between().is_some());
        match answer::shape(&answer.headers, provider, ask.call.work()) {
            Ok(Shape::Json) if is_translated && !ask.is_stream => {
                Box::pin(self.deliver_translated(answer, ask, end, way)).await
            }
            Ok(Shape::Json) if is_translated => Err(garbage(end, "it is no stream")),
            Ok(Shape::Events) if is_translated && !ask.is_stream => {
                Err(garbage(end, "it is a stream, though we did not ask for one"))
            }
            Ok(Shape::Json) => {
                let meter = JsonMeter::of(ask.call, provider, end.target().needle())
                    .counting_searches(ask.may_search());
                self.deliver_json(answer, meter, end, way).await
            }
            Ok(Shape::Events) => {
                let target = end.target();
                let translation = translated::stream(ask, &end, self.store.clock());
                let hides_usage = translation.is_none() && ask.is_stream && !ask.wants_usage();
                let meter = SseMeter::new(provider, hides_usage, target.needle())
                    .counting_searches(ask.may_search());
                self.deliver_events(answer, (meter, translation), (ask, end), way).await
            }
            Ok(Shape::Plain) => Box::pin(self.deliver_plain(answer, ask, end, way)).await,
            Err(what) => Err(garbage(end, what)),
        }
    }

    /// Passes the built-in provider's answer on.
    pub(super) fn deliver_echo(
        &self,
        echo: Echo,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Answer {
        end.answered(StatusCode::OK);
        match echo {
            Echo::Whole(body) => {
                let mut meter = JsonMeter::of(ask.call, Dialect::OpenAi, None);
                let body = meter.push(body);
                end.settle(Outcome::Done, meter.metered());
                let said = translated::whole(&body, ask, &end, self.store.clock());
                said.unwrap_or_else(|| Answer::json(StatusCode::OK, body))
            }
            Echo::Plain(kind, body) => {
                end.settle(Outcome::Done, Metered::default());
                Answer::of_kind(kind, body)
            }
            Echo::Events(events) => {
                let translation = translated::stream(ask, &end, self.store.clock());
                let hides_usage = translation.is_none() && !ask.wants_usage();
                let meter = Meter::Sse(SseMeter::new(Dialect::OpenAi, hides_usage, None));
                let reading = (meter, translation);
                let (source, watch) = (Source::Events(events), self.watch(way, &end));
                let body = RelayBody::live(Bytes::new(), source, reading, end, watch);
                match ask.framing {
                    Framing::Events => Answer::events(body),
                    Framing::List => Answer::list(body),
                }
            }
        }
    }

    /// A stream goes on as soon as it has begun to say something: what breaks before that can still be
    /// had from somebody else.
    async fn deliver_events(
        &self,
        mut answer: Box<upstream::Answer>,
        (mut meter, mut translation): (SseMeter, Option<Box<StreamTranslation>>),
        (ask, end): (&Ask<'_>, Box<CallEnd>),
        way: &Way<'_>,
    ) -> Result<Answer, Spoilt> {
        let target = end.target();
        let has_arrived = AtomicBool::new(false);
        let mut reading = poll_fn(|cx| {
            answer.body.poll_ready_bytes(cx, |piece| {
                has_arrived.store(true, Ordering::Relaxed);
                let passed = meter.push(piece).map_err(|_overlong| ())?;
                Ok(match &mut translation {
                    Some(translation) => translation.push(&passed),
                    None => passed,
                })
            })
        });
        let waiting = way.facts.waiting();
        // It nearly always came with the head: that costs no timer.
        let read = match (&mut reading).now_or_never() {
            Some(read) => Ok(read),
            None => loop {
                let waiting = tokio::time::timeout(self.options.timeouts.idle, &mut reading);
                let read = tokio::select! {
                    read = Box::pin(waiting) => read,
                    // Whoever may not go on is told so by the stream.
                    () = way.caller.key.changed() => Ok(Some(Ok(Bytes::new()))),
                    () = target.health.ended().cancelled() => return Err(Spoilt { failure: Failure::ended(), end }),
                };
                // What says nothing to the client was a sign of life all the same.
                if read.is_ok() || !has_arrived.swap(false, Ordering::Relaxed) {
                    break read;
                }
            },
        };
        drop(waiting);
        let first = match read {
            Ok(Some(Ok(first))) => first,
            Ok(Some(Err(broken))) => {
                let error = ProxyError::UpstreamUnavailable(UpstreamFault::Exchange(broken));
                return Err(spoilt(end, error));
            }
            // It ended within its first event.
            Ok(None) if meter.has_begun() => Bytes::new(),
            Ok(None) => return Err(garbage(end, "it is a stream of nothing")),
            Err(_) => return Err(spoilt(end, ProxyError::UpstreamTimeout)),
        };
        let headers = answer::clean(answer.headers, target.needle());
        let (source, watch) = (Source::Http(answer.body), self.watch(way, &end));
        let body = RelayBody::live(first, source, (Meter::Sse(meter), translation), end, watch);
        Ok(match ask.framing {
            // Its head says how its frames are read; the client gets none of them.
            Framing::Events if target.speech() == Provider::Bedrock => Answer::events(body),
            Framing::Events => Answer { status: answer.status, headers, body },
            Framing::List => Answer::list(body),
        })
    }

    /// The first piece nearly always is the whole: an answer that does not even begin as JSON can
    /// still be refused, and a whole one can be settled here and now.
    async fn deliver_json(
        &self,
        mut answer: Box<upstream::Answer>,
        mut meter: JsonMeter,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, Spoilt> {
        let exact = answer.body.bytes_left();
        let waiting = way.facts.waiting();
        let read = self.first_piece(&mut answer.body, &end, |piece| meter.push(piece)).await;
        drop(waiting);
        let first = match read {
            Ok(Some(first)) if first.trim_ascii_start().starts_with(b"{") => first,
            Ok(Some(_)) => return Err(garbage(end, "it is not a JSON object")),
            Ok(None) => return Err(garbage(end, "it broke off at once")),
            Err(error) => return Err(spoilt(end, error)),
        };
        if answer.body.is_broken() {
            return Err(garbage(end, "it broke off"));
        }
        if answer.body.is_ended() {
            if !meter.is_complete() {
                return Err(garbage(end, "it is not one whole JSON object"));
            }
            end.settle_shared(Outcome::Done, meter.metered()).await;
            let headers = answer::clean(answer.headers, end.target().needle());
            return Ok(Answer { status: answer.status, headers, body: RelayBody::whole(first) });
        }
        Ok(self.go_on((answer, exact), first, Meter::Json(meter), (end, way)))
    }

    /// Sound and text go on as they come. What it costs is known from the request, and is owed from the
    /// first byte on.
    async fn deliver_plain(
        &self,
        mut answer: Box<upstream::Answer>,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, Spoilt> {
        let exact = answer.body.bytes_left();
        let mut mask = Mask::new(end.target().needle());
        let read = self.first_piece(&mut answer.body, &end, |piece| mask.push(piece)).await;
        let first = match read {
            Ok(Some(first)) => first,
            // In a recording there may be nothing that can be written down.
            Ok(None) if answer.body.is_ended() && ask.call.is_form() => Bytes::new(),
            Ok(None) => return Err(garbage(end, "it broke off at once")),
            Err(error) => return Err(spoilt(end, error)),
        };
        if answer.body.is_broken() {
            return Err(garbage(end, "it broke off"));
        }
        if answer.body.is_ended() {
            end.settle_shared(Outcome::Done, Metered::default()).await;
            let headers = answer::clean(answer.headers, end.target().needle());
            let body = [first, mask.finish()].concat();
            return Ok(Answer {
                status: answer.status,
                headers,
                body: RelayBody::whole(body.into()),
            });
        }
        Ok(self.go_on((answer, exact), first, Meter::Plain(mask), (end, way)))
    }

    /// The rest of an answer that is no stream of events, while it comes. `exact`: the length of the whole.
    fn go_on(
        &self,
        (answer, exact): (Box<upstream::Answer>, Option<u64>),
        first: Bytes,
        meter: Meter,
        (end, way): (Box<CallEnd>, &Way<'_>),
    ) -> Answer {
        let mut headers = answer::clean(answer.headers, end.target().needle());
        if let Some(bytes) = exact {
            headers.push((CONTENT_LENGTH, bytes.into()));
        }
        let (source, watch) = (Source::Http(answer.body), self.watch(way, &end));
        let body = RelayBody::live(first, source, (meter, None), end, watch);
        Answer { status: answer.status, headers, body }
    }

    /// A whole answer in another dialect than the client's: all of it is needed before any can be said.
    async fn deliver_translated(
        &self,
        mut answer: Box<upstream::Answer>,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, Spoilt> {
        let target = end.target();
        let mut watch = self.watch(way, &end);
        let mut meter = JsonMeter::of(ask.call, target.speech(), target.needle());
        let reading = gather(&mut answer.body, &mut meter, self.options.timeouts.idle);
        let waiting = way.facts.waiting();
        let read = tokio::select! {
            biased;
            read = tokio::time::timeout(self.options.timeouts.total, reading) => read,
            denial = watch.denied() => return Err(Spoilt { failure: Failure::blameless(denial.into()), end }),
            () = target.health.ended().cancelled() => return Err(Spoilt { failure: Failure::ended(), end }),
        };
        drop(waiting);
        let Ok(read) = read else {
            return Err(spoilt(end, ProxyError::UpstreamTimeout));
        };
        let body = match read {
            Some(body) if meter.is_complete() => body,
            Some(_) | None => return Err(garbage(end, "it is not one whole JSON object")),
        };
        let said = translated::whole(&body, ask, &end, self.store.clock());
        let said = said.unwrap_or_else(|| Answer::json(StatusCode::OK, body));
        let is_good = said.status.is_success();
        let outcome = if is_good { Outcome::Done } else { Outcome::Interrupted };
        end.tell(said.status);
        end.settle_shared(outcome, meter.metered()).await;
        Ok(said)
    }

    /// `None`: there is none, the answer ended or broke before it began.
    async fn first_piece(
        &self,
        exchange: &mut Exchange,
        end: &CallEnd,
        mut meter: impl FnMut(Bytes) -> Bytes,
    ) -> Result<Option<Bytes>, ProxyError> {
        let mut reading = poll_fn(|cx| exchange.poll_ready_bytes(cx, |piece| Ok(meter(piece))));
        // It nearly always came with the head: that costs no timer.
        if let Some(read) = (&mut reading).now_or_never() {
            return Ok(read.and_then(Result::ok));
        }
        let target = end.target();
        // Some servers send the head at once and then think: that is not silence.
        let reading = Box::pin(tokio::time::timeout(self.options.timeouts.total, reading));
        tokio::select! {
            biased;
            read = reading => {
                let read = read.map_err(|_| ProxyError::UpstreamTimeout)?;
                Ok(read.and_then(Result::ok))
            }
            () = target.health.ended().cancelled() => Err(ended()),
        }
    }

    async fn deliver_error(
        &self,
        answer: Box<upstream::Answer>,
        mut end: Box<CallEnd>,
    ) -> Result<Answer, Spoilt> {
        let target = end.target();
        let status = answer.status;
        let name = answer.error_name().map(str::to_owned);
        let headers = answer::clean(answer.headers, target.needle());
        if target.speech() == Provider::Dialect(Dialect::Google)
            && status == StatusCode::BAD_REQUEST
        {
            return self.deliver_google_error((headers, answer.body), end).await;
        }
        // Before the client can leave: it owes nothing, whether it waits for the words or not.
        end.fail(status);
        let body = self.read_error(answer.body, target.needle()).await;
        if let Some(between) = end.between() {
            return Ok(translated::error(
                (status, headers),
                (name.as_deref(), &body),
                between,
                &end,
            ));
        }
        Ok(Answer { status, headers, body: RelayBody::whole(body) })
    }

    /// Google refuses our credential with status 400, too, and only the words tell: that is ours to mend.
    async fn deliver_google_error(
        &self,
        (headers, body): (Headers, Exchange),
        mut end: Box<CallEnd>,
    ) -> Result<Answer, Spoilt> {
        let (target, status) = (end.target(), StatusCode::BAD_REQUEST);
        // Whatever it says: it did nothing, also where the client does not wait for the words.
        *end.is_sent() = false;
        let body = self.read_error(body, target.needle()).await;
        let kind = Dialect::Google.read_fault(status.as_u16(), &body).kind;
        if kind == FaultKind::Unauthenticated {
            return Err(Spoilt { failure: Failure::refused(status), end });
        }
        end.fail(status);
        if let Some(between) = end.between() {
            return Ok(translated::error((status, headers), (None, &body), between, &end));
        }
        Ok(Answer { status, headers, body: RelayBody::whole(body) })
    }

    /// An error of the upstream is the client's to read, its credential is not.
    async fn read_error(&self, mut exchange: Exchange, needle: Option<&Arc<Needle>>) -> Bytes {
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(Ok(piece)) = poll_fn(|cx| exchange.poll_ready_bytes(cx, Ok)).await {
                body.extend_from_slice(&piece);
                if body.len() > ERROR_BYTES_MAX {
                    break;
                }
            }
            exchange.is_ended() && body.len() <= ERROR_BYTES_MAX
        };
        // What came until then is passed on: better half an explanation than none.
        let read = tokio::time::timeout(self.options.timeouts.first_byte, reading).await;
        let body = body.freeze();
        let mut body = match needle {
            Some(needle) if read == Ok(true) => needle.redact(&body),
            Some(needle) => needle.redact_cut(&body),
            None => body,
        };
        body.truncate(ERROR_BYTES_MAX);
        body
    }

    fn watch(&self, way: &Way<'_>, end: &CallEnd) -> Watch {
        let (store, caller) = (Arc::clone(&self.store), way.caller.clone());
        let ended = end.target().health.ended().clone();
        Watch::new(store, caller, (way.address, end.model()), (&self.options.timeouts, ended))
    }
}

fn ended() -> ProxyError {
    ProxyError::UpstreamUnavailable(UpstreamFault::Ended)
}

fn garbage(end: Box<CallEnd>, what: &'static str) -> Spoilt {
    spoilt(end, ProxyError::UpstreamUnavailable(UpstreamFault::Garbage(what)))
}

/// The provider may have worked for it.
fn spoilt(end: Box<CallEnd>, error: ProxyError) -> Spoilt {
    Spoilt { failure: Failure::owing(error), end }
}

/// All of an answer that is still arriving. `None`: it broke off, or is larger than any may be.
/// `idle`: how long it may be silent once it has begun.
async fn gather(exchange: &mut Exchange, meter: &mut JsonMeter, idle: Duration) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let next = poll_fn(|cx| exchange.poll_ready_bytes(cx, |piece| Ok(meter.push(piece))));
        let piece = if body.is_empty() {
            next.await
        } else {
            tokio::time::timeout(idle, next).await.ok()?
        };
        match piece {
            Some(Ok(piece)) => body.extend_from_slice(&piece),
            Some(Err(_)) => return None,
            None => break,
        }
        if body.len() > translate::ANSWER_BYTES_MAX {
            return None;
        }
        if exchange.is_ended() {
            break;
        }
    }
    body.extend_from_slice(&meter.finish());
    Some(body.freeze())
}
