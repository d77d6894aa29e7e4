//! What five products' own pages tell their users to type, done here as it stands there.

use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::program::{Program, chat};

/// Runs `curl` as the pages say.
fn curl(args: &[&str]) -> Output {
    Command::new("curl").args(["-sS", "--fail-with-body"]).args(args).output().expect("curl")
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[test]
fn the_request_of_the_manual_makes_a_key_and_the_answer_is_kept_short_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let body = r#"{
        "name": "production-key",
        "scopes": ["inference:read", "inference:write"],
        "expires_in_days": 90
      }"#;
    let url = format!("{}/v1/api-keys", program.url);
    let bearer = format!("Authorization: Bearer {}", program.admin_key());
    let made = json_of(&curl(&[
        "-X",
        "POST",
        &url,
        "-H",
        &bearer,
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
    ]));
    assert_eq!(made["name"], "production-key");
    assert_eq!(made["scopes"], json!(["inference:read", "inference:write"]));
    let key = made["key"].as_str().unwrap();
    assert_eq!(program.chat(key, "doorward/echo").status, 200);

    // Shown once: afterwards a fingerprint.
    let shown =
        json_of(&curl(&[&format!("{url}/{}", made["id"].as_str().unwrap()), "-H", &bearer]));
    let secret = made["secret_key"].as_str().unwrap();
    assert!(!shown.to_string().contains(secret), "{shown}");
    let tail = &secret[secret.len() - 4..];
    assert_eq!(shown["fingerprint"], format!("{}…{tail}", made["id"].as_str().unwrap()));
    // The name is fixed.
    let renamed = program.ask(
        "PATCH",
        &format!("/v1/api-keys/{}", made["id"].as_str().unwrap()),
        &program.admin_key(),
        Some(&json!({"name": "other"})),
    );
    assert_eq!(renamed.status, 400, "{}", renamed.body);
    assert_eq!(renamed.json()["errors"][0]["field"], "name");
}

#[test]
fn access_key_and_secret_key_work_as_a_pair_and_joined_by_a_colon() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let made = program.ask(
        "POST",
        "/v1/api-keys",
        &program.admin_key(),
        Some(&json!({"name": "pair", "description": "two strings"})),
    );
    let made = made.json();
    let (access, secret) =
        (made["access_key"].as_str().unwrap(), made["secret_key"].as_str().unwrap());
    let url = format!("{}/v1/chat/completions", program.url);
    let body = chat("doorward/echo").to_string();
    let pair = format!("{access}:{secret}");
    let bearer = format!("Authorization: Bearer {pair}");
    let basic = format!("Authorization: Basic {}", STANDARD.encode(&pair));
    for auth in [["-u", &pair], ["-H", &bearer], ["-H", &basic]] {
        let args = [auth[0], auth[1], &url, "-H", "Content-Type: application/json", "-d", &body];
        let answer = json_of(&curl(&args));
        assert_eq!(answer["choices"][0]["message"]["content"], "Say hello.", "{auth:?}");
    }
}

#[test]
fn a_branded_key_calls_a_model_that_is_named_after_its_project() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let set = program.cli(&["settings", "set", "key-prefix", "sk"]);
    assert!(set.status.success(), "{set:?}");
    let on = json!([{"provider": "echo"}]);
    program.add_deployed("u-8105f7322477/test", None, &on);
    let key = program.make_key(&json!({"name": "test-key"}));
    assert!(key.starts_with("sk_"), "the brand comes first");
    let auth = format!("Authorization: Bearer {key}");
    let url = format!("{}/v1/chat/completions", program.url);
    let body = r#"{
        "model": "u-8105f7322477/test",
        "messages": [{"role": "user", "content": "Hello, model!"}],
        "temperature": 0.7
      }"#;
    let args = [&*url, "-H", "Content-Type: application/json", "-H", &auth, "-d", body];
    let answer = json_of(&curl(&args));
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello, model!");
    // Deleted, it becomes invalid at once.
    let id = key.rsplit_once('_').unwrap().0.to_owned();
    let ended = program.ask("DELETE", &format!("/v1/api-keys/{id}"), &program.admin_key(), None);
    assert_eq!(ended.status, 204, "{}", ended.body);
    assert!(!curl(&args).status.success());
}

#[test]
fn each_list_masks_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "masked"}));
    program.add_provider_key("MY_API", "sk-proj-0123456789abcXYZ");
    program.add_provider_key("SHORT", "ollama");
    let tail = &key[key.len() - 4..];
    let table = program.cli(&["keys", "show", "masked"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(&format!("…{tail}")), "{table}");
    let vault = program.cli(&["provider-keys", "list"]);
    let vault = String::from_utf8(vault.stdout).unwrap();
    assert!(vault.contains("sk-…XYZ"), "first three and last three: {vault}");
    for (text, secret) in [(&table, &*key), (&vault, "0123456789"), (&vault, "ollama")] {
        assert!(!text.contains(secret), "{text}");
    }
}
