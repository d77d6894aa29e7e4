//! Sound: a text is spoken as silence, and of a recording is written down what it is called.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Echo, Events, bad, line, read, words};
use crate::ask::{Ask, File, Units};
use crate::error::ProxyError;

/// Of telephones: 8 000 samples of two bytes each second.
const RATE_HZ: u32 = 8_000;
/// A character takes a hundredth of a second, and a speech no longer than ten.
const BYTES_PER_CHARACTER: usize = 160;
const CHARACTERS_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Speech {
    input: String,
}

/// A WAV file, whatever format is asked for.
pub(super) fn speech(body: &[u8], ask: &Ask<'_>) -> Result<Echo, ProxyError> {
    let Speech { input } = read(body)?;
    let characters = input.chars().count().clamp(1, CHARACTERS_MAX);
    let wav = wav(characters * BYTES_PER_CHARACTER);
    if !ask.is_stream {
        return Ok(Echo::Plain("audio/wav", wav));
    }
    let tokens = words(&input);
    Ok(Echo::Events(Events::of(&[
        json!({ "type": "speech.audio.delta", "audio": STANDARD.encode(&wav) }),
        json!({
            "type": "speech.audio.done",
            "usage": { "input_tokens": tokens, "output_tokens": tokens, "total_tokens": 2 * tokens },
        }),
    ])))
}

/// So many bytes of silence.
fn wav(bytes: usize) -> Bytes {
    let size = u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + bytes);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(size + 36).to_le_bytes());
    // Whole numbers, one channel.
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&RATE_HZ.to_le_bytes());
    file.extend_from_slice(&(RATE_HZ * 2).to_le_bytes());
    // Two bytes for all channels, of 16 bits each.
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&size.to_le_bytes());
    file.resize(44 + bytes, 0);
    Bytes::from(file)
}

/// The name of the file and its length.
pub(super) fn transcript(ask: &Ask<'_>) -> Result<Echo, ProxyError> {
    let File { name, bytes } = ask.file.unwrap_or(File { name: "", bytes: 0 });
    let text = format!("{name}, {bytes} bytes.");
    let ms = if let Units::Sound(length) = ask.units { length.ms } else { 0 };
    let seconds = ms.div_ceil(1_000);
    let usage = json!({ "type": "duration", "seconds": seconds });
    if ask.is_stream {
        return Ok(Echo::Events(Events::of(&[
            json!({ "type": "transcript.text.delta", "delta": text }),
            json!({ "type": "transcript.text.done", "text": text, "usage": usage }),
        ])));
    }
    let plain = |text: String| Ok(Echo::Plain("text/plain; charset=utf-8", Bytes::from(text)));
    match ask.answer_format.unwrap_or("json") {
        "json" => Ok(whole(&json!({ "text": text, "usage": usage }))),
        "verbose_json" => Ok(whole(&json!({
            "task": "transcribe", "language": "english", "duration": seconds, "text": text,
            "segments": [{ "id": 0, "start": 0, "end": seconds, "text": text }], "usage": usage,
        }))),
        "text" => plain(format!("{text}\n")),
        "srt" => plain(format!("1\n00:00:00,000 --> 00:00:01,000\n{text}\n")),
        "vtt" => plain(format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n")),
        _ => Err(bad("response_format", "must be json, verbose_json, text, srt or vtt here")),
    }
}

fn whole(answer: &Value) -> Echo {
    Echo::Whole(line(answer))
}
