//! `/v1/webhooks`: where notices go over HTTP. A secret is shown once, when it is made.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::id::WebhookId;
use doorward_domain::name::check_name;
use doorward_domain::public_address::is_public;
use doorward_domain::webhook::WebhookSecret;
use doorward_store::{NewWebhook, Webhook, WebhookEdit};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, versioned};
use crate::api::list::List;
use crate::api::notices::NoticeObject;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::idempotency::WithoutSecret;
use crate::problem::ApiError;
use crate::request::{JsonBody, Params, PathText, check_if_match, etag};

const NOUN: &str = "webhook";
/// Longest URL.
const URL_BYTES_MAX: usize = 2048;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateWebhook {
    name: String,
    url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditWebhook {
    name: Option<String>,
    url: Option<String>,
}

/// A webhook, as answers show it.
#[derive(Debug, Serialize)]
pub(crate) struct WebhookObject {
    id: WebhookId,
    object: &'static str,
    name: String,
    url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The same with its secret.
#[derive(Serialize)]
struct WebhookWithSecret {
    #[serde(flatten)]
    object: WebhookObject,
    secret: Option<String>,
}

impl From<Webhook> for WebhookObject {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            object: "webhook",
            name: webhook.name,
            url: webhook.url,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// Makes a webhook; its secret is in this answer only.
pub(crate) async fn create_webhook(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateWebhook = body.parse()?;
    let mut faults = Faults::new();
    faults.check("name", check_name(&wish.name));
    let url = faults.check("url", parse_url(&wish.url, control.allow_private_webhooks));
    let url = faults.finish_with(url)?;
    let new = NewWebhook { name: wish.name, url };
    let (webhook, secret) = control.store.create_webhook(&caller.act(control.now()), new).await?;
    with_secret(StatusCode::CREATED, webhook, &secret)
}

/// Lists the webhooks by name.
pub(crate) async fn list_webhooks(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<WebhookObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    params.finish()?;
    let organization = caller.organization();
    let rows = control.store.list_webhooks(organization, after.as_deref(), limit + 1).await?;
    let rows = rows.into_iter().map(WebhookObject::from).collect();
    Ok(List::cut(rows, limit, |webhook| webhook.name.clone()))
}

/// Shows one webhook, by id or name.
pub(crate) async fn show_webhook(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(answer(get(&control, &caller, &id).await?))
}

/// Edits name or URL of a webhook; its secret stays.
pub(crate) async fn edit_webhook(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditWebhook = body.parse().map_err(|error| error.naming_fixed(&["id", "secret"]))?;
    let webhook = get(&control, &caller, &id).await?;
    check_if_match(&headers, webhook.updated_at)?;
    let mut faults = Faults::new();
    faults.check("name", wish.name.as_deref().map_or(Ok(()), check_name));
    let url = wish.url.map(|text| parse_url(&text, control.allow_private_webhooks)).transpose();
    let url = faults.check("url", url);
    let edit = WebhookEdit {
        name: wish.name,
        url: faults.finish_with(url)?,
        if_updated_at: Some(webhook.updated_at),
    };
    let act = caller.act(control.now());
    Ok(answer(control.store.edit_webhook(&act, webhook.id, edit).await?))
}

/// Deletes a webhook with its notices.
pub(crate) async fn delete_webhook(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let webhook = get(&control, &caller, &id).await?;
    removed(control.store.delete_webhook(&caller.act(control.now()), webhook.id).await?, NOUN)
}

/// Gives a webhook a new secret, which is in this answer only; the one before signs for another day.
pub(crate) async fn rotate_webhook(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let webhook = get(&control, &caller, &id).await?;
    let rotated = control.store.rotate_webhook(&caller.act(control.now()), webhook.id).await?;
    with_secret(StatusCode::OK, rotated.0, &rotated.1)
}

/// Sends a notice that tests a webhook; what becomes of it is seen at `/v1/notices/{id}`.
pub(crate) async fn test_webhook(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    let webhook = get(&control, &caller, &id).await?;
    let notice = control.store.test_webhook(&caller.act(control.now()), &webhook).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(NoticeObject::from(notice))).into_response())
}

async fn get(control: &Control, caller: &Caller, text: &str) -> Result<Webhook, ApiError> {
    let organization = caller.organization();
    let by_id = text.parse().ok().map(|id| control.store.find_webhook(organization, id));
    let by_name = control.store.find_webhook_by_name(organization, text);
    by_id_or_name(by_id, by_name).await?.ok_or(ApiError::NotFound(NOUN))
}

fn answer(webhook: Webhook) -> Response {
    let updated_at = webhook.updated_at;
    versioned(WebhookObject::from(webhook), updated_at)
}

/// The answer with the secret, and for those who ask once more later the same without it.
fn with_secret(
    status: StatusCode,
    webhook: Webhook,
    secret: &WebhookSecret,
) -> Result<Response, ApiError> {
    let version = etag(webhook.updated_at);
    let text = secret.expose().to_string();
    let mut body = WebhookWithSecret { object: webhook.into(), secret: Some(text) };
    let mut response = (status, [(ETAG, version)], axum::Json(&body)).into_response();
    body.secret = None;
    let without = serde_json::to_string(&body);
    let without = without.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(without));
    Ok(response)
}

/// Reads the URL of a receiver. A credential in it would be shown in lists. Plain HTTP goes no further
/// than this machine. What a name resolves to is looked at when something is sent there.
fn parse_url(text: &str, allow_private: bool) -> Result<String, &'static str> {
    if text.len() > URL_BYTES_MAX {
        return Err("must have at most 2048 bytes");
    }
    let url =
        Url::parse(text).map_err(|_| "must be a URL such as https://hooks.example.com/doorward")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password");
    }
    if url.fragment().is_some() {
        return Err("must not hold a fragment");
    }
    match (url.scheme(), is_loopback(&url)) {
        ("https", _) | ("http", true) => {}
        _ => return Err("must begin with https://"),
    }
    if !allow_private && is_private(&url) {
        return Err("must not be an address of this machine or of a private network, unless the \
             configuration says `allow_private = true` under [webhooks]");
    }
    Ok(url.into())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => is_localhost(name),
        None => false,
    }
}

fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public(ip.into()),
        Some(Host::Domain(name)) => is_localhost(name),
        None => true,
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_receiver_is_reached_over_tls_or_on_this_machine_by_permission() {
        let cases = [
            // url                              by itself  allow_private
            ("https://hooks.example.com/a?b=c", true,      true),
            ("https://8.8.8.8/",                true,      true),
            ("https://10.0.0.1/",               false,     true),
            ("https://localhost/",              false,     true),
            ("https://[::1]/",                  false,     true),
            ("https://2130706433/",             false,     true),
            ("http://127.0.0.1:8080/",          false,     true),
            ("http://localhost/",               false,     true),
            ("http://a.localhost./",            false,     true),
            ("http://10.0.0.1/",                false,     false),
            ("http://hooks.example.com/",       false,     false),
            ("ftp://hooks.example.com/",        false,     false),
            ("https://u:p@hooks.example.com/",  false,     false),
            ("https://u@hooks.example.com/",    false,     false),
            ("https://hooks.example.com/#a",    false,     false),
            ("hooks.example.com",               false,     false),
            ("",                                false,     false),
        ];
        for (url, by_itself, allowed) in cases {
            assert_eq!(parse_url(url, false).is_ok(), by_itself, "{url}");
            assert_eq!(parse_url(url, true).is_ok(), allowed, "{url}");
        }
        assert!(parse_url(&format!("https://a.example/{}", "a".repeat(2048)), true).is_err());
    }
}
