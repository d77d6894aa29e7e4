//! Notices by mail, against a real mail server.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use doorward_control::notices::{MailLogin, MailServer, MailTls, NoticeOptions, Notifier};
use doorward_domain::bounds::Bounds;
use doorward_domain::credential::KeyId;
use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use doorward_domain::rotation::Overlap;
use doorward_domain::setting::{Setting, SettingValue};
use doorward_store::{
    Clock, JournalSync, KeyCaps, NewUser, Options, Rotation, SettingsEdit, Store,
};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::{START_US, TestApp, all_rights};
use crate::smtp::{Smtp, header};

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

pub(crate) fn plain_server(port: u16) -> MailServer {
    MailServer {
        host: "127.0.0.1".to_owned(),
        port,
        tls: MailTls::None,
        login: None,
        roots: Vec::new(),
    }
}

pub(crate) fn notifier_of(store: &Arc<Store>, mail: MailServer) -> Arc<Notifier> {
    let options = NoticeOptions {
        mail: Some(mail),
        allow_private_webhooks: false,
        webhook_roots: Vec::new(),
        public_url: Some("https://models.example.com".to_owned()),
    };
    Notifier::new(Arc::clone(store), options, CancellationToken::new()).unwrap()
}

pub(crate) async fn run(notifier: &Arc<Notifier>) {
    notifier.plan().await;
    notifier.start_deliveries().await;
    notifier.settled().await;
}

/// Mail can be sent, and Ada has a key that ends after so many days.
async fn ada_with_key(app: &TestApp, name: &str, days: i64) -> KeyId {
    let from = SettingValue::Text("doorward@example.com".to_owned());
    let changes = vec![(Setting::MailFrom, Some(from))];
    let edit = SettingsEdit { changes, if_updated_at: None, may_forget: true, is_preview: false };
    app.store.change_settings(&app.act(), &edit).await.unwrap();
    let email = Some("ada@example.com".parse().unwrap());
    let new = NewUser {
        name: "ada".to_owned(),
        email,
        role: OrganizationRole::Member,
        bounds: Bounds::NONE,
    };
    let ada = app.store.create_user(&app.act(), new).await.unwrap().id;
    let mut rights = all_rights();
    rights.expires_at = Some(app.now() + SignedDuration::from_secs(days * DAY_SECONDS));
    app.key(Owner::User(ada), name, rights).await.0.id
}

/// One run of the program, in a process of its own: opens the data at a fixed time, plans, delivers
/// where it is told to, says so, and waits for its end.
#[tokio::test]
async fn one_run_of_the_program() {
    let Some(run_of) = std::env::var_os("DOORWARD_TEST_RUN") else { return };
    let words: Vec<String> = run_of.to_str().unwrap().split('|').map(str::to_owned).collect();
    let [dir, us, port, work] = words.as_slice() else { panic!("{words:?}") };
    let store = Store::open(options(Path::new(dir), us.parse().unwrap())).await.unwrap();
    let notifier = notifier_of(&store, plain_server(port.parse().unwrap()));
    notifier.plan().await;
    if work == "deliver" {
        notifier.start_deliveries().await;
        notifier.settled().await;
    }
    writeln!(std::io::stdout(), "\nworked").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    store.close().await;
}

fn options(dir: &Path, us: i64) -> Options {
    Options {
        data_dir: dir.to_owned(),
        database_url: None,
        master_key: None,
        clock: Clock::Fixed(Arc::new(AtomicI64::new(us))),
        time_zone: TimeZone::UTC,
        journal_sync: JournalSync::Interval,
        call_keys_max: 100,
        key_caps: KeyCaps::STANDARD,
    }
}

/// Starts a run and waits until it has done its work.
fn started(dir: &Path, us: i64, port: u16, work: &str) -> (Child, BufReader<ChildStdout>) {
    let run = format!("{}|{us}|{port}|{work}", dir.display());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["notices::one_run_of_the_program", "--exact", "--nocapture"])
        .env("DOORWARD_TEST_RUN", run)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let worked = said.by_ref().lines().any(|line| line.unwrap() == "worked");
    assert!(worked, "the run did its work");
    (child, said)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    InOrder,
    Killed,
}

