//! The schema's versions, forward only.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

pub(crate) fn sqlite() -> Migrator {
    Migrator::with_migrations(vec![version(
        1,
        "initial",
        include_str!("../migrations/sqlite/0001_initial.sql"),
    )])
}

pub(crate) fn postgres() -> Migrator {
    Migrator::with_migrations(vec![version(
        1,
        "initial",
        include_str!("../migrations/postgres/0001_initial.sql"),
    )])
}

/// The version that the schema of this program has.
pub(crate) fn newest() -> i64 {
    sqlite().iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// One version. Its text is never edited once it was released: every start compares it with what was
/// applied.
fn version(number: i64, name: &'static str, sql: &'static str) -> Migration {
    let (name, sql) = (Cow::Borrowed(name), SqlStr::from_static(sql));
    Migration::new(number, name, MigrationType::Simple, sql, false)
}
