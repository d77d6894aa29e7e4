//! The stream under hyper: passes input through the scanner and notes progress.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::progress::{Phase, Progress};
use super::scan::{Fault, Scanner};

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Unread input that is thrown away before closing, so that the reset which unread input causes
/// does not overtake our answer.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is shorter is copied into one piece: that costs the system less than several, and with TLS
/// it is one record.
const JOINED_BYTES_MAX: usize = 2048;

/// What is read at once of a request that comes while the last one is still being answered. Of its
/// head all is kept, of what follows nothing more is read.
const EARLY_BYTES_MAX: usize = 1024;

/// A connection with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Which protocol the client's first bytes speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Lets hyper see whole, judged heads and well-framed bodies only.
#[derive(Debug)]
pub(super) struct Guard {
    stream: Stream,
    progress: Arc<Progress>,
    /// `None`: everything passes, as HTTP/2 needs no scanner.
    scanner: Option<Scanner>,
    /// Input read but not handed on: a head that came in pieces.
    held: Vec<u8>,
    /// Leading bytes of `held` that may be handed on.
    released: usize,
    input: Input,
    read_bytes: u64,
    written_bytes: u64,
}

/// How the input goes on after the released bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// A fault was found and hyper does not know it yet.
    Faulty(Fault),
    /// A stand-in for the faulty head was handed on; the rest is thrown away.
    Refused,
    /// Our side is shut down; this much more is thrown away.
    Lingering {
        bytes: usize,
    },
    Ended,
}

impl Guard {
    pub(super) fn new(stream: Stream, progress: Arc<Progress>, head_bytes_max: usize) -> Self {
        Self {
            stream,
            progress,
            scanner: Some(Scanner::new(head_bytes_max)),
            held: Vec::new(),
            released: 0,
            input: Input::Open,
            read_bytes: 0,
            written_bytes: 0,
        }
    }

