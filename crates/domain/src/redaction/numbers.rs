//! Numbers of cards and phones: runs of digits, however they are grouped.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What runs of digits are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cards,
    CardsAndPhones,
}

/// Digits in a card's number, ISO/IEC 7812.
const CARD_DIGITS: RangeInclusive<usize> = 13..=19;
/// The fewest digits of a phone's number, and the fewest of one that is written in one piece.
const PHONE_DIGITS_MIN: usize = 7;
const PHONE_PLAIN_DIGITS: RangeInclusive<usize> = 10..=15;

/// Digits in groups, with at most two signs between them.
const RUNS: &str = r"\+?\(?[0-9](?:[ .()/-]{0,2}[0-9])*";

/// The pattern, compiled once. `None` cannot be: a test compiles it.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(RUNS).ok());

/// Takes out whole runs in which there is a number of a card, or that look like one of a phone.
pub(super) fn redact(text: &str, kind: Kind) -> Cow<'_, str> {
    let Some(runs) = &*PATTERN else { return Cow::Borrowed("") };
    runs.replace_all(text, |found: &Captures<'_>| {
        found.get(0).map_or("", |run| instead_of(text, run.range(), kind))
    })
}

fn instead_of(text: &str, at: Range<usize>, kind: Kind) -> &str {
    let run = text.get(at.clone()).unwrap_or_default();
    match kind {
        _ if is_part_of_word(text, at) => run,
        _ if has_card(run) => "[card]",
        Kind::CardsAndPhones if is_phone(run) => "[phone]",
        Kind::Cards | Kind::CardsAndPhones => run,
    }
}

/// Digits within an id or a word are neither. What begins with a sign begins by itself.
fn is_part_of_word(text: &str, at: Range<usize>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins_with_sign = text.get(at.start..).is_some_and(|run| run.starts_with(['+', '(']));
    let before = text.get(..at.start).and_then(|before| before.chars().next_back());
    let after = text.get(at.end..).and_then(|after| after.chars().next());
    (!begins_with_sign && before.is_some_and(is_word)) || after.is_some_and(is_word)
}

/// Whether some groups one after the other are the number of a card.
fn has_card(run: &str) -> bool {
    let groups: Vec<&str> =
        run.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    (0..groups.len()).any(|first| groups.get(first..).is_some_and(begin_with_card))
}

/// Looks at no more groups than a card's number can have.
fn begin_with_card(groups: &[&str]) -> bool {
    let mut digits = Vec::new();
    for group in groups {
        if digits.len() + group.len() > *CARD_DIGITS.end() {
            return false;
        }
        digits.extend(group.bytes().map(|digit| u32::from(digit - b'0')));
        if CARD_DIGITS.contains(&digits.len()) && passes_luhn(&digits) {
            return true;
        }
    }
    false
}

fn passes_luhn(digits: &[u32]) -> bool {
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let places = digits.iter().rev().enumerate();
    let sum: u32 =
        places.map(|(at, digit)| if at.is_multiple_of(2) { *digit } else { double(*digit) }).sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
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
