//! Lists of addresses and names that their author may not have meant.

use doorward_domain::address::AddressRules;
use doorward_domain::key::Owner;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use serde_json::{Value, json};

use crate::app::{TestApp, all_rights};

#[tokio::test]
async fn an_overlap_of_allow_and_deny_is_warned_about_and_done() {
    let app = TestApp::new().await;
    let wish = json!({
        "name": "k", "ip_allow": ["10.0.0.0/8", "192.0.2.0/24"], "ip_deny": ["10.1.0.0/16", "192.0.2.0/23"],
    });
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    let fields = |answer: &Value| -> Vec<Value> {
        let warnings = answer["warnings"].as_array().unwrap();
        warnings.iter().map(|warning| warning["fields"].clone()).collect()
    };
    let both = [json!(["ip_allow[0]", "ip_deny[0]"]), json!(["ip_allow[1]", "ip_deny[1]"])];
    assert_eq!(fields(&created), both);
    let detail = created["warnings"][1]["detail"].as_str().unwrap();
    assert!(detail.starts_with("192.0.2.0/24 allows nothing"), "{detail}");

    let path = format!("/v1/api-keys/{}", created["id"].as_str().unwrap());
    let edited = app.patch(&path, json!({"ip_deny": ["10.1.0.0/16"]})).await.expect(200);
    assert_eq!(fields(&edited), both[..1]);
    let edited = app.patch(&path, json!({"ip_allow": null})).await.expect(200);
    assert!(edited.get("warnings").is_none(), "where no list allows, none contradicts");
}

#[tokio::test]
async fn so_many_warnings_as_anybody_reads() {
    let app = TestApp::new().await;
    let blocks: Vec<String> = (0..200).map(|n| format!("10.0.0.0/{}", 8 + n % 20)).collect();
    let wish = json!({"name": "k", "ip_allow": blocks, "ip_deny": blocks});
    let created = app.post("/v1/api-keys", wish).await.expect(201);
    assert_eq!(created["warnings"].as_array().unwrap().len(), 20);
}

/// All requests of these tests come from 192.0.2.7.
#[tokio::test]
async fn a_key_does_not_lock_itself_out_unless_it_is_forced() {
    let app = TestApp::new().await;
    let owner = Owner::User(app.first.administrator);
    let (own, secret) = app.key(owner, "own", all_rights()).await;
    let (other, _) = app.key(owner, "other", all_rights()).await;
    let edit = async |id: &str, wish: Value| {
        app.call(&secret, &format!("PATCH /v1/api-keys/{id}"), Some(wish)).await
    };
    let own_id = own.id.to_string();
    let before = app.get(&format!("/v1/api-keys/{own_id}")).await.text;
    for (wish, field) in [
        (json!({"ip_allow": ["10.0.0.0/8"]}), "ip_allow"),
        (json!({"ip_allow": []}), "ip_allow"),
        (json!({"ip_deny": ["192.0.2.0/24"]}), "ip_deny"),
        (json!({"ip_allow": ["192.0.2.7"], "ip_deny": ["::ffff:192.0.2.7"]}), "ip_deny"),
    ] {
        let refused = edit(&own_id, wish.clone()).await;
        assert_eq!(refused.problem(400), "invalid_request", "{wish}");
        assert_eq!(refused.json()["errors"][0]["code"], "locks_out", "{wish}");
        assert_eq!(refused.fields(), [field], "{wish}");
    }
    let shown: Value = serde_json::from_str(&before).unwrap();
    let after = app.get(&format!("/v1/api-keys/{own_id}")).await.json();
    assert_eq!((&after["ip_allow"], &after["ip_deny"]), (&shown["ip_allow"], &shown["ip_deny"]));
    edit(&own_id, json!({"ip_allow": ["192.0.2.0/24"]})).await.expect(200);
    edit(other.id.as_str(), json!({"ip_allow": ["192.0.2.9"]})).await.expect(200);
    edit(&own_id, json!({"ip_allow": ["192.0.2.9"], "force": true})).await.expect(200);
    assert_eq!(edit(&own_id, json!({"description": "x"})).await.problem(403), "ip_not_allowed");
}

/// A list that is as it was is not this edit's doing.
#[tokio::test]
async fn an_edit_of_something_else_locks_nobody_out() {
    let app = TestApp::new().await;
    let addresses =
        AddressRules { allow: Some(vec!["192.0.2.0/24".parse().unwrap()]), deny: Vec::new() };
    let owner = Owner::User(app.first.administrator);
    let (key, secret) = app.key(owner, "own", Rights { addresses, ..all_rights() }).await;
    let call = format!("PATCH /v1/api-keys/{}", key.id);
    app.call(&secret, &call, Some(json!({"description": "x"}))).await.expect(200);
}

