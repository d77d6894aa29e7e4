//! The list of keys against a naive model: whatever is asked for, its pages are what looking at each
//! key in turn would give.

use std::cmp::Ordering;

use doorward_domain::key::{ApiKey, KeyStatus, Owner};
use doorward_domain::role::OrganizationRole;
use doorward_store::{KeyCursor, KeyFilter, KeySort};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::harness::{TestStore, every_store};

const KEYS: usize = 60;
const WORDS: [&str; 6] = ["Billing", "100%", "a_b", "straße", "!x", "agent"];

/// What the model knows of a key.
struct Known {
    key: ApiKey,
    last_used_at: Option<Timestamp>,
    is_swept: bool,
}

/// Everything that can be different between two keys, as numbers to choose by.
type Seed = (usize, usize, usize, i64, u8, Option<i64>);

fn seeds() -> Vec<Seed> {
    let seed = (
        0..WORDS.len(),
        0..WORDS.len(),
        0_usize..3,
        1_i64..72,
        0_u8..6,
        prop::option::of(0_i64..72),
    );
    let mut runner = TestRunner::deterministic();
    prop::collection::vec(seed, KEYS).new_tree(&mut runner).unwrap().current()
}

/// Makes keys over three days and lets some of them be disabled, revoked, used or over.
async fn known(store: &TestStore, owners: &[Owner]) -> Vec<Known> {
    let mut ids = Vec::new();
    for (n, (name, description, owner, hours, end, used)) in seeds().into_iter().enumerate() {
        // Some are made at the same instant: then the id decides.
        if n % 3 == 0 {
            store.pass(SignedDuration::from_hours(1));
        }
        let mut new = store.new_key(&format!("{} {n}", WORDS[name]));
        new.owner = owners[owner];
        new.description = WORDS[description].repeat(2);
        new.rights.expires_at = (end > 1).then(|| store.now() + SignedDuration::from_hours(hours));
        let (key, _) = store.create_key(&store.act(), new).await.unwrap();
        if let Some(hours) = used {
            let at_us = (store.now() + SignedDuration::from_hours(hours)).as_microsecond();
            let set = format!("last_used_at_us = {at_us}, last_used_address = '10.0.0.7'");
            store.tamper(&format!("UPDATE api_keys SET {set} WHERE id = '{}'", key.id)).await;
        }
        match end {
            0 | 4 => drop(store.set_key_disabled(&store.act(), &key.id, true).await.unwrap()),
            1 | 5 => drop(store.revoke_key(&store.act(), &key.id).await.unwrap()),
            _ => {}
        }
        ids.push(key.id);
    }
    store.pass(SignedDuration::from_hours(20));
    store.sweep_keys().await.unwrap();
    store.pass(SignedDuration::from_hours(20));
    let mut known = Vec::new();
    for id in ids {
        let sql = format!("SELECT id FROM api_keys WHERE id = '{id}' AND swept_at_us IS NOT NULL");
        let is_swept = !store.read(&sql, &sql).await.is_empty();
        let record = store.find_key(store.first.organization, &id).await.unwrap().unwrap();
        known.push(Known { key: record.key, last_used_at: record.last_used_at, is_swept });
    }
    known.sort_by_key(|k| std::cmp::Reverse((k.key.life.created_at, k.key.id.to_string())));
    known
}

fn fits(filter: &KeyFilter, known: &Known, now: Timestamp) -> bool {
    let key = &known.key;
    let status = key.status(now);
    let is_shown = match filter.status {
        Some(wanted) => status == wanted,
        None => status != KeyStatus::Revoked && !known.is_swept,
    };
    let text = format!("{}\u{1f}{}\u{1f}{}", key.name, key.description, key.id).to_lowercase();
    let used = known.last_used_at.unwrap_or(key.life.created_at);
    is_shown
        && filter.owner.is_none_or(|owner| owner == key.owner)
        && filter.project.is_none_or(|project| project == key.project)
        && filter.kind.as_ref().is_none_or(|kind| kind == key.owner.kind())
        && filter.created_by.is_none_or(|user| user == key.created_by)
        && filter.expires_before.is_none_or(|at| key.rights.expires_at.is_some_and(|end| end < at))
        && filter.unused_since.is_none_or(|at| used < at)
        && filter.search.as_ref().is_none_or(|q| text.contains(&q.to_lowercase()))
}

