//! Reports as CSV (RFC 4180) and as JSON lines: row by row, so that their length does not matter.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use doorward_domain::usage::Usage;
use doorward_store::{GroupBy, StoreError, UsageRow, UsageRows};
use futures_util::StreamExt as _;
use futures_util::stream::once;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::RowObject;
use super::wish::Format;

/// Rows that leave in one piece.
const ROWS: usize = 64;

/// What stands in front of the figures.
pub(super) struct Columns {
    pub(super) group_by: Vec<GroupBy>,
    /// Whether each id that has a name is followed by it.
    pub(super) has_names: bool,
}

/// What has a name beside its id.
const fn is_named(column: GroupBy) -> bool {
    !matches!(column, GroupBy::Model | GroupBy::Day | GroupBy::Hour)
}

/// Answers with the rows as they come.
pub(super) fn stream(rows: UsageRows, columns: Columns, format: Format) -> Response {
    let is_csv = format == Format::Csv;
    let head = if is_csv { columns.head() } else { String::new() };
    let pieces = rows.ready_chunks(ROWS).map(move |rows| {
        let mut piece = String::new();
        for row in rows {
            if is_csv {
                columns.push(&mut piece, &row?);
            } else {
                push_json(&mut piece, row?)?;
            }
        }
        Ok::<_, StoreError>(piece)
    });
    // The answer has begun: a fault can only break it off.
    let pieces = pieces.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(error = error as &dyn std::error::Error, "a report was broken off");
        }
    });
    let (kind, file) = if is_csv {
        ("text/csv; charset=utf-8; header=present", "attachment; filename=\"usage.csv\"")
    } else {
        ("application/jsonl", "attachment; filename=\"usage.jsonl\"")
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static(file)),
    ];
    (headers, Body::from_stream(once(async { Ok(head) }).chain(pieces))).into_response()
}

impl Columns {
    fn head(&self) -> String {
        let mut head = String::new();
        for column in &self.group_by {
            head.push_str(column.as_str());
            head.push(',');
            if self.has_names && is_named(*column) {
                head.push_str(column.as_str());
                head.push_str("_name,");
            }
        }
        let figures = Usage::NAMES.join(",");
        head + "requests,errors,attempts,duration_us,first_byte_us," + &figures + ",cost_usd\r\n"
    }

    fn push(&self, out: &mut String, row: &UsageRow) {
        for column in &self.group_by {
            push_cell(out, row.group(*column).unwrap_or_default());
            out.push(',');
            if self.has_names && is_named(*column) {
                push_cell(out, row.name(*column).unwrap_or_default());
                out.push(',');
            }
        }
        let counts = [row.requests, row.errors, row.attempts, row.duration_us, row.first_byte_us];
        for number in counts.into_iter().chain(row.usage.figures()) {
            out.push_str(&number.to_string());
            out.push(',');
        }
        out.push_str(&row.spend.cost.to_string());
        out.push_str("\r\n");
    }
}

/// Writes a text. One that a spreadsheet would compute stands behind an apostrophe: whoever may name a
/// model must not run anything where the report is opened.
pub(in crate::api) fn push_cell(out: &mut String, text: &str) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(text);
    }
}

fn push_json(out: &mut String, row: UsageRow) -> Result<(), StoreError> {
    let line = serde_json::to_string(&RowObject::from(row));
    out.push_str(&line.map_err(|_| StoreError::Corrupt("a row".to_owned()))?);
    out.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_cell_is_a_text_for_every_reader() {
        let cases = [
            ("",                      ""),
            ("gpt-4o",                "gpt-4o"),
            ("a,b",                   "\"a,b\""),
            ("a\"b",                  "\"a\"\"b\""),
            ("a\r\nb",                "\"a\r\nb\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1",                    "'+1"),
            ("-1",                    "'-1"),
            ("@a",                    "'@a"),
            ("\ta",                   "'\ta"),
        ];
        for (text, expected) in cases {
            let mut out = String::new();
            push_cell(&mut out, text);
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