#[tokio::test]
async fn a_name_that_looks_like_another_of_its_owner_is_refused() {
    let app = TestApp::new().await;
    let member = app.user("member", OrganizationRole::Member).await;
    app.post("/v1/api-keys", json!({"name": "scope-1"})).await.expect(201);
    let all_cyrillic = json!({"name": "\u{455}\u{441}\u{43e}\u{440}\u{435}-1"});
    for alike in [all_cyrillic, json!({"name": "scope-l"})] {
        let refused = app.post("/v1/api-keys", alike).await;
        assert_eq!(refused.problem(409), "name_looks_alike");
        assert_eq!(refused.fields(), ["name"]);
    }
    let same = app.post("/v1/api-keys", json!({"name": "scope-1"})).await;
    assert_eq!(same.problem(409), "name_taken");
    let mixed = app.post("/v1/api-keys", json!({"name": "sc\u{43e}pe"})).await;
    assert_eq!(
        (mixed.problem(400).as_str(), mixed.fields()),
        ("invalid_request", vec!["name".to_owned()])
    );
    let others = json!({"name": "scope-l", "owner": member.to_string()});
    let other = app.post("/v1/api-keys", others).await.expect(201);
    assert_eq!(app.get("/v1/api-keys?q=scope").await.json()["data"].as_array().unwrap().len(), 2);

    // A key that is gone gives its look free with its name.
    app.delete(&format!("/v1/api-keys/{}", other["id"].as_str().unwrap())).await.expect(204);
    let again = json!({"name": "scope-1", "owner": member.to_string()});
    app.post("/v1/api-keys", again).await.expect(201);
}

#[tokio::test]
async fn lists_take_days_and_instants_and_makers() {
    let app = TestApp::new().await;
    let Owner::User(member) = app.user("member", OrganizationRole::Member).await else {
        unreachable!()
    };
    app.pass(10 * 86_400);
    app.post("/v1/api-keys", json!({"name": "new"})).await.expect(201);
    let names = async |query: &str| -> Vec<String> {
        let list = app.get(&format!("/v1/api-keys?{query}")).await.expect(200);
        let rows = list["data"].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    // The administrator's own key is used by each of these requests.
    assert_eq!(names("unused_since=5").await, Vec::<String>::new());
    assert_eq!(names("unused_since=2026-01-20T00:00:00Z").await, ["new", "admin"]);
    assert_eq!(names(&format!("created_by={member}")).await, Vec::<String>::new());
    assert_eq!(names(&format!("created_by={}", app.first.administrator)).await, ["new", "admin"]);
    for bad in [
        "unused_since=0",
        "unused_since=soon",
        "unused_since=",
        "unused_since=99999",
        "created_by=x",
    ] {
        let answer = app.get(&format!("/v1/api-keys?{bad}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{bad}");
        assert_eq!(answer.fields(), [bad.split('=').next().unwrap()], "{bad}");
    }
}

#[tokio::test]
async fn provider_keys_are_searched_by_name_note_and_id() {
    let app = TestApp::new().await;
    for (name, note) in [("OpenAI-1", "100% Team"), ("anthropic", ""), ("openai-2", "")] {
        let wish = json!({"name": name, "value": "sk-0123456789ab", "note": note});
        app.post("/v1/provider-keys", wish).await.expect(201);
    }
    let names = async |query: &str| -> Vec<String> {
        let list = app.get(&format!("/v1/provider-keys?{query}")).await.expect(200);
        let rows = list["data"].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("q=OPENAI").await, ["OpenAI-1", "openai-2"]);
    assert_eq!(names("q=OPENAI&limit=1&after=OpenAI-1").await, ["openai-2"]);
    assert_eq!(names("q=100%25%20team").await, ["OpenAI-1"]);
    assert_eq!(names("q=%25").await, ["OpenAI-1"]);
    assert_eq!(names("q=_").await, ["OpenAI-1", "anthropic", "openai-2"], "ids have one");
    assert_eq!(names("q=sk-0").await, Vec::<String>::new(), "values are not searched");
    let edited = app.patch("/v1/provider-keys/anthropic", json!({"note": "Claude"})).await;
    edited.expect(200);
    assert_eq!(names("q=claude").await, ["anthropic"]);
}
