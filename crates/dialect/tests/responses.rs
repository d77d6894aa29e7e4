//! OpenAI responses, as clients speak them: requests into the form, answers out of it.

/// Holds what was found to a golden file; `UPDATE_GOLDEN=1` writes it.
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment to write its files"
)]
fn expect(path: &str, found: &str) {
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{path} is not there"));
    assert_eq!(found, expected, "{path}");
}

#[cfg(test)]
mod responses {
    mod answers;
    #[expect(clippy::needless_pass_by_value, reason = "`json!` gives values")]
    mod malformed;
    mod requests;
    mod streams;
}
