//! `/v1/providers`.

mod bedrock;
mod test;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::aws::AwsRegion;
use doorward_domain::catalog::{PROVIDER_KEYS_MAX, Provider, ProviderKind};
use doorward_domain::health_check::{HealthCheck, check_interval, check_path};
use doorward_domain::id::{OrganizationId, ProviderId, ProviderKeyId};
use doorward_domain::name::check_name;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::{OpenApi, ToSchema};

pub(super) use bedrock::check_key;
pub(crate) use test::test_provider;

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, versioned};
use crate::api::list::List;
use crate::api::provider_keys;
use crate::caller::Caller;
use crate::control::id_parts;
use crate::faults::Faults;
use crate::openapi::text::Name;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, Params, PathText, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_provider,
    list_providers,
    show_provider,
    edit_provider,
    delete_provider,
    test::test_provider,
))]
pub(crate) struct Described;

const NOUN: &str = "provider";
/// Longest base URL.
const URL_BYTES_MAX: usize = 2048;

/// How a provider is asked whether it is there, without a client's call.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HealthCheck)]
struct CheckObject {
    /// From the end of one check to the next.
    #[schema(minimum = 1, maximum = 3600)]
    interval_seconds: u32,
    /// What the provider's server is asked for, from its root; the list of models when absent.
    #[schema(pattern = r##"^/[!"$-~]{0,199}$"##)]
    path: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateProvider {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = ProviderKind)]
    kind: String,
    #[schema(format = "uri", max_length = 2048)]
    base_url: Option<String>,
    /// Of kind `bedrock`, where the base URL does not say it; without a base URL, it is the region's own.
    #[schema(pattern = "^[a-z]+(-[a-z]+)+-[0-9]+$", max_length = 32)]
    region: Option<String>,
    /// Ids or names of the keys that share its calls.
    #[serde(default)]
    #[schema(required = false, max_items = 16)]
    provider_keys: Vec<String>,
    /// Only calls find out whether it is there when absent.
    health_check: Option<CheckObject>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditProvider {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[schema(format = "uri", max_length = 2048)]
    base_url: Option<String>,
    /// Of kind `bedrock`, where the base URL does not say it.
    #[schema(pattern = "^[a-z]+(-[a-z]+)+-[0-9]+$", max_length = 32)]
    region: Option<String>,
    /// Ids or names of the keys that share its calls, all of them.
    #[schema(max_items = 16)]
    provider_keys: Option<Vec<String>>,
    /// `null`: no more checks.
    #[serde(default)]
    #[schema(value_type = Option<CheckObject>)]
    health_check: Field<CheckObject>,
}

/// A provider, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderObject {
    id: ProviderId,
    #[schema(pattern = "^provider$")]
    object: &'static str,
    name: String,
    #[schema(value_type = ProviderKind)]
    kind: &'static str,
    #[schema(required)]
    base_url: Option<String>,
    #[schema(required)]
    region: Option<String>,
    provider_keys: Vec<ProviderKeyId>,
    #[schema(required)]
    health_check: Option<CheckObject>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl CheckObject {
    /// What is wrong with it is noted.
    fn read(self, kind: Option<ProviderKind>, faults: &mut Faults) -> HealthCheck {
        match kind {
            Some(ProviderKind::Echo) => {
                faults.add("health_check", "invalid", "the built-in provider is always there");
            }
            Some(ProviderKind::Bedrock) => {
                faults.add("health_check", "invalid", "Amazon Bedrock has nothing to ask for free");
            }
            Some(_) | None => {}
        }
        faults.check("health_check.interval_seconds", check_interval(self.interval_seconds));
        if let Some(path) = &self.path {
            faults.check("health_check.path", check_path(path));
        }
        HealthCheck { interval_seconds: self.interval_seconds, path: self.path }
    }
}

impl From<HealthCheck> for CheckObject {
    fn from(HealthCheck { interval_seconds, path }: HealthCheck) -> Self {
        Self { interval_seconds, path }
    }
}

impl From<Provider> for ProviderObject {
    fn from(provider: Provider) -> Self {
        Self {
            id: provider.id,
            object: "provider",
            name: provider.name,
            kind: provider.kind.as_str(),
            base_url: provider.base_url,
            region: provider.region.map(|region| region.as_str().to_owned()),
            provider_keys: provider.provider_keys,
            health_check: provider.health_check.map(CheckObject::from),
            created_at: provider.created_at,
            updated_at: provider.updated_at,
        }
    }
}

