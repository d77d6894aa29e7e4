//! Who calls: from the headers to a key that may be used now and from here.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::{OrganizationId, ProjectId};
use doorward_domain::presented::{self, NoCredential, Place, Presented};
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::token::{BearerToken, Claims};
use doorward_store::{CallKey, Store, StoreError};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

use crate::error::ProxyError;

/// Where SDKs put an API key: Anthropic's, Azure's and Google's.
const KEY_HEADERS: [HeaderName; 3] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key"), GOOGLE_KEY];
const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Who calls: a key, and which of its secrets was presented, or asked for the token that was.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<CallKey>,
    pub(crate) secret: SecretNumber,
    /// What was presented in the key's place.
    pub(crate) token: Option<Arc<Claims>>,
    /// The web page that uses it, as its browser says; only of a key that lives in one.
    pub(crate) origin: Option<HeaderValue>,
}

impl Caller {
    /// The page that may read the answers: one of those that the key is for.
    pub(crate) fn reader(&self) -> Option<&HeaderValue> {
        let allowed = self.key.key.rights.allowed_origins.as_ref()?;
        self.origin.as_ref().filter(|origin| allowed.allow(origin.as_bytes()))
    }

    /// When the caller is let in no longer. `None`: never by itself.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let token = self.token.as_ref().map(|token| token.expires_at);
        self.key.ends_at(self.secret).into_iter().chain(token).min()
    }

    /// The organization and the project whose models there are for this caller.
    pub(crate) fn place(&self) -> (OrganizationId, ProjectId) {
        let key = &self.key.key;
        (key.organization, key.project)
    }

    /// Whether a model may be called that has this name of its own; what it was called does not matter.
    pub(crate) fn allows_model(&self, name: &str) -> bool {
        let by_token = self.token.as_ref().is_none_or(|t| t.narrowing.models.allows(name));
        by_token && self.key.key.rights.models.allows(name)
    }

    /// What the caller may do: the scopes of the key, and no more than a token leaves.
    pub(crate) fn scopes(&self) -> ScopeSet {
        let own = self.key.scopes;
        self.token.as_ref().map_or(own, |token| own.intersect(token.narrowing.scopes))
    }

    pub(crate) fn allows(&self, scope: Scope) -> bool {
        self.scopes().allows(scope)
    }
}

/// Finds the key of a request: shape and checksum, whether it exists and this is its secret (in
/// constant time). Whether it may be used is for [`check`] to say, which comes after, so that only
/// a caller with the right secret learns that a key is expired, disabled or revoked.
pub(crate) async fn identify(store: &Store, headers: &HeaderMap) -> Result<Caller, ProxyError> {
    let presented = presented(headers)?;
    match &presented {
        Presented::Key(presented) => {
            let key = load(store, &presented.id()).await?.ok_or(Denial::InvalidKey)?;
            let secret = key.secret(presented).ok_or(Denial::InvalidKey)?;
            let origin = page(&key, headers);
            Ok(Caller { key, secret, token: None, origin })
        }
        Presented::Token(token) => Box::pin(identify_token(store, token, headers)).await,
    }
}

/// The same for a token.
async fn identify_token(
    store: &Store,
    token: &BearerToken,
    headers: &HeaderMap,
) -> Result<Caller, ProxyError> {
    let caller = of_token(store, token).await?.ok_or(Denial::InvalidKey)?;
    Ok(Caller { origin: page(&caller.key, headers), ..caller })
}

/// The key that a good token stands for, used from no page. `None`: the token is not good. The key is
/// looked at before the question whether the token was revoked: who revokes it tells the key afterwards,
/// so that a call in between knows that something has changed.
pub(crate) async fn of_token(
    store: &Store,
    token: &BearerToken,
) -> Result<Option<Caller>, StoreError> {
    let Some(claims) = store.check_token(token) else { return Ok(None) };
    let found = load(store, &claims.key).await?;
    let found = found.filter(|_| !store.is_token_revoked(claims.id));
    let caller = |key| Caller { key, secret: claims.secret, token: Some(claims), origin: None };
    Ok(found.map(caller))
}

/// The key with this id.
pub(crate) async fn load(store: &Store, id: &KeyId) -> Result<Option<Arc<CallKey>>, StoreError> {
    match store.cached_call_key(id) {
        Some(key) => Ok(Some(key)),
        // Boxed, as all that a warm call never runs: it would make every call's future larger.
        None => Box::pin(store.call_key(id)).await,
    }
}

/// The page that uses a key which lives in one.
fn page(key: &CallKey, headers: &HeaderMap) -> Option<HeaderValue> {
    key.key.rights.allowed_origins.as_ref()?;
    origin(headers)
}

/// The page that sent a request. One that names several names none.
pub(crate) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut named = headers.get_all(header::ORIGIN).iter();
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// Whether a key may be used now, from here and for this: its status, its owner, the secret, the
/// address, the page, its scopes, and those of a token that stands for it.
pub(crate) fn check(
    caller: &Caller,
    needs: Scope,
    now: Timestamp,
    address: IpAddr,
) -> Result<(), Denial> {
    check_use(caller, now, address)?;
    if caller.allows(needs) { Ok(()) } else { Err(Denial::InsufficientScope) }
}

/// The same for whatever use.
pub(crate) fn check_use(caller: &Caller, now: Timestamp, address: IpAddr) -> Result<(), Denial> {
    let key = &caller.key;
    key.key.check(now, address)?;
    key.check_secret(caller.secret, now)?;
    if !key.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    if caller.token.as_ref().is_some_and(|token| !token.is_live(now)) {
        return Err(Denial::Expired);
    }
    if key.key.rights.allowed_origins.is_some() && caller.reader().is_none() {
        return Err(Denial::OriginRefused);
    }
    Ok(())
}

/// Google's clients may put the key into the query, of Google's own routes alone. From here on it stands
/// among the headers, where another one beside it is noticed.
pub(crate) fn take_query_key(query: Option<&str>, headers: &mut HeaderMap) {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    for (_, key) in pairs.filter(|(name, _)| name == "key") {
        // What no header can carry is no key.
        let key = HeaderValue::from_str(&key);
        let mut key = key.unwrap_or_else(|_| HeaderValue::from_static("-"));
        key.set_sensitive(true);
        headers.append(GOOGLE_KEY, key);
    }
}

fn presented(headers: &HeaderMap) -> Result<Presented, ProxyError> {
    let place = |name: &HeaderName| match name {
        &header::AUTHORIZATION => Some(Place::Authorization),
        name if KEY_HEADERS.contains(name) => Some(Place::Header),
        _ => None,
    };
    let values = headers.iter().filter_map(|(name, value)| Some((place(name)?, value.as_bytes())));
    presented::credential(values).map_err(|error| match error {
        NoCredential::Missing | NoCredential::Malformed => Denial::InvalidKey.into(),
        NoCredential::Ambiguous => ProxyError::ManyCredentials,
    })
}
