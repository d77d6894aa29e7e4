//! How often somebody may try to sign in: slower with every failure, and never locked out for good.
//!
//! Failures count for each account from each address, so that whoever knows an e-mail address slows down
//! themselves and not its owner; for each address; and, far more loosely, for an account from everywhere.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::sign_in_refusal::SignInRefusal;

/// Accounts, and addresses, that are remembered: some megabytes at most.
const REMEMBERED_MAX: usize = 10_000;
/// How long tries have to wait for one another.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Tries that cost no time.
    free: u32,
    /// The longest time between two tries.
    wait_max_us: u64,
}

const PER_ACCOUNT_AND_ADDRESS: Pace = Pace { free: 5, wait_max_us: 300 * 1_000_000 };
/// Behind one address there may be a whole office.
const PER_ADDRESS: Pace = Pace { free: 30, wait_max_us: 300 * 1_000_000 };
/// From however many addresses guesses come, the owner of the account waits no longer than this.
const PER_ACCOUNT: Pace = Pace { free: 50, wait_max_us: 30 * 1_000_000 };
/// After this time without a try nothing is remembered.
const FORGOTTEN_US: u64 = 3_600 * 1_000_000;

/// The tries that did not come to a good end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<Tries>>);

#[derive(Debug, Default)]
struct Tries {
    accounts_by_address: HashMap<(String, IpAddr), Failures>,
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
        let address = network(address);
        let mut tries = self.0.lock();
        let wait_us = tries.wait_us(account, address, now_us);
        if wait_us > 0 {
            let seconds = u32::try_from(wait_us.div_ceil(1_000_000)).unwrap_or(u32::MAX);
            return Err(SignInRefusal::TooManyAttempts { retry_after_seconds: seconds });
        }
        if let Some(account) = account {
            count(&mut tries.accounts_by_address, (account.to_owned(), address), now_us);
            count(&mut tries.accounts, account.to_owned(), now_us);
        }
        count(&mut tries.addresses, address, now_us);
        Ok(())
    }

    /// Forgets what went wrong for an account that came in. Of the address only this one try: whoever
    /// has an account of their own must not try those of others without end.
    pub(crate) fn succeeded(&self, account: Option<&str>, address: IpAddr) {
        let (address, mut tries) = (network(address), self.0.lock());
        if let Some(account) = account {
            tries.accounts_by_address.remove(&(account.to_owned(), address));
            tries.accounts.remove(account);
        }
        if let Some(failures) = tries.addresses.get_mut(&address) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// How many tries at an account came to no good end.
    pub(crate) fn failures(&self, account: &str) -> u32 {
        self.0.lock().accounts.get(account).map_or(0, |failures| failures.count)
    }
}

impl Tries {
    /// Microseconds until the next try.
    fn wait_us(&self, account: Option<&str>, address: IpAddr, now_us: u64) -> u64 {
        let of_address = PER_ADDRESS.wait_us(self.addresses.get(&address), now_us);
        let Some(account) = account else { return of_address };
        let pair = self.accounts_by_address.get(&(account.to_owned(), address));
        let of_pair = PER_ACCOUNT_AND_ADDRESS.wait_us(pair, now_us);
        let of_account = PER_ACCOUNT.wait_us(self.accounts.get(account), now_us);
        of_address.max(of_pair).max(of_account)
    }
}

impl Pace {
    /// None for the free ones, then 1 s, 2 s, 4 s, … from the last.
    fn wait_us(self, failures: Option<&Failures>, now_us: u64) -> u64 {
        let Some(failures) = failures.filter(|failures| !failures.is_forgotten(now_us)) else {
            return 0;
        };
        let Some(over) = failures.count.checked_sub(self.free) else { return 0 };
        let doubled_us = 1_000_000_u64.checked_shl(over.min(20)).unwrap_or(self.wait_max_us);
        (failures.last_us + doubled_us.min(self.wait_max_us)).saturating_sub(now_us)
    }
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

    /// Fails at ada from the address that each try has, as often as that is let through, and returns the
    /// seconds before each that had to wait.
    fn waits(attempts: &Attempts, tries: u16, from: impl Fn(u16) -> IpAddr) -> Vec<u32> {
        let (mut now_us, mut waits) = (0, Vec::new());
        for n in 0..tries {
            if let Err(refused) = attempts.begin(Some("ada"), from(n), now_us) {
                let seconds = refused.retry_after_seconds().unwrap();
                let nearly_us = u64::from(seconds) * SECOND - 1;
                assert!(attempts.begin(Some("ada"), from(n), now_us + nearly_us).is_err());
                now_us += u64::from(seconds) * SECOND;
                assert!(attempts.begin(Some("ada"), from(n), now_us).is_ok());
                waits.push(seconds);
            }
        }
        waits
    }

    #[test]
    fn an_account_gets_slower_for_whoever_fails_at_it_and_for_nobody_else() {
        let attempts = Attempts::default();
        let waits = waits(&attempts, 16, |_| address(1));
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(attempts.begin(Some("bob"), address(1), 1_000 * SECOND).is_ok(), "another account");
        assert!(attempts.begin(Some("ada"), address(2), 0).is_ok(), "the owner, from elsewhere");
        assert_eq!(attempts.failures("ada"), 17);
        assert!(attempts.begin(Some("ada"), address(1), 2 * FORGOTTEN_US).is_ok());
        assert_eq!(attempts.failures("ada"), 1);
    }

    #[test]
    fn guesses_from_everywhere_slow_an_account_a_little() {
        let waits = waits(&Attempts::default(), 58, address);
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn an_address_gets_slower_also_when_one_of_its_accounts_comes_in() {
        let attempts = Attempts::default();
        for n in 0..PER_ADDRESS.free {
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
        assert!(tries.accounts_by_address.len() <= REMEMBERED_MAX);
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
