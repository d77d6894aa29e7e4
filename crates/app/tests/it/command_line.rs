//! The command line against a running server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Program, chat, command, id_of};

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code and what was said.
fn refusal(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn the_life_of_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let cli = |line: &str| program.cli(&line.split(' ').collect::<Vec<_>>());

    let created = out(&cli("keys create app --budget 5/month --rpm 60 --model doorward/*"));
    let key = created.split_whitespace().find(|word| word.starts_with("dw_")).unwrap();
    assert!(created.contains("curl http://127.0.0.1:"), "{created}");
    assert_eq!(program.chat(key, "doorward/echo").status, 200);

    let shown: Value = serde_json::from_str(&out(&cli("keys show app --json"))).unwrap();
    assert_eq!(shown["id"], id_of(key));
    let budget = &shown["budgets"][0];
    assert_eq!((&budget["usd"], &budget["period"]), (&json!("5.00"), &json!("month")));
    assert!(out(&cli("keys list")).contains("$0.00 of $5.00 a month"));

    out(&cli("keys edit app --concurrency 2 --clear budgets,models"));
    let edited: Value = serde_json::from_str(&out(&cli("keys show app --json"))).unwrap();
    assert_eq!(edited["limits"], json!({"requests_per_minute": 60, "concurrency": 2}));
    assert_eq!((&edited["budgets"], &edited["models"]), (&json!([]), &Value::Null));

    out(&cli("keys disable app"));
    assert_eq!(program.chat(key, "doorward/echo").status, 401);
    out(&cli("keys enable app"));
    assert_eq!(program.chat(key, "doorward/echo").status, 200);
    out(&cli("keys revoke app"));
    assert_eq!(program.chat(key, "doorward/echo").status, 401);
    assert!(!out(&cli("keys list")).contains(" app "));
    assert!(out(&cli("keys list --status revoked")).contains(" app "));
    assert!(out(&cli("keys show app")).contains("revoked"));
    let (code, said) = refusal(&cli("keys edit app --rpm 5"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no key with the name or id `app`"), "{said}");
}

#[test]
fn the_catalog_from_provider_to_model() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let cli = |line: &str| program.cli(&line.split(' ').collect::<Vec<_>>());
    out(&cli("providers create p --kind openai-compatible --base-url http://127.0.0.1:9/v1"));
    store_key(&program, "sk-canary-0123456789");
    let keys = out(&cli("provider-keys list"));
    assert!(keys.contains("sk-…789") && !keys.contains("canary"), "{keys}");

    let (code, said) = refusal(&cli("models create org/m --provider p --provider-key k"));
    assert_eq!(code, Some(1));
    assert!(said.contains("--price-input 0.15 --price-output 0.60"), "{said}");
    out(&cli(
        "models create org/m --provider p --provider-key k --price-input 1 --price-output 2.5",
    ));
    out(&cli("models edit org/m --add-provider echo"));
    assert!(out(&cli("models list")).contains("$1.00 in, $2.50 out"));
    assert!(out(&cli("models show org/m")).contains("p, echo"));
    let (_, said) = refusal(&cli("providers delete p"));
    assert!(said.contains("in use by org/m"), "{said}");
    for line in ["models delete org/m", "provider-keys delete k", "providers delete p"] {
        out(&cli(line));
    }
}

#[test]
fn the_people_of_an_organization() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let cli = |line: &str| program.cli(&line.split(' ').collect::<Vec<_>>());
    let json = |line: &str| -> Value { serde_json::from_str(&out(&cli(line))).unwrap() };

    out(&cli("projects create web --description shop"));
    let added = out(&cli("users create ada --email ada@example.com"));
    assert_eq!(added, "Added ada as member.\n");
    out(&cli("users edit ada --role viewer --rename Ada"));
    assert_eq!(json("users show Ada --json")["role"], "viewer");
    assert!(out(&cli("users list")).contains("ada@example.com"));
    out(&cli("projects members set web Ada --role admin"));
    assert!(out(&cli("projects members list web")).contains("admin"));
    let (code, said) = refusal(&cli("users disable administrator"));
    assert_eq!(code, Some(1));
    assert!(said.contains("without an active owner"), "{said}");

    let bot = json("service-accounts create bot --project web --json");
    let owner = bot["id"].as_str().unwrap();
    let project = bot["project"].as_str().unwrap();
    let created = json(&format!("keys create agent --owner {owner} --project {project} --json"));
    let key = created["key"].as_str().unwrap();
    assert_eq!(program.chat(key, "doorward/echo").status, 200);
    assert_eq!(out(&cli("service-accounts disable bot")), "bot is disabled now.\n");
    assert_eq!(program.chat(key, "doorward/echo").status, 401);
    assert_eq!(out(&cli("service-accounts enable bot")), "bot is active now.\n");
    assert_eq!(program.chat(key, "doorward/echo").status, 200);
    let (_, said) = refusal(&cli("projects remove web"));
    assert!(said.contains("in use by the key agent, the service account bot"), "{said}");
    out(&cli("service-accounts remove bot"));
    assert_eq!(program.chat(key, "doorward/echo").status, 401);
    assert_eq!(json(&format!("keys show {} --json", id_of(key)))["status"], "revoked");

    let along = json("keys create reader --new-service-account crawler --json");
    let crawler = json("service-accounts show crawler --json");
    assert_eq!((&along["owner"], &along["kind"]), (&crawler["id"], &Value::from("service")));

    out(&cli("projects members remove web Ada"));
    assert_eq!(out(&cli("projects remove web")), "Removed web.\n");
    out(&cli("users remove Ada"));
    let (_, said) = refusal(&cli("users show Ada"));
    assert!(said.contains("There is no such user."), "{said}");
}

