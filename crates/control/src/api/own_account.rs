//! `/v1/users/me/password` and `/v1/users/me/second-factor`: what users change about themselves. And what
//! an administrator takes away when it was lost.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::email::EmailAddress;
use doorward_store::{StoredPassword, User};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Control;
use crate::api::answer::removed;
use crate::api::password_links::{new_password, refuse_weaker};
use crate::api::sessions::SecretText;
use crate::api::users;
use crate::caller::{Caller, FromAddress};
use crate::idempotency::WithoutSecret;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText};
use crate::sign_in_refusal::SignInRefusal;

const NOUN: &str = "second factor";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretText,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithPassword {
    #[schema(value_type = String, format = Password)]
    current_password: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmSecondFactor)]
struct Confirm {
    #[schema(value_type = String, pattern = "^[0-9 ]{6,7}$")]
    code: SecretText,
}

/// A second factor that is to be confirmed; an authenticator app reads the address.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSecondFactor)]
struct NewFactor {
    #[schema(pattern = "^second_factor$")]
    object: &'static str,
    #[schema(required)]
    secret: Option<String>,
    #[schema(required)]
    otpauth_url: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConfirmedSecondFactor)]
struct Confirmed {
    #[schema(pattern = "^second_factor$")]
    object: &'static str,
    /// Each stands in for a code, once.
    recovery_codes: Vec<String>,
}

/// Changes the password of whoever asks, who knows the one before; all their other sessions end.
#[utoipa::path(
    post,
    path = "/v1/users/me/password",
    request_body = ChangePassword,
    responses((status = 204), (status = 429)),
)]
pub(crate) async fn change_password(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    caller: Caller,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let wish: ChangePassword = body.parse()?;
    let session = caller.session()?;
    let (user, before) = known(&control, &caller, wish.current_password, address).await?;
    let password = new_password(wish.password, &user.name, user.email.as_ref())?;
    let hashed = control.store.hash_password(&password).await?;
    let act = caller.act(control.now());
    control.store.change_password(&act, session, &before, &hashed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user who asks, if this is their password. Wrong ones count as failures to sign in do: whoever
/// finds a session open must not try passwords with it.
async fn known(
    control: &Control,
    caller: &Caller,
    given: SecretText,
    address: std::net::IpAddr,
) -> Result<(User, StoredPassword), ApiError> {
    let (organization, id) = (caller.organization(), caller.session()?.user);
    let account = format!("own\n{id}");
    let now_us = control.store.clock().monotonic_us();
    control.attempts.begin(Some(&account), address, now_us)?;
    let user =
        control.store.find_user(organization, id).await?.ok_or(ApiError::NotFound("user"))?;
    let stored = control.store.find_password(organization, id).await?;
    let given = given.into_secret();
    let is_right = control.store.password_matches(stored.as_ref(), &given).await?;
    let stored = stored.filter(|_| is_right).ok_or(SignInRefusal::WrongPassword)?;
    control.attempts.succeeded(Some(&account), address);
    Ok((user, stored))
}

/// Makes a second factor for whoever asks. It is asked for once a first code has confirmed it.
#[utoipa::path(
    post,
    path = "/v1/users/me/second-factor",
    request_body = WithPassword,
    responses((status = 201, body = NewFactor), (status = 429)),
)]
pub(crate) async fn begin_second_factor(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: WithPassword = body.parse()?;
    let (user, _) = known(&control, &caller, wish.current_password, address).await?;
    let secret = control.store.begin_second_factor(&caller.act(control.now()), user.id).await?;
    let account = user.email.as_ref().map_or(user.name.as_str(), EmailAddress::as_str);
    let text = |secret: &SecretString| Some(secret.expose_secret().to_owned());
    let mut body = NewFactor {
        object: "second_factor",
        secret: text(&secret.base32()),
        otpauth_url: text(&secret.url(account)),
    };
    let response = (StatusCode::CREATED, Json(&body)).into_response();
    (body.secret, body.otpauth_url) = (None, None);
    with_kept(response, &body)
}

/// An answer, and what is kept of it: its secrets are not.
fn with_kept(mut response: Response, kept: &impl Serialize) -> Result<Response, ApiError> {
    let kept = serde_json::to_string(kept);
    let kept = kept.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(kept));
    Ok(response)
}

/// Confirms the second factor of whoever asks by a first code. The recovery codes are in this answer and
/// in no other.
#[utoipa::path(
    post,
    path = "/v1/users/me/second-factor/confirm",
    request_body = Confirm,
    responses((status = 200, body = Confirmed), (status = 429)),
)]
pub(crate) async fn confirm_second_factor(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: Confirm = body.parse()?;
    let user = caller.session()?.user;
    let account = format!("own\n{user}");
    let now_us = control.store.clock().monotonic_us();
    control.attempts.begin(Some(&account), address, now_us)?;
    let code = wish.code.into_secret();
    let act = caller.act(control.now());
    let codes = control.store.confirm_second_factor(&act, user, &code).await?;
    let codes = codes.ok_or(SignInRefusal::WrongConfirmation)?;
    control.attempts.succeeded(Some(&account), address);
    let object = "second_factor";
    let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    let response = Json(Confirmed { object, recovery_codes }).into_response();
    with_kept(response, &Confirmed { object, recovery_codes: Vec::new() })
}

/// Takes the second factor of whoever asks away, who knows the password.
#[utoipa::path(
    delete,
    path = "/v1/users/me/second-factor",
    request_body = WithPassword,
    responses((status = 204), (status = 429)),
)]
pub(crate) async fn remove_second_factor(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    caller: Caller,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let wish: WithPassword = body.parse()?;
    let (user, _) = known(&control, &caller, wish.current_password, address).await?;
    let done = control.store.remove_second_factor(&caller.act(control.now()), user.id).await?;
    removed(done, NOUN)
}

/// Takes the second factor of a user away who has lost it.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}/second-factor",
    responses((status = 204)),
)]
pub(crate) async fn remove_user_second_factor(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let user = users::get(&control, &caller, &id).await?;
    let action = "second_factor.remove";
    refuse_weaker(&control, &caller, &user, action).await?;
    match control.store.remove_second_factor(&caller.act(control.now()), user.id).await {
        Ok(done) => removed(done, NOUN),
        Err(error) => {
            let attempt = (action, user.id.to_string(), user.name.as_str());
            Err(users::refused(&control, &caller, attempt, error).await)
        }
    }
}
