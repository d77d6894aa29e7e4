//! What keys share, raised on the running program: for all of them, until the end comes by itself.

use std::process::Output;
use std::time::Duration;

use doorward_store::Clock;
use serde_json::{Value, json};

use crate::program::Program;

const MODEL: &str = "doorward/echo";

/// Whose, where it stands, and how the command line names it.
const SHARED: [(&str, &str, &[&str]); 3] = [
    ("user", "/v1/users/administrator", &["users", "administrator"]),
    ("project", "/v1/projects/default", &["projects", "default"]),
    ("organization", "/v1/organization", &["organization"]),
];

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// `doorward users VERB administrator …`, and the like.
fn of(program: &Program, noun: &[&str], verb: &str, more: &[&str]) -> String {
    let [first, name @ ..] = noun else { panic!("a noun") };
    let args: Vec<&str> = [*first, verb].iter().chain(name).chain(more).copied().collect();
    out(&program.cli(&args))
}

fn limit(answer: &crate::program::Answer) -> String {
    answer.header("x-ratelimit-limit-requests").to_owned()
}

#[test]
fn what_keys_share_is_raised_for_all_of_them_and_holds_no_longer_than_its_end() {
    for (whose, path, noun) in SHARED {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let keys = ["one", "two"].map(|name| program.make_key(&json!({"name": name})));
        let bounds = json!({"limits": {"requests_per_minute": 2}});
        assert_eq!(program.ask("PATCH", path, &program.admin_key(), Some(&bounds)).status, 200);
        for key in &keys {
            assert_eq!(program.chat(key, MODEL).status, 200, "{whose}");
        }
        for key in &keys {
            assert_eq!(program.chat(key, MODEL).status, 429, "{whose}");
        }

        let ends_at = Clock::system().now() + Duration::from_secs(3);
        let raise = ["--rpm", "1000000", "--ends-at", &ends_at.to_string(), "--note", "launch"];
        let said = of(&program, noun, "increase", &raise);
        assert!(said.contains("has requests per minute 1000000, until"), "{said}");
        // The next call, though the keys are in memory: what they took before counts.
        for (key, left) in keys.iter().zip(["999997", "999996"]) {
            let answer = program.chat(key, MODEL);
            assert_eq!(answer.status, 200, "{whose}: {}", answer.body);
            assert_eq!(limit(&answer), "1000000");
            assert_eq!(answer.header("x-ratelimit-remaining-requests"), left);
        }
        let shown = of(&program, noun, "show", &[]);
        assert!(shown.contains("for a while") && shown.contains("1000000, until"), "{shown}");

        // They are called until the end comes by itself.
        let refused_at = loop {
            let before = Clock::system().now();
            let answer = program.chat(&keys[0], MODEL);
            if answer.status == 429 {
                assert_eq!(limit(&answer), "2");
                break Clock::system().now();
            }
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(before < ends_at, "{whose}: it was let in after the end");
        };
        assert!(refused_at >= ends_at, "{refused_at} is before the end");
        assert_eq!(program.chat(&keys[1], MODEL).status, 429, "{whose}");
        let shown: Value = serde_json::from_str(&of(&program, noun, "show", &["--json"])).unwrap();
        assert_eq!(shown["increase"], Value::Null);
        assert_eq!(shown["limits"], bounds["limits"]);
    }
}

#[test]
fn what_raises_what_keys_share_lives_through_a_death_and_is_ended_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "app"}));
    for (_, path, noun) in SHARED {
        let bounds = json!({"limits": {"requests_per_minute": 40}});
        assert_eq!(program.ask("PATCH", path, &program.admin_key(), Some(&bounds)).status, 200);
        of(&program, noun, "increase", &["--rpm", "50", "--ends-in-days", "1"]);
    }
    program.kill();
    let program = Program::start(dir.path(), &[]);
    assert_eq!(limit(&program.chat(&key, MODEL)), "50");
    for (whose, _, noun) in SHARED {
        let ended = of(&program, noun, "end-increase", &[]);
        assert!(ended.starts_with("Ended: ") && ended.contains("old limits again"), "{ended}");
        assert_eq!(limit(&program.chat(&key, MODEL)), "40", "{whose}: the tightest of all");
        let args: Vec<&str> =
            noun[..1].iter().chain(&["end-increase"]).chain(&noun[1..]).copied().collect();
        let again = program.cli(&args);
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(!again.status.success() && said.contains("nothing raises"), "{said}");
    }
    let listed = out(&program.cli(&["increases", "list"]));
    assert!(listed.contains("administrator") && listed.contains("default"), "{listed}");
    let unending = program.cli(&["organization", "increase", "--rpm", "90"]);
    let said = String::from_utf8(unending.stderr).unwrap();
    assert!(said.contains("ends_at"), "{said}");
}
