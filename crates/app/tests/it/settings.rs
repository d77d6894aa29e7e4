//! Settings, changed from the command line while the program runs.

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::program::{Program, id_of};

#[test]
fn a_lowered_cap_names_who_outlives_it_and_clamps_the_next_key() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let cli = |line: &str| program.cli(&line.split(' ').collect::<Vec<_>>());
    let said = |line: &str| {
        let output = cli(line);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let old = program.make_key(&json!({"name": "old", "expires_in_days": 60}));

    let set = said("settings set auth-token-max-ttl-minutes=43200 keys-per-user-max 30");
    assert!(set.contains("Set auth-token-max-ttl-minutes to 43200 minutes."), "{set}");
    assert!(set.contains("Set keys-per-user-max to 30 keys."), "{set}");
    assert!(set.contains("longer than this cap") && set.contains(id_of(&old)), "{set}");
    assert_eq!(program.chat(&old, "doorward/echo").status, 200, "it is left as it is");

    let wish = json!({"name": "next", "expires_in_days": 60});
    let next = program.ask("POST", "/v1/api-keys", &program.admin_key(), Some(&wish)).json();
    assert_eq!(next["expires_clamped"], true, "{next}");

    let list: Value = serde_json::from_str(&said("settings list --json")).unwrap();
    let cap = &list["data"][0];
    assert_eq!((&cap["value"], &cap["is_default"]), (&json!(43_200), &json!(false)));
    assert!(said("settings list").contains("43200 minutes"));
    let reset = said("settings reset auth-token-max-ttl-minutes");
    assert!(reset.starts_with("Reset auth-token-max-ttl-minutes to 129600 minutes."), "{reset}");

    let refused = cli("settings set keys-per-user-max 0 no-such-setting 1");
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.contains("keys-per-user-max: must be a whole number from 1 to 10000"),
        "{refused}"
    );
    assert!(refused.contains("no-such-setting: there is no such setting"), "{refused}");
}

#[test]
fn calls_older_than_they_are_kept_leave_the_reports_of_the_running_program() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.key().to_owned();
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    assert_eq!(program.usage("doorward/echo")["requests"], 1);
    for setting in ["usage-retention-days", "usage-sums-retention-days"] {
        assert!(program.cli(&["settings", "set", setting, "7"]).status.success());
    }
    assert_eq!(program.stop(), 0);
    let options = SqliteConnectOptions::new().filename(dir.path().join("data/doorward.db"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let month_us = 30 * 86_400 * 1_000_000_i64;
        for sql in [
            "UPDATE usage_events SET started_at_us = started_at_us - $1",
            "UPDATE usage_hours SET hour_us = hour_us - $1",
        ] {
            sqlx::query(sql).bind(month_us).execute(&pool).await.unwrap();
        }
        pool.close().await;
    });
    let program = Program::start(dir.path(), &[]);
    let audit = "/v1/audit?action=usage.sweep";
    let told = || program.ask("GET", audit, &program.admin_key(), None).json()["data"].clone();
    while told().as_array().unwrap().len() < 2 {}
    assert_eq!(
        (&told()[0]["detail"]["sums"], &told()[1]["detail"]["calls"]),
        (&json!(1), &json!(1))
    );
    let all = "/v1/usage?group_by=model&from=2020-01-01";
    let report = program.ask("GET", all, &program.admin_key(), None).json();
    assert_eq!(report["data"], json!([]));
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    assert_eq!(program.usage("doorward/echo")["requests"], 1);
}
