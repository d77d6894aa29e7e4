//! Reading the body of a call.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;

use crate::error::ProxyError;

/// What a call brings: off a connection, or whole from this very process.
pub type CallBody = Either<Incoming, Full<Bytes>>;

/// A body, as far as it came with its head.
pub(super) enum Begun {
    Whole(Bytes),
    /// The beginning, and what brings the rest.
    Part(Bytes, CallBody),
}

/// Refuses a body that says that it is no JSON. One that says nothing is read.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), ProxyError> {
    let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return Ok(()) };
    if kind == b"application/json" {
        return Ok(());
    }
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_json = kind.eq_ignore_ascii_case(b"application/json") || kind.ends_with(b"+json");
    if is_json { Ok(()) } else { Err(ProxyError::WrongType("application/json")) }
}

/// Takes what is there of a body of at most `max` bytes. Most come with their head, in one piece:
/// those cost neither a copy nor a timer.
pub(super) fn begin(mut body: CallBody, max: usize) -> Result<Begun, ProxyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(ProxyError::TooLarge(max));
    }
    let first = match next_piece(&mut body).now_or_never() {
        Some(piece) => piece?.unwrap_or_default(),
        None => Bytes::new(),
    };
    if first.len() > max {
        return Err(ProxyError::TooLarge(max));
    }
    Ok(if body.is_end_stream() { Begun::Whole(first) } else { Begun::Part(first, body) })
}

/// Reads on to the end, in at most `timeout`.
pub(super) async fn finish(
    first: Bytes,
    body: CallBody,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, ProxyError> {
    let rest = tokio::time::timeout(timeout, read_rest(first, body, max));
    rest.await.map_err(|_| ProxyError::SlowBody)?
}

async fn read_rest(first: Bytes, mut body: CallBody, max: usize) -> Result<Bytes, ProxyError> {
    let mut whole = BytesMut::from(first.as_ref());
    // A body whose length was not told never says beforehand that it is over.
    while let Some(piece) = next_piece(&mut body).await? {
        if whole.len() + piece.len() > max {
            return Err(ProxyError::TooLarge(max));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// `None`: it is over.
async fn next_piece(body: &mut CallBody) -> Result<Option<Bytes>, ProxyError> {
    match body.frame().await {
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        None if body.size_hint().lower() == 0 => Ok(None),
        None | Some(Err(_)) => {
            Err(ProxyError::BadRequest("The request body broke off.".to_owned()))
        }
    }
}
