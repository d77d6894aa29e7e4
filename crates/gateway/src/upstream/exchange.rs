//! The body of an upstream's answer while it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;

use super::http1::{self, Connection};
use super::http2::Place;
use super::origin::Origin;

/// The most that is gathered into one piece before it goes on.
const GATHER_BYTES_MAX: usize = 64 * 1024;

/// A body and the connection that it comes on. A connection whose answer was read to its end is
/// given back; any other one of HTTP/1.1 is closed.
#[derive(Debug)]
pub(crate) struct Exchange {
    source: Source,
    is_ended: bool,
    /// A fault that was found behind bytes that had to go on first.
    fault: Option<Broken>,
}

#[derive(Debug)]
enum Source {
    Http1 {
        origin: Arc<Origin>,
        connection: Box<Connection>,
        body: http1::Body,
    },
    Http2(Incoming, #[expect(dead_code, reason = "held until the stream is over")] Place),
    /// Over, or broken.
    None,
}

/// Why an answer does not come, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Http1(http1::Fault),
    #[error("the HTTP/2 stream failed: {0}")]
    Http2(hyper::Error),
    #[error("one event is larger than any may be")]
    Overlong,
}

impl Exchange {
    pub(super) fn http1(
        origin: Arc<Origin>,
        connection: Box<Connection>,
        body: http1::Body,
    ) -> Self {
        let is_ended = body.is_over();
        let mut exchange =
            Self { source: Source::Http1 { origin, connection, body }, is_ended, fault: None };
        exchange.leave_if_ended();
        exchange
    }

    pub(super) fn http2(body: Incoming, place: Place) -> Self {
        let is_ended = body.is_end_stream();
        let mut exchange = Self { source: Source::Http2(body, place), is_ended, fault: None };
        exchange.leave_if_ended();
        exchange
    }

    /// How many bytes are still to come, where the upstream told it.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        match &self.source {
            Source::Http1 { body, .. } => body.bytes_left(),
            Source::Http2(body, _) => body.size_hint().exact(),
            Source::None => None,
        }
    }

    /// Whether what was read last is all that comes, and not the whole.
    pub(crate) fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether the last byte was given out.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Everything that is ready now, as one piece; `meter` reads each part as it comes and gives out
    /// what may pass. Nothing that is ready is held back, and nothing is waited for that is not.
    pub(crate) fn poll_ready_bytes(
        &mut self,
        cx: &mut Context<'_>,
        mut meter: impl FnMut(Bytes) -> Result<Bytes, ()>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        if matches!(self.source, Source::None) {
            return Poll::Ready(None);
        }
        let mut gathered = Gathered::default();
        while !self.is_ended && gathered.len() < GATHER_BYTES_MAX {
            match self.source.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    self.is_ended = self.source.is_over();
                    match meter(piece) {
                        Ok(passed) => gathered.add(passed),
                        Err(()) => return self.fail(gathered, Broken::Overlong),
                    }
                }
                Poll::Ready(Some(Err(fault))) => return self.fail(gathered, fault),
                Poll::Ready(None) => self.is_ended = true,
                Poll::Pending => break,
            }
        }
        self.leave_if_ended();
        match gathered.take() {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None if self.is_ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// What was gathered before a fault goes on first.
    fn fail(&mut self, gathered: Gathered, fault: Broken) -> Poll<Option<Result<Bytes, Broken>>> {
        self.source = Source::None;
        let Some(bytes) = gathered.take() else { return Poll::Ready(Some(Err(fault))) };
        self.fault = Some(fault);
        Poll::Ready(Some(Ok(bytes)))
    }

    fn leave_if_ended(&mut self) {
        if !self.is_ended {
            return;
        }
        if let Source::Http1 { origin, connection, body } =
            std::mem::replace(&mut self.source, Source::None)
            && body.leaves_reusable(&connection)
        {
            origin.give_back(connection);
        }
    }
}

impl Source {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Http1 { connection, body, .. } => body
                .poll_piece(connection, cx)
                .map(|piece| piece.map(|piece| piece.map_err(Broken::Http1))),
            Self::Http2(body, _) => Pin::new(body).poll_frame(cx).map(|frame| {
                frame.map(|frame| match frame {
                    Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                    Err(error) => Err(Broken::Http2(error)),
                })
            }),
            Self::None => Poll::Ready(None),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Http1 { body, .. } => body.is_over(),
            Self::Http2(body, _) => body.is_end_stream(),
            Self::None => true,
        }
    }
}

/// One piece as it came, or several in one new buffer.
#[derive(Default)]
struct Gathered {
    one: Bytes,
    many: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.one.len() + self.many.len()
    }

    fn add(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.one = piece;
        } else if !piece.is_empty() {
            if self.many.is_empty() {
                self.many.reserve(16 * 1024);
                self.many.extend_from_slice(&std::mem::take(&mut self.one));
            }
            self.many.extend_from_slice(&piece);
        }
    }

    fn take(self) -> Option<Bytes> {
        let all = if self.many.is_empty() { self.one } else { self.many.freeze() };
        (!all.is_empty()).then_some(all)
    }
}
