//! Everything that the management API refuses, as RFC 9457 problems.

use axum::Json;
use axum::response::{IntoResponse, Response};
use doorward_domain::denial::Denial;
use doorward_domain::presented::NoCredential;
use doorward_domain::rotation::SECRETS_MAX;
use doorward_store::StoreError;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;

use crate::faults::FieldError;
use crate::sign_in_refusal::SignInRefusal;

/// Why a request is refused, grouped by what its sender can do about it.
///
/// `Display` is for the client; the sources are for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody, or two at once, ask.
    #[error("{}", credential_text(*.0))]
    NoCredential(NoCredential),
    /// Whoever asks may not.
    #[error("{0}")]
    Denied(Denial),
    /// Whoever wants to be, or is, signed in may not.
    #[error(transparent)]
    SignIn(#[from] SignInRefusal),
    /// It is not there, or not theirs: the same answer for both.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// The path exists, the method on it does not; the header `allow` lists those that do.
    #[error("This path does not have this method.")]
    MethodNotAllowed,
    /// Fields are wrong.
    #[error("{}", fields_text(.0))]
    Invalid(Vec<FieldError>),
    /// The body cannot be read at all.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Nobody knows what calls of the model would cost.
    #[error(
        "The built-in table has no price for the model `{upstream_model}` of provider `{provider}`. \
         If it costs nothing, say so: `doorward models create {model} --provider {provider} --free`. \
         Otherwise set its price in dollars per million tokens: `doorward models create {model} \
         --provider {provider} --price-input 0.15 --price-output 0.60`."
    )]
    ModelNotPriced { model: String, provider: String, upstream_model: String },
    /// Nobody hands out more than they have.
    #[error("A key cannot be stronger than the rights of whoever makes or edits it.")]
    ExceedsOwnRights(Vec<FieldError>),
    /// Limits and budgets count for each key by itself: whoever has some could multiply them.
    #[error(
        "A key with limits or budgets of its own cannot make keys or loosen theirs: they would add \
         to its own."
    )]
    BoundedKey(Vec<FieldError>),
    /// Nobody reaches above their own role.
    #[error("You cannot give, take away or change what is above your own role.")]
    AboveOwnRole,
    /// It takes everything that an owner may do.
    #[error(
        "This takes an owner who is signed in, or a key of an owner that is bound in nothing but its \
         end: neither a token, nor a key with fewer scopes, models or addresses, limits or budgets."
    )]
    LessThanOwner(Option<&'static str>),
    /// It clashes with what is there.
    #[error("{detail}")]
    Conflict { code: &'static str, detail: String, field: Option<&'static str> },
    /// Somebody else edited it in between.
    #[error("It was edited in between. Read it again, then edit it.")]
    Stale,
    /// The store cannot serve right now.
    #[error("Temporarily unavailable. Try again in a moment.")]
    Unavailable(#[source] StoreError),
    /// A fault of ours; the text is for the log.
    #[error("Something went wrong on our side.")]
    Internal(String),
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("The body is larger than 1 MiB.")]
    TooLarge,
    #[error("The body must be sent as `content-type: application/json`.")]
    MediaType,
    #[error("The body is not valid JSON.")]
    NotJson,
    #[error("The body must be one JSON object.")]
    NotObject,
    #[error("The body ended before it was complete.")]
    Incomplete,
}

