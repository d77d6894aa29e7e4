//! What stops a call, and how the client is told.

use bytes::Bytes;
use doorward_domain::denial::Denial;
use doorward_domain::limit::LimitKind;
use doorward_store::{CallKey, StoreError};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::answer::Headers;
use crate::upstream::Broken;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Everything that can stop a call, grouped by who has to act on it. `Display` is for the client;
/// the source is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    // The client.
    #[error("{0}")]
    Denied(#[from] Denial),
    /// The same for a spent budget, whose status is a setting of the organization.
    #[error("{}", Denial::BudgetSpent)]
    BudgetSpent(StatusCode),
    #[error("{0}")]
    BadRequest(String),
    #[error("The request carries more than one API key.")]
    ManyCredentials,
    #[error("The request body is larger than {0} bytes.")]
    TooLarge(usize),
    #[error("The client took too long to send its request.")]
    SlowBody,
    #[error("This route takes {0}.")]
    WrongMethod(&'static str),
    // The operator.
    #[error(
        "The model `{0}` has no price, so calling it is refused; an administrator can set one or mark it free."
    )]
    Unpriced(String),
    // The upstream.
    #[error("The upstream did not answer in time.")]
    UpstreamTimeout,
    #[error("The upstream is unavailable.")]
    UpstreamUnavailable(#[source] UpstreamFault),
    // We.
    #[error("Temporarily unavailable.")]
    Store(#[from] StoreError),
}

/// What an upstream did wrong; for the log, never for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamFault {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("the exchange failed: {0}")]
    Exchange(#[source] Broken),
    #[error("it refused our credential with status {0}")]
    Refused(StatusCode),
    #[error("it answered with a redirect, status {0}")]
    Redirect(StatusCode),
    #[error("its answer is not what this route speaks: {0}")]
    Garbage(&'static str),
    #[error("no deployment can be used")]
    NoDeployment,
}

/// The three words that a client's code reads: status, `type` and `code`.
struct Face {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
}

impl ProxyError {
    /// A denial, told as the key's organization wants it told.
    pub(crate) fn denied(denial: Denial, key: &CallKey) -> Self {
        if denial == Denial::BudgetSpent {
            let status = StatusCode::from_u16(key.spent_budget_status);
            return Self::BudgetSpent(status.unwrap_or(StatusCode::TOO_MANY_REQUESTS));
        }
        Self::Denied(denial)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.face().status
    }

    /// What a client's code tells errors apart by.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.face().code
    }

    fn face(&self) -> Face {
        let face = |status, kind, code| Face { status, kind, code };
        let invalid = "invalid_request_error";
        match self {
            Self::Denied(denial) => denial_face(denial),
            Self::BudgetSpent(status) => {
                Face { status: *status, ..denial_face(&Denial::BudgetSpent) }
            }
            Self::BadRequest(_) => face(StatusCode::BAD_REQUEST, invalid, None),
            Self::ManyCredentials => {
                face(StatusCode::BAD_REQUEST, invalid, Some("multiple_credentials"))
            }
            Self::TooLarge(_) => {
                face(StatusCode::PAYLOAD_TOO_LARGE, invalid, Some("request_too_large"))
            }
            Self::SlowBody => face(StatusCode::REQUEST_TIMEOUT, invalid, Some("request_timeout")),
            Self::WrongMethod(_) => {
                face(StatusCode::METHOD_NOT_ALLOWED, invalid, Some("method_not_allowed"))
            }
            Self::Unpriced(_) => face(StatusCode::BAD_REQUEST, invalid, Some("model_not_priced")),
            Self::UpstreamTimeout => {
                face(StatusCode::GATEWAY_TIMEOUT, "server_error", Some("upstream_timeout"))
            }
            Self::UpstreamUnavailable(_) => {
                face(StatusCode::BAD_GATEWAY, "server_error", Some("upstream_unavailable"))
            }
            Self::Store(_) => {
                face(StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("unavailable"))
            }
        }
    }

    /// The body in the OpenAI shape; all four members always present.
    pub(crate) fn body(&self) -> Bytes {
        error_body(&self.to_string(), self.face().kind, self.face().code)
    }

    /// Headers that tell the client's code what to do next.
    pub(crate) fn headers(&self) -> Headers {
        match self {
            Self::Denied(denial) => denial_headers(denial),
            Self::BudgetSpent(_) => denial_headers(&Denial::BudgetSpent),
            Self::WrongMethod(allow) => one(header::ALLOW, HeaderValue::from_static(allow)),
            Self::Store(_) => retry_after(1),
            Self::BadRequest(_)
            | Self::ManyCredentials
            | Self::TooLarge(_)
            | Self::SlowBody
            | Self::Unpriced(_)
            | Self::UpstreamTimeout
            | Self::UpstreamUnavailable(_) => Headers::new(),
        }
    }

    /// Whether the log should know: what the client can mend itself is not worth a warning.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::UpstreamTimeout | Self::UpstreamUnavailable(_))
    }
}

