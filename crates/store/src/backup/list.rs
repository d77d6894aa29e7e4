//! What ended since a backup, from the lines of `doorward audit export`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use doorward_domain::email::EmailAddress;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::ended::{Ended, What};
use super::restore::RestoreError;

/// Longest line of an exported audit log.
const LINE_BYTES_MAX: usize = 4 << 20;

/// One line of the exported audit log.
#[derive(Debug, Deserialize)]
struct Line {
    sequence: i64,
    at: Timestamp,
    actor: String,
    action: String,
    subject: String,
    #[serde(default)]
    detail: Value,
}

/// Reads what ended after the entry `sequence`, which the backup ends with, from the list of one of
/// several organizations. The numbers count through the whole installation: gaps are what others did.
pub(super) fn read_list(path: &Path, sequence: i64) -> Result<Vec<Ended>, RestoreError> {
    let mut lines = read_lines(path)?;
    // Without the entry that the backup ends with, or the next, the list may begin too late.
    let newer = lines.split_off(&(sequence + 1));
    if newer.keys().next().is_some_and(|first| *first > sequence + 1) && lines.is_empty() {
        return Err(RestoreError::ListLacks { path: path.to_owned(), needed: sequence + 1 });
    }
    Ok(ended_by(newer))
}

/// As [`read_list`], where there is one organization: each entry after the backup must be there. An
/// export with a filter would bring back, in silence, whatever the filter left out.
pub(super) fn read_whole_list(path: &Path, sequence: i64) -> Result<Vec<Ended>, RestoreError> {
    let newer = read_lines(path)?.split_off(&(sequence + 1));
    let gap = newer.keys().zip(sequence + 1..).find(|(found, needed)| *found != needed);
    match gap {
        Some((_, needed)) => Err(RestoreError::ListLacks { path: path.to_owned(), needed }),
        None => Ok(ended_by(newer)),
    }
}

/// The lines by their numbers. They may stand in any order: the export has the newest first.
fn read_lines(path: &Path) -> Result<BTreeMap<i64, Line>, RestoreError> {
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
    Ok(lines)
}

fn ended_by(lines: BTreeMap<i64, Line>) -> Vec<Ended> {
    let mut since = Since::default();
    for line in lines.into_values() {
        since.take(line);
    }
    since.into_ended()
}

/// What the entries come to, each after those before it.
#[derive(Debug, Default)]
struct Since {
    ended: Vec<Ended>,
    /// Keys, users and service accounts that are switched off: one that was switched on again is not.
    off: BTreeMap<String, Ended>,
    /// The fields of each key that were edited, as they were last, and when.
    edits: BTreeMap<String, (Map<String, Value>, i64)>,
    /// Role and e-mail address of each user that was edited, as they were last, and when.
    users: BTreeMap<String, (Value, i64)>,
}

impl Since {
    fn take(&mut self, line: Line) {
        // An act that was refused is noted under the same name, and ended nothing.
        if line.detail.get("outcome").is_some_and(|outcome| outcome == "denied") {
            return;
        }
        let (id, at_us) = (line.subject.clone(), line.at.as_microsecond());
        match line.action.as_str() {
            "key.revoke" => self.end(What::Key(id), at_us),
            "user.remove" | "service_account.remove" => self.end(What::Owner(id), at_us),
            "key.rotate" => self.ended.extend(rotated(&line)),
            "key.end_overlap" => self.end(What::Overlap(id), at_us),
            "key.edit" => self.edit(line, at_us),
            "key.disable" => self.switch_off(id.clone(), What::KeyDisabled(id), at_us),
            "user.disable" | "service_account.disable" => {
                self.switch_off(id.clone(), What::OwnerDisabled(id), at_us);
            }
            "key.enable" | "user.enable" | "service_account.enable" => {
                self.off.remove(&id);
            }
            "user.edit" => {
                let after = line.detail.get("after").cloned().unwrap_or_default();
                self.users.insert(id, (after, at_us));
            }
            "user.change_password"
            | "user.reset_password"
            | "user.accept_invitation"
            | "second_factor.confirm"
            | "second_factor.remove" => self.end_sign_in(id, at_us),
            "session.begin"
                if line.detail.get("second_factor") == Some(&"recovery_code".into()) =>
            {
                self.end(What::RecoveryCodes { user: line.actor, left: 0 }, at_us);
            }
            "webhook.edit" | "webhook.rotate" | "webhook.delete" => {
                self.end(What::Webhook(id), at_us);
            }
            _ => {}
        }
    }

    fn end(&mut self, what: What, at_us: i64) {
        self.ended.push(Ended { what, at_us });
    }

    /// No password and no second factor of the backup is the last one.
    fn end_sign_in(&mut self, user: String, at_us: i64) {
        self.end(What::SignIn { user, set_at_us: None, confirmed_at_us: None }, at_us);
    }

    fn switch_off(&mut self, id: String, what: What, at_us: i64) {
        self.off.insert(id, Ended { what, at_us });
    }

    fn edit(&mut self, line: Line, at_us: i64) {
        let Line { subject, mut detail, .. } = line;
        let changed = detail.get_mut("changed").map(Value::take);
        if let Some(Value::Object(changed)) = changed {
            let (fields, last_us) = self.edits.entry(subject).or_default();
            fields.extend(changed);
            *last_us = at_us;
        }
    }

    fn into_ended(self) -> Vec<Ended> {
        let Self { mut ended, off, edits, users } = self;
        ended.extend(off.into_values());
        for (key, (fields, at_us)) in edits {
            ended.push(Ended { what: What::Rights { key, fields }, at_us });
        }
        for (user, (after, at_us)) in users {
            let field = |name| after.get(name).and_then(Value::as_str);
            let folded = field("email").and_then(|email| email.parse().ok());
            let folded = folded.map(|email: EmailAddress| email.folded());
            if let Some(role) = field("role").map(str::to_owned) {
                ended.push(Ended { what: What::User { user, role, folded }, at_us });
            }
        }
        ended
    }
}

fn rotated(line: &Line) -> Option<Ended> {
    let before = line.detail.get("secret")?.as_i64()?;
    let end: Timestamp = line.detail.get("previous_end_at")?.as_str()?.parse().ok()?;
    let what = What::Secrets { key: line.subject.clone(), before };
    Some(Ended { what, at_us: end.as_microsecond() })
}

#[cfg(test)]
mod tests;
