//! Settings of an organization, which its administrators change while the program runs: their names,
//! bounds and defaults.

use std::fmt;
use std::str::FromStr;

use crate::credential::KeyPrefix;
use crate::email::EmailAddress;
use crate::reminder::NoticeDays;
use crate::role::OrganizationRole;
use crate::session::SESSION_HOURS_MAX;

/// The longest cap on the life of a key: 100 years.
pub const TTL_MINUTES_MAX: u64 = 52_560_000;
/// The most keys that one user or service account can be allowed.
pub const KEYS_PER_USER_MAX: u64 = 10_000;

/// Something that an administrator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setting {
    /// No key lives longer, in minutes. 0: no cap.
    AuthTokenMaxTtlMinutes,
    /// The life of a user's key whose maker says nothing of its end.
    UserKeyDefaultTtlDays,
    /// The same for the key of a service account.
    ServiceKeyDefaultTtlDays,
    /// Active and disabled keys of one user or service account.
    KeysPerUserMax,
    /// The brand of new keys.
    KeyPrefix,
    /// A session that was not used for so long is over, in minutes.
    SessionIdleMinutes,
    /// A session is over after this time, however much it is used, in hours.
    SessionMaxHours,
    /// The HTTP status of a call that a spent budget refuses.
    SpentBudgetStatus,
    /// How many days before the end of a key it is told.
    NoticeDays,
    /// After how many days a secret in use is told to be old. 0: never.
    RotationReminderDays,
    /// The address that mails come from.
    MailFrom,
    /// How long entries of the audit log are kept. 0: for ever.
    AuditRetentionDays,
    /// How long single calls are kept. 0: for ever.
    UsageRetentionDays,
    /// How long the hourly sums of calls are kept. 0: for ever.
    UsageSumsRetentionDays,
}

/// The value of a setting. It prints as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
    /// Days before the end of a key.
    Days(NoticeDays),
}

