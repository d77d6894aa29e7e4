//! An application that was written for Google calls whichever provider serves the model.

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::upstream::{Script, Upstream, events, whole};

const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1}}"#;
const PIECES: [&str; 2] = [
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"H\"}],\"role\": \"model\"}}]}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"i\"}],\"role\": \"model\"},\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 2,\"candidatesTokenCount\": 1}}\r\n\r\n",
];

/// A program whose model `g` is Google's.
fn start(script: Script) -> (tempfile::TempDir, Program, Upstream) {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(script);
    let name = program.add_provider_of("google", "g", &upstream.address.to_string(), None);
    program.add_deployed("g", Some(("1", "2")), &json!([{"provider": name}]));
    (dir, program, upstream)
}

fn question() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hello, are you there?"}]}]})
}

fn send(program: &Program, path: &str, body: &Value) -> Answer {
    let headers = [
        ("x-goog-api-key", program.key().to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    program.send_as(path, &headers, body.to_string().as_bytes())
}

#[test]
fn the_built_in_provider_answers_at_once_in_pieces_and_in_a_list() {
    let (_dir, program, _upstream) = start(Script::Chat);
    let path = "/v1beta/models/doorward/echo";
    let answer = send(&program, &format!("{path}:generateContent"), &question()).json();
    let text = &answer["candidates"][0]["content"]["parts"][0]["text"];
    assert_eq!(text, "Hello, are you there?", "{answer}");
    assert_eq!(answer["usageMetadata"]["candidatesTokenCount"], 4);

    let answer = send(&program, &format!("{path}:streamGenerateContent?alt=sse"), &question());
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    assert!(
        answer.body.starts_with("data: {") && !answer.body.contains("[DONE]"),
        "{}",
        answer.body
    );

    let answer = send(&program, &format!("{path}:streamGenerateContent"), &question());
    assert_eq!(answer.header("content-type"), "application/json");
    let pieces = answer.json();
    let said = pieces.as_array().unwrap().iter();
    let said =
        said.filter_map(|piece| piece["candidates"][0]["content"]["parts"][0]["text"].as_str());
    assert_eq!(said.collect::<String>(), "Hello, are you there?");
}

#[test]
fn a_list_has_the_providers_own_pieces_and_an_error_where_it_breaks_off() {
    let (_dir, program, upstream) = start(Script::Raw(events(&PIECES)));
    let path = "/v1beta/models/g:streamGenerateContent";
    let pieces = send(&program, path, &question()).json();
    let own = PIECES.map(|piece| serde_json::from_str::<Value>(&piece[6..]).unwrap());
    assert_eq!(pieces, json!(own));
    let target = "POST /v1/models/g:streamGenerateContent?alt=sse ";
    assert!(upstream.seen()[0].head.starts_with(target), "{}", upstream.seen()[0].head);

    let mut cut = events(&PIECES[..1]);
    cut.truncate(cut.len() - b"0\r\n\r\n".len());
    upstream.then(Script::Raw(cut));
    let pieces = send(&program, path, &question()).json();
    assert_eq!(pieces[0], own[0]);
    assert_eq!(pieces[1]["error"]["status"], "UNAVAILABLE", "{pieces}");
}

#[test]
fn the_key_may_stand_in_the_query_of_these_routes_alone() {
    let (_dir, program, _upstream) = start(Script::Raw(whole(200, "", ANSWER)));
    let key = program.key();
    let body = question().to_string();
    let kind = [("content-type", "application/json".to_owned())];
    let path = "/v1beta/models/g:generateContent";
    let ask = |path: &str| program.send_as(path, &kind, body.as_bytes());
    assert_eq!(ask(&format!("{path}?key={key}")).status, 200);
    assert_eq!(ask(path).status, 401);
    assert_eq!(ask("/v1beta/models/g:generateContent?key=dw_nobody").status, 401);
    assert_eq!(ask(&format!("/v1/chat/completions?key={key}")).status, 401);
    assert_eq!(ask(&format!("{path}?key={}", key.replace('_', "%5F"))).status, 200);
    assert_eq!(ask(&format!("{path}?key={key}&key=dw_0123456789abcdef_x")).status, 400);
    assert!(!program.log().contains(key.rsplit_once('_').unwrap().1), "no key in the log");
    let both = [kind[0].clone(), ("x-goog-api-key", "dw_0123456789abcdef_x".to_owned())];
    let answer = program.send_as(&format!("{path}?key={key}"), &both, body.as_bytes());
    assert_eq!(answer.status, 400, "two different credentials");
}

#[test]
fn the_list_of_models_has_the_shape_of_who_asks() {
    let (_dir, program, _upstream) = start(Script::Chat);
    let list = program.ask("GET", "/v1beta/models", program.key(), None).json();
    let names: Vec<&str> =
        list["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["models/doorward/echo", "models/g"]);
    let one = program.ask("GET", "/v1beta/models/g", program.key(), None).json();
    assert_eq!(one, list["models"][1]);
    let none = program.ask("GET", "/v1beta/models/none", program.key(), None);
    assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));

    let headers =
        [("x-api-key", program.key().to_owned()), ("anthropic-version", "2023-06-01".to_owned())];
    let none = program.send("GET", "/v1/models/none", &headers, None);
    assert_eq!((none.status, &none.json()["type"]), (404, &json!("error")));
    assert_eq!(none.header("request-id"), none.header("x-request-id"));
    let list = program.send("GET", "/v1/models", &headers, None).json();
    assert_eq!((&list["has_more"], &list["last_id"]), (&json!(false), &json!("g")), "{list}");
    assert_eq!((&list["data"][1]["type"], &list["data"][1]["id"]), (&json!("model"), &json!("g")));
}

#[test]
fn errors_have_the_dialects_own_shape() {
    let (_dir, program, upstream) = start(Script::Chat);
    let path = |model: &str| format!("/v1beta/models/{model}:generateContent");
    #[rustfmt::skip]
    let cases = [
        (path("unknown"), question(),                                         404, "NOT_FOUND",        "model"),
        (path("g"),       json!([]),                                          400, "INVALID_ARGUMENT", "JSON object"),
        (path("g"),       json!({"generationConfig": 5}),                     400, "INVALID_ARGUMENT", "JSON object"),
        (path("g"),       json!({"generationConfig": {"maxOutputTokens": 0}}), 400, "INVALID_ARGUMENT", "`maxOutputTokens`"),
        (path("doorward/echo"), json!({"contents": []}),                      400, "INVALID_ARGUMENT", "`contents`"),
        (path("doorward/echo"), json!({"contents": [{"parts": [{"text": "a"}]}], "tools": [{"googleSearch": {}}]}), 400, "INVALID_ARGUMENT", "googleSearch"),
    ];
    for (path, body, status, word, said) in cases {
        let answer = send(&program, &path, &body);
        let error = &answer.json()["error"];
        let found = (answer.status, &error["code"], &error["status"]);
        assert_eq!(found, (status, &json!(status), &json!(word)), "{path} {body}: {}", answer.body);
        assert!(error["message"].as_str().unwrap().contains(said), "{path} {body}: {error}");
    }
    assert!(upstream.seen().is_empty());
    let wrong = program.ask("PUT", &path("g"), program.key(), None);
    assert_eq!((wrong.status, wrong.header("allow")), (405, "POST"));
    assert_eq!(wrong.json()["error"]["code"], 405);
}

#[test]
fn a_budget_bounds_the_output_where_google_reads_the_bound() {
    let (_dir, program, upstream) = start(Script::Raw(whole(200, "", ANSWER)));
    let wish = json!({"name": "poor", "scopes": ["inference:write"],
                      "budgets": [{"usd": "0.001", "period": "day"}]});
    let key = program.make_key(&wish);
    let headers = [("x-goog-api-key", key), ("content-type", "application/json".to_owned())];
    let mut body = question();
    body["generationConfig"] = json!({"temperature": 0, "maxOutputTokens": 900_000});
    let path = "/v1beta/models/g:generateContent";
    let answer = program.send_as(path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen: Value = serde_json::from_str(&upstream.seen()[0].body).unwrap();
    let bound = seen["generationConfig"]["maxOutputTokens"].as_u64().unwrap();
    assert!((256..=500).contains(&bound), "0.001 USD are 500 tokens at most: {seen}");
    assert_eq!(answer.header("x-doorward-max-tokens"), bound.to_string());
    assert_eq!(seen["generationConfig"]["temperature"], 0);
}

#[test]
fn a_model_with_a_slash_may_be_encoded() {
    let (_dir, program, _upstream) = start(Script::Chat);
    let answer = send(&program, "/v1beta/models/doorward%2Fecho:generateContent", &question());
    assert_eq!(answer.status, 200, "{}", answer.body);
}
