//! Follows the framing of an HTTP/1 connection's input, so that each head is judged before hyper,
//! which is more forgiving than we are, sees a byte of it.

use super::head::{Complete, Framing, Head};
use super::refusal::Refusal;
use crate::chunks::Chunks;

/// The state machine over one connection's input. It copies and allocates nothing.
#[derive(Debug)]
pub(super) struct Scanner {
    place: Place,
    head_bytes_max: usize,
    /// Heads judged good so far; wraps.
    heads: u32,
}

/// Where the next byte belongs.
#[derive(Debug)]
enum Place {
    Head(Head),
    Body { left: u64 },
    Chunks(Chunks),
    Faulty,
}

/// What breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A head: it is answered with the refusal.
    Head(Refusal),
    /// The framing of a body: whoever reads the body gets an error.
    Body,
}

/// How far [`Scanner::scan`] came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Leading bytes that may go on to hyper.
    pub(super) released: usize,
    /// The end of this input: nothing after the released bytes may go on.
    pub(super) fault: Option<Fault>,
}

impl Scanner {
    pub(super) fn new(head_bytes_max: usize) -> Self {
        Self { place: Place::Head(Head::default()), head_bytes_max, heads: 0 }
    }

    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    pub(super) fn is_in_body(&self) -> bool {
        match self.place {
            Place::Body { .. } | Place::Chunks(_) => true,
            Place::Head(_) | Place::Faulty => false,
        }
    }

    /// Scans input that was not released yet: the remainder of the last call, then what arrived
    /// since. Only an incomplete head is ever left over.
    pub(super) fn scan(&mut self, pending: &[u8]) -> Scanned {
        let mut released = 0;
        loop {
            let rest = pending.get(released..).unwrap_or_default();
            if rest.is_empty() {
                return Scanned { released, fault: None };
            }
            let (used, step) = self.step(rest);
            released += used;
            match step {
                Ok(true) => {}
                Ok(false) => return Scanned { released, fault: None },
                Err(fault) => {
                    self.place = Place::Faulty;
                    return Scanned { released, fault: Some(fault) };
                }
            }
        }
    }

