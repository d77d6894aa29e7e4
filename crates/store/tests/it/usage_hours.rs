//! Reports read hourly sums where they can, and single calls where they must: nobody can tell.

use std::collections::BTreeMap;

use doorward_domain::budget::Spend;
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::money::NanoUsd;
use doorward_domain::price::Price;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::usage::Usage;
use doorward_store::{CallRequest, GroupBy, UsageFilter, UsageNames, UsageRow};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::harness::{TestStore, every_store};

const MODELS: [&str; 3] = ["gpt-4o", "claude", "a,\"b\""];
const OUTCOMES: [Outcome; 2] = [Outcome::Done, Outcome::Failed];

/// A call, by what reports can tell of it.
#[derive(Debug, Clone)]
struct Made {
    after_us: i64,
    key: usize,
    model: usize,
    provider: u128,
    outcome: usize,
    tokens: [u32; 3],
}

fn any_call() -> impl Strategy<Value = Made> {
    let after = prop_oneof![Just(0), Just(1), 0..3_600_000_000_i64, Just(1_800_000_000)];
    (after, 0..4_usize, 0..MODELS.len(), 1..3_u128, 0..2_usize, any::<[u16; 3]>()).prop_map(
        |(after_us, key, model, provider, outcome, tokens)| Made {
            after_us,
            key,
            model,
            provider,
            outcome,
            tokens: tokens.map(u32::from),
        },
    )
}

impl Made {
    fn settlement(&self, call: CallId) -> Settlement {
        let [input, cached, output] = self.tokens.map(u64::from);
        let usage = Usage {
            input_tokens: input + cached,
            cached_input_tokens: cached,
            output_tokens: output,
            ..Usage::default()
        };
        Settlement {
            call,
            outcome: OUTCOMES[self.outcome],
            status: 200,
            usage,
            spend: Spend { cost: NanoUsd::from_nanos(input), tokens: usage.total_tokens() },
            is_estimated: false,
            duration_us: 7 * input + 2,
            first_byte_us: 3 * input + 1,
        }
    }
}

/// Two keys of a user, two of a service account.
async fn keys(store: &TestStore) -> Vec<ApiKey> {
    let bot = Owner::ServiceAccount(store.make_service_account("bot").await);
    vec![
        store.make_key("one").await.0,
        store.make_key("two").await.0,
        store.make_key_of(bot, "three").await.0,
        store.make_key_of(bot, "four").await.0,
    ]
}

/// Makes the calls; each with when it began, and its row of a report.
async fn make(store: &TestStore, keys: &[ApiKey], calls: &[Made]) -> Vec<(Timestamp, UsageRow)> {
    let mut rows = Vec::new();
    for (n, made) in (0..).zip(calls) {
        store.pass(SignedDuration::from_micros(made.after_us));
        let key = &keys[made.key];
        let loaded = store.call_key(&key.id).await.unwrap().unwrap();
        let provider = ProviderId::new(1, made.provider);
        let request = CallRequest {
            call: CallId::new(1, n),
            secret: SecretNumber::FIRST,
            model: &MODELS[made.model].into(),
            provider,
            deployment: DeploymentId::new(1, 1),
            price: &Price::FREE,
            most: Usage::of_tokens(10, 5),
            fixed_output_tokens: 0,
            average: None,
            address: [10, 0, 0, 7].into(),
        };
        let mut open = store.store.admit(&loaded, &request).unwrap().unwrap();
        let settlement = made.settlement(CallId::new(1, n));
        open.settle(&settlement);
        rows.push((store.now(), row(store.now(), key, provider, made, &settlement)));
    }
    rows
}

fn row(
    at: Timestamp,
    key: &ApiKey,
    provider: ProviderId,
    made: &Made,
    settlement: &Settlement,
) -> UsageRow {
    let (user, service_account) = match key.owner {
        Owner::User(id) => (Some(id.to_string()), None),
        Owner::ServiceAccount(id) => (None, Some(id.to_string())),
    };
    let answered = |us: u64| if settlement.outcome.is_error() { 0 } else { us };
    UsageRow {
        key: Some(key.id.to_string()),
        user,
        service_account,
        project: Some(key.project.to_string()),
        model: Some(MODELS[made.model].to_owned()),
        provider: Some(provider.to_string()),
        day: Some(at.strftime("%Y-%m-%d").to_string()),
        hour: Some(at.strftime("%Y-%m-%dT%H:00:00Z").to_string()),
        requests: 1,
        errors: u64::from(settlement.outcome.is_error()),
        attempts: 1,
        duration_us: answered(settlement.duration_us),
        first_byte_us: answered(settlement.first_byte_us),
        usage: settlement.usage,
        spend: settlement.spend,
        names: UsageNames::default(),
    }
}

