//! `--save` of a new key, and `keys open`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::program::{Program, command};

const PASSPHRASE: &str = "canary passphrase of a key file";

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command on the server, in a folder, with the passphrase in its environment.
fn keys(program: &Program, args: &[&str]) -> Output {
    command(&[&["keys"], args].concat())
        .args(["--url", &program.url, "--data"])
        .arg(program.dir.join("data"))
        .env("DOORWARD_PASSPHRASE", PASSPHRASE)
        .current_dir(&program.dir)
        .output()
        .unwrap()
}

/// Opens a file where there is no server, no data and no terminal.
fn open(file: &Path, passphrase: &str) -> Output {
    command(&["keys", "open"]).arg(file).env("DOORWARD_PASSPHRASE", passphrase).output().unwrap()
}

#[test]
fn a_saved_key_is_in_its_file_only_and_opens_from_each_format() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    for name in ["ci.env", "ci.json", "ci.pak"] {
        let said = told(&keys(&program, &["create", name, "--save", name]));
        let how =
            if name == "ci.pak" { "`doorward keys open ci.pak`" } else { "only you can read" };
        assert!(said.contains(how) && !said.contains(" dw_"), "{said}");
        let path = dir.path().join(name);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);

        let key = told(&open(&path, PASSPHRASE)).trim().to_owned();
        assert_eq!(program.chat(&key, "doorward/echo").status, 200, "{name}");
        let (_, secret) = key.rsplit_once('_').unwrap();
        assert!(!said.contains(secret), "{said}");
        let is_plain =
            std::fs::read(&path).unwrap().windows(secret.len()).any(|w| w == secret.as_bytes());
        assert_eq!(is_plain, name != "ci.pak", "{name}");
    }
    let object: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("ci.json")).unwrap()).unwrap();
    assert_eq!(
        (&object["name"], &object["endpoint"]),
        (&"ci.json".into(), &program.ready["endpoint"])
    );
    assert!(object["expires_at"].is_string() && object["secret_key"].is_string(), "{object}");
    let sealed = dir.path().join("ci.pak");
    let wrong = refusal(&open(&sealed, "another passphrase"));
    assert!(wrong.contains("the passphrase is wrong") && !wrong.contains("another"), "{wrong}");
    let untold = refusal(&command(&["keys", "open"]).arg(&sealed).output().unwrap());
    assert!(untold.contains("--passphrase-file"), "{untold}");
}

#[test]
fn no_key_is_made_where_its_file_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    std::fs::write(dir.path().join("taken.env"), "old").unwrap();
    let short = dir.path().join("short");
    std::fs::write(&short, "eleven char\n").unwrap();
    #[rustfmt::skip]
    let cases = [
        (vec!["create", "a", "--save", "taken.env"],  "taken.env; no key was made: there is a file"),
        (vec!["create", "a", "--save", "no/such/dir"], "no/such/dir"),
        (vec!["create", "a", "--save", "a.pak", "--passphrase-file", "short"], "at least 12"),
        (vec!["create", "a", "--save", "a.pak", "--passphrase-file", "none"],  "none"),
        (vec!["rotate", "quickstart", "--save", "taken.env"], "taken.env"),
    ];
    for (args, words) in cases {
        let said = refusal(&keys(&program, &args));
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert!(!told(&program.cli(&["keys", "list"])).contains(" a "));
    let quickstart = told(&program.cli(&["keys", "show", "quickstart", "--json"]));
    let quickstart: Value = serde_json::from_str(&quickstart).unwrap();
    assert_eq!(quickstart["rotated_at"], Value::Null);
    assert_eq!(std::fs::read(dir.path().join("taken.env")).unwrap(), b"old");
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn a_rotated_key_is_saved_over_the_file_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    told(&keys(&program, &["create", "app", "--save", "app.json"]));
    let path = dir.path().join("app.json");
    let old = told(&open(&path, PASSPHRASE));
    let rotated = ["rotate", "app", "--overlap", "0", "--save", "app.json", "--force", "--json"];
    let said: Value = serde_json::from_str(&told(&keys(&program, &rotated))).unwrap();
    assert_eq!((&said["key"], &said["secret_key"]), (&Value::Null, &Value::Null));
    let new = told(&open(&path, PASSPHRASE));
    assert_eq!(program.chat(old.trim(), "doorward/echo").status, 401);
    assert_eq!(program.chat(new.trim(), "doorward/echo").status, 200);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}
