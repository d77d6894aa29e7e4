//! HTTP/1.1 to an upstream: one exchange at a time on one connection, polled by the task of its call
//! alone. Written here because the way of an event is the product: a client that hands each event
//! from its own task to ours costs more than everything that the gateway does with it.
//! Source: RFC 9112.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::head::{Head, Reading};
use super::stream::Stream;
use crate::answer::Headers;
use crate::chunks::Chunks;

/// The least space that is offered to one read.
const READ_BYTES_MIN: usize = 8 * 1024;
/// The most, for an upstream that fills all that it is offered.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Where less space than this is left, new memory is taken for the next read.
const SPACE_BYTES_MIN: usize = 2 * 1024;
/// A body up to this size is copied behind its head: one buffer costs the system less than two.
const JOINED_BYTES_MAX: usize = 4 * 1024;
/// A connection that was in use so lately is not asked whether the upstream has closed it.
const RECENT: Duration = Duration::from_millis(5);

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
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

/// Where a body ends (RFC 9112, section 6.3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many more bytes.
    Length(u64),
    Chunked(Chunks),
    /// Where the connection ends.
    Close,
}

/// How the sending of a request ended.
enum Sent {
    All,
    /// The upstream takes nothing more.
    Broken,
    /// The upstream answered before it had seen all.
    Answered(Head),
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
    pub(crate) fn is_open(&mut self, cx: &mut Context<'_>, age: Duration) -> bool {
        // The runtime hears of an end a moment after the system knows; a request that is sent in that
        // moment is lost, and must not be sent again.
        if age > RECENT && self.stream.has_ended() {
            return false;
        }
        let mut space = [0];
        let mut buf = ReadBuf::new(&mut space);
        Pin::new(&mut self.stream).poll_read(cx, &mut buf).is_pending()
    }