#[tokio::test]
async fn a_key_that_ends_in_31_days_is_told_by_four_mails_through_restarts_and_deaths() {
    use End::{InOrder, Killed};
    let smtp = Smtp::start(&[]).await;
    let app = TestApp::new().await;
    ada_with_key(&app, "ci", 31).await;
    app.store.close().await;
    #[rustfmt::skip]
    let runs = [
        // hours   work       end
        (0,        "deliver", InOrder),
        (20,       "deliver", Killed),
        (24,       "plan",    Killed),  // it is due, put, and its process dies before it goes out
        (25,       "deliver", Killed),
        (26,       "deliver", InOrder),
        (200,      "deliver", Killed),
        (17 * 24,  "deliver", Killed),  // the next one, and its process dies after it went out
        (18 * 24,  "deliver", InOrder),
        (19 * 24,  "plan",    Killed),
        (24 * 24,  "plan",    InOrder),
        (25 * 24,  "plan",    Killed),
        (26 * 24,  "deliver", InOrder),
        (30 * 24,  "deliver", InOrder),
        (31 * 24 - 1, "deliver", Killed),
        (31 * 24,  "deliver", InOrder),
        (40 * 24,  "deliver", InOrder),
    ];
    for (hours, work, end) in runs {
        let us = START_US + hours * HOUR_SECONDS * 1_000_000;
        let (mut child, mut said) = started(app.dir(), us, smtp.port, work);
        match end {
            Killed => child.kill().unwrap(),
            InOrder => drop(child.stdin.take()),
        }
        said.read_to_end(&mut Vec::new()).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.success(), end == InOrder, "{hours}");
    }
    let mails = smtp.finish().await;
    let subjects: Vec<&str> = mails.iter().map(|mail| header(mail, "Subject")).collect();
    assert_eq!(
        subjects,
        [
            "API key \"ci\" ends in 30 days",
            "API key \"ci\" ends in 14 days",
            "API key \"ci\" ends in 5 days", // of 7 days, and it went out late
            "API key \"ci\" ends within a day",
        ]
    );
    assert!(mails.iter().all(|mail| mail["to"] == json!(["ada@example.com"])));
    let mut ids: Vec<&str> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn nothing_more_is_told_of_an_end_after_a_rotation() {
    let smtp = Smtp::start(&[]).await;
    let app = TestApp::new().await;
    let id = ada_with_key(&app, "ci", 31).await;
    let notifier = notifier_of(&app.store, plain_server(smtp.port));
    app.pass(DAY_SECONDS);
    run(&notifier).await;
    let expires_at = Some(app.now() + SignedDuration::from_secs(80 * DAY_SECONDS));
    let rotation = Rotation { overlap: Overlap::default(), expires_at, if_updated_at: None };
    app.store.rotate_key(&app.act(), &id, rotation).await.unwrap();
    for _ in 0..32 {
        app.pass(DAY_SECONDS);
        run(&notifier).await;
    }
    let mails = smtp.finish().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
}

#[tokio::test]
async fn a_mail_that_is_put_off_comes_again_with_its_own_id() {
    let mut smtp = Smtp::start(&["--defer", "1"]).await;
    let app = TestApp::new().await;
    ada_with_key(&app, "ci", 31).await;
    let notifier = notifier_of(&app.store, plain_server(smtp.port));
    app.pass(DAY_SECONDS);
    run(&notifier).await;
    assert_eq!(smtp.next().await["deferred"], true);
    let list = app.get("/v1/notices").await.expect(200);
    let waiting = &list["data"][0];
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("waiting"), &json!(1)));
    assert_eq!(waiting["last_error"], "mail_deferred");
    run(&notifier).await;
    app.pass(10);
    run(&notifier).await;
    let mail = smtp.next().await;
    let id = waiting["id"].as_str().unwrap();
    assert_eq!(header(&mail, "Message-ID"), format!("<{id}@example.com>"));
    let sent = app.get(&format!("/v1/notices/{id}")).await.expect(200);
    assert_eq!((&sent["state"], &sent["last_error"]), (&json!("sent"), &json!(null)));
    assert!(smtp.finish().await.is_empty());
}

