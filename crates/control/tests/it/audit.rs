//! `/v1/audit`.

use doorward_domain::key::Owner;
use doorward_domain::scope::Scope;
use serde_json::{Value, json};

use crate::app::{TestApp, only, shape};

fn actions(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_change_leaves_an_entry_newest_first() {
    let app = TestApp::new().await;
    let made = app.post("/v1/api-keys", json!({"name": "k"})).await.expect(201);
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    app.patch(&path, json!({"description": "d"})).await.expect(200);
    app.post(&format!("{path}/disable"), json!({})).await.expect(200);
    app.post(&format!("{path}/enable"), json!({})).await.expect(200);
    app.delete(&path).await.expect(204);
    let list = app.get("/v1/audit?limit=5").await.expect(200);
    assert_eq!(
        actions(&list),
        ["key.revoke", "key.enable", "key.disable", "key.edit", "key.create"]
    );
    let entry = &list["data"][4];
    assert_eq!(entry["actor"], *app.admin.rsplit_once('_').unwrap().0);
    assert_eq!(entry["subject"], made["id"]);
    let list = app.get("/v1/audit?limit=3&except=key.e").await.expect(200);
    assert_eq!(actions(&list), ["key.revoke", "key.disable", "key.create"]);
    let refused = app.get("/v1/audit?except=").await;
    assert_eq!(
        (refused.status, refused.fields()),
        (400.try_into().unwrap(), vec!["except".to_owned()])
    );
    assert_eq!(shape(entry.clone())["object"], "audit_entry");
}

#[tokio::test]
async fn a_denial_by_policy_leaves_one_entry_a_minute() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (weak, secret) = app.key(owner, "weak", only(&[Scope::KeysRead])).await;
    for _ in 0..3 {
        app.call(&secret, "GET /v1/audit", None).await.expect(403);
        app.call(&secret, "GET /v1/usage", None).await.expect(403);
    }
    app.pass(60);
    app.call(&secret, "GET /v1/audit", None).await.expect(403);
    let list = app.get("/v1/audit?limit=3").await.expect(200);
    assert_eq!(actions(&list), ["key.deny", "key.deny", "key.create"]);
    let entry = &list["data"][0];
    assert_eq!((&entry["actor"], &entry["subject"]), (&json!(weak.id), &json!(weak.id)));
    assert_eq!(entry["detail"]["code"], "insufficient_scope");
}

#[tokio::test]
async fn pages_hold_every_entry_once() {
    let app = TestApp::new().await;
    for name in ["a", "b", "c"] {
        app.post("/v1/api-keys", json!({"name": name})).await.expect(201);
    }
    let all = app.get("/v1/audit?limit=200").await.expect(200);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/audit?limit=2&after={after}")).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(json!(seen), all["data"]);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_leaves_no_entry_and_no_version() {
    let app = TestApp::new().await;
    let provider = json!({"name": "p", "kind": "openai"});
    app.post("/v1/providers", provider).await.expect(201);
    let key = json!({"name": "k", "value": "sk-0123456789abcdef", "note": "n"});
    app.post("/v1/provider-keys", key).await.expect(201);
    let served = json!([{"provider": "p", "provider_key": "k"}]);
    let model = json!({"name": "gpt-4o", "deployments": served});
    app.post("/v1/models", model).await.expect(201);
    let before = app.get("/v1/audit").await.text;
    app.pass(1);
    for (path, edit) in [
        ("/v1/providers/p", json!({})),
        ("/v1/providers/p", json!({"name": "p", "base_url": "https://api.openai.com/v1/"})),
        ("/v1/provider-keys/k", json!({})),
        ("/v1/provider-keys/k", json!({"name": "k", "note": "n"})),
        ("/v1/models/gpt-4o", json!({})),
        ("/v1/models/gpt-4o", json!({"price": "listed", "deployments": served})),
    ] {
        let shown = app.get(&format!("{path}?view=routes")).await;
        let edited = app.patch(path, edit.clone()).await;
        assert_eq!(edited.header("etag"), shown.header("etag"), "{path} {edit}");
        assert_eq!(edited.expect(200), shown.expect(200), "{path} {edit}");
    }
    assert_eq!(app.get("/v1/audit").await.text, before);
}

