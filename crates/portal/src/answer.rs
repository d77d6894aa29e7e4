//! How pages leave.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

/// A page. It is made for this visitor at this moment, and kept nowhere.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let mut response = (status, text).into_response();
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that is as it should be.
pub(crate) fn ok(template: &impl Template) -> Response {
    page(StatusCode::OK, template)
}

/// A form again, with what is wrong with it.
pub(crate) fn again(template: &impl Template) -> Response {
    form_page(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// The same where nothing is wrong with it, and it can be sent again in a moment.
pub(crate) fn busy(template: &impl Template) -> Response {
    let mut response = form_page(StatusCode::SERVICE_UNAVAILABLE, template);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What is wrong stands above the fields, by their labels: these are known when the page was made once.
fn form_page(status: StatusCode, template: &impl Template) -> Response {
    drop(template.render());
    page(status, template)
}

/// Leads on after something was done, so that loading again does not do it again.
pub(crate) fn see_other(path: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(path) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}
