//! `/oauth/…`: how tokens are asked for, revoked and asked about.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use doorward_domain::address::AddressRules;
use doorward_domain::credential::KeyId;
use doorward_domain::key::Owner;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::Scope;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, all_rights, only};

const URL: &str = "https://models.example";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API_KEY: &str = "urn:doorward:token-type:api_key";

pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(crate) async fn app() -> TestApp {
    let app = TestApp::new().await;
    app.store.set_public_url(URL.to_owned());
    app
}

/// A form, with an `Authorization` header or, where that is empty, without.
pub(crate) async fn form(
    app: &TestApp,
    path: &str,
    authorization: String,
    fields: Fields<'_>,
) -> Answer {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(fields).finish();
    let mut request =
        Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    app.send(request.body(Body::from(body)).unwrap()).await
}

pub(crate) fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn basic(key: &str) -> String {
    let (id, secret) = key.rsplit_once('_').unwrap();
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Asks for a token with a key.
async fn ask(app: &TestApp, key: &str, fields: Fields<'_>) -> Answer {
    let fields = [&[("grant_type", "client_credentials")], fields].concat();
    form(app, "/oauth/token", basic(key), &fields).await
}

/// A token of a key.
pub(crate) async fn token(app: &TestApp, key: &str, fields: Fields<'_>) -> String {
    text(&ask(app, key, fields).await.expect(200), "access_token")
}

async fn exchange(app: &TestApp, subject: &str, kind: &str, fields: Fields<'_>) -> Answer {
    let what = [("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", kind)];
    form(app, "/oauth/token", String::new(), &[&what, fields].concat()).await
}

pub(crate) async fn introspect(app: &TestApp, by: &str, token: &str) -> Value {
    form(app, "/oauth/introspect", bearer(by), &[("token", token)]).await.expect(200)
}

pub(crate) async fn revoke(app: &TestApp, by: &str, token: &str) -> Answer {
    form(app, "/oauth/revoke", bearer(by), &[("token", token)]).await
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}")).to_owned()
}

fn error(answer: Answer, status: u16) -> String {
    let error = answer.expect(status);
    assert!(error["error_description"].is_string(), "{error}");
    text(&error, "error")
}

fn claims(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

fn administrator(app: &TestApp) -> Owner {
    Owner::User(app.first.administrator)
}

/// Keys that do what the name says, and are called so.
async fn key(app: &TestApp, name: &str, rights: Rights) -> String {
    app.key(administrator(app), name, rights).await.1
}

#[tokio::test]
async fn a_key_gets_a_token_whichever_way_it_shows_itself() {
    let app = app().await;
    let (id, secret) = app.admin.rsplit_once('_').unwrap();
    let grant = ("grant_type", "client_credentials");
    let in_body = [grant, ("client_id", id), ("client_secret", secret)];
    for (authorization, fields) in [
        (basic(&app.admin), &[grant][..]),
        (basic(&app.admin), &[grant, ("client_id", id)]),
        (bearer(&app.admin), &[grant]),
        (String::new(), &in_body),
    ] {
        let answer = form(&app, "/oauth/token", authorization, fields).await;
        assert_eq!(answer.header("pragma"), "no-cache");
        let issued = answer.expect(200);
        let token = text(&issued, "access_token");
        assert_eq!(
            (text(&issued, "token_type"), &issued["expires_in"]),
            ("Bearer".into(), &json!(3_600))
        );
        assert_eq!(issued["models"], Value::Null);
        app.call(&token, "GET /v1/api-keys", None).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_says_whose_it_is_and_what_it_may() {
    let app = app().await;
    let fields = [("scope", "keys:read"), ("models", "gpt-* echo"), ("expires_in", "60")];
    let issued = ask(&app, &app.admin, &fields).await.expect(200);
    assert_eq!((text(&issued, "scope"), &issued["expires_in"]), ("keys:read".into(), &json!(60)));
    assert_eq!(issued["models"], json!(["gpt-*", "echo"]));
    let claims = claims(&text(&issued, "access_token"));
    let (id, now) = (app.admin.rsplit_once('_').unwrap().0, app.now().as_second());
    assert_eq!(claims["sub"], json!(app.first.administrator));
    assert_eq!((&claims["client_id"], &claims["iss"]), (&json!(id), &json!(URL)));
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(URL), &json!("keys:read")));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 60)));
    assert!(text(&claims, "jti").starts_with("tok_"));
}

