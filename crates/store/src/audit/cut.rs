//! Putting the oldest entries of the audit chain away, once they are old enough.
//!
//! The chain begins behind them from then on: the link of the last one stays, sealed, and an entry at the
//! end of the chain says that it was cut, where, and at which link. So a chain that was cut by somebody
//! else is still found out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_domain::audit::{ChainWalk, Link};
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use serde_json::json;

use super::verify::push;
use super::{append_audit, read_link};
use crate::db::{on, parsed};
use crate::{Act, Actor, Store, StoreError};

/// Pages that are put away in one go; the next go does the rest. Others wait for each of them.
const CUTS_MAX: u32 = 20;

const BASE: &str = "SELECT sequence, link, seal FROM audit_base WHERE id = 1";
const MOVE_BASE: &str = "
    UPDATE audit_base SET sequence = $1, link = $2, seal = $3 WHERE id = 1 AND sequence = $4";
const DELETE: &str = "DELETE FROM audit_entries WHERE sequence <= $1";

/// Since when each organization keeps its entries. One that is not named keeps them for ever.
pub(crate) type KeptSince = HashMap<String, Timestamp>;

/// Where the chain begins.
pub(super) struct Base {
    /// The last entry that was put away. 0: none was.
    pub(super) sequence: i64,
    /// On what the first entry builds that is there.
    pub(super) link: Link,
}

/// The part of a chain that is to be put away.
struct Old {
    /// Whose entry is the last of them.
    organization: OrganizationId,
    sequence: i64,
    link: Link,
}

impl Store {
    /// Where the chain begins. `None`: nobody knows, or somebody has changed it.
    pub(super) async fn audit_base(&self) -> Result<Option<Base>, StoreError> {
        let row: Option<(i64, Vec<u8>, Vec<u8>)> =
            on!(self.db.read, |pool| sqlx::query_as(BASE).fetch_optional(pool).await?);
        let Some((sequence, link, seal)) = row else { return Ok(None) };
        let (Ok(link), Ok(seal)) = (read_link(&link), read_link(&seal)) else { return Ok(None) };
        let is_whole = self.keyring.audit_key().is_base(sequence, &link, &seal);
        Ok(is_whole.then_some(Base { sequence, link }))
    }

    /// Puts the entries away that stand before the first one that is to be kept; how many there were. A
    /// chain that is broken among them is left as it is: what proves it must not be deleted.
    pub(crate) async fn cut_audit(&self, kept_since: &KeptSince) -> Result<u64, StoreError> {
        let mut gone = 0;
        for _ in 0..CUTS_MAX {
            let Some(base) = self.audit_base().await? else {
                tracing::error!("it is not known where the audit log begins: nothing is put away");
                return Ok(gone);
            };
            let Some(old) = self.old_entries(&base, kept_since).await? else { return Ok(gone) };
            self.put_entries_away(&base, &old).await?;
            gone += u64::try_from(old.sequence - base.sequence).unwrap_or_default();
        }
        Ok(gone)
    }

    /// At most a page of entries behind the base, each checked. `None`: there is none to put away.
    async fn old_entries(
        &self,
        base: &Base,
        kept_since: &KeptSince,
    ) -> Result<Option<Old>, StoreError> {
        let mut walk = ChainWalk::resume(self.keyring.audit_key(), base.sequence, base.link);
        let mut old = None;
        for (row, expected) in
            self.audit_page(base.sequence).await?.into_iter().zip(base.sequence + 1..)
        {
            let since = kept_since.get(&row.organization_id);
            if since.is_none_or(|since| row.at_us >= since.as_microsecond()) {
                break;
            }
            let last = Old {
                organization: parsed("organization", &row.organization_id)?,
                sequence: row.sequence,
                link: read_link(&row.link)?,
            };
            if let Err(broken) = push(&mut walk, row, expected) {
                tracing::error!(%broken, "the audit log is broken: nothing is put away");
                return Ok(None);
            }
            old = Some(last);
        }
        Ok(old)
    }

    async fn put_entries_away(&self, base: &Base, old: &Old) -> Result<(), StoreError> {
        let act =
            Act { organization: old.organization, actor: Actor::System, at: self.clock.now() };
        let link = STANDARD.encode(old.link);
        let detail = json!({ "after": base.sequence, "through": old.sequence, "link": link });
        let seal = self.keyring.audit_key().base_seal(old.sequence, &old.link);
        let subject = old.sequence.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("audit.cut", &subject, &detail));
            let moved = sqlx::query(MOVE_BASE)
                .bind(old.sequence)
                .bind(old.link.as_slice())
                .bind(seal.as_slice())
                .bind(base.sequence)
                .execute(&mut *tx)
                .await?;
            if moved.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            sqlx::query(DELETE).bind(old.sequence).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }
}
