//! `GET /v1/sign-in`: what there is to sign in to.

use axum::Json;
use axum::extract::State;
use doorward_store::SignInState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::problem::ApiError;
use crate::request::Params;

/// What somebody who is not signed in needs to know to get there, and nothing of who is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInState)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "three answers, none of which follows from another"
)]
pub(crate) struct StateObject {
    #[schema(pattern = "^sign_in$")]
    object: &'static str,
    /// Whether anybody has a password. Else the administrator sets the first one, by a link or with the key
    /// of the data directory.
    is_set_up: bool,
    /// Whether there are several organizations, so that one has to be named.
    has_organizations: bool,
    /// Whether mails are sent, so that a forgotten password can be reset.
    can_mail: bool,
}

/// Shows whether anybody can sign in yet, and what there is to name.
#[utoipa::path(
    get,
    path = "/v1/sign-in",
    responses((status = 200, body = StateObject)),
)]
pub(crate) async fn show_sign_in(
    State(control): State<Control>,
    params: Params,
) -> Result<Json<StateObject>, ApiError> {
    params.finish()?;
    let state = control.store.sign_in_state().await?;
    let SignInState { is_set_up, has_organizations, has_mail_sender } = state;
    let (object, can_mail) = ("sign_in", control.can_mail && has_mail_sender);
    Ok(Json(StateObject { object, is_set_up, has_organizations, can_mail }))
}
