//! The table of routes: what is served, and to whom.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use doorward_domain::id::CallId;
use doorward_domain::scope::Scope;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use tracing::Instrument;

use crate::Control;
use crate::api::{
    audit, backup, calls, increases, keys, models, notices, organization, own_account,
    password_links, projects, provider_keys, providers, service_accounts, sessions, settings,
    usage, users, webhooks,
};
use crate::caller::authorize;
use crate::control::id_parts;
use crate::oauth;
use crate::openapi::pages;
use crate::problem::ApiError;
use crate::request::BODY_BYTES_MAX;
use crate::unknown_path::unknown_path;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One thing that the API does.
struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<Control>,
}

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a credential; what it takes is bounded for each address.
    Public,
    /// A user who is signed in, whatever their role; no key.
    SignedIn,
    /// A user who is signed in, or a key for what concerns itself, whatever its scopes; no key that lives
    /// in a web page, for everybody has it who opens the page.
    Holder,
    /// Keys with this scope, and users whose role has it.
    Scope(Scope),
}

impl From<Scope> for Access {
    fn from(scope: Scope) -> Self {
        Self::Scope(scope)
    }
}

/// A route without its handler: what the API serves, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path, with `{id}` for one segment and `{*name}` for all that follow.
    pub path: &'static str,
    /// Who may ask for it.
    pub access: Access,
}

/// Every route of the management API: for the program that dispatches to it, for its description,
/// and for the test that each of them is guarded.
pub fn policies() -> impl Iterator<Item = Policy> {
    table().into_iter().map(|route| Policy {
        method: route.method.as_str(),
        path: route.path,
        access: route.access,
    })
}

