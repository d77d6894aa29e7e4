//! What was meant for a while only: no restore goes on with it, for it may have ended since in a way
//! that nothing tells of.

use super::format::{Cell, bind_cells};
use crate::StoreError;
use crate::db::{Session, on_session};

/// A limit increase ends with the backup: the limits of the key itself hold again.
const INCREASES: &str = "
    UPDATE limit_increases SET ends_at_us = $1 WHERE state = 'granted' AND ends_at_us > $1";
/// A mail with a one-time link is not sent, for no link from before works.
const LETTERS: &str = "
    UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
    WHERE sealed IS NOT NULL";

/// Ends it, as of now.
pub(super) async fn end_passing(session: &mut Session, now_us: i64) -> Result<(), StoreError> {
    for (sql, cells) in [(INCREASES, vec![Cell::Number(Some(now_us))]), (LETTERS, Vec::new())] {
        on_session!(&mut *session, |conn| {
            bind_cells!(sqlx::query(sql), &cells).execute(conn).await?;
        });
    }
    Ok(())
}