/// An error object in the OpenAI shape.
pub(crate) fn error_body(message: &str, kind: &str, code: Option<&str>) -> Bytes {
    let error = serde_json::json!({
        "error": { "message": message, "type": kind, "param": null, "code": code }
    });
    Bytes::from(error.to_string())
}

/// The same as one event of a stream that has begun.
pub(crate) fn error_event(message: &str, kind: &str, code: Option<&str>) -> Bytes {
    let mut event = Vec::with_capacity(192);
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(&error_body(message, kind, code));
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}

/// A denial as one event of a stream that has begun.
pub(crate) fn denial_event(denial: &Denial) -> Bytes {
    let face = denial_face(denial);
    error_event(&denial.to_string(), face.kind, face.code)
}

fn denial_face(denial: &Denial) -> Face {
    let (status, kind, code) = match denial {
        Denial::InvalidKey => (401, "invalid_request_error", "invalid_api_key"),
        Denial::Expired | Denial::SecretReplaced => (401, "invalid_request_error", "key_expired"),
        Denial::Disabled => (401, "invalid_request_error", "key_disabled"),
        Denial::Revoked => (401, "invalid_request_error", "key_revoked"),
        Denial::OwnerInactive => (401, "invalid_request_error", "owner_inactive"),
        Denial::AddressRefused => (403, "permission_error", "ip_not_allowed"),
        Denial::OriginRefused => (403, "permission_error", "origin_not_allowed"),
        Denial::InsufficientScope => (403, "permission_error", "insufficient_scope"),
        Denial::ModelNotFound => (404, "invalid_request_error", "model_not_found"),
        Denial::RateLimited { kind: LimitKind::Requests, .. } | Denial::TooManyConcurrent => {
            (429, "requests", "rate_limit_exceeded")
        }
        Denial::RateLimited { kind: LimitKind::Tokens, .. } => {
            (429, "tokens", "rate_limit_exceeded")
        }
        Denial::BudgetSpent => (429, "insufficient_quota", "insufficient_quota"),
        Denial::BudgetHeld => (429, "requests", "budget_held"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Face { status, kind, code: Some(code) }
}

fn denial_headers(denial: &Denial) -> Headers {
    match denial {
        Denial::RateLimited { retry_after_us, .. } => {
            retry_after(retry_after_us.div_ceil(1_000_000).max(1))
        }
        Denial::TooManyConcurrent | Denial::BudgetHeld => retry_after(1),
        Denial::BudgetSpent => one(SHOULD_RETRY, HeaderValue::from_static("false")),
        Denial::OriginRefused => one(header::VARY, HeaderValue::from_static("origin")),
        Denial::InvalidKey
        | Denial::Expired
        | Denial::SecretReplaced
        | Denial::Disabled
        | Denial::Revoked
        | Denial::OwnerInactive
        | Denial::AddressRefused
        | Denial::InsufficientScope
        | Denial::ModelNotFound => match denial_face(denial).status {
            StatusCode::UNAUTHORIZED => {
                one(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => Headers::new(),
        },
    }
}

fn retry_after(seconds: u64) -> Headers {
    one(header::RETRY_AFTER, seconds.into())
}

fn one(name: HeaderName, value: HeaderValue) -> Headers {
    Headers::from_iter([(name, value)])
}
