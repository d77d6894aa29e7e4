//! Answers in pieces.

use doorward_dialect::answer::Finish;
use doorward_dialect::anthropic::{StreamReader, StreamWriter, read_answer};
use doorward_dialect::event::Event;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::request::Seal;
use doorward_domain::usage::Usage;
use serde_json::json;

use crate::support::{FACE, Said, as_clients_do, events, golden, written};

fn text(text: &str) -> Event<'_> {
    Event::Text { choice: 0, text: text.into() }
}

fn call(call: usize, id: &str) -> Event<'_> {
    Event::Call { choice: 0, call, id: id.into(), name: "f".into(), seal: None }
}

fn arguments(call: usize, json: &str) -> Event<'_> {
    Event::Arguments { choice: 0, call, json: json.into() }
}

fn thought(text: &str) -> Event<'_> {
    Event::Thought { choice: 0, text: text.into() }
}

const fn finish(finish: Finish<'_>) -> Event<'_> {
    Event::Finish { choice: 0, finish }
}

fn start() -> Event<'static> {
    Event::Start { id: "chatcmpl-1".into() }
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    for (name, whole) in golden("streams", "json") {
        let streams = golden("streams", "txt");
        let (_, stream) = streams.iter().find(|(found, _)| *found == name).unwrap();
        let expected = Said::by_answer(&read_answer(whole.as_bytes()).unwrap());
        assert_eq!(Said::by_stream(stream), expected, "{name}");
    }
}

#[test]
fn a_stream_that_is_written_again_says_the_same_to_clients_and_to_us() {
    for (name, stream) in golden("streams", "txt") {
        let (mut reader, mut writer) = (StreamReader::new(), StreamWriter::new(&FACE));
        let mut out = Vec::new();
        for data in events(&stream) {
            for event in reader.read(data.as_bytes()).unwrap() {
                writer.write(&event, &mut out);
            }
        }
        let again = String::from_utf8(out).unwrap();
        let expected = Said::by_stream(&stream);
        let mut found = Said::by_stream(&again);
        if expected.usage.is_none() {
            assert_eq!(found.usage.take(), Some(Usage::default()), "{name}");
        }
        // Until the error, the usage was not told: nothing else says it.
        if expected.fault.is_some() {
            found.usage = expected.usage;
        }
        assert_eq!(found, expected, "{name}");
        if expected.is_over {
            as_clients_do(&again);
        }
    }
}

#[test]
fn an_error_ends_a_stream_without_its_end_mark() {
    let streams = golden("streams", "txt");
    let (_, stream) = streams.iter().find(|(name, _)| name == "overloaded").unwrap();
    let said = Said::by_stream(stream);
    assert_eq!((said.text.as_str(), said.fault.as_deref()), ("Hel", Some("Overloaded")));
    assert!(!said.is_over && said.finish.is_none());

    let fault =
        Fault { kind: FaultKind::Overloaded, message: "Too much".into(), retry_after_s: None };
    let out = written([start(), text("Hel"), Event::Fault(fault), text("lo"), Event::End]);
    let last = *events(&out).last().unwrap();
    assert_eq!(
        last,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Too much"},"request_id":"req_1"}"#
    );
    assert!(!out.contains("message_stop") && out.ends_with("\n\n"));
}

#[test]
fn a_stream_that_is_cut_has_no_end() {
    for (name, stream) in golden("streams", "txt") {
        let data = events(&stream);
        for cut in 0..data.len() - 1 {
            let (mut reader, mut said) = (StreamReader::new(), Said::default());
            for data in &data[..cut] {
                reader.read(data.as_bytes()).unwrap().iter().for_each(|event| said.take(event));
            }
            assert!(!said.is_over && said.finish.is_none(), "{name} cut after {cut}");
        }
    }
}

#[test]
fn the_bytes_of_a_stream_are_the_documented_ones() {
    let usage = Usage { input_tokens: 25, output_tokens: 15, ..Usage::default() };
    let out = written([
        start(),
        text("Hello"),
        text("!"),
        finish(Finish::End),
        Event::Usage(usage),
        Event::End,
    ]);
    let expected = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_chatcmpl-1","type":"message","role":"assistant","model":"alias","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;
    assert_eq!(out, expected);
}

#[test]
fn each_block_begins_at_its_first_piece_and_ends_before_the_next() {
    let seal = |seal| Event::Seal { choice: 0, seal };
    let out = written([
        start(),
        text(""),
        thought("a"),
        thought("b"),
        seal(Seal::Anthropic("s".into())),
        seal(Seal::AnthropicHidden("d".into())),
        seal(Seal::Anthropic("alone".into())),
        thought("c"),
        seal(Seal::Google("g".into())),
        text("t"),
        Event::Refusal { choice: 0, text: "u".into() },
        call(0, "x.y"),
        arguments(0, ""),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        call(1, "c1"),
        text("v"),
        finish(Finish::Calls),
        Event::End,
    ]);
    let message = as_clients_do(&out);
    let id = message["content"][5]["id"].clone();
    assert!(id.as_str().unwrap().starts_with("toolu_"));
    assert_eq!(
        message["content"],
        json!([
            {"type": "thinking", "thinking": "ab", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "thinking", "thinking": "", "signature": "alone"},
            {"type": "thinking", "thinking": "c", "signature": ""},
            {"type": "text", "text": "tu"},
            {"type": "tool_use", "id": id, "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
            {"type": "text", "text": "v"},
        ])
    );
}

#[test]
fn calls_that_come_mixed_up_are_told_one_after_the_other() {
    let out = written([
        start(),
        call(0, "a"),
        call(1, "b"),
        arguments(1, "{\"b\":"),
        arguments(0, "{\"a\":"),
        call(2, "c"),
        thought("x"),
        thought("y"),
        Event::Seal { choice: 0, seal: Seal::Anthropic("s".into()) },
        arguments(1, "1}"),
        arguments(0, "0}"),
        arguments(0, "\n"),
        arguments(2, "{}"),
        finish(Finish::Calls),
        Event::End,
    ]);
    let message = as_clients_do(&out);
    assert_eq!(
        message["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 0}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"b": 1}},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            {"type": "thinking", "thinking": "xy", "signature": "s"},
        ])
    );
}

