use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

fn parsed(line: &str) -> KeysCommand {
    let words = ["doorward", "keys"].into_iter().chain(line.split(' '));
    let Command::Keys(args) = Cli::try_parse_from(words).unwrap().command else { panic!("{line}") };
    args.command
}

fn sample() -> Value {
    json!({
        "id": "dw_0123456789abcdef", "fingerprint": "dw_0123456789abcdef…wxyz", "name": "ci",
        "kind": "user", "status": "active", "owner": "usr_1", "project": "prj_1",
        "description": "<b>\u{1b}[31mred", "scopes": ["inference:read", "inference:write"],
        "models": ["gpt-4o*"], "ip_allow": null, "ip_deny": [],
        "limits": {"requests_per_minute": 60},
        "budgets": [{"usd": "12.50", "period": "month"}, {"tokens": 1000, "period": "total"}],
        "spent": [{"usd": "1.25", "tokens": 9}, {"usd": "1.25", "tokens": 9}],
        "created_at": "2026-11-20T12:00:00Z", "last_used_at": "2026-11-21T11:57:00Z",
        "last_used_ip": "127.0.0.1", "expires_at": "2027-02-19T12:00:00Z", "metadata": {},
    })
}

fn at_noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

#[test]
fn what_is_typed_becomes_a_request() {
    let line = "create ci --scope inference:write,keys:read --model gpt-4o* --expires-in-days 30 \
                --rpm 60 --concurrency 4 --budget 12.50/month --budget 1000tokens --metadata team=a";
    let KeysCommand::Create(wish) = parsed(line) else { panic!() };
    insta::assert_json_snapshot!(create_body(&wish));
}

#[test]
fn what_is_not_typed_is_not_sent() {
    let KeysCommand::Create(wish) = parsed("create ci") else { panic!() };
    assert_eq!(create_body(&wish), json!({ "name": "ci" }));
}

#[test]
fn an_edit_of_one_limit_keeps_the_others() {
    let before = json!({ "limits": { "requests_per_minute": 60, "concurrency": 2 } });
    #[rustfmt::skip]
    let cases = [
        ("edit k --rpm 5",                 json!({ "limits": { "requests_per_minute": 5, "concurrency": 2 } })),
        ("edit k --clear limits",           json!({ "limits": {} })),
        ("edit k --clear limits --rpm 5",   json!({ "limits": { "requests_per_minute": 5 } })),
        ("edit k --clear models",           json!({ "models": null })),
        ("edit k --clear budgets,ip-allow", json!({ "budgets": [], "ip_allow": null })),
        ("edit k --never-expires",         json!({ "never_expires": true })),
        ("edit k --clear origins",         json!({ "allowed_origins": null })),
        ("edit k --allow-origin https://a.example,http://localhost:3000", json!({ "allowed_origins": ["https://a.example", "http://localhost:3000"] })),
    ];
    for (line, expected) in cases {
        let KeysCommand::Edit(wish) = parsed(line) else { panic!() };
        assert_eq!(edit_body(&wish, &before).unwrap(), expected, "{line}");
    }
    let KeysCommand::Edit(wish) = parsed("edit k") else { panic!() };
    assert!(edit_body(&wish, &before).is_err());
}

#[test]
fn keys_as_a_table() {
    let mut other = sample();
    other["name"] = json!("x".repeat(300));
    other["kind"] = json!("service");
    other["status"] = json!("disabled");
    other["models"] = json!(null);
    other["budgets"] = json!([]);
    other["last_used_at"] = json!(null);
    let list = json!({ "data": [sample(), other] });
    insta::assert_snapshot!(table(&list, at_noon()).render(Some(110)));
}

#[test]
fn keys_as_a_table_on_80_columns() {
    let mut other = sample();
    other["name"] = json!("my-application");
    other["models"] = json!(["doorward/*", "meta-llama/Llama-3.3-70B-Instruct"]);
    other["kind"] = json!("service");
    other["status"] = json!("disabled");
    let table = table(&json!({ "data": [sample(), other] }), at_noon()).render(Some(80));
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn one_key_in_detail() {
    let fields = details(&sample(), at_noon());
    let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_new_key_is_shown_with_a_line_that_tries_it() {
    let mut created = sample();
    created["key"] = json!("dw_0123456789abcdef_SECRET");
    created["expires_clamped"] = json!(true);
    insta::assert_snapshot!(shown_once("Created", &created, "http://127.0.0.1:8440", at_noon()));
}

#[test]
fn a_rotation_sends_what_is_typed() {
    #[rustfmt::skip]
    let cases = [
        ("rotate k",                                json!({})),
        ("rotate k --overlap 0",                    json!({ "overlap_seconds": 0 })),
        ("rotate k --overlap 30m",                  json!({ "overlap_seconds": 1_800 })),
        ("rotate k --overlap 7d --never-expires",   json!({ "overlap_seconds": 604_800, "never_expires": true })),
        ("rotate k --wait-until-unused",            json!({})),
    ];
    for (line, expected) in cases {
        let KeysCommand::Rotate(wish) = parsed(line) else { panic!() };
        assert_eq!(rotate::body(&wish), expected, "{line}");
    }
    for line in ["rotate k --overlap 5", "rotate k --overlap h", "rotate k --overlap -1h"] {
        let words = ["doorward", "keys"].into_iter().chain(line.split(' '));
        assert!(Cli::try_parse_from(words).is_err(), "{line}");
    }
}

fn rotated() -> Value {
    let mut key = sample();
    key["key"] = json!("dw_0123456789abcdef_secret");
    key["rotated_at"] = json!("2026-11-21T11:00:00Z");
    key["previous_secrets"] = json!([{
        "fingerprint": "dw_0123456789abcdef…dcba", "ends_at": "2026-11-22T11:00:00Z",
        "last_used_at": "2026-11-21T11:55:00Z", "last_used_ip": "10.0.0.5",
    }]);
    key
}

#[test]
fn a_rotated_key_is_shown_once_with_the_end_of_the_old_secret() {
    let text = |key: &Value| {
        let shown = shown_once("Rotated", key, "https://gate.example", at_noon());
        format!("{shown}\n{}", rotate::old_secret(key, at_noon()))
    };
    insta::assert_snapshot!(text(&rotated()));
    let mut key = rotated();
    key["previous_secrets"] = json!([]);
    let text = text(&key);
    assert!(text.ends_with("The old secret works no longer.\n"), "{text}");
}

#[test]
fn old_secrets_are_told_with_their_last_use() {
    insta::assert_snapshot!(rotate::old_secrets(&rotated(), at_noon()).join("\n"));
}

#[test]
fn an_old_secret_is_unused_after_a_quiet_time_since_its_use_and_the_rotation() {
    let minutes = jiff::SignedDuration::from_mins;
    let mut key = rotated();
    assert!(!rotate::is_unused(&key, minutes(10), at_noon()));
    assert!(rotate::is_unused(&key, minutes(5), at_noon()));
    key["previous_secrets"][0]["last_used_at"] = Value::Null;
    assert!(rotate::is_unused(&key, minutes(60), at_noon()));
    assert!(!rotate::is_unused(&key, minutes(61), at_noon()), "it was rotated just now");
    key["previous_secrets"] = json!([]);
    assert!(rotate::is_unused(&key, minutes(61), at_noon()));
}
