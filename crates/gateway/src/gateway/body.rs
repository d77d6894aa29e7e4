//! Reading the body of a call.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::error::ProxyError;

/// Reads a body whole, of at most `max` bytes, in at most `timeout`.
pub(super) async fn read(
    mut body: Incoming,
    max: usize,
    timeout: Duration,
) -> Result<Bytes, ProxyError> {
    if body.size_hint().lower() > max as u64 {
        return Err(ProxyError::TooLarge(max));
    }
    // Most bodies come with their head, in one piece: those cost neither a copy nor a timer.
    let first = match next_piece(&mut body).now_or_never() {
        Some(piece) => piece?,
        None => Bytes::new(),
    };
    if first.len() > max {
        return Err(ProxyError::TooLarge(max));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = tokio::time::timeout(timeout, read_rest(first, body, max));
    Box::pin(rest).await.map_err(|_| ProxyError::SlowBody)?
}

async fn next_piece(body: &mut Incoming) -> Result<Bytes, ProxyError> {
    match body.frame().await {
        None => Ok(Bytes::new()),
        Some(Ok(frame)) => Ok(frame.into_data().unwrap_or_default()),
        Some(Err(_)) => Err(ProxyError::BadRequest("The request body broke off.".to_owned())),
    }
}

async fn read_rest(first: Bytes, mut body: Incoming, max: usize) -> Result<Bytes, ProxyError> {
    let mut whole = BytesMut::from(first.as_ref());
    while !body.is_end_stream() {
        let piece = next_piece(&mut body).await?;
        if whole.len() + piece.len() > max {
            return Err(ProxyError::TooLarge(max));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
