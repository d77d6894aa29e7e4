//! Who calls: from the headers to a key that may be used now and from here.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::presented::{self, NoCredential, Place};
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_store::{CallKey, Store, StoreError};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;

use crate::error::ProxyError;

/// Where SDKs put an API key: Anthropic's, Azure's and Google's.
const KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Who calls: a key, and which of its secrets was presented.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<CallKey>,
    pub(crate) secret: SecretNumber,
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
        self.key.ends_at(self.secret)
    }
}

/// Finds the key of a request: shape and checksum, whether it exists and this is its secret (in
/// constant time). Whether it may be used is for [`check`] to say, which comes after, so that only
/// a caller with the right secret learns that a key is expired, disabled or revoked.
pub(crate) async fn identify(store: &Store, headers: &HeaderMap) -> Result<Caller, ProxyError> {
    let presented = presented(headers)?;
    let key = load(store, &presented).await?.ok_or(Denial::InvalidKey)?;
    let secret = key.secret(&presented).ok_or(Denial::InvalidKey)?;
    let is_in_page = key.key.rights.allowed_origins.is_some();
    let origin = if is_in_page { origin(headers) } else { None };
    Ok(Caller { key, secret, origin })
}

/// The key with the id of this one, whatever its secret.
pub(crate) async fn load(
    store: &Store,
    presented: &PlainKey,
) -> Result<Option<Arc<CallKey>>, StoreError> {
    let id = presented.id();
    match store.cached_call_key(&id) {
        Some(key) => Ok(Some(key)),
        // Boxed, as all that a warm call never runs: it would make every call's future larger.
        None => Box::pin(store.call_key(&id)).await,
    }
}

/// The page that sent a request. One that names several names none.
pub(crate) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut named = headers.get_all(header::ORIGIN).iter();
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// Whether a key may be used now, from here and for this: its status, its owner, the secret, the
/// address, the page, its scopes.
pub(crate) fn check(
    caller: &Caller,
    needs: Scope,
    now: Timestamp,
    address: IpAddr,
) -> Result<(), Denial> {
    check_use(caller, now, address)?;
    if caller.key.scopes.allows(needs) { Ok(()) } else { Err(Denial::InsufficientScope) }
}

/// The same for whatever use.
pub(crate) fn check_use(caller: &Caller, now: Timestamp, address: IpAddr) -> Result<(), Denial> {
    let key = &caller.key;
    key.key.check(now, address)?;
    key.check_secret(caller.secret, now)?;
    if !key.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    if key.key.rights.allowed_origins.is_some() && caller.reader().is_none() {
        return Err(Denial::OriginRefused);
    }
    Ok(())
}

fn presented(headers: &HeaderMap) -> Result<PlainKey, ProxyError> {
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
