//! What becomes of each table, by name: a test holds that none is forgotten.

use Fate::{Kept, LeftOut};

/// What becomes of the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are in a backup, and come back as they were.
    Kept,
    /// They are in no backup.
    LeftOut,
}

/// Every table of the schema. What another program keeps in the same database is not ours to carry.
pub(super) const TABLES: [(&str, Fate); 36] = [
    ("organizations", Kept),
    ("projects", Kept),
    ("users", Kept),
    ("service_accounts", Kept),
    ("project_members", Kept),
    ("api_keys", Kept),
    // Digests only: the keys work on, with the secrets that their holders have.
    ("key_secrets", Kept),
    ("key_origins", Kept),
    ("key_uses", Kept),
    ("key_denials", Kept),
    // What holds for a while ends with a restore: see `passing`.
    ("limit_increases", Kept),
    ("provider_keys", Kept),
    ("providers", Kept),
    ("provider_links", Kept),
    ("models", Kept),
    ("model_names", Kept),
    ("deployments", Kept),
    ("usage_events", Kept),
    ("usage_hours", Kept),
    // Nothing that was spent is given back; of the old data a restore takes the greater sums.
    ("spend", Kept),
    // What was told of budgets is not told again.
    ("budget_alerts", Kept),
    ("settings", Kept),
    ("audit_entries", Kept),
    ("audit_head", Kept),
    ("audit_base", Kept),
    // What a client sends again was done; an answer with a secret opens for its key only.
    ("idempotent_requests", Kept),
    // Without the keys that tokens are signed with: see `keyring::carried`.
    ("keyring", Kept),
    ("passwords", Kept),
    ("second_factors", Kept),
    ("recovery_codes", Kept),
    ("webhooks", Kept),
    // What was sent is remembered and not sent again; what was sent after the backup may be, under
    // another id where it was planned after it.
    ("notices", Kept),
    // What ends by being deleted cannot be told from what ended since: whoever was signed in signs in
    // again, and a one-time link is asked for again.
    ("sessions", LeftOut),
    ("password_links", LeftOut),
    // No token from before is good: the keys that signed them are not restored.
    ("revoked_tokens", LeftOut),
    // What is to be forgotten on a day must not be found in a file after it.
    ("prompts", LeftOut),
];

/// What becomes of this table. `None`: it is not ours.
pub(super) fn fate(table: &str) -> Option<Fate> {
    TABLES.iter().find(|(name, _)| *name == table).map(|(_, fate)| *fate)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::migrations;

    /// The names behind `CREATE TABLE` in every migration of an engine.
    fn made(migrator: &sqlx::migrate::Migrator) -> BTreeSet<String> {
        let texts = migrator.iter().map(|migration| migration.sql.as_str().to_owned());
        let all = texts.collect::<Vec<_>>().join("\n");
        let after = all.split("CREATE TABLE ").skip(1);
        after.map(|text| text.split_whitespace().next().unwrap().to_owned()).collect()
    }

    #[test]
    fn no_table_of_either_engine_is_forgotten_and_none_is_named_that_is_not_there() {
        let named: BTreeSet<String> = TABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(named.len(), TABLES.len(), "each is named once");
        assert_eq!(made(&migrations::sqlite()), named);
        assert_eq!(made(&migrations::postgres()), named);
        assert_eq!((fate("sessions"), fate("users"), fate("x")), (Some(LeftOut), Some(Kept), None));
    }
}
