//! What was meant for a while only: no restore goes on with it, for it may have ended since in a way
//! that nothing tells of.

use jiff::Timestamp;
use serde_json::json;

use super::restore::Restored;
use super::signer::Signer;
use crate::StoreError;
use crate::db::{Session, on_session};

/// A limit increase ends with the backup: the old limits hold again.
const END: &str = "
    UPDATE limit_increases SET ends_at_us = $1 WHERE state = 'granted' AND ends_at_us > $1
    RETURNING organization_id, id";
/// One that nobody had decided may have been since: whoever still needs it asks again.
const LAPSE: &str = "
    UPDATE limit_increases SET state = 'lapsed', decided_by = 'system', decided_at_us = $1
    WHERE state = 'open' RETURNING organization_id, id";
/// A mail with a one-time link is not sent, for no link from before works; and nobody is told of a limit
/// increase that lapsed.
const LETTERS: &str = "
    UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
    WHERE sealed IS NOT NULL OR (state = 'waiting' AND kind = 'limit_increase.asked')";

/// Ends it, as of now; audited.
pub(super) async fn end_passing(
    signer: &Signer,
    session: &mut Session,
    restored: &mut Restored,
) -> Result<(), StoreError> {
    let now = signer.now();
    for (sql, action) in [(END, "limit_increase.end"), (LAPSE, "limit_increase.lapse")] {
        for (organization, id) in changed(session, sql, now).await? {
            let detail = json!({ "since_backup": true });
            signer.append(session, &organization, (action, &id), &detail).await?;
            restored.increases_ended += 1;
        }
    }
    on_session!(session, |conn| sqlx::query(LETTERS).execute(conn).await.map(drop))?;
    Ok(())
}

async fn changed(
    session: &mut Session,
    sql: &'static str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let now_us = now.as_microsecond();
    on_session!(session, |conn| sqlx::query_as(sql).bind(now_us).fetch_all(conn).await)
}
