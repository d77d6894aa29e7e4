//! Every reason to refuse a call: the answer, and that neither upstream nor bill hears of it.

use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use doorward_domain::credential::PlainKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::program::{Answer, Program, chat, id_of};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream};

const ROUTES: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/moderations",
];

/// The model that refused calls name. A token costs a tenth of a cent.
const MODEL: &str = "silent";
const PRICE: (&str, &str) = ("1000", "1000");

/// What a refusal says: status, `type`, `code`, and one header with its value.
type Face = (u16, &'static str, Option<&'static str>, (&'static str, &'static str));

const INVALID: &str = "invalid_request_error";
/// A header's value that cannot be told beforehand.
const ANY: &str = "*";
const BEARER: (&str, &str) = ("www-authenticate", "Bearer");
const NOTHING_MORE: (&str, &str) = ("x-request-id", ANY);

/// A program with a model that nobody must call, and two that bring keys to their limits.
struct House {
    program: Program,
    silent: Upstream,
    primer: Upstream,
    hanging: Upstream,
}

impl House {
    fn start(dir: &Path) -> Self {
        let program = Program::start(dir, &[]);
        let add = |name, script| {
            let upstream = Upstream::start(script);
            program.add_model(name, &upstream.address.to_string(), Some(PRICE));
            upstream
        };
        let silent = add(MODEL, Script::Chat);
        let primer = add("primer", Script::Chat);
        let hanging = add("hanging", Script::Hang(1));
        Self { program, silent, primer, hanging }
    }

    fn key(&self, name: &str, wish: Value) -> String {
        let mut wish = wish;
        wish["name"] = name.into();
        self.program.make_key(&wish)
    }

    /// A key that has just expired.
    fn expired_key(&self) -> String {
        let admin = self.program.admin_key();
        let key = self.key("expired", json!({}));
        let path = format!("/v1/api-keys/{}", id_of(&key));
        let object = self.program.ask("GET", &path, &admin, None).json();
        let now: Timestamp = object["created_at"].as_str().unwrap().parse().unwrap();
        let edit = json!({"expires_at": now + SignedDuration::from_secs(3)});
        assert_eq!(self.program.ask("PATCH", &path, &admin, Some(&edit)).status, 200);
        let begun = Instant::now();
        while self.program.ask("GET", "/v1/models", &key, None).status == 200 {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not expire");
            thread::yield_now();
        }
        key
    }

    fn disabled_key(&self) -> String {
        let key = self.key("disabled", json!({}));
        let path = format!("/v1/api-keys/{}/disable", id_of(&key));
        assert_eq!(self.program.ask("POST", &path, &self.program.admin_key(), None).status, 200);
        key
    }

    fn revoked_key(&self) -> String {
        let key = self.key("revoked", json!({}));
        let path = format!("/v1/api-keys/{}", id_of(&key));
        assert_eq!(self.program.ask("DELETE", &path, &self.program.admin_key(), None).status, 204);
        key
    }

    /// A key that one call of 55 tokens has brought to its limit.
    fn spent_key(&self, name: &str, wish: Value) -> String {
        let key = self.key(name, wish);
        let mut body = chat("primer");
        body["max_tokens"] = 1.into();
        let call = self.program.ask("POST", ROUTES[0], &key, Some(&body));
        assert_eq!(call.status, 200, "{name}: {}", call.body);
        key
    }

    /// A key and a call of it that goes on and holds all that it may.
    fn busy_key(&self, name: &str, wish: Value) -> (String, impl Read + use<>) {
        let key = self.key(name, wish);
        let mut body = chat("hanging");
        body.as_object_mut().unwrap().remove("max_tokens");
        let stream = self.program.stream_of(&key, body);
        (key, stream)
    }

    fn post(&self, route: &str, credential: Option<&str>, body: &[u8]) -> Answer {
        let bearer = credential.map(|key| ("authorization", format!("Bearer {key}")));
        self.program.send("POST", route, bearer.as_slice(), Some(body))
    }

    /// Nothing of a refused call reached the upstream or the bill.
    fn assert_silence(&self) {
        assert!(self.silent.seen().is_empty(), "{:?}", self.silent.seen());
        assert!(self.program.usage(MODEL).is_null(), "{}", self.program.usage(MODEL));
    }
}

/// A request of any route for a model.
fn request(model: &str) -> Vec<u8> {
    let mut body = chat(model);
    body["prompt"] = "Say hello.".into();
    body["input"] = "Say hello.".into();
    body.to_string().into_bytes()
}

fn assert_face(name: &str, answer: &Answer, (status, kind, code, header): Face) {
    assert_eq!(answer.status, status, "{name}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json", "{name}");
    assert!(answer.header("x-request-id").starts_with("req_"), "{name}: {answer:?}");
    let error = answer.json()["error"].as_object().unwrap().clone();
    let members: Vec<&str> = error.keys().map(String::as_str).collect();
    assert_eq!(members, ["code", "message", "param", "type"], "{name}: {}", answer.body);
    assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{name}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    let (header, value) = header;
    let found = answer.header(header);
    assert!(found == value || value == ANY && !found.is_empty(), "{name}: {header}: {found:?}");
}

