//! `/v1/invitations`, `/v1/password-resets`, and the links that an administrator makes for a user.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::email::EmailAddress;
use doorward_domain::id::UserId;
use doorward_domain::password::check_password;
use doorward_domain::rights::{Axis, Rights};
use doorward_domain::role::OrganizationRole;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use doorward_store::{
    Act, Actor, LinkPurpose, LinkedUser, MailedLink, PasswordLink, StoreError, User,
};
use http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::Control;
use crate::api::keys::grant::{self, Attempt};
use crate::api::sessions::{SecretText, organization_named};
use crate::api::users;
use crate::caller::{Caller, FromAddress};
use crate::faults::Faults;
use crate::idempotency::WithoutSecret;
use crate::link_page;
use crate::openapi::text::Name;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText};
use crate::sign_in_refusal::SignInRefusal;

/// Letters to one mailbox that were asked for without a rest of an hour: whoever asks from many addresses
/// must not fill it.
const LETTERS_MAX: u32 = 5;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(show_link, accept_invitation, request_reset, accept_reset))]
pub(crate) struct Described;

/// A link, as the one answer shows it that makes it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PasswordLink)]
pub(super) struct LinkObject {
    #[schema(pattern = "^password_link$")]
    object: &'static str,
    #[schema(pattern = "^(invitation|reset)$")]
    purpose: &'static str,
    user: UserId,
    /// Whoever has it may set the password, once. `null`: it is on its way by mail, and nowhere else.
    #[schema(required)]
    token: Option<String>,
    /// The page that takes it, with the token in it. `null`: there is no token, or nobody said where clients
    /// reach this server.
    #[schema(required)]
    url: Option<String>,
    /// Where it was mailed to. `null`: the organization sends no mail.
    #[schema(required)]
    mailed_to: Option<EmailAddress>,
    expires_at: Timestamp,
}

impl LinkObject {
    /// A link to be handed over.
    fn handed(control: &Control, user: UserId, link: &PasswordLink) -> Self {
        let token = link.token.expose();
        let page = |base| link_page::url(base, link.purpose, &token).expose_secret().to_owned();
        Self {
            object: "password_link",
            purpose: link.purpose.as_str(),
            user,
            url: control.store.public_url().map(page),
            token: Some(token.expose_secret().to_owned()),
            mailed_to: None,
            expires_at: link.expires_at,
        }
    }

    fn mailed(user: UserId, link: MailedLink) -> Self {
        Self {
            object: "password_link",
            purpose: link.purpose.as_str(),
            user,
            token: None,
            url: None,
            mailed_to: Some(link.to),
            expires_at: link.expires_at,
        }
    }

    /// The same to be kept.
    pub(super) fn without_secret(&self) -> Self {
        Self { token: None, url: None, mailed_to: self.mailed_to.clone(), ..*self }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShowLink {
    #[schema(value_type = String)]
    token: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvitation {
    #[schema(value_type = String)]
    token: SecretText,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
    /// What to sign in with, for whoever has no address yet; nobody else may name one.
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AcceptPasswordReset)]
struct AcceptReset {
    #[schema(value_type = String)]
    token: SecretText,
    #[schema(value_type = String, format = Password)]
    password: SecretText,
}

/// A link, as whoever has its token may know it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownPasswordLink)]
pub(crate) struct ShownLink {
    #[schema(pattern = "^password_link$")]
    object: &'static str,
    #[schema(pattern = "^(invitation|reset|requested_reset)$")]
    purpose: &'static str,
    /// Whose password it sets: their name.
    name: String,
    /// What they sign in with. `null`: whoever accepts the invitation says it.
    #[schema(required)]
    email: Option<EmailAddress>,
    /// The name of the organization that they sign in to.
    organization: String,
    expires_at: Timestamp,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RequestPasswordReset)]
struct RequestReset {
    #[schema(value_type = EmailAddress)]
    email: String,
    /// The name of the organization; the first one where nothing is said.
    #[schema(value_type = Option<Name>)]
    organization: Option<String>,
}

/// Makes a link with which a user sets their first password; an earlier one works no more.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/invitation",
    responses((status = 201, body = LinkObject)),
)]
pub(crate) async fn invite_user(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    make(&control, &caller, &id, LinkPurpose::Invitation).await
}

