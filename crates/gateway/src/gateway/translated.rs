//! Answers of a deployment that speaks another dialect than the client.

use doorward_dialect::answer::Face;
use doorward_dialect::google::Framing;
use doorward_dialect::spoken::Manner;
use doorward_store::Clock;
use http::{StatusCode, header};

use crate::answer::{Answer, Headers};
use crate::ask::Ask;
use crate::relay::CallEnd;
use crate::translate::{self, StreamTranslation};

/// A whole answer. `None`: the client speaks as the deployment does.
pub(super) fn whole(body: &[u8], ask: &Ask<'_>, end: &CallEnd, clock: &Clock) -> Option<Answer> {
    let (client, provider) = (end.client(), end.target().dialect());
    if client == provider {
        return None;
    }
    let id = end.id().to_string();
    let said = translate::answer((client, provider), body, &face(&id, ask, clock));
    Some(match said {
        Ok(body) => Answer::json(StatusCode::OK, body),
        Err(fault) => {
            let status = StatusCode::BAD_GATEWAY;
            Answer::json(status, client.write_fault(&fault, status.as_u16(), &id).into())
        }
    })
}

/// How a stream is changed. `None`: the client gets the deployment's own words.
pub(super) fn stream(
    ask: &Ask<'_>,
    end: &CallEnd,
    clock: &Clock,
) -> Option<Box<StreamTranslation>> {
    let dialects @ (client, provider) = (end.client(), end.target().dialect());
    if client == provider {
        let is_list = ask.framing == Framing::List;
        return is_list.then(|| Box::new(StreamTranslation::into_list()));
    }
    let id = end.id().to_string();
    let manner = Manner { wants_usage: ask.wants_usage(), framing: ask.framing };
    Some(Box::new(StreamTranslation::new(dialects, &face(&id, ask, clock), manner)))
}

/// An error of the deployment.
pub(super) fn error(
    (status, mut headers, body): (StatusCode, Headers, &[u8]),
    end: &CallEnd,
) -> Answer {
    let dialects @ (client, _) = (end.client(), end.target().dialect());
    let id = end.id().to_string();
    let (body, retry_after_s) = translate::error(dialects, (status.as_u16(), body), &id);
    let mut answer = Answer::json(translate::status(status, client), body);
    headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
    if let Some(seconds) = retry_after_s
        && !headers.iter().any(|(name, _)| *name == header::RETRY_AFTER)
    {
        headers.push((header::RETRY_AFTER, seconds.into()));
    }
    answer.headers.extend(headers);
    answer
}

fn face<'a>(id: &'a str, ask: &'a Ask<'_>, clock: &Clock) -> Face<'a> {
    Face { call: id, model: &ask.model, created_s: clock.now().as_second() }
}
