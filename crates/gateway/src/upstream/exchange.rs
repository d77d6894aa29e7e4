//! The answer of an upstream while it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;

use super::origin::{Http1, Origin};

/// Pieces that are ready together go on as one, up to this size.
const GATHER_BYTES_MAX: usize = 64 * 1024;

/// A connection on loan: it goes back to its server's pool only after an answer read to its end.
#[derive(Debug)]
pub(crate) struct Lease {
    origin: Arc<Origin>,
    connection: Option<Http1>,
}

impl Lease {
    pub(crate) fn new(origin: Arc<Origin>, connection: Http1) -> Self {
        Self { origin, connection: Some(connection) }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && connection.drive(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// One more turn lets the connection see the answer's end, then it is idle.
    fn end(mut self, cx: &mut Context<'_>) {
        self.drive(cx);
        if let Some(connection) = self.connection.take() {
            self.origin.give_back(connection);
        }
    }
}

/// An answer's body and the connection that it comes on. Dropped early, the connection is closed,
/// which tells the provider to stop.
#[derive(Debug)]
pub(crate) struct Exchange {
    body: Incoming,
    lease: Option<Lease>,
    is_ended: bool,
    /// A fault that came behind data: it shows at the next poll.
    fault: Option<Broken>,
}

impl Exchange {
    pub(crate) fn new(body: Incoming, lease: Option<Lease>) -> Self {
        Self { body, lease, is_ended: false, fault: None }
    }

    /// Bytes of the whole body, where the upstream said so.
    pub(crate) fn exact_bytes(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Whether what was read last is all that comes, and not the whole.
    pub(crate) fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether everything was read.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Everything that is ready now, as one buffer: many small events leave in one write, and none
    /// that is ready waits. `None`: the end.
    pub(crate) fn poll_ready_bytes(
        &mut self,
        cx: &mut Context<'_>,
        more: impl FnMut(Bytes) -> Result<Bytes, ()>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let mut gathered = Gathered::new(more);
        let mut is_driven = false;
        while !self.is_ended && gathered.len() < GATHER_BYTES_MAX {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    is_driven = false;
                    let data = frame.into_data().unwrap_or_default();
                    self.is_ended = self.body.is_end_stream();
                    if gathered.add(data).is_err() {
                        self.lease = None;
                        return self.fail(&mut gathered, Broken::Overlong);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.lease = None;
                    return self.fail(&mut gathered, Broken::Upstream(error));
                }
                Poll::Ready(None) => self.is_ended = true,
                Poll::Pending if is_driven => break,
                Poll::Pending => {
                    is_driven = true;
                    let Some(lease) = &mut self.lease else { break };
                    lease.drive(cx);
                }
            }
        }
        if self.is_ended
            && let Some(lease) = self.lease.take()
        {
            lease.end(cx);
        }
        let is_ended = self.is_ended;
        gathered.take().map_or(if is_ended { Poll::Ready(None) } else { Poll::Pending }, |bytes| {
            Poll::Ready(Some(Ok(bytes)))
        })
    }

    /// What was gathered before a fault goes on first.
    fn fail<F: FnMut(Bytes) -> Result<Bytes, ()>>(
        &mut self,
        gathered: &mut Gathered<F>,
        fault: Broken,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        let Some(bytes) = gathered.take() else { return Poll::Ready(Some(Err(fault))) };
        self.fault = Some(fault);
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// Why an answer does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The upstream closed, reset or sent what is not HTTP.
    #[error("the connection failed: {0}")]
    Upstream(hyper::Error),
    /// One event is larger than any may be.
    #[error("one event is larger than any may be")]
    Overlong,
}

/// One piece as it came, or several in one new buffer.
struct Gathered<F> {
    more: F,
    one: Option<Bytes>,
    many: BytesMut,
}

impl<F: FnMut(Bytes) -> Result<Bytes, ()>> Gathered<F> {
    fn new(more: F) -> Self {
        Self { more, one: None, many: BytesMut::new() }
    }

    fn len(&self) -> usize {
        self.one.as_ref().map_or(0, Bytes::len) + self.many.len()
    }

    /// Lets the meter read a piece and keeps what it lets through.
    fn add(&mut self, piece: Bytes) -> Result<(), ()> {
        let piece = (self.more)(piece)?;
        if piece.is_empty() {
            return Ok(());
        }
        if self.many.is_empty() && self.one.is_none() {
            self.one = Some(piece);
            return Ok(());
        }
        if let Some(first) = self.one.take() {
            self.many.reserve(16 * 1024);
            self.many.extend_from_slice(&first);
        }
        self.many.extend_from_slice(&piece);
        Ok(())
    }

    fn take(&mut self) -> Option<Bytes> {
        let many =
            || Some(std::mem::take(&mut self.many).freeze()).filter(|bytes| !bytes.is_empty());
        self.one.take().or_else(many)
    }
}
