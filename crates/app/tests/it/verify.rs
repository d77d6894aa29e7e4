//! `/v1/auth/verify`: every answer of it, seen from outside.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use doorward_domain::credential::PlainKey;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::program::{Answer, Program, chat, id_of};
use crate::upstream::{Script, Upstream};

const PATH: &str = "/v1/auth/verify";
const ELSEWHERE: &str = "192.0.2.1";
const PAGE: &str = "https://app.example.com";

/// A program, a key that may ask about others, and models that bring keys to their limits.
struct House {
    program: Program,
    asker: String,
    _primer: Upstream,
    _hanging: Upstream,
}

impl House {
    fn start(dir: &Path) -> Self {
        let program = Program::start(dir, &[]);
        let add = |name, script| {
            let upstream = Upstream::start(script);
            program.add_model(name, &upstream.address.to_string(), Some(("1000", "1000")));
            upstream
        };
        let (primer, hanging) = (add("primer", Script::Chat), add("hanging", Script::Hang(1)));
        let asker = program.make_key(&json!({"name": "asker", "scopes": ["keys:verify"]}));
        Self { program, asker, _primer: primer, _hanging: hanging }
    }

    fn key(&self, name: &str, mut wish: Value) -> String {
        wish["name"] = name.into();
        self.program.make_key(&wish)
    }

    fn path_of(key: &str) -> String {
        format!("/v1/api-keys/{}", id_of(key))
    }

