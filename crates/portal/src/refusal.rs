//! What a visitor does not get, and the page that says so.

use std::fmt::Display;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;

use crate::answer::{page, see_other};
use crate::cookie;
use crate::frame::Frame;
use crate::text::text_with;

/// Why something was not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: Why,
}

/// What the API says of it (RFC 9457).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Why {
    /// For programs: `name_taken`.
    #[serde(default)]
    pub(crate) code: String,
    /// For people.
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<FieldError>,
    /// After how many seconds another try is worth it, where the API says so.
    #[serde(skip)]
    pub(crate) retry_after_seconds: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FieldError {
    /// Where it is, as `limits.concurrency` or `ip_allow[2]`.
    pub(crate) field: String,
    /// Why, for people.
    pub(crate) detail: String,
}

impl FieldError {
    /// Of a field that the API could not even be asked with; `text` is the name of what is said of it.
    pub(crate) fn new(field: &str, text: &str) -> Self {
        Self { field: field.to_owned(), detail: crate::text::text(text) }
    }
}

impl Why {
    /// Of an answer that said nothing.
    pub(crate) fn without_words(status: StatusCode) -> Self {
        let detail = status.canonical_reason().unwrap_or_default().to_owned();
        Self { detail, ..Self::default() }
    }
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, why: Why) -> Self {
        Self { status, why }
    }

    /// There is no such page, or nothing that the visitor may see.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Why::default())
    }

    /// The visitor's role does not go so far.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, Why::default())
    }

    /// A page of another site sent the form, or one that is too old.
    pub(crate) fn stale_form() -> Self {
        let code = "stale_form".to_owned();
        Self::new(StatusCode::FORBIDDEN, Why { code, ..Why::default() })
    }

    /// A fault of ours: the log gets it, the visitor does not.
    pub(crate) fn fault(error: &dyn Display) -> Self {
        tracing::error!(%error, "a page could not be made");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Why::default())
    }

    /// Whether a form can be mended and sent again: what is typed is wrong, or clashes with what is there.
    pub(crate) fn is_of_form(&self) -> bool {
        const FOUND: [StatusCode; 6] = [
            StatusCode::BAD_REQUEST,
            StatusCode::CONFLICT,
            StatusCode::FORBIDDEN,
            StatusCode::PRECONDITION_FAILED,
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        FOUND.contains(&self.status) && self.why.code != "stale_form"
    }

    /// Why, for people.
    pub(crate) fn words(&self) -> String {
        match self.why.retry_after_seconds {
            Some(seconds) if self.status == StatusCode::TOO_MANY_REQUESTS => too_many(seconds),
            Some(_) | None => self.why.detail.clone(),
        }
    }

    /// Whether the session is over, or was none.
    pub(crate) fn is_signed_out(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

/// What is said to whoever tried too often: in minutes where there are some, and rather more than less.
fn too_many(seconds: u32) -> String {
    match seconds {
        ..=90 => text_with("too-many-seconds", "n", seconds),
        _ => text_with("too-many-minutes", "n", seconds.div_ceil(60)),
    }
}

#[derive(Debug, Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    frame: Frame,
    title: String,
    text: String,
}

impl RefusalPage {
    fn new(refusal: &Refusal) -> Self {
        let frame = Frame::bare(None, None, jiff::Timestamp::UNIX_EPOCH);
        let kind = match refusal.status {
            StatusCode::NOT_FOUND => "missing",
            StatusCode::FORBIDDEN if refusal.why.code == "stale_form" => "stale-form",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_client_error() => "refused",
            _ => "fault",
        };
        let title = frame.t(&format!("refusal-{kind}-title"));
        let text = match (kind, refusal.why.detail.as_str()) {
            ("refused", detail) if !detail.is_empty() => refusal.words(),
            _ => frame.t(&format!("refusal-{kind}-text")),
        };
        Self { frame, title, text }
    }
}

/// Leads whoever is not signed in any more to a page, and has the browser forget the session.
pub(crate) fn signed_out(path: &str) -> Response {
    let mut response = see_other(path);
    for cookie in cookie::forget_session() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.is_signed_out() {
            return signed_out("/sign-in?done=session-over");
        }
        page(self.status, &RefusalPage::new(&self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_tried_too_often_is_told_when_to_try_again() {
        for (seconds, expected) in [
            (1, "a second"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (300, "5 minutes"),
            (301, "6 minutes"),
        ] {
            let words = too_many(seconds);
            assert!(words.contains(&format!("in {expected}.")), "{seconds}: {words}");
        }
    }
}
