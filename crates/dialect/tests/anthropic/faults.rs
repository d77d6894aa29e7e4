//! Errors.

use doorward_dialect::anthropic::{read_fault, status_of, write_fault};
use doorward_dialect::fault::{Fault, FaultKind};
use serde_json::json;

use crate::support::json as parsed;

#[test]
fn every_error_is_read() {
    use FaultKind as Kind;
    let told = |kind: &str, message: &str| {
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req"})
            .to_string()
    };
    #[rustfmt::skip]
    let cases = [
        (400, told("invalid_request_error", "max_tokens: Field required"),                      Kind::BadRequest),
        (400, told("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"), Kind::ContextTooLong),
        (400, told("invalid_request_error", "input length and `max_tokens` exceed context limit"), Kind::ContextTooLong),
        (400, told("exceed_context_size_error", "too big"),                                     Kind::ContextTooLong),
        (400, told("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), Kind::Billing),
        (400, told("invalid_request_error", "Output blocked by content filtering policy"),      Kind::ContentRefused),
        (413, told("invalid_request_error", "prompt is too long"),                              Kind::TooLarge),
        (422, told("invalid_request_error", "x"),                                               Kind::BadRequest),
        (401, told("authentication_error", "invalid x-api-key"),                                Kind::Unauthenticated),
        (402, told("billing_error", "x"),                                                       Kind::Billing),
        (403, told("permission_error", "x"),                                                    Kind::Forbidden),
        (404, told("not_found_error", "model: x"),                                              Kind::NotFound),
        (409, told("conflict_error", "x"),                                                      Kind::Conflict),
        (413, told("request_too_large", "x"),                                                   Kind::TooLarge),
        (429, told("rate_limit_error", "x"),                                                    Kind::RateLimited),
        (500, told("api_error", "x"),                                                           Kind::Server),
        (503, told("api_error", "x"),                                                           Kind::Unavailable),
        (504, told("timeout_error", "x"),                                                       Kind::Timeout),
        (529, told("overloaded_error", "Overloaded"),                                           Kind::Overloaded),
        (200, told("overloaded_error", "Overloaded"),                                           Kind::Overloaded),
        (502, "<html>Bad gateway</html>".to_owned(),                                            Kind::Unavailable),
        (429, String::new(),                                                                    Kind::RateLimited),
        (500, "[1]".to_owned(),                                                                 Kind::Server),
        (404, r#"{"error":"model not found"}"#.to_owned(),                                      Kind::NotFound),
        (401, r#"{"message":"no"}"#.to_owned(),                                                 Kind::Unauthenticated),
        (400, r#"{"error":{"code":400,"message":7,"type":[]}}"#.to_owned(),                     Kind::BadRequest),
        (500, r#"{"error":null}"#.to_owned(),                                                   Kind::Server),
    ];
    for (status, body, kind) in cases {
        let fault = read_fault(status, body.as_bytes());
        assert_eq!(fault.kind, kind, "{status} {body}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{}", fault.message);
    }
    let told = told("api_error", "Internal \"server\" error");
    assert_eq!(read_fault(500, told.as_bytes()).message, "Internal \"server\" error");
    assert_eq!(read_fault(404, br#"{"error":"model not found"}"#).message, "model not found");
    assert_eq!(read_fault(500, b"\xff").message, "The provider answered 500.");
}

#[test]
fn every_error_is_written_so_that_it_is_read_as_the_same() {
    for kind in FaultKind::ALL {
        let message = match kind {
            FaultKind::ContentRefused => "Output blocked by content filtering policy",
            _ => "It did \"not\" work.",
        };
        let fault = Fault { kind, message: message.into(), retry_after_s: Some(3) };
        let status = status_of(kind);
        let bytes = write_fault(&fault, status, "req_1");
        let body = parsed(&bytes);
        assert_eq!((&body["type"], &body["request_id"]), (&json!("error"), &json!("req_1")));
        assert!(body["error"]["message"].as_str().unwrap().contains(message));
        assert_eq!(read_fault(status, &bytes).kind, kind);
    }
}

#[test]
fn clients_know_by_its_words_that_a_conversation_is_too_long() {
    for (message, expected) in [
        ("maximum context length is 8192", "prompt is too long: maximum context length is 8192"),
        ("Prompt is too long: 9 > 8", "Prompt is too long: 9 > 8"),
    ] {
        let kind = FaultKind::ContextTooLong;
        let fault = Fault { kind, message: message.into(), retry_after_s: None };
        assert_eq!(parsed(&write_fault(&fault, 400, "c"))["error"]["message"], expected);
    }
}

#[test]
fn statuses_are_the_dialects_own() {
    let statuses = FaultKind::ALL.map(status_of);
    assert_eq!(statuses, [400, 400, 400, 401, 402, 403, 404, 409, 413, 429, 500, 503, 529, 504]);
}
