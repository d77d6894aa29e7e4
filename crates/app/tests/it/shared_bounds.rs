//! Limits and budgets that keys share: of a user, a project and the organization.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::form::form;
use crate::program::{Answer, Program, id_of};
use crate::upstream::{Script, Upstream, of_kind, whole};

/// Calls at the same time.
const CALLS: usize = 200;
/// How many of them a budget is for.
const PAID: u64 = 10;
/// Keys that they come with: with those that are there, no more than a user may have.
const KEYS: usize = 16;
/// What the upstream says to have used.
const USED: u64 = 25 + 30;

/// Whose budget it is, and the path at which it is set; the key's own is found by its id.
const WHOSE: [(&str, &str); 4] = [
    ("key", ""),
    ("user", "/v1/users/administrator"),
    ("project", "/v1/projects/default"),
    ("organization", "/v1/organization"),
];

/// Every route that calls a model for text: its path, its body, and the most output that it names.
fn routes() -> Vec<(&'static str, Value, u64)> {
    let messages = json!([{"role": "user", "content": "Say hello."}]);
    vec![
        (
            "/v1/chat/completions",
            json!({"model": "mock", "max_tokens": 64, "messages": messages}),
            64,
        ),
        ("/v1/completions", json!({"model": "mock", "max_tokens": 64, "prompt": "Hello"}), 64),
        ("/v1/embeddings", json!({"model": "mock", "input": "Say hello to everybody."}), 0),
        ("/v1/moderations", json!({"model": "mock", "input": "Say hello to everybody."}), 0),
        ("/v1/responses", json!({"model": "mock", "max_output_tokens": 64, "input": "Hello"}), 64),
        ("/v1/messages", json!({"model": "mock", "max_tokens": 64, "messages": messages}), 64),
        ("/v1/inference", json!({"model": "mock", "max_tokens": 64, "prompt": "Hello"}), 64),
        (
            GENERATE,
            json!({
                "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
                "generationConfig": {"maxOutputTokens": 64},
            }),
            64,
        ),
        (EMBED, json!({"content": {"parts": [{"text": "Say hello to everybody."}]}}), 0),
        (
            EMBED_BATCH,
            json!({"requests": [{
                "model": "models/mock",
                "content": {"parts": [{"text": "Say hello to everybody."}]},
            }]}),
            0,
        ),
    ]
}

/// Google's routes: for text, the same in a stream, and for embeddings.
const GENERATE: &str = "/v1beta/models/mock:generateContent";
const STREAM: &str = "/v1beta/models/mock:streamGenerateContent?alt=sse";
const EMBED: &str = "/v1beta/models/mock:embedContent";
const EMBED_BATCH: &str = "/v1beta/models/mock:batchEmbedContents";

/// What the upstream does on a route, when it is let.
fn script(route: &str) -> Script {
    match route {
        EMBED | EMBED_BATCH => Script::Held(whole(
            200,
            "",
            r#"{"data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":25}}"#,
        )),
        _ => Script::Gated,
    }
}