/// Makes a link with which a user sets a new password; an earlier one works no more.
#[utoipa::path(
    post,
    path = "/v1/users/{id}/password-reset",
    responses((status = 201, body = LinkObject)),
)]
pub(crate) async fn reset_user_password(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Response, ApiError> {
    make(&control, &caller, &id, LinkPurpose::Reset).await
}

async fn make(
    control: &Control,
    caller: &Caller,
    id: &str,
    purpose: LinkPurpose,
) -> Result<Response, ApiError> {
    let user = users::get(control, caller, id).await?;
    let link = make_link(control, caller, &user, purpose).await?;
    let mut response = (StatusCode::CREATED, Json(&link)).into_response();
    let without = serde_json::to_string(&link.without_secret());
    let without = without.map_err(|error| ApiError::Internal(error.to_string()))?;
    response.extensions_mut().insert(WithoutSecret(without));
    Ok(response)
}

/// Makes a link for a user who is not above the caller. It goes to them by mail; where the organization
/// sends none, the caller hands it over.
pub(super) async fn make_link(
    control: &Control,
    caller: &Caller,
    user: &User,
    purpose: LinkPurpose,
) -> Result<LinkObject, ApiError> {
    let action = match purpose {
        LinkPurpose::Invitation => "user.invite",
        LinkPurpose::Reset | LinkPurpose::RequestedReset => "user.make_reset",
    };
    if user.email.is_none() {
        let detail = "A user signs in with an e-mail address, and this one has none.".to_owned();
        return Err(ApiError::Conflict { code: "email_missing", detail, field: Some("email") });
    }
    refuse_weaker(control, caller, user, action).await?;
    let (act, store) = (caller.act(control.now()), &control.store);
    let made = if control.sends_mail(user.organization).await? {
        let link = store.mail_password_link(&act, user, purpose).await;
        link.map(|link| LinkObject::mailed(user.id, link))
    } else {
        let link = store.make_password_link(&act, user.id, purpose).await;
        link.map(|link| LinkObject::handed(control, user.id, &link))
    };
    match made {
        Ok(link) => Ok(link),
        Err(error) => {
            let attempt = (action, user.id.to_string(), user.name.as_str());
            Err(users::refused(control, caller, attempt, error).await)
        }
    }
}

/// Refuses, and audits, that a caller who may do less than a user gets to be that user: whoever has a
/// link for them, or the mailbox that one is sent to, signs in with all that their role allows. An end
/// is no matter: sessions have one too.
pub(super) async fn refuse_weaker(
    control: &Control,
    caller: &Caller,
    user: &User,
    action: &'static str,
) -> Result<(), ApiError> {
    let attempt = Attempt { action, subject: user.id.to_string(), name: &user.name };
    refuse_weaker_than(control, caller, user.role, &attempt).await
}

/// The same for a user of this role who is not there yet. A token must not turn into a password: it is
/// given away because it ends within the hour.
pub(super) async fn refuse_weaker_than(
    control: &Control,
    caller: &Caller,
    role: OrganizationRole,
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    if caller.token().is_some() {
        return Err(SignInRefusal::SessionRequired.into());
    }
    grant::refuse_bounded_maker(control, caller, attempt).await?;
    let theirs = Rights::of_role(role);
    grant::refuse_excess(control, caller, &theirs, |axis| axis != Axis::Expiry, attempt).await
}

/// Shows whose password a link sets, and until when, to whoever has its token. It stays good.
#[utoipa::path(
    post,
    path = "/v1/password-links/show",
    request_body = ShowLink,
    responses((status = 200, body = ShownLink), (status = 429)),
)]
pub(crate) async fn show_link(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    body: JsonBody,
) -> Result<Json<ShownLink>, ApiError> {
    let wish: ShowLink = body.parse()?;
    let (_, linked) = find(&control, address, wish.token, |_| true).await?;
    let organization = control.store.get_organization(linked.user.organization).await?.name;
    Ok(Json(ShownLink {
        object: "password_link",
        purpose: linked.purpose.as_str(),
        name: linked.user.name,
        email: linked.user.email,
        organization,
        expires_at: linked.expires_at,
    }))
}

/// Sets the first password of a user who was invited.
#[utoipa::path(
    post,
    path = "/v1/invitations/accept",
    request_body = AcceptInvitation,
    responses((status = 204), (status = 429)),
)]
pub(crate) async fn accept_invitation(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let wish: AcceptInvitation = body.parse()?;
    let is_meant = |purpose| purpose == LinkPurpose::Invitation;
    let (token, linked) = find(&control, address, wish.token, is_meant).await?;
    let email = new_email(wish.email.as_deref(), &linked.user)?;
    set(&control, &token, &linked, (wish.password, email)).await
}

/// Sets a new password.
#[utoipa::path(
    post,
    path = "/v1/password-resets/accept",
    request_body = AcceptReset,
    responses((status = 204), (status = 429)),
)]
pub(crate) async fn accept_reset(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let wish: AcceptReset = body.parse()?;
    let is_meant = |purpose| purpose != LinkPurpose::Invitation;
    let (token, linked) = find(&control, address, wish.token, is_meant).await?;
    set(&control, &token, &linked, (wish.password, None)).await
}

