//! Limits and budgets, told and kept.

use serde_json::json;

use crate::program::Program;
use crate::upstream::{Script, Upstream};

#[test]
fn the_call_beyond_a_request_limit_is_refused_and_told_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "k", "limits": {"requests_per_minute": 2}}));
    for remaining in ["1", "0"] {
        let answer = program.chat(&key, "doorward/echo");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "2");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), remaining);
    }
    let refused = program.chat(&key, "doorward/echo");
    assert_eq!(refused.status, 429, "{}", refused.body);
    let error = &refused.json()["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("requests"), &json!("rate_limit_exceeded"))
    );
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn a_call_whose_worst_case_is_above_the_token_limit_is_still_made() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "k", "limits": {"tokens_per_minute": 50}}));
    let answer = program.chat(&key, "doorward/echo");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_spent_budget_refuses_before_the_call_and_says_not_to_retry() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Chat);
    let program = Program::start(dir.path(), &[]);
    program.add_model("paid", &upstream.address.to_string(), Some(("1000", "1000")));
    // One call costs 55 tokens at a tenth of a cent each; its worst case is 64 of output and its input.
    let wish = json!({"name": "k", "budgets": [{"usd": "0.14", "period": "total"}]});
    let key = program.make_key(&wish);
    assert_eq!(program.chat(&key, "paid").status, 200);
    let refused = program.chat(&key, "paid");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(refused.json()["error"]["code"], "insufficient_quota");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(program.usage("paid")["cost_usd"], "0.055");

    // With the next call, though the key is in memory.
    let set = program.cli(&["settings", "set", "spent-budget-status", "402"]);
    assert!(set.status.success(), "{set:?}");
    let refused = program.chat(&key, "paid");
    assert_eq!(refused.status, 402, "{}", refused.body);
    assert_eq!(refused.json()["error"]["code"], "insufficient_quota");
    assert_eq!(refused.header("x-should-retry"), "false");
    assert!(program.cli(&["settings", "reset", "spent-budget-status"]).status.success());
    assert_eq!(program.chat(&key, "paid").status, 429);
}
