//! From nothing to a working call, and what a second run finds.

use serde_json::{Value, json};

use crate::program::{Program, command};
use crate::upstream::{Script, Upstream};

#[test]
fn the_first_run_gives_a_key_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let ready = program.ready.as_object().unwrap();
    let mut fields: Vec<&str> = ready.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["access_key", "admin_key", "endpoint", "key", "models", "portal", "secret_key"]
    );
    let whole = format!(
        "{}_{}",
        ready["access_key"].as_str().unwrap(),
        ready["secret_key"].as_str().unwrap()
    );
    assert_eq!(program.key(), whole);
    assert_eq!(ready["admin_key"], json!(program.admin_key()));

    let answer = program.chat(program.key(), "doorward/echo");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Say hello.");
    let usage = program.usage("doorward/echo");
    assert_eq!((&usage["requests"], &usage["output_tokens"]), (&json!(1), &json!(2)));
}

#[test]
fn a_second_run_reuses_what_is_there_and_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = Program::start(dir.path(), &[]);
    let (key, before) = (first.key().to_owned(), first.ready.clone());
    assert_eq!(first.stop(), 0);

    let second = Program::start(dir.path(), &[]);
    assert_eq!((&second.ready["key"], &second.ready["secret_key"]), (&Value::Null, &Value::Null));
    for field in ["access_key", "admin_key", "models"] {
        assert_eq!(second.ready[field], before[field], "{field}");
    }
    assert_eq!(second.chat(&key, "doorward/echo").status, 200);
    assert_eq!(second.stop(), 0);

    let third = Program::start(dir.path(), &["--new-key"]);
    assert_ne!(third.key(), key);
    for key in [third.key(), &key] {
        assert_eq!(third.chat(key, "doorward/echo").status, 200);
    }
}

#[test]
fn an_administrators_key_that_no_longer_works_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let first = Program::start(dir.path(), &[]);
    let lost = first.admin_key();
    first.stop();
    let path = dir.path().join("data/admin.key");
    for damage in [None, Some("not a key")] {
        match damage {
            None => std::fs::remove_file(&path).unwrap(),
            Some(text) => std::fs::write(&path, text).unwrap(),
        }
        let again = Program::start(dir.path(), &[]);
        assert_ne!(again.admin_key(), lost);
        let listed = again.ask("GET", "/v1/api-keys", &again.admin_key(), None);
        assert_eq!(listed.status, 200, "{}", listed.body);
        again.stop();
    }
}

#[test]
fn the_key_files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let _program = Program::start(dir.path(), &[]);
    for (name, mode) in [("admin.key", 0o600), ("master.key", 0o600), ("", 0o700)] {
        let found = std::fs::metadata(dir.path().join("data").join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn a_model_server_that_is_named_is_linked_and_free() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Chat);
    let url = format!("http://{}/v1", upstream.address);
    let program = Program::start(dir.path(), &["--upstream", &url]);
    let models = program.ready["models"].as_array().unwrap();
    assert!(models.contains(&json!("mock")), "{models:?}");

    let answer = program.chat(program.key(), "mock");
    assert_eq!((answer.status, upstream.seen().len()), (200, 1), "{}", answer.body);
    let usage = program.usage("mock");
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(25), &json!(30)));
    assert_eq!(usage["cost_usd"], "0.00");
}

#[test]
fn one_model_on_two_servers_has_two_deployments_also_after_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Upstream::start(Script::Chat), Upstream::start(Script::Chat));
    let urls = [&one, &two].map(|upstream| format!("http://{}", upstream.address));
    let args = ["--upstream", &urls[0], "--upstream", &urls[1]];
    for _ in 0..2 {
        let program = Program::start(dir.path(), &args);
        let path = "/v1/models/mock?view=routes";
        let model = program.ask("GET", path, &program.admin_key(), None).json();
        let deployments = model["deployments"].as_array().unwrap();
        let priorities: Vec<_> = deployments.iter().map(|d| d["priority"].clone()).collect();
        assert_eq!(priorities, [json!(0), json!(1)], "{model}");
        program.stop();
    }
}

#[test]
fn an_upstream_that_is_no_url_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let failed = Program::try_start(dir.path(), &["--upstream", "nonsense"], &[]);
    let log = failed.err().unwrap();
    assert!(log.contains("--upstream `nonsense` has no scheme: write http://nonsense"), "{log}");
    assert!(!dir.path().join("data").exists());
}

#[test]
fn the_screen_for_people_holds_the_line_to_paste() {
    use std::io::{BufRead as _, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut child = command(&["quickstart", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let curl = lines.into_iter().find(|line| line.starts_with("curl "));
    child.kill().unwrap();
    child.wait().unwrap();
    let curl = curl.unwrap();
    assert!(curl.contains("'authorization: Bearer dw_"), "{curl}");
    assert!(curl.contains(r#""model":"doorward/echo""#) || curl.contains(r#""model":""#), "{curl}");
}

#[test]
fn the_link_of_the_first_start_lets_in_once_and_is_in_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start_with(dir.path(), &[], &[("RUST_LOG", "trace")]);
    let link = program.ready["portal"].as_str().unwrap();
    let (page, token) = link.split_once("?token=").unwrap();
    assert_eq!(page, format!("{}/welcome", program.url));
    let opened = || program.send("GET", &format!("/welcome?token={token}"), &[], None);
    let shown = opened();
    assert_eq!((shown.status, shown.body.contains(token)), (200, true), "{}", shown.body);
    assert_eq!(program.send("GET", "/sign-in", &[], None).status, 303, "nobody can sign in yet");

    let (email, password) = ("root@example.com", "a strange engine 42");
    let body = json!({"token": token, "email": email, "password": password}).to_string();
    let accepted = program.send("POST", "/v1/invitations/accept", &[], Some(body.as_bytes()));
    assert_eq!(accepted.status, 204, "{}", accepted.body);
    let body = json!({"email": email, "password": password}).to_string();
    let session = program.send("POST", "/v1/sessions", &[], Some(body.as_bytes()));
    let session = session.json()["token"].as_str().unwrap().to_owned();
    let me = program.ask("GET", "/v1/users/me", &session, None).json();
    assert_eq!((&me["role"], &me["email"]), (&json!("owner"), &json!(email)));
    assert_eq!((opened().status, program.send("GET", "/sign-in", &[], None).status), (422, 200));
    assert!(program.log().contains("serving"), "the search is live");
    assert!(!program.log().contains(&token[4..]));
    assert_eq!(program.stop(), 0);

    let again = Program::start(dir.path(), &[]);
    assert_eq!(again.ready["portal"], json!(again.url), "somebody can sign in");
}
