//! `POST /v1/provider-keys/{id}/test`: presents a provider key where it is used, and says what came
//! back.

use axum::Json;
use axum::extract::State;
use doorward_domain::catalog::{KeyTest, Provider, ProviderKey, ProviderKind};
use doorward_domain::id::{ProviderId, ProviderKeyId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::get;
use crate::Control;
use crate::api::providers;
use crate::caller::Caller;
use crate::faults::FieldError;
use crate::model_list::{Asked, NoList, list_models};
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText};

/// Most names of models that an answer has.
const MODELS_MAX: usize = 200;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestProviderKey {
    /// Id or name; may be absent where only one provider is called with the key.
    provider: Option<String>,
}

/// What a provider said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderKeyTest {
    #[schema(pattern = "^provider_key_test$")]
    object: &'static str,
    provider_key: ProviderKeyId,
    provider: ProviderId,
    works: bool,
    /// In words: how many models, or what is wrong.
    detail: String,
    /// The first models that the provider lists.
    models: Vec<String>,
    models_total: usize,
}

/// Asks a provider for its models with this key, and says what came back.
#[utoipa::path(
    post,
    path = "/v1/provider-keys/{id}/test",
    request_body = Option<TestProviderKey>,
    responses((status = 200, body = ProviderKeyTest)),
)]
pub(crate) async fn test_provider_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    body: Option<JsonBody>,
) -> Result<Json<ProviderKeyTest>, ApiError> {
    let wish: TestProviderKey =
        body.map_or_else(|| Ok(TestProviderKey::default()), |body| body.parse())?;
    let key = get(&control, &caller, &id).await?;
    let provider = match wish.provider {
        Some(text) => named(&control, &key, &text).await?,
        None => only_user(&control, &key).await?,
    };
    let act = caller.act(control.now());
    // Written down before the key leaves.
    let detail = json!({ "name": key.name, "provider": provider.name });
    control.store.record(&act, "provider_key.test", &key.id.to_string(), detail).await?;
    let secret = control.store.reveal_provider_key(key.organization, key.id).await?;
    let answer = ask(&control, &provider, Some(secret)).await?;
    note(&control, &key, &provider, answer.as_ref().err()).await?;
    Ok(Json(told(&key, &provider, answer)))
}

/// Keeps how it went, for whoever looks at the key later.
pub(in crate::api) async fn note(
    control: &Control,
    key: &ProviderKey,
    provider: &Provider,
    failure: Option<&NoList>,
) -> Result<(), ApiError> {
    let failure = failure.map(NoList::to_string);
    let test = KeyTest { at: control.now(), provider: provider.name.clone(), failure };
    Ok(control.store.note_provider_key_test(key.organization, key.id, &test).await?)
}

async fn named(control: &Control, key: &ProviderKey, text: &str) -> Result<Provider, ApiError> {
    let found = providers::find(control, key.organization, text).await?;
    found.ok_or_else(|| fault("not_found", "there is no such provider"))
}

/// The provider that the key is presented to, where there is only one.
async fn only_user(control: &Control, key: &ProviderKey) -> Result<Provider, ApiError> {
    let users = control.store.provider_key_uses(key.organization, key.id).await?;
    let [user] = users.as_slice() else {
        let detail = match users.len() {
            0 => "nothing uses this key yet: name the provider that it is for",
            _ => "several providers are called with this key: name one",
        };
        return Err(fault("missing", detail));
    };
    let found = control.store.find_provider(key.organization, *user).await?;
    found.ok_or(ApiError::NotFound("provider"))
}

fn fault(code: &'static str, detail: &str) -> ApiError {
    ApiError::Invalid(vec![FieldError::new("provider", code, detail)])
}

/// Asks a provider for its models. An error where a provider of its kind cannot be asked, or too many wait.
pub(in crate::api) async fn ask(
    control: &Control,
    provider: &Provider,
    secret: Option<SecretString>,
) -> Result<Result<Vec<String>, NoList>, ApiError> {
    match provider.kind {
        ProviderKind::Echo => {
            return Err(fault("invalid", "the built-in provider takes no key and has no list"));
        }
        ProviderKind::Bedrock => {
            return Err(fault("invalid", "Amazon Bedrock lists no models where they are called"));
        }
        ProviderKind::OpenAi
        | ProviderKind::OpenAiCompatible
        | ProviderKind::Azure
        | ProviderKind::Anthropic
        | ProviderKind::Google => {}
    }
    let (kind, base_url) = (provider.kind, provider.base_url.clone().unwrap_or_default());
    let agent = control.agent.clone();
    let list =
        move || list_models(&agent, &Asked { kind, base_url: &base_url, key: secret.as_ref() });
    control.asking.take(list).await
}

fn told(
    key: &ProviderKey,
    provider: &Provider,
    answer: Result<Vec<String>, NoList>,
) -> ProviderKeyTest {
    let works = answer.is_ok();
    let (detail, mut models) = match answer {
        Ok(models) => (format!("{} lists {} models", provider.name, models.len()), models),
        Err(none) => (none.to_string(), Vec::new()),
    };
    let models_total = models.len();
    models.truncate(MODELS_MAX);
    ProviderKeyTest {
        object: "provider_key_test",
        provider_key: key.id,
        provider: provider.id,
        works,
        detail,
        models,
        models_total,
    }
}
