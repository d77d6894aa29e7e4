//! What was asked and answered in calls, for the projects that keep it.

use doorward_domain::id::CallId;
use doorward_domain::prompts::PromptPolicy;
use doorward_store::{Excerpt, NewProject, Project, PromptRecord, Removed, StoredPrompt};
use jiff::SignedDuration;

use crate::harness::{TestStore, every_store};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const ASKED: &str = "canary question 77aa, mail ada@example.com";
const SAID: &str = "canary answer 88bb";

fn policy(days: u64, redact: bool) -> PromptPolicy {
    PromptPolicy { retention_days: days.try_into().unwrap(), redact }
}

/// Has the first project keep prompts, or not.
async fn keep(store: &TestStore, prompts: Option<PromptPolicy>) {
    let project = store.find_project(store.first.organization, store.first.project).await.unwrap();
    let wish = Project { prompts, ..project.unwrap() };
    store.edit_project(&store.act(), &wish).await.unwrap();
}

fn call(number: u128) -> CallId {
    CallId::new(1, number)
}

fn record(store: &TestStore, number: u128, policy: PromptPolicy) -> PromptRecord {
    PromptRecord {
        call: call(number),
        organization: store.first.organization,
        project: store.first.project,
        policy,
        at: store.now(),
        request: Some(Excerpt::of(ASKED.as_bytes())),
        answer: Some(Excerpt::of(SAID.as_bytes())),
    }
}

async fn read(store: &TestStore, number: u128) -> Option<StoredPrompt> {
    store.read_prompt(&store.act(), call(number)).await.unwrap()
}

/// What stands in the table, as it is stored.
async fn rows(store: &TestStore) -> Vec<String> {
    let sqlite = "SELECT call_id || ' ' || hex(sealed) FROM prompts ORDER BY call_id";
    let postgres = "SELECT call_id || ' ' || encode(sealed, 'hex') FROM prompts ORDER BY call_id";
    store.read(sqlite, postgres).await
}

#[tokio::test]
async fn a_prompt_reads_back_as_it_was_redacted_or_not_and_is_sealed_at_rest() {
    for mut store in every_store().await {
        keep(&store, Some(policy(30, true))).await;
        store.keep_prompt(record(&store, 1, policy(30, true)));
        store.keep_prompt(record(&store, 2, policy(30, false)));
        let file =
            PromptRecord { request: None, answer: None, ..record(&store, 3, policy(30, true)) };
        store.keep_prompt(file);
        for (number, asked) in [(1, "canary question 77aa, mail [email]"), (2, ASKED)] {
            let kept = read(&store, number).await.unwrap();
            assert_eq!((kept.call, kept.project), (call(number), store.first.project));
            assert_eq!((kept.at, kept.is_redacted), (store.now(), number == 1));
            let texts = [kept.request.unwrap(), kept.answer.unwrap()];
            assert_eq!(
                texts.map(|text| (text.text, text.is_cut)),
                [(asked.to_owned(), false), (SAID.to_owned(), false)]
            );
        }
        let file = read(&store, 3).await.unwrap();
        assert_eq!((file.request, file.answer), (None, None));
        assert_eq!(read(&store, 4).await, None);

        let stored = rows(&store).await;
        assert_eq!(stored.len(), 3, "{}", store.engine());
        for canary in ["canary", "77aa", "ada@"] {
            let hex: Vec<String> = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!stored.concat().to_lowercase().contains(&hex.concat()), "{canary}");
        }
        store.reopen().await;
        assert!(read(&store, 1).await.is_some(), "also by the next process");
    }
}

#[tokio::test]
async fn each_reading_is_audited_and_none_is_anothers() {
    for store in every_store().await {
        keep(&store, Some(policy(30, true))).await;
        store.keep_prompt(record(&store, 1, policy(30, true)));
        let second = store.second_organization().await;
        let theirs = store.act_in(second.organization);
        assert_eq!(store.read_prompt(&theirs, call(1)).await.unwrap(), None, "{}", store.engine());
        let readings = async || {
            let entries = store.list_audit(store.first.organization, None, 10).await.unwrap();
            let read = entries.into_iter().filter(|entry| entry.action == "prompt.read");
            read.map(|entry| entry.subject).collect::<Vec<_>>()
        };
        assert!(readings().await.is_empty(), "nothing was shown");
        assert!(read(&store, 1).await.is_some());
        assert_eq!(readings().await, [call(1).to_string()]);
    }
}

#[tokio::test]
async fn a_row_that_is_moved_to_another_call_does_not_open() {
    for store in every_store().await {
        keep(&store, Some(policy(30, true))).await;
        store.keep_prompt(record(&store, 1, policy(30, true)));
        assert!(read(&store, 1).await.is_some());
        store.tamper(&format!("UPDATE prompts SET call_id = '{}'", call(2))).await;
        assert!(store.read_prompt(&store.act(), call(2)).await.is_err(), "{}", store.engine());
    }
}

