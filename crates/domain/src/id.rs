//! Identifiers: a prefix that names the kind, then a ULID. Public, sortable by creation.

/// Defines an identifier type with one text form, `<prefix>_<26 characters of ULID>`.
///
/// `FromStr` is the only way in from outside; two kinds of id can never be swapped by mistake.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ulid::Ulid);

        impl $name {
            /// Makes an id from its creation time (milliseconds since the Unix epoch) and random bits.
            pub const fn new(at_ms: u64, random: u128) -> Self {
                Self(ulid::Ulid::from_parts(at_ms, random))
            }

            /// The 16 bytes of the ULID, for compact records.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// Reads what [`to_bytes`](Self::to_bytes) wrote.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(ulid::Ulid::from_bytes(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let body = text.strip_prefix(concat!($prefix, "_")).ok_or(MalformedId)?;
                let ulid = ulid::Ulid::from_string(body).map_err(|_| MalformedId)?;
                // One text form only: what we print is the one spelling that we accept.
                if ulid.to_string() == body { Ok(Self(ulid)) } else { Err(MalformedId) }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Text that is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the expected kind")]
pub struct MalformedId;

id!(
    /// Identifies an organization: the billing and isolation border.
    OrganizationId,
    "org"
);
id!(
    /// Identifies a project: a group of keys, members and limits inside an organization.
    ProjectId,
    "prj"
);
id!(
    /// Identifies a user: a person who signs in.
    UserId,
    "usr"
);
id!(
    /// Identifies a service account: an app or agent that never signs in.
    ServiceAccountId,
    "sva"
);
id!(
    /// Identifies a provider: an upstream API with a kind and a base URL.
    ProviderId,
    "prv"
);
id!(
    /// Identifies a provider key: a credential for a provider, held in the vault.
    ProviderKeyId,
    "pvk"
);
id!(
    /// Identifies a deployment: one provider, one upstream model name and one provider key.
    DeploymentId,
    "dep"
);
id!(
    /// Identifies one call through the gateway; also its `x-request-id`.
    CallId,
    "req"
);
