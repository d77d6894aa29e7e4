//! Prompts and answers are kept for projects that want it, sealed, and for nobody else.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::form::{form, send};
use crate::program::{Answer, Program, chat};
use crate::upstream::{Script, Upstream, events, of_kind, whole};

const DEFAULT: &str = "/v1/projects/default";
const ASKED: &str = "canary question 4711aa";
const SAID: &str = "canary answer 4712bb";

struct House {
    program: Program,
    upstream: Upstream,
    dir: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Chat);
        program.add_model("mock", &upstream.address.to_string(), None);
        Self { program, upstream, dir }
    }

    fn keep(&self, redact: bool) {
        let wish = json!({ "prompts": { "retention_days": 30, "redact": redact } });
        let admin = self.program.admin_key();
        let edited = self.program.ask("PATCH", DEFAULT, &admin, Some(&wish));
        assert_eq!(edited.status, 200, "{}", edited.body);
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.program.ask("POST", path, self.program.key(), Some(body))
    }

    /// What is kept of the call of this answer.
    fn read(&self, answer: &Answer) -> Answer {
        let path = format!("/v1/calls/{}/prompt", answer.header("x-request-id"));
        self.program.ask("GET", &path, &self.program.admin_key(), None)
    }

    fn kept(&self, answer: &Answer) -> Value {
        let kept = self.read(answer);
        assert_eq!(kept.status, 200, "{}", kept.body);
        kept.json()
    }

    /// Whether a text stands anywhere in the data folder.
    fn is_stored(&self, text: &str) -> bool {
        contains(&self.dir.path().join("data"), text.as_bytes())
    }
}

fn contains(dir: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return contains(&path, text);
        }
        memchr::memmem::find(&std::fs::read(path).unwrap(), text).is_some()
    })
}

fn asking(content: &str, is_stream: bool) -> Value {
    let mut body = chat("mock");
    body["messages"][0]["content"] = content.into();
    body["stream"] = is_stream.into();
    body
}

fn said(content: &str) -> String {
    json!({"id": "c", "choices": [{"index": 0, "message": {"content": content}}]}).to_string()
}

