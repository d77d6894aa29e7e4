//! Looking for keys of which somebody is to be told, and putting the notices.

use doorward_domain::id::OrganizationId;
use doorward_domain::notice::NoticeKind;
use doorward_domain::reminder::{days_long, is_rotation_due};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::recipients::{Addressed, ToldKey};
use super::{NewNotice, put_notice};
use crate::db::{on, timestamp};
use crate::row::row;
use crate::{NoticeSettings, Store, StoreError};

/// Keys that are looked at together.
const BATCH: i64 = 200;
/// What one [`plan`](Store::plan_notices) put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// Notices put.
    pub notices: u64,
    /// Keys of which nobody could be told: there is neither a webhook nor an address. They are not told
    /// of that later, so that whoever sets mail up is not told everything that ever was.
    pub untold_keys: u64,
}

row! {
    struct KeyToTell {
        ..key: ToldKey,
        expires_at_us: Option<i64>,
        secret_made_at_us: i64,
        noticed_until_us: i64,
        reminded_secret_us: Option<i64>,
    }
}

/// Reads keys that work, of owners who are active.
macro_rules! select_keys {
    ($only:literal) => {
        concat!(
            "SELECT k.id, k.name, k.owner_kind, k.owner_id, COALESCE(u.name, s.name) AS owner_name,
                 k.project_id, p.name AS project_name, k.expires_at_us,
                 COALESCE(k.rotated_at_us, k.created_at_us) AS secret_made_at_us,
                 COALESCE(k.noticed_until_us, k.created_at_us) AS noticed_until_us,
                 k.reminded_secret_us
             FROM api_keys k
             JOIN projects p ON p.organization_id = k.organization_id AND p.id = k.project_id
             LEFT JOIN users u ON u.organization_id = k.organization_id AND u.id = k.owner_user_id
               AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL
             LEFT JOIN service_accounts s ON s.organization_id = k.organization_id
               AND s.id = k.owner_service_account_id
               AND s.disabled_at_us IS NULL AND s.removed_at_us IS NULL
             WHERE k.organization_id = $1 AND k.revoked_at_us IS NULL AND k.disabled_at_us IS NULL
               AND (u.id IS NOT NULL OR s.id IS NOT NULL) AND k.id > $4 AND ",
            $only,
            " ORDER BY k.id LIMIT $5"
        )
    };
}

/// Keys whose notice of so many microseconds before their end (`$3`) has come, and was not told.
const ENDING: &str = select_keys!(
    "k.expires_at_us > $2 AND k.expires_at_us <= $2 + $3
     AND COALESCE(k.noticed_until_us, k.created_at_us) < k.expires_at_us - $3"
);
/// Keys whose secret was made before `$3`, and of which that was not told.
const AGED: &str = select_keys!(
    "(k.expires_at_us IS NULL OR k.expires_at_us > $2)
     AND COALESCE(k.rotated_at_us, k.created_at_us) <= $3
     AND k.reminded_secret_us IS DISTINCT FROM COALESCE(k.rotated_at_us, k.created_at_us)"
);

/// Notes that a key was told, if it is as it was read.
const NOTE_END: &str = "
    UPDATE api_keys SET noticed_until_us = $3
    WHERE organization_id = $1 AND id = $2 AND expires_at_us = $4
      AND COALESCE(noticed_until_us, created_at_us) = $5
      AND revoked_at_us IS NULL AND disabled_at_us IS NULL";
const NOTE_AGE: &str = "
    UPDATE api_keys SET reminded_secret_us = $3
    WHERE organization_id = $1 AND id = $2 AND COALESCE(rotated_at_us, created_at_us) = $4
      AND reminded_secret_us IS DISTINCT FROM CAST($5 AS BIGINT)
      AND revoked_at_us IS NULL AND disabled_at_us IS NULL";

/// A change of a key's row that only one of several planners makes, and what is told of it.
struct Plan {
    note: (&'static str, [i64; 3]),
    kind: NoticeKind,
    about: Timestamp,
    days: u16,
    data: Map<String, Value>,
}

/// What one organization is told, while it is being put.
struct Round {
    organization: OrganizationId,
    settings: NoticeSettings,
    has_mail: bool,
    planned: Planned,
}

impl Store {
    /// Puts every notice that is due now: of keys that end soon, of secrets that are old, and of budgets
    /// of which so much is spent. Each is put once, however often and by whomever this is called. `can_mail`: whether there is a mail server.
    pub async fn plan_notices(&self, can_mail: bool) -> Result<Planned, StoreError> {
        let mut planned = Planned::default();
        for organization in self.organization_ids().await? {
            let settings = self.notice_settings(organization).await?;
            let has_mail = can_mail && settings.mail_from.is_some();
            let mut round = Round { organization, settings, has_mail, planned };
            self.plan_ends(&mut round).await?;
            self.plan_reminders(&mut round).await?;
            round.planned.notices += self.plan_budgets(organization, has_mail).await?;
            planned = round.planned;
        }
        Ok(planned)
    }