/// What the value of a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// A whole number, both ends included.
    Whole {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// One of these numbers.
    OneOf(&'static [u64]),
    /// A brand of keys.
    Prefix,
    /// A list of days before an end.
    Days,
    /// An e-mail address, or nothing.
    Email,
}

/// How long the audit log may be kept, in days. Never less than 30: whoever shortens it, and what they
/// did before, stays to be seen for so long.
const AUDIT_DAYS: [u64; 11] = [0, 30, 60, 90, 180, 365, 730, 1_095, 1_825, 2_555, 3_650];

/// A value that a setting does not take; it tells which ones it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct OutOfBounds(Bounds);

/// A text that names no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such setting")]
pub struct UnknownSetting;

impl Setting {
    /// Every setting, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::AuthTokenMaxTtlMinutes,
        Self::UserKeyDefaultTtlDays,
        Self::ServiceKeyDefaultTtlDays,
        Self::KeysPerUserMax,
        Self::KeyPrefix,
        Self::SessionIdleMinutes,
        Self::SessionMaxHours,
        Self::SpentBudgetStatus,
        Self::NoticeDays,
        Self::RotationReminderDays,
        Self::MailFrom,
        Self::AuditRetentionDays,
        Self::UsageRetentionDays,
        Self::UsageSumsRetentionDays,
    ];

    /// The name, as it is stored, sent and typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthTokenMaxTtlMinutes => "auth-token-max-ttl-minutes",
            Self::UserKeyDefaultTtlDays => "user-key-default-ttl-days",
            Self::ServiceKeyDefaultTtlDays => "service-key-default-ttl-days",
            Self::KeysPerUserMax => "keys-per-user-max",
            Self::KeyPrefix => "key-prefix",
            Self::SessionIdleMinutes => "session-idle-minutes",
            Self::SessionMaxHours => "session-max-hours",
            Self::SpentBudgetStatus => "spent-budget-status",
            Self::NoticeDays => "notice-days",
            Self::RotationReminderDays => "rotation-reminder-days",
            Self::MailFrom => "mail-from",
            Self::AuditRetentionDays => "audit-retention-days",
            Self::UsageRetentionDays => "usage-retention-days",
            Self::UsageSumsRetentionDays => "usage-sums-retention-days",
        }
    }

    /// What it does, for people.
    pub const fn help(self) -> &'static str {
        match self {
            Self::AuthTokenMaxTtlMinutes => {
                "No API key that is made or edited from now on lives longer than this; 0 sets no cap."
            }
            Self::UserKeyDefaultTtlDays => {
                "How long a user's new API key lives when nothing is said of its end, within the cap."
            }
            Self::ServiceKeyDefaultTtlDays => {
                "How long a service account's new API key lives when nothing is said of its end, \
                 within the cap."
            }
            Self::KeysPerUserMax => {
                "How many active and disabled API keys one user or service account may have."
            }
            Self::KeyPrefix => {
                "What new API keys begin with; keys made under an older prefix go on working."
            }
            Self::SessionIdleMinutes => {
                "After how many minutes without a use somebody who signed in is signed out."
            }
            Self::SessionMaxHours => {
                "After how many hours somebody who signed in has to sign in again, in any case."
            }
            Self::SpentBudgetStatus => {
                "The HTTP status of a call that is refused because its budget is spent."
            }
            Self::NoticeDays => {
                "How many days before an API key ends its owner is told, by mail and webhook; none \
                 turns it off."
            }
            Self::RotationReminderDays => {
                "After how many days the owner of an API key is reminded to rotate it; 0 turns it off."
            }
            Self::MailFrom => "The address that mails come from; without one, no mail is sent.",
            Self::AuditRetentionDays => {
                "Days the audit log and ended keys are kept; 0: for ever. Owners may lower it. \
                 Notices and decided increases stay 90 at most."
            }
            Self::UsageRetentionDays => {
                "How many days single calls are kept; 0 keeps them for ever. Reports of whole hours and \
                 budgets do not forget what was spent."
            }
            Self::UsageSumsRetentionDays => {
                "How many days the hourly sums behind reports are kept, at least as long as single calls; \
                 0 keeps them for ever."
            }
        }
    }

    /// What its number counts, where it counts something.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Self::AuthTokenMaxTtlMinutes | Self::SessionIdleMinutes => Some("minutes"),
            Self::SessionMaxHours => Some("hours"),
            Self::UserKeyDefaultTtlDays
            | Self::ServiceKeyDefaultTtlDays
            | Self::NoticeDays
            | Self::RotationReminderDays
            | Self::AuditRetentionDays
            | Self::UsageRetentionDays
            | Self::UsageSumsRetentionDays => Some("days"),
            Self::KeysPerUserMax => Some("keys"),
            Self::KeyPrefix | Self::SpentBudgetStatus | Self::MailFrom => None,
        }
    }

    /// Who may lower it; whatever else becomes of it is up to administrators.
    pub const fn lowered_by(self) -> OrganizationRole {
        match self {
            Self::AuditRetentionDays => OrganizationRole::Owner,
            Self::AuthTokenMaxTtlMinutes
            | Self::UserKeyDefaultTtlDays
            | Self::ServiceKeyDefaultTtlDays
            | Self::KeysPerUserMax
            | Self::KeyPrefix
            | Self::SessionIdleMinutes
            | Self::SessionMaxHours
            | Self::SpentBudgetStatus
            | Self::NoticeDays
            | Self::RotationReminderDays
            | Self::MailFrom
            | Self::UsageRetentionDays
            | Self::UsageSumsRetentionDays => OrganizationRole::Admin,
        }
    }

    /// What its value may be.
    pub const fn bounds(self) -> Bounds {
        match self {
            Self::AuthTokenMaxTtlMinutes => Bounds::Whole { min: 0, max: TTL_MINUTES_MAX },
            Self::UserKeyDefaultTtlDays | Self::ServiceKeyDefaultTtlDays => {
                Bounds::Whole { min: 1, max: 3_650 }
            }
            Self::KeysPerUserMax => Bounds::Whole { min: 1, max: KEYS_PER_USER_MAX },
            Self::KeyPrefix => Bounds::Prefix,
            Self::SessionIdleMinutes => Bounds::Whole { min: 5, max: 1_440 },
            Self::SessionMaxHours => Bounds::Whole { min: 1, max: SESSION_HOURS_MAX as u64 },
            Self::SpentBudgetStatus => Bounds::OneOf(&[429, 402]),
            Self::NoticeDays => Bounds::Days,
            Self::RotationReminderDays
            | Self::UsageRetentionDays
            | Self::UsageSumsRetentionDays => Bounds::Whole { min: 0, max: 3_650 },
            Self::AuditRetentionDays => Bounds::OneOf(&AUDIT_DAYS),
            Self::MailFrom => Bounds::Email,
        }
    }

    /// Its value where nothing is stored and the program was started with nothing else.
    pub fn default_value(self) -> SettingValue {
        match self {
            Self::AuthTokenMaxTtlMinutes => SettingValue::Number(129_600),
            Self::UserKeyDefaultTtlDays | Self::ServiceKeyDefaultTtlDays => {
                SettingValue::Number(90)
            }
            Self::KeysPerUserMax => SettingValue::Number(20),
            Self::KeyPrefix => SettingValue::Text("dw".to_owned()),
            Self::SessionIdleMinutes => SettingValue::Number(30),
            Self::SessionMaxHours => SettingValue::Number(12),
            Self::SpentBudgetStatus => SettingValue::Number(429),
            Self::NoticeDays => SettingValue::Days(NoticeDays::default()),
            Self::RotationReminderDays
            | Self::AuditRetentionDays
            | Self::UsageRetentionDays
            | Self::UsageSumsRetentionDays => SettingValue::Number(0),
            Self::MailFrom => SettingValue::Text(String::new()),
        }
    }

    /// Hands a value on that this setting takes.
    pub fn check(self, value: SettingValue) -> Result<SettingValue, OutOfBounds> {
        let bounds = self.bounds();
        if bounds.hold(&value) { Ok(value) } else { Err(OutOfBounds(bounds)) }
    }

    /// Reads a value as it is stored.
    pub fn parse(self, text: &str) -> Result<SettingValue, OutOfBounds> {
        self.check(match self.bounds() {
            Bounds::Whole { .. } | Bounds::OneOf(_) => {
                SettingValue::Number(text.parse().map_err(|_| OutOfBounds(self.bounds()))?)
            }
            Bounds::Prefix | Bounds::Email => SettingValue::Text(text.to_owned()),
            Bounds::Days => {
                SettingValue::Days(text.parse().map_err(|_| OutOfBounds(self.bounds()))?)
            }
        })
    }
}

