//! Where clients put their key, and what is refused before anything is looked up.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use doorward_domain::credential::PlainKey;
use serde_json::json;

use crate::program::{Program, chat};
use crate::raw::Wire;

const LOOKUPS: &str = "doorward_key_lookups_total";

type Header = (&'static str, String);

/// Every way to present a key.
fn spellings(key: &str) -> Vec<Header> {
    let (id, secret) = key.rsplit_once('_').unwrap();
    let pair = format!("{id}:{secret}");
    vec![
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("authorization", format!("Bearer {pair}")),
        ("authorization", format!("Basic {}", STANDARD.encode(&pair))),
        ("authorization", format!("basic {}", STANDARD_NO_PAD.encode(&pair))),
        ("authorization", format!("Basic {}", URL_SAFE.encode(&pair))),
        ("authorization", format!("Basic {}", URL_SAFE_NO_PAD.encode(&pair))),
        ("x-api-key", key.to_owned()),
        ("x-api-key", pair.clone()),
        ("api-key", key.to_owned()),
        ("api-key", pair.clone()),
        ("x-goog-api-key", key.to_owned()),
        ("x-goog-api-key", pair),
    ]
}

#[test]
fn every_spelling_in_every_place_makes_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let body = chat("doorward/echo").to_string();
    for header in spellings(program.key()) {
        let headers = std::slice::from_ref(&header);
        let call = program.send("POST", "/v1/chat/completions", headers, Some(body.as_bytes()));
        assert_eq!(call.status, 200, "{header:?}: {}", call.body);
        let text = &call.json()["choices"][0]["message"]["content"];
        assert_eq!(text, "Say hello.", "{header:?}");
        assert_eq!(program.send("GET", "/v1/models", headers, None).status, 200, "{header:?}");
    }
}

#[test]
fn one_key_in_several_places_counts_once_and_two_keys_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let other = program.make_key(&json!({"name": "other"}));
    let mut wire = Wire::to(&program);
    for first in spellings(program.key()) {
        for second in spellings(program.key()).into_iter().filter(|second| second.0 != first.0) {
            let both = [first.clone(), second];
            assert_eq!(wire.get("/v1/models", &both).status, 200, "{both:?}");
        }
        let others = spellings(&other).into_iter().chain([("x-api-key", "garbage".to_owned())]);
        for second in others.filter(|second| second.0 != first.0) {
            let both = [first.clone(), second];
            let refused = wire.get("/v1/models", &both);
            assert_eq!(refused.status, 400, "{both:?}");
            let says = refused.json()["error"]["message"].to_string();
            assert!(says.contains("more than one API key"), "{both:?}: {says}");
        }
    }
}

#[test]
fn a_key_in_the_query_string_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    for name in ["key", "api_key", "access_token", "x-api-key"] {
        let path = format!("/v1/models?{name}={}", program.key());
        let refused = program.send("GET", &path, &[], None);
        assert_eq!(refused.status, 401, "{name}");
        assert!(!program.log().contains(program.key()), "{name}");
    }
}

#[test]
fn ten_thousand_random_credentials_are_refused_without_a_database_read() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let mut random = Random(0x0dd0_12a2);
    let mut wire = Wire::to(&program);
    let before = program.metric(LOOKUPS);
    for _ in 0..10_000 {
        let header = random.credential();
        let refused = wire.get("/v1/models", std::slice::from_ref(&header));
        assert_eq!(refused.status, 401, "{header:?}: {}", refused.body);
        let says = refused.json()["error"]["message"].to_string();
        assert!(says.contains("API key"), "{header:?}: {says}");
    }
    assert_eq!(program.metric(LOOKUPS), before);

    // The figure is alive: a checksum that is right is looked up.
    let unknown = random.key();
    assert_eq!(wire.get("/v1/models", &[("x-api-key", unknown)]).status, 401);
    assert_eq!(program.metric(LOOKUPS), before + 1);
}

/// Repeatable random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn text(&mut self, alphabet: &[u8], len: usize) -> String {
        (0..len).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    /// A well-formed key that nobody ever made.
    fn key(&mut self) -> String {
        let key = PlainKey::mint(&"dw".parse().unwrap(), || self.next().to_be_bytes()[0]);
        key.expose().as_str().to_owned()
    }

    /// A well-formed key with one character of access key, secret or checksum changed.
    fn mistyped_key(&mut self) -> String {
        let mut key = self.key().into_bytes();
        let at = 3 + self.below(key.len() - 3);
        key[at] = match key[at] {
            b'_' => b'-',
            b'0' => b'1',
            _ => b'0',
        };
        String::from_utf8(key).unwrap()
    }

    fn credential(&mut self) -> Header {
        const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let printable: Vec<u8> = (b' '..=b'~').collect();
        let (access, secret) = (self.text(BASE62, 16), self.text(BASE62, 49));
        let any_len = 1 + self.below(100);
        let text = match self.below(6) {
            0 => self.mistyped_key(),
            1 => format!("dw_{access}_{secret}"),
            2 => format!("dw_{access}:{secret}"),
            3 => self.text(BASE62, any_len),
            4 => format!("sk-{}", self.text(BASE62, 48)),
            _ => self.text(&printable, any_len),
        };
        match self.below(6) {
            0 => ("x-api-key", text),
            1 => ("api-key", text),
            2 => ("x-goog-api-key", text),
            3 => {
                ("authorization", format!("Basic {}", STANDARD.encode(text.replacen('_', ":", 2))))
            }
            4 => ("authorization", text),
            _ => ("authorization", format!("Bearer {text}")),
        }
    }
}
