//! `/v1/users`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::name::check_name;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole;
use doorward_store::{LinkPurpose, Membership, NewUser, StoreError, User};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, status, versioned};
use crate::api::keys::grant::Attempt;
use crate::api::list::List;
use crate::api::password_links::{LinkObject, make_link, refuse_weaker, refuse_weaker_than};
use crate::caller::Caller;
use crate::faults::Faults;
use crate::idempotency::WithoutSecret;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, Params, PathText, check_if_match, etag};

const NOUN: &str = "user";
/// What whoever asks is called in the path.
const ME: &str = "me";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    name: String,
    email: Option<String>,
    role: String,
    /// Whether they are to get a link with which they set a password.
    #[serde(default)]
    invite: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditUser {
    name: Option<String>,
    #[serde(default)]
    email: Field<String>,
    role: Option<String>,
}

/// A user, as answers show it.
#[derive(Debug, Serialize)]
pub(crate) struct UserObject {
    id: UserId,
    object: &'static str,
    name: String,
    email: Option<EmailAddress>,
    role: OrganizationRole,
    status: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    disabled_at: Option<Timestamp>,
}

impl From<User> for UserObject {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            object: "user",
            name: user.name,
            email: user.email,
            role: user.role,
            status: status(user.disabled_at),
            created_at: user.created_at,
            updated_at: user.updated_at,
            disabled_at: user.disabled_at,
        }
    }
}

/// Whoever asks, with the projects that they are a member of.
#[derive(Debug, Serialize)]
struct Me {
    #[serde(flatten)]
    user: UserObject,
    projects: Vec<MembershipObject>,
}

#[derive(Debug, Serialize)]
struct MembershipObject {
    id: ProjectId,
    name: String,
    role: ProjectRole,
}

/// Adds a user. They have no key and no password yet; with `invite` the answer holds a link to set one.
pub(crate) async fn create_user(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: CreateUser = body.parse()?;
    let mut faults = Faults::new();
    check_user_name(&wish.name, &mut faults);
    let email = wish.email.as_deref().and_then(|text| faults.check("email", text.parse()));
    let role = faults.check("role", wish.role.parse());
    if wish.invite && wish.email.is_none() {
        faults.add("email", "missing", "is what an invited user signs in with");
    }
    let role = faults.finish_with(role)?;
    let name = wish.name.clone();
    if wish.invite {
        // Before there is a user: else a refusal would leave one behind.
        let attempt = Attempt { action: "user.invite", subject: String::new(), name: &name };
        refuse_weaker_than(&control, &caller, role, &attempt).await?;
    }
    let made =
        control.store.create_user(&caller.act(control.now()), NewUser { name, email, role }).await;
    match made {
        Ok(user) if wish.invite => invited(&control, &caller, user).await,
        Ok(user) => Ok((StatusCode::CREATED, answer(user)).into_response()),
        Err(error) => {
            Err(refused(&control, &caller, ("user.create", String::new(), &wish.name), error).await)
        }
    }
}

#[derive(Serialize)]
struct InvitedUser {
    #[serde(flatten)]
    user: UserObject,
    invitation: LinkObject,
}

/// The answer with the link; of it, only what is no secret is kept.
async fn invited(control: &Control, caller: &Caller, user: User) -> Result<Response, ApiError> {
    let link = make_link(control, caller, &user, LinkPurpose::Invitation).await?;
    let updated_at = user.updated_at;
    let kept = link.without_secret();
    let mut body = InvitedUser { user: user.into(), invitation: link };
    let etag = [(ETAG, etag(updated_at))];
    let mut response = (StatusCode::CREATED, etag, Json(&body)).into_response();
    body.invitation = kept;
    let kept = serde_json::to_string(&body);
    let kept = kept.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(kept));
    Ok(response)
}

/// Lists the users by name.
pub(crate) async fn list_users(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<UserObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    params.finish()?;
    let organization = caller.organization();
    let rows = control.store.list_users(organization, after.as_deref(), limit + 1).await?;
    let rows = rows.into_iter().map(UserObject::from).collect();
    Ok(List::cut(rows, limit, |user| user.name.clone()))
}

/// Shows the user whose key asks, and the projects that they are a member of.
pub(crate) async fn show_me(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let Owner::User(id) = caller.owner() else { return Err(ApiError::NotFound(NOUN)) };
    let organization = caller.organization();
    let user = control.store.find_user(organization, id).await?.ok_or(ApiError::NotFound(NOUN))?;
    let projects = control.store.list_memberships(organization, id).await?;
    let object = |Membership { project: id, name, role }| MembershipObject { id, name, role };
    let projects = projects.into_iter().map(object).collect();
    Ok(Json(Me { user: user.into(), projects }).into_response())
}

