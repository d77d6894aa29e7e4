//! Ending in a restored database what has ended since its backup.

use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::json;

use super::restore::{Restored, Signer};
use super::revocations::Ended;
use crate::db::{Session, on_session, parsed};
use crate::{Act, Actor, StoreError};

const REVOKE: &str = "
    UPDATE api_keys SET revoked_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND revoked_at_us IS NULL RETURNING organization_id";
const DISABLE: &str = "
    UPDATE api_keys SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND disabled_at_us IS NULL RETURNING organization_id";
const END_SECRETS: &str = "
    UPDATE key_secrets SET ends_at_us = $2
    WHERE key_id = $1 AND number < $3 AND (ends_at_us IS NULL OR ends_at_us > $2)
    RETURNING organization_id";
const END_OVERLAP: &str = "
    UPDATE key_secrets SET ends_at_us = $2
    WHERE key_id = $1 AND ends_at_us > $2 RETURNING organization_id";
/// A user or a service account: an id is only ever of one of them.
const REMOVE: [&str; 2] = [
    "UPDATE users SET removed_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND removed_at_us IS NULL RETURNING organization_id",
    "UPDATE service_accounts SET removed_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND removed_at_us IS NULL RETURNING organization_id",
];
const SWITCH_OFF: [&str; 2] = [
    "UPDATE users SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND disabled_at_us IS NULL RETURNING organization_id",
    "UPDATE service_accounts SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND disabled_at_us IS NULL RETURNING organization_id",
];
/// Who is removed belongs to nothing.
const LEAVE: &str = "DELETE FROM project_members WHERE user_id = $1";

/// Ends one thing, where the backup has it and it is not over there; audited.
pub(super) async fn end(
    signer: &Signer,
    session: &mut Session,
    ended: &Ended,
    restored: &mut Restored,
) -> Result<(), StoreError> {
    let (action, subject, organization) = match ended {
        Ended::Key { id, at_us } => ("key.revoke", id, update(session, REVOKE, id, *at_us).await?),
        Ended::KeyDisabled { id, at_us } => {
            ("key.disable", id, update(session, DISABLE, id, *at_us).await?)
        }
        Ended::Secrets { key, before, at_us } => {
            ("key.end_secrets", key, end_secrets(session, key, *before, *at_us).await?)
        }
        Ended::Overlap { key, at_us } => {
            ("key.end_overlap", key, update(session, END_OVERLAP, key, *at_us).await?)
        }
        Ended::Owner { id, at_us } => {
            let organization = first(session, REMOVE, id, *at_us).await?;
            if organization.is_some() {
                on_session!(&mut *session, |conn| {
                    sqlx::query(LEAVE).bind(id).execute(conn).await?;
                });
            }
            ("owner.remove", id, organization)
        }
        Ended::OwnerDisabled { id, at_us } => {
            ("owner.disable", id, first(session, SWITCH_OFF, id, *at_us).await?)
        }
    };
    let Some(organization) = organization else { return Ok(()) };
    restored.count(ended);
    let organization: OrganizationId = parsed("organization", &organization)?;
    let act = Act { organization, actor: Actor::System, at: signer.now() };
    let detail = json!({ "since_backup": true, "at": instant(ended).to_string() });
    signer.append(session, &act, (action, subject), &detail).await
}

fn instant(ended: &Ended) -> Timestamp {
    let at_us = match ended {
        Ended::Key { at_us, .. }
        | Ended::KeyDisabled { at_us, .. }
        | Ended::Secrets { at_us, .. }
        | Ended::Overlap { at_us, .. }
        | Ended::Owner { at_us, .. }
        | Ended::OwnerDisabled { at_us, .. } => *at_us,
    };
    Timestamp::from_microsecond(at_us).unwrap_or_default()
}

/// The organization of what was changed, if anything was.
async fn update(
    session: &mut Session,
    sql: &'static str,
    id: &str,
    at_us: i64,
) -> Result<Option<String>, StoreError> {
    let rows: Vec<(String,)> = on_session!(session, |conn| {
        sqlx::query_as(sql).bind(id).bind(at_us).fetch_all(conn).await?
    });
    Ok(rows.into_iter().next().map(|(organization,)| organization))
}

async fn first(
    session: &mut Session,
    sql: [&'static str; 2],
    id: &str,
    at_us: i64,
) -> Result<Option<String>, StoreError> {
    for sql in sql {
        if let Some(organization) = update(session, sql, id, at_us).await? {
            return Ok(Some(organization));
        }
    }
    Ok(None)
}

async fn end_secrets(
    session: &mut Session,
    key: &str,
    before: i64,
    at_us: i64,
) -> Result<Option<String>, StoreError> {
    let rows: Vec<(String,)> = on_session!(session, |conn| {
        sqlx::query_as(END_SECRETS).bind(key).bind(at_us).bind(before).fetch_all(conn).await?
    });
    Ok(rows.into_iter().next().map(|(organization,)| organization))
}
