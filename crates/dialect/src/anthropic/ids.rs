//! Names and ids as this dialect takes them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::Text;

/// The longest name of a function. Source: <https://platform.claude.com/docs/en/api/messages>.
const TOOL_NAME_BYTES_MAX: usize = 128;
/// The longest id of a call that others than Anthropic take for its models.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html>.
const CALL_ID_BYTES_MAX: usize = 64;
/// How much of a hash names a call: 96 bits, far more than the calls of a conversation need.
const HASH_BYTES: usize = 12;

fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Whether a function may be called so.
pub(crate) fn is_tool_name(name: &str) -> bool {
    name.len() <= TOOL_NAME_BYTES_MAX && is_word(name)
}

/// The ids of calls as they are written: each once, each of letters that the dialect takes, and the same
/// for the same conversation.
#[derive(Debug, Default)]
pub(crate) struct Ids<'a> {
    used: HashSet<Text<'a>>,
    /// How the calls that are not answered yet are written, in their order, by how they were read.
    open: HashMap<Text<'a>, VecDeque<Text<'a>>>,
    /// Whether some of them were answered: the next call is one of another turn.
    is_answering: bool,
}

impl<'a> Ids<'a> {
    /// How the id of a call is written. Calls come in the order of the conversation.
    pub(crate) fn call(&mut self, id: Text<'a>) -> Text<'a> {
        if std::mem::take(&mut self.is_answering) {
            // A new one: to clear it would cost its capacity at each turn.
            self.open = HashMap::new();
        }
        let mut written = word(id.clone());
        if self.used.contains(&written) {
            written = made(&id, self.used.len());
        }
        self.used.insert(written.clone());
        self.open.entry(id).or_default().push_back(written.clone());
        written
    }

    /// How the same id is written where the call is answered.
    pub(crate) fn outcome(&mut self, id: &'a str) -> Text<'a> {
        match self.open.get_mut(id).and_then(VecDeque::pop_front) {
            Some(written) => {
                self.is_answering = true;
                written
            }
            None => word(Text::Borrowed(id)),
        }
    }
}

/// The id itself, or another one if it cannot be written.
fn word(id: Text<'_>) -> Text<'_> {
    if is_word(&id) && id.len() <= CALL_ID_BYTES_MAX { id } else { made(&id, 0) }
}

/// An id from a hash of the one that cannot be written, and of how many there were before it.
fn made(id: &str, before: usize) -> Text<'static> {
    let hash = Sha256::new().chain_update(before.to_be_bytes()).chain_update(id).finalize();
    let mut made = String::from("toolu_");
    for byte in hash.iter().take(HASH_BYTES) {
        write!(made, "{byte:02x}").unwrap_or_default();
    }
    Text::Owned(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_cannot_be_written_become_others_that_stay_the_same() {
        let mut ids = Ids::default();
        assert_eq!(ids.call("call_1".into()), "call_1");
        let odd = ids.call("get.weather:0".into());
        assert!(odd.starts_with("toolu_") && is_word(&odd) && odd.len() == 30, "{odd}");
        assert_eq!(ids.outcome("get.weather:0"), odd);
        assert_eq!(ids.outcome("call_1"), "call_1");
        assert_eq!(Ids::default().call("get.weather:0".into()), odd);
        assert!(is_word(&Ids::default().call("".into())));
        let long = "c".repeat(65);
        assert_eq!(Ids::default().call(Text::Borrowed(&long)).len(), 30);
        assert_eq!(Ids::default().call(Text::Borrowed(&long[1..])), long[1..]);
    }

    #[test]
    fn an_id_that_comes_again_becomes_another_one_for_the_call_and_its_outcome() {
        let mut ids = Ids::default();
        let mut written = Vec::new();
        for _ in 0..3 {
            let calls = [ids.call("call_0".into()), ids.call("call_0".into())];
            assert_eq!([ids.outcome("call_0"), ids.outcome("call_0")], calls);
            written.extend(calls);
        }
        let each: HashSet<_> = written.iter().collect();
        assert_eq!(each.len(), 6, "{written:?}");
        assert_eq!(written[0], "call_0");
    }

    /// As many as a body has room for: were each looked for among the others, it would take minutes.
    #[test]
    fn many_calls_of_one_turn_find_their_outcomes_in_one_go() {
        let read: Vec<String> = (0..100_000).map(|count| format!("call.{count}")).collect();
        let mut ids = Ids::default();
        let calls: Vec<_> = read.iter().map(|id| ids.call(Text::Borrowed(id))).collect();
        let outcomes: Vec<_> = read.iter().rev().map(|id| ids.outcome(id)).collect();
        assert!(calls.iter().rev().eq(&outcomes));
    }

    #[test]
    fn a_call_that_nobody_answered_has_no_outcome_in_another_turn() {
        let mut ids = Ids::default();
        let unanswered = ids.call("call_0".into());
        let other = ids.call("call_1".into());
        assert_eq!(ids.outcome("call_1"), other);
        let again = ids.call("call_0".into());
        assert_ne!(again, unanswered);
        assert_eq!(ids.outcome("call_0"), again);
    }

    #[test]
    fn names_of_functions_are_words_of_bounded_length() {
        #[rustfmt::skip]
        let cases = [
            ("get_weather",    true),
            ("mcp__a-b__C9",   true),
            ("",               false),
            ("a.b",            false),
            ("a b",            false),
            ("größe",          false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_tool_name(name), expected, "{name}");
        }
        assert!(is_tool_name(&"a".repeat(128)) && !is_tool_name(&"a".repeat(129)));
    }
}