/// What is answered instead of what was asked for (RFC 9457).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl ApiError {
    /// The HTTP status and the `code` for programs.
    fn face(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoCredential(NoCredential::Ambiguous) => {
                (StatusCode::BAD_REQUEST, "ambiguous_credential")
            }
            Self::NoCredential(NoCredential::Missing | NoCredential::Malformed) => {
                (StatusCode::UNAUTHORIZED, "invalid_api_key")
            }
            Self::Denied(denial) => denial_face(*denial),
            Self::SignIn(refusal) => refusal.face(),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Unreadable(unreadable) => unreadable.face(),
            Self::ModelNotPriced { .. } => (StatusCode::BAD_REQUEST, "model_not_priced"),
            Self::ExceedsOwnRights(_) | Self::AboveOwnRole | Self::LessThanOwner(_) => {
                (StatusCode::FORBIDDEN, "exceeds_own_rights")
            }
            Self::BoundedKey(_) => (StatusCode::FORBIDDEN, "bounded_key"),
            Self::Conflict { code, .. } => (StatusCode::CONFLICT, code),
            Self::Stale => (StatusCode::PRECONDITION_FAILED, "edited_in_between"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(errors) | Self::ExceedsOwnRights(errors) | Self::BoundedKey(errors) => {
                errors.clone()
            }
            Self::Conflict { code: code @ "name_looks_alike", detail, field: Some(field) } => {
                vec![FieldError::new(*field, code, detail)]
            }
            Self::Conflict { detail, field: Some(field), .. } => {
                vec![FieldError::new(*field, "taken", detail)]
            }
            Self::ModelNotPriced { .. } => {
                vec![FieldError::new("price", "model_not_priced", "the model has no listed price")]
            }
            Self::SignIn(refusal) => {
                let wrong = |field| FieldError::new(field, refusal.face().1, refusal.to_string());
                refusal.field().map(wrong).into_iter().collect()
            }
            Self::AboveOwnRole => {
                vec![FieldError::new("role", "exceeds_own_rights", "is above your own")]
            }
            Self::LessThanOwner(Some(setting)) => {
                let detail = "only an owner may lower it";
                vec![FieldError::new(*setting, "exceeds_own_rights", detail)]
            }
            Self::NoCredential(_)
            | Self::Denied(_)
            | Self::LessThanOwner(None)
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::Unreadable(_)
            | Self::Conflict { field: None, .. }
            | Self::Stale
            | Self::Unavailable(_)
            | Self::Internal(_) => Vec::new(),
        }
    }

    /// Says of unknown fields that are known but fixed that they cannot be changed.
    pub(crate) fn naming_fixed(mut self, fixed: &[&str]) -> Self {
        if let Self::Invalid(errors) = &mut self {
            let named = |error: &&mut FieldError| {
                error.code == "unknown_field" && fixed.contains(&error.field.as_str())
            };
            for error in errors.iter_mut().filter(named) {
                *error = FieldError::new(&*error.field, "immutable", "cannot be changed");
            }
        }
        self
    }

    /// The one place where a refusal reaches the log, and only when it is our fault.
    fn log(&self) {
        match self {
            Self::Unavailable(cause) => tracing::error!(error = %chain(cause), "unavailable"),
            Self::Internal(cause) => tracing::error!(error = %cause, "internal error"),
            Self::NoCredential(_)
            | Self::Denied(_)
            | Self::SignIn(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::Invalid(_)
            | Self::Unreadable(_)
            | Self::ModelNotPriced { .. }
            | Self::ExceedsOwnRights(_)
            | Self::BoundedKey(_)
            | Self::AboveOwnRole
            | Self::LessThanOwner(_)
            | Self::Conflict { .. }
            | Self::Stale => tracing::debug!(code = self.face().1, "refused"),
        }
    }
}

impl Unreadable {
    const fn face(self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::NotJson | Self::NotObject => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::Incomplete => (StatusCode::BAD_REQUEST, "incomplete_body"),
        }
    }
}

pub(crate) fn denial_face(denial: Denial) -> (StatusCode, &'static str) {
    match denial {
        Denial::InvalidKey => (StatusCode::UNAUTHORIZED, "invalid_api_key"),
        Denial::Expired | Denial::SecretReplaced => (StatusCode::UNAUTHORIZED, "key_expired"),
        Denial::Disabled => (StatusCode::UNAUTHORIZED, "key_disabled"),
        Denial::Revoked => (StatusCode::UNAUTHORIZED, "key_revoked"),
        Denial::OwnerInactive => (StatusCode::UNAUTHORIZED, "owner_inactive"),
        Denial::AddressRefused => (StatusCode::FORBIDDEN, "ip_not_allowed"),
        Denial::OriginRefused => (StatusCode::FORBIDDEN, "origin_not_allowed"),
        Denial::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Denial::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found"),
        Denial::RateLimited { .. } | Denial::TooManyConcurrent(_) => {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")
        }
        Denial::BudgetSpent(_) => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota"),
        Denial::BudgetHeld(_) => (StatusCode::TOO_MANY_REQUESTS, "budget_held"),
    }
}

/// A malformed key gets the words of an unknown one: the difference would teach a guesser.
fn credential_text(error: NoCredential) -> String {
    match error {
        NoCredential::Missing | NoCredential::Ambiguous => error.to_string(),
        NoCredential::Malformed => Denial::InvalidKey.to_string(),
    }
}

