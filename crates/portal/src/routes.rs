//! The table of pages.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use crate::assets;
use crate::pages::{keys, requests, service_accounts, sign_in, theme};
use crate::portal::Portal;

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
        act ("/keys/file",                 keys::file),
        show("/keys/{id}",                 keys::show),
        show("/keys/{id}/edit",            keys::edit_form),
        act ("/keys/{id}/edit",            keys::edit),
        show("/keys/{id}/rotate",          keys::rotate_form),
        act ("/keys/{id}/rotate",          keys::rotate),
        show("/keys/{id}/disable",         keys::disable),
        act ("/keys/{id}/disable",         keys::act_disable),
        act ("/keys/{id}/enable",          keys::act_enable),
        show("/keys/{id}/delete",          keys::delete),
        act ("/keys/{id}/delete",          keys::act_delete),
        show("/keys/{id}/end-overlap",     keys::overlap),
        act ("/keys/{id}/end-overlap",     keys::act_overlap),
        show("/keys/{id}/ask",             requests::ask_form),
        act ("/keys/{id}/ask",             requests::ask),
        show("/agent-keys",                keys::list_service),
        show("/agent-keys/new",            keys::new_service),
        act ("/agent-keys/new",            keys::create_service),
        show("/requests",                  requests::list),
        show("/requests/{id}",             requests::show),
        act ("/requests/{id}",             requests::decide),
        show("/service-accounts",          service_accounts::list),
        show("/service-accounts/new",      service_accounts::new),
        act ("/service-accounts/new",      service_accounts::create),
        show("/service-accounts/{id}",     service_accounts::show),
        act ("/service-accounts/{id}",     service_accounts::edit),
        show("/service-accounts/{id}/disable", service_accounts::disable),
        act ("/service-accounts/{id}/disable", service_accounts::act_disable),
        act ("/service-accounts/{id}/enable",  service_accounts::act_enable),
        show("/service-accounts/{id}/remove",  service_accounts::remove),
        act ("/service-accounts/{id}/remove",  service_accounts::act_remove),
        show("/assets/{content}/{name}",   assets::show),
    ]
}

/// The portal, and behind it, for all other paths, the management API.
///
/// Each request needs [`ClientAddress`](doorward_domain::address::ClientAddress) among its extensions.
pub fn router(portal: Portal) -> Router {
    let api = portal.api.clone();
    let add = |router: Router<Portal>, route: Route| router.route(route.path, route.handler);
    table()
        .into_iter()
        .fold(Router::new(), add)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn(guard))
        .with_state(portal)
        .fallback_service(api)
}

/// Tells browsers what pages of the portal may do.
async fn guard(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
