//! Scopes: what a key may do.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may do. The text form is `noun:verb`, or `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    /// List models.
    InferenceRead,
    /// Call models.
    InferenceWrite,
    /// See usage.
    AnalyticsRead,
    /// See keys.
    KeysRead,
    /// Make, edit and end keys.
    KeysWrite,
    /// Ask whether another key is valid.
    KeysVerify,
    /// Read the audit log.
    AuditRead,
    /// Everything administrative. Does not imply inference.
    Admin,
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope `{0}`; the scopes are {list}", list = Scope::list())]
pub struct UnknownScope(pub String);

impl Scope {
    /// Every scope, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::InferenceRead,
        Self::InferenceWrite,
        Self::AnalyticsRead,
        Self::KeysRead,
        Self::KeysWrite,
        Self::KeysVerify,
        Self::AuditRead,
        Self::Admin,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InferenceRead => "inference:read",
            Self::InferenceWrite => "inference:write",
            Self::AnalyticsRead => "analytics:read",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::KeysVerify => "keys:verify",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whether it is for calling models, as opposed to seeing and managing what there is.
    pub const fn is_inference(self) -> bool {
        matches!(self, Self::InferenceRead | Self::InferenceWrite)
    }

    fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A set of scopes. Serialized as a list of their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// No scope at all.
    pub const NONE: Self = Self(0);
    /// Every scope.
    pub const ALL: Self = Self(u8::MAX);

    /// The scopes as given, without what [`Scope::Admin`] implies.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Whether a key with these scopes may do what `scope` says. [`Scope::Admin`] covers every
    /// administrative scope, and no inference.
    pub const fn allows(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0 || (self.0 & Scope::Admin.bit() != 0 && !scope.is_inference())
    }

    /// Which of these a key uses that does what `scope` says: that scope, else [`Scope::Admin`].
    /// `None`: it may not.
    pub fn used_for(self, scope: Scope) -> Option<Scope> {
        let used = if self.0 & scope.bit() != 0 { scope } else { Scope::Admin };
        self.allows(scope).then_some(used)
    }

    /// Whether everything in `other` is allowed by these.
    pub fn covers(self, other: Self) -> bool {
        other.iter().all(|scope| self.allows(scope))
    }

    /// What both allow.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Scope::ALL.into_iter().filter(|s| self.allows(*s) && other.allows(*s)).collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

impl serde::Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> serde::Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let scopes: Result<Self, _> = names.iter().map(|name| name.parse()).collect();
        scopes.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_scopes() -> impl Strategy<Value = ScopeSet> {
        prop::sample::subsequence(Scope::ALL.to_vec(), 0..=Scope::ALL.len())
            .prop_map(ScopeSet::from_iter)
    }

    #[test]
    fn admin_reaches_everything_but_inference() {
        let admin = ScopeSet::from_iter([Scope::Admin]);
        #[rustfmt::skip]
        let cases = [
            // scope                 allowed
            (Scope::InferenceRead,   false),
            (Scope::InferenceWrite,  false),
            (Scope::AnalyticsRead,   true),
            (Scope::KeysRead,        true),
            (Scope::KeysWrite,       true),
            (Scope::KeysVerify,      true),
            (Scope::AuditRead,       true),
            (Scope::Admin,           true),
        ];
        for (scope, is_allowed) in cases {
            assert_eq!(admin.allows(scope), is_allowed, "{scope}");
        }
    }

    #[test]
    fn every_administrative_scope_together_is_not_admin() {
        let others = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin);
        let others: ScopeSet = others.collect();
        assert!(!others.allows(Scope::Admin));
        assert!(!others.covers(ScopeSet::from_iter([Scope::Admin])));
    }

    #[test]
    fn no_scope_allows_nothing() {
        assert!(Scope::ALL.into_iter().all(|scope| !ScopeSet::NONE.allows(scope)));
        assert_eq!(ScopeSet::NONE.iter().count(), 0);
    }

    #[test]
    fn scopes_are_read_by_their_exact_names() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for bad in ["", "*", "ADMIN", "inference", "inference:", "inference:write ", "keys:delete"]
        {
            assert_eq!(bad.parse::<Scope>(), Err(UnknownScope(bad.to_owned())));
        }
    }

    #[test]
    fn an_unknown_scope_is_answered_with_the_list_of_scopes() {
        let message = UnknownScope("root".to_owned()).to_string();
        assert!(Scope::ALL.iter().all(|scope| message.contains(scope.as_str())), "{message}");
    }

    #[test]
    fn a_set_with_an_unknown_name_is_refused_as_a_whole() {
        #[rustfmt::skip]
        let cases = [
            // json                              scopes
            ("[]",                               Some(ScopeSet::NONE)),
            (r#"["admin", "admin"]"#,            Some(ScopeSet::from_iter([Scope::Admin]))),
            (r#"["inference:write", "root"]"#,   None),
            (r#"["Admin"]"#,                     None),
            ("[1]",                              None),
            (r#""admin""#,                       None),
            ("null",                             None),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str(json).ok(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_set_is_written_as_it_is_read(set in any_scopes()) {
            let json = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<ScopeSet>(&json).unwrap(), set);
            prop_assert_eq!(set.iter().collect::<ScopeSet>(), set);
        }

        #[test]
        fn an_intersection_allows_exactly_what_both_allow(a in any_scopes(), b in any_scopes()) {
            let both = a.intersect(b);
            for scope in Scope::ALL {
                prop_assert_eq!(both.allows(scope), a.allows(scope) && b.allows(scope));
            }
            prop_assert!(a.covers(both) && b.covers(both));
            prop_assert_eq!(both, b.intersect(a));
        }

        #[test]
        fn one_set_covers_another_exactly_when_it_allows_as_much(a in any_scopes(), b in any_scopes()) {
            let allows_as_much = Scope::ALL.into_iter().all(|s| a.allows(s) || !b.allows(s));
            prop_assert_eq!(a.covers(b), allows_as_much);
        }

        #[test]
        fn covering_has_a_bottom_a_top_and_order(
            a in any_scopes(),
            b in any_scopes(),
            c in any_scopes(),
        ) {
            prop_assert!(a.covers(a) && a.covers(ScopeSet::NONE) && ScopeSet::ALL.covers(a));
            prop_assert!(!(a.covers(b) && b.covers(c)) || a.covers(c));
        }
    }
}
