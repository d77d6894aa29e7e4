//! Streams: what servers send, and what clients are given.

use std::collections::BTreeMap;

use doorward_dialect::answer::Finish;
use doorward_dialect::event::Event;
use doorward_dialect::fault::{Fault, FaultKind};
use doorward_dialect::openai::{StreamReader, StreamWriter};
use doorward_dialect::request::Seal;
use doorward_domain::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{FACE, Gist, add, data_of, read_stream};

fn delta(delta: Value) -> String {
    json!({ "id": "a", "choices": [{ "index": 0, "delta": delta }] }).to_string()
}

fn end(word: &str) -> String {
    json!({ "id": "a", "choices": [{ "index": 0, "delta": {}, "finish_reason": word }] })
        .to_string()
}

fn gist(data: &[String]) -> Gist {
    let data: Vec<_> = data.iter().map(String::as_str).collect();
    read_stream(&data)
}

/// Ids, names and arguments of the calls of a stream of these deltas of `tool_calls`.
fn calls(deltas: &[Value]) -> Vec<(String, String, String)> {
    let data = deltas.iter().map(|calls| delta(json!({ "tool_calls": calls })));
    let data: Vec<_> = data.chain([end("tool_calls"), "[DONE]".to_owned()]).collect();
    let mut gist = gist(&data);
    assert!(gist.is_whole);
    let calls = gist.choices.remove(&0).unwrap().calls;
    calls.into_iter().map(|(id, name, arguments, _)| (id, name, arguments)).collect()
}

