//! The body as the upstream gets it: the client's own bytes, with the few values that must differ.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

use crate::ask::{Ask, Bound, OutputField};
use crate::route::Call;

/// What must differ for one deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The upstream's name of the model as the body has it, a JSON string where that is JSON; `None`: it is
    /// the same.
    pub(crate) model: Option<&'a str>,
    /// What the output of one answer must be bound to; `None`: nothing relies on a bound.
    pub(crate) output_tokens: Option<u64>,
    /// The field that the upstream heeds.
    pub(crate) output_field: OutputField,
}

type Edits = Vec<(Range<usize>, String)>;

/// Applies the changes. Where there are none, the result is the client's buffer itself.
pub(crate) fn rewrite(body: &Bytes, ask: &Ask<'_>, change: &Change<'_>) -> Bytes {
    let mut edits = Edits::new();
    if let Some(model) = change.model {
        edits.extend(ask.models_at.iter().map(|place| (place.clone(), model.to_owned())));
        let length = ask.model_length_at.iter();
        edits.extend(length.map(|place| (place.clone(), model.len().to_string())));
    }
    let mut added = String::new();
    bound_output(body, ask, change, &mut edits, &mut added);
    ask_for_usage(body, ask, &mut edits, &mut added);
    if let Some(member) = &ask.drop_member {
        // No provider knows it.
        edits.push((with_comma(body, key_start(body, member.start)..member.end), String::new()));
    }
    if !added.is_empty() {
        let after_brace = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
        let is_alone = body.get(after_brace..).is_some_and(|rest| rest.trim_ascii() == b"}");
        if is_alone {
            added.pop();
        }
        edits.push((after_brace..after_brace, added));
    }
    if edits.is_empty() { body.clone() } else { splice(body, edits) }
}

