//! `/v1/sessions`: who is signed in, and signing in.

mod create;
mod state;

use axum::extract::State;
use doorward_domain::id::{SessionId, UserId};
use doorward_domain::name::check_name;
use doorward_store::{Session, StoreError};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::answer::removed;
use crate::api::list::List;
use crate::api::users;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::IpAddress;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

pub(crate) use create::{SecretText, create_session};
pub(crate) use state::show_sign_in;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    state::show_sign_in,
    create::create_session,
    list_sessions,
    end_session,
    end_other_sessions
))]
pub(crate) struct Described;

const NOUN: &str = "session";
/// The organization of whoever names none: the first one.
const ORGANIZATION_DEFAULT: &str = "default";
/// What the session that asks is called in the path.
const CURRENT: &str = "current";

/// The organization that somebody wants to come into. What cannot be a name is refused: names are kept
/// in memory for those who try again and again.
pub(super) fn organization_named(name: Option<String>) -> Result<String, ApiError> {
    let name = name.unwrap_or_else(|| ORGANIZATION_DEFAULT.to_owned());
    let mut faults = Faults::new();
    faults.check("organization", check_name(&name));
    faults.finish()?;
    Ok(name)
}

/// A session, as answers show it. The token is not in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionObject {
    id: SessionId,
    #[schema(pattern = "^session$")]
    object: &'static str,
    user: UserId,
    #[schema(value_type = IpAddress)]
    address: String,
    user_agent: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    /// When it ends if it is not used any more.
    ends_at: Timestamp,
    /// Whether it is the one that asks.
    is_current: bool,
}

impl SessionObject {
    /// Of the session that asks, or that was begun just now.
    fn new_own(session: Session) -> Self {
        let current = Some(session.id);
        Self::new(session, current)
    }

    fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id,
            object: "session",
            user: session.user,
            address: session.address,
            user_agent: session.user_agent,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            ends_at: session.ends_at,
            is_current: current == Some(session.id),
        }
    }
}

/// Lists the sessions of whoever asks, newest first.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    responses((status = 200, body = List<SessionObject>)),
)]
pub(crate) async fn list_sessions(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Result<List<SessionObject>, ApiError> {
    params.finish()?;
    let own = caller.session()?;
    list(&control, &caller, own.user, Some(own.id)).await
}

/// Lists the sessions of a user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/sessions",
    responses((status = 200, body = List<SessionObject>)),
)]
pub(crate) async fn list_user_sessions(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    params: Params,
) -> Result<List<SessionObject>, ApiError> {
    params.finish()?;
    let user = users::get(&control, &caller, &id).await?;
    let current = caller.session().ok().map(|session| session.id);
    list(&control, &caller, user.id, current).await
}

async fn list(
    control: &Control,
    caller: &Caller,
    user: UserId,
    current: Option<SessionId>,
) -> Result<List<SessionObject>, ApiError> {
    let rows = control.store.list_sessions(caller.organization(), user).await?;
    let rows = rows.into_iter().map(|row| SessionObject::new(row, current)).collect();
    Ok(List::page(rows, false, None))
}

/// Ends one of the caller's sessions; `current` is the one that asks.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{id}",
    responses((status = 204)),
)]
pub(crate) async fn end_session(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let own = caller.session()?;
    let id = if id == CURRENT { Ok(own.id) } else { id.parse() };
    let id = id.map_err(|_| ApiError::NotFound(NOUN))?;
    let done = control.store.end_session(&caller.act(control.now()), own.user, id).await?;
    removed(done, NOUN)
}

/// Ends all of the caller's sessions but the one that asks.
#[utoipa::path(
    delete,
    path = "/v1/sessions",
    responses((status = 204)),
)]
pub(crate) async fn end_other_sessions(
    State(control): State<Control>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let own = caller.session()?;
    control.store.end_sessions(&caller.act(control.now()), own.user, Some(own.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user; the one that asks too, if it is one of them.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/sessions",
    responses((status = 204)),
)]
pub(crate) async fn end_user_sessions(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let user = users::get(&control, &caller, &id).await?;
    match control.store.end_sessions(&caller.act(control.now()), user.id, None).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(refused(&control, &caller, &user, error).await),
    }
}

async fn refused(
    control: &Control,
    caller: &Caller,
    user: &doorward_store::User,
    error: StoreError,
) -> ApiError {
    let attempt = ("user.end_sessions", user.id.to_string(), user.name.as_str());
    users::refused(control, caller, attempt, error).await
}
