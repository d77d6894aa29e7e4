//! `POST /v1/images/generations`: bytes, bills, previews, and budgets that no picture overspends.

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream, events, whole};

const PATH: &str = "/v1/images/generations";

struct House {
    program: Program,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(price: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Chat);
        let provider = program.add_provider("mock", &upstream.address.to_string());
        let on = json!([{"provider": provider, "upstream_model": "gpt-image-1"}]);
        program.add_priced("pictures", price, &on);
        Self { program, upstream, _dir: dir }
    }

    fn ask(&self, key: &str, body: &str, answer: Vec<u8>) -> Answer {
        self.upstream.once(Script::Raw(answer));
        let headers = [("authorization", format!("Bearer {key}"))];
        self.program.send("POST", PATH, &headers, Some(body.as_bytes()))
    }

    fn cost(&self) -> Value {
        self.program.usage("pictures")["cost_usd"].clone()
    }
}

/// As `gpt-image-1` tells it.
const USAGE: &str = r#"{"input_tokens":50,"output_tokens":272,"total_tokens":322,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;

#[test]
fn pictures_pass_byte_for_byte_and_cost_the_tokens_that_the_answer_tells() {
    let price = json!({"input": "5", "input_image": "10", "output": "1", "output_image": "40"});
    let house = House::start(&price);
    let asked = r#"{ "prompt":"a red ☂", "model" :"pictures","quality":"low", "size":"1024x1024","x":[1, 2]}"#;
    let answer = format!(
        r#"{{ "created":1, "data":[{{"b64_json":"{}"}}],"usage":{USAGE}}}"#,
        "A".repeat(3 << 20)
    );
    let got = house.ask(house.program.key(), asked, whole(200, "", &answer));
    assert_eq!((got.status, got.body.len()), (200, answer.len()));
    assert!(got.body == answer, "the pictures pass untouched");
    let seen = house.upstream.seen().pop().unwrap();
    assert!(seen.head.starts_with("POST /v1/images/generations HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, asked.replace("\"pictures\"", "\"gpt-image-1\""));
    // 10 × 5 + 40 × 10 + 272 × 40 millionths of a dollar.
    assert_eq!(house.cost(), "0.01133");
}

#[test]
fn pictures_that_are_sold_by_the_picture_cost_as_many_as_were_asked_for() {
    let house = House::start(&json!({"image": "0.040000001"}));
    let answer = r#"{"created":1,"data":[{"url":"https://x/1"},{"url":"https://x/2"},{"url":"https://x/3"}]}"#;
    let asked = r#"{"model":"pictures","prompt":"a","n":3}"#;
    let got = house.ask(house.program.key(), asked, whole(200, "", answer));
    assert_eq!((got.status, got.body.as_str()), (200, answer));
    assert_eq!(house.cost(), "0.120000003");
    let refused =
        house.ask(house.program.key(), asked, whole(400, "", r#"{"error":{"message":"no"}}"#));
    assert_eq!(refused.status, 400);
    assert_eq!(house.cost(), "0.120000003", "a refusal is free");
    let chat = house.program.chat(house.program.key(), "pictures");
    assert_eq!(chat.json()["error"]["code"], "model_not_priced", "{}", chat.body);
}

#[test]
fn previews_pass_as_they_come_and_the_last_event_tells_what_all_of_them_cost() {
    let house = House::start(&json!({"input": "5", "output": "40"}));
    let preview = format!(
        "event: image_generation.partial_image\ndata: {{\"type\":\"image_generation.partial_image\",\"b64_json\":\"{}\"}}\n\n",
        "A".repeat(2 << 20)
    );
    let done = format!(
        "event: image_generation.completed\ndata: {{\"type\":\"image_generation.completed\",\"b64_json\":\"AA==\",\"usage\":{USAGE}}}\n\n"
    );
    let asked = r#"{"model":"pictures","prompt":"a","quality":"low","size":"1024x1024","stream":true,"partial_images":2}"#;
    let key = house.program.key();
    let got = house.ask(key, asked, events(&[&preview, &preview, &done]));
    assert_eq!(got.status, 200);
    assert!(got.body == format!("{preview}{preview}{done}"), "{} bytes", got.body.len());
    // 50 × 5 + 272 × 40 millionths.
    assert_eq!(house.cost(), "0.01113");

    // What breaks off before it tells is billed at the most that it can have cost.
    let got = house.ask(key, asked, events(&[&preview]));
    assert_eq!(got.status, 200);
    assert!(
        got.body.starts_with(&preview) && got.body.contains("\"error\""),
        "{} bytes",
        got.body.len()
    );
    let bound = asked.len().div_ceil(3) * 5 + (408 + 2 * 100) * 40;
    assert_eq!(house.cost(), format!("0.{:06}", 11_130 + bound).trim_end_matches('0'));
}

#[test]
fn a_client_that_leaves_pays_for_the_pictures_that_are_being_made() {
    let house = House::start(&json!({"image": "0.04"}));
    house.upstream.once(Script::Gated);
    let body = r#"{"model":"pictures","prompt":"a","n":2}"#;
    let mut wire = Wire::to(&house.program);
    wire.send(format!(
        "POST {PATH} HTTP/1.1\r\nhost: doorward\r\nx-api-key: {}\r\ncontent-length: {}\r\n\r\n{body}",
        house.program.key(),
        body.len()
    ));
    house.upstream.await_seen(1);
    drop(wire);
    house.program.await_settled();
    assert_eq!(house.cost(), "0.08");
}

#[test]
fn a_budget_that_a_picture_may_not_fit_into_refuses_it_whole() {
    let house = House::start(&json!({"input": "0", "output": "40"}));
    // One of low quality is held at 408 tokens.
    let wish = json!({"name": "k", "budgets": [{"usd": "0.016319", "period": "total"}]});
    let key = house.program.make_key(&wish);
    let asked = r#"{"model":"pictures","prompt":"a","quality":"low","size":"1024x1024"}"#;
    let headers = [("authorization", format!("Bearer {key}"))];
    let refused = house.program.send("POST", PATH, &headers, Some(asked.as_bytes()));
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(refused.json()["error"]["code"], "insufficient_quota");
    assert!(house.upstream.seen().is_empty());
    let wish = json!({"name": "k2", "budgets": [{"usd": "0.01632", "period": "total"}]});
    let key = house.program.make_key(&wish);
    let answer = format!(r#"{{"data":[],"usage":{USAGE}}}"#);
    let got = house.ask(&key, asked, whole(200, "", &answer));
    assert_eq!(got.status, 200, "{}", got.body);
    assert_eq!(got.header("x-doorward-max-tokens"), "", "nothing was lowered");
}

#[test]
fn the_built_in_provider_draws_as_many_dots_as_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let body = json!({"model": "doorward/echo", "prompt": "two red dots", "n": 2});
    let answer = program.ask("POST", PATH, program.key(), Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert!(answer["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    assert_eq!(answer["usage"]["total_tokens"], 3 + 2);
    let body = json!({"model": "doorward/echo", "prompt": "a dot", "stream": true});
    let answer = program.ask("POST", PATH, program.key(), Some(&body));
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    assert!(answer.body.contains("image_generation.completed"), "{}", answer.body);
}
