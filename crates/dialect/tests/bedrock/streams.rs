//! Streams and answers that are not as they are documented.

use doorward_dialect::Provider;
use doorward_dialect::answer::Finish;
use doorward_dialect::event::Event;
use doorward_domain::usage::Usage;

fn events(data: &[&str]) -> Vec<String> {
    let mut reader = Provider::Bedrock.stream_reader();
    let mut told = Vec::new();
    for data in data {
        let events = reader.read(data.as_bytes()).unwrap();
        told.extend(events.iter().map(|event| format!("{event:?}")));
    }
    told
}

#[test]
fn why_an_answer_ended_is_told_by_its_reason_and_by_what_it_holds() {
    let text = r#"{"text":"a"}"#;
    let call = r#"{"toolUse":{"toolUseId":"t","name":"f","input":{}}}"#;
    #[rustfmt::skip]
    let cases = [
        ("end_turn",                      text, Finish::End),
        ("end_turn",                      call, Finish::Calls),
        ("tool_use",                      call, Finish::Calls),
        ("tool_use",                      text, Finish::End),
        ("max_tokens",                    text, Finish::OutputFull),
        ("stop_sequence",                 text, Finish::Stop(None)),
        ("guardrail_intervened",          text, Finish::Filtered),
        ("content_filtered",              text, Finish::Filtered),
        ("model_context_window_exceeded", text, Finish::ContextFull),
        ("malformed_tool_use",            text, Finish::Broken("malformed_tool_use".into())),
        ("malformed_model_output",        "{}", Finish::Broken("malformed_model_output".into())),
        ("something_new",                 text, Finish::End),
        ("something_new",                 "{}", Finish::Broken("something_new".into())),
        ("end_turn",                      "{}", Finish::End),
    ];
    for (reason, block, expected) in cases {
        let body = format!(
            r#"{{"output":{{"message":{{"content":[{block}]}}}},"stopReason":"{reason}"}}"#
        );
        let answer = Provider::Bedrock.read_answer(body.as_bytes()).unwrap();
        assert_eq!(answer.choices[0].finish, expected, "{body}");
        assert_eq!(answer.usage, None);
    }
}

#[test]
fn what_was_cached_is_part_of_the_input() {
    let body = r#"{"output":{"message":{"content":[]}},"stopReason":"end_turn","usage":{"inputTokens":20,"cacheReadInputTokens":300,"cacheWriteInputTokens":80,"outputTokens":45,"totalTokens":445,"cacheDetails":[{"inputTokens":50,"ttl":"5m"},{"inputTokens":30,"ttl":"1h"}]}}"#;
    let answer = Provider::Bedrock.read_answer(body.as_bytes()).unwrap();
    let expected = Usage {
        input_tokens: 400,
        cached_input_tokens: 300,
        cache_write_tokens: 80,
        cache_write_1h_tokens: 30,
        output_tokens: 45,
        ..Usage::default()
    };
    assert_eq!(answer.usage, Some(expected));
}

#[test]
fn an_answer_that_is_none_is_malformed() {
    #[rustfmt::skip]
    let cases = [
        ("[]",                                                                    "body"),
        (r#"{"message":"x"}"#,                                                    "output.message.content"),
        (r#"{"output":{"message":{"content":[{"toolUse":{"name":"f","input":{}}}]}}}"#, "output.message.content[0].toolUse.toolUseId"),
        (r#"{"output":{"message":{"content":[{"toolUse":{"toolUseId":"t","input":{}}}]}}}"#, "output.message.content[0].toolUse.name"),
        (r#"{"output":{"message":{"content":[{},{"toolUse":{"toolUseId":"t","name":"f","input":[]}}]}}}"#, "output.message.content[1].toolUse.input"),
    ];
    for (body, path) in cases {
        let error = Provider::Bedrock.read_answer(body.as_bytes()).unwrap_err();
        assert_eq!(error.path, path, "{body}");
    }
}

#[test]
fn a_stream_is_over_only_when_it_has_stopped_and_told_its_usage() {
    let stop = r#"{"messageStop":{"stopReason":"end_turn"}}"#;
    let usage = r#"{"metadata":{"usage":{"inputTokens":1,"outputTokens":2}}}"#;
    let start = r#"{"messageStart":{"role":"assistant"}}"#;
    let is_ended = |data: &[&str]| events(data).iter().any(|event| event == "End");
    assert!(is_ended(&[start, stop, usage]));
    assert!(!is_ended(&[start, stop]) && !is_ended(&[start, usage]));
    let mut reader = Provider::Bedrock.stream_reader();
    reader.read(stop.as_bytes()).unwrap();
    assert!(reader.end().unwrap().is_empty(), "a cut is no end");
    let twice = events(&[start, stop, stop, usage, stop, usage]);
    assert_eq!(twice.iter().filter(|event| event.starts_with("Finish")).count(), 1);
    assert_eq!(twice.last().unwrap(), "End");
}

#[test]
fn arguments_belong_to_the_call_of_their_block() {
    let start = |block, id| {
        format!(
            r#"{{"contentBlockStart":{{"contentBlockIndex":{block},"start":{{"toolUse":{{"toolUseId":"{id}","name":"f"}}}}}}}}"#
        )
    };
    let input = |block| {
        format!(
            r#"{{"contentBlockDelta":{{"contentBlockIndex":{block},"delta":{{"toolUse":{{"input":"{{}}"}}}}}}}}"#
        )
    };
    let mut reader = Provider::Bedrock.stream_reader();
    for (block, id) in [(3, "a"), (7, "b")] {
        reader.read(start(block, id).as_bytes()).unwrap();
    }
    for (block, expected) in [(7, 1), (3, 0)] {
        let data = input(block);
        let events = reader.read(data.as_bytes()).unwrap();
        assert!(matches!(&events[..], [Event::Arguments { call, .. }] if *call == expected));
    }
    let error = reader.read(input(4).as_bytes()).unwrap_err();
    assert_eq!(error.path, "contentBlockDelta.contentBlockIndex");
    let error = reader.read(start(3, "c").as_bytes()).unwrap_err();
    assert_eq!(error.path, "contentBlockStart.contentBlockIndex");
}