    fn manage(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.program.ask(method, path, &self.program.admin_key(), body);
        assert!((200..300).contains(&answer.status), "{}", answer.body);
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    fn disabled_key(&self) -> String {
        let key = self.key("disabled", json!({}));
        self.manage("POST", &format!("{}/disable", Self::path_of(&key)), Some(&json!({})));
        key
    }

    fn revoked_key(&self) -> String {
        let key = self.key("revoked", json!({}));
        self.manage("DELETE", &Self::path_of(&key), None);
        key
    }

    /// A secret that a rotation has replaced.
    fn replaced_secret(&self) -> String {
        let key = self.key("rotated", json!({}));
        let at_once = json!({"overlap_seconds": 0});
        self.manage("POST", &format!("{}/rotate", Self::path_of(&key)), Some(&at_once));
        key
    }

    /// A key whose service account is switched off.
    fn ownerless_key(&self) -> String {
        let project = self.manage("GET", "/v1/projects", None)["data"][0]["id"].clone();
        let bot = json!({"name": "bot", "project": project});
        let bot = self.manage("POST", "/v1/service-accounts", Some(&bot))["id"].clone();
        let key = self.key("of a bot", json!({"owner": bot, "kind": "service"}));
        let path = format!("/v1/service-accounts/{}/disable", bot.as_str().unwrap());
        self.manage("POST", &path, Some(&json!({})));
        key
    }

    /// A key that one call of 55 tokens has brought to its limit.
    fn used_key(&self, name: &str, wish: Value) -> String {
        let key = self.key(name, wish);
        let mut body = chat("primer");
        body["max_tokens"] = 1.into();
        let call = self.program.ask("POST", "/v1/chat/completions", &key, Some(&body));
        assert_eq!(call.status, 200, "{}", call.body);
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

    fn ask(&self, key: &str, mut question: Value) -> Answer {
        question["key"] = key.into();
        self.program.ask("POST", PATH, &self.asker, Some(&question))
    }

    fn decision(&self, key: &str, question: Value) -> Value {
        let answer = self.ask(key, question);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json()
    }
}

/// The same key with another secret.
fn with_wrong_secret(key: &str) -> String {
    let mut byte = 0_u8;
    let plain = PlainKey::parse(key.as_bytes()).unwrap();
    let other = PlainKey::mint_secret(plain.id(), || {
        byte = byte.wrapping_mul(77).wrapping_add(41);
        byte
    });
    other.expose().as_str().to_owned()
}

/// A well-formed key that was made by another server.
fn unknown_key() -> String {
    let mut byte = 3_u8;
    let key = PlainKey::mint(&"dw".parse().unwrap(), || {
        byte = byte.wrapping_mul(77).wrapping_add(41);
        byte
    });
    key.expose().as_str().to_owned()
}

/// The access key and the secret key joined by a colon.
fn pair(key: &str) -> String {
    let (id, secret) = key.rsplit_once('_').unwrap();
    format!("{id}:{secret}")
}

#[test]
fn a_named_key_is_decided_on_as_its_calls_are() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let good = house.key("good", json!({}));
    let at_home = house.key("at home", json!({"ip_allow": ["10.0.0.0/8"]}));
    let not_there = house.key("not there", json!({"ip_deny": [ELSEWHERE]}));
    let narrow = house.key("narrow", json!({"models": ["primer"]}));
    let in_page = house.key(
        "page",
        json!({
            "allowed_origins": [PAGE], "limits": {"requests_per_day": 1000},
            "budgets": [{"usd": "1", "period": "day"}],
        }),
    );
    let once = house.used_key("once", json!({"limits": {"requests_per_hour": 1}}));
    let tokens = house.key("tokens", json!({"limits": {"tokens_per_hour": 50}}));
    let budget = |usd| json!({"budgets": [{"usd": usd, "period": "total"}]});
    let poor = house.used_key("poor", budget("0.055"));
    let (busy, _busy) = house.busy_key("busy", json!({"limits": {"concurrency": 1}}));
    let few = json!({"budgets": [{"tokens": 1000, "period": "total"}]});
    let (held, _held) = house.busy_key("held", few);
    let limited = "rate_limit_exceeded";
    #[rustfmt::skip]
    let cases = [
        (&good,                         json!({}),                                            "valid"),
        (&pair(&good),                  json!({}),                                            "valid"),
        (&good,                         json!({"scopes": ["inference:read", "inference:write"], "model": "primer", "ip": ELSEWHERE}), "valid"),
        (&good,                         json!({"cost": {"requests": 5, "tokens": 100_000}}),  "valid"),
        (&good,                         json!({"scopes": ["inference:read", "admin"]}),       "insufficient_scope"),
        (&good,                         json!({"model": "nobody"}),                           "model_not_found"),
        (&narrow,                       json!({"model": "primer"}),                           "valid"),
        (&narrow,                       json!({"model": "hanging"}),                          "model_not_found"),
        (&unknown_key(),                json!({}),                                            "invalid_api_key"),
        (&with_wrong_secret(&good),     json!({}),                                            "invalid_api_key"),
        (&"nonsense".to_owned(),        json!({}),                                            "invalid_api_key"),
        (&house.replaced_secret(),      json!({}),                                            "key_expired"),
        (&house.disabled_key(),         json!({}),                                            "key_disabled"),
        (&house.revoked_key(),          json!({}),                                            "key_revoked"),
        (&house.ownerless_key(),        json!({}),                                            "owner_inactive"),
        (&at_home,                      json!({"ip": "10.1.2.3"}),                            "valid"),
        (&at_home,                      json!({"ip": "::ffff:10.1.2.3"}),                     "valid"),
        (&at_home,                      json!({"ip": ELSEWHERE}),                             "ip_not_allowed"),
        (&at_home,                      json!({}),                                            "ip_not_allowed"),
        (&not_there,                    json!({"ip": ELSEWHERE}),                             "ip_not_allowed"),
        (&not_there,                    json!({"ip": "10.1.2.3"}),                            "valid"),
        (&not_there,                    json!({}),                                            "ip_not_allowed"),
        (&in_page,                      json!({"origin": PAGE}),                              "valid"),
        (&in_page,                      json!({"origin": "https://evil.example"}),            "origin_not_allowed"),
        (&in_page,                      json!({}),                                            "origin_not_allowed"),
        (&once,                         json!({}),                                            limited),
        (&once,                         json!({"cost": {"requests": 0}}),                     "valid"),
        (&tokens,                       json!({"cost": {"tokens": 51}}),                      "valid"),
        (&tokens,                       json!({"cost": {"tokens": 1}}),                       limited),
        (&busy,                         json!({}),                                            limited),
        (&poor,                         json!({}),                                            "insufficient_quota"),
        (&poor,                         json!({"cost": {"requests": 0}}),                     "insufficient_quota"),
        (&held,                         json!({}),                                            "budget_held"),
    ];
    for (key, question, code) in cases {
        let decision = house.decision(key, question.clone());
        let case = format!("{question}: {decision}");
        assert_eq!(decision["code"], code, "{case}");
        assert_eq!(decision["valid"], code == "valid", "{case}");
        // Nobody without the right secret learns anything of a key.
        let is_known = code != "invalid_api_key";
        let id = is_known.then(|| &key[..key.rfind(['_', ':']).unwrap()]);
        assert_eq!(decision["key"]["id"], json!(id), "{case}");
        let waits = decision["ratelimit"]["retry_after_seconds"].is_u64();
        assert_eq!(waits, [limited, "budget_held"].contains(&code), "{case}");
        assert!(!decision.to_string().contains("10.0.0.0"), "{case}");
    }
}

#[test]
fn what_is_told_of_a_key_is_what_its_owner_sees_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let wish = json!({
        "metadata": {"team": "<script>"}, "expires_in_days": 7, "scopes": ["inference:write"],
        "limits": {"requests_per_minute": 10, "tokens_per_hour": 1000},
    });
    let key = house.key("told", wish);
    let decision = house.decision(&key, json!({"cost": {"requests": 2, "tokens": 300}}));
    let object = house.manage("GET", &House::path_of(&key), None);
    let told = decision["key"].as_object().unwrap();
    let fields: Vec<&str> = told.keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "name",
        "kind",
        "owner",
        "project",
        "organization",
        "scopes",
        "expires_at",
        "metadata",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    for field in expected {
        assert_eq!(told[field], object[field], "{field}");
    }
    let limits = &decision["ratelimit"];
    let figures = |kind: &str| {
        let quota = &limits[kind];
        (quota["limit"].clone(), quota["remaining"].clone(), quota["window_seconds"].clone())
    };
    assert_eq!(figures("requests"), (json!(10), json!(8), json!(60)));
    assert_eq!(figures("tokens"), (json!(1000), json!(700), json!(3600)));
    assert_eq!(limits["retry_after_seconds"], Value::Null);
}

