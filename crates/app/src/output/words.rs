//! Numbers, times and lists in words.

use jiff::Timestamp;

/// Longest text of one cell; the rest of it helps nobody in a table.
const CELL_CHARS_MAX: usize = 200;

/// A text that may stand in a table or a message: on one line, and without the characters by which
/// a name could move the cursor or colour what follows.
pub(crate) fn cell(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(CELL_CHARS_MAX).map(clean).collect();
    if text.chars().nth(CELL_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// Something said: on as many lines as it has, and without other control characters.
pub(crate) fn sentence(text: &str) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(clean).collect()
}

/// An error and its causes, each once.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    sentence(&text)
}

/// An instant as seen from `now`: `3 minutes ago`, `in 89 days`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second());
    let (amount, unit) = match seconds.unsigned_abs() {
        0..=44 => return if seconds > 0 { "in a moment".into() } else { "just now".into() },
        s @ 45..=5_399 => (s.div_ceil(60), "minute"),
        s @ 5_400..=129_599 => ((s + 1_800) / 3_600, "hour"),
        s => ((s + 43_200) / 86_400, "day"),
    };
    let amount = counted(amount, unit);
    if seconds > 0 { format!("in {amount}") } else { format!("{amount} ago") }
}

fn counted(amount: u64, unit: &str) -> String {
    if amount == 1 { format!("1 {unit}") } else { format!("{amount} {unit}s") }
}

/// A number with its thousands apart: `1 234 567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && position % 3 == lead {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Decimal dollars as the server spells them.
pub(crate) fn dollars(text: &str) -> String {
    format!("${text}")
}

/// A list in one cell, or what an empty one means.
pub(crate) fn list_or(items: &[String], empty: &str) -> String {
    if items.is_empty() { empty.to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_as_people_tell_them() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        #[rustfmt::skip]
        let cases = [
            ("2026-11-21T12:00:00Z", "just now"),
            ("2026-11-21T11:59:30Z", "just now"),
            ("2026-11-21T12:00:30Z", "in a moment"),
            ("2026-11-21T11:59:00Z", "1 minute ago"),
            ("2026-11-21T11:00:00Z", "60 minutes ago"),
            ("2026-11-21T10:00:00Z", "2 hours ago"),
            ("2026-11-20T12:00:00Z", "24 hours ago"),
            ("2026-11-19T12:00:00Z", "2 days ago"),
            ("2027-02-19T12:00:00Z", "in 90 days"),
        ];
        for (at, expected) in cases {
            assert_eq!(relative(at.parse().unwrap(), now), expected, "{at}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        let plain = |n| count(n).replace('\u{202f}', " ");
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(plain(number), text);
        }
    }

    #[test]
    fn a_cell_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(cell("\u{1b}[2Ja\r\nb"), "\u{fffd}[2Ja\u{fffd}\u{fffd}b");
        assert_eq!(cell(&"x".repeat(10_000)).chars().count(), CELL_CHARS_MAX + 1);
    }

    #[test]
    fn a_cause_is_not_told_twice() {
        let error = anyhow::anyhow!("inner").context("outer").context("outer: inner");
        assert_eq!(chain(&error), "outer: inner");
    }
}
