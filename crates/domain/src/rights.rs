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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::tests::{any_address, any_rules};
    use crate::budget::tests::any_budget;
    use crate::limit::tests::any_limits;
    use crate::model_pattern::tests::{any_name, any_rule};
    use crate::scope::Scope;
    use crate::scope::tests::any_scopes;

    fn any_instant() -> impl Strategy<Value = Timestamp> {
        (0_i64..10).prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    fn any_rights() -> impl Strategy<Value = Rights> {
        (
            any_scopes(),
            any_rule(),
            any_rules(),
            any_limits(),
            prop::collection::vec(any_budget(), 0..3),
            prop::option::of(any_instant()),
        )
            .prop_map(|(scopes, models, addresses, limits, budgets, expires_at)| Rights {
                scopes,
                models,
                addresses,
                limits,
                budgets,
                expires_at,
            })
    }

    /// `mine` with some axes replaced by those of `other`: often enough covered by `mine`.
    fn varied(mine: &Rights, other: Rights, own: [bool; 6]) -> Rights {
        let mine = mine.clone();
        Rights {
            scopes: if own[0] { other.scopes.intersect(mine.scopes) } else { mine.scopes },
            models: if own[1] { other.models } else { mine.models },
            addresses: if own[2] { other.addresses } else { mine.addresses },
            limits: if own[3] { other.limits } else { mine.limits },
            budgets: if own[4] { other.budgets } else { mine.budgets },
            expires_at: if own[5] { other.expires_at } else { mine.expires_at },
        }
    }

    fn any_pair() -> impl Strategy<Value = (Rights, Rights)> {
        (any_rights(), any_rights(), any::<[bool; 6]>()).prop_map(|(mine, other, own)| {
            let theirs = varied(&mine, other, own);
            (mine, theirs)
        })
    }

    fn strongest() -> Rights {
        Rights {
            scopes: ScopeSet::ALL,
            models: ModelRule::All,
            addresses: AddressRules::ANY,
            limits: Limits::NONE,
            budgets: vec![],
            expires_at: None,
        }
    }

    /// Tighter than the strongest on every axis.
    fn tight() -> Rights {
        Rights {
            scopes: [Scope::InferenceWrite].into_iter().collect(),
            models: ModelRule::Only(vec!["gpt-4o*".parse().unwrap()]),
            addresses: AddressRules {
                allow: Some(vec!["10.0.0.0/8".parse().unwrap()]),
                deny: vec![],
            },
            limits: serde_json::from_str(r#"{"requests_per_minute":60}"#).unwrap(),
            budgets: serde_json::from_str(r#"[{"usd":"5","period":"day"}]"#).unwrap(),
            expires_at: Some(Timestamp::from_second(5).unwrap()),
        }
    }

    #[test]
    fn each_axis_that_is_stronger_is_named_alone() {
        let (tight, strong) = (tight(), strongest());
        let cases = [
            (Axis::Scopes, Rights { scopes: strong.scopes, ..tight.clone() }),
            (Axis::Models, Rights { models: strong.models.clone(), ..tight.clone() }),
            (Axis::Addresses, Rights { addresses: strong.addresses.clone(), ..tight.clone() }),
            (Axis::Limits, Rights { limits: strong.limits, ..tight.clone() }),
            (Axis::Budgets, Rights { budgets: vec![], ..tight.clone() }),
            (Axis::Expiry, Rights { expires_at: None, ..tight.clone() }),
        ];
        for (axis, stronger) in cases {
            assert_eq!(tight.exceeded_by(&stronger), [axis]);
            assert_eq!(stronger.exceeded_by(&tight), []);
        }
    }

    #[test]
    fn every_axis_that_is_stronger_is_named_at_once() {
        use Axis::{Addresses, Budgets, Expiry, Limits, Models, Scopes};
        let all = [Scopes, Models, Addresses, Limits, Budgets, Expiry];
        assert_eq!(tight().exceeded_by(&strongest()), all);
        assert_eq!(strongest().exceeded_by(&tight()), []);
    }

    #[test]
    fn an_end_at_the_same_instant_is_not_later() {
        let end = |second| Rights { expires_at: Timestamp::from_second(second).ok(), ..tight() };
        assert_eq!(end(5).exceeded_by(&end(4)), []);
        assert_eq!(end(5).exceeded_by(&end(5)), []);
        assert_eq!(end(5).exceeded_by(&end(6)), [Axis::Expiry]);
    }

    #[test]
    fn admin_rights_alone_hand_out_no_inference() {
        let admin = Rights { scopes: [Scope::Admin].into_iter().collect(), ..strongest() };
        assert_eq!(admin.exceeded_by(&tight()), [Axis::Scopes]);
    }

    /// Whether `mine` grants everything on this axis that the probe finds `theirs` to grant.
    fn axis_holds(axis: Axis, mine: &Rights, theirs: &Rights, probe: &Probe) -> bool {
        match axis {
            Axis::Scopes => Scope::ALL
                .into_iter()
                .all(|scope| mine.scopes.allows(scope) || !theirs.scopes.allows(scope)),
            Axis::Models => mine.models.allows(&probe.0) || !theirs.models.allows(&probe.0),
            Axis::Addresses => mine.addresses.allows(probe.1) || !theirs.addresses.allows(probe.1),
            Axis::Limits => mine.limits.rates().all(|(kind, span, limit)| {
                theirs.limits.rates().any(|(k, s, l)| (k, s) == (kind, span) && l <= limit)
            }),
            Axis::Budgets => mine.budgets.iter().all(|mine| {
                theirs.budgets.iter().any(|theirs| Budget::list_covers(&[*mine], &[*theirs]))
            }),
            Axis::Expiry => {
                let lives = |rights: &Rights| rights.expires_at.is_none_or(|end| probe.2 < end);
                lives(mine) || !lives(theirs)
            }
        }
    }

    /// A model, an address and an instant.
    type Probe = (String, std::net::IpAddr, Timestamp);

    const AXES: [Axis; 6] =
        [Axis::Scopes, Axis::Models, Axis::Addresses, Axis::Limits, Axis::Budgets, Axis::Expiry];

    proptest! {
        #[test]
        fn whoever_has_rights_may_hand_out_the_same(rights in any_rights()) {
            prop_assert_eq!(rights.exceeded_by(&rights), []);
            prop_assert_eq!(strongest().exceeded_by(&rights), []);
        }

        #[test]
        fn on_an_axis_that_is_not_exceeded_nothing_is_gained(
            (mine, theirs) in any_pair(),
            probes in prop::collection::vec((any_name(), any_address(), any_instant()), 10),
        ) {
            let exceeded = mine.exceeded_by(&theirs);
            for axis in AXES.into_iter().filter(|axis| !exceeded.contains(axis)) {
                for probe in &probes {
                    prop_assert!(axis_holds(axis, &mine, &theirs, probe), "{:?} {:?}", axis, probe);
                }
            }
        }

        #[test]
        fn handing_on_never_adds_up_to_more(
            (first, second) in any_pair(),
            other in any_rights(),
            own: [bool; 6],
        ) {
            let third = varied(&second, other, own);
            let is_clean = first.exceeded_by(&second).is_empty()
                && second.exceeded_by(&third).is_empty();
            prop_assert!(!is_clean || first.exceeded_by(&third).is_empty());
        }
    }
}
