//! The pieces of a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::request::{Content, Keep, Part, Role, Source, Turn};
use crate::unsupported::{Feature, Leave, Untranslatable};
use crate::{Target, Text};

#[derive(Serialize)]
pub(super) struct PartOut<'a> {
    #[serde(flatten)]
    said: SaidOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_breakpoint: Option<Mark>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SaidOut<'a> {
    Text { text: Text<'a> },
    Refusal { refusal: &'a str },
    ImageUrl { image_url: Url<'a> },
    InputAudio { input_audio: AudioOut<'a> },
    File { file: FileOut<'a> },
}

#[derive(Serialize)]
struct Url<'a> {
    url: Text<'a>,
}

#[derive(Serialize)]
struct AudioOut<'a> {
    data: &'a str,
    format: &'static str,
}

#[derive(Serialize)]
struct FileOut<'a> {
    filename: &'a str,
    file_data: String,
}

#[derive(Serialize)]
struct Mark {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// Where a piece stands, which decides what it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The client's turn; `None`: before all of them.
    at: Option<usize>,
    /// Pictures, sounds and files are the user's only.
    is_user: bool,
}

impl Place {
    pub(super) const fn system() -> Self {
        Self { at: None, is_user: false }
    }

    pub(super) fn of(turn: &Turn<'_>) -> Self {
        Self { at: Some(turn.at), is_user: turn.role == Role::User }
    }

    pub(super) const fn result_in(turn: &Turn<'_>) -> Self {
        Self { at: Some(turn.at), is_user: false }
    }
}

impl<'a> PartOut<'a> {
    pub(super) const fn text(text: Text<'a>) -> Self {
        Self { said: SaidOut::Text { text }, prompt_cache_breakpoint: None }
    }

    /// The text, if it is no more than that; else itself.
    pub(super) fn into_text(self) -> Result<Text<'a>, Self> {
        match self {
            Self { said: SaidOut::Text { text }, prompt_cache_breakpoint: None } => Ok(text),
            part @ Self { .. } => Err(part),
        }
    }
}

/// `None`: it stands elsewhere in the message, or says nothing, or was left out.
pub(super) fn write<'a>(
    part: &'a Part<'_>,
    place: Place,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Option<PartOut<'a>>, Untranslatable> {
    let said = match said(&part.content, place) {
        Ok(said) => said,
        Err(feature) => {
            leave.feature(feature, place.at, to.from)?;
            None
        }
    };
    let cache = part.cache.filter(|_| to.knows.cache_marks);
    Ok(said.map(|said| PartOut { said, prompt_cache_breakpoint: cache.map(mark) }))
}

fn said<'a>(content: &'a Content<'_>, place: Place) -> Result<Option<SaidOut<'a>>, Feature> {
    match content {
        Content::Text(text) if text.is_empty() => Ok(None),
        Content::Text(text) => Ok(Some(SaidOut::Text { text: text.as_ref().into() })),
        Content::Refusal(text) => Ok(Some(SaidOut::Refusal { refusal: text })),
        Content::Image(source) => image(source, place).map(Some),
        Content::Audio(source) => audio(source, place).map(Some),
        Content::Document { source, title } => document(source, title.as_deref(), place).map(Some),
        Content::Call(_) | Content::Outcome(_) | Content::Thought(_) => Ok(None),
    }
}

/// Whether it is one of the pieces that only a user's message may hold: those that are no texts here.
pub(super) fn is_shown(content: &Content<'_>) -> bool {
    let is_text = |source: &Source<'_>| match source {
        Source::Plain(_) => true,
        Source::Inline { media_type, .. } => media_type.starts_with("text/"),
        Source::Url { .. } | Source::File(_) => false,
    };
    match content {
        Content::Image(_) | Content::Audio(_) => true,
        Content::Document { source, .. } => !is_text(source),
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Call(_)
        | Content::Outcome(_)
        | Content::Thought(_) => false,
    }
}

/// All that this dialect knows of how long: whether it is longer than usual.
const fn mark(keep: Keep) -> Mark {
    let ttl = match keep {
        Keep::Short => None,
        Keep::Long => Some("30m"),
    };
    Mark { mode: "explicit", ttl }
}

fn image<'a>(source: &'a Source<'_>, place: Place) -> Result<SaidOut<'a>, Feature> {
    if !place.is_user {
        return Err(Feature::Image);
    }
    let url = match source {
        Source::Inline { media_type, data } => data_url(media_type, data).into(),
        Source::Url { url, .. } => url.as_ref().into(),
        Source::File(_) => return Err(Feature::File),
        Source::Plain(_) => return Err(Feature::Image),
    };
    Ok(SaidOut::ImageUrl { image_url: Url { url } })
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn audio<'a>(source: &'a Source<'_>, place: Place) -> Result<SaidOut<'a>, Feature> {
    let Source::Inline { media_type, data } = source else {
        return Err(if matches!(source, Source::File(_)) { Feature::File } else { Feature::Audio });
    };
    let format = match media_type.as_ref() {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/mp3" | "audio/mpeg" => "mp3",
        _ => return Err(Feature::Audio),
    };
    if !place.is_user {
        return Err(Feature::Audio);
    }
    Ok(SaidOut::InputAudio { input_audio: AudioOut { data, format } })
}

/// A file of plain text is a text, which every server takes; of others, a PDF has a place here.
fn document<'a>(
    source: &'a Source<'_>,
    title: Option<&'a str>,
    place: Place,
) -> Result<SaidOut<'a>, Feature> {
    match source {
        Source::Plain(text) => Ok(titled(text.as_ref().into(), title)),
        Source::Inline { media_type, data } if media_type.starts_with("text/") => {
            let bytes = STANDARD.decode(data.as_bytes()).map_err(|_| Feature::Document)?;
            let text = String::from_utf8(bytes).map_err(|_| Feature::Document)?;
            Ok(titled(text.into(), title))
        }
        Source::Inline { media_type, data } if place.is_user && media_type == "application/pdf" => {
            let filename = title.unwrap_or("document.pdf");
            let file_data = data_url(media_type, data);
            Ok(SaidOut::File { file: FileOut { filename, file_data } })
        }
        Source::Inline { .. } | Source::Url { .. } => Err(Feature::Document),
        Source::File(_) => Err(Feature::File),
    }
}

fn titled<'a>(text: Text<'a>, title: Option<&str>) -> SaidOut<'a> {
    match title {
        None => SaidOut::Text { text },
        Some(title) => SaidOut::Text { text: format!("{title}\n\n{text}").into() },
    }
}
