//! What is wrong with a request is told in the dialect of its route, on every route, before anybody is asked.

use serde_json::{Value, json};

use crate::form::{self, form};
use crate::program::{Answer, Program};
use crate::upstream::{Script, Upstream};

/// A route, and a good body for it.
struct Good {
    path: &'static str,
    speech: Speech,
    body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    OpenAi,
    Anthropic,
    Google,
}

impl Speech {
    /// The status and the word that an error has in its own shape, and what it says.
    fn read(self, answer: &Answer) -> (u16, String, String) {
        let body = answer.json();
        let error = &body["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Self::OpenAi => {
                let members = ["message", "type", "param", "code"];
                assert!(members.iter().all(|member| error.get(member).is_some()), "{body}");
                (answer.status, text(&error["type"]), text(&error["message"]))
            }
            Self::Anthropic => {
                assert_eq!(body["type"], "error", "{body}");
                assert_eq!(body["request_id"], answer.header("request-id"), "{body}");
                (answer.status, text(&error["type"]), text(&error["message"]))
            }
            Self::Google => {
                assert_eq!(error["code"], answer.status, "{body}");
                (answer.status, text(&error["status"]), text(&error["message"]))
            }
        }
    }

    /// The word for each status that bad input has.
    const fn word(self, status: u16) -> &'static str {
        match (self, status) {
            (Self::Anthropic, 404) => "not_found_error",
            (Self::Anthropic, 413) => "request_too_large",
            (Self::OpenAi | Self::Anthropic, _) => "invalid_request_error",
            (Self::Google, 404) => "NOT_FOUND",
            (Self::Google, _) => "INVALID_ARGUMENT",
        }
    }
}

fn routes() -> Vec<Good> {
    use Speech::{Anthropic, Google, OpenAi};
    let turns = json!([{"role": "user", "content": "Hi"}]);
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    #[rustfmt::skip]
    let routes = [
        ("/v1/chat/completions",                    OpenAi,    json!({"model": "served", "messages": turns})),
        ("/v1/completions",                         OpenAi,    json!({"model": "served", "prompt": "Hi"})),
        ("/v1/embeddings",                          OpenAi,    json!({"model": "served", "input": "Hi"})),
        ("/v1/responses",                           OpenAi,    json!({"model": "served", "input": "Hi"})),
        ("/v1/inference",                           OpenAi,    json!({"model": "served", "prompt": "Hi"})),
        ("/v1/moderations",                         OpenAi,    json!({"model": "served", "input": "Hi"})),
        ("/v1/images/generations",                  OpenAi,    json!({"model": "served", "prompt": "Hi"})),
        ("/v1/audio/speech",                        OpenAi,    json!({"model": "served", "input": "Hi", "voice": "alloy"})),
        ("/v1/rerank",                              OpenAi,    json!({"model": "served", "query": "Hi", "documents": ["Hi"]})),
        ("/v1/messages",                            Anthropic, json!({"model": "served", "messages": turns, "max_tokens": 9})),
        ("/v1/messages/count_tokens",               Anthropic, json!({"model": "served", "messages": turns})),
        ("/v1beta/models/served:generateContent",   Google,    json!({"contents": contents})),
        ("/v1beta/models/served:streamGenerateContent?alt=sse", Google, json!({"contents": contents})),
        ("/v1beta/models/served:countTokens",       Google,    json!({"contents": contents})),
        ("/v1beta/models/served:embedContent",      Google,    json!({"content": {"parts": [{"text": "Hi"}]}})),
        ("/v1beta/models/served:batchEmbedContents", Google,   json!({"requests": []})),
    ];
    routes.into_iter().map(|(path, speech, body)| Good { path, speech, body }).collect()
}

impl Good {
    fn send(&self, program: &Program, kind: &str, body: &[u8]) -> Answer {
        send_to(program, self.path, kind, body)
    }

    fn assert_refused(&self, answer: &Answer, status: u16, says: &str) {
        let (found, word, message) = self.speech.read(answer);
        let path = self.path;
        assert_eq!((found, &*word), (status, self.speech.word(status)), "{path}: {}", answer.body);
        assert!(message.contains(says), "{path}: {message}");
    }
}

fn send_to(program: &Program, path: &str, kind: &str, body: &[u8]) -> Answer {
    let key = ("authorization", format!("Bearer {}", program.key()));
    program.send_as(path, &[key, ("content-type", kind.to_owned())], body)
}

/// The routes that take a file.
const FORMS: [&str; 2] = ["/v1/audio/transcriptions", "/v1/audio/translations"];

const JSON: &str = "application/json";

