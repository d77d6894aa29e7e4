//! The tables that a backup holds and their columns, as the database has them: no column can be
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::format::Cell;
use super::tables::{Fate, TABLES, fate};
use crate::StoreError;
use crate::db::Session;

/// What a column holds, whatever its engine calls that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Text,
    Number,
    Bytes,
}

impl Kind {
    fn of(declared: &str) -> Option<Self> {
        match declared {
            "TEXT" | "text" => Some(Self::Text),
            "INTEGER" | "bigint" => Some(Self::Number),
            "BLOB" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// The table whose rows are not carried as they are.
pub(super) const KEYRING: &str = "keyring";

/// A table and the columns that are stored in it; what the engine computes is not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(rename = "table")]
    pub(super) name: String,
    pub(super) columns: Vec<(String, Kind)>,
}

impl Table {
    pub(super) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }

    /// Reads all rows, in no order.
    pub(super) fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.column_list(), quoted(&self.name))
    }

    /// Adds one row.
    pub(super) fn insert(&self) -> String {
        let places: Vec<_> = (1..=self.columns.len()).map(|place| format!("${place}")).collect();
        let (name, columns) = (quoted(&self.name), self.column_list());
        format!("INSERT INTO {name} ({columns}) VALUES ({})", places.join(", "))
    }

    /// Purpose, version and key of a row of the keyring. `None`: it is no such row.
    pub(super) fn keyring_row<'a>(&self, cells: &'a [Cell]) -> Option<(&'a str, i64, &'a [u8])> {
        let find = |name| self.position(name).and_then(|at| cells.get(at));
        match (find("purpose")?, find("version")?, find("wrapped")?) {
            (Cell::Text(Some(purpose)), Cell::Number(Some(version)), Cell::Bytes(Some(key))) => {
                Some((purpose.as_str(), *version, key.as_slice()))
            }
            _ => None,
        }
    }

    /// Puts another key into a row of the keyring.
    pub(super) fn set_wrapped(&self, cells: &mut [Cell], key: Vec<u8>) {
        if let Some(place) = self.position("wrapped").and_then(|at| cells.get_mut(at)) {
            *place = Cell::Bytes(Some(Zeroizing::new(key)));
        }
    }

    fn column_list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        names.join(", ")
    }
}

/// A name as SQL has it, whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Every table that is kept, each after those that its rows point to.
pub(super) async fn tables(session: &mut Session) -> Result<Vec<Table>, StoreError> {
    const SQLITE_COLUMNS: &str = "
        SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_xinfo(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
          AND t.name <> '_sqlx_migrations' AND c.hidden = 0
        ORDER BY t.name, c.cid";
    const POSTGRES_COLUMNS: &str = "
        SELECT c.table_name::text, c.column_name::text, c.data_type::text
        FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
          AND c.table_name <> '_sqlx_migrations' AND c.is_generated = 'NEVER'
        ORDER BY c.table_name, c.ordinal_position";
    const SQLITE_REFERENCES: &str = "
        SELECT t.name, r.\"table\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) r
        WHERE t.type = 'table'";
    const POSTGRES_REFERENCES: &str = "
        SELECT t.relname::text, r.relname::text FROM pg_constraint k
        JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
        WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace";
    let mut columns: Vec<(String, String, String)>;
    let references: Vec<(String, String)>;
    match session {
        Session::Sqlite(conn) => {
            columns = sqlx::query_as(SQLITE_COLUMNS).fetch_all(&mut *conn).await?;
            references = sqlx::query_as(SQLITE_REFERENCES).fetch_all(conn).await?;
        }
        Session::Postgres(conn) => {
            columns = sqlx::query_as(POSTGRES_COLUMNS).fetch_all(&mut *conn).await?;
            references = sqlx::query_as(POSTGRES_REFERENCES).fetch_all(conn).await?;
        }
    }
    columns.retain(|(table, ..)| fate(table) == Some(Fate::Kept));
    let tables = group(columns)?;
    let lacks = |(name, fate): &&(&str, Fate)| *fate == Fate::Kept && !tables.contains_key(*name);
    if let Some((name, _)) = TABLES.iter().find(lacks) {
        return Err(StoreError::Corrupt(format!("table {name}, which is not there")));
    }
    in_order(tables, &references)
}

fn group(columns: Vec<(String, String, String)>) -> Result<BTreeMap<String, Table>, StoreError> {
    let mut tables = BTreeMap::new();
    for (name, column, declared) in columns {
        let kind = Kind::of(&declared).ok_or_else(|| {
            StoreError::Corrupt(format!("column {name}.{column} of the type {declared}"))
        })?;
        let table =
            tables.entry(name.clone()).or_insert_with(|| Table { name, columns: Vec::new() });
        table.columns.push((column, kind));
    }
    Ok(tables)
}

/// Puts tables behind those that they point to; a table may point to itself.
fn in_order(
    mut tables: BTreeMap<String, Table>,
    references: &[(String, String)],
) -> Result<Vec<Table>, StoreError> {
    let mut sorted = Vec::new();
    while !tables.is_empty() {
        let waits = |name: &str| {
            references
                .iter()
                .any(|(from, to)| from == name && to != name && tables.contains_key(to))
        };
        let ready: BTreeSet<String> = tables.keys().filter(|name| !waits(name)).cloned().collect();
        if ready.is_empty() {
            return Err(StoreError::Corrupt("tables that point to each other".to_owned()));
        }
        sorted.extend(ready.iter().filter_map(|name| tables.remove(name)));
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> BTreeMap<String, Table> {
        let table = |name: &&str| {
            ((*name).to_owned(), Table { name: (*name).to_owned(), columns: Vec::new() })
        };
        names.iter().map(table).collect()
    }

    fn references(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn a_table_comes_after_those_that_it_points_to() {
        let points = references(&[("a", "b"), ("b", "c"), ("c", "c"), ("a", "c")]);
        let sorted = in_order(named(&["a", "b", "c"]), &points).unwrap();
        let names: Vec<_> = sorted.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
        let circle = references(&[("a", "b"), ("b", "a")]);
        assert!(in_order(named(&["a", "b"]), &circle).is_err());
    }

    #[test]
    fn names_are_quoted_in_every_statement() {
        let columns = vec![("a\"b".to_owned(), Kind::Text), ("c".to_owned(), Kind::Number)];
        let table = Table { name: "t".to_owned(), columns };
        assert_eq!(table.select(), r#"SELECT "a""b", "c" FROM "t""#);
        assert_eq!(table.insert(), r#"INSERT INTO "t" ("a""b", "c") VALUES ($1, $2)"#);
    }

    #[test]
    fn a_column_of_an_unknown_type_stops_the_backup_by_name() {
        let columns = vec![("t".to_owned(), "c".to_owned(), "jsonb".to_owned())];
        assert!(group(columns).unwrap_err().to_string().contains("t.c of the type jsonb"));
    }
}
