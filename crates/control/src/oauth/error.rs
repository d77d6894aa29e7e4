//! What OAuth refuses, in the shape of RFC 6749, section 5.2.

use axum::Json;
use axum::response::{IntoResponse, Response};
use doorward_domain::narrowing::Beyond;
use doorward_store::StoreError;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// Why a request is refused. `Display` is for the client; the sources are for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum OauthError {
    /// It says too little, too much or nonsense.
    #[error("{0}")]
    InvalidRequest(String),
    /// Whoever asks has not shown who that is. One text for what is unknown and what is wrong.
    #[error("{0}")]
    InvalidClient(String),
    /// Whoever asks may not.
    #[error("{0}")]
    UnauthorizedClient(String),
    #[error("The grant types are client_credentials and token exchange.")]
    UnsupportedGrantType,
    #[error("{0}")]
    InvalidScope(String),
    #[error("{0}")]
    InvalidTarget(&'static str),
    #[error("Only access tokens are revoked here; an API key is revoked with DELETE /v1/api-keys.")]
    UnsupportedTokenType,
    #[error("Too many tokens in one minute. Use a token until it ends.")]
    TooMany,
    #[error("Temporarily unavailable. Try again in a moment.")]
    Unavailable(#[source] StoreError),
    /// As many tokens are revoked as can be remembered.
    #[error("Too many tokens are revoked at a time. Revoke the API key instead.")]
    Full,
    /// A fault of ours; the text is for the log.
    #[error("Something went wrong on our side.")]
    Internal(&'static str),
}

impl OauthError {
    /// The answer for whoever is not known, wrong or malformed: nothing is learned from it.
    pub(super) fn unknown_client() -> Self {
        Self::InvalidClient("Incorrect client id or secret.".to_owned())
    }

    fn face(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::UnauthorizedClient(_) => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::InvalidScope(_) => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::InvalidTarget(_) => (StatusCode::BAD_REQUEST, "invalid_target"),
            Self::UnsupportedTokenType => (StatusCode::BAD_REQUEST, "unsupported_token_type"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::Unavailable(_) | Self::Full => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }

    /// The one header that tells the client's code what to do next.
    fn header(&self) -> Option<(http::HeaderName, &'static str)> {
        match self {
            Self::InvalidClient(_) => Some((WWW_AUTHENTICATE, r#"Basic realm="doorward""#)),
            Self::TooMany => Some((RETRY_AFTER, "60")),
            Self::Unavailable(_) => Some((RETRY_AFTER, "1")),
            Self::InvalidRequest(_)
            | Self::UnauthorizedClient(_)
            | Self::UnsupportedGrantType
            | Self::InvalidScope(_)
            | Self::InvalidTarget(_)
            | Self::UnsupportedTokenType
            | Self::Full
            | Self::Internal(_) => None,
        }
    }

    fn log(&self) {
        let (_, code) = self.face();
        match self {
            Self::Unavailable(cause) => {
                tracing::error!(error = cause as &dyn std::error::Error, "unavailable");
            }
            Self::Internal(cause) => tracing::error!(error = cause, "internal error"),
            Self::Full => tracing::error!("as many tokens are revoked as can be remembered"),
            Self::InvalidRequest(_)
            | Self::InvalidClient(_)
            | Self::UnauthorizedClient(_)
            | Self::UnsupportedGrantType
            | Self::InvalidScope(_)
            | Self::InvalidTarget(_)
            | Self::UnsupportedTokenType
            | Self::TooMany => tracing::debug!(code, "refused"),
        }
    }
}

/// The characters that a description may hold (RFC 6749, appendix A.8).
fn plain(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.face();
        let body = json!({ "error": code, "error_description": plain(&self.to_string()) });
        let mut response = (status, Json(body)).into_response();
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<Beyond> for OauthError {
    fn from(beyond: Beyond) -> Self {
        Self::InvalidScope(beyond.to_string())
    }
}
