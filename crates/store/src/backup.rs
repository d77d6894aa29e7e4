//! Backups: everything in the database as one file that belongs to no engine, sealed under a
//! recovery passphrase, and the way back.
//!
//! The server seals, not whoever asks for the backup: the keys of the keyring stand in it, and so
//! they never leave the process readable, on no connection and in no memory but this one's. The
//! passphrase alone opens the file: the restored installation gets a master key of its own.
//!
//! The file holds lines of JSON, which `age -d` shows: a head, for each table its columns and then
//! its rows, and an end that counts the rows and proves that all of it is there.
//!
//! What a restore brings back is the moment of the backup. What has ended since then is ended again
//! where somebody says what that is: the old data, or the exported audit log.

mod archive;
mod dump;
mod ended;
mod fill;
mod format;
mod list;
mod live;
mod passing;
mod restore;
mod revocations;
mod schema;
mod signer;
mod spend;
mod tables;

pub use archive::{ArchiveError, Summary, check};
pub use dump::Backup;
pub use restore::{RestoreError, RestoreOptions, Restored, restore};
pub use revocations::RevocationSource;
