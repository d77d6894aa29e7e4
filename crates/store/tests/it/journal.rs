//! What the journal promises when processes die, disks fill, and files are torn, changed or copied.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use doorward_domain::budget::{Amount, Budget, Overrun, Period, Spend};
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::id::{CallId, DeploymentId, OrganizationId, ProviderId};
use doorward_domain::money::NanoUsd;
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;
use doorward_store::{
    CallKey, CallRequest, Clock, GroupBy, JournalSync, KeyCaps, MasterKey, OpenCall, OpenError,
    Options, Store, StoreError, UsageFilter, UsageRow,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::harness::{START_US, TestStore, every_store};

const BUDGET_TOKENS: u64 = 1_000_000_000;

/// Data, a key and its budget, without a process.
#[derive(Debug)]
struct Data {
    dir: TempDir,
    database_url: Option<String>,
    organization: OrganizationId,
    key: KeyId,
}

/// What is booked: calls, those of them that were interrupted, and their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Booked {
    calls: u64,
    interrupted: u64,
    tokens: u64,
}

impl Data {
    /// On each engine. The store was closed: there is no journal.
    async fn on_every_engine() -> Vec<Self> {
        let mut all = Vec::new();
        for test in every_store().await {
            all.push(Self::of(test).await);
        }
        all
    }

    async fn on_sqlite() -> Self {
        let [sqlite, _] = every_store().await;
        Self::of(sqlite).await
    }

    async fn of(test: TestStore) -> Self {
        let mut new = test.new_key("ci");
        let amount = Amount::Tokens(BUDGET_TOKENS);
        new.rights.budgets = vec![Budget { amount, period: Period::Total, overrun: Overrun::Deny }];
        new.rights.limits.concurrency = NonZeroU32::new(5);
        let key = test.create_key(&test.act(), new).await.unwrap().0.id;
        test.close().await;
        let TestStore { data, database_url, first, .. } = test;
        Self { dir: data, database_url, organization: first.organization, key }
    }

    fn engine(&self) -> &'static str {
        if self.database_url.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    async fn try_open(&self, dir: &Path) -> Result<Arc<Store>, OpenError> {
        let master_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        Store::open(Options {
            data_dir: dir.to_owned(),
            database_url: self.database_url.clone().map(Into::into),
            master_key: Some(MasterKey::parse(master_key, "the test").unwrap()),
            clock: Clock::Fixed(Arc::new(AtomicI64::new(START_US))),
            time_zone: TimeZone::UTC,
            journal_sync: JournalSync::Always,
            call_keys_max: 100,
            key_caps: KeyCaps::STANDARD,
        })
        .await
    }