impl FromStr for Setting {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, UnknownSetting> {
        Self::ALL.into_iter().find(|setting| setting.name() == text).ok_or(UnknownSetting)
    }
}

impl Bounds {
    fn hold(self, value: &SettingValue) -> bool {
        match (self, value) {
            (Self::Whole { min, max }, SettingValue::Number(number)) => {
                (min..=max).contains(number)
            }
            (Self::OneOf(numbers), SettingValue::Number(number)) => numbers.contains(number),
            (Self::Prefix, SettingValue::Text(text)) => text.parse::<KeyPrefix>().is_ok(),
            (Self::Email, SettingValue::Text(text)) => {
                text.is_empty() || text.parse::<EmailAddress>().is_ok()
            }
            (Self::Days, SettingValue::Days(_)) => true,
            (
                Self::Whole { .. } | Self::OneOf(_),
                SettingValue::Text(_) | SettingValue::Days(_),
            )
            | (Self::Prefix | Self::Email, SettingValue::Number(_) | SettingValue::Days(_))
            | (Self::Days, SettingValue::Number(_) | SettingValue::Text(_)) => false,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::OneOf(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
                f.write_str(&numbers.join(" or "))
            }
            Self::Prefix => f.write_str(
                "a text of 2 to 12 lowercase letters, digits and hyphens that begins with a letter",
            ),
            Self::Days => f.write_str(
                "up to 10 different numbers of days from 1 to 365, such as 30,14,7,1, or none",
            ),
            Self::Email => f.write_str("an e-mail address such as keys@example.com"),
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Days(days) => days.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifetime::{DAYS_DEFAULT, TTL_MINUTES_DEFAULT};

    fn any_setting() -> impl Strategy<Value = Setting> {
        prop::sample::select(Setting::ALL.to_vec())
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            any::<i128>().prop_map(|n| n.to_string()),
            (0_u64..20_000).prop_map(|n| n.to_string()),
            "[a-z][a-z0-9-]{0,14}",
        ]
    }

    #[test]
    fn names_are_told_apart_and_read_back() {
        for setting in Setting::ALL {
            assert_eq!(setting.name().parse(), Ok(setting));
            assert!(setting.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert!(setting.help().ends_with('.') && !setting.help().contains("  "));
        }
        for text in ["", "key_prefix", "KEY-PREFIX", "key-prefix ", "key-prefix\0"] {
            assert_eq!(text.parse::<Setting>(), Err(UnknownSetting), "{text:?}");
        }
    }

    #[test]
    fn every_default_is_within_its_bounds_and_reads_back_as_it_prints() {
        for setting in Setting::ALL {
            let value = setting.default_value();
            assert_eq!(setting.parse(&value.to_string()), Ok(value), "{}", setting.name());
        }
    }

    #[test]
    fn the_defaults_of_lifetimes_are_said_once() {
        let default = |setting: Setting| setting.default_value();
        let cap = SettingValue::Number(TTL_MINUTES_DEFAULT);
        let days = SettingValue::Number(DAYS_DEFAULT.into());
        assert_eq!(default(Setting::AuthTokenMaxTtlMinutes), cap);
        assert_eq!(default(Setting::UserKeyDefaultTtlDays), days);
        assert_eq!(default(Setting::ServiceKeyDefaultTtlDays), days);
    }

    #[test]
    #[rustfmt::skip]
    fn a_value_out_of_bounds_is_told_what_they_are() {
        use Setting::{
            AuditRetentionDays, AuthTokenMaxTtlMinutes, KeyPrefix, KeysPerUserMax, MailFrom, NoticeDays,
            RotationReminderDays, ServiceKeyDefaultTtlDays, SpentBudgetStatus, UsageRetentionDays,
        };
        let days = "must be up to 10 different numbers of days from 1 to 365, such as 30,14,7,1, or none";
        let prefix = "must be a text of 2 to 12 lowercase letters, digits and hyphens that begins with a letter";
        let cases = [
            (AuthTokenMaxTtlMinutes,   "0",              None),
            (AuthTokenMaxTtlMinutes,   "52560000",       None),
            (AuthTokenMaxTtlMinutes,   "52560001",       Some("must be a whole number from 0 to 52560000")),
            (AuthTokenMaxTtlMinutes,   "-1",             Some("must be a whole number from 0 to 52560000")),
            (KeysPerUserMax,           "1",              None),
            (KeysPerUserMax,           "10000",          None),
            (KeysPerUserMax,           "0",              Some("must be a whole number from 1 to 10000")),
            (KeysPerUserMax,           "10001",          Some("must be a whole number from 1 to 10000")),
            (KeysPerUserMax,           "1.5",            Some("must be a whole number from 1 to 10000")),
            (KeysPerUserMax,           "",               Some("must be a whole number from 1 to 10000")),
            (ServiceKeyDefaultTtlDays, "3650",           None),
            (ServiceKeyDefaultTtlDays, "0",              Some("must be a whole number from 1 to 3650")),
            (SpentBudgetStatus,        "402",            None),
            (SpentBudgetStatus,        "403",            Some("must be 429 or 402")),
            (KeyPrefix,                "sk-acme",        None),
            (KeyPrefix,                "d",              Some(prefix)),
            (KeyPrefix,                "SK",             Some(prefix)),
            (KeyPrefix,                "9a",             Some(prefix)),
            (KeyPrefix,                "thirteen-char",  Some(prefix)),
            (NoticeDays,               "1,60",           None),
            (NoticeDays,               "none",           None),
            (NoticeDays,               "",               Some(days)),
            (NoticeDays,               "0",              Some(days)),
            (NoticeDays,               "7,7",            Some(days)),
            (RotationReminderDays,     "0",              None),
            (RotationReminderDays,     "3651",           Some("must be a whole number from 0 to 3650")),
            (AuditRetentionDays,       "0",              None),
            (AuditRetentionDays,       "3650",           None),
            (AuditRetentionDays,       "29",             Some("must be 0 or 30 or 60 or 90 or 180 or 365 or 730 or 1095 or 1825 or 2555 or 3650")),
            (UsageRetentionDays,       "-1",             Some("must be a whole number from 0 to 3650")),
            (MailFrom,                 "",               None),
            (MailFrom,                 "a@b.example",    None),
            (MailFrom,                 "a b@c.example",  Some("must be an e-mail address such as keys@example.com")),
        ];
        for (setting, text, refused) in cases {
            let found = setting.parse(text).err().map(|error| error.to_string());
            assert_eq!(found.as_deref(), refused, "{} {text:?}", setting.name());
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        let text = SettingValue::Text("20".to_owned());
        assert!(Setting::KeysPerUserMax.check(text).is_err());
        assert!(Setting::KeyPrefix.check(SettingValue::Number(20)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_within_bounds_and_reads_back_as_it_prints(
            setting in any_setting(),
            text in any_text(),
        ) {
            if let Ok(value) = setting.parse(&text) {
                prop_assert!(setting.check(value.clone()).is_ok());
                prop_assert_eq!(setting.parse(&value.to_string()), Ok(value));
            }
        }
    }
}