/// Adds a provider: an upstream API that models are called at.
#[utoipa::path(
    post,
    path = "/v1/providers",
    request_body = CreateProvider,
    responses((status = 201, body = ProviderObject, headers(("etag")))),
)]
pub(crate) async fn create_provider(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateProvider = body.parse()?;
    let mut faults = Faults::new();
    faults.check("name", check_name(&wish.name));
    let kind = faults.check("kind", wish.kind.parse::<ProviderKind>());
    let region = bedrock::region(kind, wish.region.as_deref(), &mut faults);
    let own_url = region.as_ref().map(AwsRegion::base_url);
    let base_url = kind
        .map(|kind| base_url(kind, wish.base_url.as_deref().or(own_url.as_deref()), &mut faults));
    bedrock::check_region(kind, base_url.as_ref(), region.as_ref(), &mut faults);
    let (now, organization) = (control.now(), caller.organization());
    let of = (organization, kind);
    let provider_keys = provider_keys(&control, of, &wish.provider_keys, &mut faults).await?;
    let health_check = wish.health_check.map(|check| check.read(kind, &mut faults));
    let (kind, base_url) = faults.finish_with(kind.zip(base_url))?;
    let (at_ms, random) = id_parts(now)?;
    let id = ProviderId::new(at_ms, random);
    let name = wish.name;
    let provider = Provider {
        id,
        organization,
        name,
        kind,
        base_url,
        region,
        provider_keys,
        health_check,
        created_at: now,
        updated_at: now,
    };
    control.store.create_provider(&caller.act(now), &provider).await?;
    Ok((StatusCode::CREATED, answer(provider)).into_response())
}

/// Lists the providers by name.
#[utoipa::path(
    get,
    path = "/v1/providers",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only providers with this in their name, kind, base URL or id.", max_length = 200)),
    responses((status = 200, body = List<ProviderObject>)),
)]
pub(crate) async fn list_providers(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<ProviderObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let search = params.search();
    params.finish()?;
    let (organization, after, rows) = (caller.organization(), after.as_deref(), limit + 1);
    let rows = match search {
        Some(text) => control.store.search_providers(organization, &text, after, rows).await?,
        None => control.store.list_providers(organization, after, rows).await?,
    };
    let rows = rows.into_iter().map(ProviderObject::from).collect();
    Ok(List::cut(rows, limit, |provider| provider.name.clone()))
}

/// Shows one provider, by id or name.
#[utoipa::path(
    get,
    path = "/v1/providers/{id}",
    responses((status = 200, body = ProviderObject, headers(("etag")))),
)]
pub(crate) async fn show_provider(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(answer(get(&control, &caller, &id).await?))
}

/// Edits name, base URL, region, provider keys or health check of a provider; its kind stays.
#[utoipa::path(
    patch,
    path = "/v1/providers/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditProvider,
    responses((status = 200, body = ProviderObject, headers(("etag")))),
)]
pub(crate) async fn edit_provider(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditProvider = body.parse().map_err(|error| error.naming_fixed(&["id", "kind"]))?;
    let mut provider = get(&control, &caller, &id).await?;
    check_if_match(&headers, provider.updated_at)?;
    let mut faults = Faults::new();
    if let Some(name) = wish.name {
        faults.check("name", check_name(&name));
        provider.name = name;
    }
    if let Some(text) = wish.base_url {
        provider.base_url = base_url(provider.kind, Some(&text), &mut faults);
    }
    let kind = Some(provider.kind);
    if let Some(text) = wish.region {
        provider.region = bedrock::region(kind, Some(&text), &mut faults);
    }
    bedrock::check_region(kind, Some(&provider.base_url), provider.region.as_ref(), &mut faults);
    if let Some(texts) = wish.provider_keys {
        let of = (provider.organization, kind);
        provider.provider_keys = provider_keys(&control, of, &texts, &mut faults).await?;
    }
    match wish.health_check {
        Field::Absent => {}
        Field::Null => provider.health_check = None,
        Field::Value(check) => {
            provider.health_check = Some(check.read(Some(provider.kind), &mut faults));
        }
    }
    faults.finish()?;
    // The version that was read goes along: an edit in between must not be undone by this one.
    let edited = control.store.edit_provider(&caller.act(control.now()), &provider).await?;
    Ok(answer(edited))
}

