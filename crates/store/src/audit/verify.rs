//! Walking the audit chain.

use doorward_domain::audit::{BrokenChain, ChainWalk, GENESIS, Link};

use super::cut::Base;
use super::{EntryRow, read_link};
use crate::db::on;
use crate::{Store, StoreError};

/// Entries read at a time when the chain is walked.
const PAGE: i64 = 1_000;

/// What checking the chain found.
#[derive(Debug)]
pub enum AuditVerdict {
    /// Every entry fits; how many there are.
    Whole(i64),
    /// The first that does not.
    Broken(BrokenChain),
}

/// How far a walk came.
#[derive(Debug)]
pub enum AuditStep {
    /// So many entries fit, and more follow: the next step begins after them.
    Walked(i64),
    /// It came to its end.
    Ended(AuditVerdict),
}

impl From<BrokenChain> for AuditStep {
    fn from(broken: BrokenChain) -> Self {
        Self::Ended(AuditVerdict::Broken(broken))
    }
}

impl Store {
    /// Walks the whole chain, page by page, against the stored head.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        let mut after = 0;
        loop {
            match self.verify_audit_after(after, u32::MAX).await? {
                AuditStep::Walked(walked) => after = walked,
                AuditStep::Ended(verdict) => return Ok(verdict),
            }
        }
    }

    /// Walks at most so many pages of a thousand entries, after those that an earlier step walked.
    /// [`StoreError::Missing`] when there were never as many.
    pub async fn verify_audit_after(
        &self,
        after: i64,
        pages_max: u32,
    ) -> Result<AuditStep, StoreError> {
        loop {
            let Some(base) = self.audit_base().await? else {
                return Ok(BrokenChain::BaseForged.into());
            };
            let step = self.walk_audit(&base, after, pages_max).await?;
            let is_broken = matches!(step, AuditStep::Ended(AuditVerdict::Broken(_)));
            // Entries that were put away during the walk are not missing; that happens once a day.
            let now = if is_broken { self.audit_base().await? } else { None };
            if now.is_none_or(|now| now.sequence == base.sequence) {
                return Ok(step);
            }
        }
    }

    async fn walk_audit(
        &self,
        base: &Base,
        after: i64,
        pages_max: u32,
    ) -> Result<AuditStep, StoreError> {
        let Some((written, seal)) = self.audit_head().await? else {
            return Ok(BrokenChain::HeadMissing.into());
        };
        let Ok(seal) = read_link(&seal) else { return Ok(BrokenChain::Edited(written).into()) };
        // What an earlier step walked may have been put away since.
        let after = after.max(base.sequence);
        let last = match self.link_after(base, after).await? {
            Some(last) => last,
            None if after > written => return Err(StoreError::Missing("audit entry")),
            None => return Ok(self.lost(after, written).await?.into()),
        };
        let mut walk = ChainWalk::resume(self.keyring.audit_key(), after, last);
        let mut walked = after;
        for _ in 0..pages_max {
            let page = self.audit_page(walked).await?;
            if page.is_empty() || walked >= written {
                return self.end_of(walk, (written, seal), base).await;
            }
            // What was written after the head was read is the next walk's.
            for row in page.into_iter().take_while(|row| row.sequence <= written) {
                if let Err(broken) = push(&mut walk, row, walked + 1) {
                    return Ok(broken.into());
                }
                walked += 1;
            }
        }
        Ok(AuditStep::Walked(walked))
    }

    async fn end_of(
        &self,
        walk: ChainWalk<'_>,
        head: (i64, Link),
        base: &Base,
    ) -> Result<AuditStep, StoreError> {
        Ok(match (walk.finish(Some(head)), self.beyond_head().await?) {
            (Err(broken), _) => broken.into(),
            (Ok(_), Some(sequence)) => BrokenChain::Edited(sequence).into(),
            (Ok(last), None) => AuditStep::Ended(AuditVerdict::Whole(last - base.sequence)),
        })
    }

    /// The link that the entry after this one builds on. A link of another length fits nothing.
    async fn link_after(&self, base: &Base, sequence: i64) -> Result<Option<Link>, StoreError> {
        if sequence == base.sequence {
            return Ok(Some(base.link));
        }
        let row: Option<(Vec<u8>,)> = on!(self.db.read, |pool| {
            sqlx::query_as(super::LAST).bind(sequence).fetch_optional(pool).await?
        });
        Ok(row.map(|(link,)| read_link(&link).unwrap_or(GENESIS)))
    }

    /// An entry that an earlier step walked is not there any more.
    async fn lost(&self, sequence: i64, written: i64) -> Result<BrokenChain, StoreError> {
        Ok(match self.audit_page(sequence).await?.first() {
            Some(row) => BrokenChain::Gap { expected: sequence, found: row.sequence },
            None => BrokenChain::Cut { expected: written, found: sequence - 1 },
        })
    }

    /// How many entries were written, and the seal of the last link.
    async fn audit_head(&self) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        const SQL: &str = "SELECT sequence, seal FROM audit_head WHERE id = 1";
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

    pub(super) async fn audit_page(&self, after: i64) -> Result<Vec<EntryRow>, StoreError> {
        const SQL: &str = "
            SELECT sequence, at_us, organization_id, actor, action, subject, detail, link
            FROM audit_entries WHERE sequence > $1 ORDER BY sequence LIMIT $2";
        Ok(on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(after).bind(PAGE).fetch_all(pool).await?
        }))
    }
}

/// Takes the next entry. One that does not parse was not written by this program.
pub(super) fn push(
    walk: &mut ChainWalk<'_>,
    row: EntryRow,
    expected: i64,
) -> Result<(), BrokenChain> {
    let found = row.sequence;
    match row.parse() {
        Ok((entry, link)) => walk.push(&entry, &link),
        Err(_) if found == expected => Err(BrokenChain::Edited(found)),
        Err(_) => Err(BrokenChain::Gap { expected, found }),
    }
}