/// The same in pieces, where the route has that.
fn in_pieces(route: &'static str, body: &mut Value) -> &'static str {
    match route {
        GENERATE => return STREAM,
        "/v1/embeddings" | "/v1/moderations" | EMBED | EMBED_BATCH => {}
        _ => body["stream"] = true.into(),
    }
    route
}

struct House {
    program: Program,
    upstream: Upstream,
    keys: Vec<String>,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Gated);
        program.add_model("mock", &upstream.address.to_string(), Some(("1", "1")));
        let key = |n| program.make_key(&json!({"name": format!("key {n}")}));
        let keys = (0..KEYS).map(key).collect();
        Self { program, upstream, keys, _dir: dir }
    }

    fn manage(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.program.ask(method, path, &self.program.admin_key(), body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    }

    /// Leaves room for so many tokens more than were spent. For ever, so that no midnight comes between.
    fn leave_room(&self, path: &str, tokens: u64) {
        let budget = |tokens: u64| json!({"budgets": [{"tokens": tokens, "period": "total"}]});
        self.manage("PATCH", path, Some(&budget(1_u64 << 40)));
        let spent = self.manage("GET", path, None)["spent"][0]["tokens"].as_u64().unwrap();
        self.manage("PATCH", path, Some(&budget(spent + tokens)));
    }

    /// So many requests at once with this body.
    fn ask_at_once(&self, keys: &[String], path: &str, body: &Value) -> Vec<Answer> {
        self.call_at_once(keys, |key| self.program.ask("POST", path, key, Some(body)))
    }

    /// All of them at once, of which as many are to pass as are paid.
    fn call_at_once(&self, keys: &[String], call: impl Fn(&str) -> Answer + Sync) -> Vec<Answer> {
        self.some_at_once((CALLS, usize::try_from(PAID).unwrap()), keys, call)
    }

    /// So many calls at once, while the upstream answers none; it does when all were refused but those that
    /// are to pass.
    fn some_at_once(
        &self,
        (calls, passing): (usize, usize),
        keys: &[String],
        call: impl Fn(&str) -> Answer + Sync,
    ) -> Vec<Answer> {
        self.upstream.hold();
        let (send, answers) = mpsc::channel();
        std::thread::scope(|scope| {
            for n in 0..calls {
                let (send, key, call) = (send.clone(), &keys[n % keys.len()], &call);
                scope.spawn(move || send.send(call(key)).unwrap());
            }
            // Where too many got through, the test must end all the same.
            let next = || answers.recv_timeout(Duration::from_secs(30)).ok();
            let mut all: Vec<Answer> = std::iter::from_fn(next).take(calls - passing).collect();
            self.upstream.release();
            drop(send);
            all.extend(answers.iter());
            all
        })
    }
}

#[test]
fn of_200_calls_at_once_a_budget_for_ten_lets_ten_through_whose_ever_it_is_and_on_every_route() {
    let house = House::new();
    for (whose, path) in WHOSE {
        let own = format!("/v1/api-keys/{}", id_of(&house.keys[0]));
        let (keys, path) = match whose {
            "key" => (&house.keys[..1], own.as_str()),
            _ => (&house.keys[..], path),
        };
        for (route, body, output) in routes() {
            house.upstream.then(script(route));
            for is_stream in [false, true] {
                let mut body = body.clone();
                let route = if is_stream { in_pieces(route, &mut body) } else { route };
                let held = body.to_string().len().div_ceil(3) as u64 + output;
                house.leave_room(path, PAID * held);
                let answers = house.ask_at_once(keys, route, &body);
                let passed = answers.iter().filter(|answer| answer.status == 200).count() as u64;
                assert_eq!(passed, PAID, "{whose} {route} {is_stream}: {}", answers[0].body);
                for refused in answers.iter().filter(|answer| answer.status != 200) {
                    assert_eq!(refused.status, 429, "{whose} {route}: {}", refused.body);
                    assert_eq!(refused.header("retry-after"), "1", "{whose} {route}");
                }
            }
        }
        house.manage("PATCH", path, Some(&json!({"budgets": []})));
    }
    assert_eq!(house.program.metric("doorward_calls_in_flight"), 0);
}

/// A route, what it is sold by and for how many dollars, its request, and an answer.
type Sold = (&'static str, (&'static str, &'static str), Body, Vec<u8>, &'static str);

enum Body {
    Json(Value),
    Form(Vec<u8>),
}

