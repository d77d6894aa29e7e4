//! `POST /oauth/token`.

use std::net::IpAddr;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use doorward_domain::address::ClientAddress;
use doorward_domain::denial::Denial;
use doorward_domain::id::TokenId;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::narrowing::Narrowing;
use doorward_domain::presented::{Presented, parse_one};
use doorward_domain::token::{BearerToken, Claims, end, scope_text, whole_seconds};
use http::HeaderMap;
use http::header::PRAGMA;
use serde::Serialize;
use serde_json::json;

use super::client;
use super::error::OauthError;
use super::form::Form;
use super::wish::Wish;
use crate::Control;
use crate::caller::Identified;
use crate::control::id_parts;

pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Our own: no standard knows API keys.
const API_KEY: &str = "urn:doorward:token-type:api_key";

#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<&'a [doorward_domain::model_pattern::ModelPattern]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// Gives a token for a key, or a narrower one for a token. It is never stronger than either.
pub(super) async fn create_token(
    State(control): State<Control>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
    mut form: Form,
) -> Result<Response, OauthError> {
    let grant_type = form.need("grant_type")?;
    let client = client::credential(&headers, &mut form)?;
    let (found, issued_token_type) = match grant_type.as_str() {
        "client_credentials" => (of_client(&control, client, address).await?, None),
        EXCHANGE => (of_subject(&control, client, &mut form, address).await?, Some(ACCESS_TOKEN)),
        _ => return Err(OauthError::UnsupportedGrantType),
    };
    let claims = claims(&control, &found, Wish::read(&mut form)?)?;
    let token = issue(&control, &found, &claims).await?;
    Ok(answer(&token, &claims, issued_token_type))
}

async fn of_client(
    control: &Control,
    client: Option<Presented>,
    address: IpAddr,
) -> Result<Identified, OauthError> {
    if matches!(client, Some(Presented::Token(_))) {
        let text = "A token is no client secret: exchange it, or present the API key.";
        return Err(OauthError::InvalidClient(text.to_owned()));
    }
    client::authenticate(control, client, address).await
}

/// Whoever has the subject token needs nothing else: it is a credential of ours. A client that shows
/// one beside it must be the same key.
async fn of_subject(
    control: &Control,
    client: Option<Presented>,
    form: &mut Form,
    address: IpAddr,
) -> Result<Identified, OauthError> {
    let subject = subject(form)?;
    let client = match client {
        Some(client) => Some(client::authenticate(control, Some(client), address).await?),
        None => None,
    };
    let found = client::identify(control, &subject, address).await?.map_err(|denial| {
        let unknown = "The subject token is not valid.".to_owned();
        let text = if denial == Denial::InvalidKey { unknown } else { denial.to_string() };
        OauthError::InvalidRequest(text)
    })?;
    if client.is_some_and(|client| client.identity.key.id != found.identity.key.id) {
        let text = "The subject token is not of this client.";
        return Err(OauthError::InvalidRequest(text.to_owned()));
    }
    Ok(found)
}

/// Reads what is to be exchanged, as what it is said to be.
fn subject(form: &mut Form) -> Result<Presented, OauthError> {
    let invalid = |text: &str| OauthError::InvalidRequest(text.to_owned());
    let (token, kind) = (form.need("subject_token")?, form.need("subject_token_type")?);
    if form.take("actor_token").is_some() {
        return Err(invalid("An actor_token is not supported."));
    }
    if form.take("requested_token_type").is_some_and(|t| ![ACCESS_TOKEN, JWT].contains(&t.as_str()))
    {
        return Err(invalid("Only access tokens can be requested."));
    }
    match (parse_one(token.as_bytes()), kind.as_str()) {
        (Ok(key @ Presented::Key(_)), API_KEY) => Ok(key),
        (Ok(token @ Presented::Token(_)), ACCESS_TOKEN | JWT) => Ok(token),
        (_, API_KEY | ACCESS_TOKEN | JWT) => Err(invalid("The subject token is not valid.")),
        (_, _) => Err(OauthError::InvalidRequest(format!(
            "subject_token_type must be {API_KEY} or {ACCESS_TOKEN}."
        ))),
    }
}

fn claims(control: &Control, found: &Identified, wish: Wish) -> Result<Claims, OauthError> {
    let (now, Identified { identity, caller }) = (control.now(), found);
    let narrowing = Narrowing::grant(wish.wanted, &caller.rights)?;
    let issuer = control.store.public_url().ok_or(OauthError::Internal("no public URL"))?;
    let of_token = caller.token().map(|token| token.expires_at);
    let ends = [identity.secret_ends_at, of_token, caller.rights.expires_at];
    let expires_at = end(wish.seconds, now, ends.into_iter().flatten());
    let expires_at = expires_at.ok_or_else(|| {
        OauthError::InvalidRequest("The credential ends within a second.".to_owned())
    })?;
    let random = id_parts(now).map_err(|_| OauthError::Internal("no random bits"))?;
    let resource = wish.resource.filter(|uri| uri.trim_end_matches('/') != issuer);
    Ok(Claims {
        audience: resource.unwrap_or_else(|| issuer.to_owned()),
        issuer: issuer.to_owned(),
        owner: identity.key.owner,
        key: identity.key.id,
        secret: identity.secret,
        id: TokenId::new(random.0, random.1),
        issued_at: whole_seconds(now),
        expires_at,
        narrowing,
        salt: control.store.random_u64(),
    })
}

/// Issuing is an act of the key: it stands in the audit log before the token goes out.
async fn issue(
    control: &Control,
    found: &Identified,
    claims: &Claims,
) -> Result<BearerToken, OauthError> {
    let too_long = "The token would be too long for a header: name fewer models.";
    let token = control.store.sign_token(claims);
    let token = token.map_err(|_| OauthError::InvalidRequest(too_long.to_owned()))?;
    let act = found.caller.act(control.now());
    if !control.tokens_issued.admits(claims.key, act.at) {
        return Err(OauthError::TooMany);
    }
    let detail = json!({
        "scopes": claims.narrowing.scopes,
        "models": claims.narrowing.models,
        "resource": claims.audience,
        "expires_at": claims.expires_at,
        "of_token": found.caller.token().map(|token| token.id),
    });
    control.store.record(&act, "token.create", &claims.id.to_string(), detail).await?;
    Ok(token)
}

fn answer(
    token: &BearerToken,
    claims: &Claims,
    issued_token_type: Option<&'static str>,
) -> Response {
    let answer = TokenAnswer {
        access_token: token.expose(),
        token_type: "Bearer",
        expires_in: claims.expires_at.as_second() - claims.issued_at.as_second(),
        scope: scope_text(claims.narrowing.scopes),
        models: match &claims.narrowing.models {
            ModelRule::All => None,
            ModelRule::Only(patterns) => Some(patterns),
        },
        issued_token_type,
    };
    // The header `cache-control: no-store` is on every answer of this API.
    ([(PRAGMA, "no-cache")], Json(answer)).into_response()
}
