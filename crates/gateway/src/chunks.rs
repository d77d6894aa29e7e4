//! The chunked transfer coding, on both sides: what clients send is followed to its end, what
//! upstreams send is taken apart. Accepts less than other readers do and reads it the same way.
//! Source: RFC 9112, section 7.1.

/// Bytes of one chunk's extension. Nobody uses extensions; endless ones are an attack.
const EXTENSION_BYTES_MAX: u16 = 256;

/// Bytes of all trailers of one body.
const TRAILER_BYTES_MAX: u16 = 4096;

/// Hexadecimal digits of a chunk's size; more could overflow.
const SIZE_DIGITS_MAX: u16 = 15;

/// A chunked body on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunks {
    step: Step,
    /// The chunk's size while it is read, then the bytes of it still to come.
    left: u64,
    /// Bytes of the line or section that the step counts.
    counted: u16,
}

/// What the next byte may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SizeStart,
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// The body breaks the grammar of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedChunks;

impl Chunks {
    pub(crate) const fn new() -> Self {
        Self { step: Step::SizeStart, left: 0, counted: 0 }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.step == Step::End
    }

    /// Takes what belongs to the body from the front of `bytes`, and says how much that was.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, Result<(), MalformedChunks>) {
        let mut used = 0;
        loop {
            let (framing, taken) = self.take_framing(bytes.get(used..).unwrap_or_default());
            used += framing;
            let data = self.take_data(bytes.len() - used);
            used += data;
            if data == 0 || taken.is_err() {
                return (used, taken);
            }
        }
    }

    /// Takes what stands around the data from the front of `bytes`, up to data or the end, and says
    /// how much that was.
    pub(crate) fn take_framing(&mut self, bytes: &[u8]) -> (usize, Result<(), MalformedChunks>) {
        for (used, byte) in bytes.iter().enumerate() {
            if matches!(self.step, Step::Data | Step::End) {
                return (used, Ok(()));
            }
            if let Err(malformed) = self.take(*byte) {
                return (used, Err(malformed));
            }
        }
        (bytes.len(), Ok(()))
    }

    /// How many of the next bytes are data, and takes them.
    pub(crate) fn take_data(&mut self, available: usize) -> usize {
        if self.step != Step::Data {
            return 0;
        }
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(available);
        self.left -= taken as u64;
        if self.left == 0 {
            self.step = Step::DataCr;
        }
        taken
    }

    fn take(&mut self, byte: u8) -> Result<(), MalformedChunks> {
        self.step = match (self.step, byte) {
            (Step::SizeStart, _) => self.start_size(byte)?,
            (Step::Size, b';') => self.start(Step::Extension),
            (Step::Size | Step::Extension, b'\r') => Step::SizeLf,
            (Step::Size, _) => self.add_digit(byte)?,
            (Step::SizeLf, b'\n') if self.left == 0 => self.start(Step::TrailerStart),
            (Step::SizeLf, b'\n') => Step::Data,
            (Step::DataCr, b'\r') => Step::DataLf,
            (Step::DataLf, b'\n') => Step::SizeStart,
            (Step::Trailer, b'\r') => Step::TrailerLf,
            (Step::TrailerLf, b'\n') => Step::TrailerStart,
            (Step::TrailerStart, b'\r') => Step::EndLf,
            (Step::EndLf, b'\n') => Step::End,
            (Step::TrailerStart, b' ' | b'\t' | b':') => return Err(MalformedChunks),
            (Step::Extension, _) => self.count(byte, EXTENSION_BYTES_MAX, Step::Extension)?,
            (Step::TrailerStart | Step::Trailer, _) => {
                self.count(byte, TRAILER_BYTES_MAX, Step::Trailer)?
            }
            _ => return Err(MalformedChunks),
        };
        Ok(())
    }

    fn start(&mut self, step: Step) -> Step {
        self.counted = 0;
        step
    }

    fn start_size(&mut self, byte: u8) -> Result<Step, MalformedChunks> {
        self.left = 0;
        self.counted = 0;
        self.add_digit(byte)
    }

    fn add_digit(&mut self, byte: u8) -> Result<Step, MalformedChunks> {
        let digit = char::from(byte).to_digit(16).ok_or(MalformedChunks)?;
        self.counted += 1;
        if self.counted > SIZE_DIGITS_MAX {
            return Err(MalformedChunks);
        }
        self.left = self.left * 16 + u64::from(digit);
        Ok(Step::Size)
    }

    fn count(&mut self, byte: u8, max: u16, step: Step) -> Result<Step, MalformedChunks> {
        self.counted += 1;
        // A bare LF ends the line for some readers and not for others.
        if matches!(byte, b'\n' | 0) || self.counted > max {
            Err(MalformedChunks)
        } else {
            Ok(step)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that belong to the body, if it is well-formed and complete.
    fn length(body: &str) -> Option<usize> {
        let mut chunks = Chunks::new();
        let (used, taken) = chunks.advance(body.as_bytes());
        (taken.is_ok() && chunks.is_over()).then_some(used)
    }

    #[test]
    fn only_the_strict_grammar_is_a_body() {
        let extension = |bytes| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes));
        let trailer = |bytes| format!("0\r\nt:{}\r\n\r\n", "v".repeat(bytes));
        #[rustfmt::skip]
        let cases = [
            // body                                      is one
            ("0\r\n\r\n",                                true),
            ("000\r\n\r\n",                              true),
            ("3\r\nabc\r\n0\r\n\r\n",                    true),
            ("a\r\n0123456789\r\n0\r\n\r\n",             true),
            ("1;a=b\r\nx\r\n0\r\n\r\n",                  true),
            ("0\r\nx-sum: 1\r\ny: 2\r\n\r\n",            true),
            (&extension(256),                            true),
            (&extension(257),                            false),
            (&trailer(4000),                             true),
            (&trailer(4096),                             false),
            ("",                                         false),
            ("\r\n",                                     false),
            (" 1\r\nx\r\n0\r\n\r\n",                     false),
            ("1 \r\nx\r\n0\r\n\r\n",                     false), // hyper takes the blank
            ("-1\r\nx\r\n0\r\n\r\n",                     false),
            ("0x1\r\nx\r\n0\r\n\r\n",                    false),
            ("g\r\n",                                    false),
            ("1\nx\r\n0\r\n\r\n",                        false),
            ("1;a\nb\r\nx\r\n0\r\n\r\n",                 false),
            ("1\r\nx\n0\r\n\r\n",                        false),
            ("1\r\nxy\r\n0\r\n\r\n",                     false),
            ("1\r\nx0\r\n\r\n",                          false),
            ("1000000000000000\r\n",                     false), // 16 digits
            ("0\r\n folded: x\r\n\r\n",                  false),
            ("0\r\n: x\r\n\r\n",                         false),
            ("0\r\nx: y\n\r\n",                          false),
            ("0\r\n\n",                                  false),
        ];
        for (body, is_body) in cases {
            let expected = is_body.then_some(body.len());
            assert_eq!(length(body), expected, "{body:?}");
            let followed = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(length(&followed).filter(|_| is_body), expected, "{followed:?}");
        }
    }
}
