//! The lines of a backup.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{ColumnIndex, Decode, Row, Type};
use zeroize::Zeroizing;

use super::schema::Kind;

/// The version of the lines below.
pub(super) const FORMAT: u32 = 1;
/// The longest line: far above the largest row.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// [`FORMAT`].
    pub(super) doorward_backup: u32,
    /// The version of the program that made it.
    pub(super) program: String,
    /// The version of the database's schema.
    pub(super) schema: i64,
    pub(super) made_at: Timestamp,
    /// The last entry of the audit log that it holds: what is after it has happened since.
    pub(super) audit_sequence: i64,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// How many rows there are.
    pub(super) rows: u64,
    /// SHA-256 of everything before this line, in base64.
    pub(super) sha256: String,
}

/// One field of a row. Bytes may be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(Option<String>),
    Number(Option<i64>),
    Bytes(Option<Zeroizing<Vec<u8>>>),
}

/// Binds fields to the places of a statement, in their order.
macro_rules! bind_cells {
    ($query:expr, $cells:expr) => {{
        let mut query = $query;
        for cell in $cells {
            query = match cell {
                $crate::backup::format::Cell::Text(text) => query.bind(text.as_deref()),
                $crate::backup::format::Cell::Number(number) => query.bind(*number),
                $crate::backup::format::Cell::Bytes(bytes) => {
                    query.bind(bytes.as_ref().map(|bytes| bytes.as_slice()))
                }
            };
        }
        query
    }};
}
pub(super) use bind_cells;

/// Reads one field of a row of either engine.
pub(super) fn read<'r, R: Row>(row: &'r R, at: usize, kind: Kind) -> sqlx::Result<Cell>
where
    usize: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(match kind {
        Kind::Text => Cell::Text(row.try_get(at)?),
        Kind::Number => Cell::Number(row.try_get(at)?),
        Kind::Bytes => Cell::Bytes(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Zeroizing::new)),
    })
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    pub(super) fn number(number: i64) -> Self {
        Self::Number(Some(number))
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
            Self::Bytes(bytes) => bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).into(),
        }
    }

    /// `None`: it is no such thing.
    pub(super) fn of_json(value: Value, kind: Kind) -> Option<Self> {
        match (kind, value) {
            (Kind::Text, Value::Null) => Some(Self::Text(None)),
            (Kind::Number, Value::Null) => Some(Self::Number(None)),
            (Kind::Bytes, Value::Null) => Some(Self::Bytes(None)),
            (Kind::Text, Value::String(text)) => Some(Self::Text(Some(text))),
            (Kind::Number, Value::Number(number)) => Some(Self::Number(Some(number.as_i64()?))),
            (Kind::Bytes, Value::String(text)) => {
                Some(Self::Bytes(Some(Zeroizing::new(STANDARD.decode(text).ok()?))))
            }
            _ => None,
        }
    }
}

/// A digest as the end has it.
pub(super) fn digest_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_as_it_was() {
        let cells = [
            (Kind::Text, Cell::Text(Some("it's\n\"<\u{0}ü".to_owned()))),
            (Kind::Text, Cell::Text(None)),
            (Kind::Number, Cell::Number(Some(i64::MIN))),
            (Kind::Number, Cell::Number(Some(i64::MAX))),
            (Kind::Bytes, Cell::Bytes(Some(Zeroizing::new(vec![0, 255, 10])))),
            (Kind::Bytes, Cell::Bytes(None)),
        ];
        for (kind, cell) in cells {
            let line = cell.to_json().to_string();
            let read = Cell::of_json(serde_json::from_str(&line).unwrap(), kind);
            assert_eq!(read.unwrap(), cell, "{line}");
        }
        for (kind, wrong) in [(Kind::Text, "1"), (Kind::Number, "1.5"), (Kind::Bytes, "\"!\"")] {
            assert!(Cell::of_json(serde_json::from_str(wrong).unwrap(), kind).is_none(), "{wrong}");
        }
    }
}