    /// Reads until the first bytes tell the protocol; `None` when the client leaves before that.
    pub(super) fn poll_protocol(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Protocol>>> {
        let mut space = [0; 1024];
        loop {
            if let Some(protocol) = protocol_of(&self.held) {
                self.begin(protocol);
                return Poll::Ready(Ok(Some(protocol)));
            }
            let mut buf = ReadBuf::new(&mut space);
            ready!(self.poll_stream(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(None));
            }
            self.held.extend_from_slice(buf.filled());
            self.progress.enter(Phase::Head);
        }
    }

    fn begin(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::Http1 => self.scan_held(),
            Protocol::Http2 => {
                self.scanner = None;
                self.released = self.held.len();
                self.progress.enter(Phase::Http2);
            }
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.stream.poll_read(cx, buf);
        if polled.is_pending() {
            self.progress.note_reading();
        } else {
            self.read_bytes += (buf.filled().len() - before) as u64;
            self.progress.note_read(self.read_bytes);
        }
        polled
    }

    /// Judges what was just read and says how much of it stays where it is, to be handed on from
    /// there; the rest is held back. A head that came in one piece is never copied.
    fn inspect(&mut self, fresh: &[u8]) -> usize {
        if !self.held.is_empty() {
            self.held.extend_from_slice(fresh);
            self.scan_held();
            return 0;
        }
        let Some(scanner) = &mut self.scanner else { return fresh.len() };
        let found = scanner.scan(fresh);
        match found.fault {
            Some(fault) => self.input = Input::Faulty(fault),
            None => self.held.extend_from_slice(fresh.get(found.released..).unwrap_or_default()),
        }
        self.note_place();
        found.released
    }

    fn scan_held(&mut self) {
        let Some(scanner) = &mut self.scanner else { return };
        let found = scanner.scan(&self.held);
        self.released = found.released;
        if let Some(fault) = found.fault {
            self.held.truncate(found.released);
            self.input = Input::Faulty(fault);
        }
        self.note_place();
    }

    fn note_place(&self) {
        let Some(scanner) = &self.scanner else { return };
        let phase = if scanner.is_in_body() {
            Phase::Body
        } else if self.held.len() > self.released {
            Phase::Head
        } else {
            Phase::Between
        };
        self.progress.enter(phase);
        self.progress.note_heads(scanner.heads());
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let bytes = self.released.min(buf.remaining());
        buf.put_slice(self.held.get(..bytes).unwrap_or_default());
        self.held.drain(..bytes);
        self.released -= bytes;
        if self.held.is_empty() {
            self.held = Vec::new(); // Pieces are rare: an idle connection keeps no memory for them.
        }
    }

    /// The input after a fault: a stand-in for a head, an error for a body.
    fn replace_input(&mut self, fault: Fault) -> io::Result<()> {
        self.input = Input::Refused;
        match fault {
            Fault::Head(refusal) => {
                self.held = refusal.stand_in();
                self.released = self.held.len();
                Ok(())
            }
            Fault::Body => Err(io::Error::new(io::ErrorKind::InvalidData, "malformed chunks")),
        }
    }

    /// Reads while a call is under way, to see whether the client leaves; true: it has. hyper would look
    /// for itself, and take new memory for that in every call.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> bool {
        let is_between =
            self.released == 0 && self.scanner.as_ref().is_some_and(|s| !s.is_in_body());
        if !is_between || self.input != Input::Open || !self.progress.has_calls() {
            return false;
        }
        let mut space = [MaybeUninit::uninit(); EARLY_BYTES_MAX];
        let mut buf = ReadBuf::uninit(&mut space);
        match self.poll_stream(cx, &mut buf) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                // The next request, early: it waits for its turn.
                self.held.extend_from_slice(buf.filled());
                self.scan_held();
                cx.waker().wake_by_ref();
                false
            }
            Poll::Ready(_) => true,
        }
    }

    /// Throws input away until the client ends it or `bytes` have gone; then hyper is told the end.
    fn poll_discard(&mut self, cx: &mut Context<'_>, bytes: &mut usize) -> Poll<()> {
        let mut space = [0; 8192];
        while *bytes > 0 {
            let mut buf = ReadBuf::new(&mut space);
            match ready!(self.stream.poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    *bytes = bytes.saturating_sub(buf.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    fn note_write(&mut self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(Ok(bytes)) => {
                self.written_bytes += *bytes as u64;
                self.progress.note_written(self.written_bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.progress.note_writing(),
        }
    }

    fn has_unread_input(&self) -> bool {
        // HTTP/2 is always in the middle of something: its GOAWAY must not be overtaken either.
        let is_mid_message =
            self.scanner.as_ref().is_none_or(Scanner::is_in_body) || !self.held.is_empty();
        match self.input {
            Input::Open => is_mid_message,
            Input::Faulty(_) | Input::Refused => true,
            Input::Lingering { .. } | Input::Ended => false,
        }
    }
}

fn protocol_of(first: &[u8]) -> Option<Protocol> {
    let common = first.len().min(PREFACE.len());
    if first.get(..common) != PREFACE.get(..common) {
        Some(Protocol::Http1)
    } else if common == PREFACE.len() {
        Some(Protocol::Http2)
    } else {
        None
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.released > 0 {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            match this.input {
                Input::Open => {}
                Input::Faulty(fault) => {
                    this.replace_input(fault)?;
                    continue;
                }
                Input::Refused => {
                    // Never the end of input: hyper would take it for a client that left, and drop
                    // the answer.
                    let mut bytes = DISCARDED_BYTES_MAX;
                    let _over = this.poll_discard(cx, &mut bytes);
                    return Poll::Pending;
                }
                Input::Lingering { .. } | Input::Ended => return Poll::Ready(Ok(())),
            }
            let before = buf.filled().len();
            ready!(this.poll_stream(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() {
                this.input = Input::Ended;
                return Poll::Ready(Ok(()));
            }
            let kept = this.inspect(fresh);
            buf.set_filled(before + kept);
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.stream.poll_write(cx, bytes);
        this.note_write(&polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let polled = if bytes <= JOINED_BYTES_MAX {
            let mut joined = SmallVec::<[u8; JOINED_BYTES_MAX]>::new();
            for slice in slices {
                joined.extend_from_slice(slice);
            }
            this.stream.poll_write(cx, &joined)
        } else {
            this.stream.poll_write_vectored(cx, slices)
        };
        this.note_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes whenever it is woken, but for a write that is stuck, which has its own limit.
        if this.poll_left(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = this.stream.poll_flush(cx);
        match polled {
            Poll::Ready(_) => this.progress.note_written(this.written_bytes),
            Poll::Pending => this.progress.note_writing(),
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut bytes = match this.input {
            Input::Lingering { bytes } => bytes,
            Input::Open | Input::Faulty(_) | Input::Refused | Input::Ended => {
                ready!(this.stream.poll_shutdown(cx))?;
                if !this.has_unread_input() {
                    return Poll::Ready(Ok(()));
                }
                this.progress.enter(Phase::Closing);
                DISCARDED_BYTES_MAX
            }
        };
        let polled = this.poll_discard(cx, &mut bytes);
        this.input = Input::Lingering { bytes };
        polled.map(Ok)
    }
}

/// The two kinds of stream behave alike, so each call goes to whichever it is.
impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Guard, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Guard::new(Stream::Plain(server), Arc::new(Progress::new()), 1024), client)
    }

    #[tokio::test]
    async fn a_head_and_a_body_leave_in_one_write() {
        let (mut guard, mut client) = pair().await;
        assert!(guard.is_write_vectored());
        let slices = [IoSlice::new(b"head "), IoSlice::new(b"body")];
        assert_eq!(guard.write_vectored(&slices).await.unwrap(), 9);
        let mut received = [0; 9];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"head body");
    }

    #[tokio::test]
    async fn what_was_read_too_early_is_handed_on_into_buffers_of_any_size() {
        let (mut guard, mut client) = pair().await;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(&request[..5]).await.unwrap();
        let protocol = std::future::poll_fn(|cx| guard.poll_protocol(cx)).await.unwrap();
        assert_eq!(protocol, Some(Protocol::Http1));

        client.write_all(&request[5..]).await.unwrap();
        let mut received = Vec::new();
        while received.len() < request.len() {
            let mut space = [0; 3];
            let bytes = guard.read(&mut space).await.unwrap();
            received.extend_from_slice(&space[..bytes]);
        }
        assert_eq!(received, request);
        assert_eq!(guard.held.capacity(), 0);
    }
}
