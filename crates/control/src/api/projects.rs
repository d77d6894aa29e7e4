//! `/v1/projects`.

mod members;

pub(crate) use members::{list_members, remove_member, set_member};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::budget::Budget;
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::limit::Limits;
use doorward_domain::name::{check_description, check_name};
use doorward_domain::project_model::model_prefix;
use doorward_domain::prompts::PromptPolicy;
use doorward_store::{NewProject, Populations, Project, SharedStanding};
use futures_util::future::OptionFuture;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, versioned};
use crate::api::bounds::{edited, refuse_loosening, spent_of};
use crate::api::keys::grant::Attempt;
use crate::api::keys::object::{HeldObject, Spent};
use crate::api::list::List;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::{Description, Name};
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, Params, PathText, check_if_match};

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_project,
    list_projects,
    show_project,
    edit_project,
    remove_project,
    members::list_members,
    members::set_member,
    members::remove_member,
))]
pub(crate) struct Described;

const NOUN: &str = "project";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateProject {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditProject {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
    #[serde(default)]
    #[schema(value_type = Option<PromptPolicy>)]
    prompts: Field<PromptPolicy>,
}

/// A project, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectObject {
    id: ProjectId,
    #[schema(pattern = "^project$")]
    object: &'static str,
    name: String,
    description: String,
    /// What the names of models begin with that only its keys may call.
    #[schema(pattern = "^u-[0-9a-f]{12}/$")]
    model_prefix: String,
    /// What all its keys share.
    limits: Limits,
    /// What all its keys share.
    budgets: Vec<Budget>,
    /// One entry per budget, in their order.
    spent: Vec<Spent>,
    /// What raises them for a while.
    #[schema(required)]
    increase: Option<HeldObject>,
    /// How many active and disabled keys it has, where `counts` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    /// How many users were let in, where `counts` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u64>,
    /// How it keeps what its calls ask and are answered. `null`: not at all.
    #[schema(required)]
    prompts: Option<PromptPolicy>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ProjectObject {
    fn new(project: Project, standing: &SharedStanding, counts: Option<&Populations>) -> Self {
        let subject = Subject::Project(project.id);
        let population = counts.map(|all| all.of(project.id));
        Self {
            id: project.id,
            object: "project",
            name: project.name,
            description: project.description,
            model_prefix: model_prefix(project.id),
            increase: standing.increase(&subject).cloned().map(HeldObject::from),
            spent: spent_of(standing, &subject, &project.bounds),
            limits: project.bounds.limits,
            budgets: project.bounds.budgets,
            keys: population.map(|one| one.keys),
            members: population.map(|one| one.members),
            prompts: project.prompts,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// Makes a project.
#[utoipa::path(
    post,
    path = "/v1/projects",
    request_body = CreateProject,
    responses((status = 201, body = ProjectObject, headers(("etag")))),
)]
pub(crate) async fn create_project(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateProject = body.parse()?;
    let description = wish.description.unwrap_or_default();
    let mut faults = Faults::new();
    faults.check("name", check_name(&wish.name));
    faults.check("description", check_description(&description));
    let bounds = edited(&Bounds::NONE, &wish.limits, wish.budgets, &mut faults);
    faults.finish()?;
    let new = NewProject { name: wish.name, description, bounds };
    let project = control.store.create_project(&caller.act(control.now()), new).await?;
    Ok((StatusCode::CREATED, answer(&control, project).await?).into_response())
}

/// Lists the projects by name.
#[utoipa::path(
    get,
    path = "/v1/projects",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only projects with this in their name, description or id.", max_length = 200), ("counts" = Option<bool>, Query, description = "Whether projects tell how many keys and members they have.")),
    responses((status = 200, body = List<ProjectObject>)),
)]
pub(crate) async fn list_projects(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<ProjectObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let search = params.search();
    let has_counts = params.parse::<bool>("counts").unwrap_or(false);
    params.finish()?;
    let organization = caller.organization();
    let after = after.as_deref();
    let rows = match search {
        Some(text) => control.store.search_projects(organization, &text, after, limit + 1).await?,
        None => control.store.list_projects(organization, after, limit + 1).await?,
    };
    let bounded = rows.iter().map(|project| (Subject::Project(project.id), &project.bounds));
    let ids: Vec<_> = rows.iter().map(|project| project.id).collect();
    let standing = control.store.shared_standing(organization, bounded);
    let counts = async {
        let counted = has_counts.then(|| control.store.populations(organization, &ids));
        OptionFuture::from(counted).await.transpose()
    };
    let (standing, counts) = tokio::try_join!(standing, counts)?;
    let object = |project| ProjectObject::new(project, &standing, counts.as_ref());
    let rows = rows.into_iter().map(object).collect();
    Ok(List::cut(rows, limit, |project| project.name.clone()))
}

