//! What a call asks and is answered, read along for a project that keeps it.

mod said;

use std::sync::Arc;

use doorward_store::{Excerpt, PromptRecord, Store};
use http::{HeaderValue, header};

use crate::answer::Headers;
use said::Said;

/// Reads along until it is dropped, however the call ends; then the store gets the record.
#[derive(Debug)]
pub(crate) struct Transcript {
    store: Arc<Store>,
    /// It is there until the drop.
    record: Option<PromptRecord>,
    is_stream: bool,
    answer: Answer,
}

/// What is gathered of the answer.
#[derive(Debug)]
enum Answer {
    /// As it is.
    Text(Excerpt),
    /// Of a stream, what it says: its frames would fill what is kept with themselves.
    Stream(Box<Said>),
    /// Nothing: it is a file.
    File,
}

impl Transcript {
    /// Begins with what was asked. `is_stream`: the client wants the answer in pieces.
    pub(crate) fn new(store: Arc<Store>, record: PromptRecord, is_stream: bool) -> Self {
        Self { store, record: Some(record), is_stream, answer: Answer::Text(Excerpt::default()) }
    }

    /// The head of the answer is known. `is_live`: it is still arriving.
    pub(crate) fn begin_answer(&mut self, headers: &Headers, is_live: bool) {
        let kind = headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
        if kind.is_some_and(|(_, kind)| !is_text(kind)) {
            self.answer = Answer::File;
        } else if is_live && self.is_stream {
            self.answer = Answer::Stream(Box::default());
        }
    }

    /// Some of the answer goes to the client.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match &mut self.answer {
            Answer::Text(text) => text.push(bytes),
            Answer::Stream(said) => said.push(bytes),
            Answer::File => {}
        }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        let answer = std::mem::replace(&mut self.answer, Answer::File);
        if let Some(mut record) = self.record.take() {
            record.answer = match answer {
                Answer::Text(text) => Some(text),
                Answer::Stream(said) => Some(said.finish()),
                Answer::File => None,
            };
            self.store.keep_prompt(record);
        }
    }
}

fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let kind = kind.trim_ascii().to_ascii_lowercase();
    kind.starts_with(b"text/")
        || kind.ends_with(b"json")
        || kind.starts_with(b"application/x-subrip")
}