#[tokio::test]
async fn whoever_is_unknown_wrong_or_malformed_gets_one_answer() {
    let app = app().await;
    let other = key(&app, "other", all_rights()).await;
    let (_, foreign_secret) = other.rsplit_once('_').unwrap();
    let (id, _) = app.admin.rsplit_once('_').unwrap();
    let unknown = app.admin.replace("dw_", "dx_");
    let mut answers = Vec::new();
    for client in
        [basic(&format!("{id}_{foreign_secret}")), basic(&unknown), basic("dw_a_b"), String::new()]
    {
        for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
            let fields = [("grant_type", "client_credentials"), ("token", "x")];
            let answer = form(&app, path, client.clone(), &fields).await;
            assert_eq!(answer.header("www-authenticate"), r#"Basic realm="doorward""#);
            answers.push(answer.text.clone());
            assert_eq!(error(answer, 401), "invalid_client");
        }
    }
    let (one, in_body) = (&answers[0], [("client_id", id), ("client_secret", foreign_secret)]);
    assert!(answers.iter().all(|answer| answer == one));
    let in_body = [&[("grant_type", "client_credentials")][..], &in_body].concat();
    assert_eq!(&form(&app, "/oauth/token", String::new(), &in_body).await.text, one);
}

#[tokio::test]
async fn what_ended_is_told_to_whoever_has_the_secret() {
    let app = app().await;
    let (disabled, disabled_key) = app.key(administrator(&app), "disabled", all_rights()).await;
    let (revoked, revoked_key) = app.key(administrator(&app), "revoked", all_rights()).await;
    app.store.set_key_disabled(&app.act(), &disabled.id, true).await.unwrap();
    app.store.revoke_key(&app.act(), &revoked.id).await.unwrap();
    let addresses = AddressRules { allow: Some(vec!["10.0.0.0/8".parse().unwrap()]), deny: vec![] };
    let elsewhere = key(&app, "elsewhere", Rights { addresses, ..all_rights() }).await;
    for (key, status, code, words) in [
        (disabled_key, 401, "invalid_client", "disabled"),
        (revoked_key, 401, "invalid_client", "revoked"),
        (elsewhere, 400, "unauthorized_client", "address"),
    ] {
        let answer = ask(&app, &key, &[]).await;
        assert!(answer.text.contains(words), "{}", answer.text);
        assert_eq!(error(answer, status), code);
        let exchanged = exchange(&app, &key, API_KEY, &[]).await;
        assert!(exchanged.text.contains(words), "{}", exchanged.text);
        assert_eq!(error(exchanged, 400), "invalid_request");
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn what_makes_no_sense_is_refused_by_name() {
    let app = app().await;
    let key = key(&app, "k", Rights {
        models: ModelRule::Only(vec!["gpt-*".parse().unwrap()]),
        ..only(&[Scope::InferenceRead, Scope::KeysRead])
    }).await;
    let grant = ("grant_type", "client_credentials");
    let cases: [(Fields<'_>, &str, &str); 17] = [
        (&[],                                               "invalid_request",        "grant_type"),
        (&[("grant_type", "password")],                     "unsupported_grant_type", "client_credentials"),
        (&[grant, grant],                                   "invalid_request",        "grant_type"),
        (&[grant, ("scope", "keys:read root")],             "invalid_scope",          "root"),
        (&[grant, ("scope", "keys:read keys:write")],       "invalid_scope",          "keys:write"),
        (&[grant, ("scope", "admin")],                      "invalid_scope",          "admin"),
        (&[grant, ("models", "gpt-4o claude-*")],           "invalid_scope",          "claude-*"),
        (&[grant, ("models", "*")],                         "invalid_scope",          "*"),
        (&[grant, ("models", "gpt-\u{e9}")],                "invalid_scope",          "models"),
        (&[grant, ("expires_in", "-1")],                    "invalid_request",        "expires_in"),
        (&[grant, ("expires_in", "0")],                     "invalid_request",        "expires_in"),
        (&[grant, ("resource", "/files")],                  "invalid_target",         "resource"),
        (&[grant, ("resource", "https://a.example/#x")],    "invalid_target",         "resource"),
        (&[grant, ("resource", "https://a.example"), ("resource", "https://b.example")], "invalid_request", "resource"),
        (&[grant, ("audience", "files")],                   "invalid_target",         "resource"),
        (&[grant, ("client_secret", "x")],                  "invalid_request",        "more than one"),
        (&[grant, ("client_id", "dw_0000000000000000")],    "invalid_request",        "more than one"),
    ];
    for (fields, code, words) in cases {
        let answer = form(&app, "/oauth/token", basic(&key), fields).await;
        assert!(answer.text.contains(words), "{fields:?} {}", answer.text);
        assert_eq!(error(answer, 400), code, "{fields:?}");
    }
    // Empty is left out, unknown is passed over, and a longer life is cut.
    let fields = [grant, ("scope", ""), ("models", ""), ("nonsense", "1"), ("expires_in", "99999999999")];
    let issued = form(&app, "/oauth/token", basic(&key), &fields).await.expect(200);
    assert_eq!(issued["scope"], "inference:read keys:read");
    assert_eq!((&issued["models"], &issued["expires_in"]), (&json!(["gpt-*"]), &json!(3_600)));
}

#[tokio::test]
async fn bodies_that_are_no_small_form_are_refused() {
    let app = app().await;
    let large = format!("grant_type=client_credentials&scope={}", "a".repeat(40_000));
    for (media_type, body) in [
        ("application/json", r#"{"grant_type":"client_credentials"}"#.to_owned()),
        ("application/x-www-form-urlencoded", large),
    ] {
        let request = Request::post("/oauth/token")
            .header("content-type", media_type)
            .header("authorization", basic(&app.admin));
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(error(answer, 400), "invalid_request", "{media_type}");
    }
    let many: Vec<String> = (0..400).map(|n| format!("model-number-{n}")).collect();
    let answer = ask(&app, &app.admin, &[("models", &many.join(" "))]).await;
    assert!(answer.text.contains("too long"), "{}", answer.text);
    assert_eq!(error(answer, 400), "invalid_request");
}

#[tokio::test]
async fn a_token_ends_no_later_than_its_key_and_secret() {
    let app = app().await;
    let soon = app.now().checked_add(SignedDuration::from_secs(600)).unwrap();
    let ending = key(&app, "ending", Rights { expires_at: Some(soon), ..all_rights() }).await;
    assert_eq!(ask(&app, &ending, &[]).await.expect(200)["expires_in"], 600);
    let made = app.post("/v1/api-keys", json!({"name": "rotated"})).await.expect(201);
    let path = format!("/v1/api-keys/{}/rotate", text(&made, "id"));
    app.post(&path, json!({"overlap_seconds": 120})).await.expect(200);
    let old = text(&made, "key");
    let issued = ask(&app, &old, &[]).await.expect(200);
    assert_eq!(issued["expires_in"], 120);
    let first = text(&issued, "access_token");
    app.pass(119);
    let last = exchange(&app, &first, ACCESS_TOKEN, &[]).await.expect(200);
    assert_eq!(last["expires_in"], 1);
    assert_eq!(introspect(&app, &app.admin, &text(&last, "access_token")).await["active"], true);
    app.pass(1);
    assert_eq!(error(exchange(&app, &first, ACCESS_TOKEN, &[]).await, 400), "invalid_request");
}

#[tokio::test]
async fn a_key_is_exchanged_and_a_token_for_a_narrower_one() {
    let app = app().await;
    let fields = [("scope", "keys:read inference:read"), ("expires_in", "100")];
    let first = exchange(&app, &app.admin, API_KEY, &fields).await.expect(200);
    assert_eq!(first["issued_token_type"], ACCESS_TOKEN);
    let first = text(&first, "access_token");
    app.pass(40);
    let second = exchange(&app, &first, ACCESS_TOKEN, &[("scope", "keys:read")]).await.expect(200);
    assert_eq!((&second["scope"], &second["expires_in"]), (&json!("keys:read"), &json!(60)));
    let second = text(&second, "access_token");
    app.call(&second, "GET /v1/api-keys", None).await.expect(200);
    for wider in ["keys:write", "inference:read", "admin"] {
        let answer = exchange(&app, &second, ACCESS_TOKEN, &[("scope", wider)]).await;
        assert_eq!(error(answer, 400), "invalid_scope", "{wider}");
    }
    let audit = app.get("/v1/audit?action=token.create").await.expect(200);
    assert_eq!(audit["data"][0]["detail"]["of_token"], claims(&first)["jti"]);
}

#[tokio::test]
async fn an_exchange_that_is_not_one_is_refused() {
    let app = app().await;
    let good = token(&app, &app.admin, &[]).await;
    let elsewhere = token(&app, &app.admin, &[("resource", "https://a.example")]).await;
    #[rustfmt::skip]
    let cases: [(&str, &str, Fields<'_>); 8] = [
        (&good,      API_KEY,      &[]),
        (&app.admin, ACCESS_TOKEN, &[]),
        (&good,      "urn:ietf:params:oauth:token-type:id_token", &[]),
        (&elsewhere, ACCESS_TOKEN, &[]),
        ("nonsense", ACCESS_TOKEN, &[]),
        (&good,      ACCESS_TOKEN, &[("actor_token", &good)]),
        (&good,      ACCESS_TOKEN, &[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]),
        ("",         ACCESS_TOKEN, &[]),
    ];
    for (subject, kind, fields) in cases {
        let answer = exchange(&app, subject, kind, fields).await;
        assert_eq!(error(answer, 400), "invalid_request", "{kind} {fields:?}");
    }
    // A client beside the subject token must be the same key.
    let other = key(&app, "other", all_rights()).await;
    let what =
        [("grant_type", EXCHANGE), ("subject_token", &good), ("subject_token_type", ACCESS_TOKEN)];
    form(&app, "/oauth/token", basic(&app.admin), &what).await.expect(200);
    let answer = form(&app, "/oauth/token", basic(&other), &what).await;
    assert_eq!(error(answer, 400), "invalid_request");
    // And a token is no client secret.
    let grant = [("grant_type", "client_credentials")];
    assert_eq!(
        error(form(&app, "/oauth/token", bearer(&good), &grant).await, 401),
        "invalid_client"
    );
}

#[tokio::test]
async fn a_token_for_another_resource_is_good_there_only() {
    let app = app().await;
    let there = token(&app, &app.admin, &[("resource", "https://files.example/")]).await;
    assert_eq!(app.call(&there, "GET /v1/api-keys", None).await.problem(401), "invalid_api_key");
    let verifier = key(&app, "files", only(&[Scope::KeysVerify])).await;
    let told = introspect(&app, &verifier, &there).await;
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!("https://files.example/")));
    for own in [URL.to_owned(), format!("{URL}/")] {
        let here = token(&app, &app.admin, &[("resource", &own)]).await;
        app.call(&here, "GET /v1/api-keys", None).await.expect(200);
        assert_eq!(claims(&here)["aud"], URL);
    }
}

#[tokio::test]
async fn issuing_is_an_act_of_the_key_and_the_token_stands_nowhere() {
    let app = app().await;
    let asked = [("scope", "keys:read"), ("models", "gpt-*")];
    let token = token(&app, &app.admin, &asked).await;
    let audit = app.get("/v1/audit?action=token.").await.expect(200);
    let entry = &audit["data"][0];
    let id = app.admin.rsplit_once('_').unwrap().0;
    assert_eq!((&entry["action"], &entry["actor"]), (&json!("token.create"), &json!(id)));
    assert_eq!(entry["subject"], claims(&token)["jti"]);
    let detail = json!({
        "scopes": ["keys:read"], "models": ["gpt-*"], "resource": URL,
        "expires_at": "2026-01-01T01:00:00Z", "of_token": null,
    });
    assert_eq!(entry["detail"], detail);
    let signature = token.rsplit_once('.').unwrap().1;
    assert!(!audit.to_string().contains(signature));
    assert!(!audit.to_string().contains(&claims(&token)["salt"].to_string()));
}

#[tokio::test]
async fn a_key_has_so_many_tokens_a_minute() {
    let app = app().await;
    let mut issued = 0;
    let refused = loop {
        let answer = ask(&app, &app.admin, &[]).await;
        if answer.status != 200 {
            break answer;
        }
        issued += 1;
    };
    assert_eq!((issued, refused.header("retry-after")), (300, "60".to_owned()));
    assert_eq!(error(refused, 429), "temporarily_unavailable");
    app.pass(60);
    ask(&app, &app.admin, &[]).await.expect(200);
}

#[tokio::test]
async fn a_revoked_token_is_good_for_nothing() {
    let app = app().await;
    let [one, other] = [token(&app, &app.admin, &[]).await, token(&app, &app.admin, &[]).await];
    app.call(&one, "GET /v1/api-keys", None).await.expect(200);
    let answer = revoke(&app, &app.admin, &one).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    assert_eq!(app.call(&one, "GET /v1/api-keys", None).await.problem(401), "invalid_api_key");
    assert_eq!(introspect(&app, &app.admin, &one).await, json!({"active": false}));
    assert_eq!(error(exchange(&app, &one, ACCESS_TOKEN, &[]).await, 400), "invalid_request");
    app.call(&other, "GET /v1/api-keys", None).await.expect(200);
    revoke(&app, &app.admin, &one).await.expect(200);
    let audit = app.get("/v1/audit?action=token.revoke").await.expect(200);
    assert_eq!(audit["data"][0]["subject"], claims(&one)["jti"]);
    assert_eq!(audit["data"][1], Value::Null, "it was revoked once");
}

#[tokio::test]
async fn whoever_may_not_revoke_a_token_does_not() {
    let app = app().await;
    let member = app.user("ada", OrganizationRole::Member).await;
    let (_, stranger) = app.key(member, "stranger", all_rights()).await;
    let colleague = key(&app, "colleague", only(&[Scope::KeysRead])).await;
    let victim = token(&app, &app.admin, &[]).await;
    let sibling = token(&app, &app.admin, &[("scope", "keys:read")]).await;
    // To whom the key does not exist, the token is nobody's.
    revoke(&app, &stranger, &victim).await.expect(200);
    for may_not in [&colleague, &sibling] {
        assert_eq!(error(revoke(&app, may_not, &victim).await, 400), "unauthorized_client");
    }
    app.call(&victim, "GET /v1/api-keys", None).await.expect(200);
    // A token ends itself, and whoever manages keys ends those of others.
    revoke(&app, &sibling, &sibling).await.expect(200);
    assert_eq!(app.call(&sibling, "GET /v1/api-keys", None).await.problem(401), "invalid_api_key");
    let manager = key(&app, "manager", only(&[Scope::KeysWrite])).await;
    revoke(&app, &manager, &victim).await.expect(200);
    assert_eq!(app.call(&victim, "GET /v1/api-keys", None).await.problem(401), "invalid_api_key");
}

#[tokio::test]
async fn what_is_no_token_is_revoked_without_a_word_but_a_key_is_not() {
    let app = app().await;
    let good = token(&app, &app.admin, &[]).await;
    let changed = format!("{}A", &good[..good.len() - 1]);
    for nothing in ["x", "eyJ.eyJ.x", &changed] {
        revoke(&app, &app.admin, nothing).await.expect(200);
    }
    assert_eq!(error(revoke(&app, &app.admin, "").await, 400), "invalid_request");
    let refused = revoke(&app, &app.admin, &app.admin).await;
    assert_eq!(error(refused, 400), "unsupported_token_type");
    app.call(&app.admin, "GET /v1/api-keys", None).await.expect(200);
}

/// The scopes that a key was granted and has not used for thirty days.
async fn unused_scopes(app: &TestApp, id: &KeyId) -> Vec<String> {
    let told = app.get(&format!("/v1/api-keys/{id}/unused-rights")).await.expect(200);
    let scope = |one: &Value| one["scope"].as_str().unwrap().to_owned();
    told["scopes"].as_array().unwrap().iter().map(scope).collect()
}

#[tokio::test]
async fn to_look_at_tokens_and_to_revoke_them_is_to_use_a_scope() {
    let app = app().await;
    let (_, subject) = app.key(administrator(&app), "subject", all_rights()).await;
    let rights = only(&[Scope::KeysVerify, Scope::KeysWrite]);
    let (record, manager) = app.key(administrator(&app), "manager", rights).await;
    app.pass(31 * 86_400);
    assert_eq!(unused_scopes(&app, &record.id).await, ["keys:write", "keys:verify"]);
    let token = token(&app, &subject, &[]).await;
    introspect(&app, &manager, &token).await;
    assert_eq!(unused_scopes(&app, &record.id).await, ["keys:write"]);
    revoke(&app, &manager, &token).await.expect(200);
    assert_eq!(unused_scopes(&app, &record.id).await, [""; 0]);
}

#[tokio::test]
async fn a_live_token_is_told_as_it_is_now() {
    let app = app().await;
    let (record, subject) = app.key(administrator(&app), "subject", all_rights()).await;
    let asked = [("scope", "inference:write keys:read"), ("models", "gpt-*")];
    let token = token(&app, &subject, &asked).await;
    let claims = claims(&token);
    let verifier = key(&app, "verifier", only(&[Scope::KeysVerify])).await;
    let told = introspect(&app, &verifier, &token).await;
    let now = app.now().as_second();
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": URL, "aud": URL,
        "sub": app.first.administrator, "client_id": record.id, "username": "subject",
        "jti": claims["jti"], "scope": "inference:write keys:read", "models": ["gpt-*"],
        "iat": now, "nbf": now, "exp": now + 3_600,
    });
    assert_eq!(told, expected);
    // The key was narrowed since.
    let edit = json!({"scopes": ["keys:read"], "models": ["gpt-4o"]});
    app.patch(&format!("/v1/api-keys/{}", record.id), edit).await.expect(200);
    let told = introspect(&app, &subject, &token).await;
    assert_eq!((&told["scope"], &told["models"]), (&json!("keys:read"), &json!(["gpt-4o"])));
    app.store.set_key_disabled(&app.act(), &record.id, true).await.unwrap();
    assert_eq!(introspect(&app, &verifier, &token).await, json!({"active": false}));
    app.store.set_key_disabled(&app.act(), &record.id, false).await.unwrap();
    assert_eq!(introspect(&app, &verifier, &token).await["active"], true);
    app.pass(3_600);
    assert_eq!(introspect(&app, &verifier, &token).await, json!({"active": false}));
}

#[tokio::test]
async fn nothing_is_told_of_a_token_to_whom_it_does_not_concern() {
    let app = app().await;
    let token = token(&app, &app.admin, &[]).await;
    let reader = key(&app, "reader", only(&[Scope::KeysRead, Scope::KeysWrite])).await;
    let foreigner = app.foreign_key().await;
    for nobody in [&reader, &foreigner] {
        assert_eq!(introspect(&app, nobody, &token).await, json!({"active": false}));
    }
    revoke(&app, &foreigner, &token).await.expect(200);
    assert_eq!(introspect(&app, &token, &token).await["active"], true, "about itself");
    for nothing in ["x", "eyJ.eyJ.x", app.admin.as_str()] {
        assert_eq!(introspect(&app, &app.admin, nothing).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn whoever_checks_tokens_elsewhere_finds_all_that_it_takes() {
    let app = app().await;
    let bare = |path: &str| app.send(Request::get(path).body(Body::empty()).unwrap());
    let server = bare("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(server["issuer"], URL);
    for (name, path) in [
        ("token_endpoint", "/oauth/token"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(server[name], format!("{URL}{path}"));
    }
    assert_eq!(server["grant_types_supported"], json!(["client_credentials", EXCHANGE]));

    let keys = bare("/.well-known/jwks.json").await.expect(200);
    let key = &keys["keys"][0];
    let token = token(&app, &app.admin, &[]).await;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().0).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({"alg": key["alg"], "kid": key["kid"], "typ": "at+jwt"}));
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    let public = URL_SAFE_NO_PAD.decode(text(key, "x")).unwrap();
    let public =
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    assert!(keys["keys"][0].get("d").is_none());
}
