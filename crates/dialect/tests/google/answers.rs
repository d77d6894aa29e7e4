//! Whole answers, their ends and figures, and errors.

use doorward_dialect::answer::{Answer, Choice, Finish};
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::google;
use doorward_dialect::request::{Call, Content, Part};
use doorward_domain::usage::{TOKENS_MAX, Usage};
use serde_json::{Value, json};

use crate::FACE;

fn finish_of(parts: &str, reason: &str) -> Finish<'static> {
    let body = format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}}{reason}}}]}}"#);
    let answer = google::read_answer(body.as_bytes()).unwrap();
    let finish = answer.choices.into_iter().next().unwrap().finish;
    if let Finish::Broken(word) = finish {
        return Finish::Broken(word.into_owned().into());
    }
    let known = [Finish::End, Finish::Calls, Finish::OutputFull, Finish::Filtered];
    known.into_iter().find(|known| *known == finish).unwrap()
}

#[test]
fn every_finish_reason_is_read() {
    let broken = |word: &'static str| Finish::Broken(word.into());
    #[rustfmt::skip]
    let cases = [
        // reason                    with text                           with a call                         with nothing
        ("STOP",                     Finish::End,                        Finish::Calls,                      Finish::End),
        ("MAX_TOKENS",               Finish::OutputFull,                 Finish::OutputFull,                 Finish::OutputFull),
        ("SAFETY",                   Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("RECITATION",               Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("LANGUAGE",                 Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("BLOCKLIST",                Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("PROHIBITED_CONTENT",       Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("SPII",                     Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("MODEL_ARMOR",              Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("IMAGE_SAFETY",             Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("IMAGE_PROHIBITED_CONTENT", Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("IMAGE_RECITATION",         Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("IMAGE_OTHER",              Finish::Filtered,                   Finish::Filtered,                   Finish::Filtered),
        ("MALFORMED_FUNCTION_CALL",  broken("MALFORMED_FUNCTION_CALL"),  broken("MALFORMED_FUNCTION_CALL"),  broken("MALFORMED_FUNCTION_CALL")),
        ("MALFORMED_RESPONSE",       broken("MALFORMED_RESPONSE"),       broken("MALFORMED_RESPONSE"),       broken("MALFORMED_RESPONSE")),
        ("UNEXPECTED_TOOL_CALL",     broken("UNEXPECTED_TOOL_CALL"),     broken("UNEXPECTED_TOOL_CALL"),     broken("UNEXPECTED_TOOL_CALL")),
        ("TOO_MANY_TOOL_CALLS",      broken("TOO_MANY_TOOL_CALLS"),      broken("TOO_MANY_TOOL_CALLS"),      broken("TOO_MANY_TOOL_CALLS")),
        ("MISSING_THOUGHT_SIGNATURE", broken("MISSING_THOUGHT_SIGNATURE"), broken("MISSING_THOUGHT_SIGNATURE"), broken("MISSING_THOUGHT_SIGNATURE")),
        ("NO_IMAGE",                 broken("NO_IMAGE"),                 broken("NO_IMAGE"),                 broken("NO_IMAGE")),
        ("OTHER",                    broken("OTHER"),                    broken("OTHER"),                    broken("OTHER")),
        ("ESCALATION",               Finish::End,                        Finish::Calls,                      broken("ESCALATION")),
        ("CONTINUATION",             Finish::End,                        Finish::Calls,                      broken("CONTINUATION")),
        ("PUP_LIMITED_DISABLED",     Finish::End,                        Finish::Calls,                      broken("PUP_LIMITED_DISABLED")),
        ("FINISH_REASON_UNSPECIFIED", Finish::End,                       Finish::Calls,                      broken("FINISH_REASON_UNSPECIFIED")),
        ("SOMETHING_NEW",            Finish::End,                        Finish::Calls,                      broken("SOMETHING_NEW")),
    ];
    for (word, text, call, nothing) in cases {
        let reason = format!(r#","finishReason":"{word}""#);
        assert_eq!(finish_of(r#"{"text":"a"}"#, &reason), text, "{word}");
        let parts = r#"{"text":"a"},{"functionCall":{"name":"f"}}"#;
        assert_eq!(finish_of(parts, &reason), call, "{word}");
        assert_eq!(finish_of("", &reason), nothing, "{word}");
    }
    assert_eq!(finish_of(r#"{"text":"a"}"#, ""), Finish::End);
    assert_eq!(finish_of("", ""), broken("FINISH_REASON_UNSPECIFIED"));
}

fn answer(content: Option<Content<'static>>, finish: Finish<'static>) -> Answer<'static> {
    let parts = content.map(|content| Part { content, cache: None }).into_iter().collect();
    Answer { id: "".into(), choices: vec![Choice { parts, finish }], usage: None }
}

fn written(answer: &Answer<'_>) -> Value {
    serde_json::from_slice(&google::write_answer(answer, &FACE).unwrap()).unwrap()
}

#[test]
fn every_finish_is_written() {
    #[rustfmt::skip]
    let cases = [
        (Finish::End,                          "STOP",       Value::Null),
        (Finish::Stop(Some("x".into())),       "STOP",       Value::Null),
        (Finish::Calls,                        "STOP",       Value::Null),
        (Finish::OutputFull,                   "MAX_TOKENS", Value::Null),
        (Finish::ContextFull,                  "MAX_TOKENS", Value::Null),
        (Finish::Refused(None),                "SAFETY",     Value::Null),
        (Finish::Refused(Some("why".into())),  "SAFETY",     json!("why")),
        (Finish::Filtered,                     "SAFETY",     Value::Null),
    ];
    for (finish, reason, message) in cases {
        let body = written(&answer(Some(Content::Text("a".into())), finish));
        assert_eq!(body["candidates"][0]["finishReason"], reason);
        assert_eq!(body["candidates"][0]["finishMessage"], message);
    }
    let refusal = written(&answer(Some(Content::Refusal("no".into())), Finish::End));
    assert_eq!(refusal["candidates"][0]["finishReason"], "SAFETY");
    assert_eq!(refusal["candidates"][0]["content"]["parts"][0]["text"], "no");
}

#[test]
fn a_broken_answer_is_an_error() {
    let broken = answer(None, Finish::Broken("OTHER".into()));
    let fault = google::write_answer(&broken, &FACE).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Server);
    assert!(fault.message.contains("OTHER"));
    let list = serde_json::value::RawValue::from_string("[1]".to_owned()).unwrap();
    let call = Call {
        id: "1".into(),
        name: "f".into(),
        arguments: std::borrow::Cow::Owned(list),
        seal: None,
    };
    assert!(
        google::write_answer(&answer(Some(Content::Call(call)), Finish::Calls), &FACE).is_err()
    );
}

#[test]
fn an_answer_without_a_name_is_named_by_the_call() {
    let body = written(&answer(None, Finish::End));
    #[rustfmt::skip]
    assert_eq!(body, json!({
        "candidates": [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "our-model", "responseId": "req_1",
    }));
}

#[test]
fn a_blocked_prompt_is_filtered_and_no_answer_is_none() {
    let blocked =
        br#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#;
    let answer = google::read_answer(blocked).unwrap();
    assert_eq!(answer.choices.len(), 1);
    assert_eq!(answer.choices[0].finish, Finish::Filtered);
    assert!(answer.choices[0].parts.is_empty());
    assert_eq!(answer.usage.unwrap().input_tokens, 4);
    #[rustfmt::skip]
    let cases = ["{}", r#"{"candidates":[]}"#, r#"{"candidates":null,"promptFeedback":{}}"#, "", "null", "[]", r#"{"error":{"code":500}}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}"#];
    for body in cases {
        assert!(google::read_answer(body.as_bytes()).is_err(), "{body}");
    }
}

fn call_id(part: &Part<'_>) -> String {
    let Content::Call(call) = &part.content else { panic!("{part:?}") };
    call.id.to_string()
}

#[test]
fn calls_without_ids_get_ones_of_their_answer() {
    let ids = |id: &str| -> Vec<String> {
        let body = format!(
            r#"{{"responseId":"{id}","candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f"}}}},{{"functionCall":{{"name":"f"}}}},{{"functionCall":{{"id":"given","name":"f"}}}}]}}}}]}}"#
        );
        let answer = google::read_answer(body.as_bytes()).unwrap();
        answer.choices[0].parts.iter().map(call_id).collect()
    };
    let first = ids("a");
    assert_eq!(first, ids("a"));
    assert_eq!(first[2], "given");
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0], ids("b")[0]);
}

#[test]
fn every_shape_of_usage_is_read() {
    let usage = |i, c, o, r| {
        Some(Usage {
            input_tokens: i,
            cached_input_tokens: c,
            cache_write_tokens: 0,
            output_tokens: o,
            reasoning_tokens: r,
            ..Usage::default()
        })
    };
    #[rustfmt::skip]
    let cases = [
        ("null",                                                                            None),
        ("{}",                                                                              None),
        (r#"{"totalTokenCount":5}"#,                                                        None),
        (r#"{"thoughtsTokenCount":5}"#,                                                     usage(0, 0, 5, 5)),
        (r#"{"trafficType":"ON_DEMAND"}"#,                                                  None),
        (r#"{"promptTokenCount":16,"candidatesTokenCount":19,"totalTokenCount":35}"#,       usage(16, 0, 19, 0)),
        (r#"{"promptTokenCount":16,"totalTokenCount":16}"#,                                 usage(16, 0, 0, 0)),
        (r#"{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}"#,          usage(0, 0, 0, 0)),
        (r#"{"promptTokenCount":60,"cachedContentTokenCount":20,"candidatesTokenCount":18,"thoughtsTokenCount":70}"#, usage(60, 20, 88, 70)),
        (r#"{"promptTokenCount":60,"toolUsePromptTokenCount":5,"candidatesTokenCount":1}"#, usage(65, 0, 1, 0)),
        (r#"{"prompt_token_count":2,"candidates_token_count":3}"#,                          usage(2, 0, 3, 0)),
        (r#"{"promptTokenCount":"7","candidatesTokenCount":null}"#,                         usage(7, 0, 0, 0)),
        (r#"{"promptTokenCount":-7,"candidatesTokenCount":1.9}"#,                           usage(0, 0, 1, 0)),
        (r#"{"promptTokenCount":4,"candidatesTokenCount":{"a":[1]},"thoughtsTokenCount":true}"#, usage(4, 0, 0, 0)),
        (r#"{"promptTokenCount":18446744073709551615,"toolUsePromptTokenCount":9,"candidatesTokenCount":1e300}"#, usage(TOKENS_MAX, 0, TOKENS_MAX, 0)),
        (r#"{"promptTokenCount":5,"cachedContentTokenCount":9}"#,                           usage(5, 5, 0, 0)),
    ];
    for (said, expected) in cases {
        let body =
            format!(r#"{{"candidates":[{{"finishReason":"STOP"}}],"usageMetadata":{said}}}"#);
        assert_eq!(google::read_answer(body.as_bytes()).unwrap().usage, expected, "{said}");
    }
}

/// As in <https://ai.google.dev/api/generate-content#UsageMetadata>: documents are counted with the text.
#[test]
fn what_is_not_text_is_read_by_its_modality_and_written_so() {
    let body = json!({
        "candidates": [{"finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 1_000, "cachedContentTokenCount": 300, "candidatesTokenCount": 1_310,
            "toolUsePromptTokenCount": 50,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 400}, {"modality": "AUDIO", "tokenCount": 250},
                {"modality": "IMAGE", "tokenCount": 258}, {"modality": "VIDEO", "tokenCount": 42},
                {"modality": "DOCUMENT", "tokenCount": 50}, {"modality": "AUDIO"}, 7,
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": "100"}, {"modality": "IMAGE", "tokenCount": 58}],
            "toolUsePromptTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
        },
    });
    let usage = Usage {
        input_tokens: 1_050,
        cached_input_tokens: 300,
        input_audio_tokens: 250,
        input_image_tokens: 260,
        input_video_tokens: 42,
        cached_audio_tokens: 100,
        cached_image_tokens: 58,
        output_tokens: 1_310,
        output_image_tokens: 1_290,
        ..Usage::default()
    };
    let read = google::read_answer(body.to_string().as_bytes()).unwrap().usage;
    assert_eq!(read, Some(usage));

    let body = written(&Answer { usage: Some(usage), ..answer(None, Finish::End) });
    #[rustfmt::skip]
    assert_eq!(body["usageMetadata"]["candidatesTokensDetails"], json!([
        {"modality": "TEXT", "tokenCount": 20}, {"modality": "IMAGE", "tokenCount": 1_290},
    ]));
    let again = google::read_answer(body.to_string().as_bytes()).unwrap().usage;
    assert_eq!(again, Some(usage));
}

#[test]
fn usage_is_written_with_its_zeros() {
    let usage = Usage {
        input_tokens: 60,
        cached_input_tokens: 20,
        cache_write_tokens: 0,
        output_tokens: 88,
        reasoning_tokens: 70,
        ..Usage::default()
    };
    let body = written(&Answer { usage: Some(usage), ..answer(None, Finish::End) });
    #[rustfmt::skip]
    assert_eq!(body["usageMetadata"], json!({
        "promptTokenCount": 60, "candidatesTokenCount": 18, "cachedContentTokenCount": 20,
        "thoughtsTokenCount": 70, "totalTokenCount": 148,
    }));
    let body = written(&Answer { usage: Some(Usage::default()), ..answer(None, Finish::End) });
    let zeros = json!({"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0});
    assert_eq!(body["usageMetadata"], zeros);
}

#[test]
fn errors_are_read_by_their_word_then_their_status() {
    let error =
        |status: &str| format!(r#"{{"error":{{"code":400,"message":"m","status":"{status}"}}}}"#);
    #[rustfmt::skip]
    let cases = [
        // status  body                          kind
        (400, error("INVALID_ARGUMENT"),         FaultKind::BadRequest),
        (400, error("FAILED_PRECONDITION"),      FaultKind::BadRequest),
        (401, error("UNAUTHENTICATED"),          FaultKind::Unauthenticated),
        (403, error("PERMISSION_DENIED"),        FaultKind::Forbidden),
        (404, error("NOT_FOUND"),                FaultKind::NotFound),
        (409, error("ABORTED"),                  FaultKind::Conflict),
        (429, error("RESOURCE_EXHAUSTED"),       FaultKind::RateLimited),
        (500, error("INTERNAL"),                 FaultKind::Server),
        (503, error("UNAVAILABLE"),              FaultKind::Unavailable),
        (504, error("DEADLINE_EXCEEDED"),        FaultKind::Timeout),
        (413, error("SOMETHING_NEW"),            FaultKind::TooLarge),
        (503, r#"{"error":{"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#.to_owned(), FaultKind::Overloaded),
        (400, r#"{"error":{"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#.to_owned(), FaultKind::ContextTooLong),
        (403, r#"{"error":{"message":"m","status":"PERMISSION_DENIED","details":[{"reason":"BILLING_DISABLED"}]}}"#.to_owned(), FaultKind::Billing),
        (400, r#"[{"error":{"message":"m","status":"NOT_FOUND"}}]"#.to_owned(), FaultKind::NotFound),
        (429, r#"[{"error":{"message":"m"}}]"#.to_owned(), FaultKind::RateLimited),
        (200, r#"{"error":{"code":503,"message":"m"}}"#.to_owned(), FaultKind::Unavailable),
        (404, r#"{"error":{"code":"odd","message":"m","status":"NOT_FOUND","details":[7,{"reason":7}]}}"#.to_owned(), FaultKind::NotFound),
        (403, r#"{"error":{"message":"m","details":[{"reason":7},{"reason":"API_KEY_EXPIRED"}]}}"#.to_owned(), FaultKind::Unauthenticated),
        (502, "<html>Bad Gateway</html>".to_owned(), FaultKind::Unavailable),
        (529, String::new(),                     FaultKind::Overloaded),
        (402, "[]".to_owned(),                   FaultKind::Billing),
        (418, "null".to_owned(),                 FaultKind::BadRequest),
        (408, r#"{"error":"text"}"#.to_owned(),  FaultKind::Timeout),
    ];
    for (status, body, kind) in cases {
        let fault = google::read_fault(status, body.as_bytes());
        assert_eq!(fault.kind, kind, "{status} {body}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{body}");
    }
}

#[test]
fn recorded_errors_are_read() {
    let read = |name: &str| std::fs::read(crate::golden::folder("faults").join(name)).unwrap();
    let body = read("bad_key.json");
    let fault = google::read_fault(400, &body);
    assert_eq!(fault.kind, FaultKind::Unauthenticated);
    assert_eq!(fault.message, "API key not valid. Please pass a valid API key.");
    let body = read("quota.json");
    let fault = google::read_fault(429, &body);
    assert_eq!((fault.kind, fault.retry_after_s), (FaultKind::RateLimited, Some(17)));
}

#[test]
fn delays_are_read_as_they_are_written() {
    let cases = [
        ("30s", Some(30)),
        ("0s", Some(0)),
        ("1.2s", Some(2)),
        ("-1s", None),
        ("1m", None),
        ("1e300s", None),
        ("NaNs", None),
    ];
    for (delay, expected) in cases {
        let body = format!(r#"{{"error":{{"details":[{{"retryDelay":"{delay}"}}]}}}}"#);
        assert_eq!(google::read_fault(429, body.as_bytes()).retry_after_s, expected, "{delay}");
    }
}

#[test]
fn errors_are_written_with_their_status_first() {
    for kind in FaultKind::ALL {
        let fault = Fault { kind, message: "say \"why\"".into(), retry_after_s: Some(9) };
        let status = google::status_of(kind);
        let body = google::write_fault(&fault, status, "req_1");
        assert!(body.starts_with(format!(r#"{{"error":{{"code":{status},"#).as_bytes()));
        let again = google::read_fault(status, &body);
        assert_eq!((&again.message, again.retry_after_s), (&fault.message, Some(9)));
        assert_eq!(
            google::status_of(again.kind),
            status.min(if status == 413 { 400 } else { status })
        );
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["error"]["details"][1]["requestId"], "req_1");
    }
    let fault = Fault { kind: FaultKind::Server, message: "m".into(), retry_after_s: None };
    assert_eq!(
        google::write_fault(&fault, 200, ""),
        br#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#
    );
}
