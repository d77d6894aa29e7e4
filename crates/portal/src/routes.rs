//! The table of pages.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use tower::ServiceExt as _;

use crate::assets;
use crate::pages::{
    account, audit, general_keys, keys, link, models, notifications, password_reset, people,
    playground, projects, providers, requests, service_accounts, settings, sign_in, theme, usage,
    welcome,
};
use crate::portal::Portal;
use crate::refusal::{Refusal, framed};

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
#[expect(clippy::too_many_lines, reason = "one table, one line for each page")]
fn table() -> Vec<Route> {
    vec![
        show("/",                          keys::home),
        show("/sign-in",                   sign_in::show),
        act ("/sign-in",                   sign_in::act),
        act ("/sign-out",                  sign_in::sign_out),
        show("/welcome",                   welcome::show),
        act ("/welcome",                   welcome::act),
        show("/invitation",                link::invitation),
        act ("/invitation",                link::act),
        show("/password-reset",            password_reset::show),
        act ("/password-reset",            password_reset::act),
        show("/account",                   account::show),
        show("/account/password",          account::password::show),
        act ("/account/password",          account::password::act),
        act ("/account/sessions/end",      account::sessions::end_others),
        act ("/account/sessions/{id}/end", account::sessions::end),
        show("/account/second-factor",         account::second_factor::show),
        act ("/account/second-factor",         account::second_factor::begin),
        act ("/account/second-factor/confirm", account::second_factor::confirm),
        show("/account/second-factor/remove",  account::second_factor::show_remove),
        act ("/account/second-factor/remove",  account::second_factor::remove),
        act ("/theme",                     theme::act),
        show("/keys",                      keys::list),
        show("/keys/new",                  keys::new),
        act ("/keys/new",                  keys::create),
        show("/people",                    people::list),
        show("/people/new",                people::new),
        act ("/people/new",                people::create),
        show("/people/{id}",               people::show),
        show("/people/{id}/edit",          people::edit),
        act ("/people/{id}/edit",          people::save),
        act ("/people/{id}/end-sessions",  people::end_sessions),
        act ("/people/{id}/invitation",    people::invite),
        act ("/people/{id}/password-reset", people::reset),
        show("/people/{id}/second-factor", people::ask_second_factor),
        act ("/people/{id}/second-factor", people::take_second_factor),
        show("/people/{id}/disable",       people::ask_disable),
        act ("/people/{id}/disable",       people::disable),
        act ("/people/{id}/enable",        people::enable),
        show("/people/{id}/remove",        people::ask_remove),
        act ("/people/{id}/remove",        people::remove),
        show("/projects",                  projects::list),
        show("/projects/new",              projects::new),
        act ("/projects/new",              projects::create),
        show("/projects/{id}",             projects::show),
        show("/projects/{id}/edit",        projects::edit),
        act ("/projects/{id}/edit",        projects::save),
        show("/projects/{id}/prompts",     projects::prompts),
        act ("/projects/{id}/prompts",     projects::keep_prompts),
        act ("/projects/{id}/members",     projects::add_member),
        act ("/projects/{id}/members/{user}", projects::set_member),
        act ("/projects/{id}/members/{user}/remove", projects::remove_member),
        show("/projects/{id}/remove",      projects::ask_remove),
        act ("/projects/{id}/remove",      projects::remove),
        show("/audit",                     audit::list),
        show("/audit/download",            audit::download),
        act ("/audit/verify",              audit::verify),
        show("/settings",                  settings::show),
        act ("/settings",                  settings::save),
        show("/settings/organization",     settings::organization),
        act ("/settings/organization",     settings::save_organization),
        show("/notifications",             notifications::list),
        show("/notifications/webhooks/new", notifications::new),
        act ("/notifications/webhooks/new", notifications::create),
        show("/notifications/webhooks/{id}", notifications::show),
        act ("/notifications/webhooks/{id}", notifications::save),
        act ("/notifications/webhooks/{id}/test", notifications::test),
        show("/notifications/webhooks/{id}/rotate", notifications::ask_rotate),
        act ("/notifications/webhooks/{id}/rotate", notifications::rotate),
        show("/notifications/webhooks/{id}/delete", notifications::ask_delete),
        act ("/notifications/webhooks/{id}/delete", notifications::delete),
        act ("/notifications/notices/{id}/retry", notifications::retry),
        show("/usage",                     usage::show),
        show("/usage/export",              usage::export),
        show("/playground",                playground::show),
        act ("/playground",                playground::act),
        act ("/playground/token",          playground::hand_token),
        show("/playground/calls/{id}",     playground::show_call),
        show("/my-models",                 models::mine),
        show("/models",                    models::list),
        show("/models/new",                models::new),
        act ("/models/new",                models::create),
        show("/models/show/{*name}",       models::show),
        show("/models/edit/{*name}",       models::edit),
        act ("/models/edit/{*name}",       models::save),
        act ("/models/show/{*name}",       models::set_state),
        show("/models/disable/{*name}",    models::ask_disable),
        act ("/models/disable/{*name}",    models::disable),
        show("/models/delete/{*name}",     models::confirm),
        act ("/models/delete/{*name}",     models::delete),
        show("/providers",                 providers::list),
        show("/providers/new",             providers::new),
        act ("/providers/new",             providers::create),
        show("/providers/{id}",            providers::show),
        show("/providers/{id}/offer",      providers::back),
        act ("/providers/{id}/offer",      providers::offer),
        act ("/providers/{id}/test",       providers::test),
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
    let add = |router: Router<Portal>, route: Route| router.route(route.path, route.handler);
    table()
        .into_iter()
        .fold(Router::new(), add)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(portal.clone(), guard))
        .fallback(elsewhere)
        .with_state(portal)
}

/// What is no page is the API's. Where that has nothing either, a person who followed a link is told so in
/// a page.
async fn elsewhere(State(portal): State<Portal>, request: Request) -> Response {
    let is_person = request.headers().get(ACCEPT).is_some_and(names_html);
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head.clone(), body);
    let answer = match portal.api.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if is_person && answer.status() == StatusCode::NOT_FOUND {
        let mut page = framed(Refusal::not_found().into_response(), head, &portal).await;
        protect(page.headers_mut());
        return page;
    }
    answer
}

/// Whether a browser goes to it as to a page. Programs that ask the API want JSON, or anything.
fn names_html(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.contains("text/html"))
}

async fn guard(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let response = next.run(Request::from_parts(head.clone(), body)).await;
    let mut response = framed(response, head, &portal).await;
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
        // A page may say that it is more careful.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