#[test]
fn every_route_refuses_what_is_no_request_in_its_own_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let program =
        Program::start_with(dir.path(), &[], &[("DOORWARD__GATEWAY__BODY_BYTES_MAX", "65536")]);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("served", &upstream.address.to_string(), Some(("1", "2")));
    for good in routes() {
        let body = good.body.to_string();
        for malformed in ["", "{", "[]", "\"a\"", "{\"model\":\"served\"", "\u{0}"] {
            let answer = good.send(&program, JSON, malformed.as_bytes());
            good.assert_refused(&answer, 400, "JSON object");
        }
        let answer = good.send(&program, JSON, b"{\"model\":\"served\",\"x\":\"\xff\"}");
        good.assert_refused(&answer, 400, "UTF-8");
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(70_000));
        good.assert_refused(&good.send(&program, JSON, large.as_bytes()), 413, "larger than");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
        {
            let answer = good.send(&program, kind, body.as_bytes());
            good.assert_refused(&answer, 415, "application/json");
        }
        let path = good.path.replace("served", "none");
        let unknown = body.replace("served", "none");
        let answer = send_to(&program, &path, JSON, unknown.as_bytes());
        good.assert_refused(&answer, 404, "model");
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = program.ask(method, good.path, program.key(), None);
            good.assert_refused(&answer, 405, "POST");
            assert_eq!(answer.header("allow"), "POST", "{method} {}", good.path);
        }
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(program.usage("served"), Value::Null, "nobody pays for what nobody was asked");
}

#[test]
fn every_route_names_the_field_of_the_wrong_type_and_what_cannot_be_done() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let upstream = Upstream::start(Script::Chat);
    let address = upstream.address.to_string();
    for (name, kind) in [("openai", "openai-compatible"), ("anthropic", "anthropic")] {
        let provider = program.add_provider_of(kind, name, &address, None);
        program.add_deployed(name, Some(("1", "2")), &json!([{"provider": provider}]));
    }
    #[rustfmt::skip]
    let cases = [
        // route                                       member and value                                    says
        ("/v1/chat/completions",                       json!({"model": 5}),                                "`model`"),
        ("/v1/chat/completions",                       json!({"stream": "yes"}),                           "`stream`"),
        ("/v1/chat/completions",                       json!({"max_tokens": -1}),                          "`max_tokens`"),
        ("/v1/chat/completions",                       json!({"model": "anthropic", "messages": 5}),       "`messages`"),
        ("/v1/chat/completions",                       json!({"model": "anthropic", "logit_bias": {"1": 2}}), "`logit_bias`"),
        ("/v1/completions",                            json!({"model": "openai", "best_of": 999}),         "`best_of`"),
        ("/v1/completions",                            json!({"model": "anthropic", "prompt": "Hi"}),      "no route"),
        ("/v1/embeddings",                             json!({"model": "anthropic", "input": "Hi"}),       "no route"),
        ("/v1/responses",                              json!({"model": "openai", "background": true}),     "`background`"),
        ("/v1/responses",                              json!({"model": "anthropic", "input": 5}),          "`input`"),
        ("/v1/responses",                              json!({"model": "anthropic", "tools": [{"type": "web_search"}]}), "searches of the web"),
        ("/v1/inference",                              json!({"model": "openai", "prompt": 5}),            "`prompt`"),
        ("/v1/inference",                              json!({"model": "openai", "images": []}),           "`images`"),
        ("/v1/moderations",                            json!({"model": null}),                             "`model`"),
        ("/v1/moderations",                            json!({"model": "anthropic"}),                      "no route"),
        ("/v1/images/generations",                     json!({"n": "two"}),                                "`n`"),
        ("/v1/images/generations",                     json!({"N": 2}),                                    "`n`"),
        ("/v1/images/generations",                     json!({"stream": 1}),                               "`stream`"),
        ("/v1/images/generations",                     json!({"partial_images": -1}),                      "`partial_images`"),
        ("/v1/images/generations",                     json!({"model": "anthropic"}),                      "no route"),
        ("/v1/audio/speech",                           json!({"input": 5}),                                "`input`"),
        ("/v1/audio/speech",                           json!({"Input": "Hello"}),                          "`input`"),
        ("/v1/audio/speech",                           json!({"model": "anthropic"}),                      "no route"),
        ("/v1/rerank",                                 json!({"documents": "Hi"}),                         "`documents`"),
        ("/v1/rerank",                                 json!({"model": "anthropic"}),                      "no route"),
        ("/v1/messages",                               json!({"model": "openai", "max_tokens": "9"}),      "`max_tokens`"),
        ("/v1/messages",                               json!({"model": "openai", "container": "c"}),       "`container`"),
        ("/v1/messages/count_tokens",                  json!({"model": "openai"}),                         "no route"),
        ("/v1beta/models/openai:generateContent",      json!({"contents": 5}),                             "`contents`"),
        ("/v1beta/models/openai:generateContent",      json!({"generationConfig": {"topK": "a"}}),         "topK"),
        ("/v1beta/models/openai:generateContent",      json!({"tools": [{"googleSearch": {}}]}),           "searches of the web"),
        ("/v1beta/models/openai:streamGenerateContent", json!({"cachedContent": "c/1"}),                   "cachedContent"),
        ("/v1beta/models/openai:countTokens",          json!({}),                                          "no route"),
        ("/v1beta/models/openai:embedContent",         json!({"content": 5}),                              "`content`"),
        ("/v1beta/models/anthropic:batchEmbedContents", json!({}),                                         "no route"),
    ];
    for (path, members, says) in cases {
        let all = routes();
        let plain = path.replace("openai", "served").replace("anthropic", "served");
        let good = all.iter().find(|good| good.path.split('?').next().unwrap() == plain).unwrap();
        let mut body = good.body.clone();
        if body.get("model").is_some() {
            body["model"] = json!("openai");
        }
        for (member, value) in members.as_object().unwrap() {
            body[member] = value.clone();
        }
        let answer = send_to(&program, path, JSON, body.to_string().as_bytes());
        good.assert_refused(&answer, 400, says);
    }
    assert!(upstream.seen().is_empty());
}

