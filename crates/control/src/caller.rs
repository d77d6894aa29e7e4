//! Who asks: the credential of a request, checked against the store.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::presented::{Place, credential};
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_store::{Act, Actor, Identity};
use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;

use crate::Control;
use crate::denials;
use crate::idempotency;
use crate::problem::ApiError;

/// The address that a request comes from, put into its extensions by whoever accepted it.
///
/// A request without it is answered with 500: address lists must not be skipped by a wiring fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whoever presented a good key, and what that key may do right now.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: ApiKey,
    pub(crate) role: OrganizationRole,
    /// When the secret that was presented stops working. `None`: with the key.
    pub(crate) secret_ends_at: Option<Timestamp>,
    /// The key's rights, with no more scopes than the role has.
    pub(crate) rights: Rights,
    /// From where.
    pub(crate) address: IpAddr,
}

impl Caller {
    fn new(identity: &Identity, address: IpAddr) -> Self {
        let (key, role) = (identity.key.clone(), identity.role);
        let scopes = key.rights.scopes.intersect(role.scopes());
        let rights = Rights { scopes, ..key.rights.clone() };
        Self { key, role, secret_ends_at: identity.secret_ends_at, rights, address }
    }

    pub(crate) fn organization(&self) -> OrganizationId {
        self.key.organization
    }

    /// Whether this key is theirs to see and manage; what is not is answered as if it did not exist.
    pub(crate) fn reaches(&self, key: &ApiKey) -> bool {
        self.role.manages_others() || key.owner == self.key.owner
    }

    /// The user behind the key; for a service key the one who made it.
    pub(crate) fn user(&self) -> UserId {
        match self.key.owner {
            Owner::User(user) => user,
            Owner::ServiceAccount(_) => self.key.created_by,
        }
    }

    /// An act of the caller, for the audit log.
    pub(crate) fn act(&self, at: Timestamp) -> Act {
        let actor = Actor::Key {
            id: self.key.id,
            updated_at: self.key.life.updated_at,
            secret_ends_at: self.secret_ends_at,
            role: self.role,
        };
        Act { organization: self.organization(), actor, at }
    }
}

/// The guard of every route: finds who asks and refuses whoever lacks the scope. A POST that the
/// caller says was sent before goes no further.
pub(crate) async fn authorize(
    State((control, needs)): State<(Control, Scope)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let address = request.extensions().get::<ClientAddress>().copied();
    let ClientAddress(address) = address
        .ok_or_else(|| ApiError::Internal("a request without a client address".to_owned()))?;
    let presented = presented(request.headers())?;
    let identity = control.store.identify(&presented).await?;
    let identity = identity.ok_or(ApiError::Denied(Denial::InvalidKey))?;
    let caller = Caller::new(&identity, address);
    if let Err(denial) = check(&identity, &caller, needs, (control.now(), address)) {
        denials::note(&control, &caller, denial).await;
        return Err(ApiError::Denied(denial));
    }
    // Only for people to look at: who is let in is let in without it.
    if let Err(error) = control.store.touch_key(&identity, address).await {
        tracing::warn!(%error, "the use of a key is not noted");
    }
    control.store.note_scope(&caller.key, needs);
    request.extensions_mut().insert(caller.clone());
    idempotency::once(&control, &caller, &presented, request, next).await
}

fn presented(headers: &HeaderMap) -> Result<PlainKey, ApiError> {
    const PLACES: [(Place, &str); 4] = [
        (Place::Authorization, "authorization"),
        (Place::Header, "x-api-key"),
        (Place::Header, "api-key"),
        (Place::Header, "x-goog-api-key"),
    ];
    let values = PLACES
        .into_iter()
        .flat_map(|(place, name)| headers.get_all(name).iter().map(move |v| (place, v.as_bytes())));
    credential(values).map_err(ApiError::NoCredential)
}

/// Only whoever has the right secret learns that the key is expired, disabled or revoked.
fn check(
    identity: &Identity,
    caller: &Caller,
    needs: Scope,
    (now, address): (Timestamp, IpAddr),
) -> Result<(), Denial> {
    identity.key.check(now, address)?;
    if identity.secret_ends_at.is_some_and(|at| at <= now) {
        return Err(Denial::SecretReplaced);
    }
    if !identity.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    if caller.rights.scopes.allows(needs) { Ok(()) } else { Err(Denial::InsufficientScope) }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// Takes what [`authorize`] left; a handler outside of the table of routes has no caller.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.remove::<Self>();
        caller.ok_or_else(|| ApiError::Internal("a route without a policy".to_owned()))
    }
}
