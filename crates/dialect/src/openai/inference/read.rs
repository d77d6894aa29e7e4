//! From this form into the one between the dialects.

use crate::openai::fields::{Object, Path};
use crate::openai::request::read::{end_user, output_tokens_max, sampling, stop, thinking};
use crate::request::{Content, Delivery, Part, Request, Role, Turn};
use crate::unsupported::Malformed;

/// Fields that are left out without a word: who asks, and a word to the gateway itself.
const HARMLESS: [&str; 4] = ["metadata", "safety_identifier", "user", "doorward_drop_unsupported"];

/// Reads the body of `POST /v1/inference`.
pub fn read_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let wrong = |_| Path::Body.malformed("must be the JSON of an object");
    let mut body = Object::of(serde_json::from_slice(body).map_err(wrong)?, Path::Body);
    let model = body.name("model")?;
    let prompt = part(body.name("prompt")?);
    let system = body.text("system")?.filter(|text| !text.is_empty());
    let is_stream = body.flag("stream")? == Some(true);
    let mut request = Request {
        model,
        system: system.map(part).into_iter().collect(),
        turns: vec![Turn { at: 0, role: Role::User, parts: vec![prompt] }],
        output_tokens_max: output_tokens_max(&mut body)?,
        sampling: sampling(&mut body)?,
        stop: stop(&mut body)?,
        thinking: thinking(&mut body, "reasoning_effort")?,
        end_user: end_user(&mut body)?,
        delivery: if is_stream { Delivery::Stream { wants_usage: true } } else { Delivery::Whole },
        ..Request::default()
    };
    body.skip(&HARMLESS);
    body.rest(&mut request.extras);
    Ok(request)
}

const fn part(text: crate::Text<'_>) -> Part<'_> {
    Part { content: Content::Text(text), cache: None }
}
