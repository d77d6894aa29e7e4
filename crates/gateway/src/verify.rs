//! Who calls: from the headers to a key that may be used now and from here.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::presented::{self, NoCredential, Place, Presented};
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::token::{BearerToken, Claims};
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

/// Who calls: a key, and which of its secrets was presented, or asked for the token that was.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<CallKey>,
    pub(crate) secret: SecretNumber,
    /// What was presented in the key's place.
    pub(crate) token: Option<Arc<Claims>>,
}

impl Caller {
    /// When the caller is let in no longer. `None`: never by itself.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let token = self.token.as_ref().map(|token| token.expires_at);
        self.key.ends_at(self.secret).into_iter().chain(token).min()
    }

    /// Whether a model of this name may be called.
    pub(crate) fn allows_model(&self, name: &str) -> bool {
        let by_token = self.token.as_ref().is_none_or(|t| t.narrowing.models.allows(name));
        by_token && self.key.key.rights.models.allows(name)
    }

    fn allows(&self, scope: Scope) -> bool {
        let by_token = self.token.as_ref().is_none_or(|t| t.narrowing.scopes.allows(scope));
        by_token && self.key.scopes.allows(scope)
    }
}

/// Finds the key of a request: shape and checksum, whether it exists and this is its secret (in
/// constant time). Whether it may be used is for [`check`] to say, which comes after, so that only
/// a caller with the right secret learns that a key is expired, disabled or revoked.
pub(crate) async fn identify(store: &Store, headers: &HeaderMap) -> Result<Caller, ProxyError> {
    let presented = presented(headers)?;
    match &presented {
        Presented::Key(presented) => {
            let key = find(store, &presented.id()).await?;
            let secret = key.secret(presented).ok_or(Denial::InvalidKey)?;
            Ok(Caller { key, secret, token: None })
        }
        Presented::Token(token) => Box::pin(identify_token(store, token)).await,
    }
}

/// The same for a token. The key is looked at before the question whether the token was revoked: who
/// revokes it tells the key afterwards, so that a call in between knows that something has changed.
async fn identify_token(store: &Store, token: &BearerToken) -> Result<Caller, ProxyError> {
    let claims = store.check_token(token).ok_or(Denial::InvalidKey)?;
    let key = find(store, &claims.key).await?;
    if store.is_token_revoked(claims.id) {
        return Err(Denial::InvalidKey.into());
    }
    Ok(Caller { key, secret: claims.secret, token: Some(claims) })
}

async fn find(store: &Store, id: &KeyId) -> Result<Arc<CallKey>, ProxyError> {
    match store.cached_call_key(id) {
        Some(key) => Ok(key),
        // Boxed, as all that a warm call never runs: it would make every call's future larger.
        None => Ok(Box::pin(store.call_key(id)).await?.ok_or(Denial::InvalidKey)?),
    }
}

/// Whether a key may be used now, from here and for this: its status, its owner, the secret, the
/// address, its scopes, and those of a token that stands for it.
pub(crate) fn check(
    caller: &Caller,
    needs: Scope,
    now: Timestamp,
    address: IpAddr,
) -> Result<(), Denial> {
    let Caller { key, secret, token } = caller;
    key.key.check(now, address)?;
    key.check_secret(*secret, now)?;
    if !key.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    if token.as_ref().is_some_and(|token| !token.is_live(now)) {
        return Err(Denial::Expired);
    }
    if caller.allows(needs) { Ok(()) } else { Err(Denial::InsufficientScope) }
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
