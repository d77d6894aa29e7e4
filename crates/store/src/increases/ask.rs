//! Asking for an increase.

use doorward_domain::bounds::Subject;
use doorward_domain::credential::KeyId;
use doorward_domain::id::IncreaseId;
use doorward_domain::increase::Raise;
use doorward_domain::notice::NoticeKind;
use jiff::SignedDuration;
use serde_json::json;

use super::Increase;
use super::told::Telling;
use crate::audit::append_audit;
use crate::db::{check_storable, finds, json_text, on, taken};
use crate::notices::put_notice;
use crate::{Act, Store, StoreError};

/// Limit increases of one organization that wait for an answer.
pub const OPEN_MAX: i64 = 1_000;
/// How often the holder of a key may ask in a day: each time, people get mail.
pub const ASKED_PER_DAY_MAX: i64 = 5;

/// What a holder asks for.
#[derive(Debug, Clone)]
pub struct NewIncrease {
    /// For which key.
    pub key: KeyId,
    /// What is to be raised, and how high.
    pub asked: Raise,
    /// What for.
    pub reason: String,
}

const KEY_LIVES: &str = "
    SELECT 1 FROM api_keys
    WHERE organization_id = $1 AND id = $2 AND revoked_at_us IS NULL
      AND (expires_at_us IS NULL OR expires_at_us > $3)";

const OPEN: &str =
    "SELECT COUNT(*) FROM limit_increases WHERE organization_id = $1 AND state = 'open'";

const ASKED: &str = "
    SELECT COUNT(*) FROM limit_increases
    WHERE organization_id = $1 AND subject = $2 AND created_at_us > $3";

pub(super) const INSERT: &str = "
    INSERT INTO limit_increases
        (id, organization_id, subject, asked_by, reason, asked, state, note, created_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, 'open', '', $7)";

impl Store {
    /// Asks for an increase, audits it, and tells the administrators. `can_mail`: whether there is a mail
    /// server. [`StoreError::Taken`] with `api_key` when the key has one that is open;
    /// [`StoreError::Full`] when too many are, or the key was asked for too often of late;
    /// [`StoreError::Missing`] when there is no such key, or it has ended.
    pub async fn ask_increase(
        &self,
        act: &Act,
        new: NewIncrease,
        can_mail: bool,
    ) -> Result<Increase, StoreError> {
        check_storable(&[("reason", &new.reason)])?;
        let id = self.new_id(IncreaseId::new);
        let (organization, text) = (act.organization.to_string(), id.to_string());
        let (key, asked) = (new.key.as_str(), json_text("limit increase", &new.asked)?);
        let subject = Subject::Key(new.key);
        let telling = Telling { kind: NoticeKind::IncreaseAsked, id, subject };
        let said =
            json!({ "asked": new.asked, "reason": new.reason, "asked_by": act.actor.to_string() });
        let notices = self.tell_administrators(act, &telling, said, can_mail).await?;
        let detail = json!({ "key": new.key, "asked": new.asked });
        let (at_us, day) = (act.at.as_microsecond(), SignedDuration::from_hours(24));
        let yesterday_us = act.at.checked_sub(day).unwrap_or(act.at).as_microsecond();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("limit_increase.ask", &text, &detail));
            if !finds!(tx, KEY_LIVES, &organization, key, at_us) {
                return Err(StoreError::Missing("API key"));
            }
            let (open,): (i64,) =
                sqlx::query_as(OPEN).bind(&organization).fetch_one(&mut *tx).await?;
            let asked_lately = sqlx::query_as(ASKED).bind(&organization).bind(subject.to_string());
            let (lately,): (i64,) = asked_lately.bind(yesterday_us).fetch_one(&mut *tx).await?;
            if open >= OPEN_MAX || lately >= ASKED_PER_DAY_MAX {
                return Err(StoreError::Full("limit increases"));
            }
            sqlx::query(INSERT)
                .bind(&text)
                .bind(&organization)
                .bind(subject.to_string())
                .bind(act.actor.to_string())
                .bind(&new.reason)
                .bind(&asked)
                .bind(at_us)
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "api_key"))?;
            for notice in &notices {
                put_notice!(self, tx, act.organization, act.at, notice);
            }
            tx.commit().await?;
        });
        self.increase(act.organization, id).await
    }
}
