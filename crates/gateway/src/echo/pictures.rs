//! Pictures: one dot each, whatever they are to show.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Echo, Events, line, read, words};
use crate::ask::{Ask, Units};
use crate::error::ProxyError;

/// A PNG of one black dot, in base64.
const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";

#[derive(Deserialize)]
struct Body {
    prompt: String,
}

/// As many pictures as are asked for, each of one token.
pub(super) fn answer(body: &[u8], ask: &Ask<'_>, created_at_s: i64) -> Result<Echo, ProxyError> {
    let Body { prompt } = read(body)?;
    let count = if let Units::Pictures { count, .. } = ask.units { count } else { 1 };
    let input = words(&prompt);
    let usage = json!({
        "input_tokens": input, "output_tokens": count, "total_tokens": input + count,
        "input_tokens_details": { "text_tokens": input, "image_tokens": 0 },
    });
    if ask.is_stream {
        return Ok(Echo::Events(Events::of(&[json!({
            "type": "image_generation.completed", "b64_json": DOT, "created_at": created_at_s,
            "output_format": "png", "usage": usage,
        })])));
    }
    let pictures: Vec<Value> = (0..count).map(|_| json!({ "b64_json": DOT })).collect();
    Ok(Echo::Whole(line(&json!({
        "created": created_at_s, "data": pictures, "output_format": "png", "usage": usage,
    }))))
}
