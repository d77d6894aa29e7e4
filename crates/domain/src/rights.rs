//! What a key may do, and the rule that nobody hands out more than they have.

use jiff::Timestamp;

use crate::address::AddressRules;
use crate::budget::Budget;
use crate::limit::Limits;
use crate::model_pattern::ModelRule;
use crate::scope::ScopeSet;

/// Everything that makes a key strong or weak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What it may do.
    pub scopes: ScopeSet,
    /// With which models.
    pub models: ModelRule,
    /// From where.
    pub addresses: AddressRules,
    /// How fast.
    pub limits: Limits,
    /// How much.
    pub budgets: Vec<Budget>,
    /// Until when. `None`: for ever.
    pub expires_at: Option<Timestamp>,
}

/// One way in which a key would be stronger than whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// More scopes.
    Scopes,
    /// More models.
    Models,
    /// More addresses.
    Addresses,
    /// Looser limits.
    Limits,
    /// Looser budgets.
    Budgets,
    /// A later end.
    Expiry,
}

impl Axis {
    /// The field of the management API that the axis stands for.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Scopes => "scopes",
            Self::Models => "models",
            Self::Addresses => "ip_allow",
            Self::Limits => "limits",
            Self::Budgets => "budgets",
            Self::Expiry => "expires_at",
        }
    }
}

impl Rights {
    /// Every axis on which `other` is stronger than these rights. Empty: it may be handed out.
    pub fn exceeded_by(&self, other: &Self) -> Vec<Axis> {
        let expiry_is_covered = self
            .expires_at
            .is_none_or(|mine| other.expires_at.is_some_and(|theirs| theirs <= mine));
        let checks = [
            (Axis::Scopes, self.scopes.covers(other.scopes)),
            (Axis::Models, self.models.covers(&other.models)),
            (Axis::Addresses, self.addresses.covers(&other.addresses)),
            (Axis::Limits, self.limits.covers(&other.limits)),
            (Axis::Budgets, Budget::list_covers(&self.budgets, &other.budgets)),
            (Axis::Expiry, expiry_is_covered),
        ];
        checks.into_iter().filter(|(_, is_covered)| !is_covered).map(|(axis, _)| axis).collect()
    }
}