/// The routes that are sold by something else than tokens. The last figure: what one call costs.
fn sold_by_units() -> Vec<Sold> {
    let json = |body: Value| Body::Json(body);
    let pictures = json!({"model": "sold", "prompt": "a", "n": 2});
    let speech = json!({"model": "sold", "input": "0123456789"});
    let ranking = json!({"model": "sold", "query": "a", "documents": ["a", "b"]});
    let file = form(&[("model", "sold")], &[0xff; 1_000]);
    let said = r#"{"text":"a","usage":{"type":"duration","seconds":1}}"#;
    let ranked = r#"{"results":[],"meta":{"billed_units":{"search_units":1}}}"#;
    vec![
        (
            "/v1/images/generations",
            ("image", "0.01"),
            json(pictures),
            whole(200, "", r#"{"data":[]}"#),
            "0.02",
        ),
        (
            "/v1/audio/speech",
            ("characters_1m", "100"),
            json(speech),
            of_kind("audio/mpeg", b"sound"),
            "0.001",
        ),
        (
            "/v1/audio/transcriptions",
            ("audio_hour", "36"),
            Body::Form(file.clone()),
            whole(200, "", said),
            "0.01",
        ),
        (
            "/v1/audio/translations",
            ("audio_hour", "36"),
            Body::Form(file),
            whole(200, "", said),
            "0.01",
        ),
        ("/v1/rerank", ("ranking_units_1k", "2"), json(ranking), whole(200, "", ranked), "0.002"),
    ]
}

#[test]
fn of_200_calls_at_once_a_budget_for_ten_lets_ten_through_whatever_is_sold() {
    for (path, (kind, price), body, answer, cost) in sold_by_units() {
        let house = House::new();
        let provider = json!([{"provider": "p-mock"}]);
        house.program.add_priced("sold", &json!({kind: price}), &provider);
        house.upstream.then(Script::Held(answer));
        let budget =
            format!("{}", cost.parse::<f64>().unwrap() * f64::from(u32::try_from(PAID).unwrap()));
        let budgets = json!({"budgets": [{"usd": budget, "period": "total"}]});
        house.manage("PATCH", "/v1/organization", Some(&budgets));
        let answers = house.call_at_once(&house.keys, |key| match &body {
            Body::Json(body) => house.program.ask("POST", path, key, Some(body)),
            Body::Form(body) => crate::form::send(&house.program, path, key, body),
        });
        let passed = answers.iter().filter(|answer| answer.status == 200).count() as u64;
        assert_eq!(passed, PAID, "{path}: {}", answers[0].body);
        assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status)), "{path}");
        let spent = house.manage("GET", "/v1/organization", None)["spent"][0]["usd"].clone();
        let spent: f64 = spent.as_str().unwrap().parse().unwrap();
        assert!((spent - budget.parse::<f64>().unwrap()).abs() < 1e-12, "{path}: {spent}");
        let more = match &body {
            Body::Json(body) => house.program.ask("POST", path, &house.keys[0], Some(body)),
            Body::Form(body) => crate::form::send(&house.program, path, &house.keys[0], body),
        };
        assert_eq!(more.json()["error"]["code"], "insufficient_quota", "{path}");
    }
}

/// Nobody names a bound of the output here: in the worst case one call alone would take the budget over its line.
#[test]
fn of_200_calls_at_once_a_budget_that_may_be_overrun_lets_through_what_it_pays_on_average() {
    let house = House::new();
    let body = json!({"model": "mock", "messages": [{"role": "user", "content": "Say hello."}]});
    let ask = |key: &str| house.program.ask("POST", "/v1/chat/completions", key, Some(&body));
    let budget = |tokens: u64| json!({"budgets": [{"tokens": tokens, "period": "total", "overrun": "allow"}]});
    house.manage("PATCH", "/v1/organization", Some(&budget(PAID * USED)));
    let unknown = house.some_at_once((2, 1), &house.keys, ask);
    let code = |answer: &Answer| answer.json()["error"]["code"].clone();
    assert_eq!(code(&unknown[0]), "budget_held", "nothing is known of the model");
    assert_eq!(unknown[1].status, 200, "{}", unknown[1].body);
    house.manage("PATCH", "/v1/organization", Some(&json!({"budgets": []})));
    // What is known of a model outlives an edit of it.
    house.manage("PATCH", "/v1/models/mock", Some(&json!({"output_tokens_max": 8_192})));
    for (whose, path) in WHOSE {
        let own = format!("/v1/api-keys/{}", id_of(&house.keys[1]));
        let (keys, path) = match whose {
            "key" => (&house.keys[1..2], own.as_str()),
            _ => (&house.keys[..], path),
        };
        house.manage("PATCH", path, Some(&budget(1 << 40)));
        let spent = house.manage("GET", path, None)["spent"][0]["tokens"].as_u64().unwrap();
        house.manage("PATCH", path, Some(&budget(spent + PAID * USED)));
        let answers = house.call_at_once(keys, ask);
        let passed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(passed.len() as u64, PAID, "{whose}: {}", answers[0].body);
        assert!(passed.iter().all(|answer| answer.header("x-doorward-max-tokens").is_empty()));
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            let told = (refused.status, refused.header("retry-after"), code(refused));
            assert_eq!(told, (429, "1", json!("budget_held")), "{whose}");
        }
        assert_eq!(code(&ask(&keys[0])), "insufficient_quota", "{whose}");
        let explained = format!("/v1/api-keys/{}/explain", id_of(&keys[0]));
        let explained = house.manage("POST", &explained, Some(&json!({"model": "mock"})));
        assert_eq!(explained["code"], "insufficient_quota", "{whose}");
        house.manage("PATCH", path, Some(&json!({"budgets": []})));
    }
    assert_eq!(house.program.metric("doorward_calls_in_flight"), 0);
}

