//! How many streams an HTTP/2 upstream allows: read from its SETTINGS as they pass, for our HTTP/2
//! client keeps what is too many waiting, and tells nobody.
//! Source: RFC 9113, sections 4.1 and 6.5.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::stream::Stream;

const FRAME_HEAD_BYTES: usize = 9;
const SETTING_BYTES: usize = 6;
const TYPE_SETTINGS: u8 = 4;
const FLAG_ACK: u8 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;
/// Where the upstream names no number: as many as most servers allow.
const STREAMS_DEFAULT: usize = 128;

/// A connection whose frames are looked at as they are read.
#[derive(Debug)]
pub(super) struct Observed {
    stream: Stream,
    frames: Frames,
    /// `None`: the upstream has not said anything yet.
    streams_max: watch::Sender<Option<usize>>,
}

impl Observed {
    /// The second value is told whenever the upstream says how many streams it allows.
    pub(super) fn new(stream: Stream) -> (Self, watch::Receiver<Option<usize>>) {
        let (streams_max, told) = watch::channel(None);
        (Self { stream, frames: Frames::default(), streams_max }, told)
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let streams_max = &self.streams_max;
        self.frames.read(bytes, |named| {
            streams_max.send_modify(|known| {
                *known = Some(named.or(*known).unwrap_or(STREAMS_DEFAULT));
            });
        });
    }
}

/// Where in the sequence of frames the reader is.
#[derive(Debug, Default)]
struct Frames {
    /// The head of a frame, or a setting, of which not all is there.
    part: [u8; FRAME_HEAD_BYTES],
    part_bytes: usize,
    /// What is left of the frame's content.
    left: usize,
    is_settings: bool,
    named: Option<usize>,
}

impl Frames {
    /// `tell` gets what each SETTINGS frame names, at its end.
    fn read(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Option<usize>)) {
        while !bytes.is_empty() {
            if self.left > 0 && !self.is_settings {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted =
                if self.left > 0 { SETTING_BYTES.min(self.left) } else { FRAME_HEAD_BYTES };
            if !self.fill(&mut bytes, wanted) {
                return;
            }
            if self.left > 0 {
                self.left -= wanted;
                self.read_setting();
            } else {
                self.read_head();
            }
            if self.is_settings && self.left == 0 {
                tell(self.named);
                self.is_settings = false;
            }
        }
    }

    /// Whether `part` holds as many bytes as are wanted.
    fn fill(&mut self, bytes: &mut &[u8], wanted: usize) -> bool {
        while self.part_bytes < wanted {
            let (Some((first, rest)), Some(slot)) =
                (bytes.split_first(), self.part.get_mut(self.part_bytes))
            else {
                return false;
            };
            *slot = *first;
            *bytes = rest;
            self.part_bytes += 1;
        }
        self.part_bytes = 0;
        true
    }

    fn read_head(&mut self) {
        let [a, b, c, kind, flags, ..] = self.part;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.is_settings = kind == TYPE_SETTINGS && flags & FLAG_ACK == 0;
        self.named = None;
    }

    fn read_setting(&mut self) {
        let [a, b, value @ .., _, _, _] = self.part;
        if u16::from_be_bytes([a, b]) == MAX_CONCURRENT_STREAMS {
            self.named = Some(usize::try_from(u32::from_be_bytes(value)).unwrap_or(usize::MAX));
        }
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.look_at(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Observed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 0], content].concat()
    }

    #[test]
    fn what_is_named_is_found_wherever_the_bytes_are_cut() {
        let streams = |n: u8| [0, 3, 0, 0, 0, n];
        let other = [0, 4, 0, 0, 0xff, 0xff];
        let bytes = [
            frame(4, 0, &[]),
            frame(4, 0, &[other, streams(7), other].concat()),
            frame(4, 1, &[]),
            frame(0, 0, &[&frame(4, 0, &streams(1))[..], b"data that looks like a frame"].concat()),
            frame(0, 0, &[]),
            frame(4, 0, &[streams(9), other].concat()),
        ]
        .concat();
        for cut in 0..=bytes.len() {
            let (mut frames, mut told) = (Frames::default(), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                frames.read(part, |named| told.push(named));
            }
            assert_eq!(told, [None, Some(7), Some(9)], "cut at {cut}");
        }
    }
}