#[test]
fn a_key_of_another_organization_is_answered_as_one_that_there_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let foreign = house.key("foreign", json!({}));
    let asker = house.asker.clone();
    assert_eq!(house.program.stop(), 0);
    give_away(&dir.path().join("data/doorward.db"), id_of(&foreign));
    let program = Program::start(dir.path(), &[]);
    let look = |key: &str| {
        let question = json!({"key": key, "scopes": ["inference:write"]});
        let mut answer = program.ask("POST", PATH, &asker, Some(&question));
        for changing in ["x-request-id", "date"] {
            answer.headers.remove(changing);
        }
        (answer.status, answer.headers, answer.body)
    };
    let unknown = look(&unknown_key());
    assert!(unknown.2.contains("invalid_api_key"), "{}", unknown.2);
    for key in [&foreign, &with_wrong_secret(&foreign), &with_wrong_secret(&asker)] {
        assert_eq!(look(key), unknown);
        assert_eq!(look(&pair(key)), unknown);
    }
    assert!(look(&asker).2.contains("insufficient_scope"));
}

/// Makes a key one of another organization, which the program has no way to.
fn give_away(database: &Path, id: &str) {
    let options = SqliteConnectOptions::new().filename(database).foreign_keys(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let other = "org_00000000000000000000000009";
        for change in [
            format!("INSERT INTO organizations VALUES ('{other}', 'other', '{{}}', 0, 0)"),
            format!("UPDATE api_keys SET organization_id = '{other}' WHERE id = '{id}'"),
            format!("UPDATE key_secrets SET organization_id = '{other}' WHERE key_id = '{id}'"),
        ] {
            let changed = sqlx::query(AssertSqlSafe(change)).execute(&pool).await.unwrap();
            assert_eq!(changed.rows_affected(), 1);
        }
        pool.close().await;
    });
}

