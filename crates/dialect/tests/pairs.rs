//! Each ordered pair of dialects: what a client of the one and a provider of the other hear of each other.

#[cfg(test)]
mod pairs {
    mod counts;
    mod golden;
    mod laws;

    #[expect(clippy::needless_pass_by_value, reason = "`json!` gives values")]
    mod refused;
    mod support;
}