/// A stream that says these pieces.
fn saying(pieces: &[&str]) -> Vec<u8> {
    let event = |piece: &&str| {
        let event = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]});
        format!("data: {event}\n\n")
    };
    let mut all: Vec<String> = pieces.iter().map(event).collect();
    all.push("data: [DONE]\n\n".to_owned());
    events(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn nothing_is_kept_where_nobody_chose_it_and_what_is_kept_is_sealed() {
    let house = House::start();
    let ask = |is_stream| {
        let script = if is_stream { saying(&[SAID]) } else { whole(200, "", &said(SAID)) };
        house.upstream.once(Script::Raw(script));
        let answer = house.post(CHAT, &asking(ASKED, is_stream));
        assert!(answer.status == 200 && answer.body.contains(SAID), "{}", answer.body);
        answer
    };
    for is_stream in [false, true] {
        assert_eq!(house.read(&ask(is_stream)).status, 404);
    }
    assert!(!house.is_stored(ASKED) && !house.is_stored(SAID));
    house.keep(false);
    for is_stream in [false, true] {
        let kept = house.kept(&ask(is_stream));
        let asked: Value = serde_json::from_str(kept["request"]["text"].as_str().unwrap()).unwrap();
        assert_eq!(asked, asking(ASKED, is_stream), "as the client sent it");
        let answered = kept["answer"]["text"].as_str().unwrap();
        let expected = if is_stream { json!({ "content": SAID }).to_string() } else { said(SAID) };
        assert_eq!(answered, expected);
        assert_eq!((&kept["answer"]["is_cut"], &kept["redacted"]), (&json!(false), &json!(false)));
    }
    assert!(!house.is_stored(ASKED) && !house.is_stored(SAID));
    let log = house.program.log();
    assert!(!log.contains(ASKED) && !log.contains(SAID), "{log}");
    assert_eq!(house.program.metric("doorward_prompts_dropped_total"), 0);
}

#[test]
fn what_is_to_be_taken_out_is_not_found_even_where_it_comes_in_pieces() {
    let house = House::start();
    house.keep(true);
    let key = house.program.key().to_owned();
    let text = format!("I am ada@example.com, +49 170 1234567, 4111 1111 1111 1111\n{key}");
    let clean = "I am [email], [phone], [card]\n[key]";
    let pieces: Vec<String> = text.chars().map(String::from).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    for (is_stream, script) in [(false, whole(200, "", &said(&text))), (true, saying(&pieces))] {
        house.upstream.once(Script::Raw(script));
        let answer = house.post(CHAT, &asking(&text, is_stream));
        assert_eq!(answer.status, 200);
        let kept = house.kept(&answer);
        assert_eq!(kept["redacted"], true);
        let asked: Value = serde_json::from_str(kept["request"]["text"].as_str().unwrap()).unwrap();
        assert_eq!(asked, asking(clean, is_stream));
        let answered = kept["answer"]["text"].as_str().unwrap();
        let expected =
            if is_stream { json!({ "content": clean }).to_string() } else { said(clean) };
        assert_eq!(answered, expected);
    }
}

#[test]
fn long_texts_are_cut_and_say_so() {
    let house = House::start();
    house.keep(false);
    let long = "word ".repeat(100_000);
    house.upstream.once(Script::Raw(whole(200, "", &said(&long))));
    let kept = house.kept(&house.post(CHAT, &asking(&long, false)));
    for text in ["request", "answer"] {
        let bytes = kept[text]["text"].as_str().unwrap().len();
        assert_eq!((bytes, &kept[text]["is_cut"]), (64 * 1024, &json!(true)), "{text}");
    }
}

#[test]
fn of_files_only_that_there_were_some_is_kept() {
    let house = House::start();
    house.keep(false);
    let sound = of_kind("audio/mpeg", &[0xff, 0xfb, 0x90, 0x00]);
    house.upstream.once(Script::Raw(sound));
    let body = json!({ "model": "mock", "input": ASKED, "voice": "alloy" });
    let kept = house.kept(&house.post("/v1/audio/speech", &body));
    assert!(kept["request"]["text"].as_str().unwrap().contains(ASKED));
    assert_eq!(kept["answer"], Value::Null);

    house.upstream.once(Script::Raw(whole(200, "", &json!({ "text": SAID }).to_string())));
    let talk = form(&[("model", "mock"), ("prompt", ASKED)], b"ID3 sound");
    let program = &house.program;
    let answer = send(program, "/v1/audio/transcriptions", program.key(), &talk);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let kept = house.kept(&answer);
    assert_eq!(kept["request"], Value::Null);
    assert!(kept["answer"]["text"].as_str().unwrap().contains(SAID));
}

#[test]
fn a_call_that_failed_or_whose_client_left_is_kept_as_far_as_it_came() {
    let house = House::start();
    house.keep(false);
    let refused = r#"{"error":{"message":"canary refusal","type":"x","param":null,"code":null}}"#;
    house.upstream.once(Script::Raw(whole(400, "", refused)));
    let answer = house.post(CHAT, &asking(ASKED, false));
    assert_eq!((answer.status, &*answer.body), (400, refused));
    assert_eq!(house.kept(&answer)["answer"]["text"], refused);

    house.upstream.once(Script::Raw(b"garbage\r\n\r\n".to_vec()));
    let answer = house.post(CHAT, &asking(ASKED, false));
    assert_eq!(answer.status, 502);
    assert_eq!(house.kept(&answer)["answer"]["text"], answer.body, "our own words");

    let unknown = house.post(CHAT, &chat("no-such-model"));
    assert_eq!((unknown.status, house.read(&unknown).status), (404, 404), "it never left");

    house.upstream.once(Script::Hang(2));
    let stream = ureq::post(format!("{}{CHAT}", house.program.url))
        .header("authorization", format!("Bearer {}", house.program.key()))
        .send(asking(ASKED, true).to_string().as_bytes())
        .unwrap();
    let id = stream.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut stream = stream.into_body().into_reader();
    stream.read_exact(&mut [0; 16]).unwrap();
    drop(stream);
    house.program.await_settled();
    let path = format!("/v1/calls/{id}/prompt");
    let kept = house.program.ask("GET", &path, &house.program.admin_key(), None);
    assert_eq!(kept.status, 200, "{}", kept.body);
    let answered = kept.json()["answer"]["text"].as_str().unwrap().to_owned();
    assert!(answered.contains(" token"), "{answered}");
}

#[test]
fn the_command_line_turns_it_on_and_off_and_shows_a_call() {
    let house = House::start();
    let said_by = |args: &[&str]| {
        let output = house.program.cli(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said_by(&["projects", "show", "default"]).contains("not kept"));
    let shown = said_by(&["projects", "edit", "default", "--store-prompts", "30d", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["prompts"], json!({ "retention_days": 30, "redact": true }));
    assert!(said_by(&["projects", "show", "default"]).contains("kept for 30 days, redacted"));
    let answer = house.post(CHAT, &asking(ASKED, false));
    let shown = said_by(&["calls", "show", answer.header("x-request-id")]);
    assert!(shown.contains(ASKED) && shown.contains("Hello."), "{shown}");

    said_by(&["projects", "edit", "default", "--store-prompts", "off"]);
    let answer = house.post(CHAT, &asking(ASKED, false));
    assert_eq!(house.read(&answer).status, 404);
    for wrong in ["0d", "366d", "on", "-1"] {
        let args = ["projects", "edit", "default", "--store-prompts", wrong];
        assert!(!house.program.cli(&args).status.success(), "{wrong}");
    }
}
