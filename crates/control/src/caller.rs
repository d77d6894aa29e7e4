//! Who asks: the credential of a request, checked against the store.

mod presented;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use doorward_domain::address::ClientAddress;
use doorward_domain::denial::Denial;
use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::presented::Presented;
use doorward_domain::rights::{Axis, Rights};
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use doorward_domain::sign_in_token::SignInToken;
use doorward_domain::token::Claims;
use doorward_store::{Act, Actor, Identity, Session, SessionIdentity, StoreError};
use http::Extensions;
use http::request::Parts;
use jiff::Timestamp;

use crate::Control;
use crate::denials;
use crate::idempotency;
use crate::problem::ApiError;
use crate::routes::Access;
use crate::sign_in_refusal::SignInRefusal;

use presented::presented;
pub(crate) use presented::{Proof, api_credential};

/// What a credential stands for.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// An API key, for its user or service account.
    Key(Box<KeyPrincipal>),
    /// A user who is signed in.
    User(Session),
}

/// A key, and which of its secrets asks.
#[derive(Debug, Clone)]
pub(crate) struct KeyPrincipal {
    pub(crate) key: ApiKey,
    /// When what was presented stops working: the secret, or the token. `None`: with the key.
    secret_ends_at: Option<Timestamp>,
    user_role: OrganizationRole,
    role_max: Option<OrganizationRole>,
    /// What was presented in the key's place.
    token: Option<Arc<Claims>>,
}

/// Whoever presented a good credential, and what they may do right now.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) role: OrganizationRole,
    /// What the credential allows, with no more scopes than the role has, and no more than a token
    /// leaves.
    pub(crate) rights: Rights,
    /// From where.
    pub(crate) address: IpAddr,
}

/// A good key or token, and whose it is.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) identity: Identity,
    pub(crate) caller: Caller,
}

impl KeyPrincipal {
    /// What the key allows by itself, with no more scopes than the role has.
    fn rights(&self, role: OrganizationRole) -> Rights {
        let own = &self.key.rights;
        Rights { scopes: own.scopes.intersect(role.scopes()), ..own.clone() }
    }
}

impl Caller {
    /// Whether it may do all that an owner may. A token does not do, which is given away because it is
    /// narrow and over soon, nor a key that is bound in anything but its end.
    pub(crate) fn is_whole_owner(&self) -> bool {
        let owner = Rights::of_role(OrganizationRole::Owner);
        let is_bound = self.rights.exceeded_by(&owner).iter().any(|axis| *axis != Axis::Expiry);
        self.role == OrganizationRole::Owner && self.token().is_none() && !is_bound
    }

    pub(crate) fn of_key(identity: &Identity, token: Option<Arc<Claims>>, address: IpAddr) -> Self {
        let role = identity.role();
        let end = token.as_ref().map(|token| token.expires_at);
        let principal = Box::new(KeyPrincipal {
            key: identity.key.clone(),
            secret_ends_at: identity.secret_ends_at.into_iter().chain(end).min(),
            user_role: identity.user_role,
            role_max: identity.role_max,
            token,
        });
        let rights = principal.rights(role);
        let rights = match &principal.token {
            Some(token) => token.narrowing.applied_to(&rights),
            None => rights,
        };
        Self { principal: Principal::Key(principal), role, rights, address }
    }

    fn of_session(identity: SessionIdentity, address: IpAddr) -> Self {
        let SessionIdentity { session, role } = identity;
        let principal = Principal::User(session);
        Self { principal, role, rights: Rights::of_role(role), address }
    }

    pub(crate) fn organization(&self) -> OrganizationId {
        match &self.principal {
            Principal::Key(of) => of.key.organization,
            Principal::User(session) => session.organization,
        }
    }

    /// As whom the caller acts: what this one owns is theirs.
    pub(crate) fn owner(&self) -> Owner {
        match &self.principal {
            Principal::Key(of) => of.key.owner,
            Principal::User(session) => Owner::User(session.user),
        }
    }

    /// The key that asks, where one does.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match &self.principal {
            Principal::Key(of) => Some(&of.key),
            Principal::User(_) => None,
        }
    }

    /// The token that stands for the key, where one does.
    pub(crate) fn token(&self) -> Option<&Arc<Claims>> {
        match &self.principal {
            Principal::Key(of) => of.token.as_ref(),
            Principal::User(_) => None,
        }
    }

    /// Whether a token stands for the key and leaves less than all of its rights.
    pub(crate) fn is_narrowed(&self) -> bool {
        match &self.principal {
            Principal::Key(of) => {
                let all = of.rights(self.role);
                of.token.as_ref().is_some_and(|token| !token.narrowing.keeps_all_of(&all))
            }
            Principal::User(_) => false,
        }
    }

    /// The session that asks. What only people do is refused to keys: a key that ends, or is bound in
    /// any way, must not turn into a password.
    pub(crate) fn session(&self) -> Result<&Session, ApiError> {
        match &self.principal {
            Principal::Key(_) => Err(SignInRefusal::SessionRequired.into()),
            Principal::User(session) => Ok(session),
        }
    }

    /// Whether this key is theirs to see and manage; what is not is answered as if it did not exist.
    pub(crate) fn reaches(&self, key: &ApiKey) -> bool {
        self.role.manages_others() || key.owner == self.owner()
    }

    /// The user who asks; for a service key the one who made it.
    pub(crate) fn user(&self) -> UserId {
        match (&self.principal, self.owner()) {
            (_, Owner::User(user)) => user,
            (Principal::Key(of), Owner::ServiceAccount(_)) => of.key.created_by,
            (Principal::User(session), Owner::ServiceAccount(_)) => session.user,
        }
    }

    /// The name of whoever asks in the audit log.
    pub(crate) fn subject(&self) -> String {
        match &self.principal {
            Principal::Key(of) => of.key.id.to_string(),
            Principal::User(session) => session.user.to_string(),
        }
    }

    /// An act of the caller, for the audit log.
    pub(crate) fn act(&self, at: Timestamp) -> Act {
        let actor = match &self.principal {
            Principal::Key(of) => Actor::Key {
                id: of.key.id,
                updated_at: of.key.life.updated_at,
                secret_ends_at: of.secret_ends_at,
                token: of.token.as_ref().map(|token| token.id),
                owner: of.key.owner,
                user_role: of.user_role,
                role_max: of.role_max,
            },
            Principal::User(session) => {
                Actor::Session { id: session.id, user: session.user, role: self.role }
            }
        };
        Act { organization: self.organization(), actor, at }
    }
}

