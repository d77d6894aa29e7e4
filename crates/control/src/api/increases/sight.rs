//! Whose increases a caller may ask for, and see.

use doorward_domain::bounds::Subject;
use doorward_domain::credential::KeyId;
use doorward_domain::key::Owner;
use doorward_domain::scope::Scope;

use crate::caller::Caller;

/// How far a caller sees.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sight {
    /// Every key of the organization, and what keys share.
    All,
    /// Every key of the organization.
    Keys,
    /// Their own keys.
    Own(Owner),
    /// The key that asks, which may not look at others.
    Itself(KeyId),
    /// No key.
    Nothing,
}

impl Sight {
    pub(super) fn of(caller: &Caller) -> Self {
        Self::by(caller, Scope::KeysRead)
    }

    /// The same for what changes something.
    pub(super) fn to_change(caller: &Caller) -> Self {
        Self::by(caller, Scope::KeysWrite)
    }

    /// A key reaches itself without a scope. A token that leaves less of it is given away, and does not.
    fn by(caller: &Caller, scope: Scope) -> Self {
        if !caller.rights.scopes.allows(scope) {
            let own = caller.key().filter(|_| !caller.is_narrowed());
            own.map_or(Self::Nothing, |key| Self::Itself(key.id))
        } else if caller.role.manages_others() && caller.rights.scopes.allows(Scope::Admin) {
            Self::All
        } else if caller.role.manages_others() {
            Self::Keys
        } else {
            Self::Own(caller.owner())
        }
    }

    /// Whether it reaches this one; `owner` is that of a key.
    pub(super) fn reaches(self, subject: &Subject, owner: Option<Owner>) -> bool {
        match self {
            Self::All => true,
            Self::Keys => subject.key().is_some(),
            Self::Own(own) => owner == Some(own),
            Self::Itself(own) => subject.key() == Some(own),
            Self::Nothing => false,
        }
    }
}
