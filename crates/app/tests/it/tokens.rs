//! Tokens in a key's place, against the running program.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Answer, Program, command, id_of};
use crate::upstream::{Script, Upstream};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Sends a form with a key.
fn form(program: &Program, path: &str, key: &str, fields: &str) -> Answer {
    let headers = [
        ("authorization", format!("Bearer {key}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    program.send_as(path, &headers, fields.as_bytes())
}

/// A token of a key, with more fields such as `&scope=…`.
fn token(program: &Program, key: &str, fields: &str) -> String {
    let fields = format!("grant_type=client_credentials{fields}");
    let answer = form(program, "/oauth/token", key, &fields);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn revoke(program: &Program, token: &str) {
    let fields = format!("token={token}");
    let answer = form(program, "/oauth/revoke", &program.admin_key(), &fields);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["error"]["code"].clone())
}

#[test]
fn a_token_makes_calls_in_every_place_where_a_key_does() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "agent"}));
    let token = token(&program, &key, "");
    for header in ["x-api-key", "api-key", "x-goog-api-key"] {
        assert_eq!(program.send("GET", "/v1/models", &[(header, token.clone())], None).status, 200);
    }
    for _ in 0..3 {
        let answer = program.chat(&token, "mock");
        assert_eq!((answer.status, answer.header("x-doorward-key")), (200, id_of(&key)));
    }
    let lines = BufReader::new(program.stream(&token, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.filter(|line| line.contains("[DONE]")).count(), 1);
    assert_eq!(program.usage("mock")["requests"], 4);
    assert!(upstream.seen().iter().all(|seen| !seen.head.contains(&token)));
}

#[test]
fn a_token_calls_only_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "agent"}));
    let narrow = token(&program, &key, "&models=doorward/*&scope=inference:write+inference:read");
    assert_eq!(program.chat(&narrow, "doorward/echo").status, 200);
    let (other, unknown) = (program.chat(&narrow, "mock"), program.chat(&narrow, "nothing"));
    assert_eq!(code(&other), (404, json!("model_not_found")));
    assert_eq!(other.body.replace("mock", "nothing"), unknown.body);
    let list = program.ask("GET", "/v1/models", &narrow, None).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["id"], "doorward/echo");
    assert_eq!(program.ask("GET", "/v1/models/mock", &narrow, None).status, 404);
    let reader = token(&program, &key, "&scope=inference:read");
    assert_eq!(code(&program.chat(&reader, "mock")), (403, json!("insufficient_scope")));
    assert_eq!(program.ask("GET", "/v1/models", &reader, None).status, 200);
    let elsewhere = token(&program, &key, "&resource=https://files.example");
    assert_eq!(code(&program.chat(&elsewhere, "mock")), (401, json!("invalid_api_key")));
}

#[test]
fn a_token_stops_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let admin = program.admin_key();
    #[rustfmt::skip]
    let cases = [
        ("DELETE", "",         json!({}),                         401, "key_revoked"),
        ("POST",   "/disable", json!({}),                         401, "key_disabled"),
        ("POST",   "/rotate",  json!({"overlap_seconds": 0}),     401, "key_expired"),
        ("PATCH",  "",         json!({"scopes": ["keys:read"]}),  403, "insufficient_scope"),
        ("PATCH",  "",         json!({"models": []}),             404, "model_not_found"),
        ("PATCH",  "",         json!({"ip_deny": ["127.0.0.1"]}), 403, "ip_not_allowed"),
    ];
    for (n, (method, path, body, status, expected)) in cases.into_iter().enumerate() {
        let key = program.make_key(&json!({"name": format!("agent {n}")}));
        let token = token(&program, &key, "");
        assert_eq!(program.chat(&token, "doorward/echo").status, 200);
        let path = format!("/v1/api-keys/{}{path}", id_of(&key));
        let done = program.ask(method, &path, &admin, Some(&body));
        assert!(done.status < 300, "{}", done.body);
        assert_eq!(code(&program.chat(&token, "doorward/echo")), (status, json!(expected)));
    }
}

#[test]
fn the_limits_of_a_key_are_shared_by_its_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "slow", "limits": {"requests_per_hour": 2}}));
    let tokens = [token(&program, &key, ""), token(&program, &key, "")];
    for token in &tokens {
        assert_eq!(program.chat(token, "doorward/echo").status, 200);
    }
    for credential in [&tokens[0], &tokens[1], &key] {
        let refused = program.chat(credential, "doorward/echo");
        assert_eq!(code(&refused), (429, json!("rate_limit_exceeded")));
    }
}

#[test]
fn a_revoked_token_stops_at_once_with_its_streams_and_stays_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let url = [("DOORWARD__SERVER__PUBLIC_URL", "https://models.example/")];
    let program = Program::start_with(dir.path(), &[], &url);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "agent"}));
    let (good, bad) = (token(&program, &key, ""), token(&program, &key, ""));
    let mut lines = BufReader::new(program.stream(&bad, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);
    let revoked_at = Instant::now();
    revoke(&program, &bad);
    let rest: String = lines.collect();
    assert!(revoked_at.elapsed() < Duration::from_secs(5), "{:?}", revoked_at.elapsed());
    assert!(rest.contains("data: {\"error\"") && rest.contains("key_revoked"), "{rest}");
    let still = |program: &Program| {
        assert_eq!(code(&program.chat(&bad, "doorward/echo")), (401, json!("invalid_api_key")));
        assert_eq!(program.chat(&good, "doorward/echo").status, 200);
        assert_eq!(program.chat(&key, "doorward/echo").status, 200);
    };
    still(&program);
    program.kill();
    let program = Program::start_with(dir.path(), &[], &url);
    still(&program);
    assert_eq!(program.stop(), 0);
    still(&Program::start_with(dir.path(), &[], &url));
    // Under another name nobody's token is good.
    let program = Program::start(dir.path(), &[]);
    assert_eq!(code(&program.chat(&good, "doorward/echo")), (401, json!("invalid_api_key")));
}

