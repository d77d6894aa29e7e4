//! OpenAI's dialect: into the form and back.

#[cfg(test)]
mod openai {
    mod answers;
    mod golden;
    mod identity;
    #[expect(clippy::needless_pass_by_value, reason = "`json!` gives values")]
    mod malformed;
    mod requests;
    #[expect(clippy::needless_pass_by_value, reason = "`json!` gives values")]
    mod streams;
    mod support;
}
