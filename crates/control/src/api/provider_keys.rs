//! `/v1/provider-keys`: the value goes into the vault and never comes out of this API.

mod test;

pub(crate) use test::test_provider_key;
pub(super) use test::{ask, note};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::aws::AwsCredential;
use doorward_domain::catalog::{KeyTest, ProviderKey, ProviderKind};
use doorward_domain::id::{OrganizationId, ProviderId, ProviderKeyId};
use doorward_domain::name::{check_description, check_name};
use doorward_store::{NewProviderKey, ProviderKeyEdit};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, versioned};
use crate::api::list::List;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::{Description, Name};
use crate::problem::ApiError;
use crate::request::{JsonBody, Params, PathText, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_provider_key,
    list_provider_keys,
    show_provider_key,
    edit_provider_key,
    delete_provider_key,
    test::test_provider_key,
))]
pub(crate) struct Described;

const NOUN: &str = "provider key";
/// Longest credential of a provider.
const VALUE_BYTES_MAX: usize = 4096;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateProviderKey {
    #[schema(value_type = Name)]
    name: String,
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, pattern = "^[!-~]{1,4096}$", write_only)]
    value: SecretString,
    #[schema(value_type = Option<Description>)]
    note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditProviderKey {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(default, deserialize_with = "new_secret")]
    #[schema(value_type = String, required = false, pattern = "^[!-~]{1,4096}$", write_only)]
    value: Option<SecretString>,
    #[schema(value_type = Option<Description>)]
    note: Option<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn new_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    secret(deserializer).map(Some)
}

/// A provider key, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderKey)]
pub(crate) struct ProviderKeyObject {
    id: ProviderKeyId,
    #[schema(pattern = "^provider_key$")]
    object: &'static str,
    name: String,
    note: String,
    masked: String,
    /// What is called with it, the first 20 of each.
    used_by: UsedBy,
    /// How it went when its present value was last tested.
    #[schema(required)]
    last_test: Option<LastTest>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What is called with a provider key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderKeyUses)]
struct UsedBy {
    /// Those whose calls present it.
    providers: Vec<ProviderId>,
    /// Those of which a deployment has it as its own.
    models: Vec<String>,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastProviderKeyTest)]
struct LastTest {
    at: Timestamp,
    /// To whom it was presented, by the name of then.
    provider: String,
    works: bool,
    /// What was wrong, in words.
    #[schema(required)]
    failure: Option<String>,
}

impl From<KeyTest> for LastTest {
    fn from(KeyTest { at, provider, failure }: KeyTest) -> Self {
        Self { at, provider, works: failure.is_none(), failure }
    }
}

impl From<ProviderKey> for ProviderKeyObject {
    fn from(key: ProviderKey) -> Self {
        Self {
            id: key.id,
            object: "provider_key",
            name: key.name,
            note: key.note,
            masked: key.masked.to_string(),
            used_by: UsedBy { providers: key.providers, models: key.models },
            last_test: key.last_test.map(LastTest::from),
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}

/// Stores a provider's credential in the vault.
#[utoipa::path(
    post,
    path = "/v1/provider-keys",
    request_body = CreateProviderKey,
    responses((status = 201, body = ProviderKeyObject, headers(("etag")))),
)]
pub(crate) async fn create_provider_key(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateProviderKey = body.parse()?;
    let note = wish.note.unwrap_or_default();
    let mut faults = Faults::new();
    faults.check("name", check_name(&wish.name));
    faults.check("value", check_value(&wish.value));
    faults.check("note", check_description(&note));
    faults.finish()?;
    let new = NewProviderKey { name: wish.name, value: wish.value, note };
    let key = control.store.create_provider_key(&caller.act(control.now()), new).await?;
    Ok((StatusCode::CREATED, answer(key)).into_response())
}

/// Lists the provider keys by name, their values masked; `q`: those whose name, note or id contains it.
#[utoipa::path(
    get,
    path = "/v1/provider-keys",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only keys with this in their name, note or id.", max_length = 200)),
    responses((status = 200, body = List<ProviderKeyObject>)),
)]
pub(crate) async fn list_provider_keys(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<ProviderKeyObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let search = params.search();
    params.finish()?;
    let (organization, after, rows) = (caller.organization(), after.as_deref(), limit + 1);
    let rows = match search {
        Some(text) => control.store.search_provider_keys(organization, &text, after, rows).await?,
        None => control.store.list_provider_keys(organization, after, rows).await?,
    };
    let rows = rows.into_iter().map(ProviderKeyObject::from).collect();
    Ok(List::cut(rows, limit, |key| key.name.clone()))
}

