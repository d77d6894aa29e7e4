//! What keys do not use, and why a call would be refused, from the command line.

use std::process::Output;

use serde_json::{Value, json};

use crate::program::{Program, id_of};

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_call_and_a_list_of_models_are_uses() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let scopes = json!(["inference:read", "inference:write", "keys:read"]);
    let wish = json!({"name": "app", "scopes": scopes, "models": ["doorward/*", "gpt-*"]});
    let key = program.make_key(&wish);
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    let unused = || {
        let path = format!("/v1/api-keys/{}/unused-rights", id_of(&key));
        program.ask("GET", &path, &program.admin_key(), None).json()
    };
    let names = |told: &Value, list: &str, field: &str| -> Vec<String> {
        let rows = told[list].as_array().unwrap();
        rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    let told = unused();
    assert_eq!(names(&told, "scopes", "scope"), ["inference:read", "keys:read"], "{told}");
    assert_eq!(names(&told, "models", "pattern"), ["gpt-*"]);
    assert_eq!(told["is_too_young"], true);
    assert_eq!(program.ask("GET", "/v1/models", &key, None).status, 200);
    assert_eq!(program.ask("GET", "/v1/api-keys", &key, None).status, 200);
    assert_eq!(names(&unused(), "scopes", "scope"), Vec::<String>::new());

    let listed = out(&program.cli(&["keys", "unused"]));
    assert!(listed.contains("is too young to tell"), "{listed}");
    let listed = out(&program.cli(&["keys", "unused", "--days", "7", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["data"], json!([]));
    let asked = ["keys", "explain", "app", "--model", "claude-3", "--ip", "192.0.2.1"];
    let told = out(&program.cli(&asked));
    assert!(told.starts_with("denied, model_not_found (model: no pattern"), "{told}");
    assert!(told.contains("inference:write"), "{told}");
}

#[test]
fn an_overlap_is_warned_about_and_a_lockout_must_be_forced() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let overlap = ["keys", "create", "app", "--ip-allow", "10.0.0.0/8", "--ip-deny", "10.1.0.0/16"];
    let created = program.cli(&overlap);
    out(&created);
    let said = String::from_utf8(created.stderr).unwrap();
    assert!(said.contains("warning: 10.1.0.0/16 is part of 10.0.0.0/8"), "{said}");
    let admin = program.admin_key();
    let edit = ["keys", "edit", id_of(&admin), "--ip-allow", "10.0.0.0/8"];
    let refused = program.cli(&edit);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("leaves out the address that you ask from"), "{said}");
    out(&program.cli(&[&edit[..], &["--force"]].concat()));
    assert_eq!(program.ask("GET", "/v1/api-keys", &admin, None).status, 403);
}
