//! What a connection is doing, and for how long it may.
//!
//! The connection only writes down what it does, with plain stores; no request registers a timer.
//! A tick of the listener compares the notes with those of the tick before and cuts what stands
//! still. So a limit of 10 seconds strikes at its first tick after that: within 15 seconds.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Limits;

/// Less than this between two ticks is no answer: HTTP/2 sends pings and settings of its own.
const LITTLE_BYTES: u64 = 256;

/// What a connection waits for or works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// For the end of the TLS handshake, which has its own timer.
    Handshake,
    /// For the first byte.
    FirstByte,
    /// For the rest of a head.
    Head,
    /// For the rest of a body.
    Body,
    /// For the next head, or for the service.
    Between,
    /// HTTP/2: what passes is between the client and hyper.
    Http2,
    /// For the client to close, its unread bytes thrown away.
    Closing,
}

impl Phase {
    fn from_byte(byte: u8) -> Self {
        [Self::Handshake, Self::FirstByte, Self::Head, Self::Body, Self::Between, Self::Http2]
            .into_iter()
            .find(|phase| *phase as u8 == byte)
            .unwrap_or(Self::Closing)
    }
}

/// What the listener tells a connection. It only ever gets stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    Run,
    /// Finish what has begun, take nothing new.
    Drain,
    /// End now.
    Cut,
}