#[test]
fn a_key_that_may_not_call_is_told_why_on_every_route_and_nothing_is_called_or_billed() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.program.key().to_owned();
    let other = unknown_key();
    let wrong = format!("{}_{}", id_of(&key), other.rsplit_once('_').unwrap().1);
    let once = json!({"limits": {"requests_per_hour": 1}});
    let fifty = json!({"limits": {"tokens_per_hour": 50}});
    let budget = |usd| json!({"budgets": [{"usd": usd, "period": "total"}]});
    let (busy, _busy) = house.busy_key("busy", json!({"limits": {"concurrency": 1}}));
    let (held, _held) = house.busy_key("held", budget("1"));
    let elsewhere = json!({"ip_allow": ["10.0.0.0/8"], "scopes": ["inference:write"]});

    let limited = "rate_limit_exceeded";
    let spent = "insufficient_quota";
    let allowed = "permission_error";
    #[rustfmt::skip]
    let cases: [(&str, Option<String>, Face); 15] = [
        ("no credential",      None,                                      (401, INVALID,    Some("invalid_api_key"),    BEARER)),
        ("garbage",            Some("garbage".to_owned()),                (401, INVALID,    Some("invalid_api_key"),    BEARER)),
        ("an unknown key",     Some(other),                               (401, INVALID,    Some("invalid_api_key"),    BEARER)),
        ("a wrong secret",     Some(wrong),                               (401, INVALID,    Some("invalid_api_key"),    BEARER)),
        ("an expired key",     Some(house.expired_key()),                 (401, INVALID,    Some("key_expired"),        BEARER)),
        ("a disabled key",     Some(house.disabled_key()),                (401, INVALID,    Some("key_disabled"),       BEARER)),
        ("a revoked key",      Some(house.revoked_key()),                 (401, INVALID,    Some("key_revoked"),        BEARER)),
        ("another address",    Some(house.key("elsewhere", elsewhere)),   (403, allowed,    Some("ip_not_allowed"),     NOTHING_MORE)),
        ("a missing scope",    Some(house.key("r", json!({"scopes": ["inference:read"]}))), (403, allowed, Some("insufficient_scope"), NOTHING_MORE)),
        ("a model not listed", Some(house.key("m", json!({"models": ["primer"]}))), (404, INVALID, Some("model_not_found"), NOTHING_MORE)),
        ("too many requests",  Some(house.spent_key("once", once)),       (429, "requests", Some(limited),              ("retry-after", ANY))),
        ("too many tokens",    Some(house.spent_key("fifty", fifty)),     (429, "tokens",   Some(limited),              ("retry-after", ANY))),
        ("too many at a time", Some(busy),                                (429, "requests", Some(limited),              ("retry-after", "1"))),
        ("a spent budget",     Some(house.spent_key("poor", budget("0.055"))), (429, spent, Some(spent),                ("x-should-retry", "false"))),
        ("a held budget",      Some(held),                                (429, "requests", Some("budget_held"),        ("retry-after", "1"))),
    ];
    for route in ROUTES {
        for (name, credential, face) in &cases {
            let answer = house.post(route, credential.as_deref(), &request(MODEL));
            assert_face(&format!("{name} on {route}"), &answer, *face);
            // Who has the right secret is told which key it was.
            let is_known = face.2 != Some("invalid_api_key");
            let id = credential.as_deref().filter(|_| is_known).map_or("", id_of);
            assert_eq!(answer.header("x-doorward-key"), id, "{name} on {route}");
            assert!(!answer.body.contains("10.0.0.0"), "{name}: {}", answer.body);
        }
    }
    house.assert_silence();
    assert_eq!((house.primer.seen().len(), house.hanging.seen().len()), (3, 2));
}

/// A well-formed key that was made by another server.
fn unknown_key() -> String {
    let mut byte = 0_u8;
    let key = PlainKey::mint(&"dw".parse().unwrap(), || {
        byte = byte.wrapping_mul(77).wrapping_add(41);
        byte
    });
    key.expose().as_str().to_owned()
}

#[test]
fn a_model_that_is_unknown_and_one_that_is_not_allowed_cannot_be_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.key("narrow", json!({"models": ["primer", "allowed-*"]}));
    let look = |route: &str, model| {
        let mut answer = house.post(route, Some(&key), &request(model));
        for changing in ["x-request-id", "date"] {
            answer.headers.remove(changing).unwrap();
        }
        (answer.status, answer.headers, answer.body)
    };
    for route in ROUTES {
        let (unknown, not_allowed) = (look(route, "nobody"), look(route, MODEL));
        assert_eq!(unknown, not_allowed, "{route}");
        assert_eq!(unknown, look(route, "allowed-and-unknown"), "{route}");
        assert_eq!(unknown.0, 404);
    }
    let show = |model| house.program.ask("GET", &format!("/v1/models/{model}"), &key, None);
    assert_eq!((show(MODEL).status, show(MODEL).body), (404, show("nobody").body));
    house.assert_silence();
}

