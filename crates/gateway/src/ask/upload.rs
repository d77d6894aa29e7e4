//! What a form asks for that brings a file: of its parts, those that the gateway must know.

use std::borrow::Cow;
use std::ops::Range;

use doorward_dialect::google::Framing;
use doorward_dialect::unsupported::Allowed;

use super::form::{self, Part};
use super::hosted::Hosted;
use super::{Ask, Bounds, File, Units, check_name, sound};
use crate::error::ProxyError;
use crate::route::Call;

/// A part that the gateway reads, or that means as much as one that it reads.
const MODEL: &str = "model";
const FILE: &str = "file";
const STREAM: &str = "stream";
const FORMAT: &str = "response_format";

impl<'a> Ask<'a> {
    /// Reads a form whose parts have `boundary` between them. Errors name the part.
    pub(crate) fn parse_form(
        call: Call,
        boundary: &str,
        body: &'a [u8],
    ) -> Result<Self, ProxyError> {
        let parts = form::parts(body, boundary)?;
        let model = find(&parts, MODEL)?.ok_or_else(|| bad(MODEL, "is required"))?;
        let name = text(model, body)?;
        check_name(name)?;
        let file = find(&parts, FILE)?.ok_or_else(|| bad(FILE, "is required"))?;
        if file.file_name.is_none() {
            return Err(bad(FILE, "must be a file: it has no `filename`"));
        }
        let content = content(file, body);
        if content.is_empty() {
            return Err(bad(FILE, "must not be empty"));
        }
        let is_stream = match find(&parts, STREAM)? {
            Some(part) => flag(part, body)? && call == Call::Transcriptions,
            None => false,
        };
        Ok(Self {
            call,
            model: Cow::Borrowed(name),
            models_at: smallvec::smallvec![model.content.clone()],
            model_length_at: model.length.clone(),
            is_stream,
            stream_options: None,
            framing: Framing::Events,
            generation_config: None,
            output_bounds: Bounds::new(),
            answers: 1,
            may_be_dropped: Allowed::Nothing,
            drop_member: None,
            units: Units::Sound(sound::length(content)),
            file: Some(File { name: file.file_name.unwrap_or_default(), bytes: content.len() }),
            answer_format: find(&parts, FORMAT)?.map(|part| text(part, body)).transpose()?,
            text_bytes: parts.iter().filter(|part| part.file_name.is_none()).map(text_bytes).sum(),
            hosted: Hosted::default(),
            tier: None,
            thinking_tokens: None,
            continues: false,
            body,
        })
    }
}

/// The one part of this name. Which of two a server would take is anybody's guess, and some read names
/// without regard to case.
fn find<'p, 'a>(parts: &'p [Part<'a>], name: &str) -> Result<Option<&'p Part<'a>>, ProxyError> {
    let mut named = parts.iter().filter(|part| part.name.eq_ignore_ascii_case(name));
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(bad(name, "stands twice"));
    }
    match first {
        Some(part) if part.name != name => Err(bad(name, "must be spelled exactly so")),
        first => Ok(first),
    }
}

fn content<'a>(part: &Part<'_>, body: &'a [u8]) -> &'a [u8] {
    body.get(part.content.clone()).unwrap_or_default()
}

fn text_bytes(part: &Part<'_>) -> usize {
    let Range { start, end } = part.content;
    end - start
}

fn text<'a>(part: &Part<'_>, body: &'a [u8]) -> Result<&'a str, ProxyError> {
    if part.file_name.is_some() {
        return Err(bad(part.name, "must be text, not a file"));
    }
    std::str::from_utf8(content(part, body)).map_err(|_| bad(part.name, "must be UTF-8"))
}

fn flag(part: &Part<'_>, body: &[u8]) -> Result<bool, ProxyError> {
    match text(part, body)? {
        "true" | "True" | "1" => Ok(true),
        "false" | "False" | "0" | "" => Ok(false),
        _ => Err(bad(part.name, "must be true or false")),
    }
}

fn bad(part: &str, why: &str) -> ProxyError {
    ProxyError::BadRequest(format!("The part `{part}` of the form {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let part = |(disposition, content): &(&str, &str)| {
            format!("--X\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
        };
        format!("{}--X--\r\n", parts.iter().map(part).collect::<String>()).into_bytes()
    }

    const MODEL: (&str, &str) = ("name=model", "whisper-1");
    const FILE: (&str, &str) = (r#"name="file"; filename="a.mp3""#, "sound");

    #[test]
    fn a_form_is_read_where_it_stands() {
        let body = form(&[FILE, ("name=stream", "true"), MODEL, ("name=prompt", "Names: Ada")]);
        let ask = Ask::parse_form(Call::Transcriptions, "X", &body).unwrap();
        assert_eq!((&*ask.model, ask.is_stream), ("whisper-1", true));
        assert!(!ask.begins_at_once(), "this model sends no stream");
        assert_eq!(&body[ask.models_at[0].clone()], b"whisper-1");
        assert_eq!(ask.text_bytes, "true".len() + "whisper-1".len() + "Names: Ada".len());
        let ask = Ask::parse_form(Call::Translations, "X", &body).unwrap();
        assert!(!ask.is_stream, "that route has no streams");
    }

    #[test]
    fn a_form_that_cannot_be_routed_or_billed_is_refused_by_part() {
        #[rustfmt::skip]
        let cases: [(&[(&str, &str)], &str); 13] = [
            (&[FILE],                                            "`model` of the form is required"),
            (&[MODEL],                                           "`file` of the form is required"),
            (&[],                                                "`model` of the form is required"),
            (&[MODEL, FILE, MODEL],                              "`model` of the form stands twice"),
            (&[MODEL, FILE, ("name=MODEL", "other")],            "`model` of the form stands twice"),
            (&[("name=Model", "whisper-1"), FILE],               "`model` of the form must be spelled exactly so"),
            (&[("name=model; filename=a", "whisper-1"), FILE],   "`model` of the form must be text"),
            (&[("name=model", ""), FILE],                        "`model` must have 1 to 200 bytes"),
            (&[MODEL, FILE, FILE],                               "`file` of the form stands twice"),
            (&[MODEL, ("name=file", "sound")],                   "`file` of the form must be a file"),
            (&[MODEL, ("name=file; filename=a", "")],            "`file` of the form must not be empty"),
            (&[MODEL, FILE, ("name=stream", "yes")],             "`stream` of the form must be true or false"),
            (&[MODEL, FILE, ("name=stream; filename=a", "true")], "`stream` of the form must be text"),
        ];
        for (parts, says) in cases {
            let body = form(parts);
            let error = Ask::parse_form(Call::Transcriptions, "X", &body).unwrap_err().to_string();
            assert!(error.contains(says), "{parts:?}: {error}");
        }
        let body = [
            &form(&[FILE])[..b"--X\r\n".len()],
            b"content-disposition: form-data; name=model\r\n\r\n\xff\r\n--X--",
        ]
        .concat();
        let error = Ask::parse_form(Call::Transcriptions, "X", &body).unwrap_err().to_string();
        assert!(error.contains("`model` of the form must be UTF-8"), "{error}");
    }
}
