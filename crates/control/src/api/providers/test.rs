//! `POST /v1/providers/{id}/test`: asks a provider which models it has, and says what each costs.

use axum::Json;
use axum::extract::State;
use doorward_domain::catalog::{Provider, ProviderKey, listing, usual_listing};
use doorward_domain::id::{ProviderId, ProviderKeyId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::get;
use crate::Control;
use crate::api::models::{ListedPrice, price_table};
use crate::api::provider_keys;
use crate::caller::Caller;
use crate::faults::FieldError;
use crate::model_list::NoList;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText};

/// Most models that an answer has.
const MODELS_MAX: usize = 1000;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestProvider {
    /// Id or name of the key to present; the first of the provider's own when absent.
    provider_key: Option<String>,
}

/// What a provider said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderTest {
    #[schema(pattern = "^provider_test$")]
    object: &'static str,
    provider: ProviderId,
    /// What was presented.
    #[schema(required)]
    provider_key: Option<ProviderKeyId>,
    works: bool,
    /// In words: how many models, or what is wrong.
    detail: String,
    /// The first models that the provider lists.
    models: Vec<OfferedModel>,
    models_total: usize,
}

/// A model that a provider has.
#[derive(Debug, Serialize, ToSchema)]
struct OfferedModel {
    /// What the provider calls it.
    name: String,
    /// What the built-in table knows of it.
    #[schema(required)]
    listed_price: Option<ListedPrice>,
    /// Where that knows nothing: what it costs where it is sold. Calls are not counted with it.
    #[schema(required)]
    usual_price: Option<ListedPrice>,
}

/// Asks a provider for its models, with one of its keys where it has some, and says what came back.
#[utoipa::path(
    post,
    path = "/v1/providers/{id}/test",
    request_body = Option<TestProvider>,
    responses((status = 200, body = ProviderTest)),
)]
pub(crate) async fn test_provider(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    body: Option<JsonBody>,
) -> Result<Json<ProviderTest>, ApiError> {
    let wish: TestProvider =
        body.map_or_else(|| Ok(TestProvider::default()), |body| body.parse())?;
    let provider = get(&control, &caller, &id).await?;
    let key = presented(&control, &provider, wish.provider_key).await?;
    let act = caller.act(control.now());
    // Written down before the key leaves.
    let detail =
        json!({ "name": provider.name, "provider_key": key.as_ref().map(|key| &key.name) });
    control.store.record(&act, "provider.test", &provider.id.to_string(), detail).await?;
    let secret = match &key {
        Some(key) => Some(control.store.reveal_provider_key(key.organization, key.id).await?),
        None => None,
    };
    let answer = provider_keys::ask(&control, &provider, secret).await?;
    if let Some(key) = &key {
        provider_keys::note(&control, key, &provider, answer.as_ref().err()).await?;
    }
    Ok(Json(told(&provider, key.map(|key| key.id), answer)?))
}

/// The key that is named, else the first of the provider's own.
async fn presented(
    control: &Control,
    provider: &Provider,
    named: Option<String>,
) -> Result<Option<ProviderKey>, ApiError> {
    if let Some(text) = named {
        let found = provider_keys::find(control, provider.organization, &text).await?;
        let missing = || {
            let error =
                FieldError::new("provider_key", "not_found", "there is no such provider key");
            ApiError::Invalid(vec![error])
        };
        return found.ok_or_else(missing).map(Some);
    }
    match provider.provider_keys.first() {
        Some(id) => Ok(control.store.find_provider_key(provider.organization, *id).await?),
        None => Ok(None),
    }
}

fn told(
    provider: &Provider,
    provider_key: Option<ProviderKeyId>,
    answer: Result<Vec<String>, NoList>,
) -> Result<ProviderTest, ApiError> {
    let works = answer.is_ok();
    let (detail, names) = match answer {
        Ok(names) => (format!("{} lists {} models", provider.name, names.len()), names),
        Err(none) => (none.to_string(), Vec::new()),
    };
    let table = price_table()?;
    let offered = |name: String| {
        let listed = listing(table, provider.kind, &name);
        let usual = || usual_listing(table, provider.base_url.as_deref(), &name);
        let usual_price = if listed.is_none() { usual() } else { None }.map(ListedPrice::from);
        OfferedModel { listed_price: listed.map(ListedPrice::from), usual_price, name }
    };
    let models_total = names.len();
    let models = names.into_iter().take(MODELS_MAX).map(offered).collect();
    let (object, provider) = ("provider_test", provider.id);
    Ok(ProviderTest { object, provider, provider_key, works, detail, models, models_total })
}
