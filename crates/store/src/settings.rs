//! Settings of an organization: what is stored for it, else what the program was started with.

mod change;

use doorward_domain::credential::KeyPrefix;
use doorward_domain::email::EmailAddress;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::Owner;
use doorward_domain::lifetime::{Rule, TTL_MINUTES_DEFAULT};
use doorward_domain::reminder::NoticeDays;
use doorward_domain::session::SessionBounds;
use doorward_domain::setting::{Setting, SettingValue};
use jiff::Timestamp;

pub use change::{ChangedSettings, Outliving, SettingsEdit};

use crate::db::{on, timestamp};
use crate::{Store, StoreError};

/// How long keys may live and how many an owner may have, in organizations for which nothing else is
/// stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCaps {
    /// No key lives longer. 0: no cap.
    pub ttl_minutes_max: u64,
    /// Active and disabled keys of one user or service account.
    pub per_user_max: u32,
}

impl KeyCaps {
    /// 90 days and 20 keys.
    pub const STANDARD: Self = Self { ttl_minutes_max: TTL_MINUTES_DEFAULT, per_user_max: 20 };

    /// The value of a setting for which nothing is stored.
    fn default_value(self, setting: Setting) -> SettingValue {
        match setting {
            Setting::AuthTokenMaxTtlMinutes => SettingValue::Number(self.ttl_minutes_max),
            Setting::KeysPerUserMax => SettingValue::Number(self.per_user_max.into()),
            Setting::UserKeyDefaultTtlDays
            | Setting::ServiceKeyDefaultTtlDays
            | Setting::KeyPrefix
            | Setting::SessionIdleMinutes
            | Setting::SessionMaxHours
            | Setting::SpentBudgetStatus
            | Setting::NoticeDays
            | Setting::RotationReminderDays
            | Setting::MailFrom
            | Setting::AuditRetentionDays
            | Setting::UsageRetentionDays
            | Setting::UsageSumsRetentionDays => setting.default_value(),
        }
    }
}

/// The settings that decide on keys, as values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth-token-max-ttl-minutes`: no key lives longer. 0: no cap.
    pub ttl_minutes_max: u64,
    /// `user-key-default-ttl-days`: the life of a user's key of which nothing is said.
    pub user_key_default_ttl_days: u32,
    /// `service-key-default-ttl-days`: the same for the key of a service account.
    pub service_key_default_ttl_days: u32,
    /// `keys-per-user-max`: active and disabled keys of one user or service account.
    pub keys_per_user_max: u32,
    /// `key-prefix`: the brand of new keys.
    pub key_prefix: KeyPrefix,
}

/// The settings that decide on notices, as values.
#[derive(Debug, Clone)]
pub struct NoticeSettings {
    /// `notice-days`: how many days before the end of a key it is told.
    pub notice_days: NoticeDays,
    /// `rotation-reminder-days`: after how many days a secret in use is told to be old. 0: never.
    pub rotation_reminder_days: u16,
    /// `mail-from`: the address that mails come from. `None`: no mail is sent.
    pub mail_from: Option<EmailAddress>,
}

/// The settings that decide how long records are kept, as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetentionDays {
    /// `audit-retention-days`: how long entries of the audit log are kept. 0: for ever.
    pub(crate) audit: u16,
    /// `usage-retention-days`: how long single calls are kept. 0: for ever.
    pub(crate) calls: u16,
    /// `usage-sums-retention-days`: how long their hourly sums are kept at least. 0: for ever.
    pub(crate) sums: u16,
}

impl RetentionDays {
    /// How long hourly sums are kept: never shorter than the calls that they sum up. 0: for ever.
    pub(crate) fn hours(self) -> u16 {
        if self.calls == 0 || self.sums == 0 {
            return 0;
        }
        self.sums.max(self.calls)
    }
}

impl Settings {
    /// How long a key of this owner may live, and does when nothing is said.
    pub fn lifetime_rule(&self, owner: Owner) -> Rule {
        let default_days = match owner {
            Owner::User(_) => self.user_key_default_ttl_days,
            Owner::ServiceAccount(_) => self.service_key_default_ttl_days,
        };
        Rule { cap_minutes: self.ttl_minutes_max, default_days }
    }
}

/// One setting as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// Which.
    pub setting: Setting,
    /// Its value.
    pub value: SettingValue,
    /// What its value is when nothing is stored.
    pub default: SettingValue,
    /// Whether nothing is stored: it follows the default.
    pub is_default: bool,
}

/// All settings, and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsList {
    /// Every setting, in the order of [`Setting::ALL`].
    pub rows: Vec<SettingRow>,
    /// When one of them was last changed; the beginning of time where none ever was.
    pub updated_at: Timestamp,
}

/// The rows of an organization. One with an empty value is a setting that was reset: it stays, so that
/// the version never goes back.
pub(crate) const LIST: &str =
    "SELECT name, value, updated_at_us FROM settings WHERE organization_id = $1";

/// What is stored for an organization. Names of a later version mean nothing here.
pub(crate) struct Stored(pub(crate) Vec<(String, String, i64)>);

