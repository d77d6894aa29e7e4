//! What requests mean, and how the form is written.

use doorward_dialect::google::{self, Place};
use doorward_dialect::request::{
    Content, Delivery, Effort, Format, Part, Request, Role, Seal, Thinking, ThinkingMode, Tool,
    ToolChoice, Turn,
};
use doorward_dialect::unsupported::{Allowed, Leave, Untranslatable};
use doorward_dialect::{Client, Dialect, Knows, Target};
use serde_json::{Value, json};

use crate::{PLACE, extras, read, target, write};

fn body(fields: &str) -> String {
    format!(r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}}],{fields}}}"#)
}

fn asked() -> Request<'static> {
    read(r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#)
}

#[test]
fn the_path_says_the_model_and_the_delivery() {
    let hi = br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    let request = google::read_request(hi, Place { model: "x", is_stream: true }).unwrap();
    assert_eq!(request.model, "x");
    assert_eq!(request.delivery, Delivery::Stream { wants_usage: true });
    assert_eq!(google::read_request(hi, PLACE).unwrap().delivery, Delivery::Whole);
}

#[test]
fn every_setting_of_thinking_is_read_and_written() {
    let none = Thinking::default();
    let effort = |effort| Thinking { effort: Some(effort), ..none };
    let mode = |mode| Thinking { mode, ..none };
    #[rustfmt::skip]
    let cases = [
        (r#"{"thinkingBudget":0}"#,                          mode(ThinkingMode::Off)),
        (r#"{"thinkingBudget":-1}"#,                         mode(ThinkingMode::Adaptive)),
        (r#"{"thinkingBudget":512}"#,                        Thinking { tokens_max: Some(512), ..mode(ThinkingMode::On) }),
        (r#"{"thinkingLevel":"MINIMAL"}"#,                   effort(Effort::Minimal)),
        (r#"{"thinkingLevel":"LOW"}"#,                       effort(Effort::Low)),
        (r#"{"thinkingLevel":"MEDIUM"}"#,                    effort(Effort::Medium)),
        (r#"{"thinkingLevel":"HIGH"}"#,                      effort(Effort::High)),
        (r#"{"thinkingLevel":"XHIGH"}"#,                     effort(Effort::Higher)),
        (r#"{"includeThoughts":true}"#,                      Thinking { is_shown: Some(true), ..none }),
        (r#"{"includeThoughts":false,"thinkingBudget":-1}"#, Thinking { is_shown: Some(false), ..mode(ThinkingMode::Adaptive) }),
    ];
    for (json, thinking) in cases {
        let text = body(&format!(r#""generationConfig":{{"thinkingConfig":{json}}}"#));
        let request = read(&text);
        assert_eq!(request.thinking, thinking, "{json}");
        let said: Value = serde_json::from_str(json).unwrap();
        assert_eq!(write(&request)["generationConfig"]["thinkingConfig"], said);
    }
    let lower = body(
        r#""generation_config":{"thinking_config":{"thinking_level":"low","include_thoughts":true}}"#,
    );
    assert_eq!(read(&lower).thinking, Thinking { is_shown: Some(true), ..effort(Effort::Low) });
}

#[test]
fn models_without_words_for_thinking_get_tokens() {
    #[rustfmt::skip]
    let cases = [
        (Effort::Minimal, 1_024, "MINIMAL"), (Effort::Low, 1_024, "LOW"), (Effort::Medium, 8_192, "MEDIUM"),
        (Effort::High, 24_576, "HIGH"), (Effort::Higher, 24_576, "XHIGH"), (Effort::Max, 24_576, "XHIGH"),
    ];
    for (effort, tokens, word) in cases {
        let thinking = Thinking { effort: Some(effort), ..Thinking::default() };
        let request = Request { thinking, ..asked() };
        let old = Target { knows: Knows::default(), ..target() };
        let bytes = google::write_request(&request, &old, &mut Leave::default()).unwrap();
        let old: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(old["generationConfig"]["thinkingConfig"], json!({ "thinkingBudget": tokens }));
        let new = &write(&request)["generationConfig"]["thinkingConfig"];
        assert_eq!(*new, json!({ "thinkingLevel": word }));
    }
}

#[test]
fn every_choice_of_tools_is_read_and_written() {
    let among =
        |is_required| ToolChoice::Among { names: vec!["f".into(), "g".into()], is_required };
    #[rustfmt::skip]
    let cases = [
        (r#"{"mode":"AUTO"}"#,                                           ToolChoice::Auto,               None),
        (r#"{"mode":"NONE"}"#,                                           ToolChoice::Never,              None),
        (r#"{"mode":"ANY"}"#,                                            ToolChoice::Required,           None),
        (r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#,               ToolChoice::Named("f".into()),  None),
        (r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#,           among(true),                    None),
        (r#"{"mode":"VALIDATED"}"#,                                      ToolChoice::Auto,               Some(true)),
        (r#"{"mode":"VALIDATED","allowedFunctionNames":["f","g"]}"#,     among(false),                   Some(true)),
    ];
    for (json, choice, is_strict) in cases {
        let text = body(&format!(
            r#""tools":[{{"functionDeclarations":[{{"name":"f"}},{{"name":"g"}}]}}],"toolConfig":{{"functionCallingConfig":{json}}}"#
        ));
        let request = read(&text);
        assert_eq!(request.tool_choice, choice, "{json}");
        assert!(request.tools.iter().all(|tool| tool.is_strict == is_strict), "{json}");
        let said: Value = serde_json::from_str(json).unwrap();
        assert_eq!(write(&request)["toolConfig"]["functionCallingConfig"], said);
    }
    let lower = body(r#""tool_config":{"function_calling_config":{"mode":"any"}}"#);
    assert_eq!(read(&lower).tool_choice, ToolChoice::Required);
    assert_eq!(read(&body(r#""toolConfig":{}"#)).tool_choice, ToolChoice::Unset);
}

#[test]
fn a_choice_without_tools_is_not_written() {
    for tool_choice in [ToolChoice::Unset, ToolChoice::Auto, ToolChoice::Never] {
        let request = Request { tool_choice, ..asked() };
        assert_eq!(write(&request).get("toolConfig"), None);
    }
}

/// One line for a piece.
fn line(part: &Part<'_>) -> String {
    match &part.content {
        Content::Text(text) => format!("text {text}"),
        Content::Refusal(text) => format!("refusal {text}"),
        Content::Image(source) => format!("image {source:?}"),
        Content::Audio(source) => format!("audio {source:?}"),
        Content::Document { source, title } => format!("document {source:?} {title:?}"),
        Content::Call(call) => format!("call {} {} {:?}", call.name, call.arguments, call.seal),
        Content::Outcome(outcome) => format!("outcome {} {:?}", outcome.name, outcome.is_error),
        Content::Thought(thought) => format!("thought {} {:?}", thought.text, thought.seal),
    }
}

fn lines(turn: &Turn<'_>) -> Vec<String> {
    turn.parts.iter().map(line).collect()
}

#[test]
fn every_kind_of_piece_is_read() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"text":"a\nb"}"#,                                                    "text a\nb"),
        (r#"{"inlineData":{"mimeType":"image/png","data":"aGk="}}"#,              r#"image Inline { media_type: "image/png", data: "aGk=" }"#),
        (r#"{"inline_data":{"mime_type":"Image/PNG; a=b","data":"-_-_aA"}}"#,     r#"image Inline { media_type: "image/png", data: "+/+/aA==" }"#),
        (r#"{"inlineData":{"mimeType":"audio/wav","data":"aGk="}}"#,              r#"audio Inline { media_type: "audio/wav", data: "aGk=" }"#),
        (r#"{"inlineData":{"mimeType":"application/pdf","data":"aGk=","displayName":"x.pdf"}}"#, r#"document Inline { media_type: "application/pdf", data: "aGk=" } Some("x.pdf")"#),
        (r#"{"inlineData":{"mimeType":"text/plain","data":"aGk="}}"#,             r#"document Plain("hi") None"#),
        (r#"{"fileData":{"mimeType":"image/png","fileUri":"https://e.org/a.png"}}"#, r#"image Url { url: "https://e.org/a.png", media_type: Some("image/png") }"#),
        (r#"{"file_data":{"file_uri":"https://e.org/a.pdf"}}"#,                       r#"document Url { url: "https://e.org/a.pdf", media_type: None } None"#),
        (r#"{"fileData":{"mimeType":"audio/mp3","fileUri":"gs://b/a.mp3"}}"#,     r#"audio File("gs://b/a.mp3")"#),
    ];
    for (part, expected) in cases {
        let text = format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#);
        let request = read(&text);
        assert_eq!(lines(&request.turns[0]), [expected], "{part}");
        assert_eq!(extras(&request), Vec::<String>::new());
        let again = write(&request).to_string();
        assert_eq!(lines(&read(&again).turns[0]).len(), 1, "{part}");
    }
}

#[test]
fn a_seal_stands_before_its_text_and_with_its_thought_or_call() {
    let text = r#"{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[
        {"text":"hm","thought":true,"thoughtSignature":"A"},
        {"text":"so","thought_signature":"B"},
        {"functionCall":{"name":"f"},"thoughtSignature":"C"},
        {"functionCall":{"name":"f"}},
        {"thoughtSignature":"D"},
        {"text":"","thoughtSignature":"E"}]}]}"#;
    let request = read(text);
    #[rustfmt::skip]
    let expected = [
        r#"thought hm Some(Google("A"))"#, r#"thought  Some(Google("B"))"#, "text so",
        r#"call f {} Some(Google("C"))"#, "call f {} None",
        r#"thought  Some(Google("D"))"#, r#"thought  Some(Google("E"))"#,
    ];
    assert_eq!(lines(&request.turns[1]), expected);
    let written = write(&request);
    let parts = written["contents"][1]["parts"].as_array().unwrap();
    let seals: Vec<_> = parts.iter().map(|part| part.get("thoughtSignature").cloned()).collect();
    let some = |seal: &str| Some(json!(seal));
    assert_eq!(seals, [some("A"), some("B"), some("C"), None, some("D"), some("E")]);
    assert_eq!(parts[1]["text"], "so");
}

#[test]
fn a_seal_before_a_call_goes_with_it_and_a_foreign_one_nowhere() {
    let mut request = read(
        r#"{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[
        {"thoughtSignature":"A"},{"functionCall":{"name":"f"}},{"text":"t","thought":true,"thoughtSignature":"B"}]}]}"#,
    );
    let written = write(&request);
    let parts = written["contents"][1]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0]["thoughtSignature"], "A");
    assert_eq!(parts[0]["functionCall"]["name"], "f");
    for part in &mut request.turns[1].parts {
        if let Content::Thought(thought) = &mut part.content {
            thought.seal = Some(Seal::Anthropic("X".into()));
        }
    }
    let written = write(&request).to_string();
    assert!(!written.contains("thoughtSignature"), "{written}");
    assert!(written.contains(r#"{"text":"t","thought":true}"#), "{written}");
}

#[test]
fn a_call_whose_seal_another_dialect_lost_says_so_to_a_model_that_wants_one() {
    let text = r#"{"contents":[{"parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"}}]},
        {"role":"tool","parts":[{"functionResponse":{"name":"f","response":{}}},{"functionResponse":{"name":"g","response":{}}}]},
        {"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"A"}]},
        {"role":"tool","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#;
    let seals = |request: &Request<'_>, to: &Target<'_>| {
        let body = google::write_request(request, to, &mut Leave::default()).unwrap();
        let written: Value = serde_json::from_slice(&body).unwrap();
        let model = |content: &&Value| content["role"] == "model";
        let contents = written["contents"].as_array().unwrap().iter().filter(model);
        let parts = contents.flat_map(|content| content["parts"].as_array().unwrap());
        let seal = |part: &Value| part.get("thoughtSignature").map(ToString::to_string);
        (parts.map(seal).collect::<Vec<_>>(), body)
    };
    let (none, own) = (None, Some("\"A\"".to_owned()));
    let lost = Some("\"skip_thought_signature_validator\"".to_owned());
    let other = Target { from: Client::Dialect(Dialect::Anthropic), ..target() };
    let old = Target { knows: Knows::default(), ..other };
    let (found, body) = seals(&read(text), &other);
    assert_eq!(found, [lost, none.clone(), own.clone()]);
    assert_eq!(seals(&read(text), &target()).0, [none.clone(), none.clone(), own.clone()]);
    assert_eq!(seals(&read(text), &old).0, [none.clone(), none.clone(), own.clone()]);
    // It is no seal to whoever reads it.
    let again = String::from_utf8(body).unwrap();
    assert_eq!(seals(&read(&again), &target()).0, [none.clone(), none, own]);
}

/// The ids of calls, and of the calls of outcomes.
fn ids(turns: &[Turn<'_>]) -> Vec<String> {
    let parts = turns.iter().flat_map(|turn| &turn.parts);
    let id = |part: &Part<'_>| {
        if let Content::Outcome(outcome) = &part.content {
            return Some(outcome.call.to_string());
        }
        let Content::Call(call) = &part.content else { return None };
        Some(call.id.to_string())
    };
    parts.filter_map(id).collect()
}

fn outcome_of(part: &Part<'_>) -> (String, Vec<String>, Option<bool>) {
    let Content::Outcome(outcome) = &part.content else { panic!("{part:?}") };
    (outcome.call.to_string(), lines_of(&outcome.parts), outcome.is_error)
}

#[test]
fn outcomes_find_their_calls_by_name_and_order_or_by_id() {
    let text = r#"{"contents":[{"parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f","args":{"n":2}}},{"functionCall":{"id":"x","name":"f"}}]},
        {"role":"function","parts":[{"functionResponse":{"id":"x","name":"f","response":{"output":"by id"}}},{"functionResponse":{"name":"f","response":{"output":"1"}}}]},
        {"role":"user","parts":[{"text":"and"},{"functionResponse":{"name":"g","response":{"error":"no"}}},{"functionResponse":{"name":"f","response":{"output":"2"}}}]}]}"#;
    let request = read(text);
    let calls = ids(&request.turns[1..2]);
    assert_eq!(request.turns.len(), 4);
    let outcomes: Vec<_> = request.turns[2].parts.iter().map(outcome_of).collect();
    let line =
        |id: &String, text: &str, is_error| (id.clone(), vec![format!("text {text}")], is_error);
    let expected = [
        line(&calls[3], "by id", None),
        line(&calls[0], "1", None),
        line(&calls[1], "no", Some(true)),
        line(&calls[2], "2", None),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(calls[3], "x");
    assert_eq!(lines(&request.turns[3]), ["text and"]);

    let written = write(&request);
    let contents = written["contents"].as_array().unwrap();
    let names = |content: &Value| -> Vec<String> {
        content["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["functionResponse"]["response"].to_string())
            .collect()
    };
    // In the order of the calls, as many, and nothing else with them.
    assert_eq!(
        names(&contents[2]),
        [r#"{"output":"1"}"#, r#"{"error":"no"}"#, r#"{"output":"2"}"#, r#"{"output":"by id"}"#]
    );
    assert_eq!(contents[3], json!({"role":"user","parts":[{"text":"and"}]}));
}

fn lines_of(parts: &[Part<'_>]) -> Vec<String> {
    parts.iter().map(line).collect()
}

#[test]
fn calls_and_outcomes_that_are_spread_are_one_turn_each() {
    let text = r#"{"contents":[
        {"role":"model","parts":[{"functionCall":{"name":"f"}}]},
        {"role":"model","parts":[{"functionCall":{"name":"g"}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}},{"text":"here"}]},
        {"role":"user","parts":[{"functionResponse":{"name":"g","response":{}}}]},
        {"role":"user","parts":[{"text":"and"}]}]}"#;
    let request = read(text);
    assert_eq!(lines(&request.turns[0]), ["call f {} None", "call g {} None"]);
    assert_eq!(lines(&request.turns[1]), ["outcome f None", "outcome g None", "text here"]);
    assert_eq!(lines(&request.turns[2]), ["text and"]);
    let made = ids(&request.turns);
    assert_eq!(made[..2], made[2..]);
    // An id that no call has is the client's own, as long as the calls have none.
    let text =
        text.replace(r#"{"name":"g","response""#, r#"{"id":"made-up","name":"g","response""#);
    assert_eq!(ids(&read(&text).turns), made);
}

#[test]
fn ids_come_from_the_place_and_stay() {
    let text = r#"{"contents":[{"parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"id":"call_0","name":"f"}},{"functionCall":{"name":"f"}}]},
        {"parts":[{"functionResponse":{"id":"call_0","name":"f","response":{}}},{"functionResponse":{"name":"f","response":{}}}]},
        {"role":"model","parts":[{"functionCall":{"id":"call_0","name":"f"}}]},
        {"parts":[{"functionResponse":{"id":"call_0","name":"f","response":{}}}]}]}"#;
    let request = read(text);
    let made = ids(&request.turns);
    assert_eq!(made, ids(&read(text).turns));
    assert_eq!((made[0].as_str(), made[2].as_str()), ("call_0", "call_0"));
    assert!(made[1].starts_with("call_") && made[1].len() == 29);
    assert_eq!(made[1], made[3]);
    // The same id again is another call.
    assert_ne!(made[4], "call_0");
    assert_eq!(made[4], made[5]);
    assert_ne!(made[4], made[1]);
}

#[test]
fn what_a_function_returned_becomes_text() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"output":"plain"}"#,          vec!["text plain"],                   None),
        (r#"{"output":"a\"b"}"#,           vec!["text a\"b"],                    None),
        (r#"{"output":""}"#,               vec![],                               None),
        (r#"{"output":null}"#,             vec![],                               None),
        ("{}",                          vec![],                               None),
        (r#"{"output":{"n": 1}}"#,         vec![r#"text {"n": 1}"#],             None),
        (r#"{"output":12345678901234567890}"#, vec!["text 12345678901234567890"], None),
        (r#"{"error":"broken"}"#,          vec!["text broken"],                  Some(true)),
        (r#"{"error":{"code":7}}"#,        vec![r#"text {"code":7}"#],           Some(true)),
        (r#"{"result":"x"}"#,              vec![r#"text {"result":"x"}"#],       None),
        (r#"{"output":"x","more":1}"#,     vec![r#"text {"output":"x","more":1}"#], None),
        (r#"{"error":"x","more":1}"#,      vec![r#"text {"error":"x","more":1}"#], None),
    ];
    for (response, parts, is_error) in cases {
        let text = format!(
            r#"{{"contents":[{{"role":"model","parts":[{{"functionCall":{{"name":"f"}}}}]}},{{"parts":[{{"functionResponse":{{"name":"f","response":{response}}}}}]}}]}}"#
        );
        let request = read(&text);
        let Content::Outcome(outcome) = &request.turns[1].parts[0].content else { panic!() };
        assert_eq!(lines_of(&outcome.parts), parts, "{response}");
        assert_eq!(outcome.is_error, is_error, "{response}");
    }
}

#[test]
fn media_of_functions_need_a_new_model() {
    let text = r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}}]},
        {"parts":[{"functionResponse":{"name":"f","response":{},"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}]}]}"#;
    let request = read(text);
    let written = write(&request);
    let part = &written["contents"][1]["parts"][0]["functionResponse"]["parts"][0];
    assert_eq!(part["inlineData"], json!({"mimeType":"image/png","data":"aGk="}));
    let old = Target { knows: Knows::default(), ..target() };
    let refused = google::write_request(&request, &old, &mut Leave::default()).unwrap_err();
    assert_eq!(refused, Untranslatable::Unsupported("contents[1].parts[].inlineData".to_owned()));
}

#[test]
fn schemas_of_google_become_json_schema() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"type":"STRING"}"#,                                   r#"{"type":"string"}"#),
        (r#"{"type":"TYPE_UNSPECIFIED","description":"d"}"#,       r#"{"description":"d"}"#),
        (r#"{"type":"STRING","nullable":true}"#,                   r#"{"type":["string","null"]}"#),
        (r#"{"type":["STRING","NULL"]}"#,                          r#"{"type":["string","null"]}"#),
        (r#"{"type":"STRING","nullable":false}"#,                  r#"{"type":"string"}"#),
        (r#"{"type":"STRING","nullable":true,"enum":["a","b"]}"#,  r#"{"type":["string","null"],"enum":["a","b",null]}"#),
        (r#"{"type":"STRING","format":"enum","enum":["a"]}"#,      r#"{"type":"string","format":"enum","enum":["a"]}"#),
        (r#"{"type":"ARRAY","minItems":"1","max_items":3,"items":{"type":"INTEGER","minimum":0.50}}"#, r#"{"type":"array","minItems":1,"maxItems":3,"items":{"type":"integer","minimum":0.50}}"#),
        (r#"{"type":"OBJECT","properties":{"type":{"type":"STRING"},"properties":{"type":"OBJECT","properties":{"items":{"type":"NUMBER"}}},"args":{"type":"BOOLEAN"}},"required":["type"],"propertyOrdering":["type"]}"#, r#"{"type":"object","properties":{"type":{"type":"string"},"properties":{"type":"object","properties":{"items":{"type":"number"}}},"args":{"type":"boolean"}},"required":["type"]}"#),
        (r#"{"any_of":[{"type":"STRING"},{"type":"NUMBER"}],"nullable":true}"#, r#"{"anyOf":[{"type":"string"},{"type":"number"},{"type":"null"}]}"#),
        (r#"{"type":"STRING","example":"x","default":"y"}"#,       r#"{"type":"string","examples":["x"],"default":"y"}"#),
        (r##"{"ref":"#/defs/a","defs":{"a":{"type":"STRING"}}}"##, r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}"##),
        (r#"{"type":"object","additionalProperties":false,"title":"T","maximum":9007199254740993}"#, r#"{"type":"object","additionalProperties":false,"title":"T","maximum":9007199254740993}"#),
        (r#"{"type":"OBJECT","additional_properties":{"type":"STRING"}}"#, r#"{"type":"object","additionalProperties":{"type":"string"}}"#),
    ];
    for (google, expected) in cases {
        let text = body(&format!(
            r#""tools":[{{"functionDeclarations":[{{"name":"f","parameters":{google}}}]}}],"generationConfig":{{"responseMimeType":"application/json","response_schema":{google}}}"#
        ));
        let request = read(&text);
        let member = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        // `type` comes first; the rest keeps its order.
        let schema = request.tools[0].schema.as_ref().unwrap().get();
        assert_eq!(member(schema), member(expected), "{google}");
        if google.starts_with(r#"{"type""#) {
            assert_eq!(schema, expected);
        }
        let Format::Schema { schema: of_answer, .. } = &request.format else { panic!() };
        assert_eq!(of_answer.get(), schema);
    }
}

#[test]
fn json_schema_passes_byte_for_byte_without_its_version() {
    let text = body(
        r#""tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{ "type" : "object", "x":1.0e2 }},{"name":"g","parameters_json_schema":{"$schema":"v","type":"object","properties":{"$schema":{}}}}]}]"#,
    );
    let request = read(&text);
    assert_eq!(
        request.tools[0].schema.as_ref().unwrap().get(),
        r#"{ "type" : "object", "x":1.0e2 }"#
    );
    let bytes = google::write_request(&request, &target(), &mut Leave::default()).unwrap();
    let written = String::from_utf8(bytes).unwrap();
    assert!(written.contains(r#""parametersJsonSchema":{ "type" : "object", "x":1.0e2 }"#));
    assert!(
        written.contains(r#""parametersJsonSchema":{"type":"object","properties":{"$schema":{}}}"#)
    );
}

#[test]
fn arguments_pass_byte_for_byte() {
    let args = r#"{ "b":12345678901234567890123, "a" : [1.50] }"#;
    let text = format!(
        r#"{{"contents":[{{"role":"model","parts":[{{"functionCall":{{"name":"f","args":{args}}}}}]}}]}}"#
    );
    let bytes = google::write_request(&read(&text), &target(), &mut Leave::default()).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains(args));
}

#[test]
fn formats_are_read_and_written() {
    let json = body(r#""generationConfig":{"responseMimeType":"application/json"}"#);
    assert!(matches!(read(&json).format, Format::Json));
    let written = write(&read(&json));
    assert_eq!(written["generationConfig"], json!({"responseMimeType":"application/json"}));
    let text = body(r#""generationConfig":{"responseMimeType":"text/plain"}"#);
    assert!(matches!(read(&text).format, Format::Text));
}

/// What cannot be said is refused in the client's words, or left out where that is allowed.
#[test]
fn what_google_cannot_say_is_refused_by_name() {
    let with = |change: fn(&mut Request<'static>)| {
        let mut request = asked();
        change(&mut request);
        request
    };
    let media =
        |content| Turn { at: 3, role: Role::User, parts: vec![Part { content, cache: None }] };
    let url = doorward_dialect::request::Source::Url {
        url: "https://e.org/a.bin".into(),
        media_type: None,
    };
    let file = doorward_dialect::request::Source::File("file-1".into());
    let mut of_url = asked();
    of_url.turns.push(media(Content::Image(url)));
    let mut of_file = asked();
    of_file.turns.push(media(Content::Document { source: file, title: None }));
    let mut of_system = asked();
    of_system.turns.push(Turn { role: Role::System, ..media(Content::Text("be".into())) });
    let mut of_extra = asked();
    of_extra.extras.push(doorward_dialect::unsupported::Extra { path: "logit_bias".to_owned() });
    #[rustfmt::skip]
    let cases = [
        (with(|r| r.is_one_call_only = true),                              "parallel_tool_calls"),
        (with(|r| r.stop = vec!["x".into(); 6]),                           "stop"),
        (with(|r| r.sampling.seed = Some(1 << 40)),                        "seed"),
        (with(|r| r.sampling.temperature = Some(2.5)),                     "temperature"),
        (with(|r| r.thinking = Thinking { effort: Some(Effort::Low), tokens_max: Some(9), ..r.thinking }), "reasoning_effort"),
        (of_url,                                                           "messages[3].content[].image_url"),
        (of_file,                                                          "messages[3].content[].file.file_id"),
        (of_system,                                                        "messages[3].role"),
        (of_extra,                                                         "logit_bias"),
    ];
    let to = Target { from: Client::Dialect(Dialect::OpenAi), ..target() };
    for (request, path) in cases {
        let refused = google::write_request(&request, &to, &mut Leave::default());
        assert_eq!(refused, Err(Untranslatable::Unsupported(path.to_owned())));
        let mut leave = Leave::new(Allowed::All);
        let written = google::write_request(&request, &to, &mut leave).unwrap();
        assert_eq!(leave.left(), [path]);
        assert!(String::from_utf8(written).unwrap().contains(r#"[{"text":"hi"}]"#));
    }
}

#[test]
fn a_call_without_its_result_is_not_written() {
    let text = r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#;
    let mut request = read(text);
    request.turns[1].parts.clear();
    let wrong = google::write_request(&request, &target(), &mut Leave::default()).unwrap_err();
    assert_eq!(wrong.to_string(), "The field `contents[1]` lacks the result of a call.");
    let mut request = read(text);
    request.turns.remove(0);
    let wrong = google::write_request(&request, &target(), &mut Leave::default()).unwrap_err();
    assert_eq!(wrong.to_string(), "The field `contents[1]` has a result without its call.");
}

#[test]
fn strict_tools_are_validated() {
    let tool = |is_strict| Tool {
        name: "f".into(),
        description: None,
        schema: None,
        is_strict,
        cache: None,
    };
    let request = Request { tools: vec![tool(Some(true)), tool(None)], ..asked() };
    let mode = &write(&request)["toolConfig"]["functionCallingConfig"]["mode"];
    assert_eq!(mode, "VALIDATED");
    let request = Request { tools: vec![tool(Some(false))], ..asked() };
    assert_eq!(write(&request).get("toolConfig"), None);
}

#[test]
fn tokens_are_counted_for_contents_or_a_whole_request() {
    let whole = br#"{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"hi"}]}],"systemInstruction":{"parts":[{"text":"be"}]}},"new":1}"#;
    let request = google::read_count_request(whole, PLACE).unwrap();
    assert_eq!((request.system.len(), extras(&request)), (1, vec!["new".to_owned()]));
    let bytes = google::write_count_request(&request, &target(), &mut Leave::new(Allowed::All));
    let written: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
    assert_eq!(written["generateContentRequest"]["model"], "models/gemini-pro");
    assert_eq!(written["generateContentRequest"]["contents"][0]["parts"][0]["text"], "hi");
    let plain = br#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    assert_eq!(google::read_count_request(plain, PLACE).unwrap().turns.len(), 1);
    let wrong = br#"{"generateContentRequest":{"contents":[{"parts":[7]}]}}"#;
    let wrong = google::read_count_request(wrong, PLACE).unwrap_err();
    assert_eq!(wrong.path, "generateContentRequest.contents[0].parts[0]");

    assert_eq!(google::read_count(br#"{"totalTokens":31,"promptTokensDetails":[]}"#), Ok(31));
    assert_eq!(google::write_count(31), br#"{"totalTokens":31}"#);
    for wrong in ["{}", r#"{"totalTokens":[1]}"#, "x", r#"{"error":{}}"#] {
        assert!(google::read_count(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
