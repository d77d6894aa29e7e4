//! Putting the rows of a backup into the tables.

use sqlx::AssertSqlSafe;

use super::archive::{Archive, ArchiveError, Part};
use super::format::{Cell, bind_cells};
use super::restore::RestoreError;
use super::schema::{KEYRING, Table};
use crate::db::{Session, on_session};
use crate::keyring::carried::{Carried, is_carried};

pub(super) struct Filling<'a> {
    pub(super) keyring: Carried<'a>,
    /// Tables that the database has and the backup did not name yet.
    pub(super) tables: Vec<Table>,
}

impl Filling<'_> {
    /// Reads the whole backup; how many rows it has.
    pub(super) async fn fill(
        &mut self,
        session: &mut Session,
        mut archive: Archive,
        passed: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, RestoreError> {
        let mut open: Option<(Table, String)> = None;
        while let Some(part) = archive.next_part()? {
            passed(archive.take_passed());
            match (part, &open) {
                (Part::Table(table), _) => {
                    self.take_table(&table)?;
                    let sql = table.insert();
                    open = Some((table, sql));
                }
                (Part::Row(mut cells), Some((table, sql))) => {
                    self.rewrap(table, &mut cells)?;
                    insert(session, sql, &cells).await?;
                }
                (Part::Row(_), None) => return Err(ArchiveError::Damaged.into()),
            }
        }
        if self.tables.is_empty() { Ok(archive.rows) } else { Err(ArchiveError::Damaged.into()) }
    }

    /// Adds the key that a backup does not carry.
    pub(super) async fn add_token_key(
        &mut self,
        session: &mut Session,
        now_us: i64,
    ) -> Result<(), RestoreError> {
        const SQL: &str = "
            INSERT INTO keyring (purpose, version, wrapped, created_at_us) VALUES ($1, $2, $3, $4)";
        let (purpose, version, wrapped) = self.keyring.make_token_key()?;
        on_session!(session, |conn| {
            let insert = sqlx::query(SQL).bind(purpose).bind(version).bind(wrapped);
            insert.bind(now_us).execute(conn).await?;
        });
        Ok(())
    }

    /// Each table that is kept is in the backup once, with the same columns.
    fn take_table(&mut self, named: &Table) -> Result<(), ArchiveError> {
        let at = self.tables.iter().position(|table| table.name == named.name);
        let found = at.map(|at| self.tables.swap_remove(at)).ok_or(ArchiveError::Damaged)?;
        let sorted = |table: &Table| {
            let mut columns: Vec<_> = table.columns.iter().map(|(name, _)| name.clone()).collect();
            columns.sort();
            columns
        };
        if sorted(&found) == sorted(named) { Ok(()) } else { Err(ArchiveError::Damaged) }
    }

    /// Wraps a key of the keyring, which stands in the backup as it is, with the new master key.
    fn rewrap(&mut self, table: &Table, cells: &mut [Cell]) -> Result<(), RestoreError> {
        if table.name != KEYRING {
            return Ok(());
        }
        let (purpose, version, key) = table.keyring_row(cells).ok_or(ArchiveError::Damaged)?;
        let key = key.try_into().map_err(|_| ArchiveError::Damaged)?;
        if !is_carried(purpose) {
            return Err(ArchiveError::Damaged.into());
        }
        let wrapped = self.keyring.take(purpose, version, key)?;
        table.set_wrapped(cells, wrapped);
        Ok(())
    }
}

async fn insert(session: &mut Session, sql: &str, cells: &[Cell]) -> Result<(), sqlx::Error> {
    on_session!(session, |conn| {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        bind_cells!(query, cells).execute(conn).await.map(drop)
    })
}
