//! What a call asks for: the few fields of its body that the gateway must know.

mod elsewhere;
mod fields;
mod form;
mod generation;
mod hosted;
mod options;
mod sound;
mod tier;
mod units;
mod upload;

use std::borrow::Cow;
use std::ops::Range;

use doorward_dialect::google::Framing;
use doorward_dialect::unsupported::{Allowed, LEFT_MAX};
use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use serde_json::value::RawValue;

use crate::error::ProxyError;
use crate::reckon::Reckoning;
use crate::route::{Call, InPath, Work};
use fields::{Field, Fields};
use generation::{Member, Members, ModelsOfEach};
use hosted::Hosted;

pub(crate) use form::boundary;
pub(crate) use sound::Length;
pub(crate) use units::Units;

/// The largest `max_tokens` that makes sense; what is larger is refused, not computed with.
const OUTPUT_TOKENS_MAX: u64 = 1 << 22;
/// The most answers of one call, and of one prompt.
const ANSWERS_MAX: u64 = 128;
/// More than the tokens of any picture that a provider tells of; what is longer has more bytes than these.
const TOKENS_PER_PIECE: u64 = 40_000;

/// A value and where it stands in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) range: Range<usize>,
}

/// Which field bounds the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputField {
    /// `max_tokens`.
    Tokens,
    /// `max_completion_tokens`.
    CompletionTokens,
    /// `max_output_tokens`.
    OutputTokens,
    /// `maxOutputTokens` in `generationConfig`.
    Generation,
}

impl OutputField {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokens => Field::MaxTokens.name(),
            Self::CompletionTokens => Field::MaxCompletionTokens.name(),
            Self::OutputTokens => Field::MaxOutputTokens.name(),
            Self::Generation => Member::MaxOutputTokens.name(),
        }
    }

    /// The fields of a body that bound the output of a call. The others are the client's own affair: no
    /// upstream heeds them there, so no hold may rely on them.
    const fn of(call: Call) -> &'static [(Self, Field)] {
        const TOKENS: (OutputField, Field) = (OutputField::Tokens, Field::MaxTokens);
        match call {
            Call::ChatCompletions => {
                &[TOKENS, (Self::CompletionTokens, Field::MaxCompletionTokens)]
            }
            Call::Responses => &[(Self::OutputTokens, Field::MaxOutputTokens)],
            Call::Completions | Call::Messages | Call::Inference => &[TOKENS],
            Call::Embeddings
            | Call::Moderations
            | Call::Images
            | Call::Speech
            | Call::Transcriptions
            | Call::Translations
            | Call::Rerank
            | Call::MessageTokens
            | Call::GenerateContent
            | Call::StreamGenerateContent
            | Call::ContentTokens
            | Call::EmbedContent
            | Call::BatchEmbedContents => &[],
        }
    }
}

/// A field that bounds the output, as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) field: OutputField,
    /// `None`: it is `null`.
    pub(crate) tokens: Option<u64>,
    /// Where the value stands in the body.
    pub(crate) range: Range<usize>,
}

/// Nearly always none or one.
type Bounds = smallvec::SmallVec<[Bound; 1]>;

/// A file in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct File<'a> {
    /// As the client calls it.
    pub(crate) name: &'a str,
    pub(crate) bytes: usize,
}

