//! Pictures of numbers over time: bars over a quiet grid, and the same numbers as a table.
//!
//! What is drawn has classes and no colours, so that it follows the theme and needs no style that the
//! policy of content would refuse. Words and numbers beside the bars are the page's own text: they keep their
//! size while the drawing is stretched to the room that there is.

mod scale;
mod unit;

use svg::Document;
use svg::node::element::{Group, Path, Rectangle, Title};

use scale::Scale;

pub(crate) use unit::Unit;

/// Height of the drawing in its own measure.
const HEIGHT: f64 = 100.0;
/// Room for one bar.
const SLOT: f64 = 10.0;
/// Between the edge of that room and the bar.
const GAP: f64 = 1.5;
/// Words under the bars, at most.
const MARKS_MAX: usize = 5;
/// The classes of the parts of a bar, from below.
const CLASSES: [&str; 2] = ["one", "two"];

/// What is to be drawn.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What it is about: `Requests`.
    pub(crate) title: String,
    /// All of it, in words.
    pub(crate) sum: String,
    /// What else is to be said of that; empty: nothing.
    pub(crate) about: String,
    /// What a bar is made of, from below: one part, or two.
    pub(crate) parts: Vec<String>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) unit: Unit,
}

/// One bar.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Its time in full: `12 Nov 2026`.
    pub(crate) time: String,
    /// The same in a few letters: `12 Nov`.
    pub(crate) mark: String,
    /// Its parts, from below; those that the plan does not name are not drawn.
    pub(crate) values: [u64; 2],
}

/// A picture, ready for a page.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) sum: String,
    pub(crate) about: String,
    pub(crate) parts: Vec<String>,
    /// What the lines of the grid mean, from above.
    pub(crate) ticks: Vec<String>,
    /// Times, from left to right.
    pub(crate) marks: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// The bars. Made by a library that escapes, of numbers and of words that are ours.
    pub(crate) drawing: String,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) time: String,
    pub(crate) values: Vec<String>,
}

impl Chart {
    pub(crate) fn new(plan: Plan) -> Self {
        let count = plan.parts.len().min(CLASSES.len());
        let sums = plan.bars.iter().map(|bar| bar.sum(count));
        let scale = Scale::up_to(sums.max().unwrap_or_default());
        let drawing = draw(&plan, count, scale);
        let row = |bar: &Bar| Row {
            time: bar.time.clone(),
            values: bar.values.iter().take(count).map(|value| plan.unit.exact(*value)).collect(),
        };
        let rows = plan.bars.iter().map(row).collect();
        let marks = marks(&plan.bars);
        let ticks = scale.ticks().map(|value| plan.unit.short(value)).collect();
        let Plan { title, sum, about, parts, .. } = plan;
        Self { title, sum, about, parts, ticks, marks, rows, drawing }
    }

    /// The parts with their classes; of a bar of one part, nothing needs to be said.
    pub(crate) fn legend(&self) -> impl Iterator<Item = (&'static str, &String)> {
        CLASSES.into_iter().zip(&self.parts).filter(|_| self.parts.len() > 1)
    }
}

impl Bar {
    fn sum(&self, count: usize) -> u64 {
        self.values.iter().take(count).fold(0, |sum, value| sum.saturating_add(*value))
    }
}

fn draw(plan: &Plan, count: usize, scale: Scale) -> String {
    let width = SLOT * to_f64(plan.bars.len() as u64);
    let drawing = Document::new()
        .set("class", "bars")
        .set("viewBox", format!("0 0 {width} {HEIGHT}"))
        .set("preserveAspectRatio", "none")
        .set("role", "img")
        .set("aria-label", format!("{}: {}", plan.title, plan.sum))
        .add(grid(width, scale));
    let columns = (0_u64..).zip(&plan.bars).map(|bar| column(plan, bar, count, scale));
    columns.fold(drawing, Document::add).to_string()
}

fn grid(width: f64, scale: Scale) -> Path {
    let lines = scale.ticks().map(|value| format!("M0 {}H{width}", y(value, scale)));
    Path::new().set("class", "grid").set("d", lines.collect::<String>())
}

