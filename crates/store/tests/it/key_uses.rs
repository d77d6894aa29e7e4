use std::sync::Arc;

use doorward_domain::budget::Spend;
use doorward_domain::call::{Outcome, Settlement};
use doorward_domain::id::{CallId, DeploymentId, ProviderId};
use doorward_domain::key::ApiKey;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::price::Price;
use doorward_domain::rights::Rights;
use doorward_domain::rotation::SecretNumber;
use doorward_domain::scope::Scope;
use doorward_domain::usage::Usage;
use doorward_domain::uses::KeyUses;
use doorward_store::{CallRequest, KeyEdit};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

async fn call(store: &TestStore, key: &ApiKey, model: &str, n: u128) {
    let loaded = store.call_key(&key.id).await.unwrap().unwrap();
    let request = CallRequest {
        call: CallId::new(1, n),
        secret: SecretNumber::FIRST,
        model: &Arc::from(model),
        provider: ProviderId::new(1, 1),
        deployment: DeploymentId::new(1, 1),
        price: &Price::FREE,
        most: Usage::of_tokens(1, 1),
        fixed_output_tokens: 0,
        average: None,
        address: [10, 0, 0, 7].into(),
    };
    let mut open = store.store.admit(&loaded, &request).unwrap().unwrap();
    open.settle(&Settlement {
        call: CallId::new(1, n),
        outcome: Outcome::Done,
        status: 200,
        usage: Usage::default(),
        spend: Spend::default(),
        is_estimated: false,
        duration_us: 1,
        first_byte_us: 1,
    });
}

async fn uses(store: &TestStore, key: &ApiKey) -> KeyUses {
    let mut uses = store.key_uses(store.first.organization, &[key.id]).await.unwrap();
    let mut uses = uses.remove(&key.id).unwrap_or_default();
    uses.models.sort();
    uses
}

#[tokio::test]
async fn calls_and_scopes_are_uses_also_after_a_restart() {
    for mut store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let (other, _) = store.make_key("other").await;
        let begun = store.now();
        call(&store, &key, "gpt-4o", 1).await;
        call(&store, &key, "claude-3", 2).await;
        store.note_scope(&key, Scope::InferenceRead);
        store.note_scope(&key, Scope::KeysRead);
        let found = uses(&store, &key).await;
        let models = [("claude-3".to_owned(), begun), ("gpt-4o".to_owned(), begun)];
        assert_eq!(found.models, models, "{}", store.engine());
        assert_eq!(found.scopes, [(Scope::InferenceRead, begun)], "a scope that it has not");
        assert_eq!(uses(&store, &other).await, KeyUses::default());
        store.note_scope(&other, Scope::InferenceRead);
        store.reopen().await;
        assert_eq!(uses(&store, &key).await, found);
        assert_eq!(uses(&store, &other).await.scopes.len(), 1, "what waits is written at the end");
        let second = store.second_organization().await.organization;
        assert!(store.key_uses(second, &[key.id]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_use_is_exact_to_the_hour_and_never_goes_back() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let begun = store.now();
        call(&store, &key, "m", 1).await;
        let last = async || uses(&store, &key).await.models[0].1;
        assert_eq!(last().await, begun, "{}", store.engine());
        store.pass(SignedDuration::from_mins(59));
        call(&store, &key, "m", 2).await;
        assert_eq!(last().await, begun, "what is used all the time is written once an hour");
        store.pass(SignedDuration::from_mins(1));
        let later = store.now();
        call(&store, &key, "m", 3).await;
        assert_eq!(last().await, later);
        store.pass(SignedDuration::from_hours(-5));
        call(&store, &key, "m", 4).await;
        assert_eq!(last().await, later);
    }
}

#[tokio::test]
async fn only_what_is_granted_anew_counts_as_widened() {
    for store in every_store().await {
        let mut new = store.new_key("ci");
        new.rights.models = ModelRule::Only(vec!["gpt-*".parse().unwrap()]);
        let (key, _) = store.create_key(&store.act(), new).await.unwrap();
        let edit = async |rights: Rights| {
            store.pass(SignedDuration::from_hours(1));
            let edit = KeyEdit { rights: Some(rights), ..KeyEdit::default() };
            store.edit_key(&store.act(), &key.id, edit).await.unwrap();
            uses(&store, &key).await.widened_at
        };
        let narrow = ModelRule::Only(vec!["gpt-4o".parse().unwrap()]);
        let narrower = Rights { models: narrow, ..key.rights.clone() };
        assert_eq!(edit(narrower.clone()).await, None, "{}", store.engine());
        let other_end = Rights { expires_at: None, ..narrower.clone() };
        assert_eq!(edit(other_end).await, None, "another end grants no right");
        assert_eq!(edit(Rights { models: ModelRule::All, ..narrower }).await, Some(store.now()));
        let scopes = [Scope::AuditRead].into_iter().collect();
        let wider = Rights { scopes, models: ModelRule::All, ..key.rights.clone() };
        assert_eq!(edit(wider).await, Some(store.now()));
    }
}

/// Every letter takes four bytes, and none is like the one before it.
fn wide(count: u32) -> String {
    (0..count).filter_map(|n| char::from_u32(0x20000 + n * 37 % 40_000)).collect()
}

/// What is searched stands in an index, and PostgreSQL bounds what can stand in one.
#[tokio::test]
async fn the_longest_name_and_description_can_be_stored_and_found() {
    for store in every_store().await {
        let mut new = store.new_key(&wide(80));
        new.description = wide(500);
        let (key, _) = store.create_key(&store.act(), new).await.unwrap();
        let search = key.description.chars().skip(450).collect();
        let filter = doorward_store::KeyFilter {
            search: Some(search),
            ..doorward_store::KeyFilter::default()
        };
        let page = store.list_keys(store.first.organization, &filter, None, 5).await.unwrap();
        assert_eq!(page.rows.len(), 1, "{}", store.engine());
    }
}
