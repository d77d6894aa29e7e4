//! Limit increases on the running program: asked for, granted, over.

use std::process::Output;
use std::time::Duration;

use doorward_store::Clock;
use serde_json::{Value, json};

use crate::program::{Program, command, id_of};

const MODEL: &str = "doorward/echo";

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A command of whoever holds a key, and has nothing else.
fn holding(program: &Program, key: &str, args: &[&str]) -> String {
    let mut command = command(args);
    out(&command.args(["--url", &program.url]).env("DOORWARD_API_KEY", key).output().unwrap())
}

/// The first word that is an id of an increase.
fn id_in(said: &str) -> String {
    let word = said.split_whitespace().find(|word| word.starts_with("inc_")).unwrap();
    word.trim_matches(['.', ',']).to_owned()
}

fn limited_key(program: &Program) -> String {
    let wish =
        json!({"name": "app", "scopes": ["inference:write"], "limits": {"requests_per_minute": 2}});
    program.make_key(&wish)
}

#[test]
fn a_limited_key_asks_is_raised_and_meets_its_old_limit_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = limited_key(&program);
    for _ in 0..2 {
        assert_eq!(program.chat(&key, MODEL).status, 200);
    }
    assert_eq!(program.chat(&key, MODEL).status, 429);

    let said = holding(
        &program,
        &key,
        &["increases", "ask", "--rpm", "1000000", "--reason", "the launch"],
    );
    let id = id_in(&said);
    let open = out(&program.cli(&["increases", "list", "--state", "open"]));
    assert!(open.contains(&id) && open.contains("requests per minute 1000000"), "{open}");
    let ends_at = Clock::system().now() + Duration::from_secs(3);
    let granted =
        out(&program.cli(&["increases", "grant", &id, "--ends-at", &ends_at.to_string()]));
    assert!(granted.starts_with("app has requests per minute 1000000, until"), "{granted}");

    // The next call, though the key is in memory: what it took before counts.
    let answer = program.chat(&key, MODEL);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "1000000");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "999997");
    let shown = out(&program.cli(&["keys", "show", "app"]));
    assert!(shown.contains("for a while") && shown.contains("requests per minute 2\n"), "{shown}");
    let explained = out(&program.cli(&["keys", "explain", "app"]));
    assert!(explained.contains("for a while: requests per minute 1000000, until"), "{explained}");

    // It is called until the end comes by itself.
    let refused_at = loop {
        let before = Clock::system().now();
        let answer = program.chat(&key, MODEL);
        if answer.status == 429 {
            assert_eq!(answer.header("x-ratelimit-limit-requests"), "2");
            break Clock::system().now();
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(before < ends_at, "it was let in after the end");
    };
    assert!(refused_at >= ends_at, "{refused_at} is before the end");
    let shown: Value =
        serde_json::from_str(&out(&program.cli(&["keys", "show", "app", "--json"]))).unwrap();
    assert_eq!(shown["increase"], Value::Null);
    assert_eq!(shown["limits"], json!({"requests_per_minute": 2}));
}

#[test]
fn what_is_granted_holds_through_a_death_and_a_decline_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = limited_key(&program);
    let ask = ["increases", "ask", id_of(&key), "--rpm", "50", "--reason", "x"];
    let id = id_in(&holding(&program, &key, &ask));
    out(&program.cli(&["increases", "grant", &id, "--rpm", "40", "--ends-in-days", "1"]));
    program.kill();

    let program = Program::start(dir.path(), &[]);
    let answer = program.chat(&key, MODEL);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "40");
    let shown = out(&program.cli(&["increases", "show", &id]));
    assert!(shown.contains("granted") && shown.contains("in 24 hours"), "{shown}");

    let ended = out(&program.cli(&["increases", "withdraw", &id]));
    assert_eq!(ended, "Ended: app has its old limits again.\n");
    assert_eq!(program.chat(&key, MODEL).header("x-ratelimit-limit-requests"), "2");

    let id = id_in(&holding(&program, &key, &ask));
    out(&program.cli(&["increases", "decline", &id, "--note", "not this month"]));
    let told = holding(&program, &key, &["increases", "show", &id]);
    assert!(told.contains("declined") && told.contains("not this month"), "{told}");
    let again = program.cli(&["increases", "grant", &id]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("This limit increase is declined already."), "{said}");

    let id = id_in(&holding(&program, &key, &ask));
    assert!(holding(&program, &key, &["increases", "withdraw", &id]).starts_with("Withdrawn:"));

    // For good, it is an edit of the key.
    let id = id_in(&holding(&program, &key, &ask));
    let granted = out(&program.cli(&["increases", "grant", &id]));
    assert!(granted.contains("for good"), "{granted}");
    let answer = program.chat(&key, MODEL);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "50");
    let shown: Value =
        serde_json::from_str(&out(&program.cli(&["keys", "show", "app", "--json"]))).unwrap();
    assert_eq!(shown["limits"], json!({"requests_per_minute": 50}));
}