/// What a call asks for.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) call: Call,
    pub(crate) model: Cow<'a, str>,
    /// Where the body names it.
    pub(crate) models_at: smallvec::SmallVec<[Range<usize>; 1]>,
    /// Where a form says how long that name is.
    pub(crate) model_length_at: Option<Range<usize>>,
    pub(crate) is_stream: bool,
    /// `stream_options` as it stands, and whether it asks for usage.
    pub(crate) stream_options: Option<Placed<bool>>,
    /// How the pieces of a stream are put one after the other.
    pub(crate) framing: Framing,
    /// `generationConfig` as it stands.
    pub(crate) generation_config: Option<Range<usize>>,
    /// Every field that bounds the output of this call.
    pub(crate) output_bounds: Bounds,
    /// How many answers are produced, each of which may be as long as the bound.
    pub(crate) answers: u64,
    /// What may be left out where the provider's dialect cannot say it.
    pub(crate) may_be_dropped: Allowed,
    /// The member that says so, for it is nothing that a provider knows.
    pub(crate) drop_member: Option<Range<usize>>,
    /// What it asks for beside text.
    pub(crate) units: Units,
    /// What the tokens of the input are estimated from.
    text_bytes: usize,
    /// What a form brings.
    pub(crate) file: Option<File<'a>>,
    /// What a form wants the answer to be, in its words.
    pub(crate) answer_format: Option<&'a str>,
    /// What the provider may do for it beside answering.
    pub(crate) hosted: Hosted,
    /// What it wishes that no price is for.
    tier: Option<Box<str>>,
    /// Tokens that Anthropic's client sets aside for thinking: an answer must be bound to more.
    thinking_tokens: Option<u64>,
    /// The input begins with what the provider has stored.
    continues: bool,
    body: &'a [u8],
}

impl<'a> Ask<'a> {
    /// The field by which a client lets us leave out what a provider cannot do: `true`, or a list of names.
    pub(crate) const DROP: &'static str = "doorward_drop_unsupported";

    /// Reads a body. Errors name the field. `place`: what the path of the request says, where it names the
    /// model.
    pub(crate) fn parse(
        call: Call,
        place: Option<&'a InPath>,
        body: &'a [u8],
    ) -> Result<Self, ProxyError> {
        let text = std::str::from_utf8(body).map_err(|error| not_utf8(&error))?;
        let ask = match place {
            Some(place) => Self::of_generation(call, place, text)?,
            None => Self::of_fields(call, text)?,
        };
        check_name(&ask.model)?;
        Ok(ask)
    }

    fn of_fields(call: Call, text: &'a str) -> Result<Self, ProxyError> {
        let body = text.as_bytes();
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let model = fields.get(Field::Model).ok_or_else(|| bad("model", "is required"))?;
        let name: Cow<'a, str> =
            string(model.get()).ok_or_else(|| bad("model", "must be a string"))?;
        // It would be answered before it has cost anything, and nobody would see what it costs.
        if call == Call::Responses && flag(Field::Background, &fields)? {
            return Err(bad("background", "must not be true here: such a call cannot be metered"));
        }
        Ok(Self {
            call,
            model: name,
            models_at: smallvec::smallvec![range_in(body, model)],
            model_length_at: None,
            is_stream: is_stream(call, &fields)?,
            stream_options: stream_options(body, fields.get(Field::StreamOptions))?,
            framing: Framing::Events,
            generation_config: None,
            output_bounds: output_bounds(call, body, &fields)?,
            answers: answers(call, &fields)?,
            may_be_dropped: may_be_dropped(fields.get(Field::Drop))?,
            drop_member: fields.get(Field::Drop).map(|raw| range_in(body, raw)),
            units: Units::read(call.work(), body, &fields)?,
            text_bytes: body.len(),
            file: None,
            answer_format: None,
            hosted: Hosted::of_fields(call, &fields)?,
            tier: tier::of_fields(call, &fields),
            thinking_tokens: thinking_tokens(call, &fields),
            continues: call == Call::Responses && continues(&fields),
            body,
        })
    }

