//! `/v1/users`.

mod me;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::budget::Budget;
use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::limit::Limits;
use doorward_domain::name::check_name;
use doorward_domain::project_role::ProjectRole;
use doorward_domain::role::OrganizationRole;
use doorward_store::{
    LinkPurpose, Membership, NewUser, Presences, SharedStanding, StoreError, User, UserFilter,
};
use futures_util::future::OptionFuture;
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::{by_id_or_name, removed, status, versioned};
use crate::api::bounds::{edited, refuse_loosening, spent_of};
use crate::api::keys::grant::Attempt;
use crate::api::keys::object::{HeldObject, Spent};
use crate::api::list::List;
use crate::api::password_links::{LinkObject, make_link, refuse_weaker, refuse_weaker_than};
use crate::api::{own_account, password_links, sessions};
use crate::caller::Caller;
use crate::faults::Faults;
use crate::idempotency::WithoutSecret;
use crate::openapi::text::{Name, Standing};
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, Params, PathText, check_if_match, etag};

pub(crate) use me::show_me;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create_user,
    list_users,
    me::show_me,
    show_user,
    edit_user,
    disable_user,
    enable_user,
    remove_user,
    password_links::invite_user,
    password_links::reset_user_password,
    sessions::list_user_sessions,
    sessions::end_user_sessions,
    own_account::remove_user_second_factor,
    own_account::change_password,
    own_account::begin_second_factor,
    own_account::remove_second_factor,
    own_account::confirm_second_factor,
))]
pub(crate) struct Described;

const NOUN: &str = "user";
/// What whoever asks is called in the path.
const ME: &str = "me";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<String>,
    #[schema(value_type = OrganizationRole)]
    role: String,
    /// Whether they are to get a link with which they set a password.
    #[serde(default)]
    invite: bool,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EditUser {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<EmailAddress>)]
    email: Field<String>,
    #[schema(value_type = Option<OrganizationRole>)]
    role: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
}

/// When somebody was last seen, as answers tell it: an instant, or `null`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum LastSeen {
    Never,
    At(Timestamp),
}

impl LastSeen {
    fn new(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Never, Self::At)
    }
}

/// A user, as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserObject {
    id: UserId,
    #[schema(pattern = "^user$")]
    object: &'static str,
    name: String,
    #[schema(required)]
    email: Option<EmailAddress>,
    role: OrganizationRole,
    #[schema(value_type = Standing)]
    status: &'static str,
    /// What all their keys share.
    limits: Limits,
    /// What all their keys share.
    budgets: Vec<Budget>,
    /// One entry per budget, in their order.
    spent: Vec<Spent>,
    /// What raises them for a while.
    #[schema(required)]
    increase: Option<HeldObject>,
    /// How many active and disabled keys they have. It is left out with the next three where a list is
    /// asked for without their presence.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    /// Whether they have set a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_password: Option<bool>,
    /// Whether they are asked for a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_second_factor: Option<bool>,
    /// When they were last signed in, or a key of theirs was used. `null`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    last_seen_at: Option<LastSeen>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(required)]
    disabled_at: Option<Timestamp>,
}

impl UserObject {
    fn new(user: User, standing: &SharedStanding, presences: Option<&Presences>) -> Self {
        let subject = Subject::User(user.id);
        let presence = presences.map(|all| all.of(user.id));
        Self {
            id: user.id,
            object: "user",
            name: user.name,
            email: user.email,
            role: user.role,
            status: status(user.disabled_at),
            increase: standing.increase(&subject).cloned().map(HeldObject::from),
            spent: spent_of(standing, &subject, &user.bounds),
            limits: user.bounds.limits,
            budgets: user.bounds.budgets,
            keys: presence.map(|one| one.keys),
            has_password: presence.map(|one| one.has_password),
            has_second_factor: presence.map(|one| one.has_second_factor),
            last_seen_at: presence.map(|one| LastSeen::new(one.last_seen_at)),
            created_at: user.created_at,
            updated_at: user.updated_at,
            disabled_at: user.disabled_at,
        }
    }
}

/// A user with the projects that they are a member of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserWithProjects)]
struct OneUser {
    #[serde(flatten)]
    user: UserObject,
    projects: Vec<MembershipObject>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
struct MembershipObject {
    id: ProjectId,
    name: String,
    role: ProjectRole,
}

/// Adds a user. They have no key and no password yet; with `invite` the answer holds a link to set one.
#[utoipa::path(
    post,
    path = "/v1/users",
    request_body = CreateUser,
    responses((status = 201, body = OneUser, headers(("etag")))),
)]
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
    let bounds = edited(&Bounds::NONE, &wish.limits, wish.budgets, &mut faults);
    let role = faults.finish_with(role)?;
    let name = wish.name.clone();
    if wish.invite {
        // Before there is a user: else a refusal would leave one behind.
        let attempt = Attempt { action: "user.invite", subject: String::new(), name: &name };
        refuse_weaker_than(&control, &caller, role, &attempt).await?;
    }
    let new = NewUser { name, email, role, bounds };
    let made = control.store.create_user(&caller.act(control.now()), new).await;
    match made {
        Ok(user) if wish.invite => invited(&control, &caller, user).await,
        Ok(user) => Ok((StatusCode::CREATED, answer(&control, user).await?).into_response()),
        Err(error) => {
            Err(refused(&control, &caller, ("user.create", String::new(), &wish.name), error).await)
        }
    }
}

#[derive(Serialize, ToSchema)]
struct InvitedUser {
    #[serde(flatten)]
    user: OneUser,
    invitation: LinkObject,
}

