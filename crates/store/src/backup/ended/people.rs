//! Users and service accounts that have ended, may do less, or sign in otherwise since the backup.

use super::{Change, changed};
use crate::StoreError;
use crate::backup::format::Cell;
use crate::db::{Session, on_session};

/// A user or a service account: an id is only ever of one of them.
const REMOVE: [&str; 2] = [
    "UPDATE users SET removed_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND removed_at_us IS NULL RETURNING organization_id",
    "UPDATE service_accounts SET removed_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND removed_at_us IS NULL RETURNING organization_id",
];
const DISABLE: [&str; 2] = [
    "UPDATE users SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND disabled_at_us IS NULL AND removed_at_us IS NULL RETURNING organization_id",
    "UPDATE service_accounts SET disabled_at_us = $2, updated_at_us = updated_at_us + 1
    WHERE id = $1 AND disabled_at_us IS NULL AND removed_at_us IS NULL RETURNING organization_id",
];

/// Who is removed belongs to nothing.
pub(super) async fn remove<'a>(
    session: &mut Session,
    id: &'a str,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    const LEAVE: &str = "DELETE FROM project_members WHERE user_id = $1";
    let organization = first(session, REMOVE, id, at_us).await?;
    if organization.is_some() {
        on_session!(session, |conn| {
            sqlx::query(LEAVE).bind(id).execute(conn).await?;
        });
    }
    Ok(Change { action: "owner.remove", subject: id, organization })
}

pub(super) async fn disable<'a>(
    session: &mut Session,
    id: &'a str,
    at_us: i64,
) -> Result<Change<'a>, StoreError> {
    let organization = first(session, DISABLE, id, at_us).await?;
    Ok(Change { action: "owner.disable", subject: id, organization })
}

async fn first(
    session: &mut Session,
    sql: [&'static str; 2],
    id: &str,
    at_us: i64,
) -> Result<Option<String>, StoreError> {
    for sql in sql {
        let done = changed(session, sql, &[Cell::text(id), Cell::number(at_us)]).await?;
        if done.is_some() {
            return Ok(done);
        }
    }
    Ok(None)
}

/// Gives a user the role that they had last, and takes an e-mail address away that they had no more:
/// whoever has the old mailbox must not get a link. The new address may be one that another user of the
/// backup has still, so it is for an administrator to put in.
pub(super) async fn edit<'a>(
    session: &mut Session,
    id: &'a str,
    (role, folded): (&str, Option<&str>),
) -> Result<Change<'a>, StoreError> {
    const ROLE: &str = "
        UPDATE users SET role = $2, updated_at_us = updated_at_us + 1
        WHERE id = $1 AND role <> $2 RETURNING organization_id";
    const EMAIL: &str = "
        UPDATE users SET email = NULL, email_folded = NULL, updated_at_us = updated_at_us + 1
        WHERE id = $1 AND email_folded IS NOT NULL AND email_folded IS DISTINCT FROM $2
        RETURNING organization_id";
    let has_role = changed(session, ROLE, &[Cell::text(id), Cell::text(role)]).await?;
    let cells = [Cell::text(id), Cell::Text(folded.map(str::to_owned))];
    let had_email = changed(session, EMAIL, &cells).await?;
    Ok(Change { action: "user.edit", subject: id, organization: has_role.or(had_email) })
}

/// Ends all that a user signs in with, where any of it is another than it was last. A password that
/// stayed goes too where only the second factor changed: the account was guarded by both.
pub(super) async fn end_sign_in<'a>(
    session: &mut Session,
    id: &'a str,
    (set_at_us, confirmed_at_us): (Option<i64>, Option<i64>),
) -> Result<Change<'a>, StoreError> {
    const DIFFERS: &str = "
        SELECT u.organization_id FROM users u
        LEFT JOIN passwords p ON p.user_id = u.id
        LEFT JOIN second_factors f ON f.user_id = u.id
        WHERE u.id = $1 AND (p.user_id IS NOT NULL OR f.user_id IS NOT NULL)
          AND (p.set_at_us IS DISTINCT FROM $2 OR f.confirmed_at_us IS DISTINCT FROM $3)";
    const END: [&str; 3] = [
        "DELETE FROM passwords WHERE user_id = $1",
        "DELETE FROM second_factors WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
    ];
    let cells = [Cell::text(id), Cell::Number(set_at_us), Cell::Number(confirmed_at_us)];
    let organization = changed(session, DIFFERS, &cells).await?;
    if organization.is_some() {
        on_session!(session, |conn| {
            for sql in END {
                sqlx::query(sql).bind(id).execute(&mut *conn).await?;
            }
        });
    }
    Ok(Change { action: "user.end_sign_in", subject: id, organization })
}

pub(super) async fn drop_codes<'a>(
    session: &mut Session,
    id: &'a str,
    left: i64,
) -> Result<Change<'a>, StoreError> {
    const SQL: &str = "
        DELETE FROM recovery_codes
        WHERE user_id = $1 AND (SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1) > $2
        RETURNING organization_id";
    let organization = changed(session, SQL, &[Cell::text(id), Cell::number(left)]).await?;
    Ok(Change { action: "user.drop_recovery_codes", subject: id, organization })
}
