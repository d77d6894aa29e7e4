//! Who calls: from the headers to a key that may be used now and from here.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::presented::{self, NoCredential, Place};
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_store::{CallKey, Store};
use http::{HeaderMap, HeaderName, header};
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
}

impl Caller {
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
    let id = presented.id();
    let key = match store.cached_call_key(&id) {
        Some(key) => key,
        // Boxed, as all that a warm call never runs: it would make every call's future larger.
        None => Box::pin(store.call_key(&id)).await?.ok_or(Denial::InvalidKey)?,
    };
    let secret = key.secret(&presented).ok_or(Denial::InvalidKey)?;
    Ok(Caller { key, secret })
}

/// Whether a key may be used now, from here and for this: its status, its owner, the secret, the
/// address, its scopes.
pub(crate) fn check(
    Caller { key, secret }: &Caller,
    needs: Scope,
    now: Timestamp,
    address: IpAddr,
) -> Result<(), Denial> {
    key.key.check(now, address)?;
    key.check_secret(*secret, now)?;
    if !key.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    if key.scopes.allows(needs) { Ok(()) } else { Err(Denial::InsufficientScope) }
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
