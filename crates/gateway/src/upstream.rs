//! Sending a call to a provider: the only place that connects, waits for the first byte, retries.

mod address;
mod connect;
mod exchange;
mod head;
mod http1;
mod http2;
mod origin;
mod pool;
mod settings;
mod stream;

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use secrecy::ExposeSecret as _;

pub(crate) use connect::Connector;
pub(crate) use exchange::{Broken, Exchange};
pub(crate) use origin::Origin;

use crate::answer::Headers;
use crate::catalog::HttpTarget;
use crate::error::{ProxyError, UpstreamFault};
use crate::route::Call;
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

/// Why an attempt gave no answer that can be relayed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ProxyError,
    /// The provider cannot have begun: another deployment may be tried.
    pub(crate) is_retryable: bool,
}

/// Whether the provider said that it did nothing, so that another one may be asked.
pub(crate) fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 503 | 529)
}

/// A request as one deployment gets it.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) http: &'a HttpTarget,
    pub(crate) call: Call,
    /// Whether the answer comes while it is made.
    pub(crate) is_stream: bool,
    pub(crate) client_headers: &'a HeaderMap,
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
        Err(_) => return Err(Failure { error: ProxyError::UpstreamTimeout, is_retryable: false }),
    };
    check_status(answer.status).map_err(|fault| Failure {
        error: ProxyError::UpstreamUnavailable(fault),
        is_retryable: true,
    })?;
    Ok(answer)
}

fn unreachable(fault: origin::SendFault) -> Failure {
    match fault {
        origin::SendFault::Timeout => {
            Failure { error: ProxyError::UpstreamTimeout, is_retryable: true }
        }
        origin::SendFault::Connect(error) => Failure {
            error: ProxyError::UpstreamUnavailable(UpstreamFault::Connect(error)),
            is_retryable: true,
        },
        // The request may have arrived: sending it again may run it, and bill it, twice.
        origin::SendFault::Exchange(error) => Failure {
            error: ProxyError::UpstreamUnavailable(UpstreamFault::Exchange(error)),
            is_retryable: false,
        },
    }
}

/// Our credential is ours to mend, and redirects are never followed: they would carry it away.
fn check_status(status: StatusCode) -> Result<(), UpstreamFault> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(UpstreamFault::Refused(status)),
        status if status.is_redirection() => Err(UpstreamFault::Redirect(status)),
        status if status.is_informational() => Err(UpstreamFault::Garbage("an interim status")),
        _ => Ok(()),
    }
}

impl Outgoing<'_> {
    /// A stream begins at once. Any other answer may begin when the last token is made, so only the
    /// whole call's time bounds it.
    fn head_timeout(&self, timeouts: &Timeouts) -> Duration {
        let answer = if self.is_stream { timeouts.first_byte } else { timeouts.total };
        timeouts.connect + answer
    }

    /// What goes on of the client's own head: what it reads, and the trace that it records.
    fn passed(&self) -> impl Iterator<Item = (HeaderName, &HeaderValue)> {
        let client = self.client_headers;
        let accept = client.get(header::ACCEPT).map(|value| (header::ACCEPT, value));
        let parent = client.get(TRACEPARENT).map(|value| (TRACEPARENT, value));
        let state = parent.iter().flat_map(|_| client.get_all(TRACESTATE));
        let state: smallvec::SmallVec<[_; 1]> = state.map(|value| (TRACESTATE, value)).collect();
        accept.into_iter().chain(parent).chain(state)
    }

    /// Writes the head as HTTP/1.1 has it. What differs from call to call stands at the end.
    fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.http.head(self.call).expose_secret().as_bytes());
        for (name, value) in self.passed() {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(self.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// The same request for HTTP/2, which names the server in `:authority`.
    fn to_http2(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.http.uri(self.call);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        for (name, value) in self.passed() {
            headers.append(name, value.clone());
        }
        if let Some(auth) = &self.http.auth {
            headers.insert(header::AUTHORIZATION, auth.clone());
        }
        request
    }
}
