//! Reads a request.

use super::harmless::Extras;
use super::wire::{Body, Metadata};
use super::{settings, tools, turns};
use crate::Text;
use crate::anthropic::TURNS;
use crate::anthropic::json::{self, Path};
use crate::request::{Content, Delivery, Keep, Request, Turn};
use crate::unsupported::Malformed;

/// Reads the body of `POST /v1/messages`.
pub fn read_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let body: Body<'_> = json::read(body)?;
    if body.max_tokens.is_none() {
        return Err(Path::Body.field("max_tokens").missing());
    }
    request(body)
}

/// Reads the body of `POST /v1/messages/count_tokens`, which has no `max_tokens`.
pub(in crate::anthropic) fn read_count_request(body: &[u8]) -> Result<Request<'_>, Malformed> {
    request(json::read(body)?)
}

fn request(mut body: Body<'_>) -> Result<Request<'_>, Malformed> {
    let mut extras = Extras::default();
    let model = body.model.take().ok_or_else(|| Path::Body.field("model").missing())?;
    let messages = body.messages.take().ok_or_else(|| Path::Body.field(TURNS).missing())?;
    let (tool_choice, is_one_call_only) = settings::tool_choice(&mut body, &mut extras)?;
    let mut request = Request {
        model: model.0,
        system: turns::system(body.system.take(), &mut extras)?,
        turns: turns::turns(messages, &mut extras)?,
        tools: tools::tools(body.tools.take().unwrap_or_default(), &mut extras)?,
        tool_choice,
        is_one_call_only,
        format: settings::format(&mut body, &mut extras)?,
        output_tokens_max: settings::output_tokens_max(&mut body, &mut extras),
        sampling: settings::sampling(&mut body)?,
        stop: settings::stop(body.stop_sequences.take())?,
        thinking: settings::thinking(&mut body, &mut extras)?,
        answers: None,
        end_user: end_user(body.metadata.take(), &mut extras),
        delivery: delivery(body.stream.take()),
        extras: Vec::new(),
    };
    if let Some(keep) = settings::keep(body.cache_control.take(), &Path::Body, &mut extras)? {
        mark_last(&mut request.turns, keep);
    }
    settings::leave_defaults(&mut body, &mut extras);
    extras.add_left(&body, &Path::Body);
    request.extras = extras.into_list();
    Ok(request)
}

const fn delivery(stream: Option<bool>) -> Delivery {
    match stream {
        Some(true) => Delivery::Stream { wants_usage: true },
        Some(false) | None => Delivery::Whole,
    }
}

fn end_user<'a>(metadata: Option<Metadata<'a>>, extras: &mut Extras) -> Option<Text<'a>> {
    let mut metadata = metadata?;
    let user = metadata.user_id.take();
    extras.add_left(&metadata, &Path::Body.field("metadata"));
    user.map(|user| user.0)
}

/// A mark on the whole request is one on the last piece that can have one.
fn mark_last(turns: &mut [Turn<'_>], keep: Keep) {
    let mut parts = turns.iter_mut().rev().flat_map(|turn| turn.parts.iter_mut().rev());
    if let Some(part) = parts.find(|part| !matches!(part.content, Content::Thought(_))) {
        part.cache.get_or_insert(keep);
    }
}