    async fn plan_ends(&self, round: &mut Round) -> Result<(), StoreError> {
        let now = self.clock.now();
        // The nearest first: a key that has passed several at once is told the last of them.
        for days in round.settings.notice_days.clone().days().iter().rev() {
            let time = i64::try_from(days_long(*days).as_micros()).unwrap_or(i64::MAX);
            let mut after = String::new();
            loop {
                let keys = self.keys_to_tell(ENDING, round, (now, time), &after).await?;
                let Some(last) = keys.last() else { break };
                last.key.id().clone_into(&mut after);
                for key in keys {
                    if let Some(plan) = key.plan_end(&round.settings, now)? {
                        self.put_planned(round, &key, &plan).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn plan_reminders(&self, round: &mut Round) -> Result<(), StoreError> {
        let every_days = round.settings.rotation_reminder_days;
        if every_days == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let made_by = now.checked_sub(days_long(every_days)).unwrap_or(Timestamp::MIN);
        let mut after = String::new();
        loop {
            let bounds = (now, made_by.as_microsecond());
            let keys = self.keys_to_tell(AGED, round, bounds, &after).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            last.key.id().clone_into(&mut after);
            for key in keys {
                if let Some(plan) = key.plan_reminder(every_days, now)? {
                    self.put_planned(round, &key, &plan).await?;
                }
            }
        }
    }

    async fn keys_to_tell(
        &self,
        sql: &'static str,
        round: &Round,
        (now, bound_us): (Timestamp, i64),
        after: &str,
    ) -> Result<Vec<KeyToTell>, StoreError> {
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(sql)
                .bind(round.organization.to_string())
                .bind(now.as_microsecond())
                .bind(bound_us)
                .bind(after)
                .bind(BATCH)
                .fetch_all(pool)
                .await?
        }))
    }

    /// Notes in the key's row that it is told, and puts the notices, in one transaction.
    async fn put_planned(
        &self,
        round: &mut Round,
        key: &KeyToTell,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let organization = round.organization;
        let receivers = self.receivers_of(organization, &key.key, round.has_mail).await?;
        let at = self.clock.now();
        let notices: Vec<NewNotice> =
            receivers.into_iter().map(|receiver| key.notice(plan, receiver)).collect();
        let (sql, [first, second, third]) = plan.note;
        let mut put = 0;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let noted = sqlx::query(sql)
                .bind(organization.to_string())
                .bind(key.key.id())
                .bind(first)
                .bind(second)
                .bind(third)
                .execute(&mut *tx)
                .await?;
            // It was changed since, or told: nothing is put.
            if noted.rows_affected() == 0 {
                return Ok(());
            }
            for notice in &notices {
                put += put_notice!(self, tx, organization, at, notice);
            }
            tx.commit().await?;
        });
        round.planned.notices += put;
        round.planned.untold_keys += u64::from(notices.is_empty());
        Ok(())
    }
}

impl KeyToTell {
    fn plan_end(
        &self,
        settings: &NoticeSettings,
        now: Timestamp,
    ) -> Result<Option<Plan>, StoreError> {
        let Some(expires_at_us) = self.expires_at_us else { return Ok(None) };
        let (expires_at, since) = (timestamp(expires_at_us)?, timestamp(self.noticed_until_us)?);
        let plan = |days| {
            let mut data = self.key.data();
            data.insert("expires_at".to_owned(), json!(expires_at));
            data.insert("days".to_owned(), json!(days));
            let values = [now.as_microsecond(), expires_at_us, self.noticed_until_us];
            Plan {
                note: (NOTE_END, values),
                kind: NoticeKind::KeyExpiring,
                about: expires_at,
                days,
                data,
            }
        };
        Ok(settings.notice_days.due(expires_at, since, now).map(plan))
    }

    fn plan_reminder(&self, every_days: u16, now: Timestamp) -> Result<Option<Plan>, StoreError> {
        let made_at = timestamp(self.secret_made_at_us)?;
        let reminded_of = self.reminded_secret_us.map(timestamp).transpose()?;
        if !is_rotation_due(every_days, made_at, reminded_of, now) {
            return Ok(None);
        }
        let mut data = self.key.data();
        data.insert("secret_made_at".to_owned(), json!(made_at));
        data.insert("days".to_owned(), json!(every_days));
        let made_us = self.secret_made_at_us;
        Ok(Some(Plan {
            note: (NOTE_AGE, [made_us, made_us, made_us]),
            kind: NoticeKind::KeyRotationDue,
            about: made_at,
            days: every_days,
            data,
        }))
    }

    fn notice(&self, plan: &Plan, (receiver, to): Addressed) -> NewNotice {
        let (kind, about_us) = (plan.kind.as_str(), plan.about.as_microsecond());
        NewNotice {
            kind: plan.kind,
            subject: self.key.id().to_owned(),
            about: Some(plan.about),
            threshold_days: Some(plan.days),
            receiver,
            dedup_key: format!("{kind} {} {about_us} {} {to}", self.key.id(), plan.days),
            data: plan.data.clone(),
            secret: None,
        }
    }
}
