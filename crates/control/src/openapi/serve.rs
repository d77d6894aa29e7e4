//! `/openapi.json`, and `/docs` for people. Both are the same for everybody, so neither needs a key.

use std::sync::LazyLock;

use askama::Template as _;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use super::page::DocsPage;
use super::{document, openapi_json};
use crate::Control;
use crate::problem::ApiError;

const STYLE: &str = include_str!("../../templates/docs.css");

/// The page has one file of styles of its own, and nothing else: no script, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What describes the API.
pub(crate) fn pages() -> Router<Control> {
    Router::new()
        .route("/openapi.json", get(show_description))
        .route("/docs", get(show_page))
        .route("/docs/style.css", get(async || typed("text/css; charset=utf-8", STYLE)))
}

/// Made once: it is the same until the program ends.
async fn show_description() -> Result<Response, ApiError> {
    static TEXT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(openapi_json);
    let text = TEXT.as_ref().map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(typed("application/json", text))
}

async fn show_page() -> Result<Response, ApiError> {
    static PAGE: LazyLock<Result<String, String>> = LazyLock::new(render);
    let page = PAGE.as_ref().map_err(|error| ApiError::Internal(error.clone()))?;
    Ok(typed("text/html; charset=utf-8", page))
}

fn render() -> Result<String, String> {
    let document = serde_json::to_value(document()).map_err(|error| error.to_string())?;
    DocsPage::new(&document).render().map_err(|error| error.to_string())
}

fn typed(kind: &'static str, text: &'static str) -> Response {
    const HEADERS: [(HeaderName, &str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