/// The guard of every route that is not open to all: finds who asks and refuses whoever may not. A POST
/// that the caller says was sent before goes no further.
pub(crate) async fn authorize(
    State((control, access)): State<(Control, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let ClientAddress(address) = client_address(request.extensions())?;
    let proof = presented(&request)?;
    let caller = match &proof {
        Proof::Key(presented) => admit_key(&control, presented, access, address).await?,
        Proof::Session(token) => admit_session(&control, token, access, address).await?,
    };
    request.extensions_mut().insert(caller.clone());
    idempotency::once(&control, &caller, &proof, request, next).await
}

async fn admit_key(
    control: &Control,
    presented: &Presented,
    access: Access,
    address: IpAddr,
) -> Result<Caller, ApiError> {
    let found = identify(control, presented, address).await?;
    let Identified { identity, caller } = found.ok_or(ApiError::Denied(Denial::InvalidKey))?;
    let checked = check(&identity, (control.now(), address));
    let may = || allows(&caller, access).then_some(()).ok_or(Denial::InsufficientScope);
    if let Err(denial) = checked.and_then(|()| may()) {
        denials::note(control, &caller, denial).await;
        return Err(ApiError::Denied(denial));
    }
    // Only for people to look at: who is let in is let in without it.
    if let Err(error) = control.store.touch_key(&identity, address).await {
        tracing::warn!(%error, "the use of a key is not noted");
    }
    match access {
        Access::Scope(scope) => control.store.note_scope(&identity.key, scope),
        Access::SignedIn => drop(caller.session()?),
        Access::Public | Access::Holder => {}
    }
    Ok(caller)
}

async fn admit_session(
    control: &Control,
    token: &SignInToken,
    access: Access,
    address: IpAddr,
) -> Result<Caller, ApiError> {
    let identity = control.store.identify_session(token).await?;
    let caller = Caller::of_session(identity.ok_or(SignInRefusal::SessionOver)?, address);
    if !allows(&caller, access) {
        denials::note(control, &caller, Denial::InsufficientScope).await;
        return Err(SignInRefusal::RoleTooLow.into());
    }
    if let Err(error) = control.store.touch_session(caller.session()?, address).await {
        tracing::warn!(%error, "the use of a session is not noted");
    }
    Ok(caller)
}

/// Refuses what takes one more scope than its route does, as a route of that scope would be refused.
pub(crate) async fn require(
    control: &Control,
    caller: &Caller,
    scope: Scope,
) -> Result<(), ApiError> {
    if caller.rights.scopes.allows(scope) {
        if let Some(key) = caller.key() {
            control.store.note_scope(key, scope);
        }
        return Ok(());
    }
    denials::note(control, caller, Denial::InsufficientScope).await;
    match caller.principal {
        Principal::Key(_) => Err(ApiError::Denied(Denial::InsufficientScope)),
        Principal::User(_) => Err(SignInRefusal::RoleTooLow.into()),
    }
}

/// Finds whose key or token this is. `None`: nobody's.
pub(crate) async fn identify(
    control: &Control,
    presented: &Presented,
    address: IpAddr,
) -> Result<Option<Identified>, StoreError> {
    let (identity, token) = match presented {
        Presented::Key(key) => (control.store.identify(key).await?, None),
        Presented::Token(token) => match control.store.check_token(token) {
            Some(claims) => (control.store.identify_token(&claims).await?, Some(claims)),
            None => (None, None),
        },
    };
    Ok(identity.map(|identity| {
        let caller = Caller::of_key(&identity, token, address);
        Identified { identity, caller }
    }))
}

/// Only whoever has the right secret learns that the key is expired, disabled or revoked.
pub(crate) fn check(
    identity: &Identity,
    (now, address): (Timestamp, IpAddr),
) -> Result<(), Denial> {
    identity.key.check(now, address)?;
    if identity.secret_ends_at.is_some_and(|at| at <= now) {
        return Err(Denial::SecretReplaced);
    }
    if !identity.owner_is_active {
        return Err(Denial::OwnerInactive);
    }
    Ok(())
}

fn allows(caller: &Caller, access: Access) -> bool {
    match access {
        Access::Public | Access::SignedIn => true,
        Access::Holder => caller.rights.allowed_origins.is_none(),
        Access::Scope(scope) => caller.rights.scopes.allows(scope),
    }
}

fn client_address(extensions: &Extensions) -> Result<ClientAddress, ApiError> {
    let address = extensions.get::<ClientAddress>().copied();
    address.ok_or_else(|| ApiError::Internal("a request without a client address".to_owned()))
}

/// The address of a request that needs no credential.
pub(crate) struct FromAddress(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for FromAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let ClientAddress(address) = client_address(&parts.extensions)?;
        Ok(Self(address))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// Takes what [`authorize`] left; a handler outside of the table of routes has no caller.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.remove::<Self>();
        caller.ok_or_else(|| ApiError::Internal("a route without a policy".to_owned()))
    }
}
