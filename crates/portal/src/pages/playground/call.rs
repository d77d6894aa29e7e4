//! A call that is made here, for whoever has no scripts.

use axum::body::{Body, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::portal::Portal;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const PATH: &str = "/v1/chat/completions";
const REQUEST_ID: &str = "x-request-id";
/// Far above any answer in words.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What came of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The answer; or, where the call was refused or failed, why.
    pub(super) text: Result<String, String>,
    /// Under which id it was settled.
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    reasoning_content: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// Calls a model with a token, as if its client had come off a connection.
pub(super) async fn make(
    portal: &Portal,
    visitor: &Visitor,
    token: &SecretString,
    body: &str,
) -> Result<Outcome, Refusal> {
    let request = request(visitor, token, body)?;
    let answer = match portal.calls.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let id = answer.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.unwrap_or_default();
    let unreadable = || status.canonical_reason().unwrap_or_default().to_owned();
    let text = match serde_json::from_slice::<Completion>(&bytes) {
        Ok(Completion { error: Some(error), .. }) => Err(error.message),
        Ok(Completion { choices, .. }) if status.is_success() => Ok(words(choices)),
        Ok(_) | Err(_) => Err(unreadable()),
    };
    Ok(Outcome { text, id })
}

fn words(choices: Vec<Choice>) -> String {
    let first = choices.into_iter().next().map(|choice| choice.message);
    let said = first.map(|message| {
        message.content.filter(|text| !text.is_empty()).or(message.reasoning_content)
    });
    said.flatten().unwrap_or_default()
}

fn request(visitor: &Visitor, token: &SecretString, body: &str) -> Result<Request<Body>, Refusal> {
    let bearer = format!("Bearer {}", token.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|error| Refusal::fault(&error))?;
    bearer.set_sensitive(true);
    let request = Request::builder().method(Method::POST).uri(PATH).header(AUTHORIZATION, bearer);
    let request = request.header(CONTENT_TYPE, "application/json").extension(visitor.address);
    request.body(Body::from(body.to_owned())).map_err(|error| Refusal::fault(&error))
}
