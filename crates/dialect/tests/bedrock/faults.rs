//! Errors, before an answer and within it.

use doorward_dialect::Provider;
use doorward_dialect::event::Event;
use doorward_dialect::fault::FaultKind;

#[test]
fn an_error_is_known_by_its_name_its_status_or_its_words() {
    use FaultKind::{
        BadRequest, ContextTooLong, Forbidden, NotFound, Overloaded, RateLimited, Server, Timeout,
        Unavailable,
    };
    #[rustfmt::skip]
    let cases = [
        (400, r#"{"message":"Malformed input request"}"#,               BadRequest,     "Malformed input request"),
        (400, r#"{"message":"Input is too long for requested model."}"#, ContextTooLong, "Input is too long for requested model."),
        (400, r#"{"message":"x","__type":"com.amazon.coral#ServiceQuotaExceededException"}"#, RateLimited, "x"),
        (403, r#"{"Message":"You don't have access to the model"}"#,    Forbidden,      "You don't have access to the model"),
        (404, r#"{"message":"Could not resolve the model"}"#,           NotFound,       "Could not resolve the model"),
        (408, r#"{"message":"slow"}"#,                                  Timeout,        "slow"),
        (424, r#"{"message":"The model failed","originalStatusCode":500}"#, Server,     "The model failed"),
        (429, r#"{"message":"Too many requests"}"#,                     RateLimited,    "Too many requests"),
        (429, r#"{"message":"warming","__type":"ModelNotReadyException"}"#, Overloaded, "warming"),
        (503, r#"{"message":"busy"}"#,                                  Unavailable,    "busy"),
        (500, r#"{"message":null}"#,                                    Server,         "The provider answered with the status 500."),
        (502, "<html>proxy at 10.0.0.1</html>",                         Unavailable,    "The provider answered with the status 502."),
        (429, "",                                                       RateLimited,    "The provider answered with the status 429."),
    ];
    for (status, body, kind, message) in cases {
        let fault = Provider::Bedrock.read_fault(status, None, body.as_bytes());
        assert_eq!((fault.kind, &*fault.message), (kind, message), "{status} {body}");
    }
    #[rustfmt::skip]
    let cases = [
        (429, "ModelNotReadyException",                                   Overloaded),
        (400, "ServiceQuotaExceededException",                            RateLimited),
        (400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", BadRequest),
        (500, "com.amazon.coral.service#ThrottlingException",             RateLimited),
        (503, "SomethingElse",                                            Unavailable),
        (404, "",                                                         NotFound),
    ];
    for (status, name, kind) in cases {
        let fault = Provider::Bedrock.read_fault(status, Some(name), br#"{"message":"x"}"#);
        assert_eq!((fault.kind, &*fault.message), (kind, "x"), "{status} {name}");
    }
}

#[test]
fn an_exception_ends_the_stream_with_its_kind_and_words() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"error":{"throttlingException":{"message":"wait"}}}"#,        FaultKind::RateLimited, "wait"),
        (r#"{"error":{"modelStreamErrorException":{"message":"broke","originalStatusCode":500}}}"#, FaultKind::Server, "broke"),
        (r#"{"error":{"validationException":{"message":"prompt is too long: 9 tokens"}}}"#, FaultKind::ContextTooLong, "prompt is too long: 9 tokens"),
        (r#"{"error":{"serviceUnavailableException":{}}}"#,                FaultKind::Unavailable, "The provider's stream failed."),
        (r#"{"error":{"somethingElse":{"message":"x"}}}"#,                 FaultKind::Server,      "x"),
        (r#"{"error":"text"}"#,                                            FaultKind::Server,      "The provider's stream failed."),
    ];
    for (data, kind, message) in cases {
        let mut reader = Provider::Bedrock.stream_reader();
        let events = reader.read(data.as_bytes()).unwrap();
        let [Event::Fault(fault)] = &events[..] else { panic!("{data}: {events:?}") };
        assert_eq!((fault.kind, &*fault.message), (kind, message), "{data}");
        assert!(reader.read(br#"{"messageStart":{}}"#).unwrap().is_empty(), "nothing follows");
    }
}
