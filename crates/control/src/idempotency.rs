//! `Idempotency-Key`: a POST that is sent twice is done once, and answered twice.
//!
//! Only what was done is answered again. A request that was refused changed nothing: sent again, it
//! is tried again. The secret of a new key is in the repeated answer for ten minutes only; after
//! that its place is null.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use doorward_store::{Claim, FirstAnswer, IdempotentRequest, StoreError};
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::Control;
use crate::caller::{Caller, Proof};
use crate::faults::FieldError;
use crate::problem::ApiError;
use crate::request::read_body;

const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest name that a client can give to a request.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Far above any answer: it repeats what the request said, which is bounded.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// The body of an answer without the secret that the answer holds, among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct WithoutSecret(pub(crate) String);

/// Does what is asked, unless the caller asked for just that before.
pub(crate) async fn once(
    control: &Control,
    caller: &Caller,
    proof: &Proof,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(name) = name(&request)? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = read_body(Request::from_parts(parts.clone(), body), control).await?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let said = [target.as_bytes(), &body];
    let mac = |purpose: &str, parts: &[&[u8]]| proof.mac(purpose, parts);
    let asked = IdempotentRequest::new(caller.organization(), mac, name.as_bytes(), &said);
    match control.store.claim_request(&asked, control.now()).await? {
        Claim::New => {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            finish(control, &asked, response).await
        }
        Claim::Done(answer) => Ok(replay(answer)),
        Claim::Running => Err(conflict(
            "idempotency_key_in_use",
            "The first request with this Idempotency-Key is still being worked on. Try again in a moment.",
        )),
        Claim::Reused => Err(conflict(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request. Use a new one for each request.",
        )),
    }
}

fn conflict(code: &'static str, detail: &str) -> ApiError {
    ApiError::Conflict { code, detail: detail.to_owned(), field: None }
}

/// What the client calls its request; other methods than POST can be repeated as they are.
fn name(request: &Request) -> Result<Option<HeaderValue>, ApiError> {
    let mut values = request.headers().get_all(NAME).iter();
    let Some(name) = values.next().filter(|_| request.method() == Method::POST) else {
        return Ok(None);
    };
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if fits && values.next().is_none() && name.as_bytes().iter().all(u8::is_ascii_graphic) {
        return Ok(Some(name.clone()));
    }
    let detail = format!("must be one text of 1 to {NAME_BYTES_MAX} visible ASCII characters");
    Err(ApiError::Invalid(vec![FieldError::new(NAME.as_str(), "invalid", detail)]))
}

/// Keeps the answer of what was done. Where that fails, what was done stays done: the answer goes
/// out all the same.
async fn finish(
    control: &Control,
    asked: &IdempotentRequest,
    response: Response,
) -> Result<Response, ApiError> {
    if !response.status().is_success() {
        log(control.store.release_request(asked).await);
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream") {
        // A file that streams is made anew each time: it is too large to keep.
        log(control.store.release_request(asked).await);
        return Ok(Response::from_parts(parts, body));
    }
    let body = to_bytes(body, ANSWER_BYTES_MAX).await;
    let body = body.map_err(|error| ApiError::Internal(error.to_string()))?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let (body_kept, whole) = match parts.extensions.get::<WithoutSecret>() {
        Some(WithoutSecret(without)) => (without.clone(), Some(SecretString::from(text))),
        None => (text, None),
    };
    let etag = text_of(&parts.headers, &ETAG);
    let answer = FirstAnswer { status: parts.status.as_u16(), etag, body: body_kept, whole };
    log(control.store.keep_answer(asked, &answer).await);
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn log(kept: Result<(), StoreError>) {
    if let Err(error) = kept {
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer could not be kept");
    }
}

fn replay(answer: FirstAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let body = answer.whole.map_or(answer.body, |whole| whole.expose_secret().to_owned());
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(etag) = answer.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    response
}
