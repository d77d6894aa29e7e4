//! A prompt and its output.

#[cfg(test)]
mod inference {
    use doorward_dialect::answer::{Answer, Choice, Face, Finish};
    use doorward_dialect::event::Event;
    use doorward_dialect::fault::{Fault, FaultKind};
    use doorward_dialect::google::Framing;
    use doorward_dialect::openai::inference::{StreamWriter, read_request, write_answer};
    use doorward_dialect::request::{Call, Content, Part, Request, Source, Thought};
    use doorward_dialect::spoken::Manner;
    use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
    use doorward_dialect::{Client, Dialect, Knows, Target};
    use doorward_domain::usage::Usage;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    const FACE: Face<'static> = Face { call: "our-1", model: "gpt-4", created_s: 1_741_569_952 };
    const USAGE: Usage = Usage {
        input_tokens: 9,
        cached_input_tokens: 4,
        output_tokens: 3,
        reasoning_tokens: 1,
        ..Usage::NONE
    };

    fn target() -> Target<'static> {
        let from = Client::Inference;
        Target { model: "theirs", from, output_tokens_default: 4096, knows: Knows::default() }
    }

    fn asked(request: &Request<'_>) -> Value {
        let mut leave = Leave::new(Allowed::Nothing);
        let body = Dialect::OpenAi.write_request(request, &target(), &mut leave).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn the_documented_request_is_a_message_of_the_user() {
        let request = read_request(br#"{"model": "gpt-4", "prompt": "Hello"}"#).unwrap();
        let message = json!({ "role": "user", "content": "Hello" });
        assert_eq!(asked(&request), json!({ "model": "theirs", "messages": [message] }));
    }

    #[test]
    fn plain_wishes_are_those_of_a_chat_completion() {
        let body = json!({
            "model": "gpt-4", "prompt": "Hello", "system": "Be brief.", "max_tokens": 9, "temperature": 0.5,
            "top_p": 0.9, "seed": 7, "stop": "#", "reasoning_effort": "low", "user": "u", "stream": true,
            "metadata": { "a": "b" }, "doorward_drop_unsupported": true,
        });
        let text = body.to_string();
        let expected = json!({
            "model": "theirs",
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello" }],
            "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["#"],
            "reasoning_effort": "low", "user": "u",
            "stream": true, "stream_options": { "include_usage": true },
        });
        assert_eq!(asked(&read_request(text.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_path_and_what_is_not_known_by_its_name() {
        #[rustfmt::skip]
        let cases = [
            ("7",                                            "body"),
            (r#"{"prompt":"a"}"#,                            "model"),
            (r#"{"model":"m"}"#,                             "prompt"),
            (r#"{"model":"m","prompt":""}"#,                 "prompt"),
            (r#"{"model":"m","prompt":["a"]}"#,              "prompt"),
            (r#"{"model":"m","prompt":"a","system":1}"#,     "system"),
            (r#"{"model":"m","prompt":"a","stream":1}"#,     "stream"),
            (r#"{"model":"m","prompt":"a","stop":1}"#,       "stop"),
            (r#"{"model":"m","prompt":"a","max_tokens":-1}"#, "max_tokens"),
            (r#"{"model":"m","prompt":"a","temperature":9}"#, "temperature"),
        ];
        for (body, path) in cases {
            assert_eq!(read_request(body.as_bytes()).expect_err(body).path, path, "{body}");
        }
        let request = read_request(br#"{"model":"m","prompt":"a","tools":[]}"#).unwrap();
        let refused = Dialect::OpenAi.write_request(&request, &target(), &mut Leave::default());
        assert_eq!(refused.unwrap_err(), Untranslatable::Unsupported("tools".to_owned()));
    }

    fn said(parts: Vec<Content<'static>>, finish: Finish<'static>) -> Answer<'static> {
        let parts = parts.into_iter().map(|content| Part { content, cache: None }).collect();
        Answer { id: "a-1".into(), choices: vec![Choice { parts, finish }], usage: Some(USAGE) }
    }

    #[test]
    fn an_answer_is_its_output_without_the_thoughts() {
        let thought = Content::Thought(Thought { text: "Hm".into(), seal: None });
        let answer = said(vec![thought, Content::Text("Hi".into())], Finish::OutputFull);
        let found: Value = serde_json::from_slice(&write_answer(&answer, &FACE).unwrap()).unwrap();
        let usage = json!({ "input_tokens": 9, "output_tokens": 3, "total_tokens": 12 });
        let expected = json!({
            "id": "a-1", "model": "gpt-4", "output": "Hi", "finish_reason": "length", "usage": usage,
        });
        assert_eq!(found, expected);
        let silent = Answer { id: "".into(), usage: None, ..said(vec![], Finish::End) };
        let found: Value = serde_json::from_slice(&write_answer(&silent, &FACE).unwrap()).unwrap();
        let expected =
            json!({ "id": "our-1", "model": "gpt-4", "output": "", "finish_reason": "stop" });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let arguments = std::borrow::Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap());
        let call = Call { id: "c".into(), name: "f".into(), arguments, seal: None };
        let data = Source::Inline { media_type: "image/png".into(), data: "QQ==".into() };
        for content in [Content::Call(call), Content::Image(data.clone()), Content::Audio(data)] {
            assert!(write_answer(&said(vec![content], Finish::End), &FACE).is_err());
        }
        assert!(write_answer(&said(vec![], Finish::Broken("X".into())), &FACE).is_err());
    }

    fn stream(events: &[Event<'_>]) -> Vec<String> {
        let manner = Manner { wants_usage: true, framing: Framing::Events };
        let mut writer = Client::Inference.stream_writer(&FACE, manner, b"");
        let mut out = Vec::new();
        for event in events {
            writer.write(event, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
        frames.map(|frame| frame.strip_prefix("data: ").unwrap().to_owned()).collect()
    }

    #[test]
    fn a_stream_says_the_same_in_pieces() {
        let text = |text: &'static str| Event::Text { choice: 0, text: text.into() };
        let found = stream(&[
            Event::Start { id: "a-1".into() },
            Event::Usage(USAGE),
            Event::Thought { choice: 0, text: "Hm".into() },
            text("Hel"),
            Event::Refusal { choice: 0, text: "lo".into() },
            Event::Text { choice: 1, text: "of another".into() },
            Event::Finish { choice: 0, finish: Finish::End },
            Event::End,
            text("late"),
        ]);
        #[rustfmt::skip]
        let expected = [
            r#"{"id":"a-1","model":"gpt-4","output":"Hel"}"#,
            r#"{"id":"a-1","model":"gpt-4","output":"lo"}"#,
            r#"{"id":"a-1","model":"gpt-4","output":"","finish_reason":"stop","usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12}}"#,
            "[DONE]",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_error_ends_a_stream_and_nothing_follows() {
        let fault = |kind| Fault { kind, message: "No.".into(), retry_after_s: None };
        let (id, name) = ("c".into(), "f".into());
        let call = Event::Call { choice: 0, call: 0, id, name, seal: None };
        #[rustfmt::skip]
        let ends = [
            vec![Event::Fault(fault(FaultKind::Server))],
            vec![call],
            vec![Event::Finish { choice: 0, finish: Finish::Broken("X".into()) }, Event::End],
            // It never said why.
            vec![Event::End],
        ];
        for mut events in ends {
            events.push(Event::Text { choice: 0, text: "late".into() });
            events.push(Event::End);
            let found = stream(&events);
            let [only] = found.as_slice() else { panic!("{found:?}") };
            assert!(only.starts_with(r#"{"error":{"message":"#), "{only}");
        }
        let mut out = Vec::new();
        StreamWriter::new(&FACE).write(&Event::Start { id: "".into() }, &mut out);
        assert!(out.is_empty());
    }
}
