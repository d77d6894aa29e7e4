//! Taking notices out to deliver them, and noting what became of each.

use doorward_domain::notice::{DeliveryFault, NoticeKind, retry_after};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::{Notice, NoticeRow, NoticeTarget, notice_columns};
use crate::db::{on, parsed};
use crate::row::row;
use crate::{Store, StoreError};

/// Longer than any attempt takes. A notice that was taken out and of which nothing was heard by then,
/// because its process died, is tried again.
const TAKEN_FOR: SignedDuration = SignedDuration::from_mins(2);
/// Ways that are looked for at once; the others follow.
const TARGETS_MAX: i64 = 100;

/// A notice that was taken out; nobody else takes it for two minutes.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What is to be delivered.
    pub notice: Notice,
    /// Whether what it tells is still so. If not, it is not to be delivered.
    pub is_current: bool,
    /// What its mail carries that nobody else is to read.
    pub secret: Option<SecretString>,
}

row! {
    struct TakenRow {
        ..notice: NoticeRow,
        sealed: Option<Vec<u8>>,
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Sent,
    /// It failed.
    Failed(DeliveryFault),
    /// What it tells is no longer so.
    Obsolete,
}

const TARGETS: &str = "
    SELECT organization_id, webhook_id FROM notices
    WHERE state = 'waiting' AND next_attempt_at_us <= $1
    GROUP BY organization_id, webhook_id
    ORDER BY MIN(next_attempt_at_us), organization_id, webhook_id LIMIT $2";

const TAKE: &str = concat!(
    "UPDATE notices SET attempts = attempts + 1, next_attempt_at_us = $4
     WHERE state = 'waiting' AND next_attempt_at_us <= $3 AND id =
        (SELECT id FROM notices
         WHERE organization_id = $1 AND webhook_id IS NOT DISTINCT FROM CAST($2 AS TEXT)
           AND state = 'waiting' AND next_attempt_at_us <= $3
         ORDER BY next_attempt_at_us, id LIMIT 1)
     RETURNING sealed, ",
    notice_columns!()
);

/// A key that does end then, and works until then.
const KEY_ENDS: &str = "
    SELECT 1 FROM api_keys
    WHERE organization_id = $1 AND id = $2 AND expires_at_us = $3 AND expires_at_us > $4
      AND revoked_at_us IS NULL AND disabled_at_us IS NULL";

/// A key that still has that secret, and works.
const KEY_HAS_SECRET: &str = "
    SELECT 1 FROM api_keys
    WHERE organization_id = $1 AND id = $2 AND COALESCE(rotated_at_us, created_at_us) = $3
      AND revoked_at_us IS NULL AND disabled_at_us IS NULL
      AND (expires_at_us IS NULL OR expires_at_us > $4)";

const SENT: &str = "
    UPDATE notices SET state = 'sent', next_attempt_at_us = NULL, last_error = NULL, sent_at_us = $3,
        sealed = NULL
    WHERE organization_id = $1 AND id = $2 AND state = 'waiting'";
const OBSOLETE: &str = "
    UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
    WHERE organization_id = $1 AND id = $2 AND state = 'waiting'";
const FAILED: &str = "
    UPDATE notices
    SET last_error = $3, next_attempt_at_us = $4,
        state = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN 'dead' ELSE 'waiting' END,
        sealed = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE sealed END
    WHERE organization_id = $1 AND id = $2 AND state = 'waiting'";

impl Store {
    /// The ways on which something is due, the one that waits longest first.
    pub async fn due_targets(&self) -> Result<Vec<NoticeTarget>, StoreError> {
        let rows: Vec<(String, Option<String>)> = on!(self.db.read, |pool| {
            sqlx::query_as(TARGETS)
                .bind(self.clock.now().as_microsecond())
                .bind(TARGETS_MAX)
                .fetch_all(pool)
                .await?
        });
        let parse = |(organization, webhook): (String, Option<String>)| {
            Ok(NoticeTarget {
                organization: parsed("organization", &organization)?,
                webhook: webhook.map(|id| parsed("webhook", &id)).transpose()?,
            })
        };
        rows.into_iter().map(parse).collect()
    }

    /// Takes out the next notice that is due on a way.
    pub async fn take_notice(&self, target: NoticeTarget) -> Result<Option<Delivery>, StoreError> {
        let now = self.clock.now();
        let until = now.checked_add(TAKEN_FOR).unwrap_or(now);
        let row: Option<TakenRow> = on!(self.db.write, |pool| {
            sqlx::query_as(TAKE)
                .bind(target.organization.to_string())
                .bind(target.webhook.map(|id| id.to_string()))
                .bind(now.as_microsecond())
                .bind(until.as_microsecond())
                .fetch_optional(pool)
                .await?
        });
        let Some(TakenRow { notice, sealed }) = row else { return Ok(None) };
        let notice = notice.parse()?;
        let open = |sealed: Vec<u8>| {
            self.opened_secret(notice.organization, &notice.id.to_string(), &sealed)
        };
        let secret = sealed.map(open).transpose()?;
        let is_current = self.is_current(&notice, secret.as_ref(), now).await?;
        Ok(Some(Delivery { notice, is_current, secret }))
    }

    async fn is_current(
        &self,
        notice: &Notice,
        secret: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = match notice.kind {
            NoticeKind::KeyExpiring => KEY_ENDS,
            NoticeKind::KeyRotationDue => KEY_HAS_SECRET,
            NoticeKind::IncreaseAsked => {
                return self.is_increase_open(notice.organization, &notice.subject).await;
            }
            NoticeKind::UserInvitation | NoticeKind::UserReset | NoticeKind::UserRequestedReset => {
                return self.is_link_good(secret).await;
            }
            NoticeKind::BudgetThreshold
            | NoticeKind::IncreaseGranted
            | NoticeKind::IncreaseDeclined
            | NoticeKind::IncreaseEnded
            | NoticeKind::WebhookTest => return Ok(true),
        };
        let row: Option<(i32,)> = on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(notice.organization.to_string())
                .bind(&notice.subject)
                .bind(notice.about.map(Timestamp::as_microsecond))
                .bind(now.as_microsecond())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.is_some())
    }

    /// Notes what became of an attempt. A notice whose attempt failed is tried again later, or is dead.
    pub async fn finish_notice(&self, notice: &Notice, outcome: Outcome) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (organization, id) = (notice.organization.to_string(), notice.id.to_string());
        on!(self.db.write, |pool| {
            let query = match outcome {
                Outcome::Sent => {
                    sqlx::query(SENT).bind(&organization).bind(&id).bind(now.as_microsecond())
                }
                Outcome::Obsolete => sqlx::query(OBSOLETE).bind(&organization).bind(&id),
                Outcome::Failed(fault) => {
                    let next = self.next_attempt(notice, fault, now);
                    sqlx::query(FAILED)
                        .bind(&organization)
                        .bind(&id)
                        .bind(fault.as_str())
                        .bind(next.map(Timestamp::as_microsecond))
                }
            };
            query.execute(pool).await?;
        });
        Ok(())
    }

    fn next_attempt(
        &self,
        notice: &Notice,
        fault: DeliveryFault,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if fault.is_final() {
            return None;
        }
        let wait = retry_after(notice.attempts, self.random_u64())?;
        now.checked_add(wait).ok()
    }
}
