//! What can go wrong with the store.

use std::path::PathBuf;

use doorward_sealed::age::SealError;
use jiff::Timestamp;

/// Why an operation on the store failed. `Display` is for the log; no text of it goes to a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed, is locked for too long, or is gone.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A row does not parse: somebody else wrote it, or the disk did.
    #[error("a stored record is corrupt: {0}")]
    Corrupt(String),
    /// A name is taken.
    #[error("there is already one with this {field}")]
    Taken {
        /// The field that must be unique.
        field: &'static str,
    },
    /// A name cannot be told from another one by eye.
    #[error("the name looks like {other}")]
    LooksAlike {
        /// The name that is there.
        other: String,
    },
    /// A text cannot be stored: PostgreSQL takes no NUL.
    #[error("the {field} holds a NUL character")]
    Unstorable {
        /// Which text.
        field: &'static str,
    },
    /// The thing that an edit names is not there, or not in this organization.
    #[error("no such {0}")]
    Missing(&'static str),
    /// Somebody else edited it in between.
    #[error("it was edited in between")]
    Stale,
    /// Whoever asked for it was changed or ended in between; nothing was done.
    #[error("who asked for it may not any more")]
    ActorChanged,
    /// Whoever asked for it gives, takes away or changes what is above their own role.
    #[error("it is above the role of who asked for it")]
    AboveOwnRole,
    /// Without it the organization would have no active owner.
    #[error("it is the last active owner")]
    LastOwner,
    /// It is the project where keys go that name none.
    #[error("it is the default project")]
    DefaultProject,
    /// Something still uses it; the names of what does.
    #[error("it is in use by {}", .0.join(", "))]
    InUse(Vec<String>),
    /// As many secrets of the key work as may at the same time.
    #[error("too many secrets of the key still work")]
    TooManySecrets,
    /// There are as many as there may be.
    #[error("there are as many {0} as there may be")]
    Full(&'static str),
    /// The journal cannot be written: no call may leave.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
    /// A ciphertext of the vault does not belong to its row.
    #[error("a secret in the vault fails its integrity check")]
    Integrity,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// More wait for a turn of work that is done a few at a time than may, or longer.
    #[error("too many wait for their turn")]
    Busy,
    /// The second factor is confirmed already, or there is none.
    #[error("the second factor is not in that state")]
    SecondFactor,
    /// More finished calls wait for the database than may.
    #[error("the database is too far behind")]
    Behind,
    /// A report begins or ends within an hour of which single calls are kept no more.
    #[error("single calls of the hour from {hour} are kept no more")]
    CallsForgotten {
        /// `from` or `to`: what lies within the hour.
        field: &'static str,
        /// Its first moment.
        hour: Timestamp,
    },
    /// The lock that keeps other processes off the database is lost: no call may leave.
    #[error("the lock on the database is lost: another process may be using it")]
    NotOurs,
}

/// Why the store did not open. Nothing was changed. `Display` tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has this data directory or database.
    #[error("another doorward is already running on {0}")]
    AlreadyRunning(String),
    /// There is data, but not the key that wraps its secrets.
    #[error(
        "the data was written under a master key, and {path} does not exist; restore that file, or set DOORWARD_MASTER_KEY or DOORWARD_MASTER_KEY_FILE. Nothing was changed"
    )]
    MasterKeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is data, and the key is not the one that wraps its secrets.
    #[error("the master key is not the one that this data was written under. Nothing was changed")]
    MasterKeyWrong,
    /// There is data, and the keys of the keyring that it was made under are gone.
    #[error(
        "the database has lost its own keys for {missing}, and there is data that needs them; restore the database from a backup. Nothing was changed"
    )]
    KeyringLost {
        /// What they were for.
        missing: String,
    },
    /// The master key is not 32 bytes in base64.
    #[error("the master key in {0} is not 32 bytes in base64")]
    MasterKeyMalformed(String),
    /// A newer program wrote the schema.
    #[error(
        "this data was written by a newer doorward; use that version or a later one. Nothing was changed"
    )]
    SchemaNewer,
    /// A newer program wrote the journal.
    #[error(
        "the journal {path} was written by a newer doorward; use that version or a later one. Nothing was changed"
    )]
    JournalNewer {
        /// Which file.
        path: PathBuf,
    },
    /// The journal holds something that is not ours.
    #[error("the journal {path} is damaged at byte {offset}; move it away to start without it")]
    JournalDamaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// The database holds something that is not ours.
    #[error("the database holds data that cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRandomness => Self::NoRandomness,
            SealError::Cipher => Self::Integrity,
        }
    }
}
