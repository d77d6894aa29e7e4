//! The audit log from the command line, and with somebody at the database.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::program::{Program, id_of};

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Whoever has the file can do anything to it.
fn tamper(data: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", data.join("doorward.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
}

#[test]
fn acts_are_listed_checked_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let cli = |line: &str| program.cli(&line.split(' ').collect::<Vec<_>>());
    let key = program.make_key(&json!({"name": "ci"}));
    let id = id_of(&key);
    said(&cli("keys disable ci"));

    let table = said(&cli(&format!("audit list --subject {id}")));
    assert!(table.contains("key.disable") && table.contains("key.create"), "{table}");
    let newest = said(&cli(&format!("audit list --subject {id} --limit 1 --json")));
    let newest: Value = serde_json::from_str(&newest).unwrap();
    assert_eq!(newest["data"].as_array().unwrap().len(), 1);
    assert_eq!(newest["data"][0]["action"], "key.disable");
    let whole = said(&cli("audit verify"));
    assert!(whole.starts_with("The audit log is whole: "), "{whole}");

    let lines = said(&cli("audit export"));
    let entries: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = entries.last().unwrap();
    assert_eq!(first["sequence"], 1, "the oldest comes last");
    assert_eq!(entries[0]["sequence"], entries.len(), "and none is missing");
    assert!(!lines.contains(&key), "no secret");

    let file = dir.path().join("audit.jsonl");
    let name = file.to_str().unwrap();
    said(&cli(&format!("audit export --out {name}")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = cli(&format!("audit export --out {name} --action key."));
    assert_eq!(again.status.code(), Some(1), "an earlier export is not replaced");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines);
}

#[test]
fn an_edit_under_the_running_program_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    program.make_key(&json!({"name": "ci"}));
    tamper(
        &program.dir.join("data"),
        "DROP TRIGGER audit_entries_no_update;
        UPDATE audit_entries SET actor = 'somebody' WHERE sequence = 2;",
    );
    let verdict = program.cli(&["audit", "verify"]);
    assert_eq!(verdict.status.code(), Some(1), "{verdict:?}");
    let words = String::from_utf8(verdict.stderr).unwrap();
    assert!(words.contains("the audit log is broken: entry 2 was changed"), "{words}");
    let verdict = program.cli(&["audit", "verify", "--json"]);
    let verdict: Value = serde_json::from_slice(&verdict.stdout).unwrap();
    assert_eq!(verdict["verdict"], "broken");
}