/// Forms that no route takes, the status of their refusals, and what that says.
fn bad_forms(good: &[u8]) -> Vec<(Vec<u8>, u16, &'static str)> {
    let model = ("model", "served");
    let text = String::from_utf8(good.to_vec()).unwrap();
    let bytes = |text: String| text.into_bytes();
    #[rustfmt::skip]
    let forms = vec![
        (Vec::new(),                                              400, "boundary"),
        (b"{\"model\":\"served\"}".to_vec(),                     400, "boundary"),
        (good[..good.len() - 4].to_vec(),                         400, "boundary"),
        (good[..good.len() - 6].to_vec(),                         400, "`file` has no end"),
        (good[..good.len() - 24].to_vec(),                        400, "`file` has no end"),
        (bytes(text.replace("\r\n\r\n", "\n\n")),               400, "head of a part"),
        (bytes(text.replace("name=\"model\"", "x=\"y\"")),        400, "disposition"),
        (bytes(text.replace("name=\"model\"", "name=\"modal\"")), 400, "`model` of the form is required"),
        (bytes(text.replace("name=\"model\"", "name=\"Model\"")), 400, "`model` of the form must be spelled"),
        (bytes(text.replace("name=\"model\"", "name=\"model\"; filename=\"m\"")), 400, "`model` of the form must be text"),
        (form(&[model, model], b"sound"),                         400, "`model` of the form stands twice"),
        (form(&[("model", "")], b"sound"),                        400, "`model` must have 1 to 200 bytes"),
        (form(&[model], b""),                                     400, "`file` of the form must not be empty"),
        (bytes(text.replace("; filename=\"talk.mp3\"", "")),      400, "`file` of the form must be a file"),
        (bytes(text.replace("name=\"file\"", "name=\"data\"")),   400, "`file` of the form is required"),
        (form(&[model, ("stream", "5")], b"sound"),               400, "`stream` of the form must be true or false"),
        (form(&[("model", "none")], b"sound"),                    404, "model"),
        (form(&[("model", "anthropic")], b"sound"),               400, "no route"),
        (form(&[model], &vec![0; 70_000]),                        413, "larger than"),
    ];
    forms
}

#[test]
fn every_route_that_takes_a_file_refuses_what_is_no_such_form_and_names_the_part() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = [("DOORWARD__GATEWAY__UPLOAD_BYTES_MAX", "65536")];
    let program = Program::start_with(dir.path(), &[], &bounds);
    let upstream = Upstream::start(Script::Chat);
    program.add_model("served", &upstream.address.to_string(), Some(("1", "2")));
    let anthropic = program.add_provider_of("anthropic", "a", &upstream.address.to_string(), None);
    program.add_deployed("anthropic", Some(("1", "2")), &json!([{"provider": anthropic}]));
    let good = form(&[("model", "served")], b"sound");
    let cases = bad_forms(&good);
    for path in FORMS {
        let refused = |answer: &Answer, status: u16, says: &str| {
            let (found, word, message) = Speech::OpenAi.read(answer);
            assert_eq!(
                (found, &*word),
                (status, "invalid_request_error"),
                "{path}: {}",
                answer.body
            );
            assert!(message.contains(says), "{path} {says}: {message}");
        };
        for (body, status, says) in &cases {
            refused(&form::send(&program, path, program.key(), body), *status, says);
        }
        for kind in [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/mixed; boundary=x",
            "x",
        ] {
            refused(&send_to(&program, path, kind, &good), 415, "multipart/form-data");
        }
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a b",
        ] {
            refused(&send_to(&program, path, kind, &good), 400, "`boundary`");
        }
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = program.ask(method, path, program.key(), None);
            refused(&answer, 405, "POST");
            assert_eq!(answer.header("allow"), "POST", "{method} {path}");
        }
        let answer = program.send_as(path, &[("content-type", form::kind())], &good);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (401, &json!("invalid_api_key"))
        );
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(program.usage("served"), Value::Null, "nobody pays for what nobody was asked");
}
