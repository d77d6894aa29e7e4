//! Where a restore learns what ended since the backup was made.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;

use super::ended::Ended;
use super::format::Head;
use super::list::read_list;
use super::restore::RestoreError;
use crate::db::{Db, Pool};

/// Where a restore learns what ended after the backup.
#[derive(Debug)]
pub enum RevocationSource {
    /// The lines of `doorward audit export`.
    List(PathBuf),
    /// The data directory of the old installation, with its SQLite database. It is only read.
    DataDir(PathBuf),
    /// The PostgreSQL database of the old installation. It is only read.
    Database(SecretString),
}

/// A source that was opened.
pub(super) enum Opened {
    Read(Vec<Ended>),
    /// Old data, and when the backup was made.
    Live(Pool, Timestamp),
}

/// Opens a source and sees that it can be read; of a list only what is after the backup.
pub(super) async fn open(source: &RevocationSource, head: &Head) -> Result<Opened, RestoreError> {
    let live = |pool| Opened::Live(pool, head.made_at);
    match source {
        RevocationSource::List(path) => read_list(path, head.audit_sequence).map(Opened::Read),
        RevocationSource::DataDir(dir) => {
            let none = || RestoreError::NoLiveData(dir.display().to_string());
            let pool = Pool::peek_sqlite(dir).await?.ok_or_else(none)?;
            if pool.has_schema().await? { Ok(live(pool)) } else { Err(none()) }
        }
        RevocationSource::Database(url) => {
            let pool = Db::connect(Path::new(""), Some(url)).await?.reports;
            let none = || RestoreError::NoLiveData("the database".to_owned());
            if pool.has_schema().await? { Ok(live(pool)) } else { Err(none()) }
        }
    }
}
