//! What a token leaves of the rights of its key.

use crate::model_pattern::{ModelPattern, ModelRule};
use crate::rights::Rights;
use crate::scope::{Scope, ScopeSet};

/// Scopes and models, as they were asked for and granted. What a token may do is what both allow:
/// this, and its key as it is at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing {
    /// What the token may do.
    pub scopes: ScopeSet,
    /// With which models.
    pub models: ModelRule,
}

/// What is asked for a token; what is not said is all that there is.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Which scopes.
    pub scopes: Option<Vec<Scope>>,
    /// Which models.
    pub models: Option<Vec<ModelPattern>>,
}

/// Something is asked for that whoever asks does not have. It is named: nothing is left out silently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    /// A scope.
    #[error("the scope {0} is beyond the rights of this credential")]
    Scope(Scope),
    /// A model pattern.
    #[error("the model pattern {0} is beyond the rights of this credential")]
    Model(ModelPattern),
    /// There is no scope that a token could have.
    #[error("this credential has no scope that a token could have")]
    Nothing,
}

impl Narrowing {
    /// What is granted of a wish to whoever has `rights`: all of it, or nothing.
    pub fn grant(wanted: Wanted, rights: &Rights) -> Result<Self, Beyond> {
        let beyond = |scopes: &[Scope]| scopes.iter().copied().find(|s| !rights.scopes.allows(*s));
        let scopes = match wanted.scopes {
            None => rights.scopes,
            Some(scopes) => match beyond(&scopes) {
                Some(scope) => return Err(Beyond::Scope(scope)),
                None => scopes.into_iter().collect(),
            },
        };
        if scopes == ScopeSet::NONE {
            return Err(Beyond::Nothing);
        }
        let models = match wanted.models {
            None => rights.models.clone(),
            Some(patterns) => ModelRule::Only(within(&rights.models, patterns)?),
        };
        Ok(Self { scopes, models })
    }

    /// Whether nothing of these rights is taken away.
    pub fn keeps_all_of(&self, rights: &Rights) -> bool {
        self.scopes.covers(rights.scopes) && self.models.covers(&rights.models)
    }

    /// What is left of the rights of a key. On no axis is it more than they are, nor more than was
    /// granted.
    #[must_use]
    pub fn applied_to(&self, rights: &Rights) -> Rights {
        Rights {
            scopes: rights.scopes.intersect(self.scopes),
            models: rights.models.intersect(&self.models),
            ..rights.clone()
        }
    }
}

