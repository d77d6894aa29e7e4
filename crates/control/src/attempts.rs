//! How often somebody may try to sign in: each account and each address by itself, slower with every
//! failure, and never locked out for good.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::sign_in_refusal::SignInRefusal;

/// Accounts, and addresses, that are remembered: some megabytes at most.
const REMEMBERED_MAX: usize = 10_000;
/// Tries that cost no time. Behind one address there may be a whole office.
const FREE_PER_ACCOUNT: u32 = 5;
const FREE_PER_ADDRESS: u32 = 30;
/// The longest time between two tries.
const WAIT_MAX_US: u64 = 300 * 1_000_000;
/// After this time without a try nothing is remembered.
const FORGOTTEN_US: u64 = 3_600 * 1_000_000;

/// The tries that did not come to a good end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<Tries>>);

#[derive(Debug, Default)]
struct Tries {
    accounts: HashMap<String, Failures>,
    addresses: HashMap<IpAddr, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_us: u64,
}

impl Attempts {
    /// Counts a try before it is made, so that many at once are many; [`succeeded`](Self::succeeded)
    /// takes it back. Refused while the account or the address has to wait.
    pub(crate) fn begin(
        &self,
        account: Option<&str>,
        address: IpAddr,
        now_us: u64,
    ) -> Result<(), SignInRefusal> {
        let (account, address) = (account.map(str::to_owned), network(address));
        let mut tries = self.0.lock();
        let of_account = account
            .as_ref()
            .map_or(0, |account| wait_us(tries.accounts.get(account), FREE_PER_ACCOUNT, now_us));
        let of_address = wait_us(tries.addresses.get(&address), FREE_PER_ADDRESS, now_us);
        let wait_us = of_account.max(of_address);
        if wait_us > 0 {
            let seconds = u32::try_from(wait_us.div_ceil(1_000_000)).unwrap_or(u32::MAX);
            return Err(SignInRefusal::TooManyAttempts { retry_after_seconds: seconds });
        }
        if let Some(account) = account {
            count(&mut tries.accounts, account, now_us);
        }
        count(&mut tries.addresses, address, now_us);
        Ok(())
    }

    /// Forgets what went wrong for an account that came in. Of the address only this one try: whoever
    /// has an account of their own must not try those of others without end.
    pub(crate) fn succeeded(&self, account: Option<&str>, address: IpAddr) {
        let mut tries = self.0.lock();
        if let Some(account) = account {
            tries.accounts.remove(account);
        }
        if let Some(failures) = tries.addresses.get_mut(&network(address)) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// How many tries at an account came to no good end.
    pub(crate) fn failures(&self, account: &str) -> u32 {
        self.0.lock().accounts.get(account).map_or(0, |failures| failures.count)
    }
}

/// Microseconds until the next try: none for the free ones, then 1 s, 2 s, 4 s, … from the last.
fn wait_us(failures: Option<&Failures>, free: u32, now_us: u64) -> u64 {
    let Some(failures) = failures.filter(|failures| !failures.is_forgotten(now_us)) else {
        return 0;
    };
    let Some(over) = failures.count.checked_sub(free) else { return 0 };
    let wait_us = 1_000_000_u64.checked_shl(over.min(20)).unwrap_or(WAIT_MAX_US).min(WAIT_MAX_US);
    (failures.last_us + wait_us).saturating_sub(now_us)
}

impl Failures {
    fn is_forgotten(self, now_us: u64) -> bool {
        self.last_us + FORGOTTEN_US <= now_us
    }
}

fn count<K: Eq + Hash + Clone>(all: &mut HashMap<K, Failures>, key: K, now_us: u64) {
    if !all.contains_key(&key) && all.len() >= REMEMBERED_MAX {
        make_room(all, now_us);
    }
    let failures = all.entry(key).or_insert(Failures { count: 0, last_us: now_us });
    if failures.is_forgotten(now_us) {
        failures.count = 0;
    }
    *failures = Failures { count: failures.count.saturating_add(1), last_us: now_us };
}

/// Forgets what is old, or else the half with the fewest failures: who fills the memory with names
/// makes us forget those names.
fn make_room<K: Eq + Hash + Clone>(all: &mut HashMap<K, Failures>, now_us: u64) {
    all.retain(|_, failures| !failures.is_forgotten(now_us));
    if all.len() < REMEMBERED_MAX {
        return;
    }
    let mut counts: Vec<u32> = all.values().map(|failures| failures.count).collect();
    counts.sort_unstable();
    let median = counts.get(counts.len() / 2).copied().unwrap_or_default();
    let mut left = all.len() / 2;
    all.retain(|_, failures| {
        let goes = failures.count <= median && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn address(last: u16) -> IpAddr {
        let [high, low] = last.to_be_bytes();
        IpAddr::from([192, 0, high, low])
    }

    fn retry_after(refused: Result<(), SignInRefusal>) -> u32 {
        refused.unwrap_err().retry_after_seconds().unwrap()
    }

    #[test]
    fn an_account_gets_slower_with_every_failure_and_is_never_locked() {
        let attempts = Attempts::default();
        let mut now_us = 0;
        let try_once = |n: u16, now_us| attempts.begin(Some("ada"), address(n), now_us);
        for n in 0..5 {
            assert!(try_once(n, now_us).is_ok(), "{n}");
        }
        let mut waits = Vec::new();
        for n in 5..16 {
            let seconds = retry_after(try_once(n, now_us));
            assert!(try_once(n, now_us + u64::from(seconds) * SECOND - 1).is_err());
            now_us += u64::from(seconds) * SECOND;
            assert!(try_once(n, now_us).is_ok());
            waits.push(seconds);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(attempts.begin(Some("bob"), address(1), now_us).is_ok(), "others do not wait");
        assert_eq!(attempts.failures("ada"), 16);
        assert!(try_once(99, now_us + FORGOTTEN_US).is_ok());
        assert_eq!(attempts.failures("ada"), 1);
    }

    #[test]
    fn an_address_gets_slower_also_when_one_of_its_accounts_comes_in() {
        let attempts = Attempts::default();
        for n in 0..FREE_PER_ADDRESS {
            attempts.begin(Some(&format!("a{n}")), address(1), 0).unwrap();
            if attempts.begin(Some("own"), address(1), 0).is_ok() {
                attempts.succeeded(Some("own"), address(1));
            }
        }
        assert_eq!(retry_after(attempts.begin(Some("b"), address(1), 0)), 1);
        assert!(attempts.begin(Some("b"), address(2), 0).is_ok());
    }

    #[test]
    fn a_good_end_forgets_the_failures_of_the_account() {
        let attempts = Attempts::default();
        for _ in 0..20 {
            attempts.begin(Some("ada"), address(1), 0).unwrap();
            attempts.succeeded(Some("ada"), address(1));
        }
        assert_eq!(attempts.failures("ada"), 0);
    }

    #[test]
    fn memory_is_bounded_and_those_with_most_failures_are_kept() {
        let attempts = Attempts::default();
        for n in 0..5 {
            attempts.begin(Some("victim"), address(n), 0).unwrap();
        }
        for n in 0..30_000_u32 {
            let address = IpAddr::from((n + 1_000).to_be_bytes());
            attempts.begin(Some(&n.to_string()), address, 0).ok();
        }
        let tries = attempts.0.lock();
        assert!(tries.accounts.len() <= REMEMBERED_MAX && tries.addresses.len() <= REMEMBERED_MAX);
        assert!(tries.accounts.contains_key("victim"));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let elsewhere: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_ne!(network(one), network(elsewhere));
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            network("192.0.2.1".parse().unwrap())
        );
    }
}
