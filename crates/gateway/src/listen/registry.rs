//! The open connections: how many there may be, and the orders they get.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use parking_lot::Mutex;

use super::Limits;
use super::progress::{Order, Progress, Watch};

/// Counters of a listener since it was bound.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    accept_errors: AtomicU64,
}

impl Stats {
    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Connections that were given a seat.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections closed at once because of a cap.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Connections that a time limit ended, idle ones among them.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Relaxed)
    }

    /// Times that the operating system could not give us a connection, as when files run out.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Relaxed)
    }

    pub(super) fn note_accept_error(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }
}

/// The table of open connections.
#[derive(Debug)]
pub(super) struct Registry {
    table: Mutex<Table>,
    limits: Limits,
    stats: Arc<Stats>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    connections: HashMap<u64, (Arc<Progress>, Watch)>,
    /// Connections per address, for those that are counted.
    by_address: HashMap<IpAddr, usize>,
}

/// A place in the table, given up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) progress: Arc<Progress>,
    registry: Arc<Registry>,
    number: u64,
    address: Option<IpAddr>,
}

impl Registry {
    pub(super) fn new(limits: Limits, stats: Arc<Stats>) -> Self {
        Self { table: Mutex::new(Table::default()), limits, stats }
    }

    /// A seat for a new connection; `None` when it would exceed a cap.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr, now: Instant) -> Option<Seat> {
        let address = counted_address(peer.ip());
        let mut table = self.table.lock();
        if !table.has_room(address, &self.limits) {
            self.stats.refused.fetch_add(1, Relaxed);
            return None;
        }
        if let Some(address) = address {
            *table.by_address.entry(address).or_default() += 1;
        }
        let progress = Arc::new(Progress::new());
        let watch = Watch::new(&progress, now, &self.limits);
        let number = table.next;
        table.next += 1;
        table.connections.insert(number, (Arc::clone(&progress), watch));
        self.stats.accepted.fetch_add(1, Relaxed);
        self.stats.open.fetch_add(1, Relaxed);
        Some(Seat { progress, registry: Arc::clone(self), number, address })
    }

    /// Looks at every connection and cuts those that stand still.
    pub(super) fn tick(&self, now: Instant) {
        for (progress, watch) in self.table.lock().connections.values_mut() {
            let order = watch.look(progress, now, &self.limits);
            if order > progress.order() {
                self.stats.timed_out.fetch_add(1, Relaxed);
                progress.give(order);
            }
        }
    }

    pub(super) fn give_all(&self, order: Order) {
        for (progress, _) in self.table.lock().connections.values() {
            progress.give(order);
        }
    }
}

impl Table {
    fn has_room(&self, address: Option<IpAddr>, limits: &Limits) -> bool {
        let here = address.and_then(|address| self.by_address.get(&address)).unwrap_or(&0);
        self.connections.len() < limits.connections_max
            && *here < limits.connections_per_address_max
    }

    fn leave(&mut self, address: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.registry.table.lock();
        table.connections.remove(&self.number);
        if let Some(address) = self.address {
            table.leave(address);
        }
        self.registry.stats.open.fetch_sub(1, Relaxed);
    }
}

/// What the cap per address counts: an IPv4 address, or an IPv6 network of 64 bits, which is what
/// one customer gets. Loopback is not counted: behind a local proxy everybody comes from there.
fn counted_address(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(address) => (!address.is_loopback()).then_some(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            (!address.is_loopback()).then_some(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(connections_max: usize, connections_per_address_max: usize) -> Arc<Registry> {
        let limits = Limits { connections_max, connections_per_address_max, ..Limits::STANDARD };
        Arc::new(Registry::new(limits, Arc::default()))
    }

    fn admit(registry: &Arc<Registry>, address: &str) -> Option<Seat> {
        registry.admit(SocketAddr::new(address.parse().unwrap(), 1), Instant::now())
    }

    #[test]
    fn a_seat_given_up_can_be_taken_again() {
        let registry = registry(1, 1);
        let seat = admit(&registry, "192.0.2.1").unwrap();
        assert!(admit(&registry, "192.0.2.2").is_none());
        drop(seat);
        assert!(admit(&registry, "192.0.2.2").is_some());
        assert!(registry.table.lock().by_address.is_empty());
        let stats = &registry.stats;
        assert_eq!((stats.open(), stats.accepted(), stats.refused()), (0, 2, 1));
    }

    #[test]
    fn one_address_in_any_spelling_takes_its_share_only() {
        #[rustfmt::skip]
        let cases = [
            // first             second              both fit
            ("192.0.2.1",        "192.0.2.2",        true),
            ("192.0.2.1",        "192.0.2.1",        false),
            ("192.0.2.1",        "::ffff:192.0.2.1", false),
            ("2001:db8::1",      "2001:db8:0:1::1",  true),
            ("2001:db8::1",      "2001:db8::ffff:2", false),
            ("127.0.0.1",        "127.0.0.1",        true),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1", true),
            ("::1",              "::1",              true),
        ];
        for (first, second, both_fit) in cases {
            let registry = registry(10, 1);
            let _first = admit(&registry, first).unwrap();
            assert_eq!(admit(&registry, second).is_some(), both_fit, "{first} {second}");
        }
    }
}
