//! Webhooks: over REST, and as their receivers see them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_control::notices::{NoticeOptions, Notifier};
use doorward_store::{NewWebhook, Webhook};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::app::TestApp;
use crate::receiver::{Got, Hook};

const PATH: &str = "/v1/webhooks";
const DAY_SECONDS: i64 = 86_400;

fn notifier(app: &TestApp, allow_private_webhooks: bool) -> Arc<Notifier> {
    let options = NoticeOptions {
        mail: None,
        allow_private_webhooks,
        webhook_roots: Vec::new(),
        public_url: None,
    };
    Notifier::new(Arc::clone(&app.store), options, CancellationToken::new()).unwrap()
}

async fn run(notifier: &Arc<Notifier>) {
    notifier.start_deliveries().await;
    notifier.settled().await;
}

/// A webhook to a receiver, and its secret; with a test on its way.
async fn with_test(app: &TestApp, name: &str, hook: &Hook) -> (Webhook, String) {
    let new = NewWebhook { name: name.to_owned(), url: hook.url.clone() };
    let (webhook, secret) = app.store.create_webhook(&app.act(), new).await.unwrap();
    app.post(&format!("{PATH}/{name}/test"), json!({})).await.expect(202);
    (webhook, secret.expose().to_string())
}

/// The only notice of a webhook.
async fn notice(app: &TestApp, webhook: &Webhook) -> Value {
    let list = app.get(&format!("/v1/notices?subject={}", webhook.id)).await.expect(200);
    let [notice] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    notice.clone()
}

