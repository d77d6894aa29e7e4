//! `POST /v1/sessions`: signing in.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use doorward_domain::email::EmailAddress;
use doorward_domain::sign_in_token::SignInToken;
use doorward_store::{Act, Actor, Client, Session, SignedIn, StoredPassword, User};
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{SessionObject, organization_named};
use crate::Control;
use crate::caller::FromAddress;
use crate::openapi::text::Name;
use crate::problem::ApiError;
use crate::request::JsonBody;
use crate::sign_in_refusal::SignInRefusal;

/// As much of what a client calls itself as is kept.
const USER_AGENT_CHARS_MAX: usize = 200;
/// No password is longer; a longer one is not worth hashing.
const PASSWORD_BYTES_MAX: usize = 1024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    #[schema(value_type = EmailAddress)]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
    /// Of the second factor, or a recovery code.
    #[schema(value_type = Option<String>)]
    code: Option<SecretText>,
    /// The name of the organization; the first one where nothing is said.
    #[schema(value_type = Option<Name>)]
    organization: Option<String>,
}

/// A text of a request that is secret.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(Box<str>);

impl SecretText {
    pub(crate) fn into_secret(self) -> SecretString {
        SecretString::from(self.0)
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewSession {
    #[serde(flatten)]
    session: SessionObject,
    /// What the session is presented by, as `authorization: Bearer`; this once.
    token: String,
}

/// Signs a user in. An e-mail address that nobody has and a wrong password get one answer, in the same
/// time.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    request_body = SignIn,
    responses((status = 201, body = NewSession), (status = 429)),
)]
pub(crate) async fn create_session(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<(StatusCode, Json<NewSession>), ApiError> {
    let (session, token) = sign_in(&control, body.parse()?, &headers, address).await?;
    let session = SessionObject::new_own(session);
    let token = token.expose().expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(NewSession { session, token })))
}

async fn sign_in(
    control: &Control,
    wish: SignIn,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<(Session, SignInToken), ApiError> {
    let organization = organization_named(wish.organization)?;
    let email: Option<EmailAddress> = wish.email.trim().parse().ok();
    let account = email.as_ref().map(|email| format!("{organization}\n{}", email.folded()));
    let now_us = control.store.clock().monotonic_us();
    control.attempts.begin(account.as_deref(), address, now_us)?;
    let found = match &email {
        Some(email) => control.store.find_sign_in(&organization, email).await?,
        None => None,
    };
    let password = wish.password.into_secret();
    let (user, stored) = match check(control, found, &password).await? {
        Ok(found) => found,
        Err(user) => {
            note_failure(control, user, account.as_deref(), address);
            return Err(SignInRefusal::InvalidCredentials.into());
        }
    };
    let client = Client { address: address.to_string(), user_agent: user_agent(headers) };
    let code = wish.code.map(SecretText::into_secret);
    match control.store.sign_in(&user, &stored, code.as_ref(), &client).await? {
        SignedIn::Yes(session, token) => {
            control.attempts.succeeded(account.as_deref(), address);
            Ok((*session, token))
        }
        SignedIn::CodeRequired => Err(SignInRefusal::SecondFactorRequired.into()),
        SignedIn::CodeWrong => {
            note_failure(control, Some(user), account.as_deref(), address);
            Err(SignInRefusal::WrongCode.into())
        }
    }
}

type Found = (User, StoredPassword);

/// The user whose password this is; else the user who was meant, if there is one.
async fn check(
    control: &Control,
    found: Option<Found>,
    given: &SecretString,
) -> Result<Result<Found, Option<User>>, ApiError> {
    if given.expose_secret().len() > PASSWORD_BYTES_MAX {
        return Ok(Err(found.map(|(user, _)| user)));
    }
    let stored = found.as_ref().map(|(_, stored)| stored);
    let is_right = control.store.password_matches(stored, given).await?;
    Ok(match found {
        Some(found) if is_right => Ok(found),
        other => Err(other.map(|(user, _)| user)),
    })
}

/// Notes the first failure, the second, the fourth, … of a user in the audit log: who fails over and over
/// must not fill it. After the answer, which would else take longer for users whom there are.
fn note_failure(control: &Control, user: Option<User>, account: Option<&str>, address: IpAddr) {
    let failures = account.map_or(0, |account| control.attempts.failures(account));
    let Some(user) = user.filter(|_| failures.is_power_of_two()) else { return };
    let (store, at) = (std::sync::Arc::clone(&control.store), control.now());
    control.later.spawn(async move {
        let act = Act { organization: user.organization, actor: Actor::System, at };
        let detail = json!({ "failures": failures, "address": address.to_string() });
        let noted = store.record(&act, "session.refuse", &user.id.to_string(), detail).await;
        if let Err(error) = noted {
            tracing::warn!(error = &error as &dyn std::error::Error, "a failure is not noted");
        }
    });
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(USER_AGENT_CHARS_MAX).collect()
}
