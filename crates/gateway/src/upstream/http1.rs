//! HTTP/1.1 to an upstream: one exchange at a time on one connection, polled by the task of its call
//! alone. Written here because the way of an event is the product: a client that hands each event
//! from its own task to ours costs more than everything that the gateway does with it.
//! Source: RFC 9112.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::head::{self, Head};
use super::stream::Stream;
use crate::chunks::Chunks;

/// The least space that is offered to one read.
const READ_BYTES_MIN: usize = 8 * 1024;
/// The most, for an upstream that fills all that it is offered.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Interim answers (103) before the one that counts.
const INTERIM_MAX: usize = 8;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed before the answer's end")]
    Closed,
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(&'static str),
}

/// A connection, between or within exchanges.
pub(crate) struct Connection {
    stream: Stream,
    /// What was read and not taken yet.
    input: BytesMut,
    /// The head of the request; its memory is kept from one to the next.
    output: Vec<u8>,
    read_bytes: usize,
    pub(crate) idle_since: Instant,
}

impl std::fmt::Debug for Connection {
    /// What it holds is the caller's and the provider's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Only those that the gateway reads or passes on.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Debug)]
pub(crate) enum Framing {
    /// After this many more bytes.
    Length(u64),
    Chunked(Chunks),
    /// Where the connection ends.
    Close,
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    is_over: bool,
    /// Whether the connection can be used again.
    is_persistent: bool,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
            read_bytes: READ_BYTES_MIN,
            idle_since: Instant::now(),
        }
    }

    /// Whether an idle connection can be used again: nothing was said on it, nobody hung up.
    pub(crate) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        let mut space = [0];
        let mut buf = ReadBuf::new(&mut space);
        Pin::new(&mut self.stream).poll_read(cx, &mut buf).is_pending()
    }

    /// Sends a request and reads the answer's head. `write_head` writes the request's head behind
    /// what is in the buffer.
    pub(crate) async fn exchange(
        &mut self,
        write_head: impl FnOnce(&mut Vec<u8>),
        body: &[u8],
    ) -> Result<Answer, Fault> {
        self.output.clear();
        write_head(&mut self.output);
        let mut written = 0;
        let is_all_sent = poll_fn(|cx| self.poll_send(cx, body, &mut written)).await?;
        let head = self.read_head().await?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: Body::new(head.framing, head.is_persistent && is_all_sent),
        })
    }

    /// Whether all was sent: an upstream may answer, and stop reading, before it has seen it all.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        body: &[u8],
        written: &mut usize,
    ) -> Poll<Result<bool, Fault>> {
        let total = self.output.len() + body.len();
        while *written < total {
            let head = self.output.get(*written..).unwrap_or_default();
            let rest = body.get(written.saturating_sub(self.output.len())..).unwrap_or_default();
            let slices = [IoSlice::new(head), IoSlice::new(rest)];
            let slices = if head.is_empty() { &slices[1..] } else { &slices[..] };
            match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => *written += bytes,
                // What it said before it hung up is in the input, if it said anything.
                Poll::Ready(_) => return Poll::Ready(Ok(false)),
                Poll::Pending => {
                    return match ready!(self.poll_fill(cx))? {
                        0 => Poll::Ready(Err(Fault::Closed)),
                        _ => Poll::Ready(Ok(false)),
                    };
                }
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx).map(|flushed| Ok(flushed.map(|()| true)?))
    }

    async fn read_head(&mut self) -> Result<Head, Fault> {
        let mut interims = 0;
        loop {
            match head::take(&mut self.input)? {
                Some(head) if head.status.is_informational() => interims += 1,
                Some(head) => return Ok(head),
                None => {
                    if poll_fn(|cx| self.poll_fill(cx)).await? == 0 {
                        return Err(Fault::Closed);
                    }
                }
            }
            if interims > INTERIM_MAX {
                return Err(Fault::Malformed("it does not stop to send interim answers"));
            }
        }
    }

    /// Reads once; 0: the upstream has ended.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(self.read_bytes);
        let space = self.input.capacity() - self.input.len();
        let bytes = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input))?;
        if bytes == space {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(bytes))
    }
}

impl Body {
    fn new(framing: Framing, is_persistent: bool) -> Self {
        let is_over = matches!(framing, Framing::Length(0));
        let is_persistent = is_persistent && !matches!(framing, Framing::Close);
        Self { framing, is_over, is_persistent }
    }

    /// The bytes still to come, where the upstream said how many.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(left) => Some(left),
            Framing::Chunked(_) | Framing::Close => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether the connection may serve another call, now that the body is over.
    pub(crate) fn leaves_reusable(&self, connection: &Connection) -> bool {
        self.is_over && self.is_persistent && connection.input.is_empty()
    }

    /// The next piece of the body, read from the connection where none is there yet. `None`: it is
    /// over.
    pub(crate) fn poll_piece(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            if self.is_over {
                return Poll::Ready(None);
            }
            match self.take(&mut connection.input) {
                Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(piece))),
                Ok(_) if self.is_over => return Poll::Ready(None),
                Ok(_) => {}
                Err(fault) => return Poll::Ready(Some(Err(fault))),
            }
            match ready!(connection.poll_fill(cx)) {
                Ok(0) => match self.framing {
                    Framing::Close => self.is_over = true,
                    Framing::Length(_) | Framing::Chunked(_) => {
                        return Poll::Ready(Some(Err(Fault::Closed)));
                    }
                },
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Takes what belongs to the body from the front of the input, without its framing.
    fn take(&mut self, input: &mut BytesMut) -> Result<Bytes, Fault> {
        let bytes = match &mut self.framing {
            Framing::Close => input.len(),
            Framing::Length(left) => {
                let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= bytes as u64;
                self.is_over = *left == 0;
                bytes
            }
            Framing::Chunked(chunks) => {
                skip_framing(chunks, input)?;
                chunks.take_data(input.len())
            }
        };
        let piece = input.split_to(bytes).freeze();
        if let Framing::Chunked(chunks) = &mut self.framing {
            // The end may stand right behind the data: whoever waits for it need not read again.
            skip_framing(chunks, input)?;
            self.is_over = chunks.is_over();
        }
        Ok(piece)
    }
}

fn skip_framing(chunks: &mut Chunks, input: &mut BytesMut) -> Result<(), Fault> {
    let (used, taken) = chunks.take_framing(input);
    bytes::Buf::advance(input, used);
    taken.map_err(|_malformed| Fault::Malformed("its chunks are broken"))
}