#[tokio::test]
async fn entries_are_found_by_who_what_to_what_and_when() {
    let app = TestApp::new().await;
    let admin = app.admin.rsplit_once('_').unwrap().0.to_owned();
    let made = app.post("/v1/api-keys", json!({"name": "k"})).await.expect(201);
    let id = made["id"].as_str().unwrap();
    app.pass(3_600);
    app.post(&format!("/v1/api-keys/{id}/disable"), json!({})).await.expect(200);
    app.post("/v1/providers", json!({"name": "p", "kind": "openai"})).await.expect(201);
    #[rustfmt::skip]
    let cases = [
        (format!("subject={id}"),                                       vec!["key.disable", "key.create"]),
        (format!("subject={id}&from=2026-01-01T00:30:00Z"),             vec!["key.disable"]),
        (format!("subject={id}&to=2026-01-01T00:30:00Z"),               vec!["key.create"]),
        (format!("actor={admin}&action=key."),                          vec!["key.disable", "key.create"]),
        ("action=provider".to_owned(),                                  vec!["provider.create"]),
        ("actor=nobody".to_owned(),                                     vec![]),
        ("from=2026-01-02".to_owned(),                                  vec![]),
    ];
    for (query, expected) in cases {
        let list = app.get(&format!("/v1/audit?{query}")).await.expect(200);
        assert_eq!(actions(&list), expected, "{query}");
    }
    for (query, field) in [
        ("actor=", "actor"),
        ("action=", "action"),
        ("subject=", "subject"),
        ("from=yesterday", "from"),
        ("to=", "to"), // left out, it would widen the report
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("who=me", "who"),
    ] {
        let answer = app.get(&format!("/v1/audit?{query}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

#[tokio::test]
async fn the_chain_is_checked_for_whoever_may_read_it() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (_, auditor) = app.key(owner, "auditor", only(&[Scope::AuditRead])).await;
    let verdict = app.call(&auditor, "GET /v1/audit/verify", None).await.expect(200);
    let entries = verdict["entries"].as_i64().unwrap();
    let whole = json!({
        "object": "audit_verdict", "verdict": "whole", "entries": entries, "fault": null, "next": null,
    });
    assert_eq!(verdict, whole);
    assert_eq!(app.get(&format!("/v1/audit/verify?after={entries}")).await.expect(200), whole);
    let beyond = app.get(&format!("/v1/audit/verify?after={}", entries + 1)).await;
    assert_eq!(beyond.problem(404), "not_found");
    for after in ["-1", "x"] {
        let answer = app.get(&format!("/v1/audit/verify?after={after}")).await;
        assert_eq!(
            (answer.problem(400), answer.fields()),
            ("invalid_request".into(), vec!["after".into()])
        );
    }
}

#[tokio::test]
async fn an_entry_says_what_its_actor_and_subject_are_called() {
    let app = TestApp::new().await;
    app.post("/v1/projects", json!({"name": "search"})).await.expect(201);
    let list = app.get("/v1/audit?limit=1").await.expect(200);
    let entry = &list["data"][0];
    assert_eq!((&entry["actor_name"], &entry["subject_name"]), (&json!("admin"), &json!("search")));
    let by_name = app.get("/v1/audit?actor=administrator").await.expect(200);
    assert!(!by_name["data"].as_array().unwrap().is_empty());
    assert_eq!(app.get("/v1/audit?actor=nobody").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn all_entries_leave_as_csv_and_as_json_lines() {
    let app = TestApp::new().await;
    app.post("/v1/projects", json!({"name": "=cmd,1"})).await.expect(201);
    for n in 0..250 {
        app.post("/v1/projects", json!({"name": format!("p{n}")})).await.expect(201);
    }
    let csv = app.get("/v1/audit?format=csv&action=project.").await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"audit.csv\"");
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert_eq!(lines[0], "sequence,at,actor,actor_name,action,subject,subject_name,detail");
    assert_eq!(lines.len(), 1 + 251 + 1, "a head, the entries and nothing");
    assert!(lines[251].contains(",\"'=cmd,1\","), "{}", lines[251]);
    let json = app.get("/v1/audit?format=jsonl&action=project.").await;
    let sequences: Vec<i64> = json
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_i64().unwrap())
        .collect();
    assert!(sequences.len() == 251 && sequences.is_sorted_by(|one, next| one > next));
    let listed = app.get("/v1/audit?format=csv&actor=nobody").await;
    assert_eq!(listed.text.lines().count(), 1);
}

#[tokio::test]
async fn an_owner_reads_what_was_done_to_their_own_key_and_nothing_else() {
    let app = TestApp::new().await;
    let member = app.post("/v1/users", json!({"name": "ada", "role": "member"})).await.expect(201);
    let owner = Owner::User(member["id"].as_str().unwrap().parse().unwrap());
    let (own, secret) = app.key(owner, "own", only(&[Scope::KeysRead])).await;
    let other = app.post("/v1/api-keys", json!({"name": "other"})).await.expect(201);
    let path = format!("/v1/api-keys/{}", own.id);
    app.patch(&path, json!({"description": "d"})).await.expect(200);
    app.post(&format!("{path}/disable"), json!({})).await.expect(200);
    app.post(&format!("{path}/enable"), json!({})).await.expect(200);

    let first = app.call(&secret, &format!("GET {path}/audit?limit=3"), None).await.expect(200);
    assert_eq!(actions(&first), ["key.enable", "key.disable", "key.edit"]);
    assert_eq!(first["data"][0]["actor_name"], "admin");
    assert_eq!(first["data"][0]["subject"], json!(own.id));
    let after = first["next"].as_str().unwrap();
    let rest = format!("GET {path}/audit?after={after}");
    let rest = app.call(&secret, &rest, None).await.expect(200);
    assert_eq!((actions(&rest), &rest["next"]), (vec!["key.create"], &Value::Null));

    let other = format!("GET /v1/api-keys/{}/audit", other["id"].as_str().unwrap());
    app.call(&secret, &other, None).await.expect(404);
    app.call(&secret, "GET /v1/audit", None).await.expect(403);
}
