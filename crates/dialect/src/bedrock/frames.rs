//! A stream of frames as one of server-sent events, so that everything behind it reads one framing.

use serde_json::Value;

use super::frame::{self, Frame};

/// Our own name for what is no frame, which is none of Bedrock's.
const BAD: &str = "unreadableFrame";

/// Takes a stream of frames apart, wherever it is cut. What waits is at most the beginning of one frame.
///
/// An event becomes `data: {"<its name>":<its payload>}`; an exception, which ends the stream,
/// `data: {"error":{"<its name>":<its payload>}}`. So does what is no frame: nothing behind it can be read.
#[derive(Debug, Default)]
pub struct Frames {
    tail: Vec<u8>,
    is_broken: bool,
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

    /// Takes the next bytes, and appends the events of all frames that are whole.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.is_broken {
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        let used = if tail.is_empty() {
            let used = self.write_whole(bytes, out);
            tail.extend_from_slice(bytes.get(used..).unwrap_or_default());
            0
        } else {
            tail.extend_from_slice(bytes);
            self.write_whole(&tail, out)
        };
        tail.drain(..used);
        if !self.is_broken {
            self.tail = tail;
        }
    }

    /// Writes the whole frames at the front of `bytes`, and says how many bytes they have.
    fn write_whole(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        loop {
            match frame::take(bytes.get(used..).unwrap_or_default()) {
                Ok(None) => return used,
                Ok(Some((frame, length))) => {
                    write(&frame, out);
                    used += length;
                }
                Err(bad) => {
                    self.is_broken = true;
                    write(&Frame { name: BAD, message: &bad.to_string(), ..Frame::default() }, out);
                    return used;
                }
            }
        }
    }
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
