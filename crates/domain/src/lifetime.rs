//! How long a key lives: what was asked for, under the organization's cap.

use jiff::{SignedDuration, Timestamp};

/// 90 days: the cap unless the operator sets another, and the default life of a service key.
pub const TTL_MINUTES_DEFAULT: u64 = 129_600;

/// What a request says about the end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// Nothing.
    Unsaid,
    /// A number of days from now.
    Days(i64),
    /// An instant.
    At(Timestamp),
    /// No end.
    Never,
}

/// When a key ends, as decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The instant. `None`: never, possible only without a cap.
    pub at: Option<Timestamp>,
    /// Whether the cap shortened what was asked for; the answer to the client says so.
    pub is_clamped: bool,
}

/// A wish that has no meaning where no cap gives it one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key lives for at least one day, or says that it never expires")]
pub struct NoLifetime;

/// Decides the end of a key made at `now`, under a cap in minutes (0: no cap).
///
/// With a cap, whatever is not a shorter lifetime means the cap: zero, negative, too large, never.
/// Without one, an unsaid end is 90 days, `Never` is never, and zero or less is refused rather than
/// read as immortal. An instant in the past stays as it is: the caller refuses it by name.
pub fn resolve(
    requested: Requested,
    cap_minutes: u64,
    now: Timestamp,
) -> Result<Expiry, NoLifetime> {
    let cap = cap_at(cap_minutes, now);
    let wanted = match requested {
        Requested::Unsaid => {
            return Ok(Expiry { at: Some(default_at(cap, now)), is_clamped: false });
        }
        Requested::Days(days) if days > 0 => after_hours(now, days.checked_mul(24)),
        Requested::Days(_) => cap.map(|_| None).ok_or(NoLifetime)?,
        Requested::At(at) => Some(at),
        Requested::Never => None,
    };
    Ok(match (wanted, cap) {
        (wanted, None) => Expiry { at: wanted, is_clamped: false },
        (Some(at), Some(cap)) if at <= cap => Expiry { at: Some(at), is_clamped: false },
        (_, Some(cap)) => Expiry { at: Some(cap), is_clamped: true },
    })
}

/// `None` where no cap is set; a cap beyond the end of time is the end of time.
fn cap_at(cap_minutes: u64, now: Timestamp) -> Option<Timestamp> {
    let minutes = i64::try_from(cap_minutes).unwrap_or(i64::MAX);
    (minutes > 0).then(|| {
        let seconds = minutes.checked_mul(60).map(SignedDuration::from_secs);
        seconds.and_then(|s| now.checked_add(s).ok()).unwrap_or(Timestamp::MAX)
    })
}

fn default_at(cap: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let default = cap_at(TTL_MINUTES_DEFAULT, now).unwrap_or(Timestamp::MAX);
    cap.map_or(default, |cap| cap.min(default))
}

/// `None` where the sum leaves the calendar: as good as never.
fn after_hours(now: Timestamp, hours: Option<i64>) -> Option<Timestamp> {
    let seconds = hours?.checked_mul(3_600)?;
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}
