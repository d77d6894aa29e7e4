//! A stream of frames as one of server-sent events, so that everything behind it reads one framing.

use serde_json::Value;

use super::frame::{self, BadFrame, Frame};

/// Takes a stream of frames apart, wherever it is cut. What waits is at most the beginning of one frame.
///
/// An event becomes `data: {"<its name>":<its payload>}`; an exception, which ends the stream,
/// `data: {"error":{"<its name>":<its payload>}}`.
#[derive(Debug, Default)]
pub struct Frames {
    tail: Vec<u8>,
}

impl Frames {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is a frame of which not all has come.
    pub fn has_begun(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Takes the next bytes, and appends the events of all frames that are whole. After an error nothing
    /// more can be read.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BadFrame> {
        if self.tail.is_empty() {
            let used = write_whole(bytes, out)?;
            self.tail.extend_from_slice(bytes.get(used..).unwrap_or_default());
            return Ok(());
        }
        self.tail.extend_from_slice(bytes);
        let used = write_whole(&self.tail, out)?;
        self.tail.drain(..used);
        Ok(())
    }
}

/// Writes the whole frames at the front of `bytes`, and says how many bytes they have.
fn write_whole(bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, BadFrame> {
    let mut used = 0;
    while let Some((frame, length)) = frame::take(bytes.get(used..).unwrap_or_default())? {
        write(&frame, out);
        used += length;
    }
    Ok(used)
}

fn write(frame: &Frame<'_>, out: &mut Vec<u8>) {
    let (before, behind): (&[u8], &[u8]) = match frame.message_type {
        "event" => (b"data: {", b"}\n\n"),
        _ => (b"data: {\"error\":{", b"}}\n\n"),
    };
    out.extend_from_slice(before);
    out.extend_from_slice(Value::from(frame.name).to_string().as_bytes());
    out.push(b':');
    if frame.payload.is_empty() {
        let said = serde_json::json!({ "message": frame.message });
        out.extend_from_slice(said.to_string().as_bytes());
    } else {
        // In JSON a line end stands between values only; in an event it would end the line.
        let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
        out.extend(frame.payload.iter().map(plain));
    }
    out.extend_from_slice(behind);
}
