//! `/v1/models`: the administrator's view of models, with the deployments that serve them.

mod allowed;
mod deployments;
mod names;
mod price;

use std::num::NonZeroU64;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::catalog::{Model, Pricing, Routing};
use doorward_domain::id::{ProjectId, ProviderId};
use doorward_domain::usage::TOKENS_MAX;
use doorward_store::ModelFilter;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

pub(crate) use self::allowed::list_allowed_models;
use self::deployments::{DeploymentObject, DeploymentWish, Known, Served};
pub(super) use self::price::{ListedPrice, table as price_table};
use self::price::{PriceObject, PriceWish};
use crate::Control;
use crate::api::answer::{removed, versioned};
use crate::api::list::List;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::View;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, Params, PathText, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_model,
    list_models,
    show_model,
    edit_model,
    delete_model,
    allowed::list_allowed_models,
))]
pub(crate) struct Described;

const NOUN: &str = "model";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateModel {
    #[schema(pattern = r"^[!-)+-:<-\[\]-~]{1,200}$")]
    name: String,
    /// What clients may call it instead.
    #[serde(default)]
    #[schema(required = false, max_items = 16)]
    aliases: Vec<String>,
    /// Id or name of the project whose keys alone may call it; those of all when absent. Its name and aliases then
    /// begin with `u-`, 12 digits and a slash, which are put before those that do not.
    project: Option<String>,
    #[serde(default)]
    price: PriceWish,
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_099_511_627_776_u64)]
    output_tokens_max: Option<NonZeroU64>,
    /// `weighted` when absent.
    routing: Option<Routing>,
    #[schema(min_items = 1, max_items = 32)]
    deployments: Vec<DeploymentWish>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditModel {
    /// All of them.
    #[schema(max_items = 16)]
    aliases: Option<Vec<String>>,
    price: Option<PriceWish>,
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_099_511_627_776_u64)]
    output_tokens_max: Field<NonZeroU64>,
    routing: Option<Routing>,
    #[schema(min_items = 1, max_items = 32)]
    deployments: Option<Vec<DeploymentWish>>,
}

/// A model, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
pub(crate) struct ModelObject {
    name: String,
    #[schema(pattern = "^model$")]
    object: &'static str,
    aliases: Vec<String>,
    #[schema(required)]
    project: Option<ProjectId>,
    #[schema(value_type = PriceWish)]
    price: PriceObject,
    #[schema(required)]
    output_tokens_max: Option<u64>,
    routing: Routing,
    deployments: Vec<DeploymentObject>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ModelObject {
    fn new(model: Model, known: &Known<'_>) -> Self {
        Self {
            name: model.name,
            object: "model",
            aliases: model.aliases,
            project: model.project,
            price: model.pricing.into(),
            output_tokens_max: model.output_tokens_max,
            routing: model.routing,
            deployments: model.deployments.into_iter().map(|one| known.object(one)).collect(),
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

/// Adds a model: a public name and the deployments that serve it.
#[utoipa::path(
    post,
    path = "/v1/models",
    request_body = CreateModel,
    responses((status = 201, body = ModelObject, headers(("etag")))),
)]
pub(crate) async fn create_model(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateModel = body.parse()?;
    let mut faults = Faults::new();
    let project = names::project(&control, &caller, wish.project.as_deref(), &mut faults).await?;
    let name = names::public(project, wish.name);
    faults.check("name", names::check(&name));
    let aliases = names::aliases((project, &name), wish.aliases, &mut faults);
    check_output_max(wish.output_tokens_max, &mut faults);
    let now = control.now();
    let upstream = names::upstream(project, &name);
    let served =
        deployments::read(&control, &caller, upstream, wish.deployments, &mut faults).await?;
    deployments::refuse_duplicates(&served, &mut faults);
    faults.finish()?;
    let model = Model {
        organization: caller.organization(),
        name,
        aliases,
        project,
        pricing: wish.price.into(),
        output_tokens_max: wish.output_tokens_max.map(NonZeroU64::get),
        routing: wish.routing.unwrap_or(Routing::Weighted),
        deployments: deployments::place(&served, &[], now)?,
        created_at: now,
        updated_at: now,
    };
    refuse_unpriced(&model, &served)?;
    control.store.create_model(&caller.act(now), &model).await?;
    Ok((StatusCode::CREATED, answer(&control, model).await?).into_response())
}

/// Lists the models by name, with their deployments.
#[utoipa::path(
    get,
    path = "/v1/models",
    params(("view" = View, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only models with this in their name or an alias.", max_length = 200), ("provider" = Option<ProviderId>, Query, description = "Only models that this provider serves.")),
    responses((status = 200, body = List<ModelObject>)),
)]
pub(crate) async fn list_models(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<ModelObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let filter = ModelFilter { search: params.search(), provider: params.parse_filter("provider") };
    check_view(&mut params);
    params.finish()?;
    let (organization, after) = (caller.organization(), after.as_deref());
    let rows = control.store.list_models(organization, &filter, after, limit + 1).await?;
    let known = Known::of(&control.store, organization).await?;
    let rows = rows.into_iter().map(|model| ModelObject::new(model, &known)).collect();
    Ok(List::cut(rows, limit, |model| model.name.clone()))
}

/// Shows one model with its deployments.
#[utoipa::path(
    get,
    path = "/v1/models/{name}",
    params(("view" = View, Query)),
    responses((status = 200, body = ModelObject, headers(("etag")))),
)]
pub(crate) async fn show_model(
    State(control): State<Control>,
    caller: Caller,
    PathText(name): PathText,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_view(&mut params);
    params.finish()?;
    answer(&control, get(&control, &caller, &name).await?).await
}

