//! What ended since a backup was made: from the old data itself, or from the exported audit log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::restore::RestoreError;
use crate::db::{Db, Pool, on};

/// Longest line of an exported audit log.
const LINE_BYTES_MAX: usize = 4 << 20;

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

/// Something that ended, and when, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Key {
        id: String,
        at_us: i64,
    },
    KeyDisabled {
        id: String,
        at_us: i64,
    },
    /// Secrets of a key before this number.
    Secrets {
        key: String,
        before: i64,
        at_us: i64,
    },
    /// Secrets of a key that had an end already.
    Overlap {
        key: String,
        at_us: i64,
    },
    /// A user or service account.
    Owner {
        id: String,
        at_us: i64,
    },
    OwnerDisabled {
        id: String,
        at_us: i64,
    },
}

/// A source that was opened.
pub(super) enum Opened {
    Read(Vec<Ended>),
    Live(Pool),
}

/// Opens a source and sees that it can be read; of a list only what is after the entry `sequence`.
pub(super) async fn open(source: &RevocationSource, sequence: i64) -> Result<Opened, RestoreError> {
    match source {
        RevocationSource::List(path) => read_list(path, sequence).map(Opened::Read),
        RevocationSource::DataDir(dir) => {
            let none = || RestoreError::NoLiveData(dir.display().to_string());
            let pool = Pool::peek_sqlite(dir).await?.ok_or_else(none)?;
            if pool.has_schema().await? { Ok(Opened::Live(pool)) } else { Err(none()) }
        }
        RevocationSource::Database(url) => {
            let pool = Db::connect(Path::new(""), Some(url)).await?.reports;
            let none = || RestoreError::NoLiveData("the database".to_owned());
            if pool.has_schema().await? { Ok(Opened::Live(pool)) } else { Err(none()) }
        }
    }
}

/// Everything in old data that is over or switched off; as many rows as there are such things.
pub(super) async fn of_live(pool: &Pool) -> Result<Vec<Ended>, sqlx::Error> {
    const KEYS: &str = "
        SELECT id, revoked_at_us, disabled_at_us FROM api_keys
        WHERE revoked_at_us IS NOT NULL OR disabled_at_us IS NOT NULL ORDER BY id";
    const OWNERS: &str = "
        SELECT id, removed_at_us, disabled_at_us FROM users
        WHERE removed_at_us IS NOT NULL OR disabled_at_us IS NOT NULL
        UNION ALL
        SELECT id, removed_at_us, disabled_at_us FROM service_accounts
        WHERE removed_at_us IS NOT NULL OR disabled_at_us IS NOT NULL";
    const SECRETS: &str = "
        SELECT key_id, number, ends_at_us FROM key_secrets
        WHERE ends_at_us IS NOT NULL ORDER BY key_id, number DESC";
    type Row = (String, Option<i64>, Option<i64>);
    on!(*pool, |pool| {
        let keys: Vec<Row> = sqlx::query_as(KEYS).fetch_all(pool).await?;
        let owners: Vec<Row> = sqlx::query_as(OWNERS).fetch_all(pool).await?;
        let secrets: Vec<(String, i64, i64)> = sqlx::query_as(SECRETS).fetch_all(pool).await?;
        let mut ended = Vec::new();
        for (id, over, off) in keys {
            ended.extend(over.map(|at_us| Ended::Key { id: id.clone(), at_us }));
            ended.extend(off.map(|at_us| Ended::KeyDisabled { id, at_us }));
        }
        for (id, over, off) in owners {
            ended.extend(over.map(|at_us| Ended::Owner { id: id.clone(), at_us }));
            ended.extend(off.map(|at_us| Ended::OwnerDisabled { id, at_us }));
        }
        ended.extend(secrets.into_iter().map(|(key, number, at_us)| Ended::Secrets {
            key,
            before: number + 1,
            at_us,
        }));
        Ok(ended)
    })
}

/// One line of the exported audit log.
#[derive(Debug, Deserialize)]
struct Line {
    sequence: i64,
    at: Timestamp,
    action: String,
    subject: String,
    #[serde(default)]
    detail: Value,
}