fn within(rule: &ModelRule, patterns: Vec<ModelPattern>) -> Result<Vec<ModelPattern>, Beyond> {
    match patterns.iter().find(|pattern| !rule.covers_pattern(pattern)) {
        Some(pattern) => Err(Beyond::Model(pattern.clone())),
        None => Ok(patterns),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model_pattern::tests::{any_name, any_rule};
    use crate::rights::tests::any_rights;
    use crate::scope::tests::any_scopes;

    fn rights(scopes: &[Scope], models: Option<&[&str]>) -> Rights {
        let patterns = models.map(|m| m.iter().map(|p| p.parse().unwrap()).collect());
        Rights {
            scopes: scopes.iter().copied().collect(),
            models: patterns.into(),
            addresses: crate::address::AddressRules::ANY,
            limits: crate::limit::Limits::NONE,
            model_limits: vec![],
            budgets: vec![],
            expires_at: None,
            allowed_origins: None,
        }
    }

    fn wanted(scopes: Option<&[Scope]>, models: Option<&[&str]>) -> Wanted {
        let patterns = |m: &[&str]| m.iter().map(|p| p.parse().unwrap()).collect();
        Wanted { scopes: scopes.map(<[Scope]>::to_vec), models: models.map(patterns) }
    }

    #[test]
    fn what_is_not_said_is_all_that_there_is() {
        let mine = rights(&[Scope::InferenceRead, Scope::KeysRead], Some(&["a*"]));
        let granted = Narrowing::grant(Wanted::default(), &mine).unwrap();
        assert!(granted.keeps_all_of(&mine));
        assert_eq!(granted.applied_to(&mine), mine);
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_beyond_is_named() {
        use Scope::{Admin, InferenceWrite, KeysRead, KeysWrite};
        let cases = [
            (&[KeysRead][..], None,            Some(&[KeysRead][..]),            None,                  None),
            (&[KeysRead],     None,            Some(&[KeysRead, KeysWrite]),     None,                  Some("scope keys:write")),
            (&[KeysRead],     None,            Some(&[Admin]),                   None,                  Some("scope admin")),
            (&[Admin],        None,            Some(&[KeysWrite]),               None,                  None), // implied
            (&[Admin],        None,            Some(&[InferenceWrite]),          None,                  Some("scope inference:write")),
            (&[],             None,            None,                             None,                  Some("no scope")),
            (&[KeysRead],     None,            Some(&[]),                        None,                  Some("no scope")),
            (&[KeysRead],     None,            None,                             Some(&["a", "b*"][..]), None),
            (&[KeysRead],     Some(&["a*"][..]), None,                           Some(&["ab", "a*"]),   None),
            (&[KeysRead],     Some(&["a*"]),   None,                             Some(&["ab", "b"]),    Some("model pattern b ")),
            (&[KeysRead],     Some(&["a"]),    None,                             Some(&["*"]),          Some("model pattern * ")),
        ];
        for (scopes, models, ask, patterns, expected) in cases {
            let found = Narrowing::grant(wanted(ask, patterns), &rights(scopes, models));
            match (found, expected) {
                (Ok(_), None) => {}
                (Err(beyond), Some(text)) => assert!(beyond.to_string().contains(text), "{beyond}"),
                (found, expected) => panic!("{found:?} {expected:?}"),
            }
        }
    }

    fn any_wanted() -> impl Strategy<Value = Wanted> {
        let scopes = prop::option::of(any_scopes().prop_map(|set| set.iter().collect()));
        let models = any_rule().prop_map(Option::<Vec<ModelPattern>>::from);
        (scopes, models).prop_map(|(scopes, models)| Wanted { scopes, models })
    }

    proptest! {
        /// The key may have been changed in any way since the token was granted.
        #[test]
        fn a_token_is_never_stronger_than_its_key_nor_than_what_was_granted(
            then in any_rights(),
            now in any_rights(),
            wanted in any_wanted(),
            model in any_name(),
        ) {
            let Ok(granted) = Narrowing::grant(wanted, &then) else { return Ok(()) };
            for key in [&then, &now] {
                let left = granted.applied_to(key);
                prop_assert_eq!(key.exceeded_by(&left), []);
                prop_assert!(granted.scopes.covers(left.scopes));
                prop_assert!(then.scopes.covers(left.scopes));
                prop_assert!(granted.models.covers(&left.models));
                let is_allowed = left.models.allows(&model);
                prop_assert!(!is_allowed || key.models.allows(&model));
                prop_assert!(!is_allowed || then.models.allows(&model));
            }
        }

        #[test]
        fn a_token_of_a_token_is_never_stronger_than_that(
            key in any_rights(),
            first in any_wanted(),
            second in any_wanted(),
        ) {
            let Ok(first) = Narrowing::grant(first, &key) else { return Ok(()) };
            let left = first.applied_to(&key);
            let Ok(second) = Narrowing::grant(second, &left) else { return Ok(()) };
            prop_assert_eq!(left.exceeded_by(&second.applied_to(&key)), []);
        }

        #[test]
        fn all_that_was_granted_is_left_of_a_key_that_did_not_change(
            key in any_rights(),
            wanted in any_wanted(),
            model in any_name(),
        ) {
            let Ok(granted) = Narrowing::grant(wanted, &key) else { return Ok(()) };
            let left = granted.applied_to(&key);
            prop_assert!(left.scopes.covers(granted.scopes));
            prop_assert_eq!(left.models.allows(&model), granted.models.allows(&model));
        }
    }
}
