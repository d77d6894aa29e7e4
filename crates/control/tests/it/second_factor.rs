//! One-time codes, and what stands in for them.

use doorward_domain::totp::{SECRET_BYTES, TotpSecret};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp};
use crate::sign_in::{EMAIL, PASSWORD, add_ada, sign_in, try_sign_in};

/// What an authenticator app makes of the text.
fn read_secret(base32: &str) -> TotpSecret {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut have, mut bytes) = (0_u32, 0, Vec::new());
    for character in base32.chars() {
        bits = bits << 5 | u32::try_from(alphabet.find(character).unwrap()).unwrap();
        have += 5;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have & 0xff) as u8);
        }
    }
    TotpSecret::new(<[u8; SECRET_BYTES]>::try_from(bytes).unwrap())
}

async fn sign_in_with(app: &TestApp, code: &str) -> Answer {
    let body = json!({"email": EMAIL, "password": PASSWORD, "code": code});
    app.open("POST /v1/sessions", body).await
}

/// Gives ada a second factor, and returns its secret and the recovery codes.
async fn enrol(app: &TestApp, session: &str) -> (TotpSecret, Vec<String>) {
    let body = json!({"current_password": PASSWORD});
    let begun = app.call(session, "POST /v1/users/me/second-factor", Some(body)).await.expect(201);
    let url = begun["otpauth_url"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/Doorward:ada%40example.com?secret="), "{url}");
    let secret = read_secret(begun["secret"].as_str().unwrap());
    sign_in(app).await; // Not asked for before it is confirmed.
    let confirm = |code: String| {
        let body = Some(json!({ "code": code }));
        app.call(session, "POST /v1/users/me/second-factor/confirm", body)
    };
    let right = secret.code_at(app.now()).to_string();
    let wrong = if right == "000000" { "000001" } else { "000000" };
    assert_eq!(confirm(wrong.to_owned()).await.problem(400), "invalid_code");
    let confirmed = confirm(right.clone()).await.expect(200);
    assert_eq!(confirm(right).await.problem(409), "second_factor_state");
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn a_code_is_asked_for_and_works_once() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    let (secret, _) = enrol(&app, &session).await;
    assert_eq!(try_sign_in(&app, PASSWORD).await.problem(401), "second_factor_required");
    let wrong = app.open(
        "POST /v1/sessions",
        json!({"email": EMAIL, "password": "a wrong engine 4242", "code": "123456"}),
    );
    assert_eq!(wrong.await.problem(401), "invalid_credentials", "the password comes first");
    let enrolled = secret.code_at(app.now());
    assert_eq!(sign_in_with(&app, &enrolled).await.problem(401), "invalid_code", "used to confirm");
    app.pass(30);
    let code = secret.code_at(app.now());
    sign_in_with(&app, &code).await.expect(201);
    assert_eq!(sign_in_with(&app, &code).await.problem(401), "invalid_code");
}

#[tokio::test]
async fn each_recovery_code_stands_in_once() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    let (_, codes) = enrol(&app, &session).await;
    assert_eq!(codes.len(), 10);
    sign_in_with(&app, &codes[0]).await.expect(201);
    assert_eq!(sign_in_with(&app, &codes[0]).await.problem(401), "invalid_code");
    sign_in_with(&app, &codes[1].to_uppercase().replace('-', " ")).await.expect(201);
    assert!(!app.get("/v1/audit").await.text.contains(&codes[2]));
}

#[tokio::test]
async fn it_is_taken_away_with_the_password_or_by_an_administrator() {
    let app = TestApp::new().await;
    add_ada(&app, "member").await;
    let session = sign_in(&app).await;
    enrol(&app, &session).await;
    let remove = |password: &str| {
        let body: Option<Value> = Some(json!({ "current_password": password }));
        app.call(&session, "DELETE /v1/users/me/second-factor", body)
    };
    assert_eq!(remove("not the engine 42").await.problem(403), "wrong_password");
    try_sign_in(&app, PASSWORD).await.problem(401);
    remove(PASSWORD).await.expect(204);
    remove(PASSWORD).await.problem(404);
    sign_in(&app).await;
    app.pass(30);
    enrol(&app, &session).await;
    app.delete("/v1/users/ada/second-factor").await.expect(204);
    sign_in(&app).await;
}
