//! Tables without lines: a header in capitals, columns two spaces apart.

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, presets};

use super::words::cell;

/// Columns that are narrower than this help nobody; a narrower terminal wraps by itself.
const WIDTH_MIN: u16 = 40;

/// Rows under a header. The first column is never wrapped: it is what people copy.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    empty: &'static str,
}

impl Table {
    /// A table with these columns; `empty` is said where there is no row.
    pub(crate) fn new(header: &[&'static str], empty: &'static str) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), empty }
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
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        match width {
            Some(width) => {
                grid.set_content_arrangement(ContentArrangement::Dynamic);
                grid.set_width(width.max(WIDTH_MIN));
            }
            None => {
                grid.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        grid.set_header(self.header.iter().map(|name| name.to_uppercase()));
        grid.add_rows(&self.rows);
        for (index, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index == 0 {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
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
    fn a_table_without_rows_says_so() {
        assert_eq!(Table::new(&["a"], "There are no keys.").render(None), "There are no keys.");
    }
}
