//! Spans as OTLP has them in JSON, with the semantic conventions for generative AI.
//! Source: OpenTelemetry Protocol 1.x, "JSON Protobuf Encoding"; attributes `gen_ai.*`.

use doorward_domain::call::Outcome;
use doorward_domain::usage::Usage;
use doorward_gateway::CallSpan;
use serde_json::{Value, json};

/// `SPAN_KIND_CLIENT`: the call as we make it at the provider.
const CLIENT: u8 = 3;
const STATUS_ERROR: u8 = 2;

/// The body of one export.
pub(super) fn request(service_name: &str, spans: &[CallSpan]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [text("service.name", service_name), text("service.version", version)];
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "doorward", "version": version }, "spans": spans }],
    }]})
}

fn span(span: &CallSpan) -> Value {
    let (hold, settled) = (&span.hold, &span.settlement);
    let began_ns = u64::try_from(hold.started_at_us).unwrap_or_default().saturating_mul(1_000);
    let ended_ns = began_ns.saturating_add(settled.duration_us.saturating_mul(1_000));
    let parent = span.context.parent.map(|parent| format!("{parent:016x}"));
    json!({
        "traceId": format!("{:032x}", span.context.trace),
        "spanId": format!("{:016x}", span.context.span),
        "parentSpanId": parent.unwrap_or_default(),
        "name": format!("{} {}", span.operation, hold.model),
        "kind": CLIENT,
        "startTimeUnixNano": began_ns.to_string(),
        "endTimeUnixNano": ended_ns.to_string(),
        "attributes": attributes(span),
        "status": if settled.outcome.is_error() { json!({ "code": STATUS_ERROR }) } else { json!({}) },
    })
}

fn attributes(span: &CallSpan) -> Vec<Value> {
    let (hold, settled) = (&span.hold, &span.settlement);
    let usage = settled.usage;
    let provider = span.provider.to_str().unwrap_or_default();
    let mut all = vec![
        text("gen_ai.operation.name", span.operation),
        text("gen_ai.provider.name", provider),
        text("gen_ai.request.model", &hold.model),
        number("gen_ai.usage.input_tokens", usage.input_tokens),
        number("gen_ai.usage.output_tokens", usage.output_tokens),
        number("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens),
        number("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens),
        number("doorward.usage.reasoning_tokens", usage.reasoning_tokens),
        attribute("doorward.usage.estimated", "boolValue", settled.is_estimated),
        attribute("doorward.stream", "boolValue", span.is_stream),
        text("doorward.cost_usd", &settled.spend.cost.to_string()),
        text("doorward.call.id", &hold.call.to_string()),
        text("doorward.key.id", hold.key.as_str()),
        text("doorward.project.id", &hold.project.to_string()),
        text("doorward.organization.id", &hold.organization.to_string()),
        text("doorward.deployment.id", &hold.deployment.to_string()),
        text("doorward.outcome", settled.outcome.as_str()),
    ];
    // The conventions have no names for these.
    let told = ["input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens"];
    for (name, figure) in Usage::NAMES.into_iter().zip(usage.figures()) {
        if figure > 0 && !told.contains(&name) && name != "reasoning_tokens" {
            all.push(number(&format!("doorward.usage.{name}"), figure));
        }
    }
    if settled.status > 0 {
        all.push(number("http.response.status_code", settled.status.into()));
    }
    if settled.first_byte_us > 0 {
        all.push(number("doorward.time_to_first_byte_us", settled.first_byte_us));
    }
    if let Some(error) = error_type(span) {
        all.push(text("error.type", &error));
    }
    all
}

/// The status where one says what is wrong, else how the call ended.
fn error_type(span: &CallSpan) -> Option<String> {
    let (outcome, status) = (span.settlement.outcome, span.settlement.status);
    match outcome {
        Outcome::Done | Outcome::Disconnected => None,
        Outcome::Failed | Outcome::Interrupted if status >= 400 => Some(status.to_string()),
        Outcome::Failed | Outcome::Interrupted => Some(outcome.as_str().to_owned()),
    }
}

fn text(key: &str, value: &str) -> Value {
    attribute(key, "stringValue", value)
}

/// Numbers of 64 bits are texts in this encoding.
fn number(key: &str, value: u64) -> Value {
    attribute(key, "intValue", value.to_string())
}

fn attribute(key: &str, kind: &str, value: impl Into<Value>) -> Value {
    json!({ "key": key, "value": { (kind): value.into() } })
}
