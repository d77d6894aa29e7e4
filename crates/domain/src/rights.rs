//! What a key may do, and the rule that nobody hands out more than they have.

use jiff::Timestamp;

use crate::address::AddressRules;
use crate::bounds::{Bounds, ModelLimits};
use crate::budget::Budget;
use crate::limit::Limits;
use crate::model_pattern::ModelRule;
use crate::origin::Origins;
use crate::role::OrganizationRole;
use crate::scope::{Scope, ScopeSet};

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
    /// How fast some models.
    pub model_limits: Vec<ModelLimits>,
    /// How much.
    pub budgets: Vec<Budget>,
    /// Until when. `None`: for ever.
    pub expires_at: Option<Timestamp>,
    /// From which web pages, for a key that lives in one. `None`: it is for no page.
    pub allowed_origins: Option<Origins>,
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
    /// Looser limits for some models.
    ModelLimits,
    /// Looser budgets.
    Budgets,
    /// A later end.
    Expiry,
    /// More web pages, or whoever has the key.
    Origins,
}

impl Axis {
    /// The field of the management API that the axis stands for.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Scopes => "scopes",
            Self::Models => "models",
            Self::Addresses => "ip_allow",
            Self::Limits => "limits",
            Self::ModelLimits => "model_limits",
            Self::Budgets => "budgets",
            Self::Expiry => "expires_at",
            Self::Origins => "allowed_origins",
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
            model_limits: Vec::new(),
            budgets: Vec::new(),
            expires_at: None,
            allowed_origins: None,
        }
    }

    /// How fast and how much, all models together.
    pub fn bounds(&self) -> Bounds {
        Bounds { limits: self.limits, budgets: self.budgets.clone() }
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
            (Axis::ModelLimits, ModelLimits::list_covers(&self.model_limits, &other.model_limits)),
            (Axis::Budgets, Budget::list_covers(&self.budgets, &other.budgets)),
            (Axis::Expiry, expiry_is_covered),
            (
                Axis::Origins,
                Origins::cover(self.allowed_origins.as_ref(), other.allowed_origins.as_ref()),
            ),
        ];
        checks.into_iter().filter(|(_, is_covered)| !is_covered).map(|(axis, _)| axis).collect()
    }

    /// Whether a key with these rights may make keys. Limits and budgets are counted for each key by
    /// itself, so those of a new key would add to those of its maker: only a maker without any may.
    pub fn may_make_keys(&self) -> bool {
        self.limits == Limits::NONE && self.model_limits.is_empty() && self.budgets.is_empty()
    }

    /// Which of limits, budgets and origins an edit from these rights to `after` loosens. For an editor
    /// with limits or budgets of its own that is as good as a new key: the secret of a key with origins
    /// is in its pages for everybody to read, so a page that is let in has the key.
    pub fn loosened_by(&self, after: &Self) -> Vec<Axis> {
        let is_bound = |axis: &Axis| {
            matches!(axis, Axis::Limits | Axis::ModelLimits | Axis::Budgets | Axis::Origins)
        };
        self.exceeded_by(after).into_iter().filter(is_bound).collect()
    }

    /// Whether an edit from these rights to `after` lets more pages, or everybody, use the key.
    pub fn lets_in_more_pages(&self, after: &Self) -> bool {
        self.exceeded_by(after).contains(&Axis::Origins)
    }

    /// Scopes that keep a key from living in a web page: whoever opens the page would have them. Empty
    /// for a key that is for no page.
    pub fn scopes_unfit_for_pages(&self) -> Vec<Scope> {
        let is_unfit = |scope: &Scope| self.allowed_origins.is_some() && !scope.is_inference();
        self.scopes.iter().filter(is_unfit).collect()
    }

    /// What a key that lives in a web page must have and these rights do not: at least one rate limit
    /// and one budget, for whoever opens the page spends from it.
    pub fn bounds_missing_for_pages(&self) -> Vec<Axis> {
        if self.allowed_origins.is_none() {
            return Vec::new();
        }
        let missing = [
            (Axis::Limits, self.limits.rates().next().is_none()),
            (Axis::Budgets, self.budgets.is_empty()),
        ];
        missing.into_iter().filter(|(_, is_missing)| *is_missing).map(|(axis, _)| axis).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::tests::{any_address, any_rules};
    use crate::bounds::tests::any_model_limits;
    use crate::budget::Amount;
    use crate::budget::tests::any_budget;
    use crate::limit::tests::any_limits;
    use crate::limit::{LimitKind, Span};
    use crate::model_pattern::tests::{any_name, any_rule};
    use crate::origin::tests::any_origins;
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
            prop::collection::vec(any_model_limits(), 0..3),
            prop::collection::vec(any_budget(), 0..3),
            prop::option::of(any_instant()),
            any_origins(),
        )
            .prop_map(
                |(
                    scopes,
                    models,
                    addresses,
                    limits,
                    model_limits,
                    budgets,
                    expires_at,
                    origins,
                )| Rights {
                    scopes,
                    models,
                    addresses,
                    limits,
                    model_limits,
                    budgets,
                    expires_at,
                    allowed_origins: origins,
                },
            )
    }

    /// `mine` with some axes replaced by those of `other`: often enough covered by `mine`.
    fn varied(mine: &Rights, other: Rights, own: [bool; 8]) -> Rights {
        let mine = mine.clone();
        Rights {
            scopes: if own[0] { other.scopes.intersect(mine.scopes) } else { mine.scopes },
            models: if own[1] { other.models } else { mine.models },
            addresses: if own[2] { other.addresses } else { mine.addresses },
            limits: if own[3] { other.limits } else { mine.limits },
            budgets: if own[4] { other.budgets } else { mine.budgets },
            expires_at: if own[5] { other.expires_at } else { mine.expires_at },
            allowed_origins: if own[6] { other.allowed_origins } else { mine.allowed_origins },
            model_limits: if own[7] { other.model_limits } else { mine.model_limits },
        }
    }

    fn any_pair() -> impl Strategy<Value = (Rights, Rights)> {
        (any_rights(), any_rights(), any::<[bool; 8]>()).prop_map(|(mine, other, own)| {
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
            model_limits: vec![],
            budgets: vec![],
            expires_at: None,
            allowed_origins: None,
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
            model_limits: serde_json::from_str(
                r#"[{"model":"gpt-4o","limits":{"concurrency":1}}]"#,
            )
            .unwrap(),
            budgets: serde_json::from_str(r#"[{"usd":"5","period":"day"}]"#).unwrap(),
            expires_at: Some(Timestamp::from_second(5).unwrap()),
            allowed_origins: serde_json::from_str(r#"["https://a.example"]"#).unwrap(),
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
            (Axis::ModelLimits, Rights { model_limits: vec![], ..tight.clone() }),
            (Axis::Budgets, Rights { budgets: vec![], ..tight.clone() }),
            (Axis::Expiry, Rights { expires_at: None, ..tight.clone() }),
            (Axis::Origins, Rights { allowed_origins: None, ..tight.clone() }),
        ];
        for (axis, stronger) in cases {
            assert_eq!(tight.exceeded_by(&stronger), [axis]);
            assert_eq!(stronger.exceeded_by(&tight), []);
        }
    }

    #[test]
    fn every_axis_that_is_stronger_is_named_at_once() {
        use Axis::{Addresses, Budgets, Expiry, Limits, ModelLimits, Models, Origins, Scopes};
        let all = [Scopes, Models, Addresses, Limits, ModelLimits, Budgets, Expiry, Origins];
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
        assert!(
            !Rights { model_limits: tight.model_limits.clone(), ..strong.clone() }.may_make_keys()
        );
        let unbounded =
            Rights { limits: Limits::NONE, model_limits: vec![], budgets: vec![], ..tight.clone() };
        assert!(unbounded.may_make_keys(), "the other axes do not add up");
        assert_eq!(
            tight.loosened_by(&strong),
            [Axis::Limits, Axis::ModelLimits, Axis::Budgets, Axis::Origins]
        );
        assert_eq!(strong.loosened_by(&tight), []);
    }

    #[test]
    fn a_key_in_a_page_calls_models_only_and_within_bounds() {
        let limits = |json| serde_json::from_str(json).unwrap();
        let tight = tight();
        #[rustfmt::skip]
        let cases = [
            // scopes and limits of a key in a page, what it must not have, and what it misses
            (vec![Scope::InferenceWrite],                  r#"{"requests_per_minute":1}"#, vec![],                                  vec![]),
            (vec![Scope::InferenceRead],                   r#"{"tokens_per_day":1}"#,      vec![],                                  vec![]),
            (vec![],                                       r#"{"concurrency":1}"#,         vec![],                                  vec![Axis::Limits]),
            (vec![Scope::InferenceRead, Scope::Admin],     "{}",                           vec![Scope::Admin],                      vec![Axis::Limits]),
            (vec![Scope::KeysVerify, Scope::AnalyticsRead], r#"{"requests_per_day":1}"#,   vec![Scope::AnalyticsRead, Scope::KeysVerify], vec![]),
        ];
        for (scopes, json, unfit, missing) in cases {
            let scopes = scopes.into_iter().collect();
            let in_page = Rights { scopes, limits: limits(json), ..tight.clone() };
            assert_eq!(in_page.scopes_unfit_for_pages(), unfit, "{in_page:?}");
            assert_eq!(in_page.bounds_missing_for_pages(), missing, "{in_page:?}");
        }
        let unbounded = Rights { limits: Limits::NONE, budgets: vec![], ..tight };
        assert_eq!(unbounded.bounds_missing_for_pages(), [Axis::Limits, Axis::Budgets]);
        assert!(strongest().scopes_unfit_for_pages().is_empty());
        assert!(strongest().bounds_missing_for_pages().is_empty());
    }

    #[test]
    fn more_pages_are_let_in_by_another_origin_and_by_none_at_all() {
        let with =
            |json| Rights { allowed_origins: serde_json::from_str(json).unwrap(), ..tight() };
        let (one, two) = (
            with(r#"["https://a.example"]"#),
            with(r#"["https://a.example","https://b.example"]"#),
        );
        let (nobody, everybody) = (with("[]"), with("null"));
        #[rustfmt::skip]
        let cases = [
            (&one, &one, false), (&one, &two, true), (&two, &one, false), (&one, &nobody, false),
            (&nobody, &one, true), (&one, &everybody, true), (&everybody, &one, false),
        ];
        for (before, after, expected) in cases {
            assert_eq!(before.lets_in_more_pages(after), expected, "{before:?} {after:?}");
        }
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
            Axis::ModelLimits => {
                let bounds = |entry: &&ModelLimits| entry.model.matches(&probe.0);
                mine.model_limits.iter().filter(bounds).all(|mine| {
                    let mut theirs = theirs.model_limits.iter().filter(bounds);
                    theirs.any(|theirs| mine.limits.covers(&theirs.limits))
                })
            }
            Axis::Budgets => mine.budgets.iter().all(|mine| {
                theirs.budgets.iter().any(|theirs| Budget::list_covers(&[*mine], &[*theirs]))
            }),
            Axis::Expiry => {
                let lives = |rights: &Rights| rights.expires_at.is_none_or(|end| probe.2 < end);
                lives(mine) || !lives(theirs)
            }
            Axis::Origins => {
                // From these pages, and from outside of any.
                let pages = ["https://a.example", "https://b.example", "http://localhost:3000"];
                let uses = |rights: &Rights, page: Option<&str>| match &rights.allowed_origins {
                    None => true,
                    Some(origins) => page.is_some_and(|page| origins.allow(page.as_bytes())),
                };
                let all = pages.map(Some).into_iter().chain([None]);
                all.into_iter().all(|page| uses(mine, page) || !uses(theirs, page))
            }
        }
    }

    /// A model, an address and an instant.
    type Probe = (String, std::net::IpAddr, Timestamp);

    const AXES: [Axis; 7] = [
        Axis::Scopes,
        Axis::Models,
        Axis::Addresses,
        Axis::Limits,
        Axis::ModelLimits,
        Axis::Budgets,
        Axis::Expiry,
    ];

    /// A key that another one of the list made; the first is its own maker.
    struct Made {
        maker: usize,
        rights: Rights,
    }

    /// Which of the keys so far wishes for another one, and with which rights.
    type Wished = (prop::sample::Index, Rights, [bool; 8]);

    fn any_wish() -> impl Strategy<Value = Wished> {
        (any::<prop::sample::Index>(), any_rights(), any::<[bool; 8]>())
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
            own: [bool; 8],
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
            let bounds = [Axis::Limits, Axis::ModelLimits, Axis::Budgets, Axis::Origins];
            prop_assert!(loosened.iter().all(|axis| bounds.contains(axis)));
            for axis in bounds {
                let holds = axis_holds(axis, &before, &after, &probe);
                prop_assert!(holds || loosened.contains(&axis), "{:?}", axis);
            }
        }
    }
}