/// The link of this token, if it is good for what is meant. Wrong ones count as failures of the address.
async fn find(
    control: &Control,
    address: IpAddr,
    token: SecretText,
    is_meant: impl Fn(LinkPurpose) -> bool,
) -> Result<(SignInToken, LinkedUser), ApiError> {
    control.attempts.begin(None, address, control.store.clock().monotonic_us())?;
    let token = token.into_secret();
    let token = SignInToken::parse(TokenKind::Link, token.expose_secret().trim().as_bytes());
    let token = token.map_err(|_| SignInRefusal::LinkOver)?;
    let linked = control.store.find_password_link(&token).await?;
    let linked = linked.filter(|linked| is_meant(linked.purpose)).ok_or(SignInRefusal::LinkOver)?;
    // Whoever has the token is no guesser.
    control.attempts.succeeded(None, address);
    Ok((token, linked))
}

/// What a user who has no address signs in with from now on.
fn new_email(wish: Option<&str>, user: &User) -> Result<Option<EmailAddress>, ApiError> {
    let mut faults = Faults::new();
    let email = wish.and_then(|text| faults.check("email", text.trim().parse()));
    match (&user.email, wish) {
        (None, None) => faults.add("email", "missing", "is what you sign in with"),
        (Some(_), Some(_)) => faults.add("email", "immutable", "cannot be changed by a link"),
        (None, Some(_)) | (Some(_), None) => {}
    }
    faults.finish()?;
    Ok(email)
}

async fn set(
    control: &Control,
    token: &SignInToken,
    linked: &LinkedUser,
    (password, email): (SecretText, Option<EmailAddress>),
) -> Result<StatusCode, ApiError> {
    let named = email.as_ref().or(linked.user.email.as_ref());
    let password = new_password(password, &linked.user.name, named)?;
    let hashed = control.store.hash_password(&password).await?;
    match control.store.use_password_link(token, linked, &hashed, email.as_ref()).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) | Err(StoreError::ActorChanged) => Err(SignInRefusal::LinkOver.into()),
        Err(error) => Err(error.into()),
    }
}

/// A password that may be set by a user of this name and address.
pub(super) fn new_password(
    text: SecretText,
    name: &str,
    email: Option<&EmailAddress>,
) -> Result<SecretString, ApiError> {
    let password = text.into_secret();
    let email = email.map(EmailAddress::as_str).unwrap_or_default();
    let mailbox = email.split('@').next().unwrap_or_default();
    let mut faults = Faults::new();
    let own = [email, mailbox, name];
    faults.check("password", check_password(password.expose_secret(), &own));
    faults.finish()?;
    Ok(password)
}

/// Has a link sent to a user who forgot their password. The answer is the same whoever is named.
#[utoipa::path(
    post,
    path = "/v1/password-resets",
    request_body = RequestReset,
    responses((status = 202), (status = 429)),
)]
pub(crate) async fn request_reset(
    State(control): State<Control>,
    FromAddress(address): FromAddress,
    body: JsonBody,
) -> Result<StatusCode, ApiError> {
    let wish: RequestReset = body.parse()?;
    let mut faults = Faults::new();
    let email = faults.check("email", wish.email.trim().parse::<EmailAddress>());
    let email = faults.finish_with(email)?;
    let organization = organization_named(wish.organization)?;
    let account = format!("reset\n{organization}\n{}", email.folded());
    control.attempts.begin(Some(&account), address, control.store.clock().monotonic_us())?;
    if control.attempts.failures(&account) > LETTERS_MAX {
        return Ok(StatusCode::ACCEPTED);
    }
    let later = control.clone();
    // After the answer, which would else take longer for users whom there are.
    control.later.spawn(async move {
        if let Err(error) = send_reset(&later, &organization, &email).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "no link was made");
        }
    });
    Ok(StatusCode::ACCEPTED)
}

/// Only whoever had a password can have forgotten it: an address alone is no invitation. Where no mail is
/// sent, nothing is made: nobody could be given it.
async fn send_reset(
    control: &Control,
    organization: &str,
    email: &EmailAddress,
) -> Result<(), StoreError> {
    let Some((user, _)) = control.store.find_sign_in(organization, email).await? else {
        return Ok(());
    };
    if !control.sends_mail(user.organization).await? {
        return Ok(());
    }
    let act = Act { organization: user.organization, actor: Actor::System, at: control.now() };
    control.store.mail_password_link(&act, &user, LinkPurpose::RequestedReset).await?;
    Ok(())
}
