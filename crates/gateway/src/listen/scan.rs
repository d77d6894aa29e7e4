//! Follows the framing of an HTTP/1 connection's input, so that each head is judged before hyper,
//! which is more forgiving than we are, sees a byte of it.

use super::chunks::Chunks;
use super::head::{Complete, Framing, Head};
use super::refusal::Refusal;

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
