//! Ids of calls, where Google gives none.

use sha2::{Digest, Sha256};

/// An id that is always the same for the same parts, and in practice for no others. 29 characters, all of
/// which every dialect allows in an id.
pub(super) fn made_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With the lengths, `ab`, `c` is not `a`, `bc`.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut id = "call_".to_owned();
    for byte in hash.finalize().iter().take(12) {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    id
}

/// For a call in a request: by its place, which stays as the conversation grows.
pub(super) fn of_request(content: usize, part: usize, name: &str) -> String {
    made_of(&[b"request", &content.to_be_bytes(), &part.to_be_bytes(), name.as_bytes()])
}

/// For a call in an answer: also by the answer's name and the arguments, for the place alone would give
/// the calls of each answer the same ids.
pub(super) fn of_answer(
    answer: &str,
    choice: usize,
    call: usize,
    name: &str,
    arguments: &str,
) -> String {
    let (choice, call) = (choice.to_be_bytes(), call.to_be_bytes());
    let (answer, name, arguments) = (answer.as_bytes(), name.as_bytes(), arguments.as_bytes());
    made_of(&[b"answer", answer, &choice, &call, name, arguments])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_all_their_parts_apart() {
        let all = [
            made_of(&[b"ab", b"c"]),
            made_of(&[b"a", b"bc"]),
            of_request(1, 2, "f"),
            of_request(2, 2, "f"),
            of_request(1, 3, "f"),
            of_request(1, 2, "g"),
            of_answer("r", 0, 0, "f", "{}"),
            of_answer("s", 0, 0, "f", "{}"),
            of_answer("r", 1, 0, "f", "{}"),
            of_answer("r", 0, 1, "f", "{}"),
            of_answer("r", 0, 0, "g", "{}"),
            of_answer("r", 0, 0, "f", "{ }"),
        ];
        for (at, id) in all.iter().enumerate() {
            assert_eq!(id.len(), 29);
            assert!(!all[..at].contains(id), "{at}");
        }
        // The same in each build: the history of a client may hold it.
        assert_eq!(of_request(1, 2, "f"), "call_20404305c077d79ab4ca33ba");
    }
}
