//! Links to set a password, by mail.

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::app::{Answer, TestApp};
use crate::notices::{notifier_of, plain_server, run};
use crate::sign_in::{EMAIL, PASSWORD, try_sign_in};
use crate::smtp::{Smtp, header};

const NEW: &str = "another strange 42";

/// A letter as it is read, its long lines put together.
fn read(mail: &Value) -> String {
    mail["data"].as_str().unwrap().replace("=\r\n", "").replace("=3D", "=")
}

/// The token in a letter.
fn token_in(mail: &Value) -> String {
    let data = read(mail);
    let start = data.find("dwl_").unwrap_or_else(|| panic!("{data}"));
    data[start..start + 53].to_owned()
}

async fn accept(app: &TestApp, kind: &str, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.open(&format!("POST /v1/{kind}/accept"), body).await
}

async fn invite(app: &TestApp) -> Value {
    let wish = json!({"name": "ada", "email": EMAIL, "role": "member", "invite": true});
    app.post("/v1/users", wish).await.expect(201)
}

/// Ada, with a password.
async fn add_ada(app: &TestApp, smtp: &mut Smtp) {
    invite(app).await;
    run(&notifier_of(&app.store, plain_server(smtp.port))).await;
    let token = token_in(&smtp.next().await);
    accept(app, "invitations", &token, PASSWORD).await.expect(204);
}

