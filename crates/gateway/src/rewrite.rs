//! The body as the upstream gets it: the client's own bytes, with the few values that must differ.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

use crate::ask::{Ask, OutputField};
use crate::route::Call;

/// What must differ for one deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The upstream's name of the model, as a JSON string; `None`: it is the same.
    pub(crate) model: Option<&'a str>,
    /// The bound to set on the output; `None`: as the client said.
    pub(crate) output_tokens: Option<u64>,
    /// The field to add where the client names no bound.
    pub(crate) output_field: OutputField,
}

/// Applies the changes. Where there are none, the result is the client's buffer itself.
pub(crate) fn rewrite(body: &Bytes, ask: &Ask<'_>, change: &Change<'_>) -> Bytes {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    if let Some(model) = change.model {
        edits.push((ask.model.range.clone(), model.to_owned()));
    }
    let mut added = String::new();
    bound_output(ask, change, &mut edits, &mut added);
    ask_for_usage(body, ask, &mut edits, &mut added);
    if !added.is_empty() {
        let after_brace = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
        edits.push((after_brace..after_brace, added));
    }
    if edits.is_empty() { body.clone() } else { splice(body, edits) }
}

fn bound_output(
    ask: &Ask<'_>,
    change: &Change<'_>,
    edits: &mut Vec<(Range<usize>, String)>,
    added: &mut String,
) {
    let Some(tokens) = change.output_tokens else { return };
    // Where the client names a bound, a `null` beside it is none and stays.
    let is_named = ask.output_bound().is_some();
    for bound in ask.output_bounds.iter().filter(|bound| bound.value.is_some() || !is_named) {
        let value = bound.value.map_or(tokens, |value| value.min(tokens));
        edits.push((bound.range.clone(), value.to_string()));
    }
    if ask.output_bounds.is_empty() {
        *added = format!(r#""{}":{tokens},"#, change.output_field.name());
    }
}

/// A chat stream reports usage only when asked; a call that is not metered is a call that is free.
fn ask_for_usage(
    body: &[u8],
    ask: &Ask<'_>,
    edits: &mut Vec<(Range<usize>, String)>,
    added: &mut String,
) {
    let is_asked_by_field = matches!(ask.call, Call::ChatCompletions | Call::Completions);
    if !ask.is_stream || !is_asked_by_field || ask.wants_usage() {
        return;
    }
    match &ask.stream_options {
        Some(options) => {
            let text = body.get(options.range.clone()).unwrap_or_default();
            edits.push((options.range.clone(), with_usage(text)));
        }
        None => added.push_str(r#""stream_options":{"include_usage":true},"#),
    }
}

/// The client's own options, with usage asked for; `null` becomes an object.
fn with_usage(options: &[u8]) -> String {
    let options: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_slice(options).unwrap_or_default();
    let mut options = options.unwrap_or_default();
    options.insert("include_usage".to_owned(), true.into());
    serde_json::Value::Object(options).to_string()
}

fn splice(body: &[u8], mut edits: Vec<(Range<usize>, String)>) -> Bytes {
    edits.sort_by_key(|(range, _)| range.start);
    let extra: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + extra);
    let mut at = 0;
    for (range, text) in edits {
        out.extend_from_slice(body.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(body: &'static str, model: Option<&str>, output_tokens: Option<u64>) -> String {
        let bytes = Bytes::from_static(body.as_bytes());
        let ask = Ask::parse(Call::ChatCompletions, &bytes).unwrap();
        let change = Change { model, output_tokens, output_field: OutputField::Any };
        String::from_utf8(rewrite(&bytes, &ask, &change).to_vec()).unwrap()
    }

    #[test]
    fn only_what_must_differ_differs() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"model":"a","x":[1, 2]}"#, None, None, r#"{"model":"a","x":[1, 2]}"#),
            (r#" {"model" : "a"}"#, Some(r#""b/c""#), None, r#" {"model" : "b/c"}"#),
            (r#"{"model":"a","max_tokens":900}"#, None, Some(256), r#"{"model":"a","max_tokens":256}"#),
            (r#"{"model":"a"}"#, None, Some(256), r#"{"max_tokens":256,"model":"a"}"#),
            (r#"{"model":"a","max_tokens":null}"#, None, None, r#"{"model":"a","max_tokens":null}"#),
            (r#"{"model":"a","max_tokens":null}"#, None, Some(256), r#"{"model":"a","max_tokens":256}"#),
            (r#"{"model":"a","max_tokens":null,"max_completion_tokens":900}"#, None, Some(256),
             r#"{"model":"a","max_tokens":null,"max_completion_tokens":256}"#),
            (r#"{"model":"a","stream":true,"stream_options":null}"#, None, None,
             r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#),
            (r#"{"model":"a","stream":true}"#, None, None,
             r#"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#),
            (r#"{"model":"a","stream":true,"stream_options":{"x":1,"include_usage":false}}"#, None, None,
             r#"{"model":"a","stream":true,"stream_options":{"include_usage":true,"x":1}}"#),
            (r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#, None, None,
             r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#),
        ];
        for (body, model, tokens, expected) in cases {
            assert_eq!(rewritten(body, model, tokens), expected);
        }
    }

    #[test]
    fn an_unchanged_body_is_the_same_buffer() {
        let bytes = Bytes::from_static(br#"{"model":"a"}"#);
        let ask = Ask::parse(Call::ChatCompletions, &bytes).unwrap();
        let change = Change { model: None, output_tokens: None, output_field: OutputField::Any };
        assert_eq!(rewrite(&bytes, &ask, &change).as_ptr(), bytes.as_ptr());
    }
}
