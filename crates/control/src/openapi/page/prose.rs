//! Sentences in which names stand between backticks, as Markdown has them.

/// A part of a text: words, or what is typed as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) is_code: bool,
}

pub(super) fn parts(text: &str) -> Vec<Part> {
    let part = |(n, text): (usize, &str)| Part { text: text.to_owned(), is_code: n % 2 == 1 };
    text.split('`').enumerate().map(part).filter(|part| !part.text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        let code = |text: &str| Part { text: text.to_owned(), is_code: true };
        let words = |text: &str| Part { text: text.to_owned(), is_code: false };
        assert_eq!(
            parts("without `a` or `b`"),
            [words("without "), code("a"), words(" or "), code("b")]
        );
        assert_eq!(parts("plain"), [words("plain")]);
        assert_eq!(parts(""), []);
    }
}
