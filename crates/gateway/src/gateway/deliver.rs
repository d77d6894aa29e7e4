//! From the upstream's answer to the client's.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use doorward_dialect::Dialect;
use doorward_dialect::fault::FaultKind;
use doorward_dialect::google::Framing;
use doorward_domain::call::Outcome;
use futures_util::FutureExt as _;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::{Gateway, Way, translated};
use crate::answer::{self, Answer, Shape};
use crate::ask::Ask;
use crate::echo::Echo;
use crate::error::{ProxyError, UpstreamFault};
use crate::meter::{JsonMeter, SseMeter};
use crate::redact::Needle;
use crate::relay::{CallEnd, Meter, RelayBody, Source, Watch};
use crate::translate;
use crate::upstream::{self, Exchange};

/// The largest error body of an upstream that is passed on.
const ERROR_BYTES_MAX: usize = 256 * 1024;

impl Gateway {
    /// Passes an upstream's answer on. Errors of the upstream are the client's to read; what is no
    /// answer that this route speaks is refused.
    pub(super) async fn deliver(
        &self,
        answer: Box<upstream::Answer>,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, ProxyError> {
        end.answered(answer.status);
        if !answer.status.is_success() {
            return Box::pin(self.deliver_error(answer, end)).await;
        }
        let (client, provider) = (end.client(), end.target().dialect());
        match answer::shape(&answer.headers) {
            Ok(Shape::Json) if client != provider && !ask.is_stream => {
                Box::pin(self.deliver_translated(answer, ask, end)).await
            }
            Ok(Shape::Json) if client != provider => Err(self.garbage(&mut end, "it is no stream")),
            Ok(Shape::Events) if client != provider && !ask.is_stream => {
                Err(self.garbage(&mut end, "it is a stream, though we did not ask for one"))
            }
            Ok(Shape::Json) => {
                let meter =
                    JsonMeter::new(provider, end.target().needle(), ask.call.work().has_output());
                self.deliver_json(answer, meter, end, way).await
            }
            Ok(Shape::Events) => {
                let target = end.target();
                let translation = translated::stream(ask, &end, self.store.clock());
                let hides_usage = translation.is_none() && ask.is_stream && !ask.wants_usage();
                let meter = Meter::Sse(SseMeter::new(provider, hides_usage, target.needle()));
                let headers = answer::clean(answer.headers, target.needle());
                let (source, watch) = (Source::Http(answer.body), self.watch(way, &end));
                let reading = (meter, translation);
                let body = RelayBody::live(Bytes::new(), source, reading, end, watch);
                Ok(match ask.framing {
                    Framing::Events => Answer { status: answer.status, headers, body },
                    Framing::List => Answer::list(body),
                })
            }
            Err(what) => Err(self.garbage(&mut end, what)),
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
                let mut meter = JsonMeter::new(Dialect::OpenAi, None, ask.call.work().has_output());
                let body = meter.push(body);
                end.settle(Outcome::Done, meter.metered());
                let said = translated::whole(&body, ask, &end, self.store.clock());
                said.unwrap_or_else(|| Answer::json(StatusCode::OK, body))
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

    /// The first piece nearly always is the whole: an answer that does not even begin as JSON can
    /// still be refused, and a whole one can be settled here and now.
    async fn deliver_json(
        &self,
        mut answer: Box<upstream::Answer>,
        mut meter: JsonMeter,
        mut end: Box<CallEnd>,
        way: &Way<'_>,
    ) -> Result<Answer, ProxyError> {
        let exact = answer.body.bytes_left();
        let first = match self.first_piece(&mut answer.body, &mut meter).await {
            Ok(Some(first)) if first.trim_ascii_start().starts_with(b"{") => first,
            Ok(Some(_)) => return Err(self.garbage(&mut end, "it is not a JSON object")),
            Ok(None) => return Err(self.garbage(&mut end, "it broke off at once")),
            Err(timeout) => {
                end.interrupt(timeout.status());
                return Err(timeout);
            }
        };
        if answer.body.is_broken() {
            return Err(self.garbage(&mut end, "it broke off"));
        }
        if answer.body.is_ended() {
            if !meter.is_complete() {
                return Err(self.garbage(&mut end, "it is not one whole JSON object"));
            }
            end.settle_shared(Outcome::Done, meter.metered()).await;
            let headers = answer::clean(answer.headers, end.target().needle());
            return Ok(Answer { status: answer.status, headers, body: RelayBody::whole(first) });
        }
        let mut headers = answer::clean(answer.headers, end.target().needle());
        if let Some(bytes) = exact {
            headers.push((CONTENT_LENGTH, bytes.into()));
        }
        let (source, watch) = (Source::Http(answer.body), self.watch(way, &end));
        let body = RelayBody::live(first, source, (Meter::Json(meter), None), end, watch);
        Ok(Answer { status: answer.status, headers, body })
    }

    /// A whole answer in another dialect than the client's: all of it is needed before any can be said.
    async fn deliver_translated(
        &self,
        mut answer: Box<upstream::Answer>,
        ask: &Ask<'_>,
        mut end: Box<CallEnd>,
    ) -> Result<Answer, ProxyError> {
        let target = end.target();
        let mut meter = JsonMeter::new(target.dialect(), target.needle(), true);
        let reading = gather(&mut answer.body, &mut meter);
        let Ok(read) = tokio::time::timeout(self.options.timeouts.total, reading).await else {
            end.interrupt(StatusCode::GATEWAY_TIMEOUT);
            return Err(ProxyError::UpstreamTimeout);
        };
        let body = match read {
            Some(body) if meter.is_complete() => body,
            Some(_) | None => return Err(self.garbage(&mut end, "it is not one whole JSON object")),
        };
        end.settle_shared(Outcome::Done, meter.metered()).await;
        let said = translated::whole(&body, ask, &end, self.store.clock());
        Ok(said.unwrap_or_else(|| Answer::json(StatusCode::OK, body)))
    }

    /// `None`: there is none, the answer ended or broke before it began.
    async fn first_piece(
        &self,
        exchange: &mut Exchange,
        meter: &mut JsonMeter,
    ) -> Result<Option<Bytes>, ProxyError> {
        let mut reading =
            poll_fn(|cx| exchange.poll_ready_bytes(cx, |piece| Ok(meter.push(piece))));
        // It nearly always came with the head: that costs no timer.
        let read = match (&mut reading).now_or_never() {
            Some(read) => read,
            // Some servers send the head at once and then think: that is not silence.
            None => Box::pin(tokio::time::timeout(self.options.timeouts.total, reading))
                .await
                .map_err(|_| ProxyError::UpstreamTimeout)?,
        };
        Ok(read.and_then(Result::ok))
    }

    async fn deliver_error(
        &self,
        answer: Box<upstream::Answer>,
        mut end: Box<CallEnd>,
    ) -> Result<Answer, ProxyError> {
        let target = end.target();
        let status = answer.status;
        let headers = answer::clean(answer.headers, target.needle());
        // Before the client can leave: it owes nothing, whether it waits for the words or not.
        end.fail(status);
        let body = self.read_error(answer.body, target.needle()).await;
        // Google refuses our credential with status 400: that, too, is ours to mend.
        let is_google = target.dialect() == Dialect::Google;
        if is_google
            && Dialect::Google.read_fault(status.as_u16(), &body).kind == FaultKind::Unauthenticated
        {
            self.metrics.count_upstream_failure();
            return Err(ProxyError::UpstreamUnavailable(UpstreamFault::Refused(status)));
        }
        if end.client() != target.dialect() {
            return Ok(translated::error((status, headers, &body), &end));
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

    fn garbage(&self, end: &mut CallEnd, what: &'static str) -> ProxyError {
        self.metrics.count_upstream_failure();
        let error = ProxyError::UpstreamUnavailable(UpstreamFault::Garbage(what));
        end.interrupt(error.status());
        error
    }

    fn watch(&self, way: &Way<'_>, end: &CallEnd) -> Watch {
        let (store, caller) = (Arc::clone(&self.store), way.caller.clone());
        Watch::new(store, caller, (way.address, end.model()), &self.options.timeouts)
    }
}

/// All of an answer that is still arriving. `None`: it broke off, or is larger than any may be.
async fn gather(exchange: &mut Exchange, meter: &mut JsonMeter) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let piece =
            poll_fn(|cx| exchange.poll_ready_bytes(cx, |piece| Ok(meter.push(piece)))).await;
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