/// The methods that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// A route cannot be written down without saying to whom it is open.
fn route<H: Handler<T, Control>, T: 'static>(
    method: Method,
    path: &'static str,
    access: impl Into<Access>,
    handler: H,
) -> Route {
    Route { method, path, access: access.into(), handler: on(method.filter(), handler) }
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one table, one line for each route")]
fn table() -> Vec<Route> {
    use Method::{Delete, Get, Patch, Post, Put};
    use Access::{Holder, Public, SignedIn};
    use Scope::{Admin, AnalyticsRead, AuditRead, KeysRead, KeysWrite};
    vec![
        route(Post,   "/v1/api-keys",              KeysWrite,     keys::create_key),
        route(Get,    "/v1/api-keys",              KeysRead,      keys::list_keys),
        route(Get,    "/v1/api-keys/{id}",         KeysRead,      keys::show_key),
        route(Patch,  "/v1/api-keys/{id}",         KeysWrite,     keys::edit_key),
        route(Delete, "/v1/api-keys/{id}",         KeysWrite,     keys::revoke_key),
        route(Post,   "/v1/api-keys/{id}/disable", KeysWrite,     keys::disable_key),
        route(Post,   "/v1/api-keys/{id}/enable",  KeysWrite,     keys::enable_key),
        route(Post,   "/v1/api-keys/{id}/rotate",  KeysWrite,     keys::rotate_key),
        route(Delete, "/v1/api-keys/{id}/previous-secrets", KeysWrite, keys::end_previous_secrets),
        route(Post,   "/v1/api-keys/{id}/explain", KeysRead,      keys::explain_key),
        route(Post,   "/v1/api-keys/{id}/token",   SignedIn,      keys::create_key_token),
        route(Get,    "/v1/api-keys/{id}/unused-rights", KeysRead, keys::show_unused_rights),
        route(Get,    "/v1/api-keys/{id}/denials", KeysRead,      keys::list_denials),
        route(Get,    "/v1/api-keys/{id}/audit", KeysRead,      keys::list_key_audit),
        route(Get,    "/v1/unused-rights",         KeysRead,      keys::list_unused_rights),
        route(Post,   "/v1/limit-increases",       Holder,        increases::ask_increase),
        route(Get,    "/v1/limit-increases",       Holder,        increases::list_increases),
        route(Get,    "/v1/limit-increases/{id}",  Holder,        increases::show_increase),
        route(Post,   "/v1/limit-increases/{id}/grant",    KeysWrite, increases::grant_increase),
        route(Post,   "/v1/limit-increases/{id}/decline",  KeysWrite, increases::decline_increase),
        route(Post,   "/v1/limit-increases/{id}/withdraw", Holder,    increases::withdraw_increase),
        route(Post,   "/v1/providers",             Admin,         providers::create_provider),
        route(Get,    "/v1/providers",             Admin,         providers::list_providers),
        route(Get,    "/v1/providers/{id}",        Admin,         providers::show_provider),
        route(Patch,  "/v1/providers/{id}",        Admin,         providers::edit_provider),
        route(Delete, "/v1/providers/{id}",        Admin,         providers::delete_provider),
        route(Post,   "/v1/providers/{id}/test",   Admin,         providers::test_provider),
        route(Post,   "/v1/provider-keys",         Admin,         provider_keys::create_provider_key),
        route(Get,    "/v1/provider-keys",         Admin,         provider_keys::list_provider_keys),
        route(Get,    "/v1/provider-keys/{id}",    Admin,         provider_keys::show_provider_key),
        route(Patch,  "/v1/provider-keys/{id}",    Admin,         provider_keys::edit_provider_key),
        route(Delete, "/v1/provider-keys/{id}",    Admin,         provider_keys::delete_provider_key),
        route(Post,   "/v1/provider-keys/{id}/test", Admin,       provider_keys::test_provider_key),
        route(Post,   "/v1/models",                Admin,         models::create_model),
        route(Get,    "/v1/models",                Admin,         models::list_models),
        route(Get,    "/v1/models/{*name}",        Admin,         models::show_model),
        route(Patch,  "/v1/models/{*name}",        Admin,         models::edit_model),
        route(Delete, "/v1/models/{*name}",        Admin,         models::delete_model),
        route(Get,    "/v1/allowed-models",        KeysRead,      models::list_allowed_models),
        route(Post,   "/v1/users",                 Admin,         users::create_user),
        route(Get,    "/v1/users",                 Admin,         users::list_users),
        route(Get,    "/v1/users/me",              KeysRead,      users::show_me),
        route(Get,    "/v1/users/{id}",            Admin,         users::show_user),
        route(Patch,  "/v1/users/{id}",            Admin,         users::edit_user),
        route(Delete, "/v1/users/{id}",            Admin,         users::remove_user),
        route(Post,   "/v1/users/{id}/disable",    Admin,         users::disable_user),
        route(Post,   "/v1/users/{id}/enable",     Admin,         users::enable_user),
        route(Post,   "/v1/users/{id}/increase",   Admin,         increases::increase_user),
        route(Post,   "/v1/users/{id}/invitation",     Admin,     password_links::invite_user),
        route(Post,   "/v1/users/{id}/password-reset", Admin,     password_links::reset_user_password),
        route(Get,    "/v1/users/{id}/sessions",       Admin,     sessions::list_user_sessions),
        route(Delete, "/v1/users/{id}/sessions",       Admin,     sessions::end_user_sessions),
        route(Delete, "/v1/users/{id}/second-factor",  Admin,     own_account::remove_user_second_factor),
        route(Post,   "/v1/users/me/password",         SignedIn,  own_account::change_password),
        route(Post,   "/v1/users/me/second-factor",    SignedIn,  own_account::begin_second_factor),
        route(Delete, "/v1/users/me/second-factor",    SignedIn,  own_account::remove_second_factor),
        route(Post,   "/v1/users/me/second-factor/confirm", SignedIn, own_account::confirm_second_factor),
        route(Post,   "/v1/password-links/show",   Public,        password_links::show_link),
        route(Post,   "/v1/invitations/accept",    Public,        password_links::accept_invitation),
        route(Post,   "/v1/password-resets",       Public,        password_links::request_reset),
        route(Post,   "/v1/password-resets/accept", Public,       password_links::accept_reset),
        route(Get,    "/v1/sign-in",               Public,        sessions::show_sign_in),
        route(Post,   "/v1/sessions",              Public,        sessions::create_session),
        route(Get,    "/v1/sessions",              SignedIn,      sessions::list_sessions),
        route(Delete, "/v1/sessions",              SignedIn,      sessions::end_other_sessions),
        route(Delete, "/v1/sessions/{id}",         SignedIn,      sessions::end_session),
        route(Post,   "/v1/service-accounts",      Admin,         service_accounts::create_service_account),
        route(Get,    "/v1/service-accounts",      Admin,         service_accounts::list_service_accounts),
        route(Get,    "/v1/service-accounts/{id}", Admin,         service_accounts::show_service_account),
        route(Patch,  "/v1/service-accounts/{id}", Admin,         service_accounts::edit_service_account),
        route(Delete, "/v1/service-accounts/{id}", Admin,         service_accounts::remove_service_account),
        route(Post,   "/v1/service-accounts/{id}/disable", Admin, service_accounts::disable_service_account),
        route(Post,   "/v1/service-accounts/{id}/enable",  Admin, service_accounts::enable_service_account),
        route(Get,    "/v1/organization",          Admin,         organization::show_organization),
        route(Patch,  "/v1/organization",          Admin,         organization::edit_organization),
        route(Post,   "/v1/organization/increase", Admin,         increases::increase_organization),
        route(Post,   "/v1/projects",              Admin,         projects::create_project),
        route(Get,    "/v1/projects",              Admin,         projects::list_projects),
        route(Get,    "/v1/projects/{id}",         Admin,         projects::show_project),
        route(Patch,  "/v1/projects/{id}",         Admin,         projects::edit_project),
        route(Delete, "/v1/projects/{id}",         Admin,         projects::remove_project),
        route(Post,   "/v1/projects/{id}/increase", Admin,        increases::increase_project),
        route(Get,    "/v1/projects/{id}/members", Admin,         projects::list_members),
        route(Put,    "/v1/projects/{id}/members/{user}", Admin,  projects::set_member),
        route(Delete, "/v1/projects/{id}/members/{user}", Admin,  projects::remove_member),
        route(Post,   "/v1/webhooks",              Admin,         webhooks::create_webhook),
        route(Get,    "/v1/webhooks",              Admin,         webhooks::list_webhooks),
        route(Get,    "/v1/webhooks/{id}",         Admin,         webhooks::show_webhook),
        route(Patch,  "/v1/webhooks/{id}",         Admin,         webhooks::edit_webhook),
        route(Delete, "/v1/webhooks/{id}",         Admin,         webhooks::delete_webhook),
        route(Post,   "/v1/webhooks/{id}/rotate",  Admin,         webhooks::rotate_webhook),
        route(Post,   "/v1/webhooks/{id}/test",    Admin,         webhooks::test_webhook),
        route(Get,    "/v1/notices",               Admin,         notices::list_notices),
        route(Get,    "/v1/notices/{id}",          Admin,         notices::show_notice),
        route(Post,   "/v1/notices/{id}/retry",    Admin,         notices::retry_notice),
        route(Get,    "/v1/settings",              Admin,         settings::list_settings),
        route(Patch,  "/v1/settings",              Admin,         settings::change_settings),
        route(Get,    "/v1/calls/{id}",            AnalyticsRead, calls::show_call),
        route(Get,    "/v1/calls/{id}/prompt",     Admin,         calls::show_prompt),
        route(Get,    "/v1/usage",                 AnalyticsRead, usage::report_usage),
        route(Get,    "/v1/usage/failures",        AnalyticsRead, usage::list_failures),
        route(Get,    "/v1/audit",                 AuditRead,     audit::list_audit),
        route(Get,    "/v1/audit/verify",          AuditRead,     audit::verify_audit),
        route(Post,   "/v1/backup",                Admin,         backup::make_backup),
    ]
}

/// The management API, to be served beside the gateway.
///
/// `GET /v1/models` and `GET /v1/models/{name}` are served here with `view=routes` only; without it
/// they are the gateway's. Each request needs [`ClientAddress`](doorward_domain::address::ClientAddress) among its
/// extensions.
pub fn router(control: Control) -> Router {
    let guarded = |router: Router<Control>, route: Route| {
        let guard = from_fn_with_state((control.clone(), route.access), authorize);
        let handler = match route.access {
            Access::Public => route.handler,
            Access::SignedIn | Access::Holder | Access::Scope(_) => {
                route.handler.route_layer(guard)
            }
        };
        router.route(route.path, handler)
    };
    table()
        .into_iter()
        .fold(Router::new(), guarded)
        .merge(pages())
        .merge(oauth::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(control.clone(), finish))
        .with_state(control)
}

/// Gives every answer its id, under which the log knows it, and keeps it out of caches.
async fn finish(State(control): State<Control>, request: Request, next: Next) -> Response {
    let (at_ms, random) = id_parts(control.now()).unwrap_or_default();
    let id = CallId::new(at_ms, random).to_string();
    let span = tracing::info_span!("management", request_id = %id, method = %request.method());
    let mut response = next.run(request).instrument(span).await;
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
    response
}