#[tokio::test]
async fn nothing_is_written_for_a_project_that_keeps_nothing() {
    for store in every_store().await {
        store.keep_prompt(record(&store, 1, policy(30, true)));
        assert_eq!(read(&store, 1).await, None);
        keep(&store, Some(policy(30, true))).await;
        store.keep_prompt(record(&store, 2, policy(30, true)));
        keep(&store, None).await;
        assert_eq!(read(&store, 2).await, None, "it thought better of it meanwhile");
        assert!(rows(&store).await.is_empty(), "{}", store.engine());
    }
}

#[tokio::test]
async fn the_choice_is_told_to_keys_in_memory_and_audited_with_before_and_after() {
    for store in every_store().await {
        let (key, _) = store.make_key("ci").await;
        let loaded = async || store.call_key(&key.id).await.unwrap().unwrap().prompts;
        assert_eq!(loaded().await, None, "off where nobody chose");
        keep(&store, Some(policy(30, true))).await;
        assert_eq!(loaded().await, Some(policy(30, true)), "{}", store.engine());
        keep(&store, Some(policy(7, false))).await;
        assert_eq!(loaded().await, Some(policy(7, false)));
        keep(&store, None).await;
        assert_eq!(loaded().await, None);
        let entries = store.list_audit(store.first.organization, None, 3).await.unwrap();
        let details: Vec<serde_json::Value> = entries
            .iter()
            .map(|entry| serde_json::from_str::<serde_json::Value>(&entry.detail).unwrap())
            .map(|detail| detail["prompts"].clone())
            .collect();
        let (long, short) = (policy(30, true), policy(7, false));
        assert_eq!(
            details,
            [
                serde_json::json!({ "before": short, "after": null }),
                serde_json::json!({ "before": long, "after": short }),
                serde_json::json!({ "before": null, "after": long }),
            ]
        );
    }
}

#[tokio::test]
async fn prompts_go_when_they_are_as_old_as_their_project_says_now() {
    for store in every_store().await {
        let swept = async || store.sweep_old_records().await.unwrap().prompts;
        keep(&store, Some(policy(30, true))).await;
        store.keep_prompt(record(&store, 1, policy(30, true)));
        assert!(read(&store, 1).await.is_some());
        store.pass(DAY * 20);
        store.keep_prompt(record(&store, 2, policy(30, true)));
        assert!(read(&store, 2).await.is_some());
        assert_eq!(swept().await, 0, "{}", store.engine());
        store.pass(DAY * 11);
        assert_eq!(swept().await, 1);
        assert_eq!((read(&store, 1).await, read(&store, 2).await.is_some()), (None, true));
        keep(&store, Some(policy(10, true))).await;
        assert_eq!(swept().await, 1, "shortened");
        assert_eq!(read(&store, 2).await, None);
        let entries = store.list_audit(store.first.organization, None, 1).await.unwrap();
        assert_eq!(entries[0].action, "prompt.sweep");
    }
}

#[tokio::test]
async fn turned_off_or_removed_all_are_gone_with_the_next_sweep() {
    for store in every_store().await {
        let act = store.act();
        let new = |name: &str| NewProject {
            name: name.to_owned(),
            description: String::new(),
            bounds: doorward_domain::bounds::Bounds::NONE,
        };
        let web = store.create_project(&act, new("web")).await.unwrap();
        assert_eq!(web.prompts, None, "a new project keeps none");
        let wish = Project { prompts: Some(policy(365, true)), ..web.clone() };
        store.edit_project(&act, &wish).await.unwrap();
        keep(&store, Some(policy(365, true))).await;
        store.keep_prompt(record(&store, 1, policy(365, true)));
        let of_web = PromptRecord { project: web.id, ..record(&store, 2, policy(365, true)) };
        store.keep_prompt(of_web);
        assert!(read(&store, 1).await.is_some() && read(&store, 2).await.is_some());

        keep(&store, None).await;
        assert_eq!(store.sweep_old_records().await.unwrap().prompts, 1, "{}", store.engine());
        assert_eq!((read(&store, 1).await, read(&store, 2).await.is_some()), (None, true));
        assert_eq!(store.remove_project(&act, web.id).await.unwrap(), Removed::Yes);
        assert_eq!(store.sweep_old_records().await.unwrap().prompts, 1);
        assert!(rows(&store).await.is_empty());
    }
}

/// A database that takes nothing holds nobody up: what it cannot take waits, as far as there is room.
#[tokio::test]
async fn a_full_queue_drops_and_counts_and_what_waited_is_written_later() {
    let [store, _] = every_store().await;
    keep(&store, Some(policy(30, false))).await;
    let exclusive = store.begin_exclusive().await;
    let text = "x ".repeat(32 * 1024);
    for number in 0..1_000 {
        let request = Some(Excerpt::of(text.as_bytes()));
        store.keep_prompt(PromptRecord { request, ..record(&store, number, policy(30, false)) });
    }
    let dropped = store.stats().prompts_dropped;
    assert!((100..900).contains(&dropped), "{dropped}");
    drop(exclusive);
    assert!(read(&store, 0).await.is_some(), "the oldest was taken");
    assert_eq!(read(&store, 999).await, None);
    store.keep_prompt(record(&store, 999, policy(30, false)));
    assert!(read(&store, 999).await.is_some(), "there is room again");
}
