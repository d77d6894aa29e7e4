//! What a project keeps of its calls' prompts and answers.

use std::fmt;
use std::ops::RangeInclusive;

/// How many days prompts and answers can be kept: whoever keeps them is to say until when, and a year is
/// longer than any of them is looked at.
pub const RETENTION_DAYS: RangeInclusive<u16> = 1..=365;

/// A project's choice to keep what its calls ask and are answered. Without one, nothing is kept.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PromptPolicy {
    /// How long each is kept, in days.
    #[schema(value_type = u16, minimum = 1, maximum = 365)]
    pub retention_days: RetentionDays,
    /// Whether e-mail addresses and the numbers of cards and phones are taken out; keys always are.
    pub redact: bool,
}

/// A number of days within [`RETENTION_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u64")]
pub struct RetentionDays(u16);

/// A number of days that is too few or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongDays;

impl fmt::Display for WrongDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {} to {} days", RETENTION_DAYS.start(), RETENTION_DAYS.end())
    }
}

impl std::error::Error for WrongDays {}

impl RetentionDays {
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u64> for RetentionDays {
    type Error = WrongDays;

    fn try_from(days: u64) -> Result<Self, WrongDays> {
        let days = u16::try_from(days).map_err(|_| WrongDays)?;
        RETENTION_DAYS.contains(&days).then_some(Self(days)).ok_or(WrongDays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_days_that_can_be_kept_and_whether_it_redacts() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"retention_days":1,"redact":true}"#,            Some((1, true))),
            (r#"{"retention_days":365,"redact":false}"#,         Some((365, false))),
            (r#"{"retention_days":0,"redact":true}"#,            None),
            (r#"{"retention_days":366,"redact":true}"#,          None),
            (r#"{"retention_days":65537,"redact":true}"#,        None),
            (r#"{"retention_days":-1,"redact":true}"#,           None),
            (r#"{"retention_days":30}"#,                         None),
            (r#"{"redact":true}"#,                               None),
            (r#"{"retention_days":30,"redact":true,"x":1}"#,     None),
        ];
        for (text, expected) in cases {
            let read = serde_json::from_str::<PromptPolicy>(text).ok();
            let told = read.map(|policy| (policy.retention_days.get(), policy.redact));
            assert_eq!(told, expected, "{text}");
            if let Some(policy) = read {
                assert_eq!(serde_json::to_string(&policy).unwrap(), text);
            }
        }
    }
}