#[test]
fn what_keys_share_is_told_with_whose_it_is_and_by_the_tightest_of_all() {
    let house = House::new();
    house.upstream.then(Script::Chat);
    let [one, other, ..] = &house.keys[..] else { panic!("there are more") };
    let limits = |most: u32| json!({"limits": {"requests_per_minute": most}});
    house.manage("PATCH", "/v1/organization", Some(&limits(9)));
    let set = house.program.cli(&["projects", "edit", "default", "--rpm", "3"]);
    assert!(set.status.success(), "{set:?}");
    for (key, remaining) in [(one, "2"), (other, "1"), (one, "0")] {
        let answer = house.program.chat(key, "mock");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "3");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), remaining);
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=3;w=60");
    }
    let refused = house.program.chat(other, "mock");
    assert_eq!(refused.status, 429);
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "Rate limit of the project of this API key reached.");
    let why = format!("/v1/api-keys/{}/explain", id_of(other));
    let why = house.manage("POST", &why, Some(&json!({"model": "mock"})));
    assert_eq!(
        (&why["code"], &why["limits"][0]["of"]),
        (&json!("rate_limit_exceeded"), &json!("project"))
    );

    let set = house.program.cli(&[
        "projects",
        "edit",
        "default",
        "--clear",
        "limits",
        "--budget",
        "100tokens/day",
    ]);
    assert!(set.status.success(), "{set:?}");
    let shown = house.manage("GET", "/v1/projects/default", None);
    assert_eq!((&shown["limits"], &shown["spent"][0]["tokens"]), (&json!({}), &json!(3 * USED)));
    let refused = house.program.chat(one, "mock");
    assert_eq!(refused.json()["error"]["code"], "insufficient_quota");
    assert!(refused.body.contains("The budget of the project of this API key is spent."));
}

/// A limit of the organization through 1, 8 and 64 connections: never more than the limit, and what is
/// told to be left is wrong by no more than what is in flight.
#[test]
fn no_minute_has_more_calls_than_a_shared_limit_whatever_the_connections() {
    const LIMIT: usize = 100;
    for connections in [1_usize, 8, 64] {
        let house = House::new();
        house.upstream.then(Script::Chat);
        let limits = json!({"limits": {"requests_per_minute": LIMIT}});
        house.manage("PATCH", "/v1/organization", Some(&limits));
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..connections)
                .map(|n| {
                    let (house, key) = (&house, &house.keys[n % KEYS]);
                    scope.spawn(move || {
                        let calls = (LIMIT + 30).div_ceil(connections);
                        (0..calls).map(|_| house.program.chat(key, "mock")).collect::<Vec<_>>()
                    })
                })
                .collect();
            calls.into_iter().flat_map(|calls| calls.join().unwrap()).collect()
        });
        let mut left: Vec<usize> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| answer.header("x-ratelimit-remaining-requests").parse().unwrap())
            .collect();
        assert_eq!(left.len(), LIMIT, "{connections}");
        left.sort_unstable();
        // Each call that is admitted is told another number: none of them counts one that is not.
        assert_eq!(left, (0..LIMIT).collect::<Vec<_>>(), "{connections}");
        assert_eq!(house.upstream.seen().len(), LIMIT, "{connections}");
    }
}
