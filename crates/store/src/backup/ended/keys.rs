//! Keys that have ended, or may do less, since the backup.

use serde_json::{Map, Value};

use super::{Change, changed};
use crate::StoreError;
use crate::backup::format::Cell;
use crate::db::{Session, on_session};
use crate::keys::edited::{EditedRights, with_edit};

pub(super) async fn revoke<'a>(
    session: &mut Session,
    id: &'a str,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "
        UPDATE api_keys SET revoked_at_us = $2, updated_at_us = updated_at_us + 1
        WHERE id = $1 AND revoked_at_us IS NULL RETURNING organization_id";
    let organization = changed(session, SQL, &[Cell::text(id), Cell::number(at_us)]).await?;
    Ok(Change { action: "key.revoke", subject: id, organization })
}

pub(super) async fn disable<'a>(
    session: &mut Session,
    id: &'a str,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "
        UPDATE api_keys SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
        WHERE id = $1 AND disabled_at_us IS NULL AND revoked_at_us IS NULL
        RETURNING organization_id";
    let organization = changed(session, SQL, &[Cell::text(id), Cell::number(at_us)]).await?;
    Ok(Change { action: "key.disable", subject: id, organization })
}

pub(super) async fn end_secrets<'a>(
    session: &mut Session,
    id: &'a str,
    before: i64,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "
        UPDATE key_secrets SET ends_at_us = $2
        WHERE key_id = $1 AND number < $3 AND (ends_at_us IS NULL OR ends_at_us > $2)
        RETURNING organization_id";
    let cells = [Cell::text(id), Cell::number(at_us), Cell::number(before)];
    let organization = changed(session, SQL, &cells).await?;
    Ok(Change { action: "key.end_secrets", subject: id, organization })
}

pub(super) async fn end_overlap<'a>(
    session: &mut Session,
    id: &'a str,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "
        UPDATE key_secrets SET ends_at_us = $2
        WHERE key_id = $1 AND ends_at_us > $2 RETURNING organization_id";
    let organization = changed(session, SQL, &[Cell::text(id), Cell::number(at_us)]).await?;
    Ok(Change { action: "key.end_overlap", subject: id, organization })
}

/// Gives a key the rights that it had last. Of another end, what was passed already is never told.
pub(super) async fn edit<'a>(
    session: &mut Session,
    id: &'a str,
    fields: &Map<String, Value>,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const FIND: &str = "
        SELECT organization_id, rights, expires_at_us FROM api_keys
        WHERE id = $1 AND revoked_at_us IS NULL";
    const EDIT: &str = "
        UPDATE api_keys SET rights = $2, expires_at_us = $3, updated_at_us = updated_at_us + 1,
            noticed_until_us = CASE WHEN expires_at_us IS DISTINCT FROM $3 THEN $4
                                    ELSE noticed_until_us END
        WHERE id = $1 RETURNING organization_id";
    let mut change = Change { action: "key.edit", subject: id, organization: None };
    let found: Option<(String, String, Option<i64>)> = on_session!(&mut *session, |conn| {
        sqlx::query_as(FIND).bind(id).fetch_optional(conn).await?
    });
    let Some((organization, rights, expires_at_us)) = found else { return Ok(change) };
    let edited = with_edit(&rights, expires_at_us, fields)?;
    if edited.rights == rights && edited.expires_at_us == expires_at_us {
        return Ok(change);
    }
    let rights = Cell::text(&edited.rights);
    let cells = [Cell::text(id), rights, Cell::Number(edited.expires_at_us), Cell::number(at_us)];
    change.organization = changed(session, EDIT, &cells).await?;
    replace_origins(session, &organization, id, &edited).await?;
    Ok(change)
}

async fn replace_origins(
    session: &mut Session,
    organization: &str,
    id: &str,
    edited: &EditedRights,
) -> Result<(), StoreError> {
    const DELETE: &str = "DELETE FROM key_origins WHERE organization_id = $1 AND key_id = $2";
    const INSERT: &str =
        "INSERT INTO key_origins (organization_id, key_id, origin) VALUES ($1, $2, $3)";
    on_session!(session, |conn| {
        sqlx::query(DELETE).bind(organization).bind(id).execute(&mut *conn).await?;
        for origin in &edited.origins {
            let insert = sqlx::query(INSERT).bind(organization).bind(id);
            insert.bind(origin).execute(&mut *conn).await?;
        }
    });
    Ok(())
}
