//! Changing settings.

use doorward_domain::credential::KeyId;
use doorward_domain::setting::{Setting, SettingValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{KeyCaps, LIST, SettingsList, Stored};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{next_version, on, parsed, unsigned};
use crate::{Act, Store, StoreError};

/// How many keys that outlive a lowered cap are named.
const NAMED_MAX: i64 = 20;
const MINUTE_US: i64 = 60_000_000;

/// Acts wait for each other at this row: whoever changes settings sees what the one before has made
/// of them.
const LOCK: &str = "UPDATE audit_head SET sequence = sequence WHERE id = 1";

const SET: &str = "
    INSERT INTO settings (organization_id, name, value, updated_at_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, name)
    DO UPDATE SET value = excluded.value, updated_at_us = excluded.updated_at_us";

/// When the sessions end that are not over. Those that are stay so.
const END_SESSIONS: &str = "
    UPDATE sessions SET ends_at_us = CASE
        WHEN last_seen_at_us + $3 < created_at_us + $4 THEN last_seen_at_us + $3
        ELSE created_at_us + $4 END
    WHERE organization_id = $1 AND ends_at_us > $2";

/// Keys that can still be used and end later than a cap of so many microseconds would have them. As
/// elsewhere, the cap counts from when the secret was made.
macro_rules! select_outliving {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM api_keys
             WHERE organization_id = $1 AND revoked_at_us IS NULL
               AND (expires_at_us IS NULL OR (expires_at_us > $2
                 AND expires_at_us > COALESCE(rotated_at_us, created_at_us) + $3))",
            $rest
        )
    };
}
const COUNT_OUTLIVING: &str = select_outliving!("COUNT(*)", "");
const NAME_OUTLIVING: &str = select_outliving!(
    "id",
    " ORDER BY CASE WHEN expires_at_us IS NULL THEN 0 ELSE 1 END, expires_at_us DESC, id LIMIT $4"
);

/// The keys that outlive a cap, inside an open transaction of either engine. `?` acts on the caller.
macro_rules! find_outliving {
    ($tx:ident, $act:expr, $cap_us:expr) => {{
        let (count,): (i64,) = sqlx::query_as(COUNT_OUTLIVING)
            .bind($act.organization.to_string())
            .bind($act.at.as_microsecond())
            .bind($cap_us)
            .fetch_one(&mut *$tx)
            .await?;
        let first: Vec<(String,)> = sqlx::query_as(NAME_OUTLIVING)
            .bind($act.organization.to_string())
            .bind($act.at.as_microsecond())
            .bind($cap_us)
            .bind(NAMED_MAX)
            .fetch_all(&mut *$tx)
            .await?;
        Outliving { count: unsigned(count), first: key_ids(&first)? }
    }};
}

/// What shall become of settings.
#[derive(Debug, Clone, Default)]
pub struct SettingsEdit {
    /// New values, within the bounds of their settings; `None` resets to the default.
    pub changes: Vec<(Setting, Option<SettingValue>)>,
    /// Only if they were last changed at this instant; else [`StoreError::Stale`].
    pub if_updated_at: Option<Timestamp>,
    /// Whether the audit log may be kept for a shorter time than it is: it tells of administrators, too.
    pub may_forget: bool,
    /// Whether only to tell what would become of them.
    pub is_preview: bool,
}

/// Settings after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedSettings {
    /// All of them.
    pub list: SettingsList,
    /// The keys that outlive the cap, where the change was one of the cap.
    pub outliving: Option<Outliving>,
}

/// Keys that end later than the cap would have them now; they are left as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliving {
    /// How many.
    pub count: u64,
    /// Those of them that live longest, at most 20.
    pub first: Vec<KeyId>,
}

/// One setting that really changes.
struct Change {
    setting: Setting,
    before: SettingValue,
    /// `None`: back to the default.
    stored: Option<SettingValue>,
    after: SettingValue,
}

impl Change {
    /// Whether the audit log is kept for a shorter time afterwards, where 0 is for ever.
    fn forgets(&self) -> bool {
        let days = |value: &SettingValue| match value {
            SettingValue::Number(days @ 1..) => *days,
            SettingValue::Number(0) | SettingValue::Text(_) | SettingValue::Days(_) => u64::MAX,
        };
        self.setting == Setting::AuditRetentionDays && days(&self.after) < days(&self.before)
    }

    /// Whether it decides on how long sessions last.
    fn is_of_sessions(&self) -> bool {
        matches!(self.setting, Setting::SessionIdleMinutes | Setting::SessionMaxHours)
    }
}

