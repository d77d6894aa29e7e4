//! Answers of a deployment that speaks another dialect than the client.

use doorward_dialect::answer::Face;
use doorward_dialect::google::Framing;
use doorward_store::Clock;
use http::{StatusCode, header};

use crate::answer::{Answer, Headers};
use crate::ask::Ask;
use crate::relay::CallEnd;
use crate::translate::{self, Between, StreamTranslation};

/// A whole answer. `None`: the client gets the deployment's own words.
pub(super) fn whole(body: &[u8], ask: &Ask<'_>, end: &CallEnd, clock: &Clock) -> Option<Answer> {
    let between = end.between()?;
    let id = end.id().to_string();
    Some(match translate::answer(between, body, ask, &face(&id, ask, clock)) {
        Ok(body) => Answer::json(StatusCode::OK, body),
        Err(fault) => {
            let status = StatusCode::BAD_GATEWAY;
            Answer::json(status, between.client.write_fault(&fault, status.as_u16(), &id).into())
        }
    })
}

/// How a stream is changed. `None`: the client gets the deployment's own words.
pub(super) fn stream(
    ask: &Ask<'_>,
    end: &CallEnd,
    clock: &Clock,
) -> Option<Box<StreamTranslation>> {
    let Some(between) = end.between() else {
        let is_list = ask.framing == Framing::List;
        return is_list.then(|| Box::new(StreamTranslation::into_list()));
    };
    let id = end.id().to_string();
    Some(Box::new(StreamTranslation::new(between, ask, &face(&id, ask, clock))))
}

/// An error of the deployment. `name`: what a header calls it.
pub(super) fn error(
    (status, mut headers): (StatusCode, Headers),
    (name, body): (Option<&str>, &[u8]),
    between: Between,
    end: &CallEnd,
) -> Answer {
    let id = end.id().to_string();
    let (body, retry_after_s) =
        translate::error(between, (status, end.dialect()), (name, body), &id);
    let mut answer = Answer::json(translate::status(status, end.dialect()), body);
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