    /// Opens it, after the process before has gone.
    async fn open(&self) -> Arc<Store> {
        let opened = async {
            loop {
                match self.try_open(self.dir.path()).await {
                    Ok(store) => return store,
                    Err(OpenError::AlreadyRunning(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), opened).await.unwrap()
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.journal().join(format!("{number:010}.log"))
    }

    async fn booked(&self, store: &Store) -> Booked {
        self.usage(store).await.map_or_else(Booked::default, |row| Booked {
            calls: row.requests,
            interrupted: row.errors,
            tokens: row.spend.tokens,
        })
    }

    /// How many events there are.
    async fn attempts(&self, store: &Store) -> u64 {
        self.usage(store).await.map_or(0, |row| row.attempts)
    }

    async fn usage(&self, store: &Store) -> Option<UsageRow> {
        let filter = UsageFilter::all(self.organization, Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let rows = loop {
            match store.usage_report(&filter, &[GroupBy::Key]).await {
                // Many calls wait: the next attempt finds fewer.
                Err(StoreError::Behind) => {}
                answer => break answer.unwrap(),
            }
        };
        assert!(rows.len() <= 1);
        rows.into_iter().next()
    }

    /// The same as the budget knows it.
    async fn spent_tokens(&self, store: &Arc<Store>) -> u64 {
        let key = self.key(store).await;
        let all = request(u128::MAX >> 64, 0, BUDGET_TOKENS);
        let mut call = store.admit(&key, &all).unwrap().unwrap();
        let left = call.output_tokens;
        let nothing = settlement(&call, Outcome::Failed, 0);
        call.settle(&nothing);
        BUDGET_TOKENS - left
    }

    async fn key(&self, store: &Store) -> Arc<CallKey> {
        store.call_key(&self.key).await.unwrap().unwrap()
    }

    async fn admit(&self, store: &Arc<Store>, n: u128) -> OpenCall {
        let open = store.admit(&self.key(store).await, &request(n, 60, 40)).unwrap().unwrap();
        open.written().await.unwrap();
        open
    }

    async fn call(&self, store: &Arc<Store>, n: u128) {
        let mut call = self.admit(store, n).await;
        let settlement = settlement(&call, Outcome::Done, 15);
        call.settle(&settlement);
    }
}

fn request(call: u128, input_tokens: u64, output_tokens: u64) -> CallRequest<'static> {
    static FREE: Price = Price::FREE;
    static MODEL: LazyLock<Arc<str>> = LazyLock::new(|| "m".into());
    CallRequest {
        call: CallId::new(1, call),
        secret: SecretNumber::FIRST,
        model: &MODEL,
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &FREE,
        most: Usage::of_tokens(input_tokens, output_tokens),
        fixed_output_tokens: 0,
        average: None,
        address: [127, 0, 0, 1].into(),
    }
}

fn settlement(call: &OpenCall, outcome: Outcome, tokens: u64) -> Settlement {
    Settlement {
        call: call.id(),
        outcome,
        status: 200,
        usage: Usage { input_tokens: tokens, ..Usage::default() },
        spend: Spend { cost: NanoUsd::from_nanos(7), tokens },
        is_estimated: false,
        duration_us: 1_000,
        first_byte_us: 100,
    }
}

/// Every file of a folder with its content.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    all
}

/// A journal of three calls as a killed process leaves it, and what is booked of its first bytes.
struct Left {
    bytes: Vec<u8>,
    /// Where a record ends, and what is booked if it is the last one.
    ends: Vec<(usize, Booked)>,
}

impl Left {
    /// It ran on a copy: the data itself knows nothing of the calls.
    async fn by_a_killed_process(data: &Data) -> Self {
        let copy = tempfile::tempdir().unwrap();
        if data.database_url.is_none() {
            let database = data.dir.path().join("doorward.db");
            std::fs::copy(database, copy.path().join("doorward.db")).unwrap();
        }
        let store = data.try_open(copy.path()).await.unwrap();
        let segment = copy.path().join("journal/0000000001.log");
        let length = || usize::try_from(std::fs::metadata(&segment).unwrap().len()).unwrap();
        let mut ends = vec![(length(), Booked::default())];
        for n in 1..=3 {
            let mut call = data.admit(&store, n).await;
            let (calls, tokens) = (u64::try_from(n).unwrap(), ends.last().unwrap().1.tokens);
            ends.push((length(), Booked { calls, interrupted: 1, tokens: tokens + 100 }));
            let settlement = settlement(&call, Outcome::Done, 15);
            call.settle(&settlement);
            ends.push((length(), Booked { calls, interrupted: 0, tokens: tokens + 15 }));
        }
        Self { bytes: std::fs::read(&segment).unwrap(), ends }
    }

    fn booked_of(&self, end: usize) -> Booked {
        let last = self.ends.iter().rfind(|(record_end, _)| *record_end <= end);
        last.map(|(_, booked)| *booked).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_loses_nothing_before_it_and_invents_nothing() {
    let data = Data::on_sqlite().await;
    let left = Left::by_a_killed_process(&data).await;
    let (database, segment) = (data.dir.path().join("doorward.db"), data.segment(1));
    let before = std::fs::read(&database).unwrap();
    let (last_call, _) = left.ends[left.ends.len() - 3];
    for end in last_call..=left.bytes.len() {
        std::fs::write(&database, &before).unwrap();
        std::fs::write(&segment, &left.bytes[..end]).unwrap();
        let store = data.open().await;
        assert_eq!(data.booked(&store).await, left.booked_of(end), "torn at {end}");
        store.close().await;
    }
}

#[tokio::test]
async fn zeros_behind_the_last_record_stop_no_start() {
    let data = Data::on_sqlite().await;
    let left = Left::by_a_killed_process(&data).await;
    let (end, booked) = left.ends[3];
    std::fs::write(data.segment(1), [&left.bytes[..end + 20], &vec![0; 70_000]].concat()).unwrap();
    let store = data.open().await;
    assert_eq!(data.booked(&store).await, booked);
}

#[tokio::test]
async fn an_empty_file_at_the_end_stops_no_start() {
    let data = Data::on_sqlite().await;
    let left = Left::by_a_killed_process(&data).await;
    let (torn, (_, booked)) = (left.ends[5].0 - 1, left.ends[4]);
    std::fs::write(data.segment(1), &left.bytes[..torn]).unwrap();
    std::fs::write(data.segment(2), b"").unwrap();
    let store = data.open().await;
    assert_eq!(data.booked(&store).await, booked);
}

#[tokio::test]
async fn a_changed_byte_stops_the_start_and_changes_nothing() {
    let data = Data::on_sqlite().await;
    let left = Left::by_a_killed_process(&data).await;
    let record_of = |offset: usize| {
        let start = left.ends.iter().rfind(|(end, _)| *end <= offset);
        start.map_or(0, |(end, _)| *end as u64)
    };
    std::fs::write(data.segment(1), &left.bytes).unwrap();
    let middles = left.ends.windows(2).map(|ends| usize::midpoint(ends[0].0, ends[1].0));
    for offset in middles.chain([0, left.ends[0].0, left.bytes.len() - 1]) {
        let mut bytes = left.bytes.clone();
        bytes[offset] ^= 0x40;
        std::fs::write(data.segment(2), &bytes).unwrap();
        let before = files(data.dir.path());
        match data.try_open(data.dir.path()).await {
            Err(OpenError::JournalDamaged { path, offset: place }) => {
                assert_eq!((path, place), (data.segment(2), record_of(offset)));
            }
            other => panic!("byte {offset}: {other:?}"),
        }
        assert!(files(data.dir.path()) == before, "byte {offset}");
    }
    std::fs::remove_file(data.segment(2)).unwrap();
    let store = data.open().await;
    assert_eq!(data.booked(&store).await, Booked { calls: 3, interrupted: 0, tokens: 45 });
}

#[tokio::test]
async fn a_journal_that_is_copied_back_bills_nothing_twice() {
    for data in Data::on_every_engine().await {
        let store = data.open().await;
        let open = data.admit(&store, 1).await;
        for n in 2..=10 {
            data.call(&store, n).await;
        }
        let early = std::fs::read(data.segment(1)).unwrap();
        drop(open);
        data.call(&store, 11).await;
        let late = std::fs::read(data.segment(1)).unwrap();
        store.close().await;
        let booked = Booked { calls: 11, interrupted: 1, tokens: 100 + 10 * 15 };

        let mut doubled = late.clone();
        doubled.extend_from_slice(&late[8..]);
        let copies: [&[&[u8]]; 4] = [&[&early], &[&late], &[&early, &late, &late], &[&doubled]];
        for segments in copies {
            for (number, bytes) in (1..).zip(segments) {
                std::fs::write(data.segment(number), bytes).unwrap();
            }
            let store = data.open().await;
            assert_eq!(data.booked(&store).await, booked, "{}", data.engine());
            store.close().await;
        }
        let store = data.open().await;
        assert_eq!(data.spent_tokens(&store).await, booked.tokens, "{}", data.engine());
    }
}

#[tokio::test]
async fn a_record_that_stands_twice_in_a_lost_journal_is_billed_once() {
    for data in Data::on_every_engine().await {
        let left = Left::by_a_killed_process(&data).await;
        let doubled = [&left.bytes[..], &left.bytes[8..]].concat();
        std::fs::write(data.segment(1), doubled).unwrap();
        let store = data.open().await;
        let booked = Booked { calls: 3, interrupted: 0, tokens: 45 };
        assert_eq!(data.booked(&store).await, booked, "{}", data.engine());
        assert_eq!(data.spent_tokens(&store).await, 45, "{}", data.engine());
    }
}

/// The process dies: before anything is committed, after some is, and with a segment that is in the
/// database altogether. Nothing but the events' ids says what the database has.
#[tokio::test]
async fn a_process_that_dies_while_it_drains_loses_and_doubles_nothing() {
    for data in Data::on_every_engine().await {
        let mut booked = Booked::default();
        for life in 1..=4 {
            let store = data.open().await;
            assert_eq!(data.booked(&store).await, booked, "{} {life}", data.engine());
            for n in 1..=20 {
                data.call(&store, u128::from(life) * 100 + n).await;
                // A report commits what there is; the journal still has it.
                if life == 2 && n == 7 || life == 3 && n == 20 {
                    data.booked(&store).await;
                }
            }
            let segment = std::fs::metadata(data.segment(life)).unwrap();
            assert!(segment.len() > 20 * 200);
            booked =
                Booked { calls: booked.calls + 20, interrupted: 0, tokens: booked.tokens + 300 };
            drop(store);
        }
        let store = data.open().await;
        assert_eq!(data.booked(&store).await, booked, "{}", data.engine());
        assert_eq!(data.spent_tokens(&store).await, booked.tokens, "{}", data.engine());
    }
}

#[tokio::test]
async fn a_store_that_nobody_uses_any_more_goes_away() {
    for data in Data::on_every_engine().await {
        let store = data.open().await;
        data.call(&store, 1).await;
        let gone = Arc::downgrade(&store);
        drop(store);
        let store = data.open().await;
        assert!(gone.upgrade().is_none());
        let booked = Booked { calls: 1, interrupted: 0, tokens: 15 };
        assert_eq!(data.booked(&store).await, booked, "{}", data.engine());
    }
}

/// The folder of the journal is gone when the next file is to begin in it.
#[tokio::test]
async fn a_journal_that_cannot_be_written_refuses_calls_and_recovers() {
    let data = Data::on_sqlite().await;
    let store = data.open().await;
    let key = data.key(&store).await;
    let model: Arc<str> = "m".repeat(250).into();
    let try_admit = async |n| {
        let admitted = store.admit(&key, &CallRequest { model: &model, ..request(n, 60, 40) })?;
        let Ok(mut call) = admitted else { return Ok(admitted) };
        match call.written().await {
            Ok(()) => Ok(Ok(call)),
            Err(error) => {
                call.cancel();
                Err(error)
            }
        }
    };
    let (away, mut open) = (data.dir.path().join("away"), try_admit(0).await.unwrap().unwrap());
    std::fs::rename(data.journal(), &away).unwrap();
    std::fs::write(data.journal(), b"").unwrap();
    let mut calls = 1;
    let refused = loop {
        match try_admit(calls).await {
            Ok(call) => drop(call.unwrap()),
            Err(error) => break error,
        }
        calls += 1;
    };
    assert!(matches!(refused, StoreError::Journal(_)));
    // A refused call holds nothing: not of the five at a time, not of the budget.
    for n in 0..10 {
        assert!(matches!(try_admit(calls + n).await, Err(StoreError::Journal(_))));
    }
    // What is open can end.
    let done = settlement(&open, Outcome::Done, 15);
    open.settle(&done);

    std::fs::remove_file(data.journal()).unwrap();
    std::fs::rename(&away, data.journal()).unwrap();
    let mut five = Vec::new();
    for n in 0..5 {
        five.push(try_admit(calls + n).await.unwrap().unwrap());
    }
    let (denied, _) = try_admit(calls + 5).await.unwrap().unwrap_err();
    assert_eq!(denied, Denial::TooManyConcurrent(doorward_domain::bounds::BoundOf::Key));
    drop(five);
    let interrupted = u64::try_from(calls).unwrap() + 4;
    let tokens = interrupted * 100 + 15;
    let booked = Booked { calls: interrupted + 1, interrupted, tokens };
    assert_eq!(data.booked(&store).await, booked);
    assert!(!data.segment(1).exists() && data.segment(2).exists());
}

/// An attempt that reached a provider and failed: at the expense of these tokens.
fn failed(call: &OpenCall, tokens: u64) -> Settlement {
    Settlement { status: 503, ..settlement(call, Outcome::Failed, tokens) }
}

#[tokio::test]
async fn each_attempt_is_an_event_of_its_own_and_the_call_stays_one_request() {
    for data in Data::on_every_engine().await {
        let store = data.open().await;
        let mut call = data.admit(&store, 1).await;
        let (first, second) = (failed(&call, 0), failed(&call, 20));
        call.add_attempt(&first);
        call.reroute(ProviderId::new(1, 2), DeploymentId::new(1, 2));
        call.add_attempt(&second);
        // Whoever is killed here has made one call.
        let killed = std::fs::read(data.segment(1)).unwrap();
        let settlement = settlement(&call, Outcome::Done, 15);
        call.settle(&settlement);
        call.add_attempt(&second);
        let whole = std::fs::read(data.segment(1)).unwrap();
        assert_eq!(data.attempts(&store).await, 3, "{}", data.engine());
        let stats = store.stats();
        assert_eq!((stats.events_waiting, stats.events_written), (0, 1), "{}", data.engine());
        let booked = Booked { calls: 1, interrupted: 0, tokens: 35 };
        assert_eq!(data.booked(&store).await, booked, "{}", data.engine());
        assert_eq!(data.spent_tokens(&store).await, 35, "{}", data.engine());
        store.close().await;

        // However often it is replayed, also in part.
        for bytes in [&whole, &killed, &whole] {
            std::fs::write(data.segment(1), bytes).unwrap();
            let store = data.open().await;
            let found = (data.booked(&store).await, data.attempts(&store).await);
            // What `spent_tokens` asked for was a call, too.
            let calls = Booked { calls: 2, interrupted: 1, ..booked };
            assert_eq!(found, (calls, 4), "{}", data.engine());
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_call_that_dies_after_an_attempt_is_booked_with_it_once() {
    for data in Data::on_every_engine().await {
        let store = data.open().await;
        let mut call = data.admit(&store, 1).await;
        let first = failed(&call, 20);
        call.add_attempt(&first);
        let killed = std::fs::read(data.segment(1)).unwrap();
        call.cancel();
        store.close().await;
        for _ in 0..3 {
            std::fs::write(data.segment(1), &killed).unwrap();
            let store = data.open().await;
            let found = (data.booked(&store).await, data.attempts(&store).await);
            assert_eq!(found, (Booked { calls: 1, interrupted: 1, tokens: 120 }, 2));
            store.close().await;
        }
    }
}