    /// Sends a request and reads the answer's head. `write_head` writes the request's head behind
    /// what is in the buffer; `is_sent` is set when the first byte is written.
    pub(crate) async fn exchange(
        &mut self,
        write_head: impl FnOnce(&mut Vec<u8>),
        body: &[u8],
        is_sent: &mut bool,
    ) -> Result<Answer, Fault> {
        // The memory of the last answer, where nobody holds it any more: it is still in the cache.
        let _is_free = self.input.try_reclaim(READ_BYTES_MIN);
        self.output.clear();
        write_head(&mut self.output);
        let is_joined = body.len() <= JOINED_BYTES_MAX;
        let body = if is_joined {
            self.output.extend_from_slice(body);
            &[]
        } else {
            body
        };
        let mut written = 0;
        let mut reading = Reading::default();
        let sent = poll_fn(|cx| {
            let polled = self.poll_send(cx, body, &mut written, &mut reading);
            *is_sent |= written > 0;
            polled
        });
        let (is_all_sent, head) = match sent.await? {
            Sent::All => (true, poll_fn(|cx| self.poll_head(cx, &mut reading)).await?),
            Sent::Broken => (false, poll_fn(|cx| self.poll_head(cx, &mut reading)).await?),
            Sent::Answered(head) => (false, head),
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: Body::new(head.framing, head.is_persistent && is_all_sent),
        })
    }

    /// Writes, and listens while it cannot: an upstream may answer, and stop reading, before it has
    /// seen all.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        body: &[u8],
        written: &mut usize,
        reading: &mut Reading,
    ) -> Poll<Result<Sent, Fault>> {
        let total = self.output.len() + body.len();
        while *written < total {
            let head = self.output.get(*written..).unwrap_or_default();
            let rest = body.get(written.saturating_sub(self.output.len())..).unwrap_or_default();
            let stream = Pin::new(&mut self.stream);
            let polled = match (head, rest) {
                ([], one) | (one, []) => stream.poll_write(cx, one),
                (head, rest) => {
                    stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(rest)])
                }
            };
            match polled {
                Poll::Ready(Ok(bytes)) if bytes > 0 => *written += bytes,
                // What it said before it hung up is in the input, if it said anything.
                Poll::Ready(_) => return Poll::Ready(Ok(Sent::Broken)),
                Poll::Pending => return self.poll_head(cx, reading).map_ok(Sent::Answered),
            }
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(Sent::All)),
            Poll::Ready(Err(_)) => Poll::Ready(Ok(Sent::Broken)),
            Poll::Pending => self.poll_head(cx, reading).map_ok(Sent::Answered),
        }
    }

    /// The head of the answer that counts.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reading: &mut Reading,
    ) -> Poll<Result<Head, Fault>> {
        loop {
            match reading.take(&mut self.input) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(fault)),
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(Fault::Closed));
            }
        }
    }

    /// Reads once; 0: the upstream has ended.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = self.input.capacity() - self.input.len();
        if space < SPACE_BYTES_MIN {
            self.input.reserve(self.read_bytes);
            space = self.input.capacity() - self.input.len();
        }
        let bytes = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input))?;
        if bytes == space && space >= self.read_bytes {
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
            // The end may stand right behind the data: whoever waits for it need not read again. What
            // is broken there is met again by the next call, behind this piece.
            let _met_again = skip_framing(chunks, input);
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// A connection, and the upstream's end of it.
    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (Connection::new(Stream::Plain(ours)), theirs)
    }

    async fn exchange(connection: &mut Connection, body: &[u8]) -> Result<Answer, Fault> {
        connection.exchange(|out| out.extend_from_slice(HEAD.as_bytes()), body, &mut false).await
    }

    /// The body, and whether the connection can be used again.
    async fn read(connection: &mut Connection, mut body: Body) -> Result<(Vec<u8>, bool), Fault> {
        let mut read = Vec::new();
        while let Some(piece) = poll_fn(|cx| body.poll_piece(connection, cx)).await {
            read.extend_from_slice(&piece?);
        }
        Ok((read, body.leaves_reusable(connection)))
    }

    /// What becomes of an upstream that says this and hangs up.
    async fn answer(text: &str) -> Result<(Vec<u8>, bool), Fault> {
        let (mut connection, mut theirs) = pair().await;
        theirs.write_all(text.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let answer = exchange(&mut connection, b"body").await?;
        read(&mut connection, answer.body).await
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_and_no_further() {
        let head = "HTTP/1.1 200 OK\r\n";
        #[rustfmt::skip]
        let cases = [
            ("Content-Length: 4\r\n\r\nbody",                                   Ok(("body", true))),
            ("Content-Length: 0\r\n\r\n",                                       Ok(("", true))),
            ("Content-Length: 4\r\n\r\nbody and more",                          Ok(("body", false))),
            ("Content-Length: 4\r\nConnection: close\r\n\r\nbody",            Ok(("body", false))),
            ("Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", Ok(("body", true))),
            ("Transfer-Encoding: chunked\r\n\r\n4;x\r\nbody\r\n0\r\nt: 1\r\n\r\n",  Ok(("body", true))),
            ("\r\nbody",                                                        Ok(("body", false))),
            ("Content-Length: 5\r\n\r\nbody",                                   Err("closed before")),
            ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",                 Err("closed before")),
            ("Transfer-Encoding: chunked\r\n\r\n4\r\nbodyX",                    Err("chunks are broken")),
            ("Content-Length: 4\r\n",                                           Err("closed before")),
        ];
        for (text, expected) in cases {
            let read = answer(&format!("{head}{text}")).await;
            match expected {
                Ok((body, is_reusable)) => {
                    assert_eq!(read.unwrap(), (body.as_bytes().to_vec(), is_reusable), "{text:?}");
                }
                Err(why) => {
                    let fault = read.unwrap_err().to_string();
                    assert!(fault.contains(why), "{text:?}: {fault}");
                }
            }
        }
    }

    #[test]
    fn every_cut_of_a_chunked_body_gives_the_same_bytes() {
        const TEXT: &[u8] = b"3\r\nabc\r\n0a\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
        for cut in 0..=TEXT.len() {
            let mut body = Body::new(Framing::Chunked(Chunks::new()), true);
            let (mut input, mut read) = (BytesMut::new(), Vec::new());
            for part in [&TEXT[..cut], &TEXT[cut..]] {
                input.extend_from_slice(part);
                loop {
                    let piece = body.take(&mut input).unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    read.extend_from_slice(&piece);
                }
            }
            assert_eq!((read.as_slice(), body.is_over()), (&b"abc0123456789"[..], true), "{cut}");
        }
    }

    #[tokio::test]
    async fn what_came_before_broken_chunks_is_read_first() {
        let (mut connection, mut theirs) = pair().await;
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\nzz\r\n";
        theirs.write_all(text.as_bytes()).await.unwrap();
        let mut body = exchange(&mut connection, b"body").await.unwrap().body;
        let piece = poll_fn(|cx| body.poll_piece(&mut connection, cx)).await.unwrap();
        assert_eq!(piece.unwrap(), "body");
        let fault = poll_fn(|cx| body.poll_piece(&mut connection, cx)).await.unwrap();
        assert!(fault.unwrap_err().to_string().contains("chunks are broken"));
    }

    #[tokio::test]
    async fn a_connection_serves_one_call_after_the_other_until_the_upstream_leaves() {
        let (mut connection, mut theirs) = pair().await;
        for number in 0..3 {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            theirs.write_all(text.as_bytes()).await.unwrap();
            let answer = exchange(&mut connection, b"body").await.unwrap();
            let body = read(&mut connection, answer.body).await.unwrap();
            assert_eq!(body, (number.to_string().into_bytes(), true));
            assert!(poll_fn(|cx| Poll::Ready(connection.is_open(cx, Duration::ZERO))).await);
            let mut sent = vec![0; HEAD.len() + 4];
            theirs.read_exact(&mut sent).await.unwrap();
            assert_eq!(sent, format!("{HEAD}body").into_bytes());
        }
        drop(theirs);
        // The runtime has had no chance to hear of it.
        let age = Duration::from_secs(1);
        assert!(!poll_fn(|cx| Poll::Ready(connection.is_open(cx, age))).await);
    }

    #[tokio::test]
    async fn an_answer_before_the_whole_request_was_read_is_heard() {
        let (mut connection, mut theirs) = pair().await;
        let text = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
        theirs.write_all(text.as_bytes()).await.unwrap();
        // More than both ends' buffers hold: it can never be written whole.
        let large = vec![b'x'; 64 << 20];
        let answer = exchange(&mut connection, &large).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let body = read(&mut connection, answer.body).await.unwrap();
        assert_eq!(body, (b"no".to_vec(), false), "the rest of the request was never sent");
    }

    #[tokio::test]
    async fn interim_answers_are_passed_over_but_not_for_ever() {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
        let body = answer(&format!("{hint}{hint}{last}")).await.unwrap();
        assert_eq!(body, (b"x".to_vec(), true));
        let fault = answer(&hint.repeat(9)).await.unwrap_err();
        assert!(fault.to_string().contains("interim"), "{fault}");
    }

    #[tokio::test]
    async fn an_interim_answer_does_not_stop_the_body() {
        let (mut connection, mut theirs) = pair().await;
        // More than both ends' buffers hold: the interim answer is there while it is written.
        let large = vec![b'x'; 16 << 20];
        let total = HEAD.len() + large.len();
        let upstream = async move {
            theirs.write_all(b"HTTP/1.1 103 Early Hints\r\n").await.unwrap();
            let mut sent = vec![0; total];
            theirs.read_exact(&mut sent[..total / 2]).await.unwrap();
            theirs.write_all(b"link: </a>\r\n\r\n").await.unwrap();
            theirs.read_exact(&mut sent[total / 2..]).await.unwrap();
            theirs.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.unwrap();
            theirs
        };
        let (answer, _theirs) = tokio::join!(exchange(&mut connection, &large), upstream);
        let body = read(&mut connection, answer.unwrap().body).await.unwrap();
        assert_eq!(body, (b"x".to_vec(), true), "all was sent, so the connection stays");
    }

    #[tokio::test]
    async fn a_request_counts_as_sent_with_its_first_byte() {
        let (mut connection, theirs) = pair().await;
        let mut is_sent = false;
        drop(theirs);
        let failed = connection.exchange(|out| out.extend_from_slice(b"x"), b"", &mut is_sent);
        failed.await.unwrap_err();
        assert!(is_sent, "the system took it");
        connection.stream = closed().await;
        is_sent = false;
        let failed = connection.exchange(|out| out.extend_from_slice(b"x"), b"", &mut is_sent);
        failed.await.unwrap_err();
        assert!(!is_sent, "nothing can leave any more");
    }

    /// A connection whose own side is closed for writing.
    async fn closed() -> Stream {
        let (connection, theirs) = pair().await;
        let mut stream = connection.stream;
        stream.shutdown().await.unwrap();
        drop(theirs);
        stream
    }
}
