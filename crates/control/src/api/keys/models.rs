//! `GET /v1/api-keys/{id}/models`.

use axum::extract::State;
use doorward_domain::catalog::Model;
use doorward_domain::key::ApiKey;
use doorward_store::ModelFilter;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// Models that are read at once.
const READ: u32 = 200;

/// A model, as whoever calls it knows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallableModel)]
pub(crate) struct CallableObject {
    name: String,
    #[schema(pattern = "^callable_model$")]
    object: &'static str,
    aliases: Vec<String>,
    /// The most tokens of an answer, where that is known.
    #[schema(required)]
    output_tokens_max: Option<u64>,
}

impl From<Model> for CallableObject {
    fn from(model: Model) -> Self {
        Self {
            name: model.name,
            object: "callable_model",
            aliases: model.aliases,
            output_tokens_max: model.output_tokens_max,
        }
    }
}

/// Lists the models that an API key may call, by name: what `GET /v1/models` tells the key itself.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}/models",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query)),
    responses((status = 200, body = List<CallableObject>)),
)]
pub(crate) async fn list_key_models(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<List<CallableObject>, ApiError> {
    let key = find(&control, &caller, &id).await?.key;
    let (limit, after) = (params.limit(), params.text("after"));
    params.finish()?;
    let models = callable(&control, &key, after, limit).await?;
    let models = models.into_iter().map(CallableObject::from).collect();
    Ok(List::cut(models, limit, |model| model.name.clone()))
}

/// So many, and one more where there is one. Most models are every key's, so few reads are enough.
async fn callable(
    control: &Control,
    key: &ApiKey,
    mut after: Option<String>,
    limit: u32,
) -> Result<Vec<Model>, ApiError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut found = Vec::new();
    loop {
        let read = control
            .store
            .list_models(key.organization, &ModelFilter::default(), after.as_deref(), READ)
            .await?;
        let Some(last) = read.last().map(|model| model.name.clone()) else { return Ok(found) };
        let may =
            |model: &Model| model.is_for(key.project) && key.rights.models.allows(&model.name);
        found.extend(read.into_iter().filter(may));
        if found.len() >= wanted {
            return Ok(found);
        }
        after = Some(last);
    }
}
