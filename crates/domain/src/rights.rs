//! What a key may do, and the rule that nobody hands out more than they have.

use jiff::Timestamp;

use crate::address::AddressRules;
use crate::budget::Budget;
use crate::limit::Limits;
use crate::model_pattern::ModelRule;
use crate::role::OrganizationRole;
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
    /// What a user with this role may do who is signed in: all that the role allows, without limits or
    /// an end of their own.
    pub fn of_role(role: OrganizationRole) -> Self {
        Self {
            scopes: role.scopes(),
            models: ModelRule::All,
            addresses: AddressRules::ANY,
            limits: Limits::NONE,
            budgets: Vec::new(),
            expires_at: None,
        }
    }

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

    /// Whether a key with these rights may make keys. Limits and budgets are counted for each key by
    /// itself, so those of a new key would add to those of its maker: only a maker without any may.
    pub fn may_make_keys(&self) -> bool {
        self.limits == Limits::NONE && self.budgets.is_empty()
    }

    /// Which of limits and budgets an edit from these rights to `after` loosens. For an editor with
    /// limits or budgets of its own that is as good as a new key.
    pub fn loosened_by(&self, after: &Self) -> Vec<Axis> {
        let is_bound = |axis: &Axis| matches!(axis, Axis::Limits | Axis::Budgets);
        self.exceeded_by(after).into_iter().filter(is_bound).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::tests::{any_address, any_rules};
    use crate::budget::Amount;
    use crate::budget::tests::any_budget;
    use crate::limit::tests::any_limits;
    use crate::limit::{LimitKind, Span};
    use crate::model_pattern::tests::{any_name, any_rule};
    use crate::scope::Scope;
    use crate::scope::tests::any_scopes;

    fn any_instant() -> impl Strategy<Value = Timestamp> {
        (0_i64..10).prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    pub(crate) fn any_rights() -> impl Strategy<Value = Rights> {
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
    fn only_a_key_without_limits_and_budgets_makes_keys() {
        let (strong, tight) = (strongest(), tight());
        assert!(strong.may_make_keys());
        assert!(!Rights { limits: tight.limits, ..strong.clone() }.may_make_keys());
        assert!(!Rights { budgets: tight.budgets.clone(), ..strong.clone() }.may_make_keys());
        let unbounded = Rights { limits: Limits::NONE, budgets: vec![], ..tight.clone() };
        assert!(unbounded.may_make_keys(), "the other axes do not add up");
        assert_eq!(tight.loosened_by(&strong), [Axis::Limits, Axis::Budgets]);
        assert_eq!(strong.loosened_by(&tight), []);
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

    /// A key that another one of the list made; the first is its own maker.
    struct Made {
        maker: usize,
        rights: Rights,
    }

    /// Which of the keys so far wishes for another one, and with which rights.
    type Wished = (prop::sample::Index, Rights, [bool; 6]);

    fn any_wish() -> impl Strategy<Value = Wished> {
        (any::<prop::sample::Index>(), any_rights(), any::<[bool; 6]>())
    }

    /// The keys that there are when those wishes were granted that may be.
    fn handed_on(first: Rights, wishes: Vec<Wished>) -> Vec<Made> {
        let mut keys = vec![Made { maker: 0, rights: first }];
        for (maker, other, own) in wishes {
            let maker = maker.index(keys.len());
            let wanted = varied(&keys[maker].rights, other, own);
            let mine = &keys[maker].rights;
            if mine.may_make_keys() && mine.exceeded_by(&wanted).is_empty() {
                keys.push(Made { maker, rights: wanted });
            }
        }
        keys
    }

    /// A key and all that were made by way of it.
    fn descendants(keys: &[Made], root: usize) -> impl Iterator<Item = &Rights> {
        // A key stands after its maker, so going up the makers comes to an end.
        let is_of = move |mut index: usize| {
            while index > root {
                index = keys[index].maker;
            }
            index == root
        };
        keys.iter().enumerate().filter(move |(index, _)| is_of(*index)).map(|(_, key)| &key.rights)
    }

    /// How much all of them together may do in such a window; a key without this limit does any.
    fn rate_of(keys: &[&Rights], kind: LimitKind, span: Span) -> u64 {
        let limit = |rights: &&Rights| {
            let mut rates = rights.limits.rates();
            rates.find(|(k, s, _)| (*k, *s) == (kind, span)).map(|(_, _, limit)| limit.get())
        };
        keys.iter()
            .map(|rights| limit(rights).map_or(u64::MAX, u64::from))
            .fold(0, u64::saturating_add)
    }

    fn amount(budget: &Budget) -> u128 {
        match budget.amount {
            Amount::Usd(usd) => u128::from(usd.nanos()),
            Amount::Tokens(tokens) => u128::from(tokens),
        }
    }

    /// How much all of them together may spend by budgets such as this one.
    fn amount_of(keys: &[&Rights], like: &Budget) -> u128 {
        let unit = |budget: &Budget| matches!(budget.amount, Amount::Usd(_));
        let is_alike = |other: &&Budget| other.period == like.period && unit(other) == unit(like);
        let tightest = |rights: &&Rights| {
            rights.budgets.iter().filter(is_alike).map(amount).min().unwrap_or(u128::MAX)
        };
        keys.iter().map(tightest).fold(0, u128::saturating_add)
    }

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
        fn what_is_handed_on_twice_is_still_within_the_first(
            (first, second) in any_pair(),
            other in any_rights(),
            own: [bool; 6],
        ) {
            let third = varied(&second, other, own);
            let is_clean = first.exceeded_by(&second).is_empty()
                && second.exceeded_by(&third).is_empty();
            prop_assert!(!is_clean || first.exceeded_by(&third).is_empty());
        }

        #[test]
        fn handing_on_never_adds_up_to_more(
            first in any_rights(),
            wishes in prop::collection::vec(any_wish(), 0..12),
            probes in prop::collection::vec((any_name(), any_address(), any_instant()), 3),
        ) {
            let keys = handed_on(first, wishes);
            for (index, key) in keys.iter().enumerate() {
                let family: Vec<&Rights> = descendants(&keys, index).collect();
                for (kind, span, limit) in key.rights.limits.rates() {
                    prop_assert!(rate_of(&family, kind, span) <= u64::from(limit.get()));
                }
                for budget in &key.rights.budgets {
                    prop_assert!(amount_of(&family, budget) <= amount(budget));
                }
                for rights in family {
                    for axis in AXES {
                        let holds = |probe| axis_holds(axis, &key.rights, rights, probe);
                        prop_assert!(probes.iter().all(holds), "{:?}", axis);
                    }
                }
            }
        }

        #[test]
        fn an_edit_that_loosens_nothing_leaves_each_bound_as_tight(
            (before, after) in any_pair(),
            probe in (any_name(), any_address(), any_instant()),
        ) {
            let loosened = before.loosened_by(&after);
            prop_assert!(loosened.iter().all(|axis| matches!(axis, Axis::Limits | Axis::Budgets)));
            for axis in [Axis::Limits, Axis::Budgets] {
                let holds = axis_holds(axis, &before, &after, &probe);
                prop_assert!(holds || loosened.contains(&axis), "{:?}", axis);
            }
        }
    }
}
