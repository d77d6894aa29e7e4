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
use crate::pages::{general_keys, keys, models, providers, sign_in, theme};
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
        show("/models",                    models::list),
        show("/models/new",                models::new),
        act ("/models/new",                models::create),
        show("/models/show/{*name}",       models::show),
        show("/models/edit/{*name}",       models::edit),
        act ("/models/edit/{*name}",       models::save),
        act ("/models/show/{*name}",       models::set_state),
        show("/models/delete/{*name}",     models::confirm),
        act ("/models/delete/{*name}",     models::delete),
        show("/providers",                 providers::list),
        show("/providers/new",             providers::new),
        act ("/providers/new",             providers::create),
        show("/providers/{id}",            providers::show),
        show("/providers/{id}/offer",      providers::back),
        act ("/providers/{id}/offer",      providers::offer),
        show("/providers/{id}/edit",       providers::edit),
        act ("/providers/{id}/edit",       providers::save),
        show("/providers/{id}/delete",     providers::confirm),
        act ("/providers/{id}/delete",     providers::delete),
        show("/general-keys",              general_keys::list),
        show("/general-keys/new",          general_keys::new),
        act ("/general-keys/new",          general_keys::create),
        show("/general-keys/{id}",         general_keys::show),
        act ("/general-keys/{id}",         general_keys::test),
        show("/general-keys/{id}/edit",    general_keys::edit),
        act ("/general-keys/{id}/edit",    general_keys::save),
        show("/general-keys/{id}/delete",  general_keys::confirm),
        act ("/general-keys/{id}/delete",  general_keys::delete),
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
