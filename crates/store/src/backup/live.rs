//! What ended since a backup, from the old data itself: it is only read.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::ended::{Ended, What, end};
use super::restore::{RestoreError, Restored};
use super::signer::Signer;
use super::spend::{raise_spend, spend_after};
use crate::StoreError;
use crate::db::{Pool, Session, on, on_session, parsed_json, timestamp};
use crate::row::row;

/// An act has the time at which it was asked for, and the clock may have been set back: so long before
/// the backup, edits count as later than it.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// Ends what is over in the old data, and takes over what was spent.
pub(super) async fn apply_live(
    signer: &Signer,
    session: &mut Session,
    (pool, made_at): (&Pool, Timestamp),
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    refuse_other_data(pool, session).await?;
    let since = made_at.checked_sub(MARGIN).unwrap_or(Timestamp::MIN).as_microsecond();
    let mut all = over(pool).await?;
    all.extend(forgotten(pool, session).await?);
    all.extend(secrets_over(pool).await?);
    all.extend(edited(pool, since).await?);
    all.extend(users(pool, since).await?);
    all.extend(webhooks(pool, session, signer.now()).await?);
    for ended in all {
        end(signer, session, &ended, restored).await?;
    }
    raise_all(pool, session, restored).await
}

async fn refuse_other_data(pool: &Pool, session: &mut Session) -> Result<(), RestoreError> {
    const SQL: &str = "SELECT id FROM organizations";
    let live: Vec<(String,)> = on!(*pool, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
    let restored: Vec<(String,)> =
        on_session!(session, |conn| sqlx::query_as(SQL).fetch_all(conn).await?);
    let is_known = restored.iter().any(|organization| live.contains(organization));
    if is_known { Ok(()) } else { Err(RestoreError::OtherData) }
}

/// Keys, users and service accounts that are over or switched off; as many rows as there are such.
async fn over(pool: &Pool) -> Result<Vec<Ended>, sqlx::Error> {
    const KEYS: &str = "
        SELECT id, revoked_at_us, disabled_at_us FROM api_keys
        WHERE revoked_at_us IS NOT NULL OR disabled_at_us IS NOT NULL ORDER BY id";
    const OWNERS: &str = "
        SELECT id, removed_at_us, disabled_at_us FROM users
        WHERE removed_at_us IS NOT NULL OR disabled_at_us IS NOT NULL
        UNION ALL
        SELECT id, removed_at_us, disabled_at_us FROM service_accounts
        WHERE removed_at_us IS NOT NULL OR disabled_at_us IS NOT NULL";
    type Row = (String, Option<i64>, Option<i64>);
    let (keys, owners): (Vec<Row>, Vec<Row>) = on!(*pool, |pool| {
        (sqlx::query_as(KEYS).fetch_all(pool).await?, sqlx::query_as(OWNERS).fetch_all(pool).await?)
    });
    let mut ended = Vec::new();
    for (id, over, off) in keys {
        ended.extend(over.map(|at_us| Ended { what: What::Key(id.clone()), at_us }));
        ended.extend(off.map(|at_us| Ended { what: What::KeyDisabled(id), at_us }));
    }
    for (id, over, off) in owners {
        ended.extend(over.map(|at_us| Ended { what: What::Owner(id.clone()), at_us }));
        ended.extend(off.map(|at_us| Ended { what: What::OwnerDisabled(id), at_us }));
    }
    Ok(ended)
}

/// Keys of the backup that the old data have no more: they ended so long ago that they were deleted. One
/// that was made after all that the old data know of is newer than they are.
async fn forgotten(pool: &Pool, session: &mut Session) -> Result<Vec<Ended>, sqlx::Error> {
    const LAST: &str = "SELECT COALESCE(MAX(at_us), 0) FROM audit_entries";
    const LIVE: &str = "SELECT id FROM api_keys";
    const RESTORED: &str = "
        SELECT id FROM api_keys
        WHERE revoked_at_us IS NULL AND swept_at_us IS NULL AND created_at_us <= $1 ORDER BY id";
    let (last, live): ((i64,), Vec<(String,)>) = on!(*pool, |pool| {
        (sqlx::query_as(LAST).fetch_one(pool).await?, sqlx::query_as(LIVE).fetch_all(pool).await?)
    });
    let restored: Vec<(String,)> = on_session!(session, |conn| {
        sqlx::query_as(RESTORED).bind(last.0).fetch_all(conn).await?
    });
    let live: BTreeSet<_> = live.into_iter().collect();
    let gone = restored.into_iter().filter(|id| !live.contains(id));
    Ok(gone.map(|(id,)| Ended { what: What::Key(id), at_us: last.0 }).collect())
}

async fn secrets_over(pool: &Pool) -> Result<Vec<Ended>, sqlx::Error> {
    const SQL: &str = "
        SELECT key_id, number, ends_at_us FROM key_secrets
        WHERE ends_at_us IS NOT NULL ORDER BY key_id, number DESC";
    let rows: Vec<(String, i64, i64)> =
        on!(*pool, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
    let over = |(key, number, at_us): (String, i64, i64)| Ended {
        what: What::Secrets { key, before: number + 1 },
        at_us,
    };
    Ok(rows.into_iter().map(over).collect())
}

/// The rights of keys that were changed in any way since then.
async fn edited(pool: &Pool, since_us: i64) -> Result<Vec<Ended>, StoreError> {
    const SQL: &str = "
        SELECT id, rights, expires_at_us, updated_at_us FROM api_keys
        WHERE updated_at_us > $1 AND revoked_at_us IS NULL ORDER BY id";
    let rows: Vec<(String, String, Option<i64>, i64)> =
        on!(*pool, |pool| sqlx::query_as(SQL).bind(since_us).fetch_all(pool).await?);
    let mut ended = Vec::new();
    for (key, rights, expires_at_us, at_us) in rows {
        let mut fields: Map<String, Value> = parsed_json("rights", &rights)?;
        let expires_at = expires_at_us.map(timestamp).transpose()?.map(|at| at.to_string());
        fields.insert("expires_at".to_owned(), expires_at.into());
        ended.push(Ended { what: What::Rights { key, fields }, at_us });
    }
    Ok(ended)
}

row! {
    struct UserNow {
        id: String,
        role: String,
        email_folded: Option<String>,
        updated_at_us: i64,
        set_at_us: Option<i64>,
        confirmed_at_us: Option<i64>,
        codes: i64,
    }
}

impl UserNow {
    fn ended(self, since_us: i64) -> Vec<Ended> {
        let Self { id: user, role, email_folded: folded, set_at_us, confirmed_at_us, .. } = self;
        let sign_in = What::SignIn { user: user.clone(), set_at_us, confirmed_at_us };
        let mut all = vec![sign_in, What::RecoveryCodes { user: user.clone(), left: self.codes }];
        if self.updated_at_us > since_us {
            all.push(What::User { user, role, folded });
        }
        all.into_iter().map(|what| Ended { what, at_us: self.updated_at_us }).collect()
    }
}

/// What each user is and signs in with.
async fn users(pool: &Pool, since_us: i64) -> Result<Vec<Ended>, sqlx::Error> {
    const SQL: &str = "
        SELECT u.id, u.role, u.email_folded, u.updated_at_us, p.set_at_us, f.confirmed_at_us,
            (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = u.id) AS codes
        FROM users u
        LEFT JOIN passwords p ON p.user_id = u.id
        LEFT JOIN second_factors f ON f.user_id = u.id
        WHERE u.removed_at_us IS NULL ORDER BY u.id";
    let rows: Vec<UserNow> = on!(*pool, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
    Ok(rows.into_iter().flat_map(|user| user.ended(since_us)).collect())
}

/// Webhooks of the backup that the old data have no more, or otherwise.
async fn webhooks(
    pool: &Pool,
    session: &mut Session,
    now: Timestamp,
) -> Result<Vec<Ended>, sqlx::Error> {
    const SQL: &str = "SELECT id, updated_at_us FROM webhooks ORDER BY id";
    let live: Vec<(String, i64)> = on!(*pool, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
    let restored: Vec<(String, i64)> =
        on_session!(session, |conn| sqlx::query_as(SQL).fetch_all(conn).await?);
    let live: BTreeSet<_> = live.into_iter().collect();
    let gone = restored.into_iter().filter(|webhook| !live.contains(webhook));
    let at_us = now.as_microsecond();
    Ok(gone.map(|(id, _)| Ended { what: What::Webhook(id), at_us }).collect())
}

async fn raise_all(
    pool: &Pool,
    session: &mut Session,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let mut place = (String::new(), String::new(), i64::MIN);
    loop {
        let page = spend_after(pool, &place).await?;
        let Some(last) = page.last() else { return Ok(()) };
        place = last.place();
        for row in &page {
            restored.spend_raised += u64::from(raise_spend(session, row).await?);
        }
    }
}
