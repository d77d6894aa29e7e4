//! What operators' machines see: figures, and the traces that calls are part of.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::program::{Program, chat};
use crate::upstream::{Script, Upstream};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn metrics(program: &Program) -> String {
    program.send("GET", "/metrics", &[], None).body
}

/// The value of a header, in a head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn call(program: &Program, headers: &[(&str, &str)]) {
    let bearer = format!("Bearer {}", program.key());
    let mut all = vec![("authorization", bearer)];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let body = chat("mock").to_string();
    let answer = program.send("POST", "/v1/chat/completions", &all, Some(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn figures_are_told_by_model_and_provider() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "2")));
    assert_eq!(program.chat(program.key(), "mock").status, 200);
    let mut stream = String::new();
    program.stream(program.key(), "mock").read_to_string(&mut stream).unwrap();
    upstream.then(Script::Raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec()));
    assert_eq!(program.chat(program.key(), "mock").status, 500);

    let text = metrics(&program);
    let of = "gen_ai_request_model=\"mock\",gen_ai_provider_name=\"p-mock\"";
    for line in [
        format!("doorward_calls_total{{{of},outcome=\"done\",status=\"2xx\"}} 2"),
        format!("doorward_calls_total{{{of},outcome=\"failed\",status=\"5xx\"}} 1"),
        format!("doorward_tokens_total{{{of},gen_ai_token_type=\"input\"}} 50"),
        format!("doorward_tokens_total{{{of},gen_ai_token_type=\"output\"}} 80"),
        format!("doorward_cost_usd_total{{{of}}} 0.000210000"),
        format!("gen_ai_server_request_duration_seconds_count{{{of}}} 3"),
        format!("doorward_time_to_first_byte_seconds_count{{{of}}} 3"),
        format!("gen_ai_server_time_per_output_token_seconds_count{{{of}}} 1"),
        "doorward_calls_in_flight 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("doorward_spans"), "none are recorded");
}

#[test]
fn the_trace_of_a_client_goes_on_to_the_provider() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), None);
    call(&program, &[("traceparent", PARENT), ("tracestate", "vendor=1,other=2")]);
    call(&program, &[("traceparent", "00-nonsense"), ("tracestate", "vendor=1")]);
    call(&program, &[("tracestate", "vendor=1")]);
    call(&program, &[]);
    let seen = upstream.seen();
    assert_eq!(header(&seen[0].head, "traceparent"), Some(PARENT));
    assert_eq!(header(&seen[0].head, "tracestate"), Some("vendor=1,other=2"));
    for broken in &seen[1..] {
        assert!(!broken.head.contains("trace"), "{}", broken.head);
    }
}

/// The attributes of a span, by their names.
fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|attribute| attribute["key"] == name);
    found.map_or(&Value::Null, |found| &found["value"])
}