    fn of_generation(call: Call, place: &'a InPath, text: &'a str) -> Result<Self, ProxyError> {
        let body = text.as_bytes();
        let members: Members<'a> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let config = members.get(Member::GenerationConfig);
        let inner = object(config)?;
        let bound = inner.get(Member::MaxOutputTokens);
        let tokens = count(bound, Member::MaxOutputTokens.name(), OUTPUT_TOKENS_MAX)?;
        let range = bound.map(|raw| range_in(body, raw));
        let answers = inner.get(Member::CandidateCount);
        let field = OutputField::Generation;
        Ok(Self {
            call,
            model: Cow::Borrowed(&place.model),
            models_at: models_at(&members, place, body)?,
            model_length_at: None,
            is_stream: call == Call::StreamGenerateContent,
            stream_options: None,
            framing: place.framing,
            generation_config: config.map(|raw| range_in(body, raw)),
            output_bounds: range.map(|range| Bound { field, tokens, range }).into_iter().collect(),
            answers: count(answers, Member::CandidateCount.name(), ANSWERS_MAX)?.unwrap_or(1),
            may_be_dropped: may_be_dropped(members.get(Member::Drop))?,
            drop_member: members.get(Member::Drop).map(|raw| range_in(body, raw)),
            units: Units::Text,
            text_bytes: body.len(),
            file: None,
            answer_format: None,
            hosted: Hosted::of_members(call, &members)?,
            tier: tier::of_members(&members),
            thinking_tokens: None,
            continues: members.get(Member::CachedContent).is_some_and(|raw| raw.get() != "null"),
            body,
        })
    }

    /// The most output tokens of one answer that the client asks for; `None`: it names no bound.
    /// Where two fields differ, which one counts is the upstream's choice.
    pub(crate) fn output_bound(&self) -> Option<u64> {
        self.output_bounds.iter().filter_map(|bound| bound.tokens).max()
    }

    /// Whether its answer begins before all of it is made. Of pictures and transcripts some providers send
    /// no stream, though asked for one.
    pub(crate) const fn begins_at_once(&self) -> bool {
        self.is_stream && !matches!(self.call.work(), Work::Picture | Work::Transcript)
    }

    /// Whether the client wants the usage chunk at the end of its stream.
    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.value)
    }

    /// Whether the provider may search for it.
    pub(crate) fn may_search(&self) -> bool {
        self.hosted.kinds().next().is_some()
    }

    /// What of it costs that no price is for; only a model that is free may be asked so.
    pub(crate) fn unsold(&self) -> Option<&str> {
        self.tier.as_deref().or(self.hosted.unsold.as_deref())
    }

    /// The least that its answers together must be bound to: with less, the provider refuses the request.
    pub(crate) fn output_tokens_min(&self) -> u64 {
        let one = self.thinking_tokens.map_or(0, |tokens| tokens.saturating_add(1));
        one.saturating_mul(self.answers)
    }

    /// The body that it was read from.
    pub(crate) const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// A generous guess: English has about four bytes to a token, code and other scripts fewer.
    pub(crate) fn input_tokens(&self) -> u64 {
        (self.text_bytes as u64).div_ceil(3)
    }

    /// What the call uses as far as its request tells.
    pub(crate) fn reckoning(&self) -> Reckoning {
        Reckoning { input_tokens: self.input_tokens(), units: self.units }
    }

    /// Whether there is more input than the body holds, so that its length says nothing. Reads the
    /// body once more: only for a budget.
    pub(crate) fn has_input_elsewhere(&self) -> bool {
        self.continues
            || self.hosted.adds_input
            || (self.units == Units::Text && elsewhere::is_named(self.body))
    }

    /// Tokens of pictures, films and sound that stand in the body, whose length says little of them. Reads
    /// the body once more: only for a budget.
    pub(crate) fn media_tokens(&self) -> u64 {
        let pieces = if self.units == Units::Text { elsewhere::media(self.body) } else { 0 };
        pieces.saturating_mul(TOKENS_PER_PIECE)
    }
}

fn check_name(model: &str) -> Result<(), ProxyError> {
    if model.is_empty() || model.len() > MODEL_NAME_BYTES_MAX {
        return Err(bad("model", "must have 1 to 200 bytes"));
    }
    Ok(())
}

