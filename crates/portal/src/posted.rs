//! Forms that are sent. None is read before it is known that a page of this portal sent it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use http::StatusCode;
use http::request::Parts;
use subtle::ConstantTimeEq as _;

use crate::cookie;
use crate::form::Form;
use crate::portal::Portal;
use crate::refusal::{Refusal, Why};
use crate::visitor::{Guest, Turned, Visitor};

/// A form that somebody who is signed in sent from a page of their session.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    pub(crate) form: Form,
}

/// A form that somebody who is not signed in sent from a page of the portal.
#[derive(Debug)]
pub(crate) struct GuestPosted {
    pub(crate) guest: Guest,
    pub(crate) form: Form,
    /// The head of the request, for the cookie that may come of it.
    pub(crate) parts: Parts,
}

impl FromRequest<Portal> for Posted {
    type Rejection = Turned;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Turned> {
        let (mut parts, body) = request.into_parts();
        refuse_other_sites(&parts)?;
        let visitor = Visitor::from_request_parts(&mut parts, portal).await?;
        let form = read(Request::from_parts(parts, body), portal).await?;
        let shown = form.value("csrf").as_bytes();
        if !bool::from(shown.ct_eq(visitor.csrf.as_bytes())) {
            return Err(Refusal::stale_form().into());
        }
        Ok(Self { visitor, form })
    }
}

impl FromRequest<Portal> for GuestPosted {
    type Rejection = Refusal;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        // Else a page of another site could sign its visitors in as somebody else.
        refuse_other_sites(&parts)?;
        let guest = Guest::from_request_parts(&mut parts, portal).await?;
        let form = read(Request::from_parts(parts.clone(), body), portal).await?;
        Ok(Self { guest, form, parts })
    }
}

fn refuse_other_sites(parts: &Parts) -> Result<(), Refusal> {
    cookie::is_same_origin(parts).then_some(()).ok_or_else(Refusal::stale_form)
}

async fn read(request: Request, portal: &Portal) -> Result<Form, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Why::without_words(StatusCode::PAYLOAD_TOO_LARGE),
        )
    };
    let body = Bytes::from_request(request, portal).await.map_err(|_| too_large())?;
    Form::read(&body).ok_or_else(too_large)
}
