//! `/v1/projects/{id}/members`.

use axum::Json;
use axum::extract::State;
use doorward_domain::id::UserId;
use doorward_domain::project_role::ProjectRole;
use doorward_store::Member;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::get;
use crate::Control;
use crate::api::answer::removed;
use crate::api::list::List;
use crate::api::users;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::{JsonBody, Params, PathText, PathTexts};

const NOUN: &str = "member of this project";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMember {
    #[schema(value_type = ProjectRole)]
    role: String,
}

/// A member of a project, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectMember)]
pub(crate) struct MemberObject {
    #[schema(pattern = "^project_member$")]
    object: &'static str,
    user: UserId,
    name: String,
    role: ProjectRole,
}

impl From<Member> for MemberObject {
    fn from(member: Member) -> Self {
        let Member { user, name, role } = member;
        Self { object: "project_member", user, name, role }
    }
}

/// Lists the members of a project by name.
#[utoipa::path(
    get,
    path = "/v1/projects/{id}/members",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query)),
    responses((status = 200, body = List<MemberObject>)),
)]
pub(crate) async fn list_members(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<List<MemberObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    params.finish()?;
    let project = get(&control, &caller, &id).await?.id;
    let (organization, after) = (caller.organization(), after.as_deref());
    let store = &control.store;
    let rows = store.list_project_members(organization, project, after, limit + 1).await?;
    let rows = rows.into_iter().map(MemberObject::from).collect();
    Ok(List::cut(rows, limit, |member| member.name.clone()))
}

/// Lets a user into a project, or gives them another role there.
#[utoipa::path(
    put,
    path = "/v1/projects/{id}/members/{user}",
    request_body = SetMember,
    responses((status = 200, body = MemberObject)),
)]
pub(crate) async fn set_member(
    State(control): State<Control>,
    caller: Caller,
    PathTexts(id, user): PathTexts,
    body: JsonBody,
) -> Result<Json<MemberObject>, ApiError> {
    let wish: SetMember = body.parse()?;
    let mut faults = Faults::new();
    let role = faults.check("role", wish.role.parse());
    let role = faults.finish_with(role)?;
    let project = get(&control, &caller, &id).await?.id;
    let user = users::find(&control, caller.organization(), &user).await?;
    let user = user.ok_or(ApiError::NotFound("user"))?;
    let act = caller.act(control.now());
    control.store.set_project_member(&act, project, user.id, role).await?;
    Ok(Json(Member { user: user.id, name: user.name, role }.into()))
}

/// Takes a user out of a project; their keys in it stay.
#[utoipa::path(
    delete,
    path = "/v1/projects/{id}/members/{user}",
    responses((status = 204)),
)]
pub(crate) async fn remove_member(
    State(control): State<Control>,
    caller: Caller,
    PathTexts(id, user): PathTexts,
) -> Result<StatusCode, ApiError> {
    let project = get(&control, &caller, &id).await?.id;
    let user = users::find(&control, caller.organization(), &user).await?;
    let user = user.ok_or(ApiError::NotFound(NOUN))?;
    let act = caller.act(control.now());
    removed(control.store.remove_project_member(&act, project, user.id).await?, NOUN)
}