/// Deletes a provider that no model uses.
#[utoipa::path(
    delete,
    path = "/v1/providers/{id}",
    responses((status = 204)),
)]
pub(crate) async fn delete_provider(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let provider = get(&control, &caller, &id).await?;
    removed(control.store.delete_provider(&caller.act(control.now()), provider.id).await?, NOUN)
}

async fn get(control: &Control, caller: &Caller, text: &str) -> Result<Provider, ApiError> {
    find(control, caller.organization(), text).await?.ok_or(ApiError::NotFound(NOUN))
}

/// A provider by its id or its name.
pub(super) async fn find(
    control: &Control,
    organization: OrganizationId,
    text: &str,
) -> Result<Option<Provider>, ApiError> {
    let by_id = text.parse().ok().map(|id| control.store.find_provider(organization, id));
    by_id_or_name(by_id, control.store.find_provider_by_name(organization, text)).await
}

/// The provider keys with these ids or names; what is wrong with them is noted.
async fn provider_keys(
    control: &Control,
    (organization, kind): (OrganizationId, Option<ProviderKind>),
    texts: &[String],
    faults: &mut Faults,
) -> Result<Vec<ProviderKeyId>, ApiError> {
    faults.check_len("provider_keys", texts, PROVIDER_KEYS_MAX);
    let mut keys: Vec<ProviderKeyId> = Vec::new();
    for (index, text) in texts.iter().take(PROVIDER_KEYS_MAX).enumerate() {
        let field = format!("provider_keys[{index}]");
        match provider_keys::find(control, organization, text).await? {
            None => faults.add(field, "not_found", "there is no such provider key"),
            Some(key) if keys.contains(&key.id) => {
                faults.add(field, "duplicate", "this provider key is named before");
            }
            Some(key) => {
                check_key(control, (kind, &key), &field, faults).await?;
                keys.push(key.id);
            }
        }
    }
    Ok(keys)
}

fn answer(provider: Provider) -> Response {
    let updated_at = provider.updated_at;
    versioned(ProviderObject::from(provider), updated_at)
}

/// The base URL of a provider of this kind; what is wrong with it is noted.
fn base_url(kind: ProviderKind, text: Option<&str>, faults: &mut Faults) -> Option<String> {
    match (kind, text) {
        (ProviderKind::Echo, None) => None,
        (ProviderKind::Echo, Some(_)) => {
            faults.add("base_url", "invalid", "the built-in provider has none");
            None
        }
        (kind, None) => {
            let default = kind.default_base_url().map(str::to_owned);
            if default.is_none() {
                faults.add("base_url", "missing", "is required for this kind of provider");
            }
            default
        }
        (_, Some(text)) => faults.check("base_url", parse_base_url(text)),
    }
}

/// Reads a URL to which paths can be appended. A credential in it would be shown in lists; it
/// belongs among the provider keys.
fn parse_base_url(text: &str) -> Result<String, &'static str> {
    if text.len() > URL_BYTES_MAX {
        return Err("is too long");
    }
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://api.example.com/v1")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a credential: store it as a provider key");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_base_url;

    #[test]
    #[rustfmt::skip]
    fn base_urls_are_absolute_plain_and_without_a_slash_at_the_end() {
        let cases = [
            ("https://api.example.com/v1/",       Ok("https://api.example.com/v1")),
            ("http://127.0.0.1:8000",             Ok("http://127.0.0.1:8000")),
            ("HTTPS://API.example.com//",         Ok("https://api.example.com")),
            ("http://[::1]:1234/v1",              Ok("http://[::1]:1234/v1")),
            ("api.example.com/v1",                Err("URL such as")),
            ("",                                  Err("URL such as")),
            ("file:///etc/passwd",                Err("http://")),
            ("ftp://example.com",                 Err("http://")),
            ("https://user:pass@example.com",     Err("credential")),
            ("https://sk-secret@example.com",     Err("credential")),
            ("https://example.com/v1?key=secret", Err("query")),
            ("https://example.com/v1?",           Err("query")),
            ("https://example.com/v1#x",          Err("fragment")),
        ];
        for (text, expected) in cases {
            match (parse_base_url(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
        assert!(parse_base_url(&format!("https://example.com/{}", "a".repeat(3000))).is_err());
    }
}
