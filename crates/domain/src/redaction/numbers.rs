//! Numbers of cards and phones: runs of digits, however they are grouped.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What runs of digits are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cards,
    CardsAndPhones,
}

/// Digits in a card's number, ISO/IEC 7812.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// The fewest digits of a phone's number, and the fewest of one that is written in one piece.
const PHONE_DIGITS_MIN: usize = 7;
const PHONE_PLAIN_DIGITS: std::ops::RangeInclusive<usize> = 10..=15;

/// Digits in groups, with at most two signs between them.
const RUNS: &str = r"\+?\(?[0-9](?:[ .()/-]{0,2}[0-9])*";

/// The pattern, compiled once. `None` cannot be: a test compiles it.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(RUNS).ok());

/// Takes out whole runs in which there is a number of a card, or that look like one of a phone.
pub(super) fn redact(text: &str, kind: Kind) -> Cow<'_, str> {
    let Some(runs) = &*PATTERN else { return Cow::Borrowed("") };
    runs.replace_all(text, |found: &Captures<'_>| {
        let (Some(whole), run) = (found.get(0), found.get(0).map_or("", |run| run.as_str())) else {
            return String::new();
        };
        if is_part_of_word(text, whole.start(), whole.end()) {
            return run.to_owned();
        }
        match kind {
            _ if has_card(run) => "[card]".to_owned(),
            Kind::CardsAndPhones if is_phone(run) => "[phone]".to_owned(),
            Kind::Cards | Kind::CardsAndPhones => run.to_owned(),
        }
    })
}

/// Digits within an id or a word are neither.
fn is_part_of_word(text: &str, start: usize, end: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    before.is_some_and(is_word) || after.is_some_and(is_word)
}

/// Whether some groups one after the other are the number of a card.
fn has_card(run: &str) -> bool {
    let groups: Vec<&str> =
        run.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups.iter().skip(first).any(|group| {
            if digits.len() + group.len() > *CARD_DIGITS.end() {
                digits.resize(CARD_DIGITS.end() + 1, 0);
                return false;
            }
            digits.extend(group.bytes().map(|digit| u32::from(digit - b'0')));
            CARD_DIGITS.contains(&digits.len()) && passes_luhn(&digits)
        })
    })
}

fn passes_luhn(digits: &[u32]) -> bool {
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let places = digits.iter().rev().enumerate();
    let sum: u32 =
        places.map(|(at, digit)| if at % 2 == 1 { double(*digit) } else { *digit }).sum();
    sum % 10 == 0 && digits.iter().any(|digit| *digit != 0)
}

fn is_phone(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let is_grouped = digits < run.len();
    let is_plain = PHONE_PLAIN_DIGITS.contains(&digits);
    digits >= PHONE_DIGITS_MIN && (is_grouped || is_plain) && !is_date(run)
}

/// `2026-11-21` has eight digits in groups, too.
fn is_date(run: &str) -> bool {
    let lengths: Vec<usize> = run.split('-').map(str::len).collect();
    lengths == [4, 2, 2] && (run.starts_with("19") || run.starts_with("20"))
}
