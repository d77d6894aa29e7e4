//! What stops a call, and how the client is told.

use bytes::Bytes;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::{Dialect, anthropic, google};
use doorward_domain::bounds::BoundOf;
use doorward_domain::denial::Denial;
use doorward_domain::id::CallId;
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
    #[error("{}", Denial::BudgetSpent(*.1))]
    BudgetSpent(StatusCode, BoundOf),
    #[error("{0}")]
    BadRequest(String),
    /// The provider of the model speaks another dialect, which has no word for this.
    #[error("The provider of this model cannot do what `{0}` asks for.")]
    Unsupported(String),
    /// The provider of the model speaks another dialect, which has no such route.
    #[error("The provider of this model has no route like this one.")]
    NoSuchRoute,
    #[error("The request carries more than one API key.")]
    ManyCredentials,
    #[error("The request body is larger than {0} bytes.")]
    TooLarge(usize),
    #[error("This route takes {0}, not what `content-type` says.")]
    WrongType(&'static str),
    #[error("The client took too long to send its request.")]
    SlowBody,
    #[error("This route takes {0}.")]
    WrongMethod(&'static str),
    // The operator.
    #[error(
        "The model `{0}` has no price{for_what}, so calling it is refused; an administrator can set one or mark it free.",
        for_what = .1.as_ref().map(|what| format!(" for {what}")).unwrap_or_default()
    )]
    Unpriced(String, Option<String>),
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
    #[error("no request to it can be signed")]
    Unsignable,
    #[error("no deployment can be used")]
    NoDeployment,
    #[error("an administrator ended the calls of the deployment")]
    Ended,
}

/// What a client's code reads: the status, and `type` and `code` of the OpenAI dialect; the others have
/// words for kinds of faults only.
struct Face {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    fault: FaultKind,
}

/// An error as a client is told it.
pub(crate) struct Told {
    face: Face,
    message: String,
}

impl ProxyError {
    /// A denial, told as the key's organization wants it told.
    pub(crate) fn denied(denial: Denial, key: &CallKey) -> Self {
        if let Denial::BudgetSpent(of) = denial {
            let status = StatusCode::from_u16(key.spent_budget_status);
            return Self::BudgetSpent(status.unwrap_or(StatusCode::TOO_MANY_REQUESTS), of);
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

    /// The code of what a key is refused by its own rules. `None`: it is no matter of the key's.
    pub(crate) fn denial_code(&self) -> Option<&'static str> {
        let is_of_key = matches!(self, Self::Denied(_) | Self::BudgetSpent(..));
        self.code().filter(|_| is_of_key)
    }

    fn face(&self) -> Face {
        let invalid = "invalid_request_error";
        let face = |status, kind, code| Face { status, kind, code, fault: FaultKind::BadRequest };
        let ours =
            |status, code, fault| Face { status, kind: "server_error", code: Some(code), fault };
        match self {
            Self::Denied(denial) => denial_face(denial),
            Self::BudgetSpent(status, of) => {
                Face { status: *status, ..denial_face(&Denial::BudgetSpent(*of)) }
            }
            Self::BadRequest(_) => face(StatusCode::BAD_REQUEST, invalid, None),
            Self::Unsupported(_) => {
                face(StatusCode::BAD_REQUEST, invalid, Some("unsupported_parameter"))
            }
            Self::NoSuchRoute => face(StatusCode::BAD_REQUEST, invalid, Some("unsupported_route")),
            Self::ManyCredentials => {
                face(StatusCode::BAD_REQUEST, invalid, Some("multiple_credentials"))
            }
            Self::TooLarge(_) => Face {
                fault: FaultKind::TooLarge,
                ..face(StatusCode::PAYLOAD_TOO_LARGE, invalid, Some("request_too_large"))
            },
            Self::WrongType(_) => {
                face(StatusCode::UNSUPPORTED_MEDIA_TYPE, invalid, Some("unsupported_media_type"))
            }
            Self::SlowBody => face(StatusCode::REQUEST_TIMEOUT, invalid, Some("request_timeout")),
            Self::WrongMethod(_) => {
                face(StatusCode::METHOD_NOT_ALLOWED, invalid, Some("method_not_allowed"))
            }
            Self::Unpriced(..) => face(StatusCode::BAD_REQUEST, invalid, Some("model_not_priced")),
            Self::UpstreamTimeout => {
                ours(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", FaultKind::Timeout)
            }
            Self::UpstreamUnavailable(_) => {
                ours(StatusCode::BAD_GATEWAY, "upstream_unavailable", FaultKind::Unavailable)
            }
            Self::Store(_) => {
                ours(StatusCode::SERVICE_UNAVAILABLE, "unavailable", FaultKind::Unavailable)
            }
        }
    }

    /// What the client is told of it.
    pub(crate) fn told(&self) -> Told {
        Told { face: self.face(), message: self.to_string() }
    }

    /// Headers that tell the client's code what to do next.
    pub(crate) fn headers(&self) -> Headers {
        match self {
            Self::Denied(denial) => denial_headers(denial),
            Self::BudgetSpent(_, of) => denial_headers(&Denial::BudgetSpent(*of)),
            Self::WrongMethod(allow) => one(header::ALLOW, HeaderValue::from_static(allow)),
            Self::Store(_) => retry_after(1),
            Self::BadRequest(_)
            | Self::Unsupported(_)
            | Self::NoSuchRoute
            | Self::ManyCredentials
            | Self::TooLarge(_)
            | Self::WrongType(_)
            | Self::SlowBody
            | Self::Unpriced(..)
            | Self::UpstreamTimeout
            | Self::UpstreamUnavailable(_) => Headers::new(),
        }
    }

    /// The status that a provider answered with where that became this error; else the client's.
    pub(crate) fn attempt_status(&self) -> StatusCode {
        if let Self::UpstreamUnavailable(
            UpstreamFault::Refused(status) | UpstreamFault::Redirect(status),
        ) = self
        {
            return *status;
        }
        self.status()
    }

    /// Whether the log should know: what the client can mend itself is not worth a warning.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::UpstreamTimeout | Self::UpstreamUnavailable(_))
    }
}

impl Told {
    /// An answer that was cut.
    pub(crate) fn broken_off() -> Self {
        let fault = FaultKind::Unavailable;
        let (kind, code) = ("server_error", Some("upstream_unavailable"));
        let message = "The upstream broke off the answer.".to_owned();
        Self { face: Face { status: StatusCode::BAD_GATEWAY, kind, code, fault }, message }
    }