/// Whether the answer comes while it is made. Speech does in any case, but only its events tell what it
/// used.
fn is_stream(call: Call, fields: &Fields<'_>) -> Result<bool, ProxyError> {
    if call == Call::Speech {
        return Ok(fields.get(Field::StreamFormat).is_some_and(|raw| raw.get() == r#""sse""#));
    }
    let may_be = call.work().has_output() || call == Call::Images;
    Ok(flag(Field::Stream, fields)? && may_be)
}

fn not_utf8(error: &std::str::Utf8Error) -> ProxyError {
    no_object(&format!("it is not UTF-8 at byte {}", error.valid_up_to()))
}

fn not_json(error: &serde_json::Error) -> ProxyError {
    no_object(&match error.classify() {
        serde_json::error::Category::Data => without_values(&error.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            format!("at line {} column {}", error.line(), error.column())
        }
    })
}

/// serde's text names fields and positions; of a wrong type it shows the value, too, which is nobody's to
/// see: it is followed by what was expected.
fn without_values(text: &str) -> String {
    match (text.strip_prefix("invalid "), text.rsplit_once(", expected ")) {
        (Some(_), Some((_, expected))) => format!("expected {expected}"),
        _ => text.to_owned(),
    }
}

fn no_object(what: &str) -> ProxyError {
    ProxyError::BadRequest(format!(
        "The request body is not a JSON object that this route takes: {what}."
    ))
}

fn bad(field: &str, why: &str) -> ProxyError {
    ProxyError::BadRequest(format!("The field `{field}` {why}."))
}

/// What somebody calls something, to be told to them; the beginning of it.
fn called(what: &str, name: &str) -> Box<str> {
    let start: String = name.chars().take(64).collect();
    format!("{what} `{start}`").into()
}

/// Where a borrowed value stands in the body that it was read from.
fn range_in(body: &[u8], value: &RawValue) -> Range<usize> {
    let start = (value.get().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    start..start + value.get().len()
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// An earlier answer, a conversation or a prompt that is stored with the provider.
fn continues(fields: &Fields<'_>) -> bool {
    let names = |field, opening: &[char]| {
        fields.get(field).is_some_and(|raw: &RawValue| raw.get().starts_with(opening))
    };
    // A prompt that is a text stands in the body, if it is anything at all there.
    names(Field::PreviousResponseId, &['"'])
        || names(Field::Conversation, &['"', '{'])
        || names(Field::Prompt, &['{'])
}

fn may_be_dropped(raw: Option<&RawValue>) -> Result<Allowed, ProxyError> {
    match raw.map(RawValue::get) {
        None | Some("null" | "false") => Ok(Allowed::Nothing),
        Some("true") => Ok(Allowed::All),
        Some(list) => match serde_json::from_str::<Vec<String>>(list) {
            Ok(names) if names.len() <= LEFT_MAX => Ok(Allowed::Named(names)),
            Ok(_) => Err(bad(Ask::DROP, &format!("must not name more than {LEFT_MAX} fields"))),
            Err(_) => Err(bad(Ask::DROP, "must be true, false or a list of names of fields")),
        },
    }
}

fn flag(field: Field, fields: &Fields<'_>) -> Result<bool, ProxyError> {
    match fields.get(field).map(RawValue::get) {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(bad(field.name(), "must be true or false")),
    }
}

fn number(field: Field, fields: &Fields<'_>, max: u64) -> Result<Option<u64>, ProxyError> {
    count(fields.get(field), field.name(), max)
}

fn count(raw: Option<&RawValue>, name: &str, max: u64) -> Result<Option<u64>, ProxyError> {
    let text = match raw.map(RawValue::get) {
        None | Some("null") => return Ok(None),
        Some(text) => text,
    };
    let value = text.parse::<u64>().ok().filter(|value| (1..=max).contains(value));
    value.map(Some).ok_or_else(|| bad(name, &format!("must be a whole number from 1 to {max}")))
}

/// Every place at which a body of Google's dialect names the model that its path names: it may name no other
/// one, for nobody knows which of them a server heeds.
fn models_at(
    members: &Members<'_>,
    place: &InPath,
    body: &[u8],
) -> Result<smallvec::SmallVec<[Range<usize>; 1]>, ProxyError> {
    let whole = object(members.get(Member::GenerateContentRequest))?;
    let each = match members.get(Member::Requests) {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|error| not_json(&error))?,
        None => ModelsOfEach::default(),
    };
    let here = [members, &whole].into_iter().filter_map(|members| members.get(Member::Model));
    let named = here.chain(each.0);
    let place_of = |raw: &RawValue| {
        let name = string(raw.get()).unwrap_or_default();
        let is_same =
            name.strip_prefix("models/").unwrap_or(&name) == place.model || name == place.model;
        is_same.then(|| range_in(body, raw)).ok_or_else(|| bad("model", "must be that of the path"))
    };
    named.map(place_of).collect()
}

/// The members of an object that may be missing.
fn object(raw: Option<&RawValue>) -> Result<Members<'_>, ProxyError> {
    let members = raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get()));
    members.map(Option::unwrap_or_default).map_err(|error| not_json(&error))
}