/// The notes of one connection: written by it, read by the listener.
#[derive(Debug)]
pub(super) struct Progress {
    phase: AtomicU8,
    /// Heads read; tells one head from the next that is in the same phase.
    heads: AtomicU32,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    /// The client has to send before the connection can go on.
    is_reading: AtomicBool,
    /// The client has to receive before the connection can go on.
    is_writing: AtomicBool,
    /// Requests in the service's hands, their answers' bodies included.
    calls: AtomicU32,
    /// Answers of which the client has to take a piece before the next one is asked for.
    unasked: AtomicU32,
    order: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Handshake as u8),
            heads: AtomicU32::new(0),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            is_reading: AtomicBool::new(false),
            is_writing: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            unasked: AtomicU32::new(0),
            order: AtomicU8::new(Order::Run as u8),
            waker: Mutex::new(None),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn note_heads(&self, heads: u32) {
        self.heads.store(heads, Relaxed);
    }

    pub(super) fn note_read(&self, bytes_total: u64) {
        self.is_reading.store(false, Relaxed);
        self.read_bytes.store(bytes_total, Relaxed);
    }

    pub(super) fn note_reading(&self) {
        self.is_reading.store(true, Relaxed);
    }

    pub(super) fn note_written(&self, bytes_total: u64) {
        self.is_writing.store(false, Relaxed);
        self.written_bytes.store(bytes_total, Relaxed);
    }

    pub(super) fn note_writing(&self) {
        self.is_writing.store(true, Relaxed);
    }

    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    pub(super) fn end_call(&self) {
        self.calls.fetch_sub(1, Relaxed);
    }

    /// Whether a request is in the service's hands.
    pub(super) fn has_calls(&self) -> bool {
        self.calls.load(Relaxed) > 0
    }

    pub(super) fn note_unasked(&self) {
        self.unasked.fetch_add(1, Relaxed);
    }

    pub(super) fn note_asked(&self) {
        self.unasked.fetch_sub(1, Relaxed);
    }

    pub(super) fn order(&self) -> Order {
        match self.order.load(Acquire) {
            0 => Order::Run,
            1 => Order::Drain,
            _ => Order::Cut,
        }
    }

    /// Gives an order and wakes the connection to obey it.
    pub(super) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Release);
        if let Some(waker) = self.waker.lock().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Names the connection's task, once and before it first looks at its orders. The lock makes
    /// sure that an order given meanwhile is either seen by that look or wakes the task.
    pub(super) fn obey_in(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }

    fn notes(&self) -> Notes {
        Notes {
            phase: Phase::from_byte(self.phase.load(Relaxed)),
            heads: self.heads.load(Relaxed),
            calls: self.calls.load(Relaxed),
            unasked: self.unasked.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
            is_reading: self.is_reading.load(Relaxed),
            is_writing: self.is_writing.load(Relaxed),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Notes {
    phase: Phase,
    heads: u32,
    calls: u32,
    unasked: u32,
    read_bytes: u64,
    written_bytes: u64,
    is_reading: bool,
    is_writing: bool,
}

impl Notes {
    fn is_same_wait(&self, other: &Self) -> bool {
        (self.phase, self.heads, self.is_busy()) == (other.phase, other.heads, other.is_busy())
    }

    /// Whether the client has to take something and took nothing. Over HTTP/2 it may refuse an answer
    /// by its window and still read: what passes then is little.
    fn has_stalled(&self, before: &Self) -> bool {
        let passed = self.written_bytes.saturating_sub(before.written_bytes);
        let is_held_back = self.phase == Phase::Http2 && self.unasked > 0;
        self.is_writing && passed == 0 || is_held_back && passed < LITTLE_BYTES
    }

    /// Whether the connection waits for something else than the client's next request.
    fn is_busy(&self) -> bool {
        self.calls > 0 || self.is_writing
    }
}

/// The listener's memory of one connection from tick to tick.
#[derive(Debug)]
pub(super) struct Watch {
    last: Notes,
    looked_at: Instant,
    waiting_since: Instant,
    stalled_since: Instant,
    /// How much longer the body may be late; earned by bytes, spent by time.
    body_patience: Duration,
}

impl Watch {
    pub(super) fn new(progress: &Progress, now: Instant, limits: &Limits) -> Self {
        Self {
            last: progress.notes(),
            looked_at: now,
            waiting_since: now,
            stalled_since: now,
            body_patience: limits.body_grace,
        }
    }

    /// What to tell the connection, one tick after the last look.
    pub(super) fn look(&mut self, progress: &Progress, now: Instant, limits: &Limits) -> Order {
        let notes = progress.notes();
        if notes.is_same_wait(&self.last) {
            self.spend_patience(&notes, now, limits);
        } else {
            self.waiting_since = now;
            self.body_patience = limits.body_grace;
        }
        if !notes.has_stalled(&self.last) {
            self.stalled_since = now;
        }
        self.last = notes;
        self.looked_at = now;
        if now - self.stalled_since >= limits.write_stall {
            return Order::Cut;
        }
        self.judge_wait(now - self.waiting_since, limits)
    }

    /// A body earns a second for each `body_bytes_per_second_min` and spends the seconds in which we
    /// wait for it, so neither a burst at the start nor our own slowness counts for or against it
    /// for longer than the grace.
    fn spend_patience(&mut self, notes: &Notes, now: Instant, limits: &Limits) {
        let bytes = notes.read_bytes.saturating_sub(self.last.read_bytes);
        let earned_us = bytes.saturating_mul(1_000_000) / limits.body_bytes_per_second_min.max(1);
        let patience = self.body_patience.saturating_add(Duration::from_micros(earned_us));
        self.body_patience = patience.min(limits.body_grace);
        if notes.phase == Phase::Body && notes.is_reading {
            self.body_patience = self.body_patience.saturating_sub(now - self.looked_at);
        }
    }

    fn judge_wait(&self, waited: Duration, limits: &Limits) -> Order {
        let after = |limit: Duration, order| if waited >= limit { order } else { Order::Run };
        match (self.last.phase, self.last.is_busy()) {
            (Phase::FirstByte, _) => after(limits.first_byte, Order::Cut),
            (Phase::Head, false) => after(limits.head, Order::Cut),
            (Phase::Body, _) if self.body_patience.is_zero() => Order::Cut,
            (Phase::Between, false) => after(limits.idle, Order::Cut),
            // A GOAWAY first, and the end if the client does not take it.
            (Phase::Http2, false) if waited >= limits.idle * 2 => Order::Cut,
            (Phase::Http2, false) => after(limits.idle, Order::Drain),
            (Phase::Closing, _) => after(limits.linger, Order::Cut),
            (Phase::Handshake | Phase::Body, _)
            | (Phase::Head | Phase::Between | Phase::Http2, true) => Order::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_secs(5);

    /// Ticks until the order, while `act` goes on before each of them.
    fn ticks_until(order: Order, progress: &Progress, mut act: impl FnMut()) -> Option<u32> {
        let mut now = Instant::now();
        let limits = &Limits::STANDARD;
        let mut watch = Watch::new(progress, now, limits);
        (1..=100).find(|_| {
            now += TICK;
            act();
            watch.look(progress, now, limits) == order
        })
    }

    fn in_phase(phase: Phase) -> Progress {
        let progress = Progress::new();
        progress.enter(phase);
        progress
    }

    #[test]
    fn standing_still_is_cut_within_a_tick_after_the_limit() {
        #[rustfmt::skip]
        let cases = [
            // phase            order         ticks, of which the first notices the phase
            (Phase::Handshake,  Order::Cut,   None), // it has its own timer
            (Phase::FirstByte,  Order::Cut,   Some(3)),
            (Phase::Head,       Order::Cut,   Some(3)),
            (Phase::Between,    Order::Cut,   Some(16)),
            (Phase::Http2,      Order::Drain, Some(16)),
            (Phase::Http2,      Order::Cut,   Some(31)),
            (Phase::Closing,    Order::Cut,   Some(2)),
        ];
        for (phase, order, expected) in cases {
            let progress = Progress::new();
            let ticks = ticks_until(order, &progress, || progress.enter(phase));
            assert_eq!(ticks, expected, "{phase:?} {order:?}");
        }
    }

    #[test]
    fn a_connection_at_work_is_never_idle() {
        for phase in [Phase::Between, Phase::Http2, Phase::Head] {
            let progress = in_phase(phase);
            progress.begin_call();
            assert_eq!(ticks_until(Order::Cut, &progress, || ()), None, "{phase:?}");
            progress.end_call();
            assert!(ticks_until(Order::Cut, &progress, || ()).is_some(), "{phase:?}");
        }
    }

    #[test]
    fn a_new_head_starts_the_clock_anew() {
        let progress = in_phase(Phase::Head);
        let mut heads = 0;
        let next_head = || {
            heads += 1;
            progress.note_heads(heads);
        };
        assert_eq!(ticks_until(Order::Cut, &progress, next_head), None);
    }

    #[test]
    fn a_body_must_keep_its_pace_while_we_wait_for_it() {
        #[rustfmt::skip]
        let cases = [
            // bytes per tick, at first, we wait  ticks
            (0,                0,        true,    Some(2)),
            (5 * 1024,         0,        true,    None),
            (4 * 1024,         0,        true,    Some(6)),
            (1,                1 << 30,  true,    Some(3)), // no credit for a fast start
            (0,                0,        false,   None),    // we are the slow ones
        ];
        for (pace, at_first, is_waiting, expected) in cases {
            let progress = in_phase(Phase::Body);
            let mut read = at_first;
            progress.note_read(read);
            let ticks = ticks_until(Order::Cut, &progress, || {
                read += pace;
                progress.note_read(read);
                if is_waiting {
                    progress.note_reading();
                }
            });
            assert_eq!(ticks, expected, "{pace} {at_first} {is_waiting}");
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_is_cut_and_a_slow_one_is_not() {
        for (pace, expected) in [(0, Some(6)), (1, None)] {
            let progress = in_phase(Phase::Between);
            progress.begin_call();
            let mut written = 0;
            progress.note_writing();
            let ticks = ticks_until(Order::Cut, &progress, || {
                written += pace;
                progress.note_written(written);
                progress.note_writing();
            });
            assert_eq!(ticks, expected, "{pace}");
        }
    }

    #[test]
    fn over_http2_who_reads_but_takes_no_answer_is_cut() {
        for (pace, is_unasked, expected) in
            [(17, true, Some(6)), (1_000, true, None), (17, false, None)]
        {
            let progress = in_phase(Phase::Http2);
            progress.begin_call();
            if is_unasked {
                progress.note_unasked();
            }
            let mut written = 0;
            let ticks = ticks_until(Order::Cut, &progress, || {
                written += pace;
                progress.note_written(written);
            });
            assert_eq!(ticks, expected, "{pace} {is_unasked}");
        }
    }

    #[test]
    fn orders_only_get_stricter() {
        let progress = Progress::new();
        progress.give(Order::Cut);
        progress.give(Order::Drain);
        assert_eq!(progress.order(), Order::Cut);
    }
}
