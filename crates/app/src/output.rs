//! Everything that the program prints: the only module that writes to standard output and error.

mod progress;
mod screen;
mod table;
mod words;

use std::io::{self, IsTerminal as _};

use serde_json::Value;

pub(crate) use doorward_sealed::key_file::shell_word;
pub(crate) use progress::Progress;
pub(crate) use screen::{KeyShown, Linked, Screen, Unlinked, key_beside};
pub(crate) use table::Table;
pub(crate) use words::{cell, count, dollars, list_or, relative, sentence};

/// Prints a text and ends the line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    write(io::stdout().lock(), text)
}

/// Prints a piece of what the server writes for programs, as it is.
pub(crate) fn piece(bytes: &[u8]) -> io::Result<()> {
    write_all(io::stdout().lock(), &[bytes])
}

/// Prints JSON for programs, readable by people.
pub(crate) fn json(value: &Value) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string_pretty(value)?)?)
}

/// Prints JSON on one line.
pub(crate) fn json_line(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Prints a table as wide as the terminal; in a pipe, as wide as it is.
pub(crate) fn table(table: &Table) -> io::Result<()> {
    line(&table.render(width()))
}

/// Prints fields of one thing, one on a line; what is empty is left out.
pub(crate) fn details(fields: &[(&str, String)]) -> io::Result<()> {
    line(&table::details(fields))
}

/// Prints the screen of `quickstart`.
pub(crate) fn screen(screen: &Screen) -> io::Result<()> {
    line(&screen.render(io::stdout().is_terminal()))
}

/// Says something beside the result, on standard error.
pub(crate) fn note(text: &str) {
    // Where even standard error is closed, nobody reads it.
    let _is_written = write(io::stderr().lock(), text).is_ok();
}

/// Prints an error with its causes, on standard error.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", words::chain(error)));
}

fn write(to: impl io::Write, text: &str) -> io::Result<()> {
    write_all(to, &[text.as_bytes(), b"\n"])
}

/// A reader that has seen enough, as `head` has, is no fault.
fn write_all(mut to: impl io::Write, texts: &[&[u8]]) -> io::Result<()> {
    let written = texts.iter().try_for_each(|text| to.write_all(text));
    match written.and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
