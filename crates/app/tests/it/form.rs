//! Forms with a file in them, as clients send them.

use crate::program::{Answer, Program};

/// What stands between the parts.
const BOUNDARY: &str = "--d9b1f0a2c4e6";

/// The kind of such a body.
pub(crate) fn kind() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// A form with these texts and, behind them, this file, whose name is `talk.mp3`.
pub(crate) fn form(texts: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let text = |(name, value): &(&str, &str)| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let texts: String = texts.iter().map(text).collect();
    let file_head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"talk.mp3\"\r\n\
         Content-Type: audio/mpeg\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [texts.as_bytes(), file_head.as_bytes(), file, end.as_bytes()].concat()
}

/// Sends a form with this key.
pub(crate) fn send(program: &Program, path: &str, key: &str, body: &[u8]) -> Answer {
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", kind())];
    program.send_as(path, &headers, body)
}