    /// A denial of a call that has begun.
    pub(crate) fn denied(denial: &Denial) -> Self {
        Self { face: denial_face(denial), message: denial.to_string() }
    }

    /// The same in no dialect.
    pub(crate) fn fault(&self) -> Fault<'_> {
        let message = self.message.as_str().into();
        Fault { kind: self.face.fault, message, retry_after_s: None }
    }

    /// The body of an answer.
    pub(crate) fn body(&self, dialect: Dialect, call: CallId) -> Bytes {
        let Face { status, kind, code, .. } = self.face;
        let fault = self.fault();
        match dialect {
            Dialect::OpenAi => openai_body(&self.message, kind, code),
            Dialect::Anthropic => {
                anthropic::write_fault(&fault, status.as_u16(), &call.to_string()).into()
            }
            Dialect::Google => {
                google::write_fault(&fault, status.as_u16(), &call.to_string()).into()
            }
        }
    }

    /// The same as one event of a stream that has begun.
    pub(crate) fn event(&self, dialect: Dialect, call: CallId) -> Bytes {
        let start: &[u8] = match dialect {
            Dialect::OpenAi | Dialect::Google => b"data: ",
            Dialect::Anthropic => b"event: error\ndata: ",
        };
        Bytes::from([start, &self.body(dialect, call), b"\n\n"].concat())
    }
}

/// All four members are always present, and the words are the OpenAI dialect's own.
fn openai_body(message: &str, kind: &str, code: Option<&str>) -> Bytes {
    let error = serde_json::json!({
        "error": { "message": message, "type": kind, "param": null, "code": code }
    });
    Bytes::from(error.to_string())
}

fn denial_face(denial: &Denial) -> Face {
    let invalid = "invalid_request_error";
    let (status, fault, kind, code) = match denial {
        Denial::InvalidKey => (401, FaultKind::Unauthenticated, invalid, "invalid_api_key"),
        Denial::Expired | Denial::SecretReplaced => {
            (401, FaultKind::Unauthenticated, invalid, "key_expired")
        }
        Denial::Disabled => (401, FaultKind::Unauthenticated, invalid, "key_disabled"),
        Denial::Revoked => (401, FaultKind::Unauthenticated, invalid, "key_revoked"),
        Denial::OwnerInactive => (401, FaultKind::Unauthenticated, invalid, "owner_inactive"),
        Denial::AddressRefused => (403, FaultKind::Forbidden, "permission_error", "ip_not_allowed"),
        Denial::OriginRefused => {
            (403, FaultKind::Forbidden, "permission_error", "origin_not_allowed")
        }
        Denial::InsufficientScope => {
            (403, FaultKind::Forbidden, "permission_error", "insufficient_scope")
        }
        Denial::ModelNotFound => (404, FaultKind::NotFound, invalid, "model_not_found"),
        Denial::RateLimited { kind: LimitKind::Requests, .. } | Denial::TooManyConcurrent(_) => {
            (429, FaultKind::RateLimited, "requests", "rate_limit_exceeded")
        }
        Denial::RateLimited { kind: LimitKind::Tokens, .. } => {
            (429, FaultKind::RateLimited, "tokens", "rate_limit_exceeded")
        }
        Denial::BudgetSpent(_) => {
            (429, FaultKind::Billing, "insufficient_quota", "insufficient_quota")
        }
        Denial::BudgetHeld(_) => (429, FaultKind::RateLimited, "requests", "budget_held"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Face { status, kind, code: Some(code), fault }
}

fn denial_headers(denial: &Denial) -> Headers {
    match denial {
        Denial::RateLimited { retry_after_us, .. } => {
            retry_after(retry_after_us.div_ceil(1_000_000).max(1))
        }
        Denial::TooManyConcurrent(_) | Denial::BudgetHeld(_) => retry_after(1),
        Denial::BudgetSpent(_) => one(SHOULD_RETRY, HeaderValue::from_static("false")),
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