fn call(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

#[test]
fn pieces_of_calls_find_their_call_however_a_server_counts() {
    let null = || json!(null);
    let (f, g) = (|| json!("f"), || json!("g"));
    let two = |arguments: [&str; 2]| {
        vec![
            ("x".to_owned(), "f".to_owned(), arguments[0].to_owned()),
            ("y".to_owned(), "g".to_owned(), arguments[1].to_owned()),
        ]
    };
    let one = |arguments: &str| vec![("x".to_owned(), "f".to_owned(), arguments.to_owned())];
    #[rustfmt::skip]
    let cases = [
        // As OpenAI does, and with pieces of both in turns.
        (vec![json!([call(json!(0), json!("x"), f(), json!(""))]), json!([{ "index": 0, "function": { "arguments": "{\"a\"" } }]), json!([call(json!(1), json!("y"), g(), json!(""))]),
              json!([{ "index": 1, "function": { "arguments": "{}" } }]), json!([{ "index": 0, "function": { "arguments": ":1}" } }])],  two(["{\"a\":1}", "{}"])),
        // Without an index: the position counts.
        (vec![json!([call(null(), json!("x"), f(), json!("{}")), call(null(), json!("y"), g(), json!("{}"))])],                          two(["{}", "{}"])),
        // Always index 0, in one chunk and in two.
        (vec![json!([call(json!(0), json!("x"), f(), json!("{\"a\":1}")), call(json!(0), json!("y"), g(), json!("{}"))])],               two(["{\"a\":1}", "{}"])),
        (vec![json!([call(json!(0), json!("x"), f(), json!("{}"))]), json!([call(json!(0), json!("y"), g(), json!("{}"))])],             two(["{}", "{}"])),
        // Id and name again with each piece.
        (vec![json!([call(json!(0), json!("x"), f(), json!("{\"a\""))]), json!([call(json!(0), json!("x"), f(), json!(":1}"))])],        one("{\"a\":1}")),
        // A new id with each piece, or an empty one, or an empty name.
        (vec![json!([call(json!(0), json!("x"), f(), json!("{"))]), json!([call(json!(0), json!("z"), null(), json!("}"))])],            one("{}")),
        (vec![json!([call(json!(0), json!("x"), f(), json!("{"))]), json!([call(json!(0), json!(""), json!(""), json!("}"))])],          one("{}")),
        // The name after the id, and even after the arguments.
        (vec![json!([call(json!(0), json!("x"), null(), json!("{"))]), json!([call(json!(0), null(), f(), json!("}"))])],                one("{}")),
        // Arguments as an object; none at all.
        (vec![json!([call(json!(0), json!("x"), f(), json!({ "a": 1 }))])],                                                              one("{\"a\":1}")),
        (vec![json!([call(json!(0), json!("x"), f(), null())])],                                                                         one("{}")),
        // Indexes with gaps, and a word for one.
        (vec![json!([call(json!(7), json!("x"), f(), json!("{}")), call(json!(9), json!("y"), g(), json!("{}"))])],                      two(["{}", "{}"])),
        (vec![json!([call(json!("0"), json!("x"), f(), json!("{}"))])],                                                                  one("{}")),
    ];
    for (deltas, expected) in cases {
        assert_eq!(calls(&deltas), expected, "{deltas:?}");
    }
    // Without ids: other names are other calls, and the ids that are made differ.
    let made = calls(&[
        json!([call(json!(0), null(), f(), json!("{}"))]),
        json!([call(json!(0), null(), g(), json!("{}"))]),
    ]);
    assert_eq!(made.len(), 2);
    assert!(made[0].0.starts_with("call_") && made[0].0 != made[1].0, "{made:?}");
}

#[test]
fn a_function_call_of_old_is_a_call() {
    let data = [
        delta(
            json!({ "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "" } }),
        ),
        delta(json!({ "function_call": { "arguments": "{\"a\"" } })),
        delta(json!({ "function_call": { "arguments": ":1}" } })),
        end("function_call"),
        "[DONE]".to_owned(),
    ];
    let gist = gist(&data);
    let said = &gist.choices[&0];
    assert_eq!((said.calls[0].1.as_str(), said.calls[0].2.as_str()), ("f", "{\"a\":1}"));
    assert_eq!(said.finish, "Calls");
}

#[test]
fn an_error_in_a_stream_is_its_end() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"error":{"message":"Boom","type":"server_error","code":null}}"#,                                     Some((FaultKind::Server, "Boom"))),
        (r#"{"id":"g","choices":[],"error":{"code":502,"message":"Gone"}}"#,                                      Some((FaultKind::Unavailable, "Gone"))),
        (r#"{"id":"g","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":429,"message":"Wait"}}"#, Some((FaultKind::RateLimited, "Wait"))),
        (r#"{"error":"model is gone"}"#,                                                                          Some((FaultKind::Server, "model is gone"))),
        (r#"{"object":"error","message":"Too long","type":"BadRequestError","code":400}"#,                        Some((FaultKind::BadRequest, "Too long"))),
        (r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#,                                               None),
        (r#"{"error":false,"choices":[]}"#,                                                                       None),
        (r#"{"object":"chat.completion.chunk"}"#,                                                                 None),
    ];
    for (data, expected) in cases {
        let mut reader = StreamReader::new();
        let events = reader.read(data.as_bytes()).unwrap();
        match expected {
            None => assert!(!events.iter().any(|event| matches!(event, Event::Fault(_))), "{data}"),
            Some((kind, message)) => {
                let [Event::Fault(fault)] = events.as_slice() else { panic!("{data}: {events:?}") };
                assert_eq!((fault.kind, fault.message.as_ref()), (kind, message), "{data}");
                assert!(
                    reader.read(delta(json!({ "content": "x" })).as_bytes()).unwrap().is_empty()
                );
                assert!(reader.read(b"[DONE]").unwrap().is_empty());
                assert!(reader.end().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn what_says_nothing_gives_no_event() {
    let mut reader = StreamReader::new();
    for data in
        ["", " ", ": keepalive", "[DONE]", r#"{"choices":[]}"#, r#"{"choices":[],"usage":null}"#]
    {
        assert!(reader.read(data.as_bytes()).unwrap().is_empty(), "{data}");
    }
    assert!(reader.end().unwrap().is_empty());
    let quiet = [
        json!({ "role": "assistant", "content": "" }),
        json!({ "content": null, "tool_calls": [] }),
    ];
    for (position, quiet) in quiet.into_iter().enumerate() {
        let data = delta(quiet);
        assert_eq!(
            reader.read(data.as_bytes()).unwrap().len(),
            usize::from(position == 0),
            "only the start"
        );
    }
}

#[test]
fn a_stream_ends_as_its_last_word_says_and_a_mark_without_a_word_is_an_end() {
    let text = || delta(json!({ "content": "x" }));
    let done = || "[DONE]".to_owned();
    #[rustfmt::skip]
    let cases = [
        (vec![text(), end("stop"), done()],                     true,  "End"),
        (vec![text(), end("stop"), end("length"), done()],      true,  "OutputFull"),
        (vec![end("stop"), text(), done()],                     true,  "End"),
        (vec![text(), done()],                                  true,  "End"),
        (vec![text(), end("error"), done()],                    true,  "Broken(\"error\")"),
        (vec![delta(json!({})), done()],                        true,  "Broken(\"\")"),
        (vec![text(), end("content_filter"), done()],           true,  "Filtered"),
        (vec![text(), end("stop")],                             true,  "End"),
        (vec![text()],                                          false, ""),
    ];
    for (data, is_whole, finish) in cases {
        let gist = gist(&data);
        assert_eq!(
            (gist.is_whole, gist.choices.get(&0).map_or("", |said| said.finish.as_str())),
            (is_whole, finish),
            "{data:?}"
        );
    }
}

/// Writes events, and holds the frames to what clients need.
fn frames(events: &[Event<'_>], wants_usage: bool) -> Vec<String> {
    let (mut writer, mut out) = (StreamWriter::new(&FACE, wants_usage), Vec::new());
    for event in events {
        writer.write(event, &mut out);
    }
    let out = String::from_utf8(out).unwrap();
    let data: Vec<_> = data_of(&out).into_iter().map(str::to_owned).collect();
    for data in &data {
        assert!(!data.contains('\n'));
    }
    data
}

fn start(id: &'static str) -> Event<'static> {
    Event::Start { id: id.into() }
}

fn said(text: &str) -> Event<'static> {
    Event::Text { choice: 0, text: text.to_owned().into() }
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    let seal = Some(Seal::Google("c2VhbA==".into()));
    let call = Event::Call { choice: 0, call: 0, id: "c".into(), name: "f".into(), seal };
    let finish = Event::Finish { choice: 0, finish: Finish::End };
    let seal = Event::Seal { choice: 0, seal: Seal::Anthropic("no".into()) };
    let events =
        [start("id-1"), said("Hi"), seal, call, Event::Usage(usage), finish, Event::End, said("x")];
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "id-1",
            "object": "chat.completion.chunk",
            "created": FACE.created_s,
            "model": "alias",
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
        })
    };
    let function = json!({ "name": "f", "arguments": "" });
    let extra = json!({ "google": { "thought_signature": "c2VhbA==" } });
    let begun = json!({ "index": 0, "id": "c", "type": "function", "function": function, "extra_content": extra });
    let expected = [
        chunk(json!({ "role": "assistant", "content": "" }), json!(null)),
        chunk(json!({ "content": "Hi" }), json!(null)),
        chunk(json!({ "tool_calls": [begun] }), json!(null)),
        // Nothing was said of the arguments, and clients parse them.
        chunk(
            json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{}" } }] }),
            json!(null),
        ),
        chunk(json!({}), json!("tool_calls")),
    ];
    let found = frames(&events, false);
    let (done, chunks) = found.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> =
        chunks.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(chunks, expected);

    let told = frames(&events, true);
    assert_eq!(told.len(), found.len() + 1);
    for data in &told[..expected.len()] {
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk.get("usage"), Some(&json!(null)));
    }
    let last: Value = serde_json::from_str(&told[expected.len()]).unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 5);
}

#[test]
fn a_stream_that_goes_wrong_ends_with_an_error_and_nothing_else() {
    let fault = Fault { kind: FaultKind::Overloaded, message: "Busy".into(), retry_after_s: None };
    let broken = Event::Finish { choice: 0, finish: Finish::Broken("OTHER".into()) };
    for event in [Event::Fault(fault), broken] {
        let found = frames(&[start(""), said("Hi"), event, said("x"), Event::End], true);
        assert_eq!(found.len(), 3);
        let error: Value = serde_json::from_str(&found[2]).unwrap();
        assert_eq!(error["error"]["type"], "server_error");
        assert!(error["error"]["message"].is_string());
        let first: Value = serde_json::from_str(&found[0]).unwrap();
        assert_eq!(first["id"], "chatcmpl-our-1");
    }
    let refused = Event::Finish { choice: 0, finish: Finish::Refused(Some("why".into())) };
    let found = frames(&[start(""), refused, Event::End], false);
    assert!(found[1].contains(r#""refusal":"why""#) && found[2].contains("content_filter"));
}

/// One step of a legal stream: which answer, what, and its text.
type Step = (usize, u8, String);

/// Legal events of these steps.
fn events_of(steps: &[Step], finishes: &[u8], usage: Option<u16>) -> Vec<Event<'static>> {
    let mut events = vec![start("id-1")];
    let mut calls: BTreeMap<usize, usize> = BTreeMap::new();
    for (choice, kind, text) in steps {
        let (choice, text) = (*choice % finishes.len(), text.clone());
        let count = calls.entry(choice).or_default();
        events.push(match kind {
            0 => Event::Text { choice, text: text.into() },
            1 => Event::Thought { choice, text: text.into() },
            2 => Event::Refusal { choice, text: text.into() },
            3 => Event::Seal { choice, seal: Seal::Google(text.into()) },
            4 => {
                *count += 1;
                let (id, seal) = (format!("c{choice}-{count}").into(), None);
                Event::Call { choice, call: *count - 1, id, name: text.into(), seal }
            }
            5 => Event::Usage(Usage { input_tokens: 1, ..Usage::default() }),
            _ if *count == 0 => Event::Text { choice, text: text.into() },
            kind => {
                let call = usize::from(*kind) % *count;
                Event::Arguments { choice, call, json: text.into() }
            }
        });
    }
    for (choice, finish) in finishes.iter().enumerate() {
        let has_calls = calls.get(&choice).is_some_and(|count| *count > 0);
        let is_refused = events
            .iter()
            .any(|event| matches!(event, Event::Refusal { choice: of, .. } if *of == choice));
        let finish = match finish {
            0 => Finish::OutputFull,
            _ if has_calls => Finish::Calls,
            _ if is_refused => Finish::Refused(None),
            1 => Finish::Filtered,
            _ => Finish::End,
        };
        events.push(Event::Finish { choice, finish });
    }
    let usage = usage.map(|count| Usage { output_tokens: count.into(), ..Usage::default() });
    events.extend(usage.map(Event::Usage));
    events.push(Event::End);
    events
}

/// What the strictest clients look for in a stream.
fn assert_legal(data: &[String]) {
    let (done, chunks) = data.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let mut roles = BTreeMap::new();
    let mut calls: BTreeMap<u64, u64> = BTreeMap::new();
    let mut is_told = false;
    for data in chunks {
        assert!(!is_told, "a chunk after the usage");
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&chunk["id"], &chunk["model"]), (&json!("id-1"), &json!("alias")));
        assert_eq!(chunk["object"], "chat.completion.chunk");
        is_told = chunk["usage"].is_object();
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap();
            let is_first = roles.insert(index, choice["finish_reason"].is_string()).is_none();
            assert_eq!(is_first, choice["delta"]["role"] == "assistant", "{data}");
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let begun = calls.entry(index).or_default();
                let number = call["index"].as_u64().unwrap();
                assert_eq!(call["id"].is_string(), number == *begun, "{data}");
                assert_eq!(call["function"]["name"].is_string(), number == *begun, "{data}");
                *begun = (*begun).max(number + 1);
            }
        }
    }
    assert!(roles.values().all(|has_ended| *has_ended), "an answer without an end");
    assert!(roles.keys().copied().eq(0..roles.len() as u64), "answers with a gap");
}

proptest! {
    #[test]
    fn any_legal_events_are_a_legal_stream_that_says_the_same(
        steps in prop::collection::vec((0_usize..3, 0_u8..10, "\\PC{1,6}"), 0..40),
        finishes in prop::collection::vec(0_u8..3, 1..4),
        usage in proptest::option::of(any::<u16>()),
    ) {
        let events = events_of(&steps, &finishes, usage);
        let mut expected = Gist::default();
        for (position, event) in events.iter().enumerate() {
            add(&mut expected, position == 0, event);
        }
        let data = frames(&events, true);
        assert_legal(&data);
        prop_assert_eq!(gist(&data), expected);
    }
}
