//! Backups of a running server, and what becomes of them elsewhere.

use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::program::{Program, command, id_of};

const PASSPHRASE: &str = "canary recovery passphrase 5b1f";
const PROVIDER_KEY: &str = "sk-canary-in-a-backup-0123456789";

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn back_up(program: &Program, file: &Path) -> Output {
    command(&["backup"])
        .arg(file)
        .args(["--url", &program.url, "--data"])
        .arg(program.dir.join("data"))
        .env("DOORWARD_PASSPHRASE", PASSPHRASE)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap()
}

fn restore(file: &Path, data: &Path, passphrase: &str, more: &[&str]) -> Output {
    command(&["restore"])
        .arg(file)
        .arg("--data")
        .arg(data)
        .args(more)
        .env("DOORWARD_PASSPHRASE", passphrase)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap()
}

/// Ids of all keys that the server lists.
fn listed(program: &Program) -> Vec<String> {
    let list = told(&program.cli(&["keys", "list", "--json"]));
    let list: Value = serde_json::from_str(&list).unwrap();
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A backup is made while calls run and keys are made; elsewhere it is all there.
#[test]
fn a_backup_of_a_busy_server_is_one_moment_of_it() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let environment =
        [("DOORWARD__KEYS__KEYS_PER_USER_MAX", "1000"), ("DOORWARD__LOG__LEVEL", "trace")];
    let program = Program::start_with(dir.path(), &[], &environment);
    program.add_provider_key("vaulted", PROVIDER_KEY);
    let before = program.make_key(&json!({"name": "before"}));
    let file = dir.path().join("backup");
    let is_over = AtomicBool::new(false);
    let mut made: Vec<String> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..2)
            .map(|maker| {
                let (program, is_over) = (&program, &is_over);
                scope.spawn(move || {
                    let mut made = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let name = format!("key {maker}-{}", made.len());
                        let key = program.make_key(&json!({"name": name}));
                        assert_eq!(program.chat(&key, "doorward/echo").status, 200);
                        made.push(key);
                    }
                    made
                })
            })
            .collect();
        let output = back_up(&program, &file);
        is_over.store(true, Ordering::Relaxed);
        let said = told(&output);
        assert!(said.contains("opens with the passphrase only"), "{said}");
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect()
    });
    made.extend([before.clone(), program.key().to_owned()]);
    let old_url = program.url.clone();
    assert!(!program.log().contains(PASSPHRASE));
    assert_eq!(program.stop(), 0);

    let data = elsewhere.path().join("data");
    let said = told(&restore(&file, &data, PASSPHRASE, &["--json"]));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said["rows"].as_u64().unwrap() > 20, "{said}");
    let program = Program::start(elsewhere.path(), &[]);
    assert_ne!(program.url, old_url);
    let ids = listed(&program);
    assert!(ids.iter().any(|id| id == id_of(&before)));
    // Each key that is in it works with the secret that it was made with; the others are unknown.
    let mut found = 0;
    for key in &made {
        let is_there = ids.iter().any(|id| id == id_of(key));
        found += usize::from(is_there);
        let status = program.chat(key, "doorward/echo").status;
        assert_eq!(status, if is_there { 200 } else { 401 }, "{}", id_of(key));
    }
    assert!(found >= 2, "the keys from before it are");
    assert!(told(&program.cli(&["audit", "verify"])).contains("whole"));
    assert!(
        told(&program.cli(&["audit", "list", "--action", "installation."]))
            .contains("installation.restore")
    );
    // The provider key opens: an upstream gets it.
    let upstream = crate::upstream::Upstream::start(crate::upstream::Script::Chat);
    let provider = program.add_provider("after", &upstream.address.to_string());
    program.add_deployed("m", None, &json!([{"provider": provider, "provider_key": "vaulted"}]));
    assert_eq!(program.chat(&before, "m").status, 200);
    assert!(upstream.seen().last().unwrap().head.contains(PROVIDER_KEY));

    let sealed = std::fs::read(&file).unwrap();
    for canary in [PASSPHRASE, PROVIDER_KEY, before.rsplit_once('_').unwrap().1] {
        let holds =
            |bytes: &[u8]| bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
        assert!(!holds(&sealed) && !holds(program.log().as_bytes()), "{canary}");
    }
}

