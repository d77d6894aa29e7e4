//! Models at Amazon Bedrock, for clients of every dialect: a provider that checks each signature itself and
//! streams in frames.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::program::{Answer, Program, chat};
use crate::upstream::{Script, Seen, Upstream, whole};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const TEMPORARY: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2Vjcanary/session+token==";
const API_KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1jYW5hcnk=";
const UPSTREAM_MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const PRICE: Option<(&str, &str)> = Some(("1", "2"));

const ANSWER: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hello there."}]}},"stopReason":"end_turn","usage":{"inputTokens":20,"cacheReadInputTokens":4,"cacheWriteInputTokens":1,"outputTokens":30,"totalTokens":55},"metrics":{"latencyMs":9}}"#;
const START: (&str, &str) = ("messageStart", r#"{"role":"assistant"}"#);
const STOP: (&str, &str) = ("messageStop", r#"{"stopReason":"end_turn"}"#);
const TEXT: (&str, &str) =
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":" token"},"p":"abcdefgh"}"#);
const USAGE: (&str, &str) = (
    "metadata",
    r#"{"usage":{"inputTokens":20,"cacheReadInputTokens":4,"cacheWriteInputTokens":1,"outputTokens":30,"totalTokens":55},"metrics":{"latencyMs":9}}"#,
);

/// A program whose models `m` and `key` are Bedrock's: with a pair of keys, and with an API key.
struct House {
    program: Program,
    upstream: Upstream,
    _dir: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Raw(whole(200, "", ANSWER)));
        let house = Self { program, upstream, _dir: dir };
        house.add("m", &format!("{ID}:{SECRET}"));
        house
    }

    /// A model with a provider of its own, which is called with this credential.
    fn add(&self, name: &str, credential: &str) {
        self.program.add_provider_key(name, credential);
        let made = self.make_provider(name, &[name]);
        assert_eq!(made.status, 201, "{}", made.body);
        let on = json!([{"provider": name, "upstream_model": UPSTREAM_MODEL}]);
        self.program.add_deployed(name, PRICE, &on);
    }

    fn make_provider(&self, name: &str, keys: &[&str]) -> Answer {
        let base_url = format!("http://{}/proxied", self.upstream.address);
        let wish = json!({"name": name, "kind": "bedrock", "base_url": base_url,
                          "region": "eu-central-1", "provider_keys": keys});
        self.admin("POST", "/v1/providers", &wish)
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.program.ask(method, path, &self.program.admin_key(), Some(body))
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.program.ask("POST", path, self.program.key(), Some(body))
    }

    fn stream(&self, model: &str) -> Answer {
        let mut body = chat(model);
        body["stream"] = true.into();
        self.post("/v1/chat/completions", &body)
    }

    fn last_seen(&self) -> Seen {
        self.upstream.seen().pop().unwrap()
    }

    fn output_tokens(&self, model: &str) -> u64 {
        self.program.usage(model)["output_tokens"].as_u64().unwrap_or_default()
    }
}

/// What the client of each path sends, and where it reads the text of an answer.
fn clients() -> [(&'static str, Value, &'static str); 5] {
    let turns = json!([{"role": "user", "content": "Hi."}]);
    [
        ("/v1/chat/completions", json!({"messages": turns}), "/choices/0/message/content"),
        ("/v1/messages", json!({"messages": turns, "max_tokens": 64}), "/content/0/text"),
        ("/v1/responses", json!({"input": "Hi."}), "/output/0/content/0/text"),
        ("/v1/inference", json!({"prompt": "Hi."}), "/output"),
        (
            "/v1beta/models/m:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "Hi."}]}]}),
            "/candidates/0/content/parts/0/text",
        ),
    ]
}