/// What a report is to be, summed up here.
fn sum_up(calls: &[(Timestamp, UsageRow)], wish: &Wish) -> Vec<UsageRow> {
    let mut sums: BTreeMap<Vec<Option<String>>, UsageRow> = BTreeMap::new();
    let wanted = calls.iter().filter(|(at, row)| wish.holds(*at, row));
    for (_, call) in wanted {
        let of = |column| call.group(column).filter(|_| wish.group_by.contains(&column));
        let groups: Vec<Option<String>> =
            GroupBy::ALL.into_iter().map(|column| of(column).map(str::to_owned)).collect();
        let sum = sums.entry(groups.clone()).or_default();
        let mut groups = groups.into_iter();
        let mut next = || groups.next().unwrap();
        (sum.key, sum.user, sum.service_account, sum.project) = (next(), next(), next(), next());
        (sum.model, sum.provider, sum.day, sum.hour) = (next(), next(), next(), next());
        sum.requests += 1;
        sum.errors += call.errors;
        sum.attempts += call.attempts;
        sum.duration_us += call.duration_us;
        sum.first_byte_us += call.first_byte_us;
        sum.usage.input_tokens += call.usage.input_tokens;
        sum.usage.cached_input_tokens += call.usage.cached_input_tokens;
        sum.usage.output_tokens += call.usage.output_tokens;
        sum.spend = sum.spend.plus(call.spend);
    }
    sums.into_values().collect()
}

/// A report that somebody asks for.
#[derive(Debug)]
struct Wish {
    group_by: Vec<GroupBy>,
    from_us: i64,
    to_us: i64,
    key: Option<usize>,
    model: Option<usize>,
    provider: Option<u128>,
    owner: Option<usize>,
    keys: Vec<ApiKey>,
}

fn any_wish(keys: &[ApiKey], (first, last): (Timestamp, Timestamp)) -> impl Strategy<Value = Wish> {
    let hour = |us: i64| us - us.rem_euclid(3_600_000_000);
    let (first, last) = (first.as_microsecond(), last.as_microsecond());
    let at = prop_oneof![first - 1..last + 2, (first - 1..last + 2).prop_map(hour)];
    let few = |n: usize| prop::option::weighted(0.2, 0..n);
    let group_by = prop::sample::subsequence(GroupBy::ALL.to_vec(), 0..=4).prop_shuffle();
    let keys = keys.to_vec();
    (group_by, [at.clone(), at], few(4), few(3), prop::option::weighted(0.2, 1..4_u128), few(4))
        .prop_map(move |(group_by, [a, b], key, model, provider, owner)| Wish {
            group_by,
            from_us: a.min(b),
            to_us: a.max(b) + 1,
            key,
            model,
            provider,
            owner,
            keys: keys.clone(),
        })
}

impl Wish {
    fn owner(&self) -> Option<Owner> {
        self.owner.map(|at| self.keys[at].owner)
    }

    fn filter(&self, store: &TestStore) -> UsageFilter {
        let at = |us| Timestamp::from_microsecond(us).unwrap();
        let (user, service_account) = match self.owner() {
            Some(Owner::User(id)) => (Some(id), None),
            Some(Owner::ServiceAccount(id)) => (None, Some(id)),
            None => (None, None),
        };
        UsageFilter {
            key: self.key.map(|at| self.keys[at].id),
            model: self.model.map(|at| MODELS[at].to_owned()),
            provider: self.provider.map(|n| ProviderId::new(1, n)),
            user,
            service_account,
            ..UsageFilter::all(store.first.organization, at(self.from_us), at(self.to_us))
        }
    }

