//! What was said before: the page keeps it in the form, and sends it along. Nothing here is stored.

use crate::form::Form;

/// The fields with what was said: a question, its answer, the next question, and so on.
pub(super) const SAID: &str = "said";
/// Questions with their answers that a conversation has at most.
pub(super) const TURNS_MAX: usize = 20;
/// The longest conversation, with the next question.
pub(super) const BYTES_MAX: usize = 64 << 10;

/// A question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn<'a> {
    pub(super) question: &'a str,
    pub(super) answer: &'a str,
}

/// Those that the form has, in order.
pub(super) fn turns(form: &Form) -> Vec<Turn<'_>> {
    let said: Vec<&str> = form.all(SAID).collect();
    let (pairs, _) = said.as_chunks::<2>();
    pairs.iter().map(|[question, answer]| Turn { question, answer }).collect()
}

/// Whether another question still fits.
pub(super) fn fits(turns: &[Turn<'_>], prompt: &str) -> bool {
    let bytes: usize = turns.iter().map(|turn| turn.question.len() + turn.answer.len()).sum();
    turns.len() < TURNS_MAX && bytes.saturating_add(prompt.len()) <= BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_an_end() {
        let turn = Turn { question: "q", answer: "a" };
        assert!(fits(&[turn; TURNS_MAX - 1], "more"));
        assert!(!fits(&[turn; TURNS_MAX], "more"));
        let long = "x".repeat(BYTES_MAX - 2);
        assert!(fits(&[turn], &long));
        assert!(!fits(&[turn], &format!("{long}x")));
    }

    #[test]
    fn a_question_without_an_answer_is_no_turn() {
        let form = Form::read(b"said=q&said=a&said=left").unwrap();
        assert_eq!(turns(&form), [Turn { question: "q", answer: "a" }]);
    }
}
