//! Doorward's memory.
//!
//! All SQL (SQLite and PostgreSQL behind one [`Store`]), the keyring and the vault, the journal of
//! calls, and the counters of limits and budgets. Rows are parsed, never trusted; secrets leave this
//! crate only as the types that hide them.

pub mod age;
mod audit;
mod backup;
mod calls;
mod catalog;
mod clock;
mod db;
mod error;
mod idempotency;
mod identity;
mod journal;
mod keyring;
mod keys;
mod migrations;
mod named;
mod organizations;
mod row;
mod settings;
mod store;
mod usage;

pub use audit::{Act, Actor, AuditFilter, AuditStep, AuditVerdict};
pub use backup::{
    ArchiveError, Backup, RestoreError, RestoreOptions, Restored, RevocationSource, Summary,
    check as check_backup, restore,
};
pub use calls::{Admitted, CallKey, CallRequest, KeyState, OpenCall, Quota};
pub use catalog::{CatalogRow, NewProviderKey, ProviderKeyEdit, Removed};
pub use clock::Clock;
pub use error::{OpenError, StoreError};
pub use idempotency::{Claim, FirstAnswer, IdempotentRequest};
pub use identity::Identity;
pub use keyring::MasterKey;
pub use keys::{
    KeyCursor, KeyEdit, KeyFilter, KeyRecord, MalformedCursor, NewKey, Page, Rotation, Swept,
};
pub use organizations::{
    Bootstrap, Member, Membership, NewProject, NewServiceAccount, NewUser, Project, ServiceAccount,
    User,
};
pub use settings::{
    ChangedSettings, KeyCaps, Outliving, SettingRow, Settings, SettingsEdit, SettingsList,
};
pub use store::{JournalSync, LOCK_FILE, Options, Store, StoreStats};
pub use usage::{GroupBy, USAGE_ROWS_MAX, UsageFilter, UsageRow};
