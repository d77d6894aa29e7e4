//! Answers in pieces: `:streamGenerateContent`.

pub(super) mod read;
pub(super) mod write;
