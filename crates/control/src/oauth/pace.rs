//! How fast tokens are issued: each leaves an entry in the audit log, which nobody may flood.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_domain::credential::KeyId;
use jiff::Timestamp;
use parking_lot::Mutex;

/// Tokens of one key in one minute: an agent asks for one an hour.
const PER_KEY_MAX: u32 = 300;
/// Keys that are counted in one minute.
const KEYS_MAX: usize = 100_000;

/// What was issued in the present minute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    issued: HashMap<KeyId, u32>,
}

impl Pace {
    /// Counts one more token of a key, where there may be one.
    pub(crate) fn admits(&self, key: KeyId, at: Timestamp) -> bool {
        let mut minute = self.0.lock();
        let number = at.as_second() / 60;
        if minute.number != number {
            *minute = Minute { number, issued: HashMap::new() };
        }
        if minute.issued.len() >= KEYS_MAX && !minute.issued.contains_key(&key) {
            return false;
        }
        let issued = minute.issued.entry(key).or_default();
        *issued = issued.saturating_add(1);
        *issued <= PER_KEY_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_so_many_tokens_a_minute() {
        let pace = Pace::default();
        let key = |n: usize| format!("dw_{n:016}").parse().unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let issued = (0..1_000).filter(|_| pace.admits(key(1), at(60)));
        assert_eq!(issued.count(), usize::try_from(PER_KEY_MAX).unwrap());
        assert!(pace.admits(key(2), at(119)));
        assert!(!pace.admits(key(1), at(119)));
        assert!(pace.admits(key(1), at(120)));
    }
}
