//! `GET /v1/allowed-models`: the models that keys may call, and what they cost.

use axum::extract::State;
use doorward_domain::catalog::Model;
use doorward_domain::credential::KeyId;
use doorward_domain::id::ProjectId;
use doorward_domain::key::Owner;
use doorward_domain::model_pattern::ModelRule;
use doorward_store::ModelFilter;
use serde::Serialize;
use utoipa::ToSchema;

use super::deployments::Known;
use super::price::{PriceObject, PriceWish};
use crate::Control;
use crate::api::keys;
use crate::api::list::List;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::Params;

/// A model that a key may call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllowedModel)]
pub(crate) struct AllowedModel {
    #[schema(pattern = "^allowed_model$")]
    object: &'static str,
    name: String,
    /// What it may be called instead.
    aliases: Vec<String>,
    /// Whose keys alone may call it; `null`: those of all.
    #[schema(required)]
    project: Option<ProjectId>,
    /// What calls of it cost, at its first deployment where the built-in table says it.
    #[schema(value_type = PriceWish)]
    price: PriceObject,
}

/// Whose names are listed.
struct Sight {
    /// The projects whose own models are seen. `None`: all.
    projects: Option<Vec<ProjectId>>,
    rule: ModelRule,
}

/// Lists the models that the caller's keys may call, with what they cost: in all projects of theirs, in one, or with
/// one key. A page looks at `limit` models and shows those of them; it may be empty and not the last one.
#[utoipa::path(
    get,
    path = "/v1/allowed-models",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only models with this in their name or an alias.", max_length = 200), ("project" = Option<ProjectId>, Query), ("api_key" = Option<KeyId>, Query)),
    responses((status = 200, body = List<AllowedModel>), (status = 404)),
)]
pub(crate) async fn list_allowed_models(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<AllowedModel>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let project = params.parse_filter::<ProjectId>("project");
    let key = params.filter("api_key");
    let filter = ModelFilter { search: params.search(), provider: None };
    params.finish()?;
    let sight = match key {
        Some(key) => Sight::of_key(&control, &caller, &key).await?,
        None => Sight::of(&control, &caller, project).await?,
    };
    let (organization, after) = (caller.organization(), after.as_deref());
    let found = control.store.list_models(organization, &filter, after, limit + 1).await?;
    let has_more = found.len() > limit as usize;
    let looked_at: Vec<Model> = found.into_iter().take(limit as usize).collect();
    let next = looked_at.last().map(|model| model.name.clone());
    let is_allowed =
        |model: &Model| sight.includes(model) && caller.rights.models.allows(&model.name);
    let known = Known::of(&control.store, organization).await?;
    let rows = looked_at.into_iter().filter(is_allowed).map(|model| AllowedModel {
        object: "allowed_model",
        price: known.price(&model),
        name: model.name,
        aliases: model.aliases,
        project: model.project,
    });
    Ok(List::page(rows.collect(), has_more, next))
}

impl Sight {
    async fn of_key(control: &Control, caller: &Caller, id: &str) -> Result<Self, ApiError> {
        let key = keys::find(control, caller, id).await?.key;
        Ok(Self { projects: Some(vec![key.project]), rule: key.rights.models })
    }

    /// Whoever does not manage others sees the models of the projects that they are in.
    async fn of(
        control: &Control,
        caller: &Caller,
        project: Option<ProjectId>,
    ) -> Result<Self, ApiError> {
        let own = match caller.owner() {
            _ if caller.role.manages_others() => None,
            Owner::User(user) => {
                let all = control.store.list_memberships(caller.organization(), user).await?;
                Some(all.into_iter().map(|one| one.project).collect::<Vec<_>>())
            }
            Owner::ServiceAccount(_) => {
                Some(caller.key().map(|key| key.project).into_iter().collect())
            }
        };
        let projects = match (project, own) {
            (None, own) => own,
            (Some(one), None) => Some(vec![one]),
            (Some(one), Some(own)) => Some(own.into_iter().filter(|id| *id == one).collect()),
        };
        Ok(Self { projects, rule: ModelRule::All })
    }

    fn includes(&self, model: &Model) -> bool {
        let is_here = |projects: &Vec<ProjectId>| {
            model.project.is_none_or(|project| projects.contains(&project))
        };
        self.rule.allows(&model.name) && self.projects.as_ref().is_none_or(is_here)
    }
}
