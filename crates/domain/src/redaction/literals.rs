//! JSON, whole or cut off: what its strings say, and what stands between them.

use super::{Redaction, numbers, redact_between, redact_keys, redact_plain};

/// Redacts each string as it is read, and what is between them as it is written.
pub(super) fn redact(text: &str, what: Redaction) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((between, begun)) = rest.split_once('"') {
        said.push_str(&redact_around(between, what));
        said.push('"');
        let end = string_end(begun);
        let (string, behind) = begun.split_at(end.unwrap_or(begun.len()));
        said.push_str(&redact_string(string, what));
        let Some(behind) = behind.strip_prefix('"') else { return said };
        said.push('"');
        rest = behind;
    }
    said.push_str(&redact_around(rest, what));
    said
}

/// A number that is no string is a time or a count more often than anybody's phone.
fn redact_around(text: &str, what: Redaction) -> String {
    match what {
        Redaction::Keys => redact_keys(text),
        Redaction::All => numbers::redact(&redact_between(text), numbers::Kind::Cards).into_owned(),
    }
}

/// Where the closing quote stands. `None`: the text was cut before it.
fn string_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

/// A string keeps its spelling where nothing is taken out of it.
fn redact_string(string: &str, what: Redaction) -> String {
    let Some(read) = read(string) else { return redact_plain(string, what) };
    let redacted = redact_plain(&read, what);
    if redacted == read {
        return string.to_owned();
    }
    let written = serde_json::Value::from(redacted).to_string();
    written.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

/// What a string says; of one that was cut within an escape, all before that. `None`: it is no JSON.
fn read(string: &str) -> Option<String> {
    let parse = |text: &str| serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
    parse(string).or_else(|| {
        let (before, escape) = string.rsplit_once('\\')?;
        let is_cut = escape.is_empty() || (escape.starts_with('u') && escape.len() < 5);
        parse(before).filter(|_| is_cut)
    })
}