const SORTS: [&str; 8] =
    ["created", "-created", "name", "-name", "last_used", "-last_used", "expires", "-expires"];

/// The order that is promised: never used before all, never ending after all.
fn order(sort: KeySort, a: &Known, b: &Known) -> Ordering {
    let place = |known: &Known| {
        let (key, used) = (&known.key, known.last_used_at);
        let by = match sort.by.as_str() {
            "created" => (key.life.created_at, String::new()),
            "name" => (Timestamp::MIN, key.name.to_ascii_lowercase()),
            "last_used" => (used.unwrap_or(Timestamp::UNIX_EPOCH), String::new()),
            _ => (key.rights.expires_at.unwrap_or(Timestamp::MAX), String::new()),
        };
        (by, key.id.to_string())
    };
    let order = place(a).cmp(&place(b));
    if sort.is_descending { order.reverse() } else { order }
}

fn filters(store: &TestStore, owners: &[Owner]) -> impl Strategy<Value = KeyFilter> + use<> {
    let status = prop::option::of(prop::sample::select(vec![
        KeyStatus::Active,
        KeyStatus::Disabled,
        KeyStatus::Expired,
        KeyStatus::Revoked,
    ]));
    let words =
        ["billing", "100%", "%", "_", "A_B", "STRASSE", "Straße", "!", "dw_", "zzz", "\u{1f}"];
    let word = prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let (now, project) = (store.now(), store.first.project);
    let makers = [store.first.administrator, doorward_domain::id::UserId::new(9, 9)];
    let at = (0_i64..100).prop_map(move |hours| now - SignedDuration::from_hours(hours - 30));
    (
        status,
        prop::option::of(prop::sample::select(owners.to_vec())),
        prop::option::weighted(0.2, Just(project)),
        prop::option::of(prop::sample::select(vec!["user".to_owned(), "service".to_owned()])),
        prop::option::weighted(0.3, at.clone()),
        prop::option::of(word),
        prop::option::weighted(0.3, prop::sample::select(makers.to_vec())),
        prop::option::weighted(0.4, at),
        prop::sample::select(SORTS.to_vec()),
    )
        .prop_map(
            |(
                status,
                owner,
                project,
                kind,
                expires_before,
                search,
                created_by,
                unused_since,
                sort,
            )| {
                KeyFilter {
                    owner,
                    status,
                    project,
                    kind,
                    expires_before,
                    search,
                    created_by,
                    unused_since,
                    sort: sort.parse().unwrap(),
                }
            },
        )
}

#[tokio::test]
async fn every_filter_and_page_is_what_a_look_at_each_key_would_give() {
    for store in every_store().await {
        let owners = [
            Owner::User(store.first.administrator),
            Owner::User(store.make_user("member", OrganizationRole::Member).await.id),
            Owner::ServiceAccount(store.make_service_account("agent").await),
        ];
        let known = known(&store, &owners).await;
        let mut runner = TestRunner::deterministic();
        let cases = (filters(&store, &owners), 1_u32..25);
        let mut found = 0;
        for _ in 0..200 {
            let (filter, limit) = cases.new_tree(&mut runner).unwrap().current();
            let mut expected: Vec<_> =
                known.iter().filter(|known| fits(&filter, known, store.now())).collect();
            expected.sort_by(|a, b| order(filter.sort, a, b));
            let expected: Vec<_> = expected.into_iter().map(|known| known.key.id).collect();
            let (mut listed, mut after) = (Vec::new(), None::<KeyCursor>);
            loop {
                let page =
                    store.list_keys(store.first.organization, &filter, after.as_ref(), limit);
                let page = page.await.unwrap();
                assert!(page.rows.len() <= limit as usize);
                listed.extend(page.rows.iter().map(|row| row.key.id));
                if !page.has_more {
                    break;
                }
                after = page.rows.last().map(|row| KeyCursor::after(row, filter.sort.by));
            }
            assert_eq!(listed, expected, "{} {filter:?} {limit}", store.engine());
            found += listed.len();
        }
        assert!(found > 500, "the filters hardly find anything: {found}");
    }
}
