//! Sending a call to a provider: the only place that connects and waits for the first byte.

mod address;
mod connect;
mod exchange;
mod head;
mod http1;
mod http2;
mod origin;
mod pool;
mod retry_after;
mod settings;
mod sign;
mod stream;
mod verdict;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use doorward_dialect::{Dialect, Provider as Speech};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use secrecy::ExposeSecret as _;

pub(crate) use connect::Connector;
pub(crate) use exchange::{Broken, Exchange};
pub(crate) use origin::Origin;
pub(crate) use retry_after::retry_after;
pub(crate) use sign::{Signer, Unsignable};
pub(crate) use verdict::Verdict;

use crate::answer::Headers;
use crate::catalog::{HttpTarget, Way};
use crate::error::{ProxyError, UpstreamFault};
use crate::health::Fault;
use crate::trace::{TRACEPARENT, TRACESTATE};

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To resolve, connect and shake hands.
    pub connect: Duration,
    /// From the request's end to the first byte of a stream.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// The whole call.
    pub total: Duration,
}

/// What upstreams see as the client.
pub(crate) const USER_AGENT: &str = concat!("doorward/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

static VERSION: HeaderName = HeaderName::from_static("anthropic-version");
static BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// The version that translations are written for, and that a client without one means.
static VERSION_DEFAULT: HeaderValue = HeaderValue::from_static("2023-06-01");
/// Longest header of a client that is passed on, in bytes.
const PASSED_BYTES_MAX: usize = 4 * 1024;

/// Why an attempt gave no answer that can be relayed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ProxyError,
    pub(crate) again: Again,
    /// What its deployment is to be blamed for.
    pub(crate) fault: Option<Fault>,
}

/// Where a call may be made again after an attempt that failed, before anything of an answer went to the
/// client: behind its first byte there is no again.
///
/// What the provider did not begin may be asked of anybody, also of the same one after a while. What it
/// may have begun is never asked of the same deployment again: it may be at work on it still, and the
/// next answer would be no likelier. But the client has got nothing, and a completion changes nothing in
/// the world: so another deployment may be asked. The first one is not asked for its answer any more
/// (its connection is closed), and where it may have worked without saying so, because it fell silent,
/// broke off or spoke nonsense, its attempt is billed at its estimate; where it answered that it failed,
/// it produced nothing and is owed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It did nothing, for now.
    Anywhere,
    /// It did nothing, and will not do it with this credential.
    WithAnother,
    /// It said that it failed.
    Elsewhere,
    /// It may have worked, and is owed for that.
    ElsewhereOwing,
    /// Whoever is asked, it will be the same.
    Nowhere,
}

/// A request as one deployment gets it.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) http: &'a HttpTarget,
    pub(crate) way: &'a Way,
    /// Whether the answer comes while it is made, so that its head comes soon.
    pub(crate) begins_at_once: bool,
    pub(crate) client_headers: &'a HeaderMap,
    /// Whether the client speaks another dialect, so that what it says of its own is not for this one.
    pub(crate) is_translated: bool,
    /// What makes it a signed one, where the provider wants that.
    pub(crate) signature: Headers,
    pub(crate) body: &'a Bytes,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Only those that the gateway reads or passes on.
    pub(crate) headers: Headers,
    pub(crate) body: Exchange,
}

/// Sends one attempt and waits for the answer's head. `is_sent` is set when its first byte is
/// written: before that a call costs nothing.
pub(crate) async fn send(
    request: &Outgoing<'_>,
    timeouts: &Timeouts,
    is_sent: &mut bool,
) -> Result<Box<Answer>, Failure> {
    // Pinned here: a timer that owned it would move it, and it is large.
    let sending = pin!(request.http.origin.send(request, timeouts.connect, is_sent));
    let answer = match tokio::time::timeout(request.head_timeout(timeouts), sending).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => return Err(unreachable(fault)),
        Err(_) => return Err(Failure::owing(ProxyError::UpstreamTimeout)),
    };
    check_status(&answer)?;
    Ok(answer)
}

impl Failure {
    /// The provider may have worked.
    pub(crate) fn owing(error: ProxyError) -> Self {
        Self { error, again: Again::ElsewhereOwing, fault: Some(Fault::Deployment(None)) }
    }

    /// The provider does not take our credential.
    pub(crate) fn refused(status: StatusCode) -> Self {
        let error = ProxyError::UpstreamUnavailable(UpstreamFault::Refused(status));
        Self { error, again: Again::WithAnother, fault: Some(Fault::Refused) }
    }