#[tokio::test]
async fn a_mail_goes_out_under_tls_after_a_login_and_has_two_forms() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [cert, key] = [&cert, &key].map(|path| path.to_str().unwrap());
    let smtp = Smtp::start(&["--tls", cert, key, "--login", "doorward", "canary-73"]).await;
    let server = |password: &str, roots: Vec<CertificateDer<'static>>| MailServer {
        host: "localhost".to_owned(),
        tls: MailTls::StartTls,
        login: Some(MailLogin { user: "doorward".to_owned(), password: password.into() }),
        roots,
        ..plain_server(smtp.port)
    };
    let app = TestApp::new().await;
    ada_with_key(&app, "ci <b>ü", 31).await;
    app.pass(DAY_SECONDS);
    let root = made.cert.der().clone();
    for (server, fault) in [
        (server("wrong-94", vec![root.clone()]), "mail_login"),
        (server("canary-73", Vec::new()), "tls_failed"),
    ] {
        run(&notifier_of(&app.store, server)).await;
        let list = app.get("/v1/notices").await.expect(200);
        assert_eq!(list["data"][0]["last_error"], fault);
        app.pass(HOUR_SECONDS);
    }
    run(&notifier_of(&app.store, server("canary-73", vec![root]))).await;
    let mails = smtp.finish().await;
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert_eq!((&mail["tls"], &mail["login"]), (&json!(true), &json!(true)));
    assert_eq!(mail["from"], "doorward@example.com");
    let data = mail["data"].as_str().unwrap();
    for part in ["multipart/alternative", "text/plain", "text/html", "ci &lt;b&gt;"] {
        assert!(data.contains(part), "{part}: {data}");
    }
    let rows = app.store.list_audit(app.first.organization, None, 100).await.unwrap();
    assert!(!format!("{rows:?}").contains("canary"));
}

#[tokio::test]
async fn without_a_sender_no_mail_is_put_and_one_that_waits_is_dead_and_sent_again_by_hand() {
    let smtp = Smtp::start(&[]).await;
    let app = TestApp::new().await;
    ada_with_key(&app, "ci", 31).await;
    let notifier = notifier_of(&app.store, plain_server(smtp.port));
    app.pass(DAY_SECONDS);
    notifier.plan().await;
    app.patch("/v1/settings", json!({"mail-from": null})).await.expect(200);
    run(&notifier).await;
    let dead = app.get("/v1/notices?state=dead").await.expect(200)["data"][0].clone();
    assert_eq!(dead["last_error"], "no_mail_server");
    app.patch("/v1/settings", json!({"mail-from": "keys@example.com"})).await.expect(200);
    let path = format!("/v1/notices/{}/retry", dead["id"].as_str().unwrap());
    app.post(&path, json!({})).await.expect(202);
    run(&notifier).await;
    assert_eq!(app.post(&path, json!({})).await.problem(409), "notice_over");
    let mails = smtp.finish().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["from"], "keys@example.com");
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_a_fault_with_a_name() {
    let app = TestApp::new().await;
    ada_with_key(&app, "ci", 31).await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    app.pass(DAY_SECONDS);
    run(&notifier_of(&app.store, plain_server(port))).await;
    let list = app.get("/v1/notices").await.expect(200);
    assert_eq!(list["data"][0]["last_error"], "connection_failed");
}

#[tokio::test]
async fn notices_are_listed_and_bad_questions_are_named() {
    let app = TestApp::new().await;
    assert!(app.get("/v1/notices").await.expect(200)["data"].as_array().unwrap().is_empty());
    for (query, field) in
        [("state=lost", "state"), ("kind=x", "kind"), ("after=x", "after"), ("limit=0", "limit")]
    {
        let answer = app.get(&format!("/v1/notices?{query}")).await;
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
        assert_eq!(answer.fields(), [field], "{query}");
    }
    for id in ["ntc_01K36M4YZX0123456789ABCDEF", "x"] {
        assert_eq!(app.get(&format!("/v1/notices/{id}")).await.problem(404), "not_found");
        let path = format!("/v1/notices/{id}/retry");
        assert_eq!(app.post(&path, json!({})).await.problem(404), "not_found");
    }
}