    fn holds(&self, at: Timestamp, row: &UsageRow) -> bool {
        let is = |wanted: Option<String>, column: GroupBy| {
            wanted.is_none_or(|wanted| row.group(column) == Some(&wanted))
        };
        let owner = self.owner().map(|owner| owner.to_string());
        let kinds = [GroupBy::User, GroupBy::ServiceAccount];
        (self.from_us..self.to_us).contains(&at.as_microsecond())
            && is(self.key.map(|at| self.keys[at].id.to_string()), GroupBy::Key)
            && is(self.model.map(|at| MODELS[at].to_owned()), GroupBy::Model)
            && is(self.provider.map(|n| ProviderId::new(1, n).to_string()), GroupBy::Provider)
            && kinds.into_iter().any(|column| is(owner.clone(), column))
    }
}

/// The order of a report is for its reader, and tested elsewhere.
fn sorted(mut rows: Vec<UsageRow>) -> Vec<UsageRow> {
    rows.sort_by_key(|row| GroupBy::ALL.map(|column| row.group(column).map(str::to_owned)));
    rows
}

#[tokio::test]
async fn every_report_is_the_sum_of_its_calls() {
    let mut runner = TestRunner::default();
    let calls = prop::collection::vec(any_call(), 150).new_tree(&mut runner).unwrap().current();
    for store in every_store().await {
        let keys = keys(&store).await;
        let made = make(&store, &keys, &calls).await;
        let span = (made[0].0, store.now());
        for _ in 0..60 {
            let wish = any_wish(&keys, span).new_tree(&mut runner).unwrap().current();
            let filter = wish.filter(&store);
            let rows = store.usage_report(&filter, &wish.group_by).await.unwrap();
            let expected = sorted(sum_up(&made, &wish));
            let context = format!("{} of {calls:?}: {filter:?}", store.engine());
            assert_eq!(sorted(rows.clone()), expected, "{context}");
            let streamed = store.store.usage_rows(filter, wish.group_by).await.unwrap();
            assert_eq!(streamed.try_collect::<Vec<_>>().await.unwrap(), rows, "{context}");
        }
    }
}

#[tokio::test]
async fn what_nobody_can_have_called_is_in_no_report() {
    for store in every_store().await {
        let keys = keys(&store).await;
        let one = Made { after_us: 0, key: 0, model: 0, provider: 1, outcome: 0, tokens: [1; 3] };
        make(&store, &keys, &[one]).await;
        let to = store.now() + SignedDuration::from_secs(1);
        let all = UsageFilter::all(store.first.organization, Timestamp::UNIX_EPOCH, to);
        for model in ["", "\0", "gpt-4o\0", "GPT-4O", "' OR 1 = 1 --", "%"] {
            let filter = UsageFilter { model: Some(model.to_owned()), ..all.clone() };
            let rows = store.usage_report(&filter, &GroupBy::ALL).await.unwrap();
            assert_eq!(rows, [], "{model:?} on {}", store.engine());
        }
        let filter = UsageFilter { model: Some("gpt-4o".to_owned()), ..all };
        assert_eq!(store.usage_report(&filter, &GroupBy::ALL).await.unwrap().len(), 1);
    }
}

/// A key goes in the end; whose it was is still known.
#[tokio::test]
async fn whole_hours_know_the_owner_of_a_key_that_is_gone() {
    for store in every_store().await {
        let keys = keys(&store).await;
        let one = Made { after_us: 0, key: 2, model: 0, provider: 1, outcome: 0, tokens: [1; 3] };
        make(&store, &keys, &[one]).await;
        let hour = store.now();
        let whole =
            UsageFilter::all(store.first.organization, hour, hour + SignedDuration::from_hours(1));
        store.usage_report(&whole, &[]).await.unwrap();
        let id = keys[2].id;
        store
            .tamper(&format!(
                "DELETE FROM key_uses WHERE key_id = '{id}';
                 DELETE FROM key_secrets WHERE key_id = '{id}'; DELETE FROM api_keys WHERE id = '{id}'"
            ))
            .await;
        let filter = UsageFilter { owner: Some(keys[2].owner), ..whole };
        let rows = store.usage_report(&filter, &[GroupBy::ServiceAccount]).await.unwrap();
        let owner = keys[2].owner.to_string();
        assert_eq!(rows[0].service_account.as_ref(), Some(&owner), "{}", store.engine());
    }
}