#[test]
fn a_stream_ends_with_its_token_and_goes_on_when_another_one_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Hang(3));
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
    let key = program.make_key(&json!({"name": "agent"}));
    let other = token(&program, &key, "");
    let short = token(&program, &key, "&expires_in=3");
    let mut lines = BufReader::new(program.stream(&short, "mock")).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().filter(|line| line.contains(" token")).take(3).count(), 3);
    revoke(&program, &other);
    // Nobody does anything: its time runs out.
    let rest: String = lines.collect();
    assert!(rest.contains("data: {\"error\"") && rest.contains("key_expired"), "{rest}");
    assert_eq!(code(&program.chat(&short, "doorward/echo")), (401, json!("invalid_api_key")));
    assert_eq!(program.chat(&key, "doorward/echo").status, 200);
}

#[test]
fn a_token_gives_a_narrower_one_and_never_a_wider_one() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "agent"}));
    let first = token(&program, &key, "&models=doorward/*");
    let exchange = |models: &str| {
        let fields = format!(
            "grant_type={EXCHANGE}&subject_token={first}&subject_token_type={ACCESS_TOKEN}&models={models}"
        );
        form(&program, "/oauth/token", &first, &fields)
    };
    let second = exchange("doorward/echo");
    let second = second.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(program.chat(&second, "doorward/echo").status, 200);
    let wider = exchange("*");
    assert_eq!((wider.status, &wider.json()["error"]), (400, &json!("invalid_scope")));
}

#[test]
fn forged_tokens_cost_no_look_up_and_are_all_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.make_key(&json!({"name": "agent"}));
    let good = token(&program, &key, "");
    let lookups = program.metric("doorward_key_lookups_total");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    let unknown = program.chat("dw_0000000000000000_x", "doorward/echo").body;
    for forged in [
        format!("{signed}."),
        format!("{signed}.{}", "A".repeat(signature.len())),
        format!("{signed}.{signature}A"),
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.{claims}.{signature}"),
        format!("ey.{}.x", "a".repeat(8_000)),
    ] {
        let refused = program.chat(&forged, "doorward/echo");
        assert_eq!((refused.status, &refused.body), (401, &unknown), "{forged}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert_eq!(program.metric("doorward_key_lookups_total"), lookups);
    assert_eq!(program.chat(&good, "doorward/echo").status, 200);
}

#[test]
fn the_command_line_makes_tells_and_ends_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let run = |args: &[&str], key: Option<&str>, token: &str| {
        let mut command = command(args);
        command.args(["--url", &program.url, "--data"]).arg(program.dir.join("data"));
        command.envs(key.map(|key| ("DOORWARD_API_KEY", key))).env("TOKEN", token);
        let output = command.output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), out, err)
    };
    let key = program.make_key(&json!({"name": "agent"}));
    let wish =
        ["tokens", "create", "--scope", "inference:write", "--model", "doorward/*", "--ttl", "10m"];
    let (ok, out, err) = run(&wish, Some(&key), "");
    assert!(ok && err.is_empty(), "{err}");
    let token = out.trim_end();
    assert_eq!((token.lines().count(), token.split('.').count()), (1, 3), "{token}");
    assert_eq!(program.chat(token, "doorward/echo").status, 200);
    // A token in the key's place gives a narrower one.
    let (ok, out, err) =
        run(&["tokens", "create", "--model", "doorward/echo", "--json"], Some(token), "");
    assert!(ok, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["models"], json!(["doorward/echo"]));
    let (ok, _, err) = run(&["tokens", "create", "--scope", "admin"], Some(token), "");
    assert!(!ok && err.contains("the scope admin is beyond the rights"), "{err}");

    let ask = ["tokens", "introspect", "--value-env", "TOKEN"];
    let (ok, told, err) = run(&ask, None, token);
    assert!(ok && told.contains("inference:write") && told.contains(id_of(&key)), "{told} {err}");
    let (ok, said, err) = run(&["tokens", "revoke", "--value-env", "TOKEN"], None, token);
    assert!(ok && said.contains("good for nothing"), "{said} {err}");
    assert_eq!(program.chat(token, "doorward/echo").status, 401);
    let (ok, told, _) = run(&ask, None, token);
    assert!(ok && told.contains("no") && !told.contains("inference"), "{told}");
}

#[test]
fn without_a_public_url_tokens_are_issued_by_the_address_that_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let server = program.send("GET", "/.well-known/oauth-authorization-server", &[], None);
    assert_eq!(server.json()["issuer"], program.url);
    let endpoint = server.json()["token_endpoint"].as_str().unwrap().to_owned();
    assert_eq!(endpoint, format!("{}/oauth/token", program.url));
    let keys = program.send("GET", "/.well-known/jwks.json", &[], None);
    assert_eq!(keys.json()["keys"][0]["crv"], "Ed25519");
    let refused = program.send_as("/oauth/token", &[], b"");
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_request")));
}