/// What `thinking` sets aside. Whether the rest of it is right is the provider's affair.
fn thinking_tokens(call: Call, fields: &Fields<'_>) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Thinking {
        budget_tokens: u64,
    }
    let raw = fields.get(Field::Thinking).filter(|_| call == Call::Messages)?;
    serde_json::from_str::<Thinking>(raw.get()).ok().map(|thinking| thinking.budget_tokens)
}

fn stream_options(body: &[u8], raw: Option<&RawValue>) -> Result<Option<Placed<bool>>, ProxyError> {
    let Some(raw) = raw else { return Ok(None) };
    let value = options::wants_usage(raw).map_err(|_| {
        bad("stream_options", "must be an object with at most one, boolean `include_usage`")
    })?;
    Ok(Some(Placed { value, range: range_in(body, raw) }))
}

/// The answers that the provider produces, also those of which it shows only the best.
fn answers(call: Call, fields: &Fields<'_>) -> Result<u64, ProxyError> {
    let prompts = match (call.work(), fields.get(Field::Prompt)) {
        (Work::Completion, Some(prompt)) => options::prompts(prompt),
        (Work::Completion, None) => 1,
        (Work::Chat, _) if call == Call::ChatCompletions => 1,
        (
            Work::Chat
            | Work::Response
            | Work::Prompt
            | Work::Embedding
            | Work::Moderation
            | Work::Picture
            | Work::Speech
            | Work::Transcript
            | Work::Ranking
            | Work::Count,
            _,
        ) => return Ok(1),
    };
    let shown = number(Field::N, fields, ANSWERS_MAX)?.unwrap_or(1);
    let produced = number(Field::BestOf, fields, ANSWERS_MAX)?.unwrap_or(1);
    let answers = prompts.saturating_mul(shown.max(produced));
    if answers > ANSWERS_MAX {
        let why = format!(
            "asks for {answers} answers, each counted `n` or `best_of` times; at most {ANSWERS_MAX} are possible"
        );
        return Err(bad("prompt", &why));
    }
    Ok(answers)
}

