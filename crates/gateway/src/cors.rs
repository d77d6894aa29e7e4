//! What browsers want to know before a page may call, and before it may read.
//! Source: <https://fetch.spec.whatwg.org/#http-cors-protocol>.
//!
//! Answers name one origin, never all of them, and never allow a browser to send what it has stored: a
//! page shows its key itself.

use doorward_domain::denial::Denial;
use doorward_domain::origin::Origin;
use doorward_store::Store;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::answer::{Answer, Headers};
use crate::error::ProxyError;
use crate::relay::RelayBody;
use crate::route::WrongMethod;
use crate::verify;

const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// SDKs send headers of their own; `*` stands for every one but `authorization`.
const SENT: HeaderValue = HeaderValue::from_static("authorization, *");
/// Two hours: no browser keeps the answer longer than its own bound, of which this is the least.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// What a page may read besides the body.
const READ: HeaderValue = HeaderValue::from_static(
    "x-request-id, request-id, retry-after, x-should-retry, x-doorward-key, x-doorward-model, \
     x-doorward-provider, x-doorward-attempts, x-doorward-max-tokens, x-doorward-dropped, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, \
     anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, \
     anthropic-ratelimit-requests-reset, anthropic-ratelimit-tokens-limit, \
     anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset, \
     ratelimit, ratelimit-policy",
);

/// Lets a page read the answer.
pub(crate) fn let_read(reader: &HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    headers.insert(VARY, VARY_ORIGIN);
}

/// Answers a browser that asks whether a page may call. It shows no key, so the answer is yes where any
/// active key is for pages of that origin; whether the key of the call is, the call finds out. Only
/// somebody who guesses an origin can learn from it, and no more than the page tells everybody. `other`:
/// what is said where nothing of a browser is in the request.
pub(crate) async fn preflight(
    store: &Store,
    headers: &HeaderMap,
    other: WrongMethod,
) -> Result<Answer, ProxyError> {
    let asks = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let page =
        verify::origin(headers).filter(|_| asks).ok_or(ProxyError::WrongMethod(other.allow))?;
    if !is_allowed(store, &page).await? {
        return Err(Denial::OriginRefused.into());
    }
    let headers = Headers::from_iter([
        (ACCESS_CONTROL_ALLOW_ORIGIN, page),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        (VARY, VARY_ORIGIN),
    ]);
    Ok(Answer { status: StatusCode::NO_CONTENT, headers, body: RelayBody::Whole(None) })
}

/// What no browser would write is the origin of no page.
async fn is_allowed(store: &Store, page: &HeaderValue) -> Result<bool, ProxyError> {
    let Some(text) = page.to_str().ok() else { return Ok(false) };
    match text.parse::<Origin>() {
        Ok(origin) if origin.as_str() == text => Ok(store.is_origin_allowed(&origin).await?),
        Ok(_) | Err(_) => Ok(false),
    }
}