#[test]
fn spans_of_calls_reach_the_collector_and_stand_between_client_and_provider() {
    let dir = tempfile::tempdir().unwrap();
    let collector = Upstream::start(Script::Chat);
    let endpoint = format!("http://{}/otlp", collector.address);
    let program = Program::start_with(
        dir.path(),
        &[],
        &[
            ("DOORWARD__TELEMETRY__OTLP_ENDPOINT", &endpoint),
            ("DOORWARD__TELEMETRY__OTLP_HEADER", "x-collector-key: canary-4d1c8f0a"),
        ],
    );
    let upstream = Upstream::start(Script::Chat);
    program.add_model("mock", &upstream.address.to_string(), Some(("1", "2")));
    call(&program, &[("traceparent", PARENT), ("tracestate", "vendor=1")]);
    call(&program, &[]);
    call(&program, &[("traceparent", &PARENT.replace("-01", "-00"))]);
    upstream.then(Script::Raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec()));
    assert_eq!(program.chat(program.key(), "mock").status, 500);
    assert!(metrics(&program).contains("doorward_spans_dropped_total 0"));
    let log = dir.path().join("log");
    assert_eq!(program.stop(), 0);
    assert!(!std::fs::read_to_string(log).unwrap().contains("canary-4d1c8f0a"));

    let exports = collector.seen();
    assert!(exports[0].head.starts_with("POST /otlp/v1/traces "), "{}", exports[0].head);
    assert_eq!(header(&exports[0].head, "x-collector-key"), Some("canary-4d1c8f0a"));
    let bodies = exports.iter().map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap());
    let spans: Vec<Value> = bodies
        .flat_map(|mut body| {
            let resource = &body["resourceSpans"][0]["resource"];
            assert_eq!(attribute(resource, "service.name")["stringValue"], "doorward");
            let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].take();
            spans.as_array().unwrap().clone()
        })
        .collect();
    let [below, first, failed] = spans.as_slice() else { panic!("{spans:#?}") };

    assert_eq!(
        (&below["traceId"], &below["parentSpanId"]),
        (&json!(TRACE), &json!("b7ad6b7169203331"))
    );
    assert_eq!((&below["name"], &below["kind"]), (&json!("chat mock"), &json!(3)));
    #[rustfmt::skip]
    let attributes = [
        ("gen_ai.operation.name",      json!({"stringValue": "chat"})),
        ("gen_ai.provider.name",       json!({"stringValue": "p-mock"})),
        ("gen_ai.request.model",       json!({"stringValue": "mock"})),
        ("gen_ai.usage.input_tokens",  json!({"intValue": "25"})),
        ("gen_ai.usage.output_tokens", json!({"intValue": "30"})),
        ("doorward.cost_usd",          json!({"stringValue": "0.000085"})),
        ("http.response.status_code",  json!({"intValue": "200"})),
        ("error.type",                 Value::Null),
    ];
    for (name, value) in attributes {
        assert_eq!(*attribute(below, name), value, "{name}");
    }
    let ns = |field: &str| below[field].as_str().unwrap().parse::<u64>().unwrap();
    assert!(ns("startTimeUnixNano") <= ns("endTimeUnixNano"));

    assert_eq!(first["parentSpanId"], "", "a trace begins here");
    assert_eq!(failed["status"], json!({"code": 2}));
    assert_eq!(*attribute(failed, "error.type"), json!({"stringValue": "500"}));

    let seen = upstream.seen();
    let ours = |span: &Value| {
        let text = |field: &str| span[field].as_str().unwrap().to_owned();
        format!("00-{}-{}-01", text("traceId"), text("spanId"))
    };
    assert_eq!(header(&seen[0].head, "traceparent"), Some(ours(below).as_str()));
    assert_eq!(header(&seen[0].head, "tracestate"), Some("vendor=1"));
    assert_eq!(header(&seen[1].head, "traceparent"), Some(ours(first).as_str()));
    let unrecorded = header(&seen[2].head, "traceparent").unwrap();
    assert_eq!(unrecorded, PARENT.replace("-01", "-00"), "who does not record decides so for all");
}

/// Its answer is awaited beside the calls, and what it refuses is counted and said.
#[test]
fn a_collector_that_hangs_and_then_fails_holds_no_call_up() {
    let dir = tempfile::tempdir().unwrap();
    let collector =
        Upstream::start(Script::Raw(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec()));
    collector.once(Script::Stall(Vec::new()));
    let endpoint = format!("http://{}", collector.address);
    let environment = [("DOORWARD__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str())];
    let program = Program::start_with(dir.path(), &[], &environment);
    let call = || assert_eq!(program.chat(program.key(), "doorward/echo").status, 200);
    call();
    collector.await_seen(1);
    assert_eq!(program.metric("doorward_spans_failed_total"), 0, "it hangs");
    call();
    assert_eq!(program.metric("doorward_spans_failed_total"), 0, "it hangs still");
    collector.release();
    while !program.log().contains("the collector answers 503") {
        call();
    }
    assert!(program.metric("doorward_spans_failed_total") > 0);
    assert_eq!(program.stop(), 0);
}

/// A figure that is renamed must not leave an empty panel behind.
#[test]
fn the_dashboard_asks_for_figures_that_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    assert_eq!(program.chat(program.key(), "doorward/echo").status, 200);
    let text = metrics(&program);
    let known: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let asked: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = asked.iter().flat_map(|expr| expr.split(|c| !is_word(c)));
    let figures: Vec<&str> =
        words.filter(|word| word.starts_with("doorward_") || word.ends_with("_bucket")).collect();
    assert!(figures.len() >= asked.len(), "{figures:?}");
    for figure in figures {
        let name = figure.strip_suffix("_bucket").unwrap_or(figure);
        assert!(known.contains(&name), "{figure} is none of {known:?}");
    }
}