fn output_bounds(call: Call, body: &[u8], fields: &Fields<'_>) -> Result<Bounds, ProxyError> {
    let mut bounds = Bounds::new();
    for &(field, name) in OutputField::of(call) {
        let tokens = number(name, fields, OUTPUT_TOKENS_MAX)?;
        let raw = fields.get(name);
        bounds.extend(raw.map(|raw| Bound { field, tokens, range: range_in(body, raw) }));
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Ask<'_>, ProxyError> {
        Ask::parse(Call::ChatCompletions, None, body.as_bytes())
    }

    /// A body that does not fit may hold anything, and errors go to logs of others.
    #[test]
    fn what_a_body_says_is_not_in_the_error() {
        let place = InPath { model: "m".to_owned(), framing: Framing::Events };
        #[rustfmt::skip]
        let cases = [
            (Call::ChatCompletions,    r#""canary""#),
            (Call::ChatCompletions,    r#"["canary, expected canary"]"#),
            (Call::BatchEmbedContents, r#"{"requests":["canary"]}"#),
            (Call::BatchEmbedContents, r#"{"requests":"canary"}"#),
            (Call::ContentTokens,      r#"{"generateContentRequest":"canary"}"#),
            (Call::Responses,          r#"{"model":"m","tools":"canary"}"#),
        ];
        for (call, body) in cases {
            let place = (call.dialect() == doorward_dialect::Dialect::Google).then_some(&place);
            let error = Ask::parse(call, place, body.as_bytes()).map(drop).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{body}: {error}");
        }
    }

    #[test]
    fn a_value_is_found_where_it_stands() {
        let body = r#"{"messages":[{"model":"inner"}], "model" : "a\"b", "max_tokens":7}"#;
        let ask = parse(body).unwrap();
        assert_eq!(ask.model, "a\"b");
        assert_eq!(&body[ask.models_at[0].clone()], r#""a\"b""#);
        let bound = &ask.output_bounds[0];
        assert_eq!((bound.tokens, &body[bound.range.clone()]), (Some(7), "7"));
    }

    #[test]
    fn a_body_that_the_gateway_cannot_bill_is_refused_by_field() {
        #[rustfmt::skip]
        let cases = [
            ("",                                        "not a JSON object"),
            ("not json",                                "not a JSON object"),
            ("[]",                                      "not a JSON object"),
            (r#" ["a",true,{},1,1,1,1]"#,               "not a JSON object"),
            ("{}",                                      "`model` is required"),
            (r#"{"model":null}"#,                       "`model` must be a string"),
            (r#"{"model":5}"#,                          "`model` must be a string"),
            (r#"{"model":""}"#,                         "`model` must have"),
            (r#"{"model":"a","model":"b"}"#,            "duplicate field `model`"),
            (r#"{"model":"a","stream":"yes"}"#,         "`stream` must be"),
            (r#"{"model":"a","max_tokens":-1}"#,        "`max_tokens` must be"),
            (r#"{"model":"a","max_tokens":0}"#,         "`max_tokens` must be"),
            (r#"{"model":"a","max_tokens":1e30}"#,      "`max_tokens` must be"),
            (r#"{"model":"a","max_tokens":"5"}"#,       "`max_tokens` must be"),
            (r#"{"model":"a","max_tokens":9223372036854775807}"#, "`max_tokens` must be"),
            (r#"{"model":"a","model":"b"}"#,            "duplicate field `model`"),
            (r#"{"model":"a","mod\u0065l":"b"}"#,       "duplicate field `model`"),
            (r#"{"model":"a","model":null}"#,           "duplicate field `model`"),
            (r#"{"model":"a","MODEL":"b"}"#,            "the field `model` must be spelled"),
            (r#"{"model":"a","n":2,"n":1}"#,            "duplicate field `n`"),
            (r#"{"model":"a","n":129}"#,                "`n` must be"),
            (r#"{"model":"a","best_of":129}"#,          "`best_of` must be"),
            (r#"{"model":"a","stream_options":{"include_usage":1}}"#, "`stream_options` must be"),
            (r#"{"model":"a","stream_options":{"include_usage":true,"include_usage":false}}"#, "`stream_options` must be"),
            (r#"{"model":"a","stream_options":{"include_usage":true,"Include_Usage":false}}"#, "`stream_options` must be"),
            (r#"{"model":"a","stream_options":"x"}"#,   "`stream_options` must be"),
        ];
        for (body, expected) in cases {
            let error = parse(body).unwrap_err().to_string();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn what_google_has_in_the_path_and_in_its_configuration_is_found() {
        let place = InPath { model: "g".to_owned(), framing: Framing::Events };
        let parse = |call, body: &'static str| Ask::parse(call, Some(&place), body.as_bytes());
        let body =
            r#"{"contents":[],"generation_config" : {"maxOutputTokens": 7,"candidateCount":2}}"#;
        let ask = parse(Call::StreamGenerateContent, body).unwrap();
        assert_eq!((&*ask.model, ask.is_stream, ask.answers), ("g", true, 2));
        assert_eq!((ask.output_bound(), ask.has_input_elsewhere()), (Some(7), false));
        assert_eq!(&body[ask.output_bounds[0].range.clone()], "7");
        #[rustfmt::skip]
        let cases = [
            ("",                                                    Err("not a JSON object")),
            ("[]",                                                  Err("not a JSON object")),
            (r#"{"generationConfig":5}"#,                           Err("not a JSON object")),
            (r#"{"generationConfig":{},"generation_config":{}}"#,   Err("duplicate field `generationConfig`")),
            (r#"{"generationConfig":{"maxOutputTokens":"5"}}"#,     Err("`maxOutputTokens` must be")),
            (r#"{"generationConfig":{"candidateCount":0}}"#,        Err("`candidateCount` must be")),
            (r#"{"generationConfig":{"MaxOutputTokens":9}}"#,       Err("`maxOutputTokens` must be spelled exactly so")),
            (r#"{"generationconfig":{}}"#,                          Err("`generationConfig` must be spelled exactly so")),
            (r#"{"model":"models/dear"}"#,                          Err("`model` must be that of the path")),
            (r#"{"requests":[{"model":"models/dear"}]}"#,           Err("`model` must be that of the path")),
            (r#"{"requests":5}"#,                                   Err("not a JSON object")),
            (r#"{"model":"models/g"}"#,                             Ok(false)),
            (r#"{"generationConfig":null}"#,                        Ok(false)),
            (r#"{"cachedContent":null}"#,                           Ok(false)),
            (r#"{"cachedContent":"cachedContents/1"}"#,             Ok(true)),
            (r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://a/b"}}]}]}"#, Ok(true)),
        ];
        for (body, expected) in cases {
            match (parse(Call::GenerateContent, body), expected) {
                (Ok(ask), expected) => {
                    assert_eq!(Ok(ask.has_input_elsewhere()), expected, "{body}");
                }
                (Err(error), expected) => {
                    let said = error.to_string();
                    assert!(said.contains(expected.unwrap_err()), "{body}: {said}");
                }
            }
        }
    }

    #[test]
    fn ten_megabytes_of_open_brackets_are_an_error_not_a_crash() {
        let body = "[".repeat(10 << 20);
        assert!(parse(&body).is_err());
        let nested = format!(r#"{{"model":"a","messages":{body}"#);
        assert!(parse(&nested).is_err());
    }

    #[test]
    fn only_the_fields_of_the_dialect_bound_the_output_and_the_largest_counts() {
        let body =
            r#"{"model":"a","max_tokens":9,"max_completion_tokens":4,"max_output_tokens":2}"#;
        let null = r#"{"model":"a","max_tokens":null,"max_completion_tokens":4}"#;
        #[rustfmt::skip]
        let cases = [
            (Call::ChatCompletions, body,                                     Some(9)),
            (Call::ChatCompletions, null,                                     Some(4)),
            (Call::ChatCompletions, r#"{"model":"a","max_output_tokens":2}"#,  None),
            (Call::Completions,     body,                                     Some(9)),
            (Call::Completions,     null,                                     None),
            (Call::Responses,       body,                                     Some(2)),
            (Call::Responses,       r#"{"model":"a","max_tokens":"many"}"#,    None),
            (Call::Embeddings,      body,                                     None),
        ];
        for (call, body, expected) in cases {
            let ask = Ask::parse(call, None, body.as_bytes()).unwrap();
            assert_eq!(ask.output_bound(), expected, "{call:?} {body}");
        }
    }

    #[test]
    fn a_stream_begins_at_once_where_no_provider_takes_it_for_less() {
        #[rustfmt::skip]
        let cases = [
            (Call::ChatCompletions, r#""stream":true"#,                        (true,  true)),
            (Call::ChatCompletions, r#""stream":false"#,                       (false, false)),
            (Call::Images,          r#""stream":true"#,                        (true,  false)),
            (Call::Speech,          r#""input":"a","stream_format":"sse""#,    (true,  true)),
        ];
        for (call, members, expected) in cases {
            let body = format!(r#"{{"model":"a",{members}}}"#);
            let ask = Ask::parse(call, None, body.as_bytes()).unwrap();
            assert_eq!((ask.is_stream, ask.begins_at_once()), expected, "{call:?} {members}");
        }
    }

    #[test]
    fn every_answer_that_is_produced_counts() {
        #[rustfmt::skip]
        let cases = [
            (Call::Completions,     r#""prompt":"a""#,                                Ok(1)),
            (Call::Completions,     r#""prompt":[]"#,                                 Ok(1)),
            (Call::Completions,     r#""prompt":[1, 2, 3]"#,                          Ok(1)),
            (Call::Completions,     r#""prompt":["a", "b", "c"]"#,                    Ok(3)),
            (Call::Completions,     r#""prompt":[[1], [2, 3]]"#,                      Ok(2)),
            (Call::Completions,     r#""prompt":["a","b"],"n":2,"best_of":5"#,        Ok(10)),
            (Call::Completions,     r#""prompt":["a","b"],"n":3,"best_of":null"#,     Ok(6)),
            (Call::Completions,     r#""prompt":["a","b"],"n":64"#,                   Ok(128)),
            (Call::Completions,     r#""prompt":["a","b"],"n":65"#,                   Err("`prompt` asks for 130")),
            (Call::ChatCompletions, r#""prompt":["a","b"],"n":3"#,                    Ok(3)),
            (Call::ChatCompletions, r#""n":1,"best_of":4"#,                           Ok(4)),
            (Call::Responses,       r#""n":3"#,                                       Ok(1)),
            (Call::Embeddings,      r#""input":["a","b"],"n":3"#,                     Ok(1)),
        ];
        for (call, members, expected) in cases {
            let body = format!(r#"{{"model":"a",{members}}}"#);
            match (Ask::parse(call, None, body.as_bytes()), expected) {
                (Ok(ask), expected) => assert_eq!(Ok(ask.answers), expected, "{members}"),
                (Err(error), expected) => {
                    assert!(
                        error.to_string().contains(expected.unwrap_err()),
                        "{members}: {error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_response_may_build_on_what_is_stored_but_not_run_in_the_background() {
        #[rustfmt::skip]
        let cases = [
            (Call::Responses,       r#""background":true"#,              Err("`background` must not")),
            (Call::Responses,       r#""background":1"#,                 Err("`background` must be")),
            (Call::Responses,       r#""background":false"#,             Ok(false)),
            (Call::ChatCompletions, r#""background":true"#,              Ok(false)),
            (Call::Responses,       r#""previous_response_id":"r_1""#,   Ok(true)),
            (Call::Responses,       r#""previous_response_id":null"#,    Ok(false)),
            (Call::Responses,       r#""conversation":{"id":"c"}"#,      Ok(true)),
            (Call::Responses,       r#""prompt":{"id":"p"}"#,            Ok(true)),
            (Call::Completions,     r#""prompt":"p""#,                   Ok(false)),
            (Call::ChatCompletions, r#""messages":[{"file_id":"f"}]"#,   Ok(true)),
        ];
        for (call, members, expected) in cases {
            let body = format!(r#"{{"model":"a",{members}}}"#);
            match (Ask::parse(call, None, body.as_bytes()), expected) {
                (Ok(ask), expected) => {
                    assert_eq!(Ok(ask.has_input_elsewhere()), expected, "{members}");
                }
                (Err(error), expected) => {
                    assert!(
                        error.to_string().contains(expected.unwrap_err()),
                        "{members}: {error}"
                    );
                }
            }
        }
    }
}