    /// The provider may have worked, and is not to blame: the call was ended here.
    pub(crate) fn blameless(error: ProxyError) -> Self {
        Self { fault: None, ..Self::owing(error) }
    }

    /// An administrator ended the call.
    pub(crate) fn ended() -> Self {
        Self::blameless(ProxyError::UpstreamUnavailable(UpstreamFault::Ended))
    }

    /// The provider cannot have begun.
    fn unbegun(error: ProxyError) -> Self {
        Self { error, again: Again::Anywhere, fault: Some(Fault::Deployment(None)) }
    }
}

fn unreachable(fault: origin::SendFault) -> Failure {
    match fault {
        origin::SendFault::Timeout => Failure::unbegun(ProxyError::UpstreamTimeout),
        origin::SendFault::Connect(error) => {
            Failure::unbegun(ProxyError::UpstreamUnavailable(UpstreamFault::Connect(error)))
        }
        // The request may have arrived.
        origin::SendFault::Exchange(error) => {
            Failure::owing(ProxyError::UpstreamUnavailable(UpstreamFault::Exchange(error)))
        }
    }
}

/// Our credential is ours to mend, and redirects are never followed: they would carry it away.
fn check_status(answer: &Answer) -> Result<(), Failure> {
    let (fault, again, blamed) = match answer.status {
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(Failure::refused(status));
        }
        status if status.is_redirection() => {
            (UpstreamFault::Redirect(status), Again::WithAnother, Fault::Deployment(None))
        }
        status if status.is_informational() => {
            let fault = UpstreamFault::Garbage("an interim status");
            (fault, Again::ElsewhereOwing, Fault::Deployment(None))
        }
        _ => return Ok(()),
    };
    Err(Failure { error: ProxyError::UpstreamUnavailable(fault), again, fault: Some(blamed) })
}

impl Outgoing<'_> {
    /// A stream begins at once. Any other answer may begin when the last token is made, so only the
    /// whole call's time bounds it.
    fn head_timeout(&self, timeouts: &Timeouts) -> Duration {
        let answer = if self.begins_at_once { timeouts.first_byte } else { timeouts.total };
        timeouts.connect + answer
    }

    /// Writes the head as HTTP/1.1 has it. What differs from call to call stands at the end.
    fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.way.head.expose_secret().as_bytes());
        self.passed(|name, value| {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        });
        if self.way.method != Method::GET {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(self.body.len()).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The same request for HTTP/2, which names the server in `:authority`.
    fn to_http2(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.way.method.clone();
        *request.uri_mut() = self.way.uri.clone();
        let headers = request.headers_mut();
        if self.way.method != Method::GET && !self.way.is_form {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        self.passed(|name, value| {
            headers.append(name, value.clone());
        });
        if let Some((name, value)) = &self.http.auth {
            headers.insert(name, value.clone());
        }
        request
    }

    /// What goes on of the client's own head: what it reads, the trace that it records, and what its
    /// dialect has of its own.
    fn passed(&self, mut pass: impl FnMut(HeaderName, &HeaderValue)) {
        let said = |name: &HeaderName| {
            let value = self.client_headers.get(name);
            value.filter(|value| value.len() <= PASSED_BYTES_MAX)
        };
        let is_bedrock = self.http.speech == Speech::Bedrock;
        // There it would choose among forms that no client here knows of.
        if let Some(accept) = said(&header::ACCEPT).filter(|_| !is_bedrock) {
            pass(header::ACCEPT, accept);
        }
        for (name, value) in &self.signature {
            pass(name.clone(), value);
        }
        if self.way.is_form
            && let Some(kind) = said(&header::CONTENT_TYPE)
        {
            pass(header::CONTENT_TYPE, kind);
        }
        if let Some(parent) = self.client_headers.get(TRACEPARENT) {
            pass(TRACEPARENT, parent);
            let states = self.client_headers.get_all(TRACESTATE);
            states.iter().for_each(|state| pass(TRACESTATE, state));
        }
        if self.http.speech != Speech::Dialect(Dialect::Anthropic) {
            return;
        }
        let own = |name| said(name).filter(|_| !self.is_translated);
        pass(VERSION.clone(), own(&VERSION).unwrap_or(&VERSION_DEFAULT));
        if let Some(beta) = own(&BETA) {
            pass(BETA.clone(), beta);
        }
    }
}
