//! Data and files of a conversation.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::fields::{Field, Object};
use crate::Text;
use crate::request::{Content, Source};
use crate::unsupported::{Extra, Malformed};

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ANY_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const ANY_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// `inlineData`: a piece that stands in the body.
pub(super) fn inline<'a>(
    field: Field<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Content<'a>, Malformed> {
    let mut object = Object::open(&field.path, field.node)?;
    let media_type = plain_media_type(object.need_text("mimeType")?);
    if media_type.is_empty() {
        return Err(object.path.malformed("must say its `mimeType`"));
    }
    let data = object.take("data")?.ok_or_else(|| object.path.missing("data"))?;
    let data = base64(data)?;
    let title = object.text("displayName")?.filter(|title| !title.is_empty());
    object.finish(extras);
    if media_type == "text/plain"
        && let Some(text) = decoded(&data)
    {
        return Ok(Content::Document { source: Source::Plain(text.into()), title });
    }
    Ok(sort(Source::Inline { media_type: media_type.clone(), data }, &media_type, title))
}

fn decoded(data: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// `fileData`: a piece that stands elsewhere.
pub(super) fn file<'a>(
    field: Field<'_, 'a>,
    extras: &mut Vec<Extra>,
) -> Result<Content<'a>, Malformed> {
    let mut object = Object::open(&field.path, field.node)?;
    let url = object.need_text("fileUri")?;
    if url.is_empty() {
        return Err(object.path.name("fileUri".into()).malformed("must not be empty"));
    }
    let media_type = object.text("mimeType")?.map(plain_media_type).filter(|kind| !kind.is_empty());
    let title = object.text("displayName")?.filter(|title| !title.is_empty());
    object.finish(extras);
    let kind = media_type.clone().unwrap_or_default();
    let is_public = url.starts_with("http://") || url.starts_with("https://");
    let source = if is_own(&url) || !is_public {
        Source::File(url)
    } else {
        Source::Url { url, media_type }
    };
    Ok(sort(source, &kind, title))
}

/// Whether an address is of a file that lies with Google, where only Google can read it.
pub(super) fn is_own(url: &str) -> bool {
    url.starts_with("gs://") || url.starts_with("https://generativelanguage.googleapis.com/")
}

/// What is at an address, by the end of its name. `None`: nobody knows.
pub(super) fn kind_by_name(url: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 14] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("mp3", "audio/mp3"),
        ("wav", "audio/wav"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("aac", "audio/aac"),
    ];
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, name) = path.rsplit_once('/')?;
    let (_, end) = name.rsplit_once('.')?;
    KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(end)).map(|(_, kind)| *kind)
}

/// The piece of what is at `source`, by its kind.
pub(super) fn sort<'a>(
    source: Source<'a>,
    media_type: &str,
    title: Option<Text<'a>>,
) -> Content<'a> {
    match media_type.split('/').next() {
        Some("image") => Content::Image(source),
        Some("audio") => Content::Audio(source),
        _ => Content::Document { source, title },
    }
}

/// `image/png` of `Image/PNG; q=1`.
pub(super) fn plain_media_type(whole: Text<'_>) -> Text<'_> {
    let plain = whole.split(';').next().unwrap_or_default().trim();
    if plain.len() == whole.len() && !plain.bytes().any(|letter| letter.is_ascii_uppercase()) {
        return whole;
    }
    plain.to_ascii_lowercase().into()
}

/// Base64 in its usual letters and with padding; Google also takes the letters of addresses and no padding.
fn base64<'a>(field: Field<'_, 'a>) -> Result<Text<'a>, Malformed> {
    let path = field.path.clone();
    let data = field.text()?;
    if data.is_empty() {
        return Err(path.malformed("must not be empty"));
    }
    let usual = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/');
    let letters = data.trim_end_matches('=');
    let is_padded = data.len().is_multiple_of(4) && data.len() - letters.len() <= 2;
    if is_padded && letters.bytes().all(usual) {
        return Ok(data);
    }
    let bytes = ANY_STANDARD.decode(data.as_bytes());
    let bytes = bytes.or_else(|_| ANY_URL_SAFE.decode(data.as_bytes()));
    bytes.map(|bytes| STANDARD.encode(bytes).into()).map_err(|_| path.malformed("must be base64"))
}