#[test]
fn a_body_that_cannot_be_read_is_refused_on_every_route_and_nothing_is_called_or_billed() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.program.key();
    let not_json = (400, INVALID, None, NOTHING_MORE);
    let too_large = (413, INVALID, Some("request_too_large"), NOTHING_MORE);
    let padded = |bytes: usize| [request(MODEL), vec![b' '; bytes]].concat();
    #[rustfmt::skip]
    let cases: [(&str, Vec<u8>, Face); 13] = [
        ("nothing",            Vec::new(),                            not_json),
        ("a text",             b"Say hello.".to_vec(),                not_json),
        ("half an object",     br#"{"model":"silent","#.to_vec(),     not_json),
        ("a list",             b"[]".to_vec(),                        not_json),
        ("a list of values",   br#"["silent",null,null,null,null,null,null]"#.to_vec(), not_json),
        ("deep in an object",  [&br#"{"model":"silent","messages":"#[..], &vec![b'['; 10_000_000]].concat(), not_json),
        ("null",               b"null".to_vec(),                      not_json),
        ("no model",           b"{}".to_vec(),                        not_json),
        ("a model twice",      br#"{"model":"silent","model":"primer"}"#.to_vec(), not_json),
        ("bytes of no text",   vec![0xff; 64],                        not_json),
        ("10 MB of brackets",  vec![b'['; 10 << 20],                  not_json),
        ("a little too much",  padded(10 << 20),   too_large),
        ("50 MB",              padded(50 << 20),         too_large),
    ];
    for route in ROUTES {
        for (name, body, face) in &cases {
            let answer = house.post(route, Some(key), body);
            assert_face(&format!("{name} on {route}"), &answer, *face);
        }
    }
    house.assert_silence();
    assert_eq!(house.program.chat(key, "doorward/echo").status, 200);
}

#[test]
fn a_body_whose_length_is_not_told_is_refused_once_it_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let mut wire = Wire::to(&house.program);
    let key = house.program.key();
    wire.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: doorward\r\nx-api-key: {key}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    ));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for _ in 0..50 {
        wire.send(&chunk);
    }
    let face = (413, INVALID, Some("request_too_large"), NOTHING_MORE);
    assert_face("50 MB in chunks", &wire.answer(), face);
    house.assert_silence();
}

#[test]
fn a_body_whose_length_is_not_told_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.program.key();
    let (front, back) =
        (r#"{"model":"doorward/echo","messages":["#, r#"{"role":"user","content":"hi"}]}"#);
    for trailers in ["", "x-checksum: 1\r\n"] {
        let mut wire = Wire::to(&house.program);
        wire.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: doorward\r\nx-api-key: {key}\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{front}\r\n",
            front.len()
        ));
        wire.send(format!("{:x}\r\n{back}\r\n0\r\n{trailers}\r\n", back.len()));
        let answer = wire.answer();
        assert_eq!(answer.status, 200, "{trailers:?}: {}", answer.body);
    }
    house.assert_silence();
}

#[test]
fn another_method_than_post_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let bearer = [("authorization", format!("Bearer {}", house.program.key()))];
    for route in ROUTES {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let body = (method != "GET").then(|| request(MODEL));
            let answer = house.program.send(method, route, &bearer, body.as_deref());
            let face = (405, INVALID, Some("method_not_allowed"), ("allow", "POST"));
            assert_face(&format!("{method} {route}"), &answer, face);
        }
    }
    house.assert_silence();
}

#[test]
fn a_model_that_lost_its_price_is_refused_and_not_called() {
    let dir = tempfile::tempdir().unwrap();
    let House { program, silent, primer, hanging } = House::start(dir.path());
    let key = program.make_key(&json!({"name": "caller"}));
    assert_eq!(program.stop(), 0);
    remove_price(&dir.path().join("data/doorward.db"));

    let program = Program::start(dir.path(), &[]);
    let house = House { program, silent, primer, hanging };
    let face = (400, INVALID, Some("model_not_priced"), NOTHING_MORE);
    for route in ROUTES {
        assert_face(route, &house.post(route, Some(&key), &request(MODEL)), face);
    }
    house.assert_silence();
}

/// As when a new table of prices no longer lists it.
fn remove_price(database: &Path) {
    let options = SqliteConnectOptions::new().filename(database);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let changed = runtime.block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let change = sqlx::query("UPDATE models SET pricing = 'listed' WHERE name = $1");
        let changed = change.bind(MODEL).execute(&pool).await.unwrap();
        pool.close().await;
        changed
    });
    assert_eq!(changed.rows_affected(), 1);
}