impl Stored {
    /// What is stored for a setting, if anything is. It is parsed, not trusted.
    fn value(&self, setting: Setting) -> Result<Option<SettingValue>, StoreError> {
        let row = self.0.iter().find(|(name, ..)| name == setting.name());
        let text = row.map(|(_, value, _)| value.as_str()).filter(|text| !text.is_empty());
        let value = text.map(|text| setting.parse(text)).transpose();
        value.map_err(|_| StoreError::Corrupt(format!("setting {}", setting.name())))
    }

    fn value_or_default(
        &self,
        setting: Setting,
        caps: KeyCaps,
    ) -> Result<SettingValue, StoreError> {
        Ok(self.value(setting)?.unwrap_or_else(|| caps.default_value(setting)))
    }

    /// A setting as the type that its bounds promise.
    fn typed<T: std::str::FromStr>(
        &self,
        setting: Setting,
        caps: KeyCaps,
    ) -> Result<T, StoreError> {
        let value = self.value_or_default(setting, caps)?.to_string();
        value.parse().map_err(|_| StoreError::Corrupt(format!("setting {}", setting.name())))
    }

    /// How long sessions last.
    pub(crate) fn session_bounds(&self, caps: KeyCaps) -> Result<SessionBounds, StoreError> {
        Ok(SessionBounds {
            idle_minutes: self.typed(Setting::SessionIdleMinutes, caps)?,
            max_hours: self.typed(Setting::SessionMaxHours, caps)?,
        })
    }

    fn version(&self) -> Result<Timestamp, StoreError> {
        timestamp(self.0.iter().map(|(_, _, updated_at_us)| *updated_at_us).max().unwrap_or(0))
    }

    fn list(&self, caps: KeyCaps) -> Result<SettingsList, StoreError> {
        let row = |setting| {
            let (stored, default) = (self.value(setting)?, caps.default_value(setting));
            let is_default = stored.is_none();
            let value = stored.unwrap_or_else(|| default.clone());
            Ok(SettingRow { setting, value, default, is_default })
        };
        let rows: Result<_, StoreError> = Setting::ALL.into_iter().map(row).collect();
        Ok(SettingsList { rows: rows?, updated_at: self.version()? })
    }
}

/// How long the sessions of an organization last, as it is set at this place of an open transaction. `?` acts on
/// the caller.
macro_rules! session_bounds {
    ($store:expr, $tx:ident, $organization:expr) => {{
        let stored = sqlx::query_as($crate::settings::LIST).bind($organization);
        let stored = $crate::settings::Stored(stored.fetch_all(&mut *$tx).await?);
        stored.session_bounds($store.key_caps)?
    }};
}
pub(crate) use session_bounds;

impl Store {
    /// The settings that decide on keys, as they are now.
    pub async fn settings(&self, organization: OrganizationId) -> Result<Settings, StoreError> {
        let (stored, caps) = (self.stored_settings(organization).await?, self.key_caps);
        Ok(Settings {
            ttl_minutes_max: stored.typed(Setting::AuthTokenMaxTtlMinutes, caps)?,
            user_key_default_ttl_days: stored.typed(Setting::UserKeyDefaultTtlDays, caps)?,
            service_key_default_ttl_days: stored.typed(Setting::ServiceKeyDefaultTtlDays, caps)?,
            keys_per_user_max: stored.typed(Setting::KeysPerUserMax, caps)?,
            key_prefix: stored.typed(Setting::KeyPrefix, caps)?,
        })
    }

    /// The settings that decide on notices, as they are now.
    pub async fn notice_settings(
        &self,
        organization: OrganizationId,
    ) -> Result<NoticeSettings, StoreError> {
        let (stored, caps) = (self.stored_settings(organization).await?, self.key_caps);
        Ok(NoticeSettings {
            notice_days: stored.typed(Setting::NoticeDays, caps)?,
            rotation_reminder_days: stored.typed(Setting::RotationReminderDays, caps)?,
            mail_from: stored.typed::<String>(Setting::MailFrom, caps)?.parse().ok(),
        })
    }

    /// The settings that decide how long records are kept, as they are now.
    pub(crate) async fn retention_settings(
        &self,
        organization: OrganizationId,
    ) -> Result<RetentionDays, StoreError> {
        let (stored, caps) = (self.stored_settings(organization).await?, self.key_caps);
        Ok(RetentionDays {
            audit: stored.typed(Setting::AuditRetentionDays, caps)?,
            calls: stored.typed(Setting::UsageRetentionDays, caps)?,
            sums: stored.typed(Setting::UsageSumsRetentionDays, caps)?,
        })
    }

    /// Every setting, to be shown.
    pub async fn settings_list(
        &self,
        organization: OrganizationId,
    ) -> Result<SettingsList, StoreError> {
        self.stored_settings(organization).await?.list(self.key_caps)
    }

    /// `spent-budget-status`, for the data plane, which keeps it with each key.
    pub(crate) async fn spent_budget_status(
        &self,
        organization: OrganizationId,
    ) -> Result<u16, StoreError> {
        let stored = self.stored_settings(organization).await?;
        stored.typed(Setting::SpentBudgetStatus, self.key_caps)
    }

    async fn stored_settings(&self, organization: OrganizationId) -> Result<Stored, StoreError> {
        let organization = organization.to_string();
        Ok(Stored(on!(self.db.read, |pool| {
            sqlx::query_as(LIST).bind(&organization).fetch_all(pool).await?
        })))
    }
}