/// As a receiver does it who has only read the specification.
fn is_signed(got: &Got, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    mac.update(format!("{id}.{at}.{}", got.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    got.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn a_notice_is_signed_and_comes_again_under_its_id_until_it_is_taken() {
    let app = TestApp::new().await;
    let answers = ["500 Internal Server Error", "503 Busy", "204 No Content"];
    let mut hook = Hook::start(&answers).await;
    let (webhook, secret) = with_test(&app, "ops", &hook).await;
    let notifier = notifier(&app, true);
    let mut seen = Vec::new();
    for _ in 0..3 {
        run(&notifier).await;
        let got = hook.next().await;
        assert!(is_signed(&got, &secret), "{got:?}");
        assert!(got.head.starts_with("POST /hook?a=b HTTP/1.1"), "{}", got.head);
        assert_eq!(got.header("content-type"), "application/json");
        let at: i64 = got.header("webhook-timestamp").parse().unwrap();
        assert_eq!(at, app.now().as_second(), "of the attempt");
        seen.push((got.header("webhook-id").to_owned(), got.body));
        app.pass(400);
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    let notice = notice(&app, &webhook).await;
    assert_eq!((&notice["state"], &notice["attempts"]), (&json!("sent"), &json!(3)));
    assert_eq!(notice["id"], seen[0].0);
    let body: Value = serde_json::from_str(&seen[0].1).unwrap();
    assert_eq!(body["type"], "webhook.test");
    assert_eq!(body["data"], json!({"webhook": {"id": webhook.id, "name": "ops"}}));
    run(&notifier).await;
    assert_eq!(hook.connections(), 3);
}

#[tokio::test]
async fn a_notice_that_nobody_takes_is_dead_and_seen_and_sent_again_by_hand() {
    let app = TestApp::new().await;
    let answers = [["500 No"; 8].as_slice(), &["200 OK"]].concat();
    let mut hook = Hook::start(&answers).await;
    let (webhook, _) = with_test(&app, "ops", &hook).await;
    let notifier = notifier(&app, true);
    for _ in 0..12 {
        run(&notifier).await;
        app.pass(DAY_SECONDS);
    }
    assert_eq!(hook.connections(), 8);
    let dead = app.get("/v1/notices?state=dead").await.expect(200)["data"][0].clone();
    assert_eq!((&dead["last_error"], &dead["attempts"]), (&json!("bad_status"), &json!(8)));
    let path = format!("/v1/notices/{}/retry", dead["id"].as_str().unwrap());
    assert_eq!(app.post(&path, json!({})).await.expect(202)["state"], "waiting");
    run(&notifier).await;
    assert_eq!(notice(&app, &webhook).await["state"], "sent");
    let ids: Vec<String> = {
        let mut ids = Vec::new();
        for _ in 0..9 {
            ids.push(hook.next().await.header("webhook-id").to_owned());
        }
        ids
    };
    assert!(ids.iter().all(|id| dead["id"] == id.as_str()), "{ids:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_only_its_own_notices_waiting() {
    let app = TestApp::new().await;
    let mut hanging = Hook::start(&[""]).await;
    let mut good = Hook::start(&["200 OK"]).await;
    let (stuck, _) = with_test(&app, "a", &hanging).await;
    let notifier = notifier(&app, true);
    notifier.start_deliveries().await;
    hanging.next().await;
    // Put while the other one hangs.
    let (fine, _) = with_test(&app, "b", &good).await;
    notifier.start_deliveries().await;
    good.next().await;
    assert_eq!(notice(&app, &stuck).await["state"], "waiting");
    notifier.settled().await;
    assert_eq!(notice(&app, &fine).await["state"], "sent");
    let stuck = notice(&app, &stuck).await;
    assert_eq!((&stuck["state"], &stuck["last_error"]), (&json!("waiting"), &json!("timed_out")));
    assert_eq!(hanging.connections(), 1);
}

#[tokio::test]
async fn a_receiver_that_redirects_is_not_followed() {
    let app = TestApp::new().await;
    let elsewhere = Hook::start(&["200 OK"]).await;
    let answer = format!("307 Temporary Redirect\r\nlocation: {}", elsewhere.url);
    let hook = Hook::start(&[&answer]).await;
    let (webhook, _) = with_test(&app, "ops", &hook).await;
    run(&notifier(&app, true)).await;
    assert_eq!(notice(&app, &webhook).await["last_error"], "redirected");
    assert_eq!((hook.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn a_private_address_is_not_called_unless_that_is_allowed() {
    let app = TestApp::new().await;
    let hook = Hook::start(&["200 OK"]).await;
    let (webhook, _) = with_test(&app, "ops", &hook).await;
    run(&notifier(&app, false)).await;
    assert_eq!(notice(&app, &webhook).await["last_error"], "address_not_allowed");
    assert_eq!(hook.connections(), 0);
    app.pass(DAY_SECONDS);
    run(&notifier(&app, true)).await;
    assert_eq!(hook.connections(), 1, "so the test is live");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_asked_again() {
    let app = TestApp::new().await;
    let hook = Hook::start(&["410 Gone"]).await;
    let (webhook, _) = with_test(&app, "ops", &hook).await;
    run(&notifier(&app, true)).await;
    let dead = notice(&app, &webhook).await;
    assert_eq!((&dead["state"], &dead["last_error"]), (&json!("dead"), &json!("gone")));
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_after_a_rotation() {
    let app = TestApp::new().await;
    let mut hook = Hook::start(&["200 OK"]).await;
    let (_, old) = with_test(&app, "ops", &hook).await;
    app.pass(1);
    let rotated = app.post(&format!("{PATH}/ops/rotate"), json!({})).await.expect(200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    let notifier = notifier(&app, true);
    run(&notifier).await;
    let got = hook.next().await;
    assert!(is_signed(&got, &old) && is_signed(&got, &new), "{got:?}");
    app.pass(DAY_SECONDS);
    app.post(&format!("{PATH}/ops/test"), json!({})).await.expect(202);
    run(&notifier).await;
    let got = hook.next().await;
    assert!(!is_signed(&got, &old) && is_signed(&got, &new), "{got:?}");
}

#[tokio::test]
async fn a_webhook_is_made_shown_edited_and_deleted_and_its_secret_is_seen_once() {
    let app = TestApp::new().await;
    let wish = json!({"name": "ops", "url": "https://hooks.example.com/a"});
    let made = app.post(PATH, wish.clone()).await.expect(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(app.post(PATH, wish).await.problem(409), "name_taken");
    let shown = app.get(&format!("{PATH}/ops")).await;
    let version = shown.header("etag");
    assert!(!shown.text.contains("secret"), "{}", shown.text);
    let shown = shown.expect(200);
    assert_eq!((&shown["object"], &shown["id"]), (&json!("webhook"), &made["id"]));
    assert_eq!(app.get(PATH).await.expect(200)["data"], json!([shown]));

    app.pass(1);
    let edit = json!({"url": "https://b.example/"});
    let edited = app.patch(&format!("{PATH}/ops"), edit).await;
    assert_ne!(edited.header("etag"), version);
    assert_eq!(edited.expect(200)["url"], "https://b.example/");
    let fixed = app.patch(&format!("{PATH}/ops"), json!({"secret": "whsec_a"})).await;
    assert_eq!(fixed.json()["errors"][0]["code"], "immutable");
    app.delete(&format!("{PATH}/ops")).await.expect(204);
    for call in ["GET /v1/webhooks/ops", "DELETE /v1/webhooks/ops", "POST /v1/webhooks/ops/test"] {
        assert_eq!(app.call(&app.admin, call, None).await.problem(404), "not_found", "{call}");
    }
    let audit = app.get("/v1/audit").await;
    assert!(audit.text.contains("webhook.create") && !audit.text.contains(&secret));
}

#[tokio::test]
async fn a_bad_webhook_names_its_fields_and_nothing_is_stored() {
    let app = TestApp::new().await;
    #[rustfmt::skip]
    let cases = [
        (json!({"name": "a"}),                                                 "url"),
        (json!({"url": "https://a.example/"}),                                 "name"),
        (json!({"name": "a", "url": "http://hooks.example.com/"}),             "url"),
        (json!({"name": "a", "url": "https://10.0.0.1/"}),                     "url"),
        (json!({"name": "a", "url": "https://[::ffff:127.0.0.1]/"}),           "url"),
        (json!({"name": "a", "url": "http://localhost/"}),                     "url"),
        (json!({"name": "a", "url": "https://u:p@hooks.example.com/"}),        "url"),
        (json!({"name": "a\u{202e}", "url": "https://a.example/"}),            "name"),
        (json!({"name": "a", "url": "https://a.example/", "secret": "x"}),     "secret"),
    ];
    for (wish, field) in cases {
        let answer = app.post(PATH, wish.clone()).await;
        assert_eq!(answer.problem(400), "invalid_request", "{wish}");
        assert_eq!(answer.fields(), [field], "{wish}");
    }
    assert!(app.get(PATH).await.expect(200)["data"].as_array().unwrap().is_empty());
}
