//! The audit log: one row per administrative act, in the act's own transaction.

use doorward_domain::audit::{AuditEntry, BrokenChain, ChainWalk, Link};
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;

use crate::db::{check_storable, on};
use crate::row::row;
use crate::{Store, StoreError};

/// Entries read at a time when the chain is walked.
const PAGE: i64 = 1_000;

/// Who does something, where and when: the first argument of everything that changes data.
#[derive(Debug, Clone)]
pub struct Act {
    /// The organization that it happens in; every query keeps to it.
    pub organization: OrganizationId,
    /// A key id, a user id, or `system`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

impl Act {
    /// The entry that this act leaves; its place in the chain is not known yet.
    pub(crate) fn entry(
        &self,
        action: &str,
        subject: &str,
        detail: &serde_json::Value,
    ) -> AuditEntry {
        AuditEntry {
            sequence: 0,
            at: self.at,
            organization: self.organization.to_string(),
            actor: self.actor.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// What checking the chain found.
#[derive(Debug)]
pub enum AuditVerdict {
    /// Every entry fits; how many there are.
    Whole(i64),
    /// The first that does not.
    Broken(BrokenChain),
}

/// Takes the next place in the chain; the lock on this row keeps the others waiting until the
/// transaction is over.
pub(crate) const NEXT: &str = "
    UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, link";
pub(crate) const APPEND: &str = "
    INSERT INTO audit_entries (sequence, at_us, organization_id, actor, action, subject, detail, link)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const ADVANCE: &str = "UPDATE audit_head SET link = $1 WHERE id = 1";

/// Appends an entry inside an open transaction of either engine. `?` acts on the caller.
macro_rules! append_audit {
    ($store:expr, $tx:ident, $entry:expr) => {{
        let mut entry = $entry;
        let (sequence, previous): (i64, Vec<u8>) =
            sqlx::query_as($crate::audit::NEXT).fetch_one(&mut *$tx).await?;
        entry.sequence = sequence;
        let previous = $crate::audit::read_link(&previous)?;
        let link = $store.keyring.audit_key().link(&previous, &entry);
        sqlx::query($crate::audit::APPEND)
            .bind(entry.sequence)
            .bind(entry.at.as_microsecond())
            .bind(&entry.organization)
            .bind(&entry.actor)
            .bind(&entry.action)
            .bind(&entry.subject)
            .bind(&entry.detail)
            .bind(link.as_slice())
            .execute(&mut *$tx)
            .await?;
        sqlx::query($crate::audit::ADVANCE).bind(link.as_slice()).execute(&mut *$tx).await?;
    }};
}
pub(crate) use append_audit;

/// Reads a link of the chain.
pub(crate) fn read_link(bytes: &[u8]) -> Result<Link, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt("audit link".to_owned()))
}

row! {
    struct EntryRow {
        sequence: i64,
        at_us: i64,
        organization_id: String,
        actor: String,
        action: String,
        subject: String,
        detail: String,
        link: Vec<u8>,
    }
}

impl EntryRow {
    fn parse(self) -> Result<(AuditEntry, Link), StoreError> {
        let at = Timestamp::from_microsecond(self.at_us);
        let link = read_link(&self.link)?;
        let entry = AuditEntry {
            sequence: self.sequence,
            at: at.map_err(|_| StoreError::Corrupt("audit time".to_owned()))?,
            organization: self.organization_id,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            detail: self.detail,
        };
        Ok((entry, link))
    }
}

impl Store {
    /// Records something that changes no other row: a sign-in, a reveal, a denial by policy.
    pub async fn record(
        &self,
        act: &Act,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), StoreError> {
        check_storable(&[("actor", &act.actor), ("action", action), ("subject", subject)])?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(action, subject, &detail));
            tx.commit().await?;
        });
        Ok(())
    }

    /// Entries of one organization, newest first, at most `limit`, before the sequence `before`.
    pub async fn list_audit(
        &self,
        organization: OrganizationId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        const SQL: &str = "
            SELECT sequence, at_us, organization_id, actor, action, subject, detail, link
            FROM audit_entries
            WHERE organization_id = $1 AND sequence < $2
            ORDER BY sequence DESC LIMIT $3";
        let rows: Vec<EntryRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(|row| row.parse().map(|(entry, _)| entry)).collect()
    }

    /// Walks the whole chain, page by page, against the stored head.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        let Some((written, link)) = self.audit_head().await? else {
            return Ok(AuditVerdict::Broken(BrokenChain::HeadMissing));
        };
        let Ok(link) = read_link(&link) else {
            return Ok(AuditVerdict::Broken(BrokenChain::Edited(written)));
        };
        let mut walk = ChainWalk::new(self.keyring.audit_key());
        let mut walked = 0;
        while walked < written {
            let page = self.audit_page(walked).await?;
            if page.is_empty() {
                break;
            }
            // What was written after the head was read is the next walk's.
            for row in page.into_iter().take_while(|row| row.sequence <= written) {
                if let Err(broken) = push(&mut walk, row, walked + 1) {
                    return Ok(AuditVerdict::Broken(broken));
                }
                walked += 1;
            }
        }
        let walked = walk.finish(Some((written, link)));
        Ok(match (walked, self.beyond_head().await?) {
            (Err(broken), _) => AuditVerdict::Broken(broken),
            (Ok(_), Some(sequence)) => AuditVerdict::Broken(BrokenChain::Edited(sequence)),
            (Ok(count), None) => AuditVerdict::Whole(count),
        })
    }

    /// How many entries were written, and the last link.
    async fn audit_head(&self) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        const SQL: &str = "SELECT sequence, link FROM audit_head WHERE id = 1";
        Ok(on!(self.db.read, |pool| sqlx::query_as(SQL).fetch_optional(pool).await?))
    }

    /// An entry that the head does not know: somebody put the head back.
    async fn beyond_head(&self) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "
            SELECT e.sequence FROM audit_entries e
            WHERE e.sequence > (SELECT h.sequence FROM audit_head h WHERE h.id = 1)
            ORDER BY e.sequence LIMIT 1";
        let row: Option<(i64,)> =
            on!(self.db.read, |pool| sqlx::query_as(SQL).fetch_optional(pool).await?);
        Ok(row.map(|(sequence,)| sequence))
    }

    async fn audit_page(&self, after: i64) -> Result<Vec<EntryRow>, StoreError> {
        const SQL: &str = "
            SELECT sequence, at_us, organization_id, actor, action, subject, detail, link
            FROM audit_entries WHERE sequence > $1 ORDER BY sequence LIMIT $2";
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(after).bind(PAGE).fetch_all(pool).await?
        }))
    }
}

/// Takes the next entry. One that does not parse was not written by this program.
fn push(walk: &mut ChainWalk<'_>, row: EntryRow, expected: i64) -> Result<(), BrokenChain> {
    let found = row.sequence;
    match row.parse() {
        Ok((entry, link)) => walk.push(&entry, &link),
        Err(_) if found == expected => Err(BrokenChain::Edited(found)),
        Err(_) => Err(BrokenChain::Gap { expected, found }),
    }
}