/// The answer with the link; of it, only what is no secret is kept.
async fn invited(control: &Control, caller: &Caller, user: User) -> Result<Response, ApiError> {
    let link = make_link(control, caller, &user, LinkPurpose::Invitation).await?;
    let updated_at = user.updated_at;
    let kept = link.without_secret();
    let mut body = InvitedUser { user: one(control, user).await?, invitation: link };
    let etag = [(ETAG, etag(updated_at))];
    let mut response = (StatusCode::CREATED, etag, Json(&body)).into_response();
    body.invitation = kept;
    let kept = serde_json::to_string(&body);
    let kept = kept.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(kept));
    Ok(response)
}

/// Lists the users by name; `q`: those whose name, e-mail address or id contains it; `role`, `status`
/// and `new`: those of it.
#[utoipa::path(
    get,
    path = "/v1/users",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("q" = Option<String>, Query, description = "Only users with this in their name, e-mail address or id.", max_length = 200), ("role" = Option<OrganizationRole>, Query, description = "Only users of this role."), ("status" = Option<Standing>, Query, description = "Only users who are switched on, or only those who are not."), ("new" = Option<bool>, Query, description = "Only users who never signed in, never used a key and have no password; or only the others."), ("presence" = Option<bool>, Query, description = "`false`: what they come in with is left out, which is dear to tell of many: how many keys they have, password and second factor, and when they were last seen.")),
    responses((status = 200, body = List<UserObject>)),
)]
pub(crate) async fn list_users(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<UserObject>, ApiError> {
    let (limit, after) = (params.limit(), params.text("after"));
    let filter = UserFilter {
        search: params.search(),
        role: params.parse_filter("role"),
        is_disabled: is_disabled(&mut params),
        is_new: params.parse_filter("new"),
    };
    let has_presence = params.parse::<bool>("presence").unwrap_or(true);
    params.finish()?;
    let (organization, after) = (caller.organization(), after.as_deref());
    let rows = control.store.search_users(organization, &filter, after, limit + 1).await?;
    let rows = objects(&control, organization, rows, has_presence).await?;
    Ok(List::cut(rows, limit, |user| user.name.clone()))
}

fn is_disabled(params: &mut Params) -> Option<bool> {
    match params.filter("status")?.as_str() {
        "active" => Some(false),
        "disabled" => Some(true),
        _ => {
            params.refuse("status", "must be active or disabled");
            None
        }
    }
}

/// Shows one user, by id or name.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    responses((status = 200, body = OneUser, headers(("etag")))),
)]
pub(crate) async fn show_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    answer(&control, get(&control, &caller, &id).await?).await
}

/// Edits name, e-mail address, role, limits or budgets of a user; no role above the caller's own comes or
/// goes.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditUser,
    responses((status = 200, body = OneUser, headers(("etag")))),
)]
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
    let attempt = Attempt { action: "user.edit", subject: user.id.to_string(), name: &before.name };
    refuse_loosening(&control, &caller, (&before.bounds, &user.bounds), &attempt).await?;
    // The version that was read goes along: an edit in between must not be undone by this one.
    match control.store.edit_user(&caller.act(control.now()), &user).await {
        Ok(edited) => answer(&control, edited).await,
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
        user.bounds = edited(&user.bounds, &self.limits, self.budgets, &mut faults);
        faults.finish()
    }
}

/// Switches a user off with all their keys; they can be enabled again.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/disable",
    responses((status = 200, body = OneUser, headers(("etag")))),
)]
pub(crate) async fn disable_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    switch(&control, &caller, &id, true).await
}

/// Switches a disabled user on again. What was revoked stays revoked.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/enable",
    responses((status = 200, body = OneUser, headers(("etag")))),
)]
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
        Ok(user) => answer(control, user).await,
        Err(error) => {
            let action = if is_disabled { "user.disable" } else { "user.enable" };
            Err(refused(control, caller, (action, user.id.to_string(), &user.name), error).await)
        }
    }
}

/// Removes a user and revokes all their keys, for good.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
    responses((status = 204)),
)]
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

async fn objects(
    control: &Control,
    organization: OrganizationId,
    users: Vec<User>,
    has_presence: bool,
) -> Result<Vec<UserObject>, ApiError> {
    let bounded = users.iter().map(|user| (Subject::User(user.id), &user.bounds));
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let standing = control.store.shared_standing(organization, bounded);
    let presences = async {
        let asked = has_presence.then(|| control.store.presences(organization, &ids));
        OptionFuture::from(asked).await.transpose()
    };
    let (standing, presences) = tokio::try_join!(standing, presences)?;
    let object = |user| UserObject::new(user, &standing, presences.as_ref());
    Ok(users.into_iter().map(object).collect())
}

async fn one(control: &Control, user: User) -> Result<OneUser, ApiError> {
    let (organization, id) = (user.organization, user.id);
    let memberships = async { Ok(control.store.list_memberships(organization, id).await?) };
    let (mut users, projects) =
        tokio::try_join!(objects(control, organization, vec![user], true), memberships)?;
    let user = users.pop().ok_or(ApiError::NotFound(NOUN))?;
    let membership = |Membership { project: id, name, role }| MembershipObject { id, name, role };
    Ok(OneUser { user, projects: projects.into_iter().map(membership).collect() })
}

async fn answer(control: &Control, user: User) -> Result<Response, ApiError> {
    let updated_at = user.updated_at;
    Ok(versioned(one(control, user).await?, updated_at))
}

fn check_user_name(name: &str, faults: &mut Faults) {
    faults.check("name", check_name(name));
    if name == ME {
        faults.add("name", "reserved", "is reserved: it stands for whoever asks");
    }
}
