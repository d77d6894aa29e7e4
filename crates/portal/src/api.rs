//! The management API, asked in this process as its visitor would ask it.

use axum::Router;
use axum::body::{Body, to_bytes};
use doorward_domain::address::ClientAddress;
use http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tower::ServiceExt as _;

use crate::refusal::{Refusal, Why};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Far above any answer that a page is made of.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The API with the credential and the address of a visitor.
#[derive(Debug)]
pub(crate) struct Api {
    service: Router,
    /// A session, or a key. `None`: what everybody may ask.
    credential: Option<SecretString>,
    address: ClientAddress,
    user_agent: Option<HeaderValue>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// What `after` says to get the next page.
    pub(crate) next: Option<String>,
}

/// How a request is sent, beside its body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent<'a> {
    /// What tells a second sending of the same form from another one.
    pub(crate) once: Option<&'a str>,
    /// The version that an edit was made of.
    pub(crate) version: Option<&'a str>,
}

impl Api {
    pub(crate) const fn new(
        service: Router,
        credential: Option<SecretString>,
        address: ClientAddress,
        user_agent: Option<HeaderValue>,
    ) -> Self {
        Self { service, credential, address, user_agent }
    }

    /// The same with another credential.
    pub(crate) fn with(&self, credential: SecretString) -> Self {
        let (service, user_agent) = (self.service.clone(), self.user_agent.clone());
        Self { service, credential: Some(credential), address: self.address, user_agent }
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let answer = self.ask(Method::GET, path, None, Sent::default()).await?;
        read(answer).await
    }

    /// Reads something, and the version that an edit of it is made of.
    pub(crate) async fn get_versioned<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, String), Refusal> {
        let answer = self.ask(Method::GET, path, None, Sent::default()).await?;
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let version = etag.unwrap_or_default().to_owned();
        Ok((read(answer).await?, version))
    }

    /// Does something that is answered with what came of it.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Map<String, Value>,
        sent: Sent<'_>,
    ) -> Result<T, Refusal> {
        read(self.ask(method, path, Some(body), sent).await?).await
    }

    /// Does something whose answer says no more than that it is done.
    pub(crate) async fn act(
        &self,
        method: Method,
        path: &str,
        body: Option<&Map<String, Value>>,
        sent: Sent<'_>,
    ) -> Result<(), Refusal> {
        self.ask(method, path, body, sent).await.map(drop)
    }

    /// Asks; what is refused is an error.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Map<String, Value>>,
        sent: Sent<'_>,
    ) -> Result<Response<Body>, Refusal> {
        let request = self.request(method, path, body, sent)?;
        let answer = match self.service.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer).await) }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Map<String, Value>>,
        sent: Sent<'_>,
    ) -> Result<Request<Body>, Refusal> {
        let text = body.map(serde_json::to_string).transpose();
        let text = text.map_err(|error| Refusal::fault(&error))?;
        let has_body = text.is_some();
        let request = Request::builder().method(method).uri(path);
        let request = request.body(text.map_or_else(Body::empty, Body::from));
        let mut request = request.map_err(|error| Refusal::fault(&error))?;
        request.extensions_mut().insert(self.address);
        let headers = request.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(credential) = &self.credential {
            let text = format!("Bearer {}", credential.expose_secret());
            let mut value = HeaderValue::try_from(text).map_err(|error| Refusal::fault(&error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let user_agent = self.user_agent.clone();
        headers.extend(user_agent.map(|value| (USER_AGENT, value)));
        for (name, text) in [(IDEMPOTENCY_KEY, sent.once), (IF_MATCH, sent.version)] {
            let Some(text) = text else { continue };
            let value = HeaderValue::try_from(text).map_err(|error| Refusal::fault(&error))?;
            headers.insert(name, value);
        }
        Ok(request)
    }
}

async fn read<T: DeserializeOwned>(answer: Response<Body>) -> Result<T, Refusal> {
    let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| Refusal::fault(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::fault(&error))
}

/// The problem that the API tells (RFC 9457).
async fn refused(answer: Response<Body>) -> Refusal {
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap_or_default();
    let why = serde_json::from_slice(&bytes).unwrap_or_else(|_| Why::without_words(parts.status));
    let retry_after = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_seconds = retry_after.and_then(|text| text.parse().ok());
    Refusal::new(parts.status, Why { retry_after_seconds, ..why })
}