#[test]
fn a_removed_users_key_calls_no_model_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let user: Value =
        serde_json::from_str(&out(&program.cli(&["users", "create", "ada", "--json"]))).unwrap();
    let key = program.make_key(&json!({"name": "of ada", "owner": user["id"]}));
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    out(&program.cli(&["users", "edit", "ada", "--role", "viewer"]));
    assert_eq!(program.chat(&key, "doorward/echo").status, 403, "a viewer calls no model");
    out(&program.cli(&["users", "edit", "ada", "--role", "member"]));
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    out(&program.cli(&["users", "remove", "ada"]));
    assert_eq!(program.chat(&key, "doorward/echo").status, 401);
}

/// Stores a provider key whose value comes from standard input.
fn store_key(program: &Program, value: &str) {
    let mut child = command(&["provider-keys", "create", "k", "--url", &program.url, "--data"])
        .arg(program.dir.join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// What the README says of `serve` and the three commands after it.
#[test]
fn a_bare_server_needs_a_provider_a_model_and_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut server = command(&["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = log.take_while(|line| !line.contains("\"serving\"")).collect();
    assert!(said.iter().any(|line| line.contains("admin.key")), "{said:?}");
    let cli = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        out(&command(&words).arg("--data").arg(&data).output().unwrap())
    };
    assert_eq!(cli("models list"), "There are no models.\n");
    cli("providers create echo --kind echo");
    cli("models create doorward/echo --provider echo --free");
    let created = cli("keys create my-app");
    let key = created.split_whitespace().find(|word| word.starts_with("dw_")).unwrap();
    let endpoint = std::fs::read_to_string(data.join("endpoint")).unwrap();
    let answer = ureq::post(format!("{}/v1/chat/completions", endpoint.trim()))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .send(chat("doorward/echo").to_string().as_bytes());
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(answer.unwrap().status().as_u16(), 200);
}

#[test]
fn usage_by_key_model_and_day() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    program.chat(program.key(), "doorward/echo");
    let table = out(&program.cli(&["usage", "--group-by", "key,model,day"]));
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with(id_of(program.key())) && row.contains("doorward/echo"), "{table}");
    assert!(row.contains(" quickstart "), "{table}");
    out(&program.cli(&["keys", "revoke", "quickstart"]));
    let table = out(&program.cli(&["usage", "--group-by", "key"]));
    assert!(table.contains(" quickstart "), "{table}");
    // Who may read reports but no keys gets a report all the same.
    let analyst = program.make_key(&json!({"name": "analyst", "scopes": ["analytics:read"]}));
    let mut report = command(&["usage", "--group-by", "key", "--url", &program.url]);
    let table = out(&report.env("DOORWARD_API_KEY", analyst).output().unwrap());
    assert!(table.contains(program.ready["access_key"].as_str().unwrap()), "{table}");
    let none = out(&program.cli(&["usage", "--from", "2020-01-01", "--to", "2020-01-02"]));
    assert!(none.contains("There were no calls."), "{none}");
}

