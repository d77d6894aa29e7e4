//! Tables without lines: a header in capitals, columns two spaces apart.

mod widths;

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, Width, presets};

use super::words::cell;
use widths::{GAP, Wish, cut, fit, keeps_words};

/// Columns that are narrower than this help nobody; a narrower terminal wraps by itself.
const WIDTH_MIN: u16 = 40;

/// Rows under a header. The first column is never wrapped: it is what people copy.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    empty: &'static str,
    spare: &'static [&'static str],
}

impl Table {
    /// A table with these columns; `empty` is said where there is no row.
    pub(crate) fn new(header: &[&'static str], empty: &'static str) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), empty, spare: &[] }
    }

    /// Names columns that a narrow terminal goes without, the first one first.
    pub(crate) fn with_spare(mut self, spare: &'static [&'static str]) -> Self {
        self.spare = spare;
        self
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[String]) {
        self.rows.push(row.iter().map(|text| cell(text)).collect());
    }

    /// The table as text, within `width` columns if that is known.
    pub(crate) fn render(&self, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return self.empty.to_owned();
        }
        let columns = self.columns(width.map(|width| width.max(WIDTH_MIN).into()));
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_content_arrangement(match width {
            Some(_) => ContentArrangement::Dynamic,
            None => ContentArrangement::Disabled,
        });
        grid.set_header(columns.iter().map(|column| column.heading.clone()));
        for row in &self.rows {
            let text = |column: &Column| row.get(column.index).map(|text| cut(text, column.width));
            grid.add_row(columns.iter().filter_map(text));
        }
        let padding = u16::try_from(GAP).unwrap_or_default();
        for (arranged, column) in grid.column_iter_mut().zip(&columns) {
            arranged.set_padding((0, padding));
            // Where the terminal's width is unknown, the column's is not bounded.
            if let Ok(width) = u16::try_from(column.width) {
                let width = Width::Fixed(width.saturating_add(padding));
                arranged.set_constraint(ColumnConstraint::Absolute(width));
            }
        }
        let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    /// The columns that are shown, each with its width.
    fn columns(&self, width: Option<usize>) -> Vec<Column> {
        let mut columns: Vec<Column> =
            self.header.iter().enumerate().map(|(index, name)| Column::new(index, name)).collect();
        let Some(width) = width else { return columns };
        for spare in self.spare.iter().map(|name| name.to_uppercase()) {
            if keeps_words(&self.wishes(&columns), width) {
                break;
            }
            columns.retain(|column| column.heading != spare);
        }
        let widths = fit(&self.wishes(&columns), width);
        columns.iter_mut().zip(widths).for_each(|(column, width)| column.width = width);
        columns
    }

    /// What each column wants; the first one is what people copy.
    fn wishes(&self, columns: &[Column]) -> Vec<Wish> {
        let of = |column: &Column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column.index));
            let cells = cells.map(String::as_str);
            let is_number = cells.clone().all(is_number);
            match (column.index, Wish::of(&column.heading, cells)) {
                (0, wish) => wish.rigid(),
                (_, wish) if is_number => wish.uncut(),
                (_, wish) => wish,
            }
        };
        columns.iter().map(of).collect()
    }
}

/// An amount as [`count`](super::words::count) and [`dollars`](super::words::dollars) write it.
fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, '$' | '.' | '\u{202f}'))
}

/// A column that is shown.
struct Column {
    index: usize,
    heading: String,
    /// In characters; without bound until it is fitted.
    width: usize,
}

impl Column {
    fn new(index: usize, name: &str) -> Self {
        Self { index, heading: name.to_uppercase(), width: usize::MAX }
    }
}

/// Fields under each other, their values aligned.
pub(super) fn details(fields: &[(&str, String)]) -> String {
    let filled = || fields.iter().filter(|(_, value)| !value.is_empty());
    let width = filled().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:<width$}  {}", cell(value));
    filled().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_aligned_and_empty_ones_left_out() {
        let fields = [("id", "1".into()), ("description", String::new()), ("name", "a".into())];
        assert_eq!(details(&fields), "id    1\nname  a");
    }

    fn sample() -> Table {
        let mut table = Table::new(&["key", "name", "last used"], "none");
        table.push(&["dw_0123456789abcdef".into(), "ci".into(), "3 minutes ago".into()]);
        let nasty = "\u{1b}[2J<script>\nalert(1)</script> ".repeat(3);
        table.push(&["dw_fedcba9876543210".into(), nasty, "never".into()]);
        table
    }

    #[test]
    fn a_table_in_a_pipe_is_not_wrapped() {
        insta::assert_snapshot!(sample().render(None));
    }

    #[test]
    fn a_table_fits_the_terminal_and_keeps_its_first_column() {
        let text = sample().render(Some(60));
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains("dw_fedcba9876543210"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_narrow_terminal_goes_without_what_can_be_spared() {
        let table = sample().with_spare(&["last used"]);
        assert!(table.render(Some(80)).contains("LAST USED"));
        let narrow = table.render(Some(52));
        assert!(!narrow.contains("USED") && !narrow.contains("never"), "{narrow}");
        assert!(table.render(None).contains("LAST USED"));
    }

    #[test]
    fn a_table_without_rows_says_so() {
        assert_eq!(Table::new(&["a"], "There are no keys.").render(None), "There are no keys.");
    }
}
