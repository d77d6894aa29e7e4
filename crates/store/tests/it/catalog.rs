use doorward_domain::catalog::{
    Deployment, DeploymentState, KeyTest, Model, Pricing, Provider, ProviderKey, ProviderKind,
    Routing,
};
use doorward_domain::health_check::HealthCheck;
use doorward_domain::id::{DeploymentId, ProviderId, ProviderKeyId};
use doorward_domain::money::NanoUsd;
use doorward_domain::price::{Price, Rates, Tier};
use doorward_store::{ModelFilter, NewProviderKey, ProviderKeyEdit, Removed, StoreError};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use crate::harness::{TestStore, every_store};

const CANARY: &str = "sk-proj-canary-0123456789-XYZ";

fn provider(store: &TestStore, n: u128, name: &str) -> Provider {
    Provider {
        id: ProviderId::new(1, n),
        organization: store.first.organization,
        name: name.to_owned(),
        kind: ProviderKind::OpenAiCompatible,
        base_url: Some("http://127.0.0.1:8000/v1".to_owned()),
        region: None,
        provider_keys: Vec::new(),
        health_check: None,
        created_at: store.now(),
        updated_at: store.now(),
    }
}

fn deployment(n: u128, provider: ProviderId) -> Deployment {
    Deployment {
        id: DeploymentId::new(1, n),
        provider,
        upstream_model: format!("upstream-{n}"),
        provider_key: None,
        weight: 1,
        priority: 0,
        state: DeploymentState::Active,
    }
}

fn model(store: &TestStore, name: &str, deployments: Vec<Deployment>) -> Model {
    Model {
        organization: store.first.organization,
        name: name.to_owned(),
        aliases: Vec::new(),
        project: None,
        pricing: Pricing::Free,
        output_tokens_max: Some(4_096),
        routing: Routing::Weighted,
        deployments,
        created_at: store.now(),
        updated_at: store.now(),
    }
}

async fn add_provider(store: &TestStore, n: u128, name: &str) -> ProviderId {
    let provider = provider(store, n, name);
    store.create_provider(&store.act(), &provider).await.unwrap();
    provider.id
}

async fn add_provider_key(store: &TestStore, name: &str) -> ProviderKey {
    let new = NewProviderKey {
        name: name.to_owned(),
        value: CANARY.into(),
        note: "for tests".to_owned(),
    };
    store.create_provider_key(&store.act(), new).await.unwrap()
}

async fn last_action(store: &TestStore) -> (String, String) {
    let entry = store.list_audit(store.first.organization, None, 1).await.unwrap().remove(0);
    (entry.action, entry.detail)
}