#[test]
fn usage_of_everything_for_people_and_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    program.chat(program.key(), "doorward/echo");
    let by = ["usage", "--group-by", "user,service-account,project,provider,hour"];
    let table = out(&program.cli(&by));
    let row = table.lines().nth(1).unwrap();
    for name in ["administrator ", " default ", " echo ", ":00:00Z "] {
        assert!(row.contains(name), "{name:?} in {table}");
    }
    let csv = out(&program.cli(&["usage", "--group-by", "model,key", "--csv"]));
    let key = id_of(program.key());
    assert!(csv.starts_with("model,key,requests,errors,"), "{csv}");
    assert!(csv.contains(&format!("\r\ndoorward/echo,{key},1,0,")), "{csv}");
    let line = out(&program.cli(&["usage", "--group-by", "key", "--jsonl", "--key", "quickstart"]));
    let row: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&row["key"], &row["requests"]), (&json!(key), &json!(1)));
    for (filter, rows) in [
        (["--key", "quickstart"], 1),
        (["--user", "administrator"], 1),
        (["--project", "default"], 1),
        (["--model", "doorward/echo"], 1),
        (["--model", "another"], 0),
    ] {
        let found = program.cli(&[&["usage", "--json"][..], &filter].concat());
        let report: Value = serde_json::from_str(&out(&found)).unwrap();
        assert_eq!(report["data"].as_array().unwrap().len(), rows, "{filter:?}");
    }
    let refused = program.cli(&["usage", "--csv", "--provider", "nobody's"]);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("provider"), "{refused:?}");
}

#[test]
fn a_refusal_is_readable_and_has_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    #[rustfmt::skip]
    let cases = [
        (vec!["keys", "show", "dw_0123456789abcdef"],                  1, "There is no such API key."),
        (vec!["keys", "show", "nope"],                                 1, "there is no key with the name or id `nope`"),
        (vec!["keys", "create", "x", "--scope", "nonsense"],           1, "nonsense"),
        (vec!["keys", "create", "x", "--ip-allow", "abc"],             1, "ip_allow"),
        (vec!["keys", "create"],                                       2, "Usage:"),
        (vec!["keys", "edit", "quickstart"],                           1, "nothing to edit was named"),
    ];
    for (args, expected, words) in cases {
        let (code, said) = refusal(&program.cli(&args));
        assert_eq!(code, Some(expected), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_key_that_may_not_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let listed = command(&["keys", "list", "--url", &program.url])
        .env("DOORWARD_API_KEY", program.key())
        .output()
        .unwrap();
    let (code, said) = refusal(&listed);
    assert_eq!(code, Some(1));
    assert!(said.contains("lacks the scope") && !said.contains(program.key()), "{said}");
}

#[test]
fn the_configuration_is_checked_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("doorward.toml");
    let check = || command(&["config", "check", "--config"]).arg(&file).output().unwrap();
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"").unwrap();
    assert_eq!(out(&check()), "ok\n");
    std::fs::write(&file, "[data]\ndatabase_url = \"mysql://canary\"\n[server]\nport = 1").unwrap();
    let (code, said) = refusal(&check());
    assert_eq!(code, Some(2));
    assert!(said.contains("data.database_url") && said.contains("server.port"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn the_manual_of_settings_is_a_valid_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("doorward.toml");
    std::fs::write(&file, out(&command(&["config", "default"]).output().unwrap())).unwrap();
    let check = command(&["config", "check", "--config"]).arg(&file).output().unwrap();
    assert_eq!(out(&check), "ok\n");
}

#[test]
fn how_many_keys_a_user_has_and_how_long_they_live_is_a_setting() {
    let dir = tempfile::tempdir().unwrap();
    let environment = [
        ("DOORWARD__KEYS__KEYS_PER_USER_MAX", "30"),
        ("DOORWARD__KEYS__AUTH_TOKEN_MAX_TTL_MINUTES", "0"),
    ];
    let program = Program::start_with(dir.path(), &[], &environment);
    let admin = program.admin_key();
    let create = |number: usize| {
        let wish = json!({"name": format!("key {number}"), "never_expires": true});
        program.ask("POST", "/v1/api-keys", &admin, Some(&wish))
    };
    let list = program.ask("GET", "/v1/api-keys?limit=200", &admin, None).json();
    let before = list["data"].as_array().unwrap().len();
    for number in before..30 {
        let made = create(number);
        assert_eq!((made.status, &made.json()["expires_at"]), (201, &Value::Null));
    }
    let full = create(30);
    assert_eq!((full.status, &full.json()["code"]), (409, &json!("key_quota_reached")));
    assert!(full.json()["detail"].as_str().unwrap().contains("at most 30"));
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&command(&["completions", shell]).output().unwrap());
        assert!(script.contains("provider-keys"), "{shell}");
    }
}
