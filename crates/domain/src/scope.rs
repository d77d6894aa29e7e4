//! Scopes: what a key may do.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may do. The text form is `noun:verb`, or `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    const fn is_inference(self) -> bool {
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