/// Shows one project, by id or name.
#[utoipa::path(
    get,
    path = "/v1/projects/{id}",
    responses((status = 200, body = ProjectObject, headers(("etag")))),
)]
pub(crate) async fn show_project(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    answer(&control, get(&control, &caller, &id).await?).await
}

/// Edits name, description, limits, budgets or keeping of prompts of a project; the default one keeps its name.
#[utoipa::path(
    patch,
    path = "/v1/projects/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditProject,
    responses((status = 200, body = ProjectObject, headers(("etag")))),
)]
pub(crate) async fn edit_project(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditProject = body.parse().map_err(|error| error.naming_fixed(&["id"]))?;
    let mut project = get(&control, &caller, &id).await?;
    check_if_match(&headers, project.updated_at)?;
    let mut faults = Faults::new();
    if let Some(name) = wish.name {
        faults.check("name", check_name(&name));
        project.name = name;
    }
    if let Some(description) = wish.description {
        faults.check("description", check_description(&description));
        project.description = description;
    }
    match wish.prompts {
        Field::Absent => {}
        Field::Null => project.prompts = None,
        Field::Value(policy) => project.prompts = Some(policy),
    }
    let bounds = edited(&project.bounds, &wish.limits, wish.budgets, &mut faults);
    faults.finish()?;
    let subject = project.id.to_string();
    let attempt = Attempt { action: "project.edit", subject, name: &project.name };
    refuse_loosening(&control, &caller, (&project.bounds, &bounds), &attempt).await?;
    project.bounds = bounds;
    // The version that was read goes along: an edit in between must not be undone by this one.
    let edited = control.store.edit_project(&caller.act(control.now()), &project).await?;
    answer(&control, edited).await
}

/// Removes a project that has no keys and no service accounts.
#[utoipa::path(
    delete,
    path = "/v1/projects/{id}",
    responses((status = 204)),
)]
pub(crate) async fn remove_project(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let project = get(&control, &caller, &id).await?;
    removed(control.store.remove_project(&caller.act(control.now()), project.id).await?, NOUN)
}

pub(super) async fn get(
    control: &Control,
    caller: &Caller,
    text: &str,
) -> Result<Project, ApiError> {
    find(control, caller.organization(), text).await?.ok_or(ApiError::NotFound(NOUN))
}

/// A project by its id or its name.
pub(super) async fn find(
    control: &Control,
    organization: OrganizationId,
    text: &str,
) -> Result<Option<Project>, ApiError> {
    let by_id = text.parse().ok().map(|id| control.store.find_project(organization, id));
    by_id_or_name(by_id, control.store.find_project_by_name(organization, text)).await
}

async fn answer(control: &Control, project: Project) -> Result<Response, ApiError> {
    let updated_at = project.updated_at;
    let bounded = [(Subject::Project(project.id), &project.bounds)];
    let standing = control.store.shared_standing(project.organization, bounded.into_iter()).await?;
    Ok(versioned(ProjectObject::new(project, &standing, None), updated_at))
}
