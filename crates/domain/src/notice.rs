//! Notices: what people and programs are told by mail or webhook, and how often that is tried.

use std::str::FromStr;

use jiff::SignedDuration;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::words::words;

/// Attempts to deliver one notice, the first one included. After the last one it is dead, and goes out
/// again only when somebody asks for it.
pub const ATTEMPTS_MAX: u32 = 8;
/// How long a notice waits after its first attempt, its second, and so on; together about a day and a
/// half, so that a receiver may be gone for a night.
const WAITS_SECONDS: [u32; ATTEMPTS_MAX as usize - 1] =
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400];
/// A wait is longer by up to a part of so much, so that what failed together does not come again
/// together.
const JITTER_PART: u64 = 4;

/// What a notice tells. The text is stored and sent, and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// An API key ends soon.
    KeyExpiring,
    /// The secret of an API key has been in use for as long as an administrator allows.
    KeyRotationDue,
    /// So much of a budget is spent.
    BudgetThreshold,
    /// A holder of an API key asks for higher limits.
    IncreaseAsked,
    /// They got them, or some.
    IncreaseGranted,
    /// They did not.
    IncreaseDeclined,
    /// What they got for a while is taken back before its end.
    IncreaseEnded,
    /// Somebody is to set their first password.
    UserInvitation,
    /// An administrator lets somebody set a new one.
    UserReset,
    /// Somebody has forgotten theirs.
    UserRequestedReset,
    /// Somebody wants to see whether a webhook works.
    WebhookTest,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeState {
    /// It goes out at its next attempt.
    Waiting,
    /// The receiver has it.
    Sent,
    /// It could not be delivered, and is not tried again by itself.
    Dead,
    /// What it tells was no longer so when it was to go out.
    Obsolete,
}

/// Why an attempt failed. These words are all that is kept of it: neither what a receiver said, nor
/// anything of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryFault {
    /// No mail server is configured, or no address to send from is set.
    NoMailServer,
    /// The recipient or the sender is no address that a mail can carry.
    BadAddress,
    /// The name of the host has no address.
    NotResolved,
    /// The host stands where webhooks may not go.
    AddressNotAllowed,
    /// There is no connection, or it broke.
    ConnectionFailed,
    /// The other side did not answer in time.
    TimedOut,
    /// The other side proved no identity that is trusted.
    TlsFailed,
    /// The other side does not speak the protocol.
    Malformed,
    /// The receiver sent us elsewhere, where we do not go.
    Redirected,
    /// The receiver answered with another status than one from 200 to 299.
    BadStatus,
    /// The receiver said that nothing is to be sent there any more.
    Gone,
    /// The mail server said: not now.
    MailDeferred,
    /// The mail server said: never.
    MailRefused,
    /// The mail server does not take our user and password.
    MailLogin,
}

/// The kinds, for whoever named none.
const KINDS: &str = "api_key.expiring, api_key.rotation_due, budget.threshold, \
    limit_increase.asked, limit_increase.granted, limit_increase.declined, limit_increase.ended, user.invitation, \
    user.reset, user.requested_reset and webhook.test";

/// A text that names no kind of notice, no state and no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {0}")]
pub struct UnknownWord(&'static str);

impl utoipa::ToSchema for NoticeKind {}

impl utoipa::PartialSchema for NoticeKind {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.map(Self::as_str))
    }
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::KeyExpiring,
        Self::KeyRotationDue,
        Self::BudgetThreshold,
        Self::IncreaseAsked,
        Self::IncreaseGranted,
        Self::IncreaseDeclined,
        Self::IncreaseEnded,
        Self::UserInvitation,
        Self::UserReset,
        Self::UserRequestedReset,
        Self::WebhookTest,
    ];

    /// The text form; webhooks carry it as `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyExpiring => "api_key.expiring",
            Self::KeyRotationDue => "api_key.rotation_due",
            Self::BudgetThreshold => "budget.threshold",
            Self::IncreaseAsked => "limit_increase.asked",
            Self::IncreaseGranted => "limit_increase.granted",
            Self::IncreaseDeclined => "limit_increase.declined",
            Self::IncreaseEnded => "limit_increase.ended",
            Self::UserInvitation => "user.invitation",
            Self::UserReset => "user.reset",
            Self::UserRequestedReset => "user.requested_reset",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// Whether it carries a secret: it goes by mail only, and cannot go again once it is dead, for the
    /// secret is forgotten then.
    pub const fn carries_secret(self) -> bool {
        match self {
            Self::UserInvitation | Self::UserReset | Self::UserRequestedReset => true,
            Self::KeyExpiring
            | Self::KeyRotationDue
            | Self::BudgetThreshold
            | Self::IncreaseAsked
            | Self::IncreaseGranted
            | Self::IncreaseDeclined
            | Self::IncreaseEnded
            | Self::WebhookTest => false,
        }
    }
}