/// Shows one user, by id or name.
pub(crate) async fn show_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    Ok(answer(get(&control, &caller, &id).await?))
}

/// Edits name, e-mail address or role of a user; no role above the caller's own comes or goes.
pub(crate) async fn edit_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditUser = body.parse().map_err(|error| error.naming_fixed(&["id"]))?;
    let mut user = get(&control, &caller, &id).await?;
    check_if_match(&headers, user.updated_at)?;
    let before = user.clone();
    wish.apply(&mut user)?;
    // Links to set a password are sent to the address. And whoever could make one while the user may do
    // little must not be the user who may do more.
    if user.email != before.email || !before.role.is_at_least(user.role) {
        refuse_weaker(&control, &caller, &before, "user.edit").await?;
        refuse_weaker(&control, &caller, &user, "user.edit").await?;
    }
    // The version that was read goes along: an edit in between must not be undone by this one.
    match control.store.edit_user(&caller.act(control.now()), &user).await {
        Ok(edited) => Ok(answer(edited)),
        Err(error) => {
            let attempt = ("user.edit", user.id.to_string(), user.name.as_str());
            Err(refused(&control, &caller, attempt, error).await)
        }
    }
}

impl EditUser {
    fn apply(self, user: &mut User) -> Result<(), ApiError> {
        let mut faults = Faults::new();
        if let Some(name) = self.name {
            check_user_name(&name, &mut faults);
            user.name = name;
        }
        match self.email {
            Field::Absent => {}
            Field::Null => user.email = None,
            Field::Value(text) => user.email = faults.check("email", text.parse()),
        }
        if let Some(text) = self.role
            && let Some(role) = faults.check("role", text.parse())
        {
            user.role = role;
        }
        faults.finish()
    }
}

/// Switches a user off with all their keys; they can be enabled again.
pub(crate) async fn disable_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, true).await
}

/// Switches a disabled user on again. What was revoked stays revoked.
pub(crate) async fn enable_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, false).await
}

async fn switch(
    control: &Control,
    caller: &Caller,
    id: &str,
    is_disabled: bool,
) -> Result<Response, ApiError> {
    let user = get(control, caller, id).await?;
    let act = caller.act(control.now());
    match control.store.set_user_disabled(&act, user.id, is_disabled).await {
        Ok(user) => Ok(answer(user)),
        Err(error) => {
            let action = if is_disabled { "user.disable" } else { "user.enable" };
            Err(refused(control, caller, (action, user.id.to_string(), &user.name), error).await)
        }
    }
}

/// Removes a user and revokes all their keys, for good.
pub(crate) async fn remove_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let user = get(&control, &caller, &id).await?;
    match control.store.remove_user(&caller.act(control.now()), user.id).await {
        Ok(done) => removed(done, NOUN),
        Err(error) => {
            let attempt = ("user.remove", user.id.to_string(), user.name.as_str());
            Err(refused(&control, &caller, attempt, error).await)
        }
    }
}

/// The answer to what the store refused; reaching above one's own role is also audited.
pub(super) async fn refused(
    control: &Control,
    caller: &Caller,
    (action, subject, name): (&str, String, &str),
    error: StoreError,
) -> ApiError {
    if matches!(error, StoreError::AboveOwnRole) {
        let detail = json!({ "outcome": "denied", "code": "exceeds_own_rights", "name": name });
        let noted =
            control.store.record(&caller.act(control.now()), action, &subject, detail).await;
        if let Err(unnoted) = noted {
            return unnoted.into();
        }
    }
    error.into()
}

pub(super) async fn get(control: &Control, caller: &Caller, text: &str) -> Result<User, ApiError> {
    find(control, caller.organization(), text).await?.ok_or(ApiError::NotFound(NOUN))
}

/// A user by their id or their name.
pub(super) async fn find(
    control: &Control,
    organization: OrganizationId,
    text: &str,
) -> Result<Option<User>, ApiError> {
    let by_id = text.parse().ok().map(|id| control.store.find_user(organization, id));
    by_id_or_name(by_id, control.store.find_user_by_name(organization, text)).await
}

fn answer(user: User) -> Response {
    let updated_at = user.updated_at;
    versioned(UserObject::from(user), updated_at)
}

fn check_user_name(name: &str, faults: &mut Faults) {
    faults.check("name", check_name(name));
    if name == ME {
        faults.add("name", "reserved", "is reserved: it stands for whoever asks");
    }
}
