//! What a key was granted and does not use.

use jiff::Timestamp;

use crate::model_pattern::{ModelPattern, ModelRule};
use crate::rights::Rights;
use crate::scope::{Scope, ScopeSet};

/// When a key last used what it may do. Exact to the hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyUses {
    /// Scopes that it used on the management API, or to list models.
    pub scopes: Vec<(Scope, Timestamp)>,
    /// Models that it called.
    pub models: Vec<(String, Timestamp)>,
    /// When its scopes or models were last widened. `None`: they are as they were made.
    pub widened_at: Option<Timestamp>,
}

/// Rights that were not used since some instant, each with its last use before that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnusedRights {
    /// Of the key's scopes.
    pub scopes: Vec<(Scope, Option<Timestamp>)>,
    /// Of its model patterns: no call matched.
    pub patterns: Vec<(ModelPattern, Option<Timestamp>)>,
}

impl KeyUses {
    /// When a scope was last used. A call of a model is a use of `inference:write`.
    pub fn scope(&self, scope: Scope) -> Option<Timestamp> {
        let noted = self.scopes.iter().filter(|(used, _)| *used == scope).map(|(_, at)| *at);
        let calls = self.models.iter().map(|(_, at)| *at);
        let calls = calls.filter(|_| scope == Scope::InferenceWrite);
        noted.chain(calls).max()
    }

    /// When a model that the pattern means was last called.
    pub fn pattern(&self, pattern: &ModelPattern) -> Option<Timestamp> {
        let calls = self.models.iter().filter(|(model, _)| pattern.matches(model));
        calls.map(|(_, at)| *at).max()
    }

    /// What was granted and not used at `since` or later.
    pub fn unused(&self, rights: &Rights, since: Timestamp) -> UnusedRights {
        let is_unused = |used: Option<Timestamp>| used.is_none_or(|at| at < since);
        let scopes = rights.scopes.iter().map(|scope| (scope, self.scope(scope)));
        let patterns = match &rights.models {
            ModelRule::All => &[][..],
            ModelRule::Only(patterns) => patterns,
        };
        let patterns = patterns.iter().map(|pattern| (pattern.clone(), self.pattern(pattern)));
        UnusedRights {
            scopes: scopes.filter(|(_, used)| is_unused(*used)).collect(),
            patterns: patterns.filter(|(_, used)| is_unused(*used)).collect(),
        }
    }
}

impl UnusedRights {
    /// Whether all that was granted is used.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.patterns.is_empty()
    }

    /// The scopes that would be left without these.
    pub fn other_scopes(&self, granted: ScopeSet) -> ScopeSet {
        let is_unused = |scope: &Scope| self.scopes.iter().any(|(unused, _)| unused == scope);
        granted.iter().filter(|scope| !is_unused(scope)).collect()
    }

    /// The patterns that would be left without these. `None`: all models are allowed, not by pattern.
    pub fn other_patterns(&self, granted: &ModelRule) -> Option<Vec<ModelPattern>> {
        let is_unused =
            |pattern: &&ModelPattern| self.patterns.iter().any(|(unused, _)| unused == *pattern);
        match granted {
            ModelRule::All => None,
            ModelRule::Only(patterns) => {
                Some(patterns.iter().filter(|pattern| !is_unused(pattern)).cloned().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::address::AddressRules;
    use crate::limit::Limits;
    use crate::model_pattern::tests::any_pattern;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rights(scopes: ScopeSet, models: ModelRule) -> Rights {
        Rights {
            scopes,
            models,
            addresses: AddressRules::ANY,
            limits: Limits::NONE,
            model_limits: vec![],
            budgets: Vec::new(),
            expires_at: None,
            allowed_origins: None,
        }
    }

    #[test]
    fn what_was_used_long_ago_or_never_is_unused() {
        let scopes = [Scope::InferenceRead, Scope::InferenceWrite, Scope::KeysRead, Scope::Admin];
        let patterns = ["gpt-*", "claude-*", "llama"].map(|text| text.parse().unwrap());
        let granted = rights(scopes.into_iter().collect(), ModelRule::Only(patterns.to_vec()));
        let uses = KeyUses {
            scopes: vec![(Scope::KeysRead, at(100)), (Scope::Admin, at(99))],
            models: vec![("gpt-4o".to_owned(), at(150)), ("claude-3".to_owned(), at(50))],
            widened_at: None,
        };
        let unused = uses.unused(&granted, at(100));
        let expected = [(Scope::InferenceRead, None), (Scope::Admin, Some(at(99)))];
        assert_eq!(unused.scopes, expected);
        let [gpt, claude, llama] = patterns;
        assert_eq!(unused.patterns, [(claude, Some(at(50))), (llama, None)]);
        let left = [Scope::InferenceWrite, Scope::KeysRead].into_iter().collect();
        assert_eq!(unused.other_scopes(granted.scopes), left);
        assert_eq!(unused.other_patterns(&granted.models), Some(vec![gpt]));
    }

    #[test]
    fn all_models_are_no_pattern() {
        let granted = rights([Scope::InferenceWrite].into_iter().collect(), ModelRule::All);
        let unused = KeyUses::default().unused(&granted, at(100));
        assert_eq!((unused.scopes.len(), unused.patterns.len()), (1, 0));
        assert_eq!(unused.other_patterns(&granted.models), None);
    }

    proptest! {
        /// Who follows the advice keeps every call that was made lately.
        #[test]
        fn what_was_called_lately_may_be_called_without_the_unused_patterns(
            patterns in prop::collection::vec(any_pattern(), 0..6),
            calls in prop::collection::vec(("[ab]{1,5}", 0_i64..200), 0..10),
        ) {
            let rule = ModelRule::Only(patterns);
            let models: Vec<_> = calls
                .into_iter()
                .filter(|(model, _)| rule.allows(model))
                .map(|(model, second)| (model, at(second)))
                .collect();
            let uses = KeyUses { models: models.clone(), ..KeyUses::default() };
            let unused = uses.unused(&rights(ScopeSet::ALL, rule.clone()), at(100));
            let left = ModelRule::Only(unused.other_patterns(&rule).unwrap());
            for (model, _) in models.iter().filter(|(_, used)| *used >= at(100)) {
                prop_assert!(left.allows(model), "{model} {left:?}");
            }
        }
    }
}
