//! One frame of an event stream, as AWS sends it: a prelude with the lengths, headers, a payload, and a
//! checksum over the prelude and another one over all.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>.

/// The largest frame that is read. AWS allows 16 MiB, and sends some hundred bytes.
pub(super) const FRAME_BYTES_MAX: usize = 1 << 20;
/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// A prelude and the checksum over all.
const FRAME_BYTES_MIN: usize = PRELUDE_BYTES + 4;

/// The bytes are no frame, or not the one that was sent: nothing behind them can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    /// Longer than any may be, or than its parts can be.
    #[error("a frame has a length that none can have")]
    Length,
    /// A checksum is not that of the bytes.
    #[error("the checksum of a frame is wrong")]
    Checksum,
    /// The headers do not fill the place that they have.
    #[error("the headers of a frame cannot be read")]
    Headers,
}

/// What a frame says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) message_type: &'a str,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: &'a str,
    /// `:error-message`, where there is no payload.
    pub(super) message: &'a str,
    pub(super) payload: &'a [u8],
}

/// Reads the frame at the front of `bytes`, and how many it has; `None`: it is not all there yet.
pub(super) fn take(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, BadFrame> {
    let Some(prelude) = bytes.first_chunk::<PRELUDE_BYTES>() else { return Ok(None) };
    let (total, headers) = lengths(prelude)?;
    let Some(frame) = bytes.get(..total) else { return Ok(None) };
    let (checked, sum) = frame.split_last_chunk().ok_or(BadFrame::Length)?;
    if crc32fast::hash(checked) != u32::from_be_bytes(*sum) {
        return Err(BadFrame::Checksum);
    }
    let content = checked.get(PRELUDE_BYTES..).ok_or(BadFrame::Length)?;
    let (headers, payload) = content.split_at_checked(headers).ok_or(BadFrame::Length)?;
    let mut frame = Frame { payload, ..Frame::default() };
    frame.read_headers(headers).ok_or(BadFrame::Headers)?;
    Ok(Some((frame, total)))
}

/// The bytes of the whole, and of its headers. They are checked before anybody waits for as many.
fn lengths(prelude: &[u8; PRELUDE_BYTES]) -> Result<(usize, usize), BadFrame> {
    let (checked, sum) = prelude.split_last_chunk().ok_or(BadFrame::Length)?;
    if crc32fast::hash(checked) != u32::from_be_bytes(*sum) {
        return Err(BadFrame::Checksum);
    }
    let length = |bytes: Option<&[u8; 4]>| {
        let length = bytes.and_then(|bytes| usize::try_from(u32::from_be_bytes(*bytes)).ok());
        length.ok_or(BadFrame::Length)
    };
    let (total, headers) = (length(checked.first_chunk())?, length(checked.last_chunk())?);
    let fits = (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&total);
    if !fits || headers > total - FRAME_BYTES_MIN {
        return Err(BadFrame::Length);
    }
    Ok((total, headers))
}

impl<'a> Frame<'a> {
    /// `None`: they are no headers.
    fn read_headers(&mut self, mut rest: &'a [u8]) -> Option<()> {
        while !rest.is_empty() {
            let name = taken(&mut rest, 1).and_then(|length| {
                taken(&mut rest, usize::from(*length.first()?)).filter(|name| !name.is_empty())
            })?;
            let value = value(&mut rest)?;
            let slot = match name {
                b":message-type" => &mut self.message_type,
                b":event-type" | b":exception-type" | b":error-code" => &mut self.name,
                b":error-message" => &mut self.message,
                _ => continue,
            };
            *slot = std::str::from_utf8(value?).ok()?;
        }
        Some(())
    }
}

/// The value of a header at the front of `rest`: its text, or nothing where it is none; `None`: it is cut.
#[expect(clippy::option_option, reason = "what cannot be read and what is no text are not alike")]
fn value<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    const TEXT: u8 = 7;
    let kind = *taken(rest, 1)?.first()?;
    let bytes = match kind {
        // true, false
        0 | 1 => 0,
        // of 1, 2, 4 and 8 bytes
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        // bytes, text
        6 | TEXT => usize::from(u16::from_be_bytes(*taken(rest, 2)?.first_chunk()?)),
        // a UUID
        9 => 16,
        _ => return None,
    };
    let value = taken(rest, bytes)?;
    Some((kind == TEXT).then_some(value))
}

fn taken<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(bytes)?;
    *rest = behind;
    Some(taken)
}
