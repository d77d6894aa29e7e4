//! Who visits: the session of a request, asked of the API.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_domain::address::ClientAddress;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::header::{HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{Method, Uri};
use jiff::Timestamp;
use serde::Deserialize;

use crate::answer::see_other;
use crate::api::Api;
use crate::cookie;
use crate::frame::{Frame, is_for_admins};
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

    /// A page of what only those do who may make keys says so, before anything is filled in.
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

    /// On a page that only administrators have, nobody else: what they would fill in is refused at its end.
    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Turned> {
        let visitor = Self::of(parts, portal).await?;
        if is_for_admins(parts.uri.path()) && !visitor.me.is_admin() {
            return Err(Refusal::forbidden().into());
        }
        Ok(visitor)
    }
}

impl Visitor {
    /// Whoever is signed in, on whichever page.
    pub(crate) async fn of(parts: &Parts, portal: &Portal) -> Result<Self, Turned> {
        let token = cookie::session(parts)
            .and_then(|text| SignInToken::parse(TokenKind::Session, text).ok());
        let Some(token) = token else { return Err(Turned::ToSignIn(sign_in(parts, false))) };
        let address = address(parts)?;
        let csrf = BASE64_URL_SAFE_NO_PAD.encode(*token.mac("form of the portal", &[]));
        let api = Api::new(portal.api.clone(), Some(token.expose()), address, user_agent(parts));
        let me = match api.get::<Me>("/v1/users/me").await {
            Err(refusal) if refusal.is_signed_out() => {
                return Err(Turned::SessionOver(sign_in(parts, true)));
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

/// What was just done, said by the page that a form leads to: one of the texts that are made for it, and
/// nothing that a link from elsewhere could choose.
fn notice(query: &Query) -> Option<String> {
    let name = format!("done-{}", query.get("done")?);
    is_there(&name).then(|| text(&name))
}

/// The page to sign in, with the way back, and with what became of the session, or of a form of it.
fn sign_in(parts: &Parts, is_over: bool) -> String {
    let (wanted, done) = if parts.method == Method::GET {
        let path = parts.uri.path_and_query().map(ToString::to_string);
        (path, is_over.then_some("session-over"))
    } else {
        (form_page(parts), Some("form-not-sent"))
    };
    let next = wanted.as_deref().filter(|path| *path != "/");
    let pairs = [("next", next), ("done", done)];
    with_query("/sign-in", pairs.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

/// The page of this portal that a form was sent from, as far as the browser says it.
fn form_page(parts: &Parts) -> Option<String> {
    let from = parts.headers.get(REFERER)?.to_str().ok()?;
    let from: Uri = from.parse().ok()?;
    // A page of another site is nowhere to lead back to.
    let is_ours = from.authority()?.as_str() == parts.headers.get(HOST)?.to_str().ok()?;
    is_ours.then(|| from.path_and_query().map(ToString::to_string))?
}

fn address(parts: &Parts) -> Result<ClientAddress, Refusal> {
    let address = parts.extensions.get::<ClientAddress>().copied();
    address.ok_or_else(|| Refusal::fault(&"a request without a client address"))
}

fn user_agent(parts: &Parts) -> Option<http::HeaderValue> {
    parts.headers.get(USER_AGENT).cloned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: Method, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/keys/a/enable?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn whoever_signs_in_again_comes_back_to_where_they_were() {
        let ours =
            [("host", "keys.example:8080"), ("referer", "http://keys.example:8080/keys/a?b=c")];
        let other = [("host", "keys.example"), ("referer", "https://evil.example/keys")];
        for (method, headers, is_over, expected) in [
            (Method::GET, &ours[..0], false, "/sign-in?next=%2Fkeys%2Fa%2Fenable%3Fx%3D1"),
            (
                Method::GET,
                &ours[..0],
                true,
                "/sign-in?next=%2Fkeys%2Fa%2Fenable%3Fx%3D1&done=session%2Dover",
            ),
            (
                Method::POST,
                &ours[..],
                true,
                "/sign-in?next=%2Fkeys%2Fa%3Fb%3Dc&done=form%2Dnot%2Dsent",
            ),
            (Method::POST, &other[..], true, "/sign-in?done=form%2Dnot%2Dsent"),
            (Method::POST, &ours[..1], false, "/sign-in?done=form%2Dnot%2Dsent"),
        ] {
            assert_eq!(sign_in(&parts(method, headers), is_over), expected);
        }
        assert!(is_there("done-form-not-sent") && is_there("done-session-over"));
    }
}