impl utoipa::ToSchema for NoticeState {}

impl utoipa::PartialSchema for NoticeState {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.map(Self::as_str))
    }
}

impl NoticeState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Sent, Self::Dead, Self::Obsolete];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Obsolete => "obsolete",
        }
    }
}

impl utoipa::ToSchema for DeliveryFault {}

impl utoipa::PartialSchema for DeliveryFault {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.map(Self::as_str))
    }
}

impl DeliveryFault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::NoMailServer,
        Self::BadAddress,
        Self::NotResolved,
        Self::AddressNotAllowed,
        Self::ConnectionFailed,
        Self::TimedOut,
        Self::TlsFailed,
        Self::Malformed,
        Self::Redirected,
        Self::BadStatus,
        Self::Gone,
        Self::MailDeferred,
        Self::MailRefused,
        Self::MailLogin,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMailServer => "no_mail_server",
            Self::BadAddress => "bad_address",
            Self::NotResolved => "not_resolved",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::ConnectionFailed => "connection_failed",
            Self::TimedOut => "timed_out",
            Self::TlsFailed => "tls_failed",
            Self::Malformed => "malformed",
            Self::Redirected => "redirected",
            Self::BadStatus => "bad_status",
            Self::Gone => "gone",
            Self::MailDeferred => "mail_deferred",
            Self::MailRefused => "mail_refused",
            Self::MailLogin => "mail_login",
        }
    }

    /// Whether another attempt would end the same way: somebody has to change something first.
    pub const fn is_final(self) -> bool {
        match self {
            Self::NoMailServer | Self::BadAddress | Self::Gone | Self::MailRefused => true,
            Self::NotResolved
            | Self::AddressNotAllowed
            | Self::ConnectionFailed
            | Self::TimedOut
            | Self::TlsFailed
            | Self::Malformed
            | Self::Redirected
            | Self::BadStatus
            | Self::MailDeferred
            | Self::MailLogin => false,
        }
    }
}

impl FromStr for NoticeKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(UnknownWord(KINDS))
    }
}

impl FromStr for NoticeState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownWord("waiting, sent, dead and obsolete"))
    }
}

impl FromStr for DeliveryFault {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|fault| fault.as_str() == text);
        found.ok_or(UnknownWord("the faults of a delivery"))
    }
}

/// How long a notice waits after its `attempts`-th attempt failed; `None`: it is dead. `random` decides
/// on the part by which the wait is longer.
pub fn retry_after(attempts: u32, random: u64) -> Option<SignedDuration> {
    let place = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let wait_ms = u64::from(*WAITS_SECONDS.get(place)?) * 1_000;
    let jitter_ms = random % (wait_ms / JITTER_PART + 1);
    Some(SignedDuration::from_millis(i64::try_from(wait_ms + jitter_ms).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_told_apart_and_read_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for state in NoticeState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for fault in DeliveryFault::ALL {
            assert_eq!(fault.as_str().parse(), Ok(fault));
        }
        assert!("Sent".parse::<NoticeState>().is_err());
        let refused = "x".parse::<NoticeState>().unwrap_err().to_string();
        assert_eq!(refused, "must be one of waiting, sent, dead and obsolete");
        assert!(NoticeKind::ALL.iter().all(|kind| KINDS.contains(kind.as_str())));
    }

    #[test]
    fn attempts_end() {
        assert_eq!(retry_after(0, 0), None);
        assert_eq!(retry_after(1, 0), Some(SignedDuration::from_secs(5)));
        assert_eq!(retry_after(7, 0), Some(SignedDuration::from_hours(14)));
        assert_eq!(retry_after(ATTEMPTS_MAX, 0), None);
        assert_eq!(retry_after(u32::MAX, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_wait_is_longer_by_a_quarter_at_most_and_each_longer_than_the_one_before(
            attempts in 2..ATTEMPTS_MAX,
            randoms in any::<(u64, u64)>(),
        ) {
            let least = retry_after(attempts, 0).unwrap();
            let wait = retry_after(attempts, randoms.0).unwrap();
            prop_assert!(wait >= least && wait <= least * 5 / 4);
            prop_assert!(retry_after(attempts - 1, randoms.1).unwrap() < wait);
        }
    }
}