/// Every file of the data, as it is at this moment.
fn data_of(app: &TestApp) -> Vec<u8> {
    let files = std::fs::read_dir(app.dir()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// How many secrets the outbox holds.
async fn secrets(app: &TestApp) -> i64 {
    let file = SqliteConnectOptions::new().filename(app.dir().join("doorward.db"));
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    let sql = AssertSqlSafe("SELECT COUNT(*) FROM notices WHERE sealed IS NOT NULL");
    sqlx::query_scalar(sql).fetch_one(&mut database).await.unwrap()
}

async fn states(app: &TestApp) -> Vec<String> {
    let list = app.get("/v1/notices").await.expect(200);
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_invitation_goes_by_mail_and_its_token_stands_nowhere_else() {
    let mut smtp = Smtp::start(&[]).await;
    let app = TestApp::mailing().await;
    let hook = json!({"name": "ops", "url": "https://hooks.example.com/"});
    app.post("/v1/webhooks", hook).await.expect(201);
    let made = invite(&app).await;
    let link = &made["invitation"];
    assert_eq!((&link["token"], &link["mailed_to"]), (&Value::Null, &json!(EMAIL)));
    let list = app.get("/v1/notices").await.expect(200);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "the webhook is told nothing: {rows:?}");
    assert_eq!(
        (&rows[0]["kind"], &rows[0]["recipient"]),
        (&json!("user.invitation"), &json!(EMAIL))
    );
    assert_eq!(secrets(&app).await, 1);
    let before = data_of(&app);

    run(&notifier_of(&app.store, plain_server(smtp.port))).await;
    let mail = smtp.next().await;
    assert_eq!(header(&mail, "Subject"), "You are invited to Doorward");
    assert_eq!(mail["to"], json!([EMAIL]));
    let data = read(&mail);
    for part in [
        "https://models.example.com/invitation?token=dwl_",
        "doorward sign-in ada@example.com --link --url https://models.example.com",
        "2026-01-08",
    ] {
        assert!(data.contains(part), "{part}: {data}");
    }
    let token = token_in(&mail);
    assert_eq!(secrets(&app).await, 0, "it is forgotten once it is out");
    assert!(holds(&before, EMAIL), "so the search is live");
    for bytes in [&before, &data_of(&app)] {
        assert!(!holds(bytes, &token) && !holds(bytes, &token[4..47]));
    }
    let told = app.get("/v1/notices").await.text + &app.get("/v1/audit").await.text;
    assert!(told.contains("user.invite") && !told.contains("dwl_"), "{told}");

    accept(&app, "invitations", &token, PASSWORD).await.expect(204);
    try_sign_in(&app, PASSWORD).await.expect(201);
    assert!(smtp.finish().await.is_empty());
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_mail() {
    let mut smtp = Smtp::start(&[]).await;
    let app = TestApp::mailing().await;
    add_ada(&app, &mut smtp).await;
    for email in ["nobody@example.com", EMAIL] {
        let asked = app.open("POST /v1/password-resets", json!({"email": email})).await;
        assert!(asked.status == 202 && asked.text.is_empty());
    }
    app.control.finish().await;
    let notifier = notifier_of(&app.store, plain_server(smtp.port));
    run(&notifier).await;
    let mail = smtp.next().await;
    assert_eq!(header(&mail, "Subject"), "Set a new password for Doorward");
    accept(&app, "password-resets", &token_in(&mail), NEW).await.expect(204);
    assert_eq!(try_sign_in(&app, PASSWORD).await.problem(401), "invalid_credentials");
    try_sign_in(&app, NEW).await.expect(201);

    // And one that an administrator makes.
    let made = app.post("/v1/users/ada/password-reset", json!({})).await.expect(201);
    assert_eq!((&made["token"], &made["mailed_to"]), (&Value::Null, &json!(EMAIL)));
    run(&notifier).await;
    let token = token_in(&smtp.next().await);
    accept(&app, "password-resets", &token, PASSWORD).await.expect(204);
    assert!(smtp.finish().await.is_empty());
}

#[tokio::test]
async fn a_letter_is_cancelled_with_its_link() {
    let mut smtp = Smtp::start(&[]).await;
    let app = TestApp::mailing().await;
    add_ada(&app, &mut smtp).await;
    let notifier = notifier_of(&app.store, plain_server(smtp.port));
    let reset = async || app.post("/v1/users/ada/password-reset", json!({})).await.expect(201);

    // Replaced: only the newest goes out.
    app.pass(1);
    reset().await;
    app.pass(1);
    reset().await;
    assert_eq!(
        (states(&app).await[..2].to_vec(), secrets(&app).await),
        (vec!["waiting".to_owned(), "obsolete".to_owned()], 1)
    );
    run(&notifier).await;
    let first = token_in(&smtp.next().await);

    // Used: a password that is set takes the others with it.
    app.pass(1);
    app.open("POST /v1/password-resets", json!({"email": EMAIL})).await.expect(202);
    app.control.finish().await;
    assert_eq!(secrets(&app).await, 1);
    accept(&app, "password-resets", &first, NEW).await.expect(204);
    assert_eq!((states(&app).await[0].as_str(), secrets(&app).await), ("obsolete", 0));

    // Taken back, with the user's role or address.
    app.pass(1);
    reset().await;
    app.patch("/v1/users/ada", json!({"email": "ada@b.example"})).await.expect(200);
    assert_eq!((states(&app).await[0].as_str(), secrets(&app).await), ("obsolete", 0));

    // Over by the clock, whether somebody tries to send it or not.
    app.pass(1);
    reset().await;
    app.pass(86_400);
    run(&notifier).await;
    assert_eq!((states(&app).await[0].as_str(), secrets(&app).await), ("obsolete", 0));
    reset().await;
    app.pass(86_400);
    app.store.sweep_sign_ins().await.unwrap();
    assert_eq!((states(&app).await[0].as_str(), secrets(&app).await), ("obsolete", 0));
    assert!(smtp.finish().await.is_empty());
}

#[tokio::test]
async fn a_letter_that_cannot_be_sent_forgets_its_secret_and_is_not_sent_again() {
    let smtp = Smtp::start(&[]).await;
    let app = TestApp::mailing().await;
    invite(&app).await;
    app.patch("/v1/settings", json!({"mail-from": null})).await.expect(200);
    run(&notifier_of(&app.store, plain_server(smtp.port))).await;
    let dead = app.get("/v1/notices?state=dead").await.expect(200)["data"][0].clone();
    assert_eq!((&dead["last_error"], secrets(&app).await), (&json!("no_mail_server"), 0));
    let path = format!("/v1/notices/{}/retry", dead["id"].as_str().unwrap());
    assert_eq!(app.post(&path, json!({})).await.problem(409), "notice_over");
    // Without a sender, whoever invites hands the link over.
    let made = app.post("/v1/users/ada/invitation", json!({})).await.expect(201);
    assert_eq!(made["mailed_to"], Value::Null);
    let token = made["token"].as_str().unwrap();
    accept(&app, "invitations", token, PASSWORD).await.expect(204);
    assert!(smtp.finish().await.is_empty());
}

#[tokio::test]
async fn the_organization_says_whether_it_sends_mail() {
    let sends =
        async |app: &TestApp| app.get("/v1/organization").await.expect(200)["sends_mail"].clone();
    let app = TestApp::mailing().await;
    assert_eq!(sends(&app).await, true);
    app.patch("/v1/settings", json!({"mail-from": null})).await.expect(200);
    assert_eq!(sends(&app).await, false);
    let without = TestApp::new().await;
    without.patch("/v1/settings", json!({"mail-from": "a@example.com"})).await.expect(200);
    assert_eq!(sends(&without).await, false, "there is no server");
}

#[tokio::test]
async fn the_organization_says_where_links_of_its_mails_lead() {
    for (app, expected) in [
        (TestApp::new().await, Value::Null),
        (TestApp::mailing().await, "https://models.example".into()),
    ] {
        assert_eq!(app.get("/v1/organization").await.expect(200)["mails_lead_to"], expected);
    }
}
