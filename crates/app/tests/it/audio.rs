//! `POST /v1/audio/speech`, `/v1/audio/transcriptions` and `/v1/audio/translations`.

use serde_json::{Value, json};

use crate::form::{form, kind, send};
use crate::program::{Answer, Program};
use crate::raw::Wire;
use crate::upstream::{Script, Upstream, events, of_kind, whole};

const SPEECH: &str = "/v1/audio/speech";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const TRANSLATIONS: &str = "/v1/audio/translations";

struct House {
    program: Program,
    upstream: Upstream,
    provider: String,
    _dir: tempfile::TempDir,
}

impl House {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let upstream = Upstream::start(Script::Chat);
        let provider = program.add_provider("mock", &upstream.address.to_string());
        Self { program, upstream, provider, _dir: dir }
    }

    fn add(&self, model: &str, price: &Value) {
        let on = json!([{"provider": self.provider, "upstream_model": "upstream-1"}]);
        self.program.add_priced(model, price, &on);
    }

    fn speak(&self, body: &str, answer: Vec<u8>) -> Answer {
        self.upstream.once(Script::Raw(answer));
        let headers = [("authorization", format!("Bearer {}", self.program.key()))];
        self.program.send("POST", SPEECH, &headers, Some(body.as_bytes()))
    }

    fn write_down(&self, path: &str, body: &[u8], answer: Vec<u8>) -> Answer {
        self.upstream.once(Script::Raw(answer));
        send(&self.program, path, self.program.key(), body)
    }

    fn cost(&self, model: &str) -> String {
        self.program.usage(model)["cost_usd"].as_str().unwrap_or_default().to_owned()
    }
}

/// A model, its price, a file, the provider's answer, and what that costs in millionths of a dollar.
type Written<'a> = (&'a str, &'a Value, Vec<u8>, Vec<u8>, usize);

/// The texts of a form.
type Texts = &'static [(&'static str, &'static str)];

/// Every byte there is, often: more than comes in one piece.
fn noise() -> Vec<u8> {
    (0..=255_u8).cycle().take(300_000).collect()
}

/// A second of sound as telephones have it.
fn wav() -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0\0".to_vec();
    file.extend(noise().iter().take(16_000));
    file
}

/// Millionths of a dollar as they are told.
fn dollars(millionths: usize) -> String {
    let text = format!("0.{millionths:06}");
    text.trim_end_matches('0').to_owned()
}

#[test]
fn speech_passes_byte_for_byte_and_costs_its_characters() {
    let house = House::start();
    house.add("voice", &json!({"characters_1m": "15"}));
    let asked =
        r#"{ "voice":"alloy","input" : "Gr\u00fc\u00dfe, Welt 👋", "model":"voice","speed":1.0 }"#;
    for kind in ["audio/mpeg", "audio/wav", "application/octet-stream", "audio/L16; rate=24000"] {
        let got = house.speak(asked, of_kind(kind, &noise()));
        assert_eq!((got.status, got.header("content-type")), (200, kind));
        assert!(got.bytes == noise(), "{kind}: {} bytes", got.bytes.len());
        assert_eq!(got.header("content-length"), "300000");
    }
    let seen = house.upstream.seen().pop().unwrap();
    assert!(seen.head.starts_with("POST /v1/audio/speech HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, asked.replace("\"voice\",\"speed", "\"upstream-1\",\"speed"));
    assert_eq!(house.cost("voice"), dollars(4 * 13 * 15));
}

#[test]
fn speech_in_events_passes_untouched_and_costs_the_tokens_that_the_last_one_tells() {
    let house = House::start();
    house.add("voice", &json!({"input": "1", "output": "12"}));
    let delta =
        "event: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio\":\"AAEC\"}\n\n";
    let done = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":4,\"output_tokens\":101,\"total_tokens\":105}}\n\n";
    let asked = r#"{"model":"voice","input":"Hello.","stream_format":"sse"}"#;
    let got = house.speak(asked, events(&[delta, delta, done]));
    assert_eq!((got.status, got.body), (200, format!("{delta}{delta}{done}")));
    assert_eq!(house.cost("voice"), dollars(4 + 101 * 12));
    // Without events nobody tells: five letters are five tokens each at most, and a sign is twenty.
    let asked = r#"{"model":"voice","input":"Hello."}"#;
    let got = house.speak(asked, of_kind("audio/mpeg", &noise()));
    assert_eq!(got.status, 200);
    let estimate = asked.len().div_ceil(3) + (5 * 5 + 20) * 12;
    assert_eq!(house.cost("voice"), dollars(4 + 101 * 12 + estimate));
}

