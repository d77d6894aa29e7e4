use std::sync::Arc;

use doorward_store::{Clock, JournalSync, KeyCaps, Options};
use jiff::tz::TimeZone;

use super::*;

fn linked(models: &[&str], is_free: bool) -> Linked {
    let models = models.iter().map(|name| (*name).to_owned()).collect();
    Linked { provider: "p".into(), origin: "o".into(), models, is_free }
}

#[test]
fn the_first_call_goes_to_a_model_that_chats_and_costs_nothing_if_it_can() {
    let echo = || linked(&[ECHO_MODEL], true);
    #[rustfmt::skip]
    let cases = [
        (vec![echo()],                                                               ECHO_MODEL),
        (vec![linked(&["gpt-4o"], false), echo()],                                   "gpt-4o"),
        (vec![linked(&["gpt-4o"], false), linked(&["gemma"], true), echo()],         "gemma"),
        (vec![linked(&["nomic-embed-text"], true), echo()],                          ECHO_MODEL),
        (vec![linked(&["tts-1", "whisper-1", "gpt-4o"], false), echo()],             "gpt-4o"),
    ];
    for (linked, expected) in cases {
        let report = Report { linked, unlinked: Vec::new() };
        assert_eq!(report.model_to_try(), expected);
    }
}

#[test]
fn a_taken_name_gets_a_number() {
    let taken = ["ollama", "ollama-2"];
    let name = free_name("ollama", |name| !taken.contains(&name.as_str()));
    assert_eq!(name, "ollama-3");
}

#[test]
fn names_that_no_client_could_send_are_refused() {
    for (name, is_good) in [("a/b:c", true), ("", false), ("a b", false), ("a*", false)] {
        assert_eq!(is_model_name(name), is_good, "{name}");
    }
}

/// A store in a folder that lives as long as it.
struct Data {
    store: Arc<Store>,
    made: Bootstrap,
    _dir: tempfile::TempDir,
}

async fn data() -> Data {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        data_dir: dir.path().to_owned(),
        database_url: None,
        master_key: None,
        clock: Clock::system(),
        time_zone: TimeZone::UTC,
        journal_sync: JournalSync::Interval,
        call_keys_max: 100,
        key_caps: KeyCaps::STANDARD,
    };
    let store = Store::open(options).await.unwrap();
    let (made, _) = store.bootstrap().await.unwrap();
    Data { store, made, _dir: dir }
}

impl Data {
    async fn link(&self, found: Vec<Found>) -> Report {
        link_all(&self.store, &self.made, found).await.unwrap()
    }

    async fn model(&self, name: &str) -> Model {
        self.store.find_model(self.made.organization, name).await.unwrap().unwrap()
    }

    async fn has_model(&self, name: &str) -> bool {
        self.store.find_model(self.made.organization, name).await.unwrap().is_some()
    }
}

fn openai(key: &str, models: Result<&[&str], &str>) -> Found {
    let candidate = Candidate {
        name: "openai".into(),
        kind: ProviderKind::OpenAi,
        base_url: "https://api.openai.com/v1".into(),
        origin: Origin::Variable("OPENAI_API_KEY", key.into()),
        is_local: false,
    };
    found(candidate, models)
}

fn ollama(port: u16, models: &[&str]) -> Found {
    let candidate = Candidate {
        name: "ollama".into(),
        kind: ProviderKind::OpenAiCompatible,
        base_url: format!("http://127.0.0.1:{port}/v1"),
        origin: Origin::Port,
        is_local: true,
    };
    found(candidate, Ok(models))
}

fn found(candidate: Candidate, models: Result<&[&str], &str>) -> Found {
    let models = models.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Found { candidate, models: models.map_err(str::to_owned) }
}

#[tokio::test]
async fn what_has_no_price_is_refused_with_the_command_that_sets_it() {
    let data = data().await;
    let report = data.link(vec![openai("sk-0123456789abc", Ok(&["gpt-4o", "x;reboot"]))]).await;
    assert_eq!(report.linked[0].models, ["gpt-4o"]);
    assert_eq!(data.model("gpt-4o").await.pricing, Pricing::Listed);
    assert!(!data.has_model("x;reboot").await);
    let command = report.unlinked[0].command.as_deref().unwrap();
    assert_eq!(
        command,
        "models create 'x;reboot' --provider openai --provider-key openai --price-input 0.15 --price-output 0.60"
    );
}

#[tokio::test]
async fn a_free_model_never_lends_its_price_to_one_that_costs_money() {
    let data = data().await;
    let paid_first = || vec![openai("sk-0123456789abc", Ok(&["gpt-4o"])), ollama(1, &["gpt-4o"])];
    for _ in 0..2 {
        let report = data.link(paid_first()).await;
        assert_eq!(report.linked[1].models, ["ollama/gpt-4o"]);
    }
    assert_eq!(data.model("gpt-4o").await.deployments.len(), 1);
    let free = data.model("ollama/gpt-4o").await;
    assert_eq!((&free.pricing, &*free.deployments[0].upstream_model), (&Pricing::Free, "gpt-4o"));
}

#[tokio::test]
async fn a_key_whose_provider_does_not_answer_is_kept_and_said_so() {
    let data = data().await;
    let report = data.link(vec![openai("sk-0123456789abc", Err("no answer in time"))]).await;
    assert!(report.unlinked[0].what.contains("OPENAI_API_KEY is kept"), "{report:?}");
    let keys = data.store.list_provider_keys(data.made.organization, None, 9).await.unwrap();
    assert_eq!(keys.len(), 1);
    // The next run finds its models.
    let report = data.link(vec![openai("sk-0123456789abc", Ok(&["gpt-4o"]))]).await;
    assert_eq!(report.linked[0].models, ["gpt-4o"]);
    assert_eq!(data.model("gpt-4o").await.deployments[0].provider_key, Some(keys[0].id));
}

#[tokio::test]
async fn a_changed_key_of_the_environment_replaces_the_stored_one() {
    let data = data().await;
    for key in ["sk-0123456789abc", "sk-cba9876543210"] {
        data.link(vec![openai(key, Ok(&[]))]).await;
        let organization = data.made.organization;
        let keys = data.store.list_provider_keys(organization, None, 9).await.unwrap();
        let stored = data.store.reveal_provider_key(organization, keys[0].id).await.unwrap();
        assert_eq!((keys.len(), stored.expose_secret()), (1, key));
    }
}

#[tokio::test]
async fn linking_again_changes_nothing() {
    let data = data().await;
    let all = || vec![ollama(1, &["a", "b"]), ollama(2, &["b"])];
    data.link(all()).await;
    let (epoch, before) = (data.store.catalog_epoch(), data.model("b").await);
    assert_eq!(before.deployments.len(), 2);
    let report = data.link(all()).await;
    let models: Vec<_> = report.linked.iter().map(|linked| linked.models.clone()).collect();
    assert_eq!(models, [vec!["a", "b"], vec!["b"], vec![ECHO_MODEL]]);
    assert_eq!((data.store.catalog_epoch(), data.model("b").await), (epoch, before));
}

#[tokio::test]
async fn an_operators_edits_survive_another_run() {
    let data = data().await;
    data.link(vec![ollama(1, &["a"])]).await;
    let act = Act {
        organization: data.made.organization,
        actor: Actor::System,
        at: data.store.clock().now(),
    };
    let priced = Model { pricing: Pricing::Listed, ..data.model("a").await };
    data.store.edit_model(&act, &priced).await.unwrap();
    data.link(vec![ollama(1, &["a"])]).await;
    assert_eq!(data.model("a").await.pricing, Pricing::Listed);
}