impl Store {
    /// Changes settings, all or none, and audits what was and what is. [`StoreError::Stale`] when they
    /// were changed since the version that the edit names; [`StoreError::AboveOwnRole`] when the audit
    /// log would be kept for a shorter time, which the edit may not. A change that changes nothing leaves no
    /// trace, nor does a preview.
    pub async fn change_settings(
        &self,
        act: &Act,
        edit: &SettingsEdit,
    ) -> Result<ChangedSettings, StoreError> {
        let changed = self.update_settings(act, edit).await;
        // Also after an error: a commit whose answer was lost may have happened.
        if edit.changes.iter().any(|(setting, _)| *setting == Setting::SpentBudgetStatus) {
            self.calls.forget_organization(act.organization);
        }
        changed
    }

    async fn update_settings(
        &self,
        act: &Act,
        edit: &SettingsEdit,
    ) -> Result<ChangedSettings, StoreError> {
        let (caps, organization) = (self.key_caps, act.organization.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(LOCK).execute(&mut *tx).await?;
            let stored =
                Stored(sqlx::query_as(LIST).bind(&organization).fetch_all(&mut *tx).await?);
            let version = stored.version()?;
            if edit.if_updated_at.is_some_and(|expected| whole_us(expected) != version) {
                return Err(StoreError::Stale);
            }
            let changes = changes(&stored, &edit.changes, caps)?;
            if !edit.may_forget && changes.iter().any(Change::forgets) {
                return Err(StoreError::AboveOwnRole);
            }
            if changes.is_empty() {
                return Ok(ChangedSettings { list: stored.list(caps)?, outliving: None });
            }
            let updated_at_us = next_version(version, act.at).as_microsecond();
            for change in &changes {
                let text = change.stored.as_ref().map(SettingValue::to_string).unwrap_or_default();
                sqlx::query(SET)
                    .bind(&organization)
                    .bind(change.setting.name())
                    .bind(text)
                    .bind(updated_at_us)
                    .execute(&mut *tx)
                    .await?;
            }
            append_audit!(self, tx, act.entry("settings.edit", &organization, &detail(&changes)));
            let outliving = match new_cap_us(&changes) {
                None => None,
                Some(0) => Some(Outliving { count: 0, first: Vec::new() }),
                Some(cap_us) => Some(find_outliving!(tx, act, cap_us)),
            };
            let stored =
                Stored(sqlx::query_as(LIST).bind(&organization).fetch_all(&mut *tx).await?);
            if changes.iter().any(Change::is_of_sessions) {
                let bounds = stored.session_bounds(caps)?;
                sqlx::query(END_SESSIONS)
                    .bind(&organization)
                    .bind(act.at.as_microsecond())
                    .bind(i64::from(bounds.idle_minutes) * MINUTE_US)
                    .bind(i64::from(bounds.max_hours) * 60 * MINUTE_US)
                    .execute(&mut *tx)
                    .await?;
            }
            let list = stored.list(caps)?;
            // What was only tried goes back with the transaction.
            if !edit.is_preview {
                tx.commit().await?;
            }
            Ok(ChangedSettings { list, outliving })
        })
    }
}

/// Of what is wished, what is not so already.
fn changes(
    stored: &Stored,
    wished: &[(Setting, Option<SettingValue>)],
    caps: KeyCaps,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for (setting, wish) in wished {
        if stored.value(*setting)? != *wish {
            let default = || caps.default_value(*setting);
            changes.push(Change {
                setting: *setting,
                before: stored.value_or_default(*setting, caps)?,
                after: wish.clone().unwrap_or_else(default),
                stored: wish.clone(),
            });
        }
    }
    Ok(changes)
}

/// The cap in microseconds, where it was changed. 0: none.
fn new_cap_us(changes: &[Change]) -> Option<i64> {
    let cap = changes.iter().find(|c| c.setting == Setting::AuthTokenMaxTtlMinutes)?;
    match cap.after {
        SettingValue::Number(minutes) => {
            Some(i64::try_from(minutes).unwrap_or(i64::MAX / MINUTE_US) * MINUTE_US)
        }
        SettingValue::Text(_) | SettingValue::Days(_) => None,
    }
}

fn key_ids(rows: &[(String,)]) -> Result<Vec<KeyId>, StoreError> {
    rows.iter().map(|(id,)| parsed("key", id)).collect()
}

/// What the audit log says: each setting with its value before and after.
fn detail(changes: &[Change]) -> Value {
    let told = changes.iter().map(|change| {
        let is_default = change.stored.is_none();
        let values = json!({
            "before": json_of(&change.before), "after": json_of(&change.after),
            "is_default": is_default,
        });
        (change.setting.name().to_owned(), values)
    });
    Value::Object(told.collect::<Map<_, _>>())
}

fn json_of(value: &SettingValue) -> Value {
    match value {
        SettingValue::Number(number) => json!(number),
        SettingValue::Text(text) => json!(text),
        SettingValue::Days(days) => json!(days.days()),
    }
}
