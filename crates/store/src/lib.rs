//! Doorward's memory.
//!
//! All SQL (SQLite and PostgreSQL behind one [`Store`]), the keyring and the vault, the journal of
//! calls, and the counters of limits and budgets. Rows are parsed, never trusted; secrets leave this
//! crate only as the types that hide them.

pub use doorward_sealed::age;
mod audit;
mod backup;
mod calls;
mod catalog;
mod clock;
mod db;
mod error;
mod health;
mod idempotency;
mod identity;
mod increases;
mod journal;
mod keyring;
mod keys;
mod migrations;
mod named;
mod notices;
mod organizations;
mod prompts;
mod retention;
mod row;
mod search;
mod sessions;
mod settings;
mod sign_in;
mod store;
mod tokens;
mod usage;
mod webhooks;
mod work;

pub use audit::{Act, Actor, AuditFilter, AuditStep, AuditVerdict};
pub use backup::{
    ArchiveError, Backup, RestoreError, RestoreOptions, Restored, RevocationSource, Summary,
    check as check_backup, restore,
};
pub use calls::{
    Admitted, BudgetStanding, CallKey, CallRequest, ConcurrencyStanding, Cost, KeyState,
    LimitStanding, OpenCall, Quota, RefusedKey, Standing,
};
pub use catalog::{CatalogRow, ModelFilter, NewProviderKey, ProviderKeyEdit, Removed};
pub use clock::Clock;
pub use error::{OpenError, StoreError};
pub use health::{Boards, DeploymentHealth, RestBoard, Resting};
pub use idempotency::{Claim, FirstAnswer, IdempotentRequest};
pub use identity::Identity;
pub use increases::{
    ASKED_PER_DAY_MAX, Grant, HeldIncrease, Increase, IncreaseFilter, NewIncrease, NewRaise,
    OPEN_MAX,
};
pub use keyring::{MasterKey, TokenPublicKey};
pub use keys::{
    KeyCursor, KeyDenial, KeyEdit, KeyFilter, KeyRecord, KeySort, KeySortBy, MalformedCursor,
    NewKey, Page, Rotation, Swept, UnknownKeySort,
};
pub use notices::{
    Delivery, NewNotice, Notice, NoticeFilter, NoticeTarget, Outcome, Planned, Receiver,
};
pub use organizations::{
    Bootstrap, Member, Membership, NewProject, NewServiceAccount, NewUser, Organization,
    Population, Populations, Presence, Presences, Project, ServiceAccount, SharedStanding, User,
    UserFilter,
};
pub use prompts::{Excerpt, KeptText, PromptRecord, StoredPrompt};
pub use retention::Forgotten;
pub use sessions::{Session, SessionIdentity};
pub use settings::{
    ChangedSettings, KeyCaps, NoticeSettings, Outliving, SettingRow, Settings, SettingsEdit,
    SettingsList,
};
pub use sign_in::{
    Client, HashedPassword, LinkPurpose, LinkedUser, MailedLink, PasswordLink, RecoveryCodes,
    SignInState, SignedIn, StoredPassword,
};
pub use store::{JournalSync, LOCK_FILE, Options, Store, StoreStats};
pub use usage::{
    FinishedCall, GroupBy, USAGE_ROWS_MAX, UsageFailure, UsageFilter, UsageNames, UsageRow,
    UsageRows,
};
pub use webhooks::{NewWebhook, WEBHOOKS_MAX, Webhook, WebhookEdit, WebhookSecrets};