#[test]
fn only_whoever_may_ask_is_answered_about_a_named_key() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.key("k", json!({}));
    let away = house.key("away", json!({"scopes": ["keys:verify"], "ip_allow": [ELSEWHERE]}));
    let question = json!({"key": key}).to_string();
    let ask = |asker: &str, body: &str| {
        let bearer = [("authorization", format!("Bearer {asker}"))];
        house.program.send("POST", PATH, &bearer, Some(body.as_bytes()))
    };
    #[rustfmt::skip]
    let cases = [
        (ask("nonsense", &question),              401, "invalid_api_key"),
        (ask(&unknown_key(), &question),          401, "invalid_api_key"),
        (ask(&key, &question),                    403, "insufficient_scope"),
        (ask(&away, &question),                   403, "ip_not_allowed"),
        (ask(&house.asker, "nothing"),            400, "invalid_request"),
        (ask(&house.asker, "{\"key\":5}"),        400, "invalid_request"),
        (ask(&house.asker, &" ".repeat(65_537)),  413, "request_too_large"),
        // No body: it is the asker's own key that is asked about.
        (ask(&house.asker, ""),                   200, ""),
    ];
    for (answer, status, code) in cases {
        assert_eq!(answer.status, status, "{code}: {}", answer.body);
        if status == 200 {
            assert_eq!(answer.header("x-doorward-key"), id_of(&house.asker));
            continue;
        }
        assert_problem(&answer, code);
    }
    let named = ask(&house.asker, r#"{"key":"x","ip":"?","colour":1}"#).json();
    let fields: Vec<_> = named["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(fields, ["colour", "ip"]);
}

#[track_caller]
fn assert_problem(answer: &Answer, code: &str) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
    assert!(answer.header("x-request-id").starts_with("req_"), "{answer:?}");
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(answer.status)));
    assert_eq!(problem["type"], "about:blank");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    let says_how = answer.header("www-authenticate") == "Bearer";
    assert_eq!(says_how, answer.status == 401, "{answer:?}");
}

#[test]
fn the_credential_of_a_request_is_decided_on_for_a_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let good = house.key("good", json!({}));
    let elsewhere = house.key("elsewhere", json!({"ip_allow": [ELSEWHERE]}));
    let once = house.used_key("once", json!({"limits": {"requests_per_hour": 1}}));
    let budget = json!({"budgets": [{"usd": "0.055", "period": "total"}]});
    let poor = house.used_key("poor", budget);
    // For a proxy a spent budget stays a 429: it takes no 402.
    house.manage("PATCH", "/v1/settings", Some(&json!({"spent-budget-status": 402})));
    let limited = "rate_limit_exceeded";
    #[rustfmt::skip]
    let cases = [
        (&good,                      "",                                    200, ""),
        (&pair(&good),               "",                                    200, ""),
        (&good,                      "?scope=inference:read&model=primer",  200, ""),
        (&good,                      "?scope=inference:read+admin",         403, "insufficient_scope"),
        (&good,                      "?model=nobody",                       403, "model_not_found"),
        (&good,                      "?scope=root",                         400, "invalid_request"),
        (&good,                      "?colour=red",                         400, "invalid_request"),
        (&"nonsense".to_owned(),     "",                                    401, "invalid_api_key"),
        (&unknown_key(),             "?deny=403",                           401, "invalid_api_key"),
        (&with_wrong_secret(&good),  "",                                    401, "invalid_api_key"),
        (&house.replaced_secret(),   "",                                    401, "key_expired"),
        (&house.disabled_key(),      "",                                    401, "key_disabled"),
        (&house.revoked_key(),       "",                                    401, "key_revoked"),
        (&house.ownerless_key(),     "",                                    401, "owner_inactive"),
        (&elsewhere,                 "",                                    403, "ip_not_allowed"),
        (&once,                      "",                                    429, limited),
        (&once,                      "?deny=403",                           403, limited),
        (&poor,                      "",                                    429, "insufficient_quota"),
        (&poor,                      "?deny=403",                           403, "insufficient_quota"),
    ];
    for (key, query, status, code) in cases {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let answer = house.program.ask(method, &format!("{PATH}{query}"), key, None);
            assert_eq!(answer.status, status, "{method} {query} {code}: {}", answer.body);
            let is_mapped = status == 403 && query == "?deny=403";
            let real = if is_mapped { "429" } else { "" };
            assert_eq!(answer.header("x-doorward-status"), real, "{code}");
            let waits = code == limited;
            assert_eq!(!answer.header("retry-after").is_empty(), waits, "{code}");
            if status != 200 && method != "HEAD" {
                assert_problem(&answer, code);
            }
        }
    }
    let both = [("x-api-key", good.clone()), ("api-key", once)];
    assert_problem(&house.program.send("GET", PATH, &both, None), "multiple_credentials");
    assert_problem(&house.program.send("GET", PATH, &[], None), "invalid_api_key");
}