#[test]
fn speech_that_breaks_off_breaks_off_for_the_client_and_is_owed_in_full() {
    let house = House::start();
    house.add("voice", &json!({"characters_1m": "15"}));
    let body = r#"{"model":"voice","input":"Hello."}"#;
    let request = format!(
        "POST {SPEECH} HTTP/1.1\r\nhost: doorward\r\nx-api-key: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        house.program.key(),
        body.len()
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n";
    let cut = format!("{head}5\r\nsound\r\n");
    house.upstream.once(Script::Stall(cut.clone().into_bytes()));
    let mut wire = Wire::to(&house.program);
    wire.send(&request);
    let begun = wire.read_until("sound");
    assert!(begun.starts_with("HTTP/1.1 200"), "{begun}");
    house.upstream.release();
    let rest = wire.rest();
    assert!(!rest.contains("0\r\n\r\n"), "it must not look like an end: {rest}");
    let usage = house.program.usage("voice");
    assert_eq!((&usage["errors"], &usage["cost_usd"]), (&json!(1), &json!(dollars(6 * 15))));

    // A client that leaves ends it, and owes as much.
    house.upstream.hold();
    house.upstream.once(Script::Stall(cut.into_bytes()));
    let mut wire = Wire::to(&house.program);
    wire.send(&request);
    wire.read_until("sound");
    drop(wire);
    house.program.await_settled();
    let usage = house.program.usage("voice");
    assert_eq!((&usage["errors"], &usage["cost_usd"]), (&json!(1), &json!(dollars(2 * 6 * 15))));
}

#[test]
fn what_is_no_speech_is_a_502_and_is_not_passed_on() {
    let house = House::start();
    house.add("voice", &json!({"characters_1m": "15"}));
    let asked = r#"{"model":"voice","input":"Hello."}"#;
    for answer in [
        of_kind("text/html", b"<html>words</html>"),
        of_kind("text/plain", b"words"),
        of_kind("application/json", b"{\"words\":1}"),
        of_kind("audio/mpeg", b""),
        whole(200, "content-type: audio/mpeg\r\ncontent-encoding: gzip\r\n", "words"),
        b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 9\r\n\r\n".to_vec(),
    ] {
        let got = house.speak(asked, answer);
        assert_eq!(got.status, 502, "{}", got.body);
        assert_eq!(got.json()["error"]["code"], "upstream_unavailable");
        assert!(!got.body.contains("words"), "{}", got.body);
    }
}

#[test]
fn a_form_passes_byte_for_byte_but_for_the_upstreams_name_of_the_model() {
    let house = House::start();
    house.add("writer", &json!({"audio_hour": "0.36"}));
    let texts = |model| {
        form(
            &[
                ("language", "de"),
                ("model", model),
                ("prompt", "Namen: Ada, Grüße\r\nund --d9"),
                ("temperature", "0"),
            ],
            &noise(),
        )
    };
    for path in [TRANSCRIPTIONS, TRANSLATIONS] {
        let said = r#"{"text" :"Hallo.", "usage":{"type":"duration","seconds":9}}"#;
        let got = house.write_down(path, &texts("writer"), whole(200, "", said));
        assert_eq!((got.status, got.body.as_str()), (200, said));
        let seen = house.upstream.seen().pop().unwrap();
        assert!(seen.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", seen.head);
        let kinds: Vec<&str> = seen
            .head
            .lines()
            .filter(|line| line.to_lowercase().starts_with("content-type"))
            .collect();
        assert_eq!(kinds, [format!("content-type: {}", kind())]);
        assert!(seen.bytes == texts("upstream-1"), "{}", seen.body.get(..500).unwrap());
    }
    // 18 seconds at 36 cents an hour.
    assert_eq!(house.cost("writer"), "0.0018");
}

#[test]
fn what_is_written_down_costs_what_the_answer_tells_else_the_length_of_the_file_else_the_most_it_can_be()
 {
    let house = House::start();
    let hours = json!({"audio_hour": "3.6"});
    let tokens = json!({"input": "1", "input_audio": "6", "output": "10"});
    let said = |text: &str| whole(200, "", text);
    let text = |kind: &str| of_kind(kind, b"Hello.\n");
    let done = |usage: &str| {
        events(&[
            "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello.\"}\n\n",
            &format!(
                "data: {{\"type\":\"transcript.text.done\",\"text\":\"Hello.\",\"usage\":{usage}}}\n\n"
            ),
        ])
    };
    let told = r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59}"#;
    let mp3 = vec![0xff; 2_500];
    // MP3: frames of 24 milliseconds.
    let packed = [&[0xff, 0xf3, 0x24, 0][..], &[0; 44]].concat().repeat(50);
    #[rustfmt::skip]
    let cases: Vec<Written<'_>> = vec![
        // model          price     file         answer                                                      millionths
        ("told",          &hours,   mp3.clone(), said(r#"{"text":"a","usage":{"type":"duration","seconds":3}}"#), 3_000),
        ("verbose",       &hours,   mp3.clone(), said(r#"{"duration":1.25,"text":"a"}"#),                    1_250),
        ("as-text",       &hours,   mp3.clone(), said(r#"{"duration":"1.25","text":"a"}"#),                  1_250),
        ("of-wav",        &hours,   wav(),       text("text/plain; charset=utf-8"),                          1_000),
        ("of-wav-vtt",    &hours,   wav(),       text("text/vtt"),                                           1_000),
        ("bound",         &hours,   mp3.clone(), text("text/plain"),                                         2_500),
        ("bound-json",    &hours,   mp3.clone(), said(r#"{"text":"a"}"#),                                    2_500),
        ("zero",          &hours,   mp3.clone(), said(r#"{"text":"a","usage":{"type":"duration","seconds":0}}"#), 0),
        ("packed",        &hours,   packed,      text("text/plain"),                                         1_200),
        ("silence",       &hours,   wav(),       of_kind("text/plain", b""),                                 1_000),
        ("tokens",        &tokens,  mp3.clone(), said(&format!(r#"{{"text":"a","usage":{told}}}"#)),         4 + 60 + 450),
        ("tokens-sse",    &tokens,  mp3.clone(), done(told),                                                 4 + 60 + 450),
        ("seconds",       &tokens,  mp3.clone(), said(r#"{"text":"a","usage":{"type":"duration","seconds":3}}"#), 3 + 30 * 6 + 300),
        ("heard",         &tokens,  wav(),       text("text/plain"),                                         2 + 10 * 6 + 100),
        ("free",          &Value::Null, mp3,     text("text/plain"),                                         0),
    ];
    for (model, price, file, answer, millionths) in cases {
        let price = if price.is_null() { &json!("free") } else { price };
        house.add(model, price);
        let body = form(&[("model", model)], &file);
        let got = house.write_down(TRANSCRIPTIONS, &body, answer);
        assert_eq!(got.status, 200, "{model}: {}", got.body);
        // The only text of the form is the name of the model, of which three bytes are a token.
        let cost = house.cost(model);
        let expected = if millionths == 0 { "0.00".to_owned() } else { dollars(millionths) };
        assert_eq!(cost, expected, "{model}: {}", house.program.usage(model));
    }
}

#[test]
fn a_stream_of_a_transcript_that_is_cut_ends_with_an_error_and_is_billed_at_its_bound() {
    let house = House::start();
    house.add("writer", &json!({"audio_hour": "3.6"}));
    let delta = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello.\"}\n\n";
    let body = form(&[("model", "writer"), ("stream", "true")], &[0xff; 2_500]);
    let got = house.write_down(TRANSCRIPTIONS, &body, events(&[delta]));
    assert!(got.body.starts_with(delta) && got.body.contains("\"error\""), "{}", got.body);
    assert_eq!(house.cost("writer"), dollars(2_500));
}

#[test]
fn what_has_no_price_is_refused_by_what_it_is_sold_by() {
    let house = House::start();
    house.add("pictures", &json!({"image": "0.04"}));
    let asked = json!({"model": "pictures", "input": "a", "query": "a", "documents": ["a"]});
    let key = house.program.key();
    for (path, what) in
        [(SPEECH, "characters"), ("/v1/rerank", "ranking units"), ("/v1/moderations", "tokens")]
    {
        let refused = house.program.ask("POST", path, key, Some(&asked));
        assert_unpriced(&refused, what);
    }
    let refused = send(&house.program, TRANSCRIPTIONS, key, &form(&[("model", "pictures")], b"a"));
    assert_unpriced(&refused, "hours of sound");
    assert!(house.upstream.seen().is_empty());
}

fn assert_unpriced(refused: &Answer, what: &str) {
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(refused.json()["error"]["code"], "model_not_priced");
    let says = format!("no price for {what},");
    assert!(refused.body.contains(&says), "{}", refused.body);
}

#[test]
fn a_budget_holds_the_most_that_a_file_can_be_long() {
    let house = House::start();
    house.add("writer", &json!({"audio_hour": "3.6"}));
    let body = form(&[("model", "writer")], &[0xff; 2_500]);
    let said = whole(200, "", r#"{"text":"a","usage":{"type":"duration","seconds":1}}"#);
    for (usd, status) in [("0.002499", 429), ("0.0025", 200)] {
        let wish = json!({"name": usd, "budgets": [{"usd": usd, "period": "total"}]});
        let key = house.program.make_key(&wish);
        house.upstream.then(Script::Raw(said.clone()));
        let got = send(&house.program, TRANSCRIPTIONS, &key, &body);
        assert_eq!(got.status, status, "{usd}: {}", got.body);
    }
    assert_eq!(house.cost("writer"), dollars(1_000));
}

#[test]
fn a_form_may_be_larger_than_json_and_no_larger_than_its_own_bound() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = [
        ("DOORWARD__GATEWAY__BODY_BYTES_MAX", "65536"),
        ("DOORWARD__GATEWAY__UPLOAD_BYTES_MAX", "131072"),
    ];
    let program = Program::start_with(dir.path(), &[], &bounds);
    for (bytes, status) in [(100_000, 200), (131_072, 413)] {
        let body = form(&[("model", "doorward/echo")], &vec![0xff; bytes]);
        let got = send(&program, TRANSCRIPTIONS, program.key(), &body);
        assert_eq!(got.status, status, "{}", got.body);
    }
    // Twice as many bytes without a length told.
    let body = form(&[("model", "doorward/echo")], &vec![0xff; 262_144]);
    let mut wire = Wire::to(&program);
    wire.send(format!(
        "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: doorward\r\nx-api-key: {}\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        program.key(),
        kind()
    ));
    wire.send(format!("{:x}\r\n", body.len()));
    wire.send(&body);
    wire.send("\r\n0\r\n\r\n");
    assert_eq!(wire.answer().status, 413);
}

#[test]
fn the_built_in_provider_speaks_in_silence_and_writes_down_what_a_file_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let key = program.key();
    let body = json!({"model": "doorward/echo", "input": "Hello.", "voice": "alloy"});
    let speech = program.ask("POST", SPEECH, key, Some(&body));
    assert_eq!((speech.status, speech.header("content-type")), (200, "audio/wav"));
    assert!(speech.bytes.starts_with(b"RIFF") && speech.bytes.len() == 44 + 6 * 160);
    let body = json!({"model": "doorward/echo", "input": "Hello.", "stream_format": "sse"});
    let speech = program.ask("POST", SPEECH, key, Some(&body));
    assert!(speech.body.contains("speech.audio.done"), "{}", speech.body);

    let said = "talk.mp3, 5 bytes.";
    #[rustfmt::skip]
    let cases: [(Texts, &str, &str); 6] = [
        (&[],                                    "application/json",           r#""text":"talk.mp3, 5 bytes.""#),
        (&[("response_format", "verbose_json")], "application/json",           r#""duration":1"#),
        (&[("response_format", "text")],         "text/plain; charset=utf-8",  said),
        (&[("response_format", "srt")],          "text/plain; charset=utf-8",  "00:00:00,000 -->"),
        (&[("response_format", "vtt")],          "text/plain; charset=utf-8",  "WEBVTT"),
        (&[("stream", "true")],                  "text/event-stream; charset=utf-8", "transcript.text.done"),
    ];
    for (texts, kind, expected) in cases {
        let texts = [&[("model", "doorward/echo")], texts].concat();
        let got = send(&program, TRANSCRIPTIONS, key, &form(&texts, b"sound"));
        assert_eq!((got.status, got.header("content-type")), (200, kind), "{}", got.body);
        assert!(got.body.contains(expected) && got.body.contains(said), "{}", got.body);
    }
    let odd = form(&[("model", "doorward/echo"), ("response_format", "odd")], b"sound");
    let got = send(&program, TRANSLATIONS, key, &odd);
    assert_eq!(got.status, 400, "{}", got.body);
    assert!(got.body.contains("`response_format`"), "{}", got.body);
}