/// One frame as Bedrock sends it.
fn frame((name, payload): (&str, &str)) -> Vec<u8> {
    let kind = if name.ends_with("Exception") { "exception" } else { "event" };
    let type_header = format!(":{kind}-type");
    let mut headers = Vec::new();
    for (name, value) in
        [(&*type_header, name), (":content-type", "application/json"), (":message-type", kind)]
    {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut frame = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// An answer of these frames, each a chunk of its own; `is_whole`: it ends in order.
fn stream_of(frames: &[Vec<u8>], is_whole: bool) -> Script {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for frame in frames {
        bytes.extend_from_slice(format!("{:x}\r\n", frame.len()).as_bytes());
        bytes.extend_from_slice(frame);
        bytes.extend_from_slice(b"\r\n");
    }
    if is_whole {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    Script::Raw(bytes)
}

fn frames(events: &[(&str, &str)]) -> Vec<Vec<u8>> {
    events.iter().copied().map(frame).collect()
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let mut lines = seen.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Signs what arrived by the published steps, in its own code: each part of the path is encoded once more.
fn check_signature(seen: &Seen, id: &str) {
    let authorization = header(seen, "authorization").unwrap();
    let (scheme, fields) = authorization.split_once(' ').unwrap();
    assert_eq!(scheme, "AWS4-HMAC-SHA256");
    let field = |name: &str| {
        let mut fields = fields.split(", ").map(|field| field.split_once('=').unwrap());
        fields.find(|(found, _)| *found == name).unwrap().1
    };
    let moment = header(seen, "x-amz-date").unwrap();
    let (day, _) = moment.split_once('T').unwrap();
    let scope = format!("{day}/eu-central-1/bedrock/aws4_request");
    assert_eq!(field("Credential"), format!("{id}/{scope}"));
    let signed: Vec<&str> = field("SignedHeaders").split(';').collect();
    assert!(signed.contains(&"host") && signed.contains(&"x-amz-date"), "{signed:?}");
    let is_temporary = header(seen, "x-amz-security-token").is_some();
    assert_eq!(signed.contains(&"x-amz-security-token"), is_temporary);
    let line = |name: &&str| format!("{name}:{}\n", header(seen, name).unwrap().trim());
    let headers = signed.iter().map(line).collect::<Vec<_>>().concat();
    let path = seen.head.split(' ').nth(1).unwrap().replace('%', "%25");
    let body = hex(&Sha256::digest(&seen.body));
    let request = format!("POST\n{path}\n\n{headers}\n{}\n{body}", signed.join(";"));
    let digest = hex(&Sha256::digest(&request));
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}");
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, "eu-central-1", "bedrock", "aws4_request"] {
        key = mac(&key, part);
    }
    assert_eq!(field("Signature"), hex(&mac(&key, &text)), "{request}");
}

#[test]
fn a_client_of_any_dialect_is_answered_by_a_signed_request_and_billed_what_bedrock_said() {
    let house = House::start();
    for (count, (path, mut body, text)) in (1_u64..).zip(clients()) {
        if !path.contains("/m:") {
            body["model"] = "m".into();
        }
        let answer = house.post(path, &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.json().pointer(text), Some(&json!("Hello there.")), "{path}");
        let seen = house.last_seen();
        let target =
            "POST /proxied/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse HTTP/1.1";
        assert_eq!(seen.head.lines().next(), Some(target), "{path}");
        check_signature(&seen, ID);
        let sent: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(sent["messages"][0]["content"][0]["text"], "Hi.", "{path}");
        let usage = house.program.usage("m");
        let (input, cached) = (&usage["input_tokens"], &usage["cached_input_tokens"]);
        let found = (input, cached, &usage["output_tokens"], &usage["errors"]);
        let expected = (&json!(25 * count), &json!(4 * count), &json!(30 * count), &json!(0));
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn temporary_keys_bring_their_token_and_an_api_key_goes_as_it_is() {
    let house = House::start();
    house.add("temporary", &format!("{TEMPORARY}:{SECRET}:{TOKEN}"));
    house.add("key", API_KEY);
    assert_eq!(house.program.chat(house.program.key(), "temporary").status, 200);
    let seen = house.last_seen();
    check_signature(&seen, TEMPORARY);
    assert_eq!(header(&seen, "x-amz-security-token"), Some(TOKEN));
    assert_eq!(house.program.chat(house.program.key(), "key").status, 200);
    let seen = house.last_seen();
    assert_eq!(header(&seen, "authorization"), Some(&*format!("Bearer {API_KEY}")));
    assert_eq!(header(&seen, "x-amz-date"), None);
    // Whatever Bedrock says back of them stays here, and so does the secret in the log.
    for (model, echo) in [("temporary", TOKEN), ("key", API_KEY), ("m", ID)] {
        let error = json!({"message": format!("no such thing as {echo}")}).to_string();
        house.upstream.then(Script::Raw(whole(400, "", &error)));
        let answer = house.program.chat(house.program.key(), model);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("no such thing as [REDACTED]"), "{}", answer.body);
    }
    let log = house.program.log();
    assert!([SECRET, TOKEN, API_KEY].iter().all(|secret| !log.contains(secret)));
}

#[test]
fn functions_are_called_and_their_results_told() {
    let house = House::start();
    let call = r#"{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"tooluse_1","name":"top_song","input":{"sign":"WZPZ"}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}"#;
    house.upstream.once(Script::Raw(whole(200, "", call)));
    let mut body = chat("m");
    body["tools"] = json!([{"type": "function", "function": {"name": "top_song", "parameters": {"type": "object"}}}]);
    let answer = house.post("/v1/chat/completions", &body).json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"sign":"WZPZ"}"#);
    body["messages"].as_array_mut().unwrap().extend([
        message.clone(),
        json!({"role": "tool", "tool_call_id": "tooluse_1", "content": "Elemental Hotel"}),
    ]);
    assert_eq!(house.post("/v1/chat/completions", &body).status, 200);
    let sent: Value = serde_json::from_str(&house.last_seen().body).unwrap();
    let result = json!({"toolUseId": "tooluse_1", "content": [{"text": "Elemental Hotel"}]});
    assert_eq!(sent["messages"][2]["content"][0]["toolResult"], result);
}

/// The events of a stream of chunks, without the id and the time of the answer.
fn without_what_differs(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: {"));
    let mut events: Vec<Value> =
        data.map(|data| serde_json::from_str(&format!("{{{data}")).unwrap()).collect();
    for event in &mut events {
        event["id"] = Value::Null;
        event["created"] = Value::Null;
    }
    events
}

#[test]
fn a_stream_of_frames_is_one_of_events_to_its_client() {
    let house = House::start();
    let call = [
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"f"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"1}"}}}"#),
    ];
    let events = [&[START, TEXT, TEXT], &call[..], &[STOP, USAGE]].concat();
    house.upstream.then(stream_of(&frames(&events), true));
    let answer = house.stream("m");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let body = &answer.body;
    assert!(
        body.ends_with("data: [DONE]\n\n") && body.matches(r#"":" token""#).count() == 2,
        "{body}"
    );
    assert!(body.contains(r#""arguments":"{\"a\":""#) && body.contains("tool_calls\"}"), "{body}");
    assert!(house.last_seen().head.contains("/converse-stream HTTP/1.1"));
    check_signature(&house.last_seen(), ID);
    let usage = house.program.usage("m");
    let found = (&usage["input_tokens"], &usage["output_tokens"], &usage["errors"]);
    assert_eq!(found, (&json!(25), &json!(30), &json!(0)));
    // One frame may come in many pieces, and many in one.
    let bytes = frames(&events).concat();
    for chunk_bytes in [7, bytes.len()] {
        let chunks: Vec<Vec<u8>> = bytes.chunks(chunk_bytes).map(<[u8]>::to_vec).collect();
        house.upstream.then(stream_of(&chunks, true));
        let again = house.stream("m").body;
        assert_eq!(without_what_differs(&again), without_what_differs(body));
    }
}

#[test]
fn a_stream_that_is_cut_is_billed_to_the_event_and_told_as_one() {
    let house = House::start();
    let events = [START, TEXT, TEXT, TEXT, STOP, USAGE];
    let mut billed = 0;
    for count in 1..events.len() {
        house.upstream.then(stream_of(&frames(&events[..count]), false));
        let answer = house.stream("m");
        assert_eq!(answer.status, 200, "{count}: {}", answer.body);
        let said = answer.body.matches(" token").count();
        assert_eq!(said, count.saturating_sub(1).min(3), "{count}");
        assert!(
            answer.body.contains("data: {\"error\":") && !answer.body.contains("[DONE]"),
            "{count}: {}",
            answer.body
        );
        billed += u64::try_from(said).unwrap();
        assert_eq!(house.output_tokens("m"), billed, "{count}");
    }
}

#[test]
fn an_exception_in_mid_stream_is_an_error_of_the_clients_dialect() {
    let house = House::start();
    let throttled = ("throttlingException", r#"{"message":"Too many tokens."}"#);
    house.upstream.then(stream_of(&frames(&[START, TEXT, throttled]), true));
    let answer = house.stream("m");
    let error = r#"data: {"error":{"message":"Too many tokens.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
    assert!(answer.body.ends_with(&format!("{error}\n\n")), "{}", answer.body);
    let mut body = json!({"model": "m", "max_tokens": 64, "stream": true, "messages": []});
    body["messages"] = json!([{"role": "user", "content": "Hi."}]);
    let answer = house.post("/v1/messages", &body);
    assert!(
        answer.body.contains("event: error\n") && answer.body.contains("rate_limit_error"),
        "{}",
        answer.body
    );
    let usage = house.program.usage("m");
    assert_eq!((&usage["requests"], &usage["output_tokens"]), (&json!(2), &json!(2)));
}

#[test]
fn a_frame_that_was_changed_on_its_way_ends_the_stream_with_an_error() {
    let house = House::start();
    let mut events = frames(&[START, TEXT, TEXT, STOP, USAGE]);
    let place = events[2].len() - 10;
    events[2][place] ^= 1;
    house.upstream.then(stream_of(&events, true));
    let answer = house.stream("m");
    assert_eq!(answer.body.matches(" token").count(), 1, "{}", answer.body);
    assert!(answer.body.contains("checksum") && !answer.body.contains("[DONE]"), "{}", answer.body);
    assert_eq!(house.output_tokens("m"), 1);
}

#[test]
fn who_is_throttled_too_slow_or_failed_is_replaced_by_another() {
    let house = House::start();
    let spare = Upstream::start(Script::Chat);
    let spare = house.program.add_provider("spare", &spare.address.to_string());
    for status in [408, 424, 429, 500, 503] {
        let model = format!("twofold-{status}");
        let on = json!([
            {"provider": "m", "upstream_model": UPSTREAM_MODEL, "priority": 0},
            {"provider": spare, "priority": 1},
        ]);
        house.program.add_deployed(&model, PRICE, &on);
        house.upstream.then(Script::Raw(whole(status, "", r#"{"message":"x"}"#)));
        let answer = house.program.chat(house.program.key(), &model);
        let found = (answer.status, answer.header("x-doorward-provider"));
        assert_eq!(found, (200, &*spare), "{status}: {}", answer.body);
    }
}

#[test]
fn an_error_is_known_by_the_name_in_its_head_which_no_client_sees() {
    let house = House::start();
    let spare = Upstream::start(Script::Chat);
    let spare = house.program.add_provider("spare", &spare.address.to_string());
    let on = json!([
        {"provider": "m", "upstream_model": UPSTREAM_MODEL, "priority": 0},
        {"provider": spare, "priority": 1},
    ]);
    house.program.add_deployed("twofold", PRICE, &on);
    let named = |status, name: &str| {
        let head = format!("x-amzn-ErrorType: {name}:http://internal.amazon.com/\r\n");
        Script::Raw(whole(status, &head, r#"{"message":"x"}"#))
    };
    house.upstream.then(named(400, "ValidationException"));
    let answer = house.program.chat(house.program.key(), "twofold");
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (400, ""), "{}", answer.body);
    house.upstream.then(named(400, "ServiceQuotaExceededException"));
    let answer = house.program.chat(house.program.key(), "twofold");
    let found = (answer.status, answer.header("x-doorward-provider"));
    assert_eq!(found, (200, &*spare), "{}", answer.body);
}

#[test]
fn what_bedrock_is_not_asked_for_is_refused_and_so_is_what_it_cannot_say() {
    let house = House::start();
    let answer = house.post("/v1/embeddings", &json!({"model": "m", "input": "Hi."}));
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (400, &json!("unsupported_route"))
    );
    let mut body = chat("m");
    body["seed"] = 7.into();
    let answer = house.post("/v1/chat/completions", &body);
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("`seed`"), "{}", answer.body);
    assert!(house.upstream.seen().is_empty());
    body["doorward_drop_unsupported"] = true.into();
    let answer = house.post("/v1/chat/completions", &body);
    assert_eq!((answer.status, answer.header("x-doorward-dropped")), (200, "seed"));
}

#[test]
fn a_credential_that_is_none_of_amazons_is_refused_where_it_is_entered() {
    let house = House::start();
    house.program.add_provider_key("other", "sk-canary-of-another-provider");
    let refused = |answer: &Answer, field: &str| {
        assert_eq!(answer.status, 400, "{}", answer.body);
        let errors = &answer.json()["errors"];
        assert_eq!(errors[0]["field"], field, "{errors}");
        assert!(errors[0]["detail"].as_str().unwrap().contains("access key id"), "{errors}");
        assert!(!answer.body.contains("canary"), "{}", answer.body);
    };
    refused(&house.make_provider("second", &["m", "other"]), "provider_keys[1]");
    let edit = json!({"provider_keys": ["other"]});
    refused(&house.admin("PATCH", "/v1/providers/m", &edit), "provider_keys[0]");
    let model = json!({"name": "x", "price": "free", "deployments": [{"provider": "m", "provider_key": "other"}]});
    refused(&house.admin("POST", "/v1/models", &model), "deployments[0].provider_key");
    let edit = json!({"value": "sk-canary"});
    refused(&house.admin("PATCH", "/v1/provider-keys/m", &edit), "value");
    let edit = json!({"value": API_KEY});
    assert_eq!(house.admin("PATCH", "/v1/provider-keys/m", &edit).status, 200);
    assert_eq!(house.program.chat(house.program.key(), "m").status, 200);
    assert_eq!(header(&house.last_seen(), "authorization"), Some(&*format!("Bearer {API_KEY}")));
}

#[test]
fn a_region_is_named_where_the_address_does_not_say_it() {
    let house = House::start();
    let own = "https://bedrock-runtime.us-east-1.amazonaws.com";
    let create = |name: &str, fields: Value| {
        let mut wish = json!({"name": name, "kind": "bedrock"});
        for (field, value) in fields.as_object().unwrap() {
            wish[field] = value.clone();
        }
        house.admin("POST", "/v1/providers", &wish)
    };
    let made = create("a", json!({"region": "us-east-1"}));
    assert_eq!((made.status, &made.json()["base_url"]), (201, &json!(own)), "{}", made.body);
    let made = create("b", json!({"base_url": own}));
    assert_eq!((made.status, &made.json()["region"]), (201, &Value::Null), "{}", made.body);
    #[rustfmt::skip]
    let cases = [
        (json!({}),                                                       "base_url"),
        (json!({"base_url": "https://proxy.example"}),                    "region"),
        (json!({"base_url": own, "region": "eu-west-1"}),                 "region"),
        (json!({"region": "Frankfurt"}),                                  "region"),
        (json!({"kind": "openai", "region": "us-east-1"}),                "region"),
    ];
    for (fields, field) in cases {
        let answer = create("c", fields.clone());
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]["field"]),
            (400, &json!(field)),
            "{fields}: {}",
            answer.body
        );
    }
    let edit = json!({"region": "eu-west-1"});
    let answer = house.admin("PATCH", "/v1/providers/b", &edit);
    assert_eq!(answer.json()["errors"][0]["field"], "region", "{}", answer.body);
    let listed = house.program.cli(&["providers", "show", "a"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("us-east-1"), "{listed}");
    let test = house.admin("POST", "/v1/provider-keys/m/test", &json!({}));
    assert_eq!(test.json()["errors"][0]["field"], "provider", "{}", test.body);
}

#[test]
fn prices_are_found_by_the_names_that_bedrock_has_for_models() {
    let house = House::start();
    for upstream in [
        UPSTREAM_MODEL,
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ] {
        let model = json!({"name": format!("listed-{}", upstream.len()), "price": "listed", "deployments": [{"provider": "m", "upstream_model": upstream}]});
        let made = house.admin("POST", "/v1/models", &model);
        assert_eq!(made.status, 201, "{upstream}: {}", made.body);
    }
}
