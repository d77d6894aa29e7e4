//! Making a backup while the server works.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, TryStreamExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Sender, channel};
use zeroize::Zeroizing;

use super::format::{Cell, End, FORMAT, Head, digest_text, read};
use super::schema::{KEYRING, Table, tables};
use crate::age::{Passphrase, Sealer};
use crate::calls::Patience;
use crate::db::{Session, on, on_session};
use crate::keyring::carried::is_carried;
use crate::work::run;
use crate::{Act, Store, StoreError, migrations};

/// Sealed bytes in one piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for a slow reader. While they do, nothing is read from the database.
const PIECES_WAITING: usize = 2;

/// A backup that is being made. It goes on as it is read; when it is dropped, it ends.
pub struct Backup {
    /// About as many bytes as will come.
    pub bytes_estimated: u64,
    /// The file. An error means that it will not be whole.
    pub pieces: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("bytes_estimated", &self.bytes_estimated)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Begins a backup of everything that is there now, finished calls included, and audits it.
    /// `None`: another one is being made.
    ///
    /// It holds every organization, so only the first one, whose installation this is, may ask for
    /// it: else [`StoreError::AboveOwnRole`]. [`StoreError::Behind`] when too many finished calls
    /// wait for the database.
    pub async fn backup(
        self: &Arc<Self>,
        act: &Act,
        passphrase: Passphrase,
    ) -> Result<Option<Backup>, StoreError> {
        let Ok(permit) = Arc::clone(&self.backups).try_acquire_owned() else { return Ok(None) };
        self.check_first(act).await?;
        if !self.flush_latest(Patience::Report).await? {
            return Err(StoreError::Behind);
        }
        let subject = act.organization.to_string();
        self.record(act, "installation.backup", &subject, json!({})).await?;
        let sealing = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            Sealer::new(&passphrase, &mut out).map(|sealer| (sealer, out))
        });
        let (sealer, out) = sealing.await.map_err(|_| StoreError::Integrity)??;
        let mut session = self.db.session(false).await?;
        session.begin_snapshot().await?;
        let bytes_estimated = u64::try_from(session.bytes().await?).unwrap_or_default();
        let (sender, pieces) = channel(PIECES_WAITING);
        let writer = Writer { sealer, out, sender, hash: Sha256::new(), rows: 0 };
        let work = dump(Arc::clone(self), session, writer, permit);
        Ok(Some(Backup { bytes_estimated, pieces: run(Box::pin(work), pieces) }))
    }

    async fn check_first(&self, act: &Act) -> Result<(), StoreError> {
        const FIRST: &str = "SELECT id FROM organizations ORDER BY created_at_us, id LIMIT 1";
        let first: Option<(String,)> =
            on!(self.db.read, |pool| sqlx::query_as(FIRST).fetch_optional(pool).await?);
        let is_first = first.is_some_and(|(id,)| id == act.organization.to_string());
        if is_first { Ok(()) } else { Err(StoreError::AboveOwnRole) }
    }
}

/// Writes all lines. The permit goes when this is over.
async fn dump(
    store: Arc<Store>,
    mut session: Session,
    mut writer: Writer,
    _permit: OwnedSemaphorePermit,
) -> Result<(), StoreError> {
    const SEQUENCE: &str = "SELECT sequence FROM audit_head WHERE id = 1";
    let (audit_sequence,): (i64,) =
        on_session!(&mut session, |conn| { sqlx::query_as(SEQUENCE).fetch_one(conn).await? });
    let head = Head {
        doorward_backup: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: migrations::newest(),
        made_at: store.clock.now(),
        audit_sequence,
    };
    writer.line(&head).await?;
    for table in tables(&mut session).await? {
        writer.line(&table).await?;
        dump_table(&store, &mut session, &mut writer, &table).await?;
    }
    writer.finish().await
}

async fn dump_table(
    store: &Store,
    session: &mut Session,
    writer: &mut Writer,
    table: &Table,
) -> Result<(), StoreError> {
    let sql = table.select();
    on_session!(session, |conn| {
        let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let cells =
                table.columns.iter().enumerate().map(|(at, (_, kind))| read(&row, at, *kind));
            let mut cells = cells.collect::<sqlx::Result<Vec<Cell>>>()?;
            if unwrap_key(store, table, &mut cells)? {
                writer.row(&cells).await?;
            }
        }
    });
    Ok(())
}

/// A key of the keyring stands in a backup as it is: nothing but the passphrase is needed. Whether the
/// row is in the backup at all.
fn unwrap_key(store: &Store, table: &Table, cells: &mut [Cell]) -> Result<bool, StoreError> {
    if table.name != KEYRING {
        return Ok(true);
    }
    let corrupt = || StoreError::Corrupt("keyring".to_owned());
    let (purpose, version, wrapped) = table.keyring_row(cells).ok_or_else(corrupt)?;
    if !is_carried(purpose) {
        return Ok(false);
    }
    let plain = store.keyring.unwrap_stored(purpose, version, wrapped)?;
    table.set_wrapped(cells, plain.to_vec());
    Ok(true)
}

/// Seals lines and hands them on.
struct Writer {
    sealer: Sealer,
    /// What is sealed and not handed on.
    out: Vec<u8>,
    sender: Sender<Bytes>,
    hash: Sha256,
    rows: u64,
}

impl Writer {
    async fn row(&mut self, cells: &[Cell]) -> Result<(), StoreError> {
        self.rows += 1;
        let cells: Vec<Value> = cells.iter().map(Cell::to_json).collect();
        self.line(&cells).await
    }

    async fn line(&mut self, line: &(impl Serialize + Sync)) -> Result<(), StoreError> {
        let json = serde_json::to_vec(line).map_err(|_| StoreError::Corrupt("a row".to_owned()))?;
        let mut text = Zeroizing::new(json);
        text.push(b'\n');
        self.hash.update(&*text);
        self.sealer.push(&text, &mut self.out)?;
        if self.out.len() >= PIECE_BYTES { self.hand_on().await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<(), StoreError> {
        let sha256 = digest_text(&self.hash.clone().finalize());
        let end = End { rows: self.rows, sha256 };
        self.line(&end).await?;
        let Self { sealer, mut out, sender, .. } = self;
        sealer.finish(&mut out)?;
        // Where nobody reads any more, nobody misses it.
        let _is_read = sender.send(Bytes::from(out)).await.is_ok();
        Ok(())
    }

    async fn hand_on(&mut self) -> Result<(), StoreError> {
        let piece = Bytes::from(std::mem::take(&mut self.out));
        let sent = self.sender.send(piece).await;
        sent.map_err(|_| StoreError::Corrupt("a backup that nobody reads".to_owned()))
    }
}
