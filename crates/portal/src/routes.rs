//! The table of pages.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use tower::ServiceExt as _;

use crate::assets;
use crate::pages::{keys, sign_in, theme};
use crate::portal::Portal;
use crate::refusal::Refusal;

/// Far above any form; a list of addresses is the longest field.
const FORM_BYTES_MAX: usize = 256 << 10;

/// Everything comes from here, no script but our file runs, and no other site shows our pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types doorward";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// One page, or one form.
struct Route {
    path: &'static str,
    handler: MethodRouter<Portal>,
}

fn show<H: Handler<T, Portal>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { path, handler: get(handler) }
}

fn act<H: Handler<T, Portal>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { path, handler: post(handler) }
}

#[rustfmt::skip]
fn table() -> Vec<Route> {
    vec![
        show("/",                          keys::home),
        show("/sign-in",                   sign_in::show),
        act ("/sign-in",                   sign_in::act),
        act ("/sign-out",                  sign_in::sign_out),
        act ("/theme",                     theme::act),
        show("/keys",                      keys::list),
        show("/keys/new",                  keys::new),
        act ("/keys/new",                  keys::create),
        show("/assets/{content}/{name}",   assets::show),
    ]
}

/// The portal, and behind it, for all other paths, the management API.
///
/// Each request needs [`ClientAddress`](doorward_domain::address::ClientAddress) among its extensions.
pub fn router(portal: Portal) -> Router {
    let add = |router: Router<Portal>, route: Route| router.route(route.path, route.handler);
    table()
        .into_iter()
        .fold(Router::new(), add)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(guard))
        .fallback(elsewhere)
        .with_state(portal)
}

/// What is no page is the API's. Where that has nothing either, a person who followed a link is told so in
/// a page.
async fn elsewhere(State(portal): State<Portal>, request: Request) -> Response {
    let is_person = request.headers().get(ACCEPT).is_some_and(names_html);
    let answer = match portal.api.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if is_person && answer.status() == StatusCode::NOT_FOUND {
        let mut page = Refusal::not_found().into_response();
        protect(page.headers_mut());
        return page;
    }
    answer
}

/// Whether a browser goes to it as to a page. Programs that ask the API want JSON, or anything.
fn names_html(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.contains("text/html"))
}

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    protect(response.headers_mut());
    response
}

/// Tells browsers what pages of the portal may do.
fn protect(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
