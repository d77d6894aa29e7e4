//! How wide each column of a table is, in characters, where not all can be as wide as they want.

/// Columns between two columns of text.
pub(super) const GAP: usize = 2;

/// A longer word does not make others give way to it.
const WORD_MAX: usize = 24;
/// What a column gets at once: enough to hold "3 minutes ago" on one line.
const SHORT_WANT: usize = 8;

/// What a column wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The longest cell on one line.
    whole: usize,
    /// The heading on one line.
    heading: usize,
    /// The longest word of the heading.
    heading_word: usize,
    /// The longest word of a cell.
    word: usize,
}

impl Wish {
    /// Of a column with this heading and these cells.
    pub(super) fn of<'a>(heading: &str, cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        Self {
            whole: cells.clone().map(width).chain([width(heading)]).max().unwrap_or(0),
            heading: width(heading),
            heading_word: longest_word(heading),
            word: cells.map(longest_word).max().unwrap_or(0),
        }
    }

    /// Of a column that is never wrapped.
    pub(super) fn rigid(self) -> Self {
        let Self { whole, heading, .. } = self;
        Self { whole, heading, heading_word: whole, word: whole }
    }

    /// Of a column whose words are never cut: a number with an ellipsis is another number.
    pub(super) fn uncut(self) -> Self {
        Self { heading_word: self.heading_word.max(self.word), ..self }
    }

    /// Wide enough for all words, but for those of unreasonable length.
    fn words(&self) -> usize {
        self.word.min(WORD_MAX).max(self.heading_word)
    }

    fn words_and_heading(&self) -> usize {
        self.words().max(self.heading)
    }
}

/// Whether no word of these columns need be cut.
pub(super) fn keeps_words(wishes: &[Wish], width: usize) -> bool {
    sum(wishes, Wish::words) <= room(wishes, width)
}

/// Widths whose sum fits. Words are kept whole while they can be, headings too; then the widest
/// columns give way, and what is longer than they are is to be [`cut`]. A heading's words never
/// are, and neither is a rigid column: a terminal that is narrower than those wraps by itself.
pub(super) fn fit(wishes: &[Wish], width: usize) -> Vec<usize> {
    let room = room(wishes, width);
    if sum(wishes, Wish::words_and_heading) <= room {
        return widen(wishes.iter().map(Wish::words_and_heading).collect(), wishes, room);
    }
    let words = wishes.iter().map(Wish::words).collect();
    if sum(wishes, Wish::words) <= room {
        return widen(words, wishes, room);
    }
    narrow(words, wishes, room)
}

fn room(wishes: &[Wish], width: usize) -> usize {
    width.saturating_sub(GAP * wishes.len().saturating_sub(1))
}

fn sum(wishes: &[Wish], what: fn(&Wish) -> usize) -> usize {
    wishes.iter().map(what).sum()
}

/// Hands out the room that is left: who wants least is served first, so that most get all.
fn widen(mut widths: Vec<usize>, wishes: &[Wish], room: usize) -> Vec<usize> {
    let mut left = room.saturating_sub(widths.iter().sum());
    let mut wants: Vec<_> = widths.iter_mut().zip(wishes).collect();
    wants.sort_by_key(|(width, wish)| wish.whole.saturating_sub(**width));
    let mut waiting = wants.len();
    for (width, wish) in wants {
        let share = (left / waiting.max(1)).max(SHORT_WANT).min(left);
        let more = wish.whole.saturating_sub(*width).min(share);
        *width += more;
        left -= more;
        waiting -= 1;
    }
    widths
}

/// Takes from the widest column, the last of equals, until all fit or nothing can be taken.
fn narrow(mut widths: Vec<usize>, wishes: &[Wish], room: usize) -> Vec<usize> {
    while widths.iter().sum::<usize>() > room {
        let may_give = |(width, wish): &(&mut usize, &Wish)| **width > wish.heading_word;
        let giving = widths.iter_mut().zip(wishes).filter(may_give);
        let Some((width, _)) = giving.max_by_key(|(width, _)| **width) else { break };
        *width -= 1;
    }
    widths
}

/// A text whose words fit a width: longer ones end with an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    let cut_word = |word: &str| {
        if self::width(word) <= width {
            return word.to_owned();
        }
        let kept: String = word.chars().take(width.saturating_sub(1)).collect();
        format!("{kept}…")
    };
    text.split(' ').map(cut_word).collect::<Vec<_>>().join(" ")
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(width).max().unwrap_or(0)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_while_they_can_be() {
        let columns = [
            Wish::of("KEY", ["dw_0123456789"].into_iter()).rigid(),
            Wish::of("LAST USED", ["3 minutes ago"].into_iter()),
            Wish::of("MODEL", ["a-long-name-of-a-model"].into_iter()),
        ];
        #[rustfmt::skip]
        let cases = [
            // width  widths            what gives
            (200,     vec![13, 13, 22]), // nothing
            (52,      vec![13, 13, 22]),
            (50,      vec![13, 11, 22]), // cells between words
            (48,      vec![13, 9, 22]),
            (46,      vec![13, 7, 22]),  // headings between words
            (44,      vec![13, 7, 20]),  // the widest word
            (27,      vec![13, 5, 5]),
            (1,       vec![13, 4, 5]),   // no more than that
        ];
        for (width, expected) in cases {
            assert_eq!(fit(&columns, width), expected, "{width}");
        }
    }

    #[test]
    fn a_word_of_unreasonable_length_does_not_press_the_others() {
        let long = "x".repeat(200);
        let columns = [
            Wish::of("NAME", ["a"].into_iter()).rigid(),
            Wish::of("NOTE", [&*long].into_iter()),
            Wish::of("LAST USED", ["3 minutes ago"].into_iter()),
        ];
        assert_eq!(fit(&columns, 60), [4, 39, 13]);
        assert!(keeps_words(&columns, 60) && !keeps_words(&columns, 38));
    }

    #[test]
    fn a_number_is_never_cut() {
        let columns = [
            Wish::of("NAME", ["my-application"].into_iter()),
            Wish::of("TOKENS", ["1_234_567_890"].into_iter()).uncut(),
        ];
        assert_eq!(fit(&columns, 22), [7, 13]);
        assert_eq!(fit(&columns, 10), [4, 13]);
    }

    #[test]
    fn only_words_that_are_too_long_are_cut() {
        assert_eq!(cut("gpt-4o* meta-llama/Llama-3.3", 10), "gpt-4o* meta-llam…");
        assert_eq!(cut("ääääää", 6), "ääääää");
        assert_eq!(cut("äääääää", 6), "äääää…");
    }
}