fn fields_text(errors: &[FieldError]) -> String {
    let text = |error: &FieldError| format!("`{}`: {}", error.field, error.detail);
    errors.iter().map(text).collect::<Vec<_>>().join("; ")
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl ApiError {
    fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), field: None }
    }

    /// What the report would need is not there any more.
    fn calls_forgotten(field: &'static str, hour: Timestamp) -> Self {
        let detail = format!(
            "lies within an hour of which single calls are kept no more, the one from {hour}: begin \
             and end with whole hours"
        );
        Self::Invalid(vec![FieldError::new(field, "calls_forgotten", detail)])
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { field } => Self::Conflict {
                code: if field == "email" { "email_taken" } else { "name_taken" },
                detail: format!(
                    "There is already one with this {}.",
                    field.rsplit('.').next().unwrap_or(field)
                ),
                field: Some(field),
            },
            StoreError::LooksAlike { other } => Self::Conflict {
                code: "name_looks_alike",
                detail: format!(
                    "There is already one whose name cannot be told from this one by eye: `{other}`."
                ),
                field: Some("name"),
            },
            StoreError::Unstorable { field } => Self::Invalid(vec![FieldError::new(
                field,
                "invalid",
                "must not hold a NUL character",
            )]),
            StoreError::CallsForgotten { field, hour } => Self::calls_forgotten(field, hour),
            StoreError::Missing(what) => Self::NotFound(what),
            StoreError::Stale => Self::Stale,
            StoreError::ActorChanged => Self::conflict(
                "key_changed",
                "The key or session that asked for this was changed or ended in between. Nothing \
                 was done.",
            ),
            StoreError::TooManySecrets => Self::conflict(
                "too_many_secrets",
                format!(
                    "{SECRETS_MAX} secrets of this API key work already. Wait until one of them \
                     ends, end the previous ones, or rotate without an overlap."
                ),
            ),
            StoreError::AboveOwnRole => Self::AboveOwnRole,
            StoreError::LastOwner => Self::conflict(
                "last_owner",
                "The organization would be left without an active owner. Make somebody else an \
                 owner first.",
            ),
            StoreError::DefaultProject => Self::conflict(
                "default_project",
                "Keys that name no project go to the default one: it keeps its name and cannot be \
                 removed.",
            ),
            StoreError::SecondFactor => Self::conflict(
                "second_factor_state",
                "There is a second factor that is confirmed already, or none that could be.",
            ),
            StoreError::Full(what) => Self::conflict(
                "too_many",
                format!("There are as many {what} as there may be. Delete one first."),
            ),
            StoreError::InUse(by) => {
                Self::conflict("in_use", format!("It is in use by {}.", by.join(", ")))
            }
            StoreError::Corrupt(_) | StoreError::Integrity | StoreError::NoRandomness => {
                Self::Internal(chain(&error))
            }
            StoreError::Database(_)
            | StoreError::Journal(_)
            | StoreError::Behind
            | StoreError::Busy
            | StoreError::NotOurs => Self::Unavailable(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let (status, code) = self.face();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            errors: &self.fields(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::SignIn(refusal) = self
            && let Some(seconds) = refusal.retry_after_seconds()
        {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_of_a_credential_says_how_to_present_one() {
        for error in [
            ApiError::NoCredential(NoCredential::Missing),
            ApiError::NoCredential(NoCredential::Malformed),
            ApiError::Denied(Denial::InvalidKey),
            ApiError::Denied(Denial::Expired),
            ApiError::Denied(Denial::OwnerInactive),
        ] {
            let response = error.into_response();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        }
    }

    #[test]
    fn a_malformed_and_an_unknown_key_get_the_same_answer() {
        let faces =
            [ApiError::NoCredential(NoCredential::Malformed), ApiError::Denied(Denial::InvalidKey)]
                .map(|error| (error.face(), error.to_string()));
        assert_eq!(faces[0], faces[1]);
    }

    #[test]
    fn what_the_store_says_does_not_reach_the_client() {
        for error in [
            StoreError::Corrupt("canary".to_owned()),
            StoreError::Journal(std::io::Error::other("canary")),
        ] {
            assert!(!ApiError::from(error).to_string().contains("canary"));
        }
    }

    #[test]
    fn codes_are_plain_words() {
        let denials = [
            Denial::InvalidKey,
            Denial::Expired,
            Denial::Disabled,
            Denial::Revoked,
            Denial::OwnerInactive,
            Denial::AddressRefused,
            Denial::InsufficientScope,
        ];
        let codes: BTreeSet<_> = denials.map(|denial| denial_face(denial).1).into();
        assert_eq!(codes.len(), denials.len(), "each denial has a code of its own");
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