/// Makes the bound true there: the upstream's own field holds it, for a server may ignore another
/// one, and no field says more.
fn bound_output(
    body: &[u8],
    ask: &Ask<'_>,
    change: &Change<'_>,
    edits: &mut Edits,
    added: &mut String,
) {
    let Some(tokens) = change.output_tokens else { return };
    let name = change.output_field.name();
    let mut bounds = ask.output_bounds.iter();
    let own = bounds.clone().find(|bound| bound.field == change.output_field);
    let other = bounds.find(|bound| bound.field != change.output_field && bound.tokens.is_some());
    match (own, other) {
        (None, _) if change.output_field == OutputField::Generation => {
            bound_generation(body, ask, &format!(r#""{name}":{tokens}"#), edits, added);
        }
        (None, None) => *added = format!(r#""{name}":{tokens},"#),
        // Adding would leave both, which some servers refuse.
        (None, Some(other)) => {
            let member = key_start(body, other.range.start)..other.range.end;
            edits.push((member, format!(r#""{name}":{}"#, lowest(other, tokens))));
        }
        (Some(own), Some(other)) if own.tokens.is_none() => {
            edits.push((own.range.clone(), lowest(other, tokens).to_string()));
            edits.push((other.range.clone(), "null".to_owned()));
        }
        (Some(own), other) => {
            let both = [Some(own), other].into_iter().flatten();
            let larger = both.filter(|bound| bound.tokens != Some(lowest(bound, tokens)));
            edits.extend(
                larger.map(|bound| (bound.range.clone(), lowest(bound, tokens).to_string())),
            );
        }
    }
}

/// Google's dialect has its bound in an object of its own, which may not be there.
fn bound_generation(
    body: &[u8],
    ask: &Ask<'_>,
    member: &str,
    edits: &mut Edits,
    added: &mut String,
) {
    let Some(config) = &ask.generation_config else {
        *added = format!(r#""generationConfig":{{{member}}},"#);
        return;
    };
    let inner = body.get(config.clone()).unwrap_or_default().strip_prefix(b"{").unwrap_or_default();
    let is_empty = inner.trim_ascii_start().strip_prefix(b"}").is_some();
    if inner.is_empty() || is_empty {
        edits.push((config.clone(), format!("{{{member}}}")));
    } else {
        let start = config.start + 1;
        edits.push((start..start, format!("{member},")));
    }
}

fn lowest(bound: &Bound, tokens: u64) -> u64 {
    bound.tokens.map_or(tokens, |asked| asked.min(tokens))
}

/// Where the key of the value at `value` begins. It names a field of ours, so that no quote is in
/// it, however it is escaped.
fn key_start(body: &[u8], value: usize) -> usize {
    let before = body.get(..value).unwrap_or_default();
    memchr::memrchr_iter(b'"', before).nth(1).unwrap_or(value)
}

/// A member, and the comma that it needs no more.
fn with_comma(body: &[u8], member: Range<usize>) -> Range<usize> {
    let is_space = |byte: &&u8| byte.is_ascii_whitespace();
    let behind = body.get(member.end..).unwrap_or_default();
    let spaces = behind.iter().take_while(is_space).count();
    if behind.get(spaces) == Some(&b',') {
        return member.start..member.end + spaces + 1;
    }
    let before = body.get(..member.start).unwrap_or_default().trim_ascii_end();
    let start = if before.ends_with(b",") { before.len() - 1 } else { member.start };
    start..member.end
}

/// A chat stream reports usage only when asked; a call that is not metered is a call that is free.
fn ask_for_usage(body: &[u8], ask: &Ask<'_>, edits: &mut Edits, added: &mut String) {
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

fn splice(body: &[u8], mut edits: Edits) -> Bytes {
    // What is added where something is taken away stands before it.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
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
    use doorward_dialect::google::Framing;

    use super::*;
    use crate::route::InPath;

    fn rewritten(body: &'static str, model: Option<&str>, output_tokens: Option<u64>) -> String {
        let bytes = Bytes::from_static(body.as_bytes());
        let ask = Ask::parse(Call::ChatCompletions, None, &bytes).unwrap();
        let change = Change { model, output_tokens, output_field: OutputField::Tokens };
        String::from_utf8(rewrite(&bytes, &ask, &change).to_vec()).unwrap()
    }

    #[test]
    fn a_model_that_google_names_in_the_body_too_is_the_upstreams_everywhere() {
        let place = InPath { model: "g".to_owned(), framing: Framing::Events };
        #[rustfmt::skip]
        let cases = [
            (Call::BatchEmbedContents, r#"{"requests":[{"model":"models/g","x":1},{"model":"g"},{}]}"#, r#"{"requests":[{"model":"models/u","x":1},{"model":"models/u"},{}]}"#),
            (Call::ContentTokens, r#"{"generateContentRequest":{"model":"models/g"},"model":"g"}"#, r#"{"generateContentRequest":{"model":"models/u"},"model":"models/u"}"#),
        ];
        for (call, body, expected) in cases {
            let bytes = Bytes::from_static(body.as_bytes());
            let ask = Ask::parse(call, Some(&place), &bytes).unwrap();
            let output_field = OutputField::Generation;
            let model = Some("\"models/u\"");
            let change = Change { model, output_tokens: None, output_field };
            assert_eq!(rewrite(&bytes, &ask, &change), expected);
        }
    }

    #[test]
    fn a_form_says_the_upstreams_name_and_how_long_that_is() {
        let form = |length: &str, model: &str| {
            format!(
                "--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nmodel\r\n\
                 --X\r\nContent-Length: {length}\r\nContent-Disposition: form-data; name=model\r\n\r\n\
                 {model}\r\n--X--\r\n"
            )
        };
        let body = Bytes::from(form("9", "whisper-1"));
        let ask = Ask::parse_form(Call::Transcriptions, "X", &body).unwrap();
        let output_field = OutputField::Tokens;
        let change = Change { model: Some("a/\"b\""), output_tokens: None, output_field };
        assert_eq!(rewrite(&body, &ask, &change), form("5", "a/\"b\""));
        let change = Change { model: None, ..change };
        assert_eq!(rewrite(&body, &ask, &change).as_ptr(), body.as_ptr());
    }

    #[test]
    fn the_bound_of_google_stands_where_google_reads_it() {
        #[rustfmt::skip]
        let cases = [
            ("{ }",                                                              r#"{"generationConfig":{"maxOutputTokens":256} }"#),
            (r#"{"contents":[]}"#,                                               r#"{"generationConfig":{"maxOutputTokens":256},"contents":[]}"#),
            (r#"{"generationConfig":{},"contents":[]}"#,                         r#"{"generationConfig":{"maxOutputTokens":256},"contents":[]}"#),
            (r#"{"contents":[],"generationConfig":null}"#,                       r#"{"contents":[],"generationConfig":{"maxOutputTokens":256}}"#),
            (r#"{"generation_config":{"topK":1}}"#,                              r#"{"generation_config":{"maxOutputTokens":256,"topK":1}}"#),
            (r#"{"generationConfig":{"topK":1,"max_output_tokens":900}}"#,       r#"{"generationConfig":{"topK":1,"max_output_tokens":256}}"#),
            (r#"{"generationConfig":{"maxOutputTokens":9}}"#,                    r#"{"generationConfig":{"maxOutputTokens":9}}"#),
            (r#"{"generationConfig":{"maxOutputTokens":null}}"#,                 r#"{"generationConfig":{"maxOutputTokens":256}}"#),
            (r#"{"x":1,"doorward_drop_unsupported":true}"#,                      r#"{"generationConfig":{"maxOutputTokens":256},"x":1}"#),
        ];
        let place = InPath { model: "g".to_owned(), framing: Framing::Events };
        for (body, expected) in cases {
            let bytes = Bytes::from_static(body.as_bytes());
            let ask = Ask::parse(Call::GenerateContent, Some(&place), &bytes).unwrap();
            let output_field = OutputField::Generation;
            let change =
                Change { model: Some("\"models/u\""), output_tokens: Some(256), output_field };
            assert_eq!(rewrite(&bytes, &ask, &change), expected, "{body}");
            let change = Change { output_tokens: None, ..change };
            if !body.contains("doorward") {
                assert_eq!(rewrite(&bytes, &ask, &change), body);
            }
        }
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
             r#"{"model":"a","max_tokens":256,"max_completion_tokens":null}"#),
            (r#"{"model":"a","doorward_drop_unsupported":true}"#, None, None, r#"{"model":"a"}"#),
            (r#"{"doorward_drop_unsupported":true,"model":"a","stream":true}"#, None, Some(7),
             r#"{"max_tokens":7,"stream_options":{"include_usage":true},"model":"a","stream":true}"#),
            (r#"{"doorward_drop_unsupported":true , "model":"a"}"#, None, None, r#"{ "model":"a"}"#),
            (r#"{"model":"a" , "doorward_drop_unsupported":["x"] }"#, None, Some(7), r#"{"max_tokens":7,"model":"a"  }"#),
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
        let ask = Ask::parse(Call::ChatCompletions, None, &bytes).unwrap();
        let change = Change { model: None, output_tokens: None, output_field: OutputField::Tokens };
        assert_eq!(rewrite(&bytes, &ask, &change).as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn the_field_that_the_upstream_heeds_bounds_the_output_and_no_other_says_more() {
        use OutputField::{CompletionTokens as Newer, Tokens as Older};
        #[rustfmt::skip]
        let cases = [
            // the client's members                         own    the upstream's members
            (r#""max_tokens":256"#,                          Older, r#""max_tokens":256"#),
            (r#""max_tokens":9"#,                            Older, r#""max_tokens":9"#),
            (r#""max_tokens":900"#,                          Older, r#""max_tokens":256"#),
            (r#""max_completion_tokens":9"#,                 Older, r#""max_tokens":9"#),
            (r#""max_completion_tokens" : 900"#,             Older, r#""max_tokens":256"#),
            (r#""max_completion\u005ftokens":900"#,          Older, r#""max_tokens":256"#),
            (r#""max_completion_tokens":9"#,                 Newer, r#""max_completion_tokens":9"#),
            (r#""max_tokens":9"#,                            Newer, r#""max_completion_tokens":9"#),
            (r#""max_tokens":9,"max_completion_tokens":4"#,  Older, r#""max_tokens":9,"max_completion_tokens":4"#),
            (r#""max_tokens":4,"max_completion_tokens":900"#, Older, r#""max_tokens":4,"max_completion_tokens":256"#),
            (r#""max_tokens":900,"max_completion_tokens":9"#, Newer, r#""max_tokens":256,"max_completion_tokens":9"#),
            (r#""max_tokens":9,"max_completion_tokens":null"#, Newer, r#""max_tokens":null,"max_completion_tokens":9"#),
            (r#""max_tokens":null,"max_completion_tokens":null"#, Newer, r#""max_tokens":null,"max_completion_tokens":256"#),
        ];
        for (members, output_field, expected) in cases {
            let body = Bytes::from(format!(r#"{{"x":"\"",{members},"model":"a"}}"#));
            let ask = Ask::parse(Call::ChatCompletions, None, &body).unwrap();
            let change = Change { model: None, output_tokens: Some(256), output_field };
            let expected = format!(r#"{{"x":"\"",{expected},"model":"a"}}"#);
            assert_eq!(rewrite(&body, &ask, &change), expected, "{members}");
        }
    }
}
