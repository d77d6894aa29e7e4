//! What a visitor does not get, and the page that says so.

use std::fmt::Display;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::{page, see_other};
use crate::cookie;
use crate::frame::Frame;
use crate::portal::Portal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

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

    /// The role of the visitor has no such page.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, Why::default())
    }

    /// There is no such page, or nothing that the visitor may see.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Why::default())
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

/// What is said instead of a page. It goes along with the answer, for [`framed`].
#[derive(Debug, Clone)]
pub(crate) struct Told {
    status: StatusCode,
    title: String,
    text: String,
}

/// For somebody of whom nothing is known.
#[derive(Debug, Template)]
#[template(path = "refusal.html")]
struct BarePage {
    frame: Frame,
    told: Told,
}

/// For somebody who is signed in: the ways to other pages stay where they are.
#[derive(Debug, Template)]
#[template(path = "refusal_framed.html")]
struct FramedPage {
    frame: Frame,
    told: Told,
}

impl Told {
    fn new(refusal: &Refusal) -> Self {
        let kind = match refusal.status {
            StatusCode::NOT_FOUND => "missing",
            StatusCode::FORBIDDEN if refusal.why.code == "stale_form" => "stale-form",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            status if status.is_client_error() => "refused",
            _ => "fault",
        };
        let title = text(&format!("refusal-{kind}-title"));
        let text = match (kind, refusal.why.detail.as_str()) {
            ("refused", detail) if !detail.is_empty() => refusal.words(),
            _ => text(&format!("refusal-{kind}-text")),
        };
        Self { status: refusal.status, title, text }
    }
}

/// The same in the frame of whoever is signed in; of whoever is not, as it is.
pub(crate) async fn framed(answer: Response, head: Parts, portal: &Portal) -> Response {
    let Some(told) = answer.extensions().get::<Told>().cloned() else { return answer };
    // What a page of another site sends asks nothing of the API.
    if head.method != Method::GET && !cookie::is_same_origin(&head) {
        return answer;
    }
    match Visitor::of(&head, portal).await {
        Ok(visitor) => page(told.status, &FramedPage { frame: visitor.frame(""), told }),
        Err(_) => answer,
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
        let (told, frame) = (Told::new(&self), Frame::bare(None, None, Timestamp::UNIX_EPOCH));
        let mut answer = page(self.status, &BarePage { frame, told: told.clone() });
        answer.extensions_mut().insert(told);
        answer
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
