//! Why a request is turned away at the door, and the words it is told so in.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, Version, header};

/// A request that breaks a rule of the front. It never reaches the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A line that does not end in CRLF, or a NUL.
    LineEnd,
    RequestLine,
    Method,
    Target,
    /// No colon, a blank before it, or a folded line.
    HeaderLine,
    HeaderCount,
    HeadTooLarge,
    /// None, two, or not `host[:port]`.
    Host,
    /// Content-Length or Transfer-Encoding that leave the body's end open to opinion.
    Framing,
    /// Two Authorization lines.
    Authorization,
    /// Bytes that are not UTF-8.
    Encoding,
    /// A path that another reader may resolve differently.
    Path,
}

/// The scheme of the request that stands in for a refused one. The scanner lets no absolute-form
/// target through, so over HTTP/1 no client can send it; over HTTP/2 it only refuses itself.
const SCHEME: &str = "refused";

impl Refusal {
    const ALL: [Self; 12] = [
        Self::LineEnd,
        Self::RequestLine,
        Self::Method,
        Self::Target,
        Self::HeaderLine,
        Self::HeaderCount,
        Self::HeadTooLarge,
        Self::Host,
        Self::Framing,
        Self::Authorization,
        Self::Encoding,
        Self::Path,
    ];

    /// The request that hyper is given in place of the offending one, so that its answer waits its
    /// turn behind the answers to earlier requests.
    pub(super) fn stand_in(self) -> Vec<u8> {
        format!("GET {SCHEME}://{}/ HTTP/1.1\r\nconnection: close\r\n\r\n", self.code())
            .into_bytes()
    }

    /// Recognizes a stand-in.
    pub(super) fn of_stand_in(uri: &Uri) -> Option<Self> {
        if uri.scheme_str()? != SCHEME {
            return None;
        }
        let code = uri.host()?;
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    fn code(self) -> &'static str {
        match self {
            Self::LineEnd => "bad_line_end",
            Self::RequestLine => "bad_request_line",
            Self::Method => "method_not_allowed",
            Self::Target => "bad_target",
            Self::HeaderLine => "bad_header_line",
            Self::HeaderCount => "too_many_headers",
            Self::HeadTooLarge => "head_too_large",
            Self::Host => "bad_host",
            Self::Framing => "bad_framing",
            Self::Authorization => "multiple_credentials",
            Self::Encoding => "bad_header_encoding",
            Self::Path => "bad_path",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeaderCount | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::LineEnd
            | Self::RequestLine
            | Self::Target
            | Self::HeaderLine
            | Self::Host
            | Self::Framing
            | Self::Authorization
            | Self::Encoding
            | Self::Path => StatusCode::BAD_REQUEST,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::LineEnd => "Every line of the request's head must end in CR LF.",
            Self::RequestLine => "The request line is malformed.",
            Self::Method => "This method is not allowed.",
            Self::Target => "The request target must be a path.",
            Self::HeaderLine => "A header line is malformed.",
            Self::HeaderCount => "The request has too many headers.",
            Self::HeadTooLarge => "The request's head is too large.",
            Self::Host => "The request must name exactly one host, as host or host:port.",
            Self::Framing => "The length of the request's body is ambiguous.",
            Self::Authorization => "The request carries more than one Authorization header.",
            Self::Encoding => "The request's head is not valid UTF-8.",
            Self::Path => {
                "The path must be plain ASCII without dot segments or encoded separators."
            }
        }
    }

    /// The answer, after which an HTTP/1 connection ends: what follows cannot be trusted.
    pub(super) fn answer<B: From<Bytes>>(self, version: Version) -> Response<B> {
        let kind = "invalid_request_error";
        let mut answer = error(self.status(), kind, self.message(), self.code());
        if version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        if self == Self::Method {
            let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            answer.headers_mut().insert(header::ALLOW, allow);
        }
        answer
    }
}

/// The answer to a request whose handler panicked.
pub(super) fn panicked<B: From<Bytes>>() -> Response<B> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    error(status, "server_error", "The server failed on this request.", "internal_error")
}

/// What a connection beyond the caps is told before it is closed.
pub(super) const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// All four members, as clients of the OpenAI dialect expect; the texts need no escapes.
fn error<B: From<Bytes>>(
    status: StatusCode,
    kind: &'static str,
    message: &'static str,
    code: &'static str,
) -> Response<B> {
    let body = format!(
        r#"{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{code}"}}}}"#
    );
    let mut answer = Response::new(B::from(Bytes::from(body)));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