#[test]
fn a_proxy_is_told_whose_key_it_is_and_what_is_left_of_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let key = house.key("k", json!({"limits": {"requests_per_minute": 3}}));
    let object = house.manage("GET", &House::path_of(&key), None);
    for left in ["2", "1", "0"] {
        let answer = house.program.ask("GET", PATH, &key, None);
        assert_eq!((answer.status, &*answer.body), (200, ""));
        for (header, field) in [
            ("x-doorward-key", "id"),
            ("x-doorward-owner", "owner"),
            ("x-doorward-project", "project"),
            ("x-doorward-organization", "organization"),
        ] {
            assert_eq!(json!(answer.header(header)), object[field], "{header}");
        }
        assert_eq!(answer.header("x-doorward-scopes"), "inference:read inference:write");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left);
    }
    let refused = house.program.ask("GET", PATH, &key, None);
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining-requests")), (429, "0"));
    // Calls take from the same limit.
    assert_eq!(house.program.chat(&key, "primer").status, 429);
    let look = house.decision(&key, json!({"cost": {"requests": 0}}));
    assert_eq!(look["ratelimit"]["requests"]["remaining"], 0);
}

#[test]
fn a_key_that_is_only_used_elsewhere_is_seen_to_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::start(dir.path());
    let (asked, shown) = (house.key("asked", json!({})), house.key("shown", json!({})));
    let looked_at = house.key("looked at", json!({}));
    house.decision(&looked_at, json!({"cost": {"requests": 0, "tokens": 0}, "ip": ELSEWHERE}));
    house.decision(&asked, json!({"ip": ELSEWHERE}));
    assert_eq!(house.program.ask("GET", PATH, &shown, None).status, 200);
    let until = Instant::now() + Duration::from_secs(30);
    for (key, address) in [(&asked, ELSEWHERE), (&shown, "127.0.0.1")] {
        // It is written beside the answer.
        while house.manage("GET", &House::path_of(key), None)["last_used_ip"] != address {
            assert!(Instant::now() < until, "it is not seen to be used");
        }
    }
    let object = house.manage("GET", &House::path_of(&looked_at), None);
    assert_eq!(object["last_used_at"], Value::Null);
}

#[test]
fn no_secret_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let environment = [("RUST_LOG", "trace")];
    let program = Program::start_with(dir.path(), &[], &environment);
    let asker = program.make_key(&json!({"name": "asker", "scopes": ["keys:verify"]}));
    let key = program.make_key(&json!({"name": "k"}));
    for named in [key.clone(), pair(&key), with_wrong_secret(&key)] {
        let question = json!({"key": named, "ip": named, "model": named});
        program.ask("POST", PATH, &asker, Some(&question));
        program.ask("POST", PATH, &asker, Some(&json!({"key": named})));
        program.ask("GET", PATH, &named, None);
        assert_eq!(program.chat(&key, "doorward/echo").status, 200);
        let secret = &named[named.len() - 40..];
        assert!(!program.log().contains(secret));
    }
}