/// Shows one provider key, by id or name, its value masked.
#[utoipa::path(
    get,
    path = "/v1/provider-keys/{id}",
    responses((status = 200, body = ProviderKeyObject, headers(("etag")))),
)]
pub(crate) async fn show_provider_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(answer(get(&control, &caller, &id).await?))
}

/// Edits name, note or value of a provider key; what links to it goes on using it.
#[utoipa::path(
    patch,
    path = "/v1/provider-keys/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditProviderKey,
    responses((status = 200, body = ProviderKeyObject, headers(("etag")))),
)]
pub(crate) async fn edit_provider_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditProviderKey = body.parse().map_err(|error| error.naming_fixed(&["id"]))?;
    let key = get(&control, &caller, &id).await?;
    check_if_match(&headers, key.updated_at)?;
    let EditProviderKey { name, value, note } = wish;
    let mut faults = Faults::new();
    faults.check("name", name.as_deref().map_or(Ok(()), check_name));
    if let Some(value) = &value {
        faults.check("value", check_value(value));
        check_spelling(&control, &key, value, &mut faults).await?;
    }
    faults.check("note", note.as_deref().map_or(Ok(()), check_description));
    faults.finish()?;
    let if_updated_at = Some(key.updated_at);
    let edit = ProviderKeyEdit { name, value, note, if_updated_at };
    let act = caller.act(control.now());
    Ok(answer(control.store.edit_provider_key(&act, key.id, edit).await?))
}

/// Deletes a provider key that nothing uses; with `force`, takes it from what does.
#[utoipa::path(
    delete,
    path = "/v1/provider-keys/{id}",
    params(("force" = Option<bool>, Query)),
    responses((status = 204)),
)]
pub(crate) async fn delete_provider_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<StatusCode, ApiError> {
    let is_forced = params.parse("force").unwrap_or(false);
    params.finish()?;
    let key = get(&control, &caller, &id).await?;
    let act = caller.act(control.now());
    removed(control.store.delete_provider_key(&act, key.id, is_forced).await?, NOUN)
}

/// Notes a value that a provider which is called with this key cannot take.
async fn check_spelling(
    control: &Control,
    key: &ProviderKey,
    value: &SecretString,
    faults: &mut Faults,
) -> Result<(), ApiError> {
    for id in control.store.provider_key_uses(key.organization, key.id).await? {
        let user = control.store.find_provider(key.organization, id).await?;
        if user.is_some_and(|user| user.kind == ProviderKind::Bedrock) {
            faults.check("value", AwsCredential::parse(value));
            return Ok(());
        }
    }
    Ok(())
}

async fn get(control: &Control, caller: &Caller, text: &str) -> Result<ProviderKey, ApiError> {
    find(control, caller.organization(), text).await?.ok_or(ApiError::NotFound(NOUN))
}

/// A provider key by its id or its name.
pub(super) async fn find(
    control: &Control,
    organization: OrganizationId,
    text: &str,
) -> Result<Option<ProviderKey>, ApiError> {
    let by_id = text.parse().ok().map(|id| control.store.find_provider_key(organization, id));
    by_id_or_name(by_id, control.store.find_provider_key_by_name(organization, text)).await
}

fn answer(key: ProviderKey) -> Response {
    let updated_at = key.updated_at;
    versioned(ProviderKeyObject::from(key), updated_at)
}

/// A credential ends up in a header: no line end, space or letter beyond ASCII can be part of it.
fn check_value(value: &SecretString) -> Result<(), &'static str> {
    let bytes = value.expose_secret().as_bytes();
    let fits = (1..=VALUE_BYTES_MAX).contains(&bytes.len());
    if fits && bytes.iter().all(u8::is_ascii_graphic) {
        Ok(())
    } else {
        Err("must have 1 to 4096 visible ASCII characters, and no spaces")
    }
}

#[cfg(test)]
mod tests {
    use super::{CreateProviderKey, check_value};

    #[test]
    fn values_are_visible_ascii_of_bounded_length() {
        for good in ["a", "sk-proj-_~!", &"x".repeat(4096)] {
            assert_eq!(check_value(&good.into()), Ok(()), "{good}");
        }
        for bad in ["", " ", "a b", "a\r\nx: y", "clé", "a\u{7f}", &"x".repeat(4097)] {
            assert!(check_value(&bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_output_holds_no_value() {
        let body = r#"{"name": "n", "value": "canary-5f2a"}"#;
        let wish: CreateProviderKey = serde_json::from_str(body).unwrap();
        assert!(!format!("{wish:?}").contains("canary"));
    }
}