    /// Takes one part from the front of `rest`; false when the part needs more input.
    fn step(&mut self, rest: &[u8]) -> (usize, Result<bool, Fault>) {
        match &mut self.place {
            Place::Head(head) => match head.advance(rest, self.head_bytes_max) {
                Ok(Some(complete)) => (complete.bytes, Ok(self.enter_body(complete))),
                Ok(None) => (0, Ok(false)),
                Err(refusal) => (0, Err(Fault::Head(refusal))),
            },
            Place::Body { left } => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= used as u64;
                let is_over = *left == 0;
                (used, Ok(self.leave_body(is_over)))
            }
            Place::Chunks(chunks) => {
                let (used, taken) = chunks.advance(rest);
                let is_over = chunks.is_over();
                (used, taken.map(|()| self.leave_body(is_over)).map_err(|_| Fault::Body))
            }
            Place::Faulty => (0, Ok(false)),
        }
    }

    fn enter_body(&mut self, complete: Complete) -> bool {
        self.heads = self.heads.wrapping_add(1);
        self.place = match complete.framing {
            Framing::Length(0) => Place::Head(Head::default()),
            Framing::Length(left) => Place::Body { left },
            Framing::Chunked => Place::Chunks(Chunks::new()),
        };
        true
    }

    fn leave_body(&mut self, is_over: bool) -> bool {
        if is_over {
            self.place = Place::Head(Head::default());
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD_BYTES_MAX: usize = 200;

    /// What became of a whole input: bytes released, heads judged good, the fault.
    type Outcome = (usize, u32, Option<Fault>);

    fn scan_pieces<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Outcome {
        let mut scanner = Scanner::new(HEAD_BYTES_MAX);
        let (mut released, mut fault, mut pending) = (0, None, Vec::new());
        for piece in pieces {
            pending.extend_from_slice(piece);
            let found = scanner.scan(&pending);
            pending.drain(..found.released);
            released += found.released;
            fault = fault.or(found.fault);
            if fault.is_some() {
                break;
            }
        }
        (released, scanner.heads(), fault)
    }

    const GOOD: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET /b HTTP/1.0\r\n\r\n",
        "POST /c HTTP/1.1\r\nhost: [::1]:80\r\nContent-Length: 5\r\n\r\n\r\n\r\n\n",
        "POST /d HTTP/1.1\r\nHOST: a\r\ntransfer-encoding: chunked\r\n\r\n\
         3;x=y\r\n\0\n\r\r\nA\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n",
        "PUT /e HTTP/1.1\r\nHost:\ta:1 \r\nContent-Length:0\r\nX-Name: \u{e9}\r\n\r\n",
        "POST /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    ];

    const BAD: &[&[u8]] = &[
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \xff\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: 0123456789012345678901234567890123456789012345678901\
          23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
          123456789012345678901234567890123456789\r\n\r\n",
    ];

    #[test]
    fn good_input_is_released_to_the_last_byte() {
        let all = GOOD.concat();
        let heads = u32::try_from(GOOD.len()).unwrap();
        assert_eq!(scan_pieces([all.as_bytes()]), (all.len(), heads, None));
    }

    #[test]
    fn nothing_of_a_bad_head_is_released() {
        for bad in BAD {
            let input = [GOOD[0].as_bytes(), bad, GOOD[0].as_bytes()].concat();
            let (released, heads, fault) = scan_pieces([&*input]);
            match fault {
                Some(Fault::Head(_)) => {
                    assert_eq!((released, heads), (GOOD[0].len(), 1), "{bad:?}");
                }
                Some(Fault::Body) => assert_eq!(heads, 2, "{bad:?}"),
                None => panic!("{bad:?} passed"),
            }
        }
    }

    #[test]
    fn a_head_of_the_largest_size_passes_and_one_more_byte_does_not() {
        let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
        for (extra, expected) in [(0, None), (1, Some(Fault::Head(Refusal::HeadTooLarge)))] {
            let filler = "x".repeat(HEAD_BYTES_MAX - empty.len() + extra);
            let head = empty.replace("X: ", &format!("X: {filler}"));
            assert_eq!(scan_pieces([head.as_bytes()]).2, expected);
        }
    }

    #[test]
    fn every_cut_in_two_gives_the_same_outcome() {
        for bad in BAD {
            let input = [GOOD.concat().as_bytes(), bad].concat();
            let whole = scan_pieces([&*input]);
            for at in 0..input.len() {
                let (first, second) = input.split_at(at);
                assert_eq!(scan_pieces([first, second]), whole, "cut at {at}");
            }
            assert_eq!(scan_pieces(input.chunks(1)), whole, "byte by byte");
        }
    }

    fn cut<'b>(input: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
        let mut rest = input;
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle().take_while(|_| !input.is_empty()) {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        pieces
    }

    fn fragment() -> impl Strategy<Value = Vec<u8>> {
        let pieces: Vec<Vec<u8>> = [
            "GET ",
            "/",
            " ",
            "HTTP/1.1",
            "HTTP/1.0",
            "\r\n",
            "\r",
            "\n",
            "\0",
            "Host: a\r\n",
            ":",
            "Content-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\n",
            "\r\n\r\n",
            "1\r\nx\r\n",
            "0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\n",
            "Authorization: x\r\n",
            " x",
            "\u{e9}",
        ]
        .iter()
        .map(|piece| piece.as_bytes().to_vec())
        .chain([vec![0xff]])
        .collect();
        prop::sample::select(pieces)
    }

    proptest! {
        /// The verdict depends on the bytes, never on how the network cut them.
        #[test]
        fn cutting_never_changes_the_outcome(
            fragments in prop::collection::vec(fragment(), 0..30),
            lengths in prop::collection::vec(1_usize..20, 1..10),
        ) {
            let input = fragments.concat();
            prop_assert_eq!(scan_pieces(cut(&input, &lengths)), scan_pieces([&*input]));
        }

        /// Any bytes at all: no panic, and never more released than there was.
        #[test]
        fn releases_no_more_than_it_was_given(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let (released, _, _) = scan_pieces([&*input]);
            prop_assert!(released <= input.len());
        }
    }
}
