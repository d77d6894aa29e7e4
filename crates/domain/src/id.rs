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
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
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

        impl utoipa::ToSchema for $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::Object::builder()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9A-HJKMNP-TV-Z]{25}$")))
                    .into()
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
    /// Identifies a session: a user who is signed in. Public: it is not the token.
    SessionId,
    "ses"
);

id!(
    /// Identifies an access token that stands for a key. Public, its `jti`; it is not the token.
    TokenId,
    "tok"
);
id!(
    /// Identifies one call through the gateway; also its `x-request-id`.
    CallId,
    "req"
);
id!(
    /// Identifies a webhook: where notices go over HTTP.
    WebhookId,
    "whk"
);
id!(
    /// Identifies a notice; also in its mail's `Message-ID`, and its `webhook-id`.
    NoticeId,
    "ntc"
);
id!(
    /// Identifies a limit increase: what a holder of a key asked for, and what became of it.
    IncreaseId,
    "inc"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The kinds of id that read `text`.
    fn kinds_that_read(text: &str) -> Vec<&'static str> {
        let kinds = [
            ("org", text.parse::<OrganizationId>().is_ok()),
            ("prj", text.parse::<ProjectId>().is_ok()),
            ("usr", text.parse::<UserId>().is_ok()),
            ("sva", text.parse::<ServiceAccountId>().is_ok()),
            ("prv", text.parse::<ProviderId>().is_ok()),
            ("pvk", text.parse::<ProviderKeyId>().is_ok()),
            ("dep", text.parse::<DeploymentId>().is_ok()),
            ("ses", text.parse::<SessionId>().is_ok()),
            ("req", text.parse::<CallId>().is_ok()),
            ("whk", text.parse::<WebhookId>().is_ok()),
            ("ntc", text.parse::<NoticeId>().is_ok()),
            ("inc", text.parse::<IncreaseId>().is_ok()),
        ];
        kinds.into_iter().filter(|(_, reads)| *reads).map(|(prefix, _)| prefix).collect()
    }

    #[test]
    fn an_id_has_one_spelling() {
        #[rustfmt::skip]
        let cases = [
            // text                              valid
            ("key_01K36M4YZX0123456789ABCDEF",  false), // no id of this kind
            ("usr_01K36M4YZX0123456789ABCDEF",  true),
            ("usr_00000000000000000000000000",  true),
            ("usr_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",  true),
            ("usr_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",  false), // more than 128 bits
            ("usr_01k36m4yzx0123456789abcdef",  false), // lower case
            ("usr_01K36M4YZX0123456789ABCDEf",  false),
            ("usr_O1K36M4YZX0123456789ABCDEF",  false), // the letter O for a zero
            ("usr_01K36M4YZX0123456789ABCDEU",  false), // not in the alphabet
            ("usr_01K36M4YZX0123456789ABCDE",   false), // one short
            ("usr_01K36M4YZX0123456789ABCDEF0", false), // one long
            ("USR_01K36M4YZX0123456789ABCDEF",  false),
            ("usr-01K36M4YZX0123456789ABCDEF",  false),
            (" usr_01K36M4YZX0123456789ABCDEF", false),
            ("usr_01K36M4YZX0123456789ABCDEF ", false),
            ("01K36M4YZX0123456789ABCDEF",      false),
            ("usr_",                            false),
            ("",                                false),
        ];
        for (text, is_valid) in cases {
            let expected = if is_valid { vec!["usr"] } else { vec![] };
            assert_eq!(kinds_that_read(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_prints_what_it_reads(at_ms in 0_u64..1 << 48, random: u128) {
            let id = CallId::new(at_ms, random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(CallId::from_bytes(id.to_bytes()), id);
            prop_assert_eq!(format!("{id:?}"), id.to_string());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<CallId>(&json).unwrap(), id);
        }

        #[test]
        fn an_id_is_read_as_its_own_kind_only(bytes: [u8; 16]) {
            let ids = [
                OrganizationId::from_bytes(bytes).to_string(),
                ProjectId::from_bytes(bytes).to_string(),
                UserId::from_bytes(bytes).to_string(),
                ServiceAccountId::from_bytes(bytes).to_string(),
                ProviderId::from_bytes(bytes).to_string(),
                ProviderKeyId::from_bytes(bytes).to_string(),
                DeploymentId::from_bytes(bytes).to_string(),
                SessionId::from_bytes(bytes).to_string(),
                CallId::from_bytes(bytes).to_string(),
                WebhookId::from_bytes(bytes).to_string(),
                NoticeId::from_bytes(bytes).to_string(),
                IncreaseId::from_bytes(bytes).to_string(),
            ];
            for id in ids {
                prop_assert_eq!(kinds_that_read(&id), vec![&id[..3]]);
            }
        }

        #[test]
        fn later_ids_sort_after_earlier_ones(at_ms in 0_u64..1 << 47, randoms: (u128, u128)) {
            let (first, second) = (UserId::new(at_ms, randoms.0), UserId::new(at_ms + 1, randoms.1));
            prop_assert!(first < second);
            prop_assert!(first.to_string() < second.to_string());
        }
    }
}