#[test]
fn arguments_that_are_no_object_are_an_error_unless_the_answer_was_cut() {
    #[rustfmt::skip]
    let cases = [
        (vec!["[1]"],            Finish::Calls,       false),
        (vec!["{}", "{}"],       Finish::Calls,       false),
        (vec!["{\"a\":"],        Finish::Calls,       false),
        (vec!["{\"a\":"],        Finish::OutputFull,  true),
        (vec!["{\"a\":"],        Finish::ContextFull, true),
        (vec!["nothing"],        Finish::OutputFull,  false),
        (vec![" {", "} "],       Finish::Calls,       true),
        (vec![],                 Finish::Calls,       true),
    ];
    for (pieces, end, is_good) in cases {
        // The second call shows that what waits is watched, too.
        for waits in [false, true] {
            let mut events = vec![start(), call(0, "a")];
            let at = usize::from(waits);
            if waits {
                events.push(call(1, "b"));
            }
            events.extend(pieces.iter().map(|json| arguments(at, json)));
            events.extend([finish(end.clone()), Event::End]);
            let out = written(events);
            assert_eq!(out.contains("event: message_stop"), is_good, "{pieces:?} {out}");
            assert_eq!(out.contains("event: error"), !is_good, "{pieces:?} {out}");
        }
    }
    let out = written([
        start(),
        call(0, "a"),
        arguments(0, "{}"),
        text("t"),
        arguments(0, "{}"),
        finish(Finish::Calls),
        Event::End,
    ]);
    assert!(out.contains("event: error") && !out.contains("message_stop"), "{out}");
}

#[test]
fn what_is_no_answer_is_an_error() {
    for events in [
        vec![start(), finish(Finish::Broken("OTHER".into())), Event::End],
        vec![start(), text("a"), Event::End],
    ] {
        let out = written(events);
        assert!(out.contains("event: error") && !out.contains("message_delta"), "{out}");
    }
}

#[test]
fn only_the_first_of_several_answers_is_told() {
    let other = |text: &'static str| Event::Text { choice: 1, text: text.into() };
    let out = written([
        start(),
        other("no"),
        text("yes"),
        Event::Call { choice: 1, call: 0, id: "a".into(), name: "f".into(), seal: None },
        Event::Finish { choice: 1, finish: Finish::OutputFull },
        finish(Finish::End),
        Event::End,
        text("late"),
    ]);
    let message = as_clients_do(&out);
    assert_eq!(message["content"], json!([{"type": "text", "text": "yes"}]));
    assert_eq!(message["stop_reason"], "end_turn");
}

#[test]
fn a_stream_is_read_even_if_its_provider_is_careless() {
    let read = |stream: &[&str]| {
        let (mut reader, mut said) = (StreamReader::new(), Said::default());
        for data in stream {
            reader.read(data.as_bytes()).unwrap().iter().for_each(|event| said.take(event));
        }
        said
    };
    let stop = r#"{"type":"message_stop"}"#;
    let said = read(&[
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"new_event","data":[{}]}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"i","name":"f","input":{"a":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}"#,
        stop,
        stop,
        "[DONE]",
    ]);
    assert_eq!(said.text, "a");
    assert_eq!(said.calls, [("i".to_owned(), "f".to_owned(), r#"{"a":1}"#.to_owned())]);
    assert_eq!(said.finish, Some(Finish::Calls));
    assert_eq!(said.usage.unwrap().output_tokens, 3);
    let odd = r#"{"type":"message_delta","delta":{"stop_reason":"new_reason"}}"#;
    let words =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    assert_eq!(read(&[words, odd, stop]).finish, Some(Finish::End));
    assert_eq!(read(&[odd, stop]).finish, Some(Finish::Broken("new_reason".into())));
    let said = read(&[r#"{"error":{"message":"it broke"}}"#]);
    assert_eq!(said.fault.as_deref(), Some("it broke"));
    let said = read(&[r#"{"type":"error","error":"it broke"}"#]);
    assert_eq!(said.fault.as_deref(), Some("it broke"));
    assert_eq!(read(&[r#"{"type":"ping","error":null}"#]), Said::default());
}

#[test]
fn what_is_no_event_is_malformed() {
    #[rustfmt::skip]
    let cases = [
        ("{",                                                                                              "body"),
        ("7", "body"),
        (r#"{"type":"content_block_start","index":0}"#,                                                    "content_block"),
        (r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f"}}"#,     "content_block.id"),
        (r#"{"type":"content_block_delta","index":0}"#,                                                    "delta"),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#, "index"),
        (r#"{"type":"content_block_delta","index":-1,"delta":{}}"#,                                        "index"),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}"#,             "delta.text"),
    ];
    for (data, path) in cases {
        let why = StreamReader::new().read(data.as_bytes()).expect_err(data);
        assert_eq!(why.path, path, "{data}");
    }
}