#[test]
fn what_is_no_whole_backup_is_refused_and_nothing_is_written() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = Program::start(dir.path(), &[]);
    let file = dir.path().join("backup");
    told(&back_up(&program, &file));
    let again = back_up(&program, &file);
    assert!(!again.status.success(), "a backup is not written over");
    let sealed = std::fs::read(&file).unwrap();
    let broken = elsewhere.path().join("broken");
    let data = elsewhere.path().join("data");
    let refused = |bytes: &[u8], passphrase: &str| {
        std::fs::write(&broken, bytes).unwrap();
        let output = restore(&broken, &data, passphrase, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Nothing was written") && !said.contains(passphrase), "{said}");
        assert!(!data.exists(), "{said}");
        said
    };
    assert!(refused(&sealed, "canary of a wrong one").contains("passphrase is wrong"));
    for at in [100, sealed.len() / 2, sealed.len() - 1] {
        refused(&sealed[..at], PASSPHRASE);
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        refused(&flipped, PASSPHRASE);
    }
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("mine"), "x").unwrap();
    let output = restore(&file, &data, PASSPHRASE, &[]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not empty"));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
}

#[test]
fn a_key_revoked_after_the_backup_stays_revoked_by_either_way() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let (gone, stays) =
        (program.make_key(&json!({"name": "gone"})), program.make_key(&json!({"name": "stays"})));
    let file = dir.path().join("backup");
    told(&back_up(&program, &file));
    told(&program.cli(&["keys", "revoke", "gone"]));
    let list = dir.path().join("list");
    told(&program.cli(&["audit", "export", "--out", list.to_str().unwrap()]));
    let live = program.dir.join("data");
    for source in [list.to_str().unwrap(), live.to_str().unwrap()] {
        let elsewhere = tempfile::tempdir().unwrap();
        let data = elsewhere.path().join("data");
        let said = told(&restore(&file, &data, PASSPHRASE, &["--revocations-from", source]));
        assert!(said.contains("keys revoked: 1"), "{said}");
        let restored = Program::start(elsewhere.path(), &[]);
        assert_eq!(restored.chat(&gone, "doorward/echo").status, 401, "{source}");
        assert_eq!(restored.chat(&stays, "doorward/echo").status, 200, "{source}");
        assert!(told(&restored.cli(&["audit", "verify"])).contains("whole"));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let said = told(&restore(&file, &elsewhere.path().join("data"), PASSPHRASE, &[]));
    assert!(said.contains("--revocations-from"), "it is told what is missing: {said}");
    assert_eq!(program.chat(&stays, "doorward/echo").status, 200, "the old server is unharmed");
}

#[test]
fn only_an_owner_makes_a_backup_and_a_short_passphrase_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let user = told(&program.cli(&["users", "create", "ada", "--role", "admin", "--json"]));
    let user: Value = serde_json::from_str(&user).unwrap();
    let wish = json!({"name": "of ada", "owner": user["id"], "scopes": ["admin"]});
    let key = program.make_key(&wish);
    let body = json!({"passphrase": PASSPHRASE});
    let answer = program.ask("POST", "/v1/backup", &key, Some(&body));
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("exceeds_own_rights")));
    let answer = program.ask("POST", "/v1/backup", program.key(), Some(&body));
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("insufficient_scope")));
    for (body, code) in [
        (json!({"passphrase": "eleven char"}), "invalid"),
        (json!({}), "missing"),
        (json!({"passphrase": 5}), "invalid"),
    ] {
        let answer = program.ask("POST", "/v1/backup", &program.admin_key(), Some(&body));
        let error = &answer.json()["errors"][0];
        assert_eq!((answer.status, &error["field"]), (400, &json!("passphrase")), "{body}");
        assert_eq!(error["code"], code, "{body}");
    }
}