/// All that stands at one time: its words for whoever points at it, and its parts.
fn column(plan: &Plan, (slot, bar): (u64, &Bar), count: usize, scale: Scale) -> Group {
    let left = SLOT * to_f64(slot);
    let whole = Rectangle::new().set("class", "at").set("x", left).set("y", 0);
    let whole = whole.set("width", SLOT).set("height", HEIGHT);
    let mut column = Group::new().add(Title::new(words(plan, bar))).add(whole);
    let mut below = 0_u64;
    for (class, value) in CLASSES.into_iter().zip(bar.values).take(count) {
        let (bottom, top) = (y(below, scale), y(below.saturating_add(value), scale));
        below = below.saturating_add(value);
        if value == 0 {
            continue;
        }
        let part = Rectangle::new().set("class", class).set("x", left + GAP).set("y", top);
        column =
            column.add(part.set("width", SLOT - 2.0 * GAP).set("height", rounded(bottom - top)));
    }
    column
}

/// `12 Nov 2026: 1,204, Failed 3`.
fn words(plan: &Plan, bar: &Bar) -> String {
    let said = plan.parts.iter().zip(bar.values).map(|(part, value)| {
        let value = plan.unit.exact(value);
        if plan.parts.len() > 1 { format!("{part} {value}") } else { value }
    });
    format!("{}: {}", bar.time, said.collect::<Vec<_>>().join(", "))
}

fn y(value: u64, scale: Scale) -> f64 {
    rounded(HEIGHT - HEIGHT * to_f64(value) / to_f64(scale.top))
}

/// To hundredths: nobody sees more, and each digit is sent.
fn rounded(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "a drawing has some hundred points")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

/// Times under the bars, as far apart from each other as the first and the last allow.
fn marks(bars: &[Bar]) -> Vec<String> {
    let count = bars.len().min(MARKS_MAX);
    let last = bars.len().saturating_sub(1);
    let steps = count.saturating_sub(1).max(1);
    let at = (0..count).map(|mark| (last * mark + steps / 2) / steps);
    at.filter_map(|at| bars.get(at)).map(|bar| bar.mark.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(parts: &[&str], values: &[[u64; 2]]) -> Chart {
        let bar = |(day, values): (usize, &[u64; 2])| Bar {
            time: format!("{} Nov <2026>", day + 1),
            mark: format!("{} Nov", day + 1),
            values: *values,
        };
        Chart::new(Plan {
            title: "Requests".to_owned(),
            sum: "7".to_owned(),
            about: String::new(),
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            bars: values.iter().enumerate().map(bar).collect(),
            unit: Unit::Count,
        })
    }

    #[test]
    fn a_bar_is_drawn_of_its_parts_with_words_and_without_styles() {
        let chart = chart(&["Done", "Failed"], &[[3, 1], [0, 0], [1, 2]]);
        assert_eq!(chart.ticks, ["4", "3", "2", "1", "0"]);
        let drawing = &chart.drawing;
        assert_eq!(drawing.matches("class=\"one\"").count(), 2, "{drawing}");
        assert_eq!(drawing.matches("class=\"two\"").count(), 2, "{drawing}");
        assert!(
            drawing.contains("<title>1 Nov &lt;2026&gt;: Done 3, Failed 1</title>"),
            "{drawing}"
        );
        assert!(!drawing.contains("style") && !drawing.contains("fill"), "{drawing}");
        // Three of four, and the fourth on top of them.
        assert!(
            drawing.contains(r#"class="one" height="75" width="7" x="1.5" y="25""#),
            "{drawing}"
        );
        assert!(
            drawing.contains(r#"class="two" height="25" width="7" x="1.5" y="0""#),
            "{drawing}"
        );
        assert_eq!(chart.rows.len(), 3);
        assert_eq!(chart.rows[2].values, ["1", "2"]);
        assert_eq!(chart.legend().count(), 2);
    }

    #[test]
    fn a_part_that_is_not_named_is_not_drawn() {
        let chart = chart(&["Done"], &[[3, 1_000]]);
        assert_eq!(chart.ticks.first().map(String::as_str), Some("3"));
        assert_eq!(chart.rows[0].values, ["3"]);
        assert!(!chart.drawing.contains("two"));
        assert_eq!(chart.legend().count(), 0);
    }

    #[test]
    fn marks_reach_from_the_first_bar_to_the_last() {
        for (bars, expected) in [
            (0, vec![]),
            (1, vec!["1 Nov"]),
            (2, vec!["1 Nov", "2 Nov"]),
            (7, vec!["1 Nov", "3 Nov", "4 Nov", "6 Nov", "7 Nov"]),
            (29, vec!["1 Nov", "8 Nov", "15 Nov", "22 Nov", "29 Nov"]),
        ] {
            assert_eq!(chart(&["Done"], &vec![[1, 0]; bars]).marks, expected, "{bars}");
        }
    }
}
