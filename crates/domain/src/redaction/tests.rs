use proptest::prelude::*;

use super::*;

/// Assembled, so that no scanner takes this file for a leak.
fn keys() -> Vec<String> {
    let (access, secret) = ("a1B2c3D4e5F6g7H8", "x".repeat(49));
    vec![
        format!("dw_{access}_{secret}"),
        format!("dw_{access}:{secret}"),
        format!("sk-acme_{access}_{secret}"),
        secret,
        format!("eyJ{0}.{0}.{0}", "hbGciOiJFUzI1"),
        format!("sk-{}", "a1B2".repeat(8)),
        format!("sk-ant-api03-{}", "a1B2_".repeat(8)),
        format!("sk-proj-{}", "a1B2-".repeat(8)),
        format!("AIza{}", "a1B2c".repeat(7)),
        format!("AKIA{}", "Q7R8".repeat(4)),
        format!("ABSK{}==", "a1B2c3+/".repeat(8)),
        format!("gsk_{}", "a1B2".repeat(8)),
        format!("hf_{}", "a1B2".repeat(8)),
        format!("xai-{}", "a1B2".repeat(8)),
        format!("nvapi-{}", "a1B2".repeat(8)),
    ]
}

#[test]
fn every_spelling_of_a_key_is_taken_out_wherever_it_stands() {
    for key in keys() {
        for what in [Redaction::Keys, Redaction::All] {
            for (before, after) in [("", ""), ("my key: ", "."), ("(", ")"), ("KEY=", "\n")] {
                let text = format!("{before}{key}{after}");
                assert_eq!(redact(&text, what), format!("{before}[key]{after}"), "{key}");
                let json = serde_json::json!({ "content": format!("a\n{text}") }).to_string();
                let clean = serde_json::json!({ "content": format!("a\n{before}[key]{after}") });
                assert_eq!(redact(&json, what), clean.to_string(), "{key}");
            }
        }
    }
}

#[test]
fn addresses_and_numbers_are_taken_out_and_other_words_stay() {
    #[rustfmt::skip]
    let cases = [
        ("mail ada@example.com, please",              "mail [email], please"),
        ("<ada.l+x@mail.example.co.uk>",              "<[email]>"),
        ("jörg@müller.example",                       "[email]"),
        ("ada@localhost, @ada, a@b",                  "ada@localhost, @ada, a@b"),
        ("4111111111111111",                          "[card]"),
        ("4111 1111 1111 1111 12/27 123",             "[card]"),
        ("3782-822463-10005",                         "[card]"),
        ("12 4111-1111-1111-1111",                    "[card]"),
        ("4111111111111112",                          "4111111111111112"),
        ("0000000000000000",                          "0000000000000000"),
        ("+49 170 1234567",                           "[phone]"),
        ("call (030) 123-4567 now",                   "call [phone] now"),
        ("555-123-4567 555-987-6542",                 "[phone]"),
        ("5551234567",                                "[phone]"),
        ("555 1234",                                  "[phone]"),
        ("on 2026-11-21, 1234567 people",             "on 2026-11-21, 1234567 people"),
        ("12 of 99, 3.14159, 10.5%",                  "12 of 99, 3.14159, 10.5%"),
        ("id_5551234567 and 5551234567x",             "id_5551234567 and 5551234567x"),
        ("a task-force of sk-8 boards",               "a task-force of sk-8 boards"),
        ("",                                          ""),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text, Redaction::All), expected, "{text}");
        assert_eq!(redact(text, Redaction::Keys), text, "{text}");
    }
}

#[test]
fn json_stays_what_it_is_and_no_escape_hides_anything() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"created":1795262400,"text":"5551234567"}"#,   r#"{"created":1795262400,"text":"[phone]"}"#),
        (r#"{"a":"x\nada@example.com\ty"}"#,                r#"{"a":"x\n[email]\ty"}"#),
        (r#"{"a":"ada\u0040example.com"}"#,                 r#"{"a":"[email]"}"#),
        (r#"{"a":"\u00e9 \/ kept"}"#,                       r#"{"a":"\u00e9 \/ kept"}"#),
        (r#"{"ada@example.com" : [ "\"555 1234\"" ]}"#,     r#"{"[email]" : [ "\"[phone]\"" ]}"#),
        (r#"[4111111111111111, "b"]"#,                      r#"[[card], "b"]"#),
        // cut off
        (r#"{"a":"ada@example.com and"#,                    r#"{"a":"[email] and"#),
        (r#"{"a":"ada@example.com\"#,                       r#"{"a":"[email]"#),
        (r#"{"a":"ada@example.com\u00"#,                    r#"{"a":"[email]"#),
        // no JSON, though it begins so
        ("{ ada@example.com \"555 1234\n\" \"",             "{ [email] \"[phone]\n\" \""),
        (r#"{"a":"\x555 1234"}"#,                           r#"{"a":"\x555 1234"}"#),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text, Redaction::All), expected, "{text}");
    }
}

/// Pieces that make what is looked for, and what stands in its way.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "ada",
        "@",
        "example.com",
        ".",
        "4111",
        "1111",
        "555",
        "1234",
        " ",
        "-",
        "+",
        "(",
        ")",
        "/",
        "sk-",
        "dw_",
        "_",
        ":",
        "AIza",
        "AKIA",
        "eyJ",
        "a1B2c3D4e5F6g7H8",
        "Q7R8Q7R8Q7R8Q7R8",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\n",
        "\\u0040",
        "\\u00",
        "\n",
        "é",
        "0",
        "x",
        "2026-11-21",
        "[email]",
        "[card]",
        "[phone]",
        "[key]",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}

proptest! {
    /// A redacted text redacts to itself.
    #[test]
    fn nothing_is_found_a_second_time(text in text(), is_json in any::<bool>()) {
        let text = if is_json { format!("{{{text}") } else { text };
        for what in [Redaction::Keys, Redaction::All] {
            let once = redact(&text, what);
            prop_assert_eq!(redact(&once, what), once);
        }
    }

    /// Whatever a string holds, JSON stays JSON of the same shape.
    #[test]
    fn json_is_json_afterwards(content in text(), count in any::<u32>()) {
        let before = serde_json::json!({ "content": content, "count": count });
        let after = redact(&before.to_string(), Redaction::All);
        let after: serde_json::Value = serde_json::from_str(&after).unwrap();
        prop_assert_eq!(&after["count"], &before["count"]);
        let said = redact_plain(before["content"].as_str().unwrap(), Redaction::All);
        prop_assert_eq!(after["content"].as_str().unwrap(), said);
    }
}
