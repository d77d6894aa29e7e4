//! Who visits: the session of a request, asked of the API.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_domain::address::ClientAddress;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::header::USER_AGENT;
use http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::see_other;
use crate::api::Api;
use crate::cookie;
use crate::frame::Frame;
use crate::portal::Portal;
use crate::query::{Query, with_query};
use crate::refusal::{Refusal, signed_out};
use crate::text::{is_there, text};

const MINUTES_PER_DAY: u64 = 24 * 60;

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The API with their session.
    pub(crate) api: Api,
    pub(crate) me: Me,
    pub(crate) address: ClientAddress,
    pub(crate) now: Timestamp,
    /// What shows that a form is one of this session's.
    pub(super) csrf: String,
    endpoint: String,
    theme: Option<&'static str>,
    notice: Option<String>,
}

/// Somebody who is signed in and may do what administrators do: whose the forms are that nobody else may send.
#[derive(Debug)]
pub(crate) struct Administrator(pub(crate) Visitor);

/// Somebody of whom nothing is known.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The API without a credential.
    pub(crate) api: Api,
    pub(crate) now: Timestamp,
    theme: Option<&'static str>,
    notice: Option<String>,
}

/// What the API says of whoever is signed in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Me {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) email: Option<String>,
    pub(crate) role: OrganizationRole,
    pub(crate) organization: Organization,
    pub(crate) projects: Vec<Membership>,
    /// What the role allows.
    pub(crate) scopes: ScopeSet,
    pub(crate) has_second_factor: bool,
    pub(crate) key_quota: KeyQuota,
}

/// The organization of whoever is signed in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Organization {
    pub(crate) name: String,
}

/// How many keys somebody has, and what bounds them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct KeyQuota {
    /// Active and disabled ones.
    pub(crate) count: u32,
    pub(crate) max: u32,
    /// No key lives longer. `None`: keys may live for ever.
    pub(crate) max_lifetime_minutes: Option<u64>,
}

/// A project that somebody is a member of.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl KeyQuota {
    /// The longest life of a key in whole days. `None`: it need not end.
    pub(crate) fn days_max(&self) -> Option<u64> {
        let minutes = self.max_lifetime_minutes.filter(|minutes| *minutes > 0);
        minutes.map(|minutes| minutes / MINUTES_PER_DAY)
    }
}

impl Me {
    pub(crate) fn is_admin(&self) -> bool {
        self.scopes.allows(Scope::Admin)
    }

    pub(crate) fn may_make_keys(&self) -> bool {
        self.scopes.allows(Scope::KeysWrite)
    }

    /// The first letters of the first two words of the name.
    pub(crate) fn initials(&self) -> String {
        let words = self.name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.take(2).filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
    }
}

impl Visitor {
    /// What clients use as base URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A page of what only administrators do says so, before anything is filled in.
    pub(crate) fn refuse_others_than_admins(&self) -> Result<(), Refusal> {
        self.me.is_admin().then_some(()).ok_or_else(Refusal::forbidden)
    }

    /// The same of what only those do who may make keys.
    pub(crate) fn refuse_who_makes_no_keys(&self) -> Result<(), Refusal> {
        self.me.may_make_keys().then_some(()).ok_or_else(Refusal::forbidden)
    }

    /// The frame of a page; `here` is the path of the entry that is marked among the ways.
    pub(crate) fn frame(&self, here: &'static str) -> Frame {
        Frame {
            theme: self.theme,
            me: Some(self.me.clone()),
            csrf: self.csrf.clone(),
            endpoint: self.endpoint.clone(),
            here,
            notice: self.notice.clone(),
            now: self.now,
        }
    }
}

impl Guest {
    pub(crate) fn frame(&self) -> Frame {
        Frame::bare(self.theme, self.notice.clone(), self.now)
    }
}

impl FromRequestParts<Portal> for Guest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Refusal> {
        let address = address(parts)?;
        let api = Api::new(portal.api.clone(), None, address, user_agent(parts));
        let (theme, notice) = (cookie::theme(&parts.headers), notice(&Query::of(parts)));
        Ok(Self { api, now: portal.now(), theme, notice })
    }
}

/// Why a visitor is sent elsewhere.
#[derive(Debug)]
pub(crate) enum Turned {
    /// To sign in, and then back to where they wanted to go.
    ToSignIn(String),
    /// The same for whoever was signed in: the browser forgets the session.
    SessionOver(String),
    Refused(Refusal),
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        match self {
            Self::ToSignIn(path) => see_other(&path),
            Self::SessionOver(path) => signed_out(&path),
            Self::Refused(refusal) => refusal.into_response(),
        }
    }
}

impl FromRequestParts<Portal> for Visitor {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Turned> {
        let token = cookie::session(parts)
            .and_then(|text| SignInToken::parse(TokenKind::Session, text).ok());
        let Some(token) = token else { return Err(Turned::ToSignIn(sign_in(parts, None))) };
        let address = address(parts)?;
        let csrf = BASE64_URL_SAFE_NO_PAD.encode(*token.mac("form of the portal", &[]));
        let api = Api::new(portal.api.clone(), Some(token.expose()), address, user_agent(parts));
        let me = match api.get::<Me>("/v1/users/me").await {
            Err(refusal) if refusal.is_signed_out() => {
                return Err(Turned::SessionOver(sign_in(parts, Some("session-over"))));
            }
            answer => answer?,
        };
        Ok(Self {
            api,
            me,
            address,
            now: portal.now(),
            csrf,
            endpoint: portal.endpoint.to_string(),
            theme: cookie::theme(&parts.headers),
            notice: notice(&Query::of(parts)),
        })
    }
}

impl FromRequestParts<Portal> for Administrator {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Turned> {
        let visitor = Visitor::from_request_parts(parts, portal).await?;
        if visitor.me.is_admin() { Ok(Self(visitor)) } else { Err(Refusal::forbidden().into()) }
    }
}

/// What was just done, said by the page that a form leads to: one of the texts that are made for it, and
/// nothing that a link from elsewhere could choose.
fn notice(query: &Query) -> Option<String> {
    let name = format!("done-{}", query.get("done")?);
    is_there(&name).then(|| text(&name))
}

/// The page to sign in, with the way back, and with what became of the session.
fn sign_in(parts: &Parts, done: Option<&str>) -> String {
    let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let next = Some(wanted).filter(|path| parts.method == http::Method::GET && *path != "/");
    let pairs = [("next", next), ("done", done)];
    with_query("/sign-in", pairs.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn address(parts: &Parts) -> Result<ClientAddress, Refusal> {
    let address = parts.extensions.get::<ClientAddress>().copied();
    address.ok_or_else(|| Refusal::fault(&"a request without a client address"))
}

fn user_agent(parts: &Parts) -> Option<http::HeaderValue> {
    parts.headers.get(USER_AGENT).cloned()
}