#[tokio::test]
async fn the_name_of_a_provider_is_unique() {
    for store in every_store().await {
        add_provider(&store, 1, "a").await;
        let id = add_provider(&store, 2, "b").await;
        let act = store.act();
        let again = store.create_provider(&act, &provider(&store, 3, "a")).await.unwrap_err();
        let renamed = Provider { id, ..provider(&store, 2, "a") };
        let edited = store.edit_provider(&act, &renamed).await.unwrap_err();
        for error in [again, edited] {
            assert!(matches!(error, StoreError::Taken { field: "name" }), "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn editing_a_provider_replaces_its_name_address_and_region() {
    for store in every_store().await {
        let old = provider(&store, 1, "old");
        store.create_provider(&store.act(), &old).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let new = Provider {
            name: "new".to_owned(),
            base_url: Some("https://example.com/v1".to_owned()),
            region: Some("eu-central-1".parse().unwrap()),
            health_check: Some(HealthCheck {
                interval_seconds: 30,
                path: Some("/health".to_owned()),
            }),
            ..old.clone()
        };
        let edited = store.edit_provider(&store.act(), &new).await.unwrap();
        assert_eq!(edited, Provider { updated_at: store.now(), ..new });
        let found = store.find_provider(old.organization, old.id).await.unwrap().unwrap();
        assert_eq!(found, edited, "{}", store.engine());
        let listed = Some(HealthCheck { interval_seconds: 3_600, path: None });
        let checked = Provider { health_check: listed, ..edited };
        let checked = store.edit_provider(&store.act(), &checked).await.unwrap();
        let found = store.find_provider(old.organization, old.id).await.unwrap().unwrap();
        assert_eq!(found, checked, "{}", store.engine());
        let gone = provider(&store, 9, "gone");
        let missing = store.edit_provider(&store.act(), &gone).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("provider")));
    }
}

fn users(error: StoreError) -> Vec<String> {
    let StoreError::InUse(users) = error else { panic!("{error:?}") };
    users
}

/// A provider with a provider key of its own, and two models whose deployments name it too.
async fn linked(store: &TestStore) -> (Provider, ProviderKey) {
    let key = add_provider_key(store, "key").await;
    let provider = Provider { provider_keys: vec![key.id], ..provider(store, 1, "vllm") };
    store.create_provider(&store.act(), &provider).await.unwrap();
    for (n, name) in [(1, "b"), (2, "a")] {
        let deployment = Deployment { provider_key: Some(key.id), ..deployment(n, provider.id) };
        store.create_model(&store.act(), &model(store, name, vec![deployment])).await.unwrap();
    }
    (provider, key)
}

#[tokio::test]
async fn what_something_uses_is_not_deleted() {
    for store in every_store().await {
        let act = store.act();
        let (Provider { id, .. }, key) = linked(&store).await;
        let refused = store.delete_provider(&act, id).await.unwrap_err();
        assert_eq!(users(refused), ["a", "b"], "{}", store.engine());
        let refused = store.delete_provider_key(&act, key.id, false).await.unwrap_err();
        assert_eq!(users(refused), ["model a", "model b", "provider vllm"], "{}", store.engine());
        assert_eq!(store.provider_key_uses(act.organization, key.id).await.unwrap(), [id]);
        for name in ["a", "b"] {
            assert_eq!(store.delete_model(&act, name).await.unwrap(), Removed::Yes);
        }
        assert_eq!(store.delete_provider(&act, id).await.unwrap(), Removed::Yes);
        assert_eq!(store.delete_provider(&act, id).await.unwrap(), Removed::NotFound);
        assert_eq!(store.provider_key_uses(act.organization, key.id).await.unwrap(), []);
        assert_eq!(store.delete_provider_key(&act, key.id, false).await.unwrap(), Removed::Yes);
        for is_forced in [false, true] {
            let again = store.delete_provider_key(&act, key.id, is_forced).await.unwrap();
            assert_eq!(again, Removed::NotFound, "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn a_provider_key_knows_what_uses_it_and_how_its_present_value_was_tested() {
    for store in every_store().await {
        let act = store.act();
        let (Provider { id, .. }, key) = linked(&store).await;
        let find =
            async || store.find_provider_key(act.organization, key.id).await.unwrap().unwrap();
        let found = find().await;
        assert_eq!((found.providers, found.models), (vec![id], vec!["a".into(), "b".into()]));
        assert_eq!(found.last_test, None, "{}", store.engine());

        let failed = KeyTest {
            at: act.at,
            provider: "vllm".to_owned(),
            failure: Some("it answers 401 Unauthorized".to_owned()),
        };
        store.note_provider_key_test(act.organization, key.id, &failed).await.unwrap();
        let tested = find().await;
        assert_eq!((tested.last_test.as_ref(), tested.updated_at), (Some(&failed), key.updated_at));
        let listed = store.list_provider_keys(act.organization, None, 9).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&tested), "{}", store.engine());
        assert_eq!(
            store.search_provider_keys(act.organization, "KE", None, 9).await.unwrap(),
            listed
        );

        let edit = ProviderKeyEdit { note: Some("n".to_owned()), ..ProviderKeyEdit::default() };
        let edited = store.edit_provider_key(&act, key.id, edit).await.unwrap();
        assert_eq!(edited.last_test, Some(failed), "the value is the same");
        assert_eq!(find().await, edited, "{}", store.engine());
        let value = Some(SecretString::from("sk-another"));
        let edit = ProviderKeyEdit { value, ..ProviderKeyEdit::default() };
        let edited = store.edit_provider_key(&act, key.id, edit).await.unwrap();
        assert_eq!((edited.last_test.as_ref(), find().await), (None, edited.clone()));
    }
}

#[tokio::test]
async fn models_are_found_by_a_part_of_what_they_are_called_and_by_who_serves_them() {
    for store in every_store().await {
        let organization = store.first.organization;
        let [one, other] =
            [add_provider(&store, 1, "one").await, add_provider(&store, 2, "other").await];
        let with = |name, served| model(&store, name, served);
        let named = Model {
            aliases: vec!["fast_one".to_owned()],
            ..with("Llama", vec![deployment(1, one)])
        };
        store.create_model(&store.act(), &named).await.unwrap();
        let both = with("fast-two", vec![deployment(2, one), deployment(3, other)]);
        store.create_model(&store.act(), &both).await.unwrap();
        let find = async |search: Option<&str>, provider| {
            let filter = ModelFilter { search: search.map(str::to_owned), provider };
            let page = store.list_models(organization, &filter, None, 9).await.unwrap();
            page.into_iter().map(|model| (model.name, model.deployments.len())).collect::<Vec<_>>()
        };
        let (llama, two) = (("Llama".to_owned(), 1), ("fast-two".to_owned(), 2));
        #[rustfmt::skip]
        let cases = [
            (None,           None,        vec![llama.clone(), two.clone()]),
            (Some("LLAMA"),  None,        vec![llama.clone()]),
            (Some("fast"),   None,        vec![llama.clone(), two.clone()]),
            (Some("fast_"),  None,        vec![llama.clone()]),
            (Some("%"),      None,        vec![]),
            (None,           Some(one),   vec![llama, two.clone()]),
            (None,           Some(other), vec![two.clone()]),
            (Some("two"),    Some(one),   vec![two]),
            (Some("llama"),  Some(other), vec![]),
        ];
        for (search, provider, expected) in cases {
            assert_eq!(find(search, provider).await, expected, "{search:?} {}", store.engine());
        }
        let kinds = store.provider_kinds(organization).await.unwrap();
        assert_eq!(kinds.len(), 2, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_provider_key_deleted_by_force_is_taken_from_what_used_it() {
    for store in every_store().await {
        let (provider, key) = linked(&store).await;
        let epoch = store.catalog_epoch();
        store.pass(SignedDuration::from_secs(1));
        let act = store.act();
        assert_eq!(store.delete_provider_key(&act, key.id, true).await.unwrap(), Removed::Yes);
        assert!(store.catalog_epoch() > epoch, "the data plane is told");
        let found = store.find_provider(act.organization, provider.id).await.unwrap().unwrap();
        assert_eq!((found.provider_keys, found.updated_at), (vec![], store.now()));
        let model = store.find_model(act.organization, "a").await.unwrap().unwrap();
        assert_eq!((model.deployments[0].provider_key, model.updated_at), (None, store.now()));
        let (action, detail) = last_action(&store).await;
        assert_eq!(action, "provider_key.delete", "{}", store.engine());
        assert_eq!(detail, r#"{"taken_from":["model a","model b","provider vllm"]}"#);
    }
}

#[tokio::test]
async fn a_provider_takes_no_key_that_is_not_there() {
    for store in every_store().await {
        let act = store.act();
        let unknown = vec![ProviderKeyId::new(9, 9)];
        let made = Provider { provider_keys: unknown.clone(), ..provider(&store, 1, "vllm") };
        let id = add_provider(&store, 2, "b").await;
        let edited = Provider { id, provider_keys: unknown, ..provider(&store, 2, "b") };
        for error in [
            store.create_provider(&act, &made).await.unwrap_err(),
            store.edit_provider(&act, &edited).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Missing("provider key")), "{}", store.engine());
        }
    }
}

#[tokio::test]
async fn a_provider_key_is_shown_masked_and_revealed_whole() {
    for store in every_store().await {
        let organization = store.first.organization;
        let key = add_provider_key(&store, "openai").await;
        assert_eq!(key.masked.to_string(), "sk-…XYZ");
        let found = store.find_provider_key(organization, key.id).await.unwrap().unwrap();
        assert_eq!(found, key);
        assert_eq!(
            store.list_provider_keys(organization, None, 9).await.unwrap(),
            std::slice::from_ref(&key)
        );
        let value = store.reveal_provider_key(organization, key.id).await.unwrap();
        assert_eq!(value.expose_secret(), CANARY, "{}", store.engine());

        let (action, detail) = last_action(&store).await;
        assert_eq!(
            (action.as_str(), detail.as_str()),
            ("provider_key.create", r#"{"name":"openai"}"#)
        );
        let hex = store
            .read(
                "SELECT hex(ciphertext) FROM provider_keys",
                "SELECT encode(ciphertext, 'hex') FROM provider_keys",
            )
            .await
            .remove(0);
        let plain = CANARY.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert!(!hex.to_lowercase().contains(&plain));
        let unknown = ProviderKeyId::new(9, 9);
        let missing = store.reveal_provider_key(organization, unknown).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("provider key")));
    }
}

#[tokio::test]
async fn a_swapped_ciphertext_fails_its_integrity_check() {
    for store in every_store().await {
        let (one, two) =
            (add_provider_key(&store, "one").await, add_provider_key(&store, "two").await);
        store
            .tamper(&format!(
                "UPDATE provider_keys SET ciphertext =
                (SELECT ciphertext FROM provider_keys WHERE id = '{}') WHERE id = '{}'",
                one.id, two.id
            ))
            .await;
        let organization = store.first.organization;
        let error = store.reveal_provider_key(organization, two.id).await.unwrap_err();
        assert!(matches!(error, StoreError::Integrity), "{error:?} on {}", store.engine());
        store.reveal_provider_key(organization, one.id).await.unwrap();
    }
}

#[tokio::test]
async fn editing_a_provider_key_leaves_what_it_does_not_name() {
    for store in every_store().await {
        let organization = store.first.organization;
        let key = add_provider_key(&store, "openai").await;
        store.pass(SignedDuration::from_secs(1));
        let edit = ProviderKeyEdit { note: Some("new".to_owned()), ..ProviderKeyEdit::default() };
        let edited = store.edit_provider_key(&store.act(), key.id, edit).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.note.as_str()), ("openai", "new"));
        assert_eq!((edited.created_at, edited.updated_at), (key.created_at, store.now()));
        let value = store.reveal_provider_key(organization, key.id).await.unwrap();
        assert_eq!(value.expose_secret(), CANARY);

        let edit = ProviderKeyEdit {
            name: Some("renamed".to_owned()),
            value: Some("gsk-another-canary-000".into()),
            ..ProviderKeyEdit::default()
        };
        let edited = store.edit_provider_key(&store.act(), key.id, edit).await.unwrap();
        assert_eq!(edited.masked.to_string(), "gsk…000");
        let found = store.find_provider_key(organization, key.id).await.unwrap().unwrap();
        assert_eq!(found, edited, "{}", store.engine());
        let value = store.reveal_provider_key(organization, key.id).await.unwrap();
        assert_eq!(value.expose_secret(), "gsk-another-canary-000");
        let (_, detail) = last_action(&store).await;
        assert!(!detail.contains("canary") && detail.contains(r#""is_value_new":true"#));

        add_provider_key(&store, "openai").await;
        let edit =
            ProviderKeyEdit { name: Some("openai".to_owned()), ..ProviderKeyEdit::default() };
        let taken = store.edit_provider_key(&store.act(), key.id, edit).await.unwrap_err();
        assert!(matches!(taken, StoreError::Taken { field: "name" }));
    }
}

#[tokio::test]
async fn a_model_is_found_with_its_deployments_in_their_order() {
    for store in every_store().await {
        let (one, two) =
            (add_provider(&store, 1, "one").await, add_provider(&store, 2, "two").await);
        let key = add_provider_key(&store, "key").await;
        let price = Price {
            rates: Rates::of_tokens("1.25".parse().unwrap(), NanoUsd::ZERO),
            tiers: vec![Tier { above_tokens: 200_000, rates: Rates::FREE }],
        };
        let wanted = Model {
            pricing: Pricing::Set(Box::new(price)),
            output_tokens_max: None,
            deployments: vec![
                Deployment {
                    provider_key: Some(key.id),
                    weight: 3,
                    priority: 7,
                    ..deployment(9, two)
                },
                deployment(1, one),
            ],
            ..model(&store, "org/gpt-4o:free", Vec::new())
        };
        store.create_model(&store.act(), &wanted).await.unwrap();
        let found = store.find_model(wanted.organization, &wanted.name).await.unwrap().unwrap();
        assert_eq!(found, wanted, "{}", store.engine());

        let row = store.catalog().await.unwrap().remove(0);
        assert_eq!(row.model, wanted);
        let served: Vec<&str> = row.providers.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(served, ["two", "one"]);
        let taken = store.create_model(&store.act(), &wanted).await.unwrap_err();
        assert!(matches!(taken, StoreError::Taken { field: "name" }));
    }
}

#[tokio::test]
async fn editing_a_model_replaces_price_limit_and_deployments() {
    for store in every_store().await {
        let (one, two) =
            (add_provider(&store, 1, "one").await, add_provider(&store, 2, "two").await);
        let old = model(&store, "m", vec![deployment(1, one), deployment(2, two)]);
        store.create_model(&store.act(), &old).await.unwrap();
        store.pass(SignedDuration::from_secs(1));
        let new = Model {
            pricing: Pricing::Listed,
            output_tokens_max: Some(1),
            deployments: vec![deployment(2, two), deployment(3, one)],
            ..old.clone()
        };
        let new = store.edit_model(&store.act(), &new).await.unwrap();
        assert_eq!(new.updated_at, store.now());
        let found = store.find_model(old.organization, "m").await.unwrap().unwrap();
        assert_eq!(found, new, "{}", store.engine());

        let gone = Model { name: "gone".to_owned(), ..new.clone() };
        let missing = store.edit_model(&store.act(), &gone).await.unwrap_err();
        assert!(matches!(missing, StoreError::Missing("model")));
        let found = store.find_model(old.organization, "m").await.unwrap().unwrap();
        assert_eq!(found, new, "a refused edit changes nothing");
    }
}

#[tokio::test]
async fn every_change_of_the_catalog_moves_its_epoch_and_nothing_else_does() {
    for store in every_store().await {
        let act = store.act();
        let mut last = store.catalog_epoch();
        let mut moves = |what: &str| {
            let next = store.catalog_epoch();
            assert!(next > last, "{what} on {}", store.engine());
            last = next;
        };
        let id = add_provider(&store, 1, "one").await;
        moves("create_provider");
        store.edit_provider(&act, &provider(&store, 1, "two")).await.unwrap();
        moves("edit_provider");
        let key = add_provider_key(&store, "key").await;
        moves("create_provider_key");
        let edit = ProviderKeyEdit { value: Some(CANARY.into()), ..ProviderKeyEdit::default() };
        store.edit_provider_key(&act, key.id, edit).await.unwrap();
        moves("edit_provider_key");
        let model = model(&store, "m", vec![deployment(1, id)]);
        store.create_model(&act, &model).await.unwrap();
        moves("create_model");
        let edited = Model { output_tokens_max: None, ..model };
        store.edit_model(&act, &edited).await.unwrap();
        moves("edit_model");
        store.delete_model(&act, "m").await.unwrap();
        moves("delete_model");
        store.delete_provider_key(&act, key.id, false).await.unwrap();
        moves("delete_provider_key");
        store.delete_provider(&act, id).await.unwrap();
        moves("delete_provider");
        store.delete_provider(&act, id).await.unwrap();
        store.make_key("ci").await;
        assert_eq!(store.catalog_epoch(), last);
    }
}

/// A commit whose answer was lost may have happened: the data plane must look again, or it goes on
/// with a provider key that was replaced.
#[tokio::test]
async fn a_change_of_the_catalog_that_failed_moves_its_epoch_too() {
    for store in every_store().await {
        let act = store.act();
        let (one, two) =
            (add_provider(&store, 1, "one").await, add_provider(&store, 2, "two").await);
        let (key, _) = (add_provider_key(&store, "k1").await, add_provider_key(&store, "k2").await);
        let uses = Deployment { provider_key: Some(key.id), ..deployment(1, one) };
        let served = model(&store, "m", vec![uses]);
        store.create_model(&act, &served).await.unwrap();
        let mut last = store.catalog_epoch();
        let mut moves = |failed: StoreError, what: &str| {
            let next = store.catalog_epoch();
            assert!(next > last, "{what}: {failed:?} on {}", store.engine());
            last = next;
        };
        let taken = provider(&store, 9, "one");
        moves(store.create_provider(&act, &taken).await.unwrap_err(), "create_provider");
        let taken = Provider { id: two, ..taken };
        moves(store.edit_provider(&act, &taken).await.unwrap_err(), "edit_provider");
        moves(store.delete_provider(&act, one).await.unwrap_err(), "delete_provider");
        let new = NewProviderKey { name: "k1".into(), value: CANARY.into(), note: String::new() };
        moves(store.create_provider_key(&act, new).await.unwrap_err(), "create_provider_key");
        let edit = ProviderKeyEdit { name: Some("k2".into()), ..ProviderKeyEdit::default() };
        let failed = store.edit_provider_key(&act, key.id, edit).await.unwrap_err();
        moves(failed, "edit_provider_key");
        moves(
            store.delete_provider_key(&act, key.id, false).await.unwrap_err(),
            "delete_provider_key",
        );
        moves(store.create_model(&act, &served).await.unwrap_err(), "create_model");
        let unknown = deployment(2, ProviderId::new(9, 9));
        let unserved = Model { deployments: vec![unknown], ..served };
        moves(store.edit_model(&act, &unserved).await.unwrap_err(), "edit_model");
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_no_change() {
    for store in every_store().await {
        let act = store.act();
        let provider = provider(&store, 1, "one");
        store.create_provider(&act, &provider).await.unwrap();
        let key = add_provider_key(&store, "key").await;
        let model = model(&store, "m", vec![deployment(1, provider.id)]);
        store.create_model(&act, &model).await.unwrap();
        let audit = async || store.list_audit(provider.organization, None, 100).await.unwrap();
        let (entries, epoch) = (audit().await.len(), store.catalog_epoch());
        store.pass(SignedDuration::from_secs(1));
        let act = store.act();
        assert_eq!(store.edit_provider(&act, &provider).await.unwrap(), provider);
        assert_eq!(store.edit_model(&act, &model).await.unwrap(), model);
        for edit in [
            ProviderKeyEdit::default(),
            ProviderKeyEdit {
                name: Some(key.name.clone()),
                note: Some(key.note.clone()),
                ..ProviderKeyEdit::default()
            },
        ] {
            assert_eq!(store.edit_provider_key(&act, key.id, edit).await.unwrap(), key);
        }
        assert_eq!(audit().await.len(), entries, "{}", store.engine());
        assert_eq!(store.catalog_epoch(), epoch);

        // Who could tell that a value is the stored one could guess at it without a trace.
        let same = ProviderKeyEdit { value: Some(CANARY.into()), ..ProviderKeyEdit::default() };
        let edited = store.edit_provider_key(&act, key.id, same).await.unwrap();
        assert_eq!(edited.updated_at, store.now());
        assert_eq!(audit().await.len(), entries + 1, "{}", store.engine());
    }
}

#[tokio::test]
async fn no_provider_or_provider_key_is_out_of_sight_however_many_there_are() {
    const COUNT: u128 = 1_001;
    for store in every_store().await {
        store.make_key("for its digest").await;
        let organization = store.first.organization;
        let rows = |id: fn(u128) -> String| {
            let row = |n| format!("('{}', 'n{n:04}')", id(n));
            (0..COUNT).map(row).collect::<Vec<_>>().join(", ")
        };
        let (providers, keys) = (
            rows(|n| ProviderId::new(1, n).to_string()),
            rows(|n| ProviderKeyId::new(1, n).to_string()),
        );
        store
            .tamper(&format!(
                "INSERT INTO providers
                    (id, organization_id, name, search_text, kind, created_at_us, updated_at_us)
                    SELECT v.column1, '{organization}', v.column2, '', 'echo', 1, 1
                    FROM (VALUES {providers}) v;
                INSERT INTO provider_keys
                    (id, organization_id, name, search_text, masked, ciphertext, note, created_at_us,
                     updated_at_us)
                    SELECT v.column1, '{organization}', v.column2, '', '', k.digest, '', 1, 1
                    FROM key_secrets k CROSS JOIN (VALUES {keys}) v;"
            ))
            .await;
        let expected: Vec<String> = (0..COUNT).map(|n| format!("n{n:04}")).collect();
        let (mut providers, mut keys) = (Vec::<String>::new(), Vec::<String>::new());
        for _ in 0..=COUNT / 200 {
            let after = providers.last().cloned();
            let page = store.list_providers(organization, after.as_deref(), 200).await.unwrap();
            providers.extend(page.into_iter().map(|provider| provider.name));
            let after = keys.last().cloned();
            let page = store.list_provider_keys(organization, after.as_deref(), 200).await.unwrap();
            keys.extend(page.into_iter().map(|key| key.name));
        }
        assert_eq!(providers, expected, "{}", store.engine());
        assert_eq!(keys, expected, "{}", store.engine());
        let last = store.find_provider_key_by_name(organization, "n1000").await.unwrap().unwrap();
        assert_eq!(last.id, ProviderKeyId::new(1, 1_000));
    }
}

#[tokio::test]
async fn a_provider_key_is_found_by_its_exact_name() {
    for store in every_store().await {
        let organization = store.first.organization;
        let key = add_provider_key(&store, "OpenAI").await;
        let found =
            async |name: &str| store.find_provider_key_by_name(organization, name).await.unwrap();
        assert_eq!(found("OpenAI").await, Some(key), "{}", store.engine());
        assert_eq!(found("openai").await, None);
        assert_eq!(found("OpenAI\0").await, None);
        let of_nul = store.list_provider_keys(organization, Some("A\0"), 9).await.unwrap();
        assert!(of_nul.is_empty());
        assert!(store.list_providers(organization, Some("A\0"), 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_provider_is_found_by_id_by_name_and_in_the_list() {
    for store in every_store().await {
        let vllm = provider(&store, 1, "vllm");
        let echo =
            Provider { kind: ProviderKind::Echo, base_url: None, ..provider(&store, 2, "Echo") };
        store.create_provider(&store.act(), &vllm).await.unwrap();
        store.create_provider(&store.act(), &echo).await.unwrap();

        let organization = store.first.organization;
        assert_eq!(store.find_provider(organization, vllm.id).await.unwrap().unwrap(), vllm);
        let found = store.find_provider_by_name(organization, "Echo").await.unwrap().unwrap();
        assert_eq!(found, echo);
        assert!(store.find_provider_by_name(organization, "echo").await.unwrap().is_none());
        assert!(store.find_provider_by_name(organization, "Echo\0").await.unwrap().is_none());
        let list = store.list_providers(organization, None, 9).await.unwrap();
        assert_eq!(list, [echo, vllm], "by byte: capitals first, {}", store.engine());
    }
}

#[tokio::test]
async fn a_search_finds_a_part_of_a_name_a_kind_an_address_or_an_id_in_whatever_case() {
    for store in every_store().await {
        let organization = store.first.organization;
        let vllm = provider(&store, 1, "vLLM");
        let base_url = Some("https://gpu.example:8000/v1".to_owned());
        let vllm = Provider { base_url, ..vllm };
        let echo =
            Provider { kind: ProviderKind::Echo, base_url: None, ..provider(&store, 2, "E") };
        store.create_provider(&store.act(), &vllm).await.unwrap();
        store.create_provider(&store.act(), &echo).await.unwrap();
        let found = async |text: &str, after: Option<&str>| -> Vec<String> {
            let found = store.search_providers(organization, text, after, 9).await.unwrap();
            found.into_iter().map(|provider| provider.name).collect()
        };
        for text in ["VLL", "GPU.example", &vllm.id.to_string()] {
            assert_eq!(found(text, None).await, ["vLLM"], "{text} {}", store.engine());
        }
        assert_eq!(found("echo", None).await, ["E"], "its kind");
        assert_eq!(found("", Some("E")).await, ["vLLM"]);
        let wish = Provider { name: "ours".to_owned(), ..vllm };
        store.edit_provider(&store.act(), &wish).await.unwrap();
        assert_eq!((found("vll", None).await.len(), found("OURS", None).await.len()), (0, 1));
        let other = store.second_organization().await.organization;
        assert!(store.search_providers(other, "", None, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_deleted_model_is_gone_with_its_deployments() {
    for store in every_store().await {
        let id = add_provider(&store, 1, "one").await;
        let model = model(&store, "m", vec![deployment(1, id)]);
        store.create_model(&store.act(), &model).await.unwrap();
        assert_eq!(store.delete_model(&store.act(), "m").await.unwrap(), Removed::Yes);
        assert_eq!(store.delete_model(&store.act(), "m").await.unwrap(), Removed::NotFound);
        assert_eq!(store.delete_model(&store.act(), "m\0").await.unwrap(), Removed::NotFound);
        assert!(store.find_model(model.organization, "m").await.unwrap().is_none());
        assert!(store.catalog().await.unwrap().is_empty(), "{}", store.engine());
        store.create_model(&store.act(), &model).await.unwrap();
    }
}

#[tokio::test]
async fn models_are_listed_by_name_in_pages() {
    for store in every_store().await {
        let id = add_provider(&store, 1, "one").await;
        let organization = store.first.organization;
        for (n, name) in (1..).zip(["c", "a", "b", "Z"]) {
            let served = vec![deployment(n * 2, id), deployment(n * 2 + 1, id)];
            store.create_model(&store.act(), &model(&store, name, served)).await.unwrap();
        }
        store.create_model(&store.act(), &model(&store, "unserved", Vec::new())).await.unwrap();
        let names = async |after, limit| -> Vec<String> {
            let page = store
                .list_models(organization, &ModelFilter::default(), after, limit)
                .await
                .unwrap();
            page.into_iter()
                .map(|model| format!("{}{}", model.name, model.deployments.len()))
                .collect()
        };
        assert_eq!(names(None, 3).await, ["Z2", "a2", "b2"], "{}", store.engine());
        assert_eq!(names(Some("b"), 3).await, ["c2", "unserved0"]);
        assert_eq!(names(Some("b\0"), 3).await, Vec::<String>::new());
        assert_eq!(store.catalog().await.unwrap().len(), 4, "what nobody serves cannot be called");
    }
}

#[tokio::test]
async fn the_catalog_of_another_organization_is_out_of_reach() {
    for store in every_store().await {
        let id = add_provider(&store, 1, "one").await;
        let key = add_provider_key(&store, "key").await;
        let mine = model(&store, "m", vec![deployment(1, id)]);
        store.create_model(&store.act(), &mine).await.unwrap();

        let other = store.second_organization().await.organization;
        let act = store.act_in(other);
        assert!(store.find_provider(other, id).await.unwrap().is_none());
        assert!(store.find_provider_by_name(other, "one").await.unwrap().is_none());
        assert!(store.list_providers(other, None, 9).await.unwrap().is_empty());
        assert!(store.find_provider_key(other, key.id).await.unwrap().is_none());
        assert!(store.find_provider_key_by_name(other, "key").await.unwrap().is_none());
        assert!(store.list_provider_keys(other, None, 9).await.unwrap().is_empty());
        assert!(store.reveal_provider_key(other, key.id).await.is_err());
        assert!(store.find_model(other, "m").await.unwrap().is_none());
        let filter = ModelFilter { search: Some("m".to_owned()), provider: Some(id) };
        assert_eq!(store.list_models(mine.organization, &filter, None, 9).await.unwrap().len(), 1);
        assert!(store.list_models(other, &filter, None, 9).await.unwrap().is_empty());
        let test = KeyTest { at: act.at, provider: "one".to_owned(), failure: None };
        store.note_provider_key_test(other, key.id, &test).await.unwrap();
        let own = store.find_provider_key(mine.organization, key.id).await.unwrap().unwrap();
        assert_eq!(own.last_test, None);
        assert!(store.provider_kinds(other).await.unwrap().is_empty());
        assert_eq!(store.delete_model(&act, "m").await.unwrap(), Removed::NotFound);
        assert_eq!(
            store.delete_provider_key(&act, key.id, false).await.unwrap(),
            Removed::NotFound
        );
        assert_eq!(store.delete_provider(&act, id).await.unwrap(), Removed::NotFound);
        assert!(store.edit_provider(&act, &provider(&store, 1, "x")).await.is_err());
        assert!(store.edit_model(&act, &mine).await.is_err());
        let edit = ProviderKeyEdit::default();
        assert!(store.edit_provider_key(&act, key.id, edit).await.is_err());

        // Neither can it be served by what is not its own.
        let theirs = Model { organization: other, ..mine.clone() };
        let error = store.create_model(&act, &theirs).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("provider")), "{error:?} {}", store.engine());
        assert_eq!(store.catalog().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_model_needs_a_provider_key_that_exists() {
    for store in every_store().await {
        let id = add_provider(&store, 1, "one").await;
        let unknown = Some(ProviderKeyId::new(9, 9));
        let model =
            model(&store, "m", vec![Deployment { provider_key: unknown, ..deployment(1, id) }]);
        let error = store.create_model(&store.act(), &model).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing("provider key")), "{}", store.engine());
        assert!(store.find_model(model.organization, "m").await.unwrap().is_none());
    }
}

/// Two edits of the same version: one of them wins, also where the clock stands still.
#[tokio::test]
async fn an_edit_of_an_older_version_is_stale() {
    for store in every_store().await {
        let act = store.act();
        let read = provider(&store, 1, "one");
        store.create_provider(&act, &read).await.unwrap();
        let (first, late) = (
            Provider { name: "first".to_owned(), ..read.clone() },
            Provider { name: "late".to_owned(), ..read.clone() },
        );
        let edited = store.edit_provider(&act, &first).await.unwrap();
        let late = store.edit_provider(&act, &late).await;
        assert!(matches!(late, Err(StoreError::Stale)), "provider, {}", store.engine());
        store.edit_provider(&act, &edited).await.unwrap();

        let read = model(&store, "m", vec![deployment(1, read.id)]);
        store.create_model(&act, &read).await.unwrap();
        let first = Model { output_tokens_max: None, ..read.clone() };
        let edited = store.edit_model(&act, &first).await.unwrap();
        let late = Model { deployments: Vec::new(), ..read.clone() };
        let late = store.edit_model(&act, &late).await;
        assert!(matches!(late, Err(StoreError::Stale)), "model, {}", store.engine());
        let found = store.find_model(read.organization, "m").await.unwrap().unwrap();
        assert_eq!(found, edited, "its deployments are there");

        let read = add_provider_key(&store, "key").await;
        let of_read = |note: &str| ProviderKeyEdit {
            note: Some(note.to_owned()),
            if_updated_at: Some(read.updated_at),
            ..ProviderKeyEdit::default()
        };
        store.edit_provider_key(&act, read.id, of_read("first")).await.unwrap();
        let late = store.edit_provider_key(&act, read.id, of_read("late")).await;
        assert!(matches!(late, Err(StoreError::Stale)), "provider key, {}", store.engine());
    }
}

#[tokio::test]
async fn of_many_edits_of_one_version_exactly_one_wins() {
    for store in every_store().await {
        let read = provider(&store, 1, "one");
        store.create_provider(&store.act(), &read).await.unwrap();
        let mut edits = tokio::task::JoinSet::new();
        for n in 0..10 {
            let (shared, act) = (std::sync::Arc::clone(&store.store), store.act());
            let edit = Provider { name: n.to_string(), ..read.clone() };
            drop(edits.spawn(async move { shared.edit_provider(&act, &edit).await.is_ok() }));
        }
        let won = edits.join_all().await.into_iter().filter(|is_won| *is_won).count();
        assert_eq!(won, 1, "{}", store.engine());
    }
}

#[tokio::test]
async fn a_nul_is_refused_by_name_and_never_reaches_the_database() {
    for store in every_store().await {
        let act = store.act();
        let named = provider(&store, 1, "a\0");
        let one = add_provider(&store, 2, "one").await;
        let new =
            NewProviderKey { name: "k\0".to_owned(), value: CANARY.into(), note: String::new() };
        let nul = Deployment { upstream_model: "u\0".to_owned(), ..deployment(1, one) };
        let errors = [
            (store.create_provider(&act, &named).await.unwrap_err(), "name"),
            (store.edit_provider(&act, &named).await.unwrap_err(), "name"),
            (store.create_provider_key(&act, new).await.unwrap_err(), "name"),
            (store.create_model(&act, &model(&store, "m\0", vec![])).await.unwrap_err(), "name"),
            (
                store.create_model(&act, &model(&store, "m", vec![nul])).await.unwrap_err(),
                "upstream_model",
            ),
        ];
        for (error, expected) in errors {
            assert!(
                matches!(error, StoreError::Unstorable { field } if field == expected),
                "{error:?} on {}",
                store.engine()
            );
        }
        assert!(store.find_model(named.organization, "m\0").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_keys_of_a_provider_keep_their_order_and_the_state_of_a_deployment_is_kept() {
    for store in every_store().await {
        let act = store.act();
        let mut keys = Vec::new();
        for name in ["c", "a", "b"] {
            keys.push(add_provider_key(&store, name).await.id);
        }
        let made = Provider { provider_keys: keys.clone(), ..provider(&store, 1, "shared") };
        store.create_provider(&act, &made).await.unwrap();
        let found = store.find_provider(act.organization, made.id).await.unwrap().unwrap();
        assert_eq!(found, made, "{}", store.engine());
        assert!(last_action(&store).await.1.contains(&keys[2].to_string()), "it is audited");

        keys.reverse();
        let edited = Provider { provider_keys: keys[..2].to_vec(), ..found };
        let edited = store.edit_provider(&act, &edited).await.unwrap();
        assert_eq!(edited.provider_keys, keys[..2]);
        let listed = store.list_providers(act.organization, None, 9).await.unwrap();
        assert!(listed.contains(&edited), "{}", store.engine());
        // One that is taken away by force leaves the others.
        assert_eq!(store.delete_provider_key(&act, keys[0], true).await.unwrap(), Removed::Yes);
        let left = store.find_provider(act.organization, made.id).await.unwrap().unwrap();
        assert_eq!(left.provider_keys, keys[1..2]);

        for (n, state) in (1..).zip(DeploymentState::ALL) {
            let name = format!("m-{n}");
            let deployments = vec![Deployment { state, ..deployment(n, made.id) }];
            let routing = Routing::LeastLatency;
            let model = Model { routing, ..model(&store, &name, deployments) };
            store.create_model(&act, &model).await.unwrap();
            let found = store.find_model(act.organization, &name).await.unwrap();
            assert_eq!(found, Some(model), "{}", store.engine());
            let (_, detail) = last_action(&store).await;
            assert!(detail.contains(&format!("\"state\":\"{}\"", state.as_str())), "{detail}");
        }
        let mut model = store.find_model(act.organization, "m-1").await.unwrap().unwrap();
        model.deployments[0].state = DeploymentState::Draining;
        model.routing = Routing::Weighted;
        let edited = store.edit_model(&act, &model).await.unwrap();
        let found = store.find_model(act.organization, "m-1").await.unwrap();
        assert_eq!(found, Some(edited), "{}", store.engine());
    }
}

#[tokio::test]
async fn whoever_waits_for_a_change_of_the_catalog_is_told_also_of_one_that_was_before() {
    for store in every_store().await {
        add_provider(&store, 1, "p").await;
        store.catalog_changed().await;
        let mut waiting = std::pin::pin!(store.catalog_changed());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending(), "nothing changed since");
        add_provider(&store, 2, "q").await;
        waiting.await;
    }
}