/// Lines may stand in any order: the export has the newest first.
fn read_list(path: &Path, sequence: i64) -> Result<Vec<Ended>, RestoreError> {
    let fault = |number: usize| RestoreError::List { path: path.to_owned(), line: number + 1 };
    let file =
        File::open(path).map_err(|source| RestoreError::Io { path: path.to_owned(), source })?;
    let mut lines = BTreeMap::new();
    for (number, text) in BufReader::new(file).lines().enumerate() {
        let text = text.map_err(|_| fault(number))?;
        if text.len() > LINE_BYTES_MAX {
            return Err(fault(number));
        }
        if !text.trim().is_empty() {
            let line: Line = serde_json::from_str(&text).map_err(|_| fault(number))?;
            lines.insert(line.sequence, line);
        }
    }
    // Without the entry that the backup ends with, or the next, the list may begin too late.
    let newer = lines.split_off(&(sequence + 1));
    if newer.keys().next().is_some_and(|first| *first > sequence + 1) && lines.is_empty() {
        return Err(RestoreError::ListBeginsLate { path: path.to_owned(), needed: sequence + 1 });
    }
    Ok(ended_in(newer.into_values()))
}

/// What is over after these entries. What was switched off and on again is not switched off.
fn ended_in(lines: impl Iterator<Item = Line>) -> Vec<Ended> {
    let mut ended = Vec::new();
    let mut off = BTreeMap::new();
    for line in lines {
        let (id, at_us) = (line.subject.clone(), line.at.as_microsecond());
        match line.action.as_str() {
            "key.revoke" => ended.push(Ended::Key { id, at_us }),
            "user.remove" | "service_account.remove" => ended.push(Ended::Owner { id, at_us }),
            "key.rotate" => ended.extend(rotated(&line)),
            "key.end_overlap" => ended.push(Ended::Overlap { key: id, at_us }),
            "key.disable" => {
                off.insert(id.clone(), Ended::KeyDisabled { id, at_us });
            }
            "user.disable" | "service_account.disable" => {
                off.insert(id.clone(), Ended::OwnerDisabled { id, at_us });
            }
            "key.enable" | "user.enable" | "service_account.enable" => {
                off.remove(&id);
            }
            _ => {}
        }
    }
    ended.extend(off.into_values());
    ended
}

fn rotated(line: &Line) -> Option<Ended> {
    let before = line.detail.get("secret")?.as_i64()?;
    let end: Timestamp = line.detail.get("previous_end_at")?.as_str()?.parse().ok()?;
    Some(Ended::Secrets { key: line.subject.clone(), before, at_us: end.as_microsecond() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: i64, action: &str, subject: &str, detail: &str) -> String {
        format!(
            r#"{{"object":"audit_entry","sequence":{sequence},"at":"1970-01-01T00:00:{sequence:02}Z","actor":"system","action":"{action}","subject":"{subject}","detail":{detail}}}"#
        )
    }

    fn ended(lines: &[String], sequence: i64) -> Result<Vec<Ended>, RestoreError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, lines.join("\n")).unwrap();
        read_list(&path, sequence)
    }

    #[test]
    fn a_list_tells_what_is_over_since() {
        let lines = [
            line(9, "user.remove", "usr_1", "{}"),
            line(
                8,
                "key.rotate",
                "dw_c",
                r#"{"secret":2,"previous_end_at":"1970-01-01T00:00:08Z"}"#,
            ),
            line(7, "key.enable", "dw_b", "{}"),
            line(6, "key.disable", "dw_b", "{}"),
            line(5, "key.disable", "dw_a", "{}"),
            line(4, "key.revoke", "dw_a", "{}"),
            line(3, "key.revoke", "dw_before", "{}"),
        ];
        let second = 1_000_000;
        assert_eq!(
            ended(&lines, 3).unwrap(),
            [
                Ended::Key { id: "dw_a".into(), at_us: 4 * second },
                Ended::Secrets { key: "dw_c".into(), before: 2, at_us: 8 * second },
                Ended::Owner { id: "usr_1".into(), at_us: 9 * second },
                Ended::KeyDisabled { id: "dw_a".into(), at_us: 5 * second },
            ]
        );
    }

    #[test]
    fn a_list_that_begins_after_the_backup_is_refused() {
        let lines = [line(9, "key.revoke", "dw_a", "{}")];
        assert!(matches!(ended(&lines, 7), Err(RestoreError::ListBeginsLate { needed: 8, .. })));
        assert_eq!(ended(&lines, 8).unwrap().len(), 1);
        assert!(ended(&lines, 9).unwrap().is_empty() && ended(&[], 5).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let lines = [line(9, "key.revoke", "dw_a", "{}"), "{\"sequence\": 1".to_owned()];
        assert!(matches!(ended(&lines, 8), Err(RestoreError::List { line: 2, .. })));
    }
}
