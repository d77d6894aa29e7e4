//! People: from the invitation to the end, with the command line.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Program, command};

const PASSWORD: &str = "a strange engine 42";

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A command of somebody with a data directory of their own, who types these lines.
fn typed(program: &Program, home: &std::path::Path, args: &[&str], lines: &str) -> Output {
    let mut command = command(args);
    command.args(["--url", &program.url, "--data"]).arg(home);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn from_an_invitation_to_a_key_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("ada");
    let program = Program::start(dir.path(), &[]);
    let ada = |args: &[&str], lines: &str| typed(&program, &home, args, lines);

    let made =
        out(&program.cli(&["users", "create", "ada", "--email", "ada@example.com", "--invite"]));
    let link = made.split_whitespace().find(|word| word.contains("dwl_")).unwrap();
    assert!(link.starts_with(&format!("{}/invitation?token=", program.url)), "{made}");
    let said =
        out(&ada(&["sign-in", "ada@example.com", "--link"], &format!("{link}\n{PASSWORD}\n")));
    assert!(said.contains("Signed in as ada@example.com"), "{said}");
    assert!(!said.contains("dws_"), "{said}");
    let permissions = std::fs::metadata(home.join("session")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);

    let key: Value =
        serde_json::from_str(&out(&ada(&["keys", "create", "app", "--json"], ""))).unwrap();
    let key = key["key"].as_str().unwrap();
    assert_eq!(program.chat(key, "doorward/echo").status, 200);
    assert!(out(&ada(&["sessions", "list"], "")).contains("this one"));
    let kept = std::fs::read_to_string(home.join("session")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let session = kept["token"].as_str().unwrap();
    assert_eq!(program.chat(session, "doorward/echo").status, 401, "no session calls models");
    assert_eq!(program.ask("GET", "/v1/users/me", session, None).json()["name"], "ada");

    out(&program.cli(&["users", "disable", "ada"]));
    let refused = program.chat(key, "doorward/echo");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("owner_inactive")));
    let refused = program.ask("GET", "/v1/users/me", session, None);
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("invalid_session")));

    out(&program.cli(&["users", "enable", "ada"]));
    assert_eq!(program.chat(key, "doorward/echo").status, 200);
    assert_eq!(program.ask("GET", "/v1/users/me", session, None).status, 401);
    let wrong = ada(&["sign-in", "ada@example.com"], "another engine 4242\n");
    assert_eq!(wrong.status.code(), Some(1));
    out(&ada(&["sign-in", "ada@example.com"], &format!("{PASSWORD}\n")));
    out(&ada(&["sign-out"], ""));
    assert!(!home.join("session").exists());
    assert!(!program.log().contains("dws_") && !program.log().contains(PASSWORD));
}

#[test]
fn the_first_administrator_gets_a_password_and_is_reset() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let link = |args: &[&str]| {
        let made: Value = serde_json::from_str(&out(&program.cli(args))).unwrap();
        made["token"].as_str().unwrap().to_owned()
    };
    let first =
        link(&["users", "invite", "administrator", "--email", "root@example.com", "--json"]);
    let home = tempfile::tempdir().unwrap();
    let sign_in = |token: &str, password: &str| {
        let lines = format!("{token}\n{password}\n");
        typed(&program, home.path(), &["sign-in", "root@example.com", "--link"], &lines)
    };
    out(&sign_in(&first, PASSWORD));
    assert!(out(&typed(&program, home.path(), &["users", "list"], "")).contains("administrator"));
    let reset = link(&["users", "reset-password", "administrator", "--json"]);
    let said = out(&program.cli(&["users", "end-sessions", "administrator"]));
    assert!(said.contains("signed out everywhere"), "{said}");
    out(&sign_in(&reset, "another strange engine"));
    let again = sign_in(&reset, "yet another strange engine");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(again.status.code() == Some(1) && said.contains("has been used"), "{said}");
}
