//! Ending in a restored database what has ended since its backup.

mod keys;
mod people;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::format::{Cell, bind_cells};
use super::restore::Restored;
use super::signer::Signer;
use crate::StoreError;
use crate::db::{Session, on_session};

/// Something that ended, and when, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) what: What,
    pub(super) at_us: i64,
}

/// What ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A key, for good.
    Key(String),
    /// A key that was switched off.
    KeyDisabled(String),
    /// What a key might do before an edit: since then it has these rights.
    Rights { key: String, fields: Map<String, Value> },
    /// Secrets of a key before this number.
    Secrets { key: String, before: i64 },
    /// Secrets of a key that had an end already.
    Overlap(String),
    /// A user or service account, for good.
    Owner(String),
    /// A user or service account that was switched off.
    OwnerDisabled(String),
    /// Role and e-mail address of a user, unless they are these.
    User { user: String, role: String, folded: Option<String> },
    /// Password and second factor of a user, unless the one was set and the other confirmed then.
    SignIn { user: String, set_at_us: Option<i64>, confirmed_at_us: Option<i64> },
    /// Recovery codes of a user, of which no more are left than these. Which, nobody knows.
    RecoveryCodes { user: String, left: i64 },
    /// A webhook, its secret or its URL.
    Webhook(String),
}

/// A thing that was ended here, as the audit log tells it.
struct Change<'a> {
    action: &'static str,
    subject: &'a str,
    /// `None`: it is not there, or over already.
    organization: Option<String>,
}

/// Ends one thing, where the backup has it and it is not over there; audited.
pub(super) async fn end(
    signer: &Signer,
    session: &mut Session,
    ended: &Ended,
    restored: &mut Restored,
) -> Result<(), StoreError> {
    let (change, count) = change(session, ended, restored).await?;
    let Some(organization) = change.organization else { return Ok(()) };
    *count += 1;
    let at = Timestamp::from_microsecond(ended.at_us).unwrap_or_default();
    let detail = json!({ "since_backup": true, "at": at.to_string() });
    signer.append(session, &organization, (change.action, change.subject), &detail).await
}

/// Does it, and says what it counts for.
async fn change<'a, 'r>(
    session: &mut Session,
    ended: &'a Ended,
    restored: &'r mut Restored,
) -> Result<(Change<'a>, &'r mut u64), StoreError> {
    let at_us = ended.at_us;
    Ok(match &ended.what {
        What::Key(id) => (keys::revoke(session, id, at_us).await?, &mut restored.keys_revoked),
        What::KeyDisabled(id) => {
            (keys::disable(session, id, at_us).await?, &mut restored.keys_disabled)
        }
        What::Rights { key, fields } => {
            (keys::edit(session, key, fields, at_us).await?, &mut restored.keys_edited)
        }
        What::Secrets { key, before } => {
            let change = keys::end_secrets(session, key, *before, at_us).await?;
            (change, &mut restored.secrets_ended)
        }
        What::Overlap(key) => {
            (keys::end_overlap(session, key, at_us).await?, &mut restored.secrets_ended)
        }
        What::Owner(id) => (people::remove(session, id, at_us).await?, &mut restored.owners_ended),
        What::OwnerDisabled(id) => {
            (people::disable(session, id, at_us).await?, &mut restored.owners_ended)
        }
        What::User { user, role, folded } => {
            let change = people::edit(session, user, (role, folded.as_deref())).await?;
            (change, &mut restored.users_edited)
        }
        What::SignIn { user, set_at_us, confirmed_at_us } => {
            let known = (*set_at_us, *confirmed_at_us);
            (people::end_sign_in(session, user, known).await?, &mut restored.sign_ins_ended)
        }
        What::RecoveryCodes { user, left } => {
            (people::drop_codes(session, user, *left).await?, &mut restored.sign_ins_ended)
        }
        What::Webhook(id) => (remove_webhook(session, id).await?, &mut restored.webhooks_removed),
    })
}

/// Nobody knows a new secret or another URL here; a webhook that is gone is seen and made anew.
async fn remove_webhook<'a>(session: &mut Session, id: &'a str) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "DELETE FROM webhooks WHERE id = $1 RETURNING organization_id";
    let organization = changed(session, SQL, &[Cell::text(id)]).await?;
    Ok(Change { action: "webhook.delete", subject: id, organization })
}

/// Runs a statement; the organization of what it changed, if it changed anything.
async fn changed(
    session: &mut Session,
    sql: &'static str,
    cells: &[Cell],
) -> Result<Option<String>, StoreError> {
    let rows: Vec<(String,)> = on_session!(session, |conn| {
        bind_cells!(sqlx::query_as(sql), cells).fetch_all(conn).await?
    });
    Ok(rows.into_iter().next().map(|(organization,)| organization))
}
