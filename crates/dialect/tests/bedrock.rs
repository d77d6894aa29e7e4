//! What clients of each dialect and Amazon Bedrock hear of each other.

#[cfg(test)]
mod bedrock {
    mod faults;
    mod frames;
    mod golden;

    #[expect(clippy::needless_pass_by_value, reason = "`json!` gives values")]
    mod requests;
    mod streams;
    mod support;
}
