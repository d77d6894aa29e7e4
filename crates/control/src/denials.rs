//! Denials by policy in the audit log: somebody with the right secret asked for what the key may not
//! do, or from where it may not be used.

use std::collections::HashSet;
use std::sync::Arc;

use doorward_domain::denial::Denial;
use doorward_store::RefusedKey;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;

use crate::Control;
use crate::caller::Caller;
use crate::problem::denial_face;

/// Keys and users that are noted in one minute at most: whoever has many keys must not fill the log with them.
const PER_MINUTE_MAX: usize = 1_000;

/// What was noted in the present minute. A script that is refused over and over leaves one entry a
/// minute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Denials(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    noted: HashSet<(String, &'static str)>,
}

impl Denials {
    /// Whether this denial of a key or user is its first in this minute.
    fn is_first(&self, subject: &str, code: &'static str, at: Timestamp) -> bool {
        let mut minute = self.0.lock();
        let number = at.as_second() / 60;
        if minute.number != number {
            *minute = Minute { number, noted: HashSet::new() };
        }
        minute.noted.len() < PER_MINUTE_MAX && minute.noted.insert((subject.to_owned(), code))
    }
}

/// Notes that a key or user was denied by policy. What cannot be noted is denied all the same.
pub(crate) async fn note(control: &Control, caller: &Caller, denial: Denial) {
    // A key that ended is no matter of policy, and the rest is the data plane's.
    if !matches!(denial, Denial::InsufficientScope | Denial::AddressRefused) {
        return;
    }
    let (_, code) = denial_face(denial);
    let (subject, act) = (caller.subject(), caller.act(control.now()));
    if let Some(key) = caller.key() {
        let (organization, address) = (caller.organization(), Some(caller.address));
        let refused = RefusedKey { organization, key: key.id, code, model: None, address };
        control.store.note_refused_key(&refused);
    }
    if !control.denials.is_first(&subject, code, act.at) {
        return;
    }
    let action = if caller.key().is_some() { "key.deny" } else { "user.deny" };
    let noted = control.store.record(&act, action, &subject, json!({ "code": code })).await;
    if let Err(error) = noted {
        tracing::warn!(error = &error as &dyn std::error::Error, subject, "a denial is not noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> String {
        format!("dw_{n:016}")
    }

    #[test]
    fn each_key_is_noted_once_a_minute_for_each_reason() {
        let denials = Denials::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(denials.is_first(&key(1), "a", at(60)));
        assert!(!denials.is_first(&key(1), "a", at(119)));
        assert!(denials.is_first(&key(1), "b", at(119)));
        assert!(denials.is_first(&key(2), "a", at(119)));
        assert!(denials.is_first(&key(1), "a", at(120)));
    }

    #[test]
    fn the_log_grows_by_so_much_a_minute_at_most() {
        let denials = Denials::default();
        let noted = (0..5_000).filter(|n| denials.is_first(&key(*n), "a", Timestamp::UNIX_EPOCH));
        assert_eq!(noted.count(), PER_MINUTE_MAX);
    }
}
