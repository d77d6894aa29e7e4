//! `/v1/provider-keys`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::app::{TestApp, shape};

const CANARY: &str = "sk-canary-8c1f02d7a9";

async fn create(app: &TestApp, name: &str) -> Value {
    app.post("/v1/provider-keys", json!({"name": name, "value": CANARY})).await.expect(201)
}

#[tokio::test]
async fn no_answer_ever_holds_the_value() {
    let app = TestApp::new().await;
    let wish = json!({"name": "openai", "value": CANARY, "note": "paid by search"});
    let made = app.post("/v1/provider-keys", wish.clone()).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    insta::assert_json_snapshot!(shape(made.json()));
    let path = format!("/v1/provider-keys/{id}");
    for answer in [
        made,
        app.get(&path).await,
        app.get("/v1/provider-keys/openai").await,
        app.get("/v1/provider-keys").await,
        app.patch(&path, json!({"value": CANARY})).await,
        app.post("/v1/provider-keys", wish).await,
        app.post("/v1/provider-keys", json!({"name": "x", "value": format!("{CANARY} ")})).await,
        app.post("/v1/provider-keys", json!({"name": "x", "value": [CANARY]})).await,
        app.post("/v1/provider-keys", json!({"name": CANARY, "valeu": CANARY})).await,
        app.get("/v1/audit").await,
        app.delete(&path).await,
    ] {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_edit_replaces_the_value_and_its_mask() {
    let app = TestApp::new().await;
    let made = create(&app, "openai").await;
    app.pass(1);
    let edit = json!({"value": "sk-another-value-xyz", "note": "new"});
    let edited = app.patch("/v1/provider-keys/openai", edit).await.expect(200);
    assert_eq!(edited["masked"], "sk-…xyz");
    assert_eq!((&edited["note"], &edited["last_test"]), (&json!("new"), &json!(null)));
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let stored = app.store.reveal_provider_key(app.first.organization, id).await.unwrap();
    assert_eq!(stored.expose_secret(), "sk-another-value-xyz");
}

#[tokio::test]
async fn a_bad_provider_key_is_refused_by_the_field_at_fault() {
    let app = TestApp::new().await;
    #[rustfmt::skip]
    let cases = [
        (json!({"value": "v"}),                               "name"),
        (json!({"name": "n"}),                                "value"),
        (json!({"name": "n", "value": ""}),                   "value"),
        (json!({"name": "n", "value": "a b"}),                "value"),
        (json!({"name": "n", "value": "a\r\nx: y"}),          "value"),
        (json!({"name": "n", "value": "x".repeat(4097)}),     "value"),
        (json!({"name": "n", "value": 5}),                    "value"),
        (json!({"name": "n\n", "value": "v"}),                "name"),
        (json!({"name": "n", "value": "v", "note": 5}),       "note"),
        (json!({"name": "n", "value": "v", "org": "x"}),      "org"),
    ];
    for (wish, field) in cases {
        let answer = app.post("/v1/provider-keys", wish.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{wish}");
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert_eq!(app.get("/v1/provider-keys").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let app = TestApp::new().await;
    create(&app, "a").await;
    let again = app.post("/v1/provider-keys", json!({"name": "a", "value": "v"})).await;
    assert_eq!(again.problem(409), "name_taken");
}

#[tokio::test]
async fn pages_hold_every_provider_key_once_by_name() {
    let app = TestApp::new().await;
    for name in ["b", "C", "a"] {
        create(&app, name).await;
    }
    let first = app.get("/v1/provider-keys?limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/v1/provider-keys?limit=2&after={next}")).await.expect(200);
    let names: Vec<&Value> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["C", "a", "b"]);
    assert_eq!((&second["has_more"], &second["next"]), (&json!(false), &json!(null)));
}

#[tokio::test]
async fn a_search_finds_a_part_of_a_name_in_whatever_case() {
    let app = TestApp::new().await;
    for name in ["MY_API", "my_other", "100%"] {
        create(&app, name).await;
    }
    for (q, expected) in
        [("my_", vec!["MY_API", "my_other"]), ("0%25", vec!["100%"]), ("none-such", vec![])]
    {
        let list = app.get(&format!("/v1/provider-keys?q={q}")).await.expect(200);
        let rows = list["data"].as_array().unwrap();
        let names: Vec<&Value> = rows.iter().map(|row| &row["name"]).collect();
        assert_eq!(names, expected, "{q}");
    }
}

#[tokio::test]
async fn a_deleted_provider_key_is_gone() {
    let app = TestApp::new().await;
    create(&app, "a").await;
    app.delete("/v1/provider-keys/a").await.expect(204);
    assert_eq!(app.get("/v1/provider-keys/a").await.problem(404), "not_found");
    assert_eq!(app.delete("/v1/provider-keys/a").await.problem(404), "not_found");
}

/// Answers one request as a provider does, and hands back what was asked.
pub(crate) fn provider_once(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut asked, mut piece) = (Vec::new(), [0; 1024]);
        while !asked.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    (base_url, asked)
}

/// A provider at this address, called with the provider key `key`.
async fn link(app: &TestApp, name: &str, base_url: &str) {
    let wish = json!({
        "name": name, "kind": "openai-compatible", "base_url": base_url, "provider_keys": ["key"],
    });
    app.post("/v1/providers", wish).await.expect(201);
}

#[tokio::test]
async fn a_test_says_what_the_provider_lists_and_never_the_key() {
    let app = TestApp::new().await;
    create(&app, "key").await;
    let listed = format!(r#"{{"data":[{{"id":"b"}},{{"id":"a"}},{{"id":"x-{CANARY}"}}]}}"#);
    let (base_url, asked) = provider_once("200 OK", &listed);
    link(&app, "vllm", &base_url).await;
    let answer = app.post("/v1/provider-keys/key/test", json!({})).await;
    assert!(!answer.text.contains(CANARY), "{}", answer.text);
    insta::assert_json_snapshot!(shape(answer.expect(200)));
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("GET /v1/models HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("authorization: Bearer {CANARY}\r\n")), "{asked}");
    let last = &app.get("/v1/audit").await.expect(200)["data"][0];
    assert_eq!(last["action"], "provider_key.test");
    assert_eq!(last["detail"], json!({"name": "key", "provider": "vllm"}));
    let key = app.get("/v1/provider-keys/key").await.expect(200);
    let provider = app.get("/v1/providers/vllm").await.expect(200);
    assert_eq!(key["used_by"], json!({"providers": [provider["id"]], "models": []}));
    let at = "2026-01-01T00:00:00Z";
    let expected = json!({"at": at, "provider": "vllm", "works": true, "failure": null});
    assert_eq!(key["last_test"], expected);
}

#[tokio::test]
async fn a_test_tells_a_bad_key_from_a_bad_provider() {
    let app = TestApp::new().await;
    create(&app, "key").await;
    let echoed = format!(r#"{{"error":{{"message":"Incorrect API key: {CANARY}"}}}}"#);
    #[rustfmt::skip]
    let cases = [
        ("401 Nope",  echoed.as_str(), "it answers 401 Unauthorized"),
        ("302 Found", "{}",            "it answers 302 Found"),
        ("200 OK",    "<html>",        "its answer is no list of models"),
    ];
    for (index, (status, body, detail)) in cases.into_iter().enumerate() {
        let (base_url, asked) = provider_once(status, body);
        let name = format!("p{index}");
        link(&app, &name, &base_url).await;
        let told = app.post("/v1/provider-keys/key/test", json!({"provider": name})).await;
        let told = told.expect(200);
        assert_eq!((&told["works"], &told["detail"]), (&json!(false), &json!(detail)), "{status}");
        assert_eq!(told["models"], json!([]));
        asked.join().unwrap();
        let known = &app.get("/v1/provider-keys/key").await.expect(200)["last_test"];
        assert_eq!((&known["works"], &known["failure"]), (&json!(false), &json!(detail)));
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    link(&app, "gone", &format!("http://{closed}/v1")).await;
    let told = app.post("/v1/provider-keys/key/test", json!({"provider": "gone"})).await;
    let detail = told.expect(200)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("cannot be reached"), "{detail}");
}

#[tokio::test]
async fn a_test_wants_to_know_which_provider_where_that_is_not_plain() {
    let app = TestApp::new().await;
    create(&app, "key").await;
    app.post("/v1/providers", json!({"name": "echo", "kind": "echo"})).await.expect(201);
    let unused = app.post("/v1/provider-keys/key/test", json!({})).await;
    link(&app, "a", "http://127.0.0.1:1/v1").await;
    link(&app, "b", "http://127.0.0.1:1/v1").await;
    for answer in [
        unused,
        app.post("/v1/provider-keys/key/test", json!({})).await,
        app.post("/v1/provider-keys/key/test", json!({"provider": "c"})).await,
        app.post("/v1/provider-keys/key/test", json!({"provider": "echo"})).await,
    ] {
        assert_eq!(answer.problem(400), "invalid_request");
        assert_eq!(answer.fields(), ["provider"], "{}", answer.text);
    }
    assert_eq!(app.post("/v1/provider-keys/x/test", json!({})).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_uses_a_provider_key_keeps_it_unless_forced() {
    let app = TestApp::new().await;
    create(&app, "key").await;
    link(&app, "vllm", "http://127.0.0.1:1/v1").await;
    let model = json!({
        "name": "m", "price": "free", "deployments": [{"provider": "vllm", "provider_key": "key"}],
    });
    app.post("/v1/models", model).await.expect(201);
    for path in ["/v1/provider-keys/key", "/v1/provider-keys/key?force=false"] {
        let refused = app.delete(path).await;
        assert_eq!(refused.problem(409), "in_use");
        assert!(refused.text.contains("model m, provider vllm"), "{}", refused.text);
    }
    assert_eq!(app.delete("/v1/provider-keys/key?force=1").await.fields(), ["force"]);
    app.delete("/v1/provider-keys/key?force=true").await.expect(204);
    assert_eq!(app.get("/v1/providers/vllm").await.expect(200)["provider_keys"], json!([]));
    let model = app.get("/v1/models/m?view=routes").await.expect(200);
    assert_eq!(model["deployments"][0]["provider_key"], json!(null));
}