/// Edits aliases, price, output limit, routing or deployments of a model; its name and project stay.
#[utoipa::path(
    patch,
    path = "/v1/models/{name}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditModel,
    responses((status = 200, body = ModelObject, headers(("etag")))),
)]
pub(crate) async fn edit_model(
    State(control): State<Control>,
    caller: Caller,
    PathText(name): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditModel = body.parse().map_err(|error| error.naming_fixed(&["name", "project"]))?;
    let model = get(&control, &caller, &name).await?;
    check_if_match(&headers, model.updated_at)?;
    let now = control.now();
    let edited = apply(&control, &caller, model, wish, now).await?;
    // The version that was read goes along: an edit in between must not be undone by this one.
    answer(&control, control.store.edit_model(&caller.act(now), &edited).await?).await
}

/// Deletes a model and its deployments.
#[utoipa::path(
    delete,
    path = "/v1/models/{name}",
    responses((status = 204)),
)]
pub(crate) async fn delete_model(
    State(control): State<Control>,
    caller: Caller,
    PathText(name): PathText,
) -> Result<StatusCode, ApiError> {
    removed(control.store.delete_model(&caller.act(control.now()), &name).await?, NOUN)
}

/// A model after an edit, checked as a new one is.
async fn apply(
    control: &Control,
    caller: &Caller,
    mut model: Model,
    wish: EditModel,
    now: Timestamp,
) -> Result<Model, ApiError> {
    let mut faults = Faults::new();
    if let Some(wished) = wish.aliases {
        model.aliases = names::aliases((model.project, &model.name), wished, &mut faults);
    }
    check_output_max(wish.output_tokens_max.value().copied(), &mut faults);
    match wish.output_tokens_max {
        Field::Absent => {}
        Field::Null => model.output_tokens_max = None,
        Field::Value(max) => model.output_tokens_max = Some(max.get()),
    }
    if let Some(price) = wish.price {
        model.pricing = price.into();
    }
    model.routing = wish.routing.unwrap_or(model.routing);
    let is_named = wish.deployments.is_some();
    let wishes = wish.deployments.unwrap_or_else(|| deployments::as_wishes(&model.deployments));
    let upstream = names::upstream(model.project, &model.name);
    let served = deployments::read(control, caller, upstream, wishes, &mut faults).await?;
    if is_named {
        deployments::refuse_duplicates(&served, &mut faults);
    }
    faults.finish()?;
    model.deployments = deployments::place(&served, &model.deployments, now)?;
    refuse_unpriced(&model, &served)?;
    Ok(model)
}

async fn get(control: &Control, caller: &Caller, name: &str) -> Result<Model, ApiError> {
    let model = control.store.find_model(caller.organization(), name).await?;
    model.ok_or(ApiError::NotFound(NOUN))
}

/// An unpriced call would count as nothing against every budget, so its model is refused.
fn refuse_unpriced(model: &Model, served: &[Served]) -> Result<(), ApiError> {
    if model.pricing != Pricing::Listed {
        return Ok(());
    }
    let table = price::table()?;
    let unpriced = served.iter().find(|served| {
        model.pricing.resolve(table, served.provider.kind, &served.upstream_model).is_none()
    });
    match unpriced {
        None => Ok(()),
        Some(served) => Err(ApiError::ModelNotPriced {
            model: model.name.clone(),
            provider: served.provider.name.clone(),
            upstream_model: served.upstream_model.clone(),
        }),
    }
}

async fn answer(control: &Control, model: Model) -> Result<Response, ApiError> {
    let known = Known::of(&control.store, model.organization).await?;
    let updated_at = model.updated_at;
    Ok(versioned(ModelObject::new(model, &known), updated_at))
}

/// Without `view=routes` these paths are the gateway's, and answer in its dialect.
fn check_view(params: &mut Params) {
    if params.text("view").as_deref() != Some("routes") {
        params.refuse("view", "must be `routes`");
    }
}

fn check_output_max(max: Option<NonZeroU64>, faults: &mut Faults) {
    if max.is_some_and(|max| max.get() > TOKENS_MAX) {
        faults.add("output_tokens_max", "invalid", format!("must be at most {TOKENS_MAX}"));
    }
}
