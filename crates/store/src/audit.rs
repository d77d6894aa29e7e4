//! The audit log: one row per administrative act, in the act's own transaction.

use std::fmt;

use doorward_domain::audit::{AuditEntry, AuditKey, BrokenChain, ChainWalk, GENESIS, Link};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;

use crate::db::{check_storable, on};
use crate::row::row;
use crate::{Store, StoreError};

/// Entries read at a time when the chain is walked.
const PAGE: i64 = 1_000;

/// Who does something.
#[derive(Debug, Clone)]
pub enum Actor {
    /// The program itself.
    System,
    /// A person, who must be active.
    User(UserId),
    /// A key, as it was when it was let in: what it does is done only if nothing about it has changed
    /// by then.
    Key {
        /// Which.
        id: KeyId,
        /// Its version: [`Life::updated_at`](doorward_domain::key::Life::updated_at).
        updated_at: Timestamp,
        /// The role of its user.
        role: OrganizationRole,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::User(id) => id.fmt(f),
            Self::Key { id, .. } => id.fmt(f),
        }
    }
}

/// Who does something, where and when: the first argument of everything that changes data.
#[derive(Debug, Clone)]
pub struct Act {
    /// The organization that it happens in; every query keeps to it.
    pub organization: OrganizationId,
    /// Who does it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// An act that is about to be written down, and whoever does it.
pub(crate) struct Deed<'a> {
    pub(crate) entry: AuditEntry,
    pub(crate) actor: &'a Actor,
}

impl Act {
    /// The entry that this act leaves; its place in the chain is not known yet.
    pub(crate) fn entry(
        &self,
        action: &str,
        subject: &str,
        detail: &serde_json::Value,
    ) -> Deed<'_> {
        let entry = AuditEntry {
            sequence: 0,
            at: self.at,
            organization: self.organization.to_string(),
            actor: self.actor.to_string(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_string(),
        };
        Deed { entry, actor: &self.actor }
    }
}

impl Deed<'_> {
    /// The same for what follows from a deed of the same transaction, which has made sure of whoever
    /// acts: it may have ended their own key.
    pub(crate) fn that_follows(self) -> Self {
        Self { actor: &Actor::System, ..self }
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
    UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, seal";
pub(crate) const LAST: &str = "SELECT link FROM audit_entries WHERE sequence = $1";
pub(crate) const APPEND: &str = "
    INSERT INTO audit_entries (sequence, at_us, organization_id, actor, action, subject, detail, link)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const ADVANCE: &str = "UPDATE audit_head SET seal = $1 WHERE id = 1";

/// Whether a user may still act.
pub(crate) const USER_MAY: &str = "
    SELECT 1 FROM users
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL";
/// Whether a key may still act, and is the one that was let in.
pub(crate) const KEY_MAY: &str = "
    SELECT 1 FROM api_keys k
    WHERE k.organization_id = $1 AND k.id = $2 AND k.updated_at_us = $3
      AND k.revoked_at_us IS NULL AND k.disabled_at_us IS NULL
      AND (k.expires_at_us IS NULL OR k.expires_at_us > $4)
      AND (EXISTS (SELECT 1 FROM users u
                   WHERE u.organization_id = $1 AND u.id = k.owner_user_id
                     AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL AND u.role = $5)
        OR EXISTS (SELECT 1 FROM service_accounts s
                   WHERE s.organization_id = $1 AND s.id = k.owner_service_account_id
                     AND s.disabled_at_us IS NULL AND s.removed_at_us IS NULL))";

/// Appends an entry inside an open transaction of either engine, unless whoever acts may not any
/// more: acts wait for each other here, so nothing can change until the transaction is over. `?` acts
/// on the caller.
macro_rules! append_audit {
    ($store:expr, $tx:ident, $deed:expr) => {{
        let $crate::audit::Deed { mut entry, actor } = $deed;
        let (sequence, seal): (i64, Vec<u8>) =
            sqlx::query_as($crate::audit::NEXT).fetch_one(&mut *$tx).await?;
        let last: Option<(Vec<u8>,)> = sqlx::query_as($crate::audit::LAST)
            .bind(sequence - 1)
            .fetch_optional(&mut *$tx)
            .await?;
        let may = match actor {
            $crate::audit::Actor::System => true,
            $crate::audit::Actor::User(id) => {
                $crate::db::finds!(
                    $tx,
                    $crate::audit::USER_MAY,
                    &entry.organization,
                    id.to_string()
                )
            }
            // What changes the key itself has made sure of its version.
            $crate::audit::Actor::Key { id, .. } if entry.subject == id.as_str() => true,
            $crate::audit::Actor::Key { id, updated_at, role } => $crate::db::finds!(
                $tx,
                $crate::audit::KEY_MAY,
                &entry.organization,
                id.as_str(),
                updated_at.as_microsecond(),
                $store.clock.now().as_microsecond(),
                role.as_str()
            ),
        };
        if !may {
            return Err(StoreError::ActorChanged);
        }
        entry.sequence = sequence;
        let key = $store.keyring.audit_key();
        let link = $crate::audit::next_link(key, &entry, last, &seal)?;
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
        let seal = key.seal(sequence, &link);
        sqlx::query($crate::audit::ADVANCE).bind(seal.as_slice()).execute(&mut *$tx).await?;
    }};
}
pub(crate) use append_audit;

/// The link of a new entry, after the last one that is there.
pub(crate) fn next_link(
    key: &AuditKey,
    entry: &AuditEntry,
    last: Option<(Vec<u8>,)>,
    seal: &[u8],
) -> Result<Link, StoreError> {
    let last = last.map_or(Ok(GENESIS), |(last,)| read_link(&last))?;
    let previous = key.resume(entry.sequence - 1, &last, &read_link(seal)?);
    Ok(key.link(&previous, entry))
}

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
        check_storable(&[("action", action), ("subject", subject)])?;
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
        let Some((written, seal)) = self.audit_head().await? else {
            return Ok(AuditVerdict::Broken(BrokenChain::HeadMissing));
        };
        let Ok(seal) = read_link(&seal) else {
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
        let walked = walk.finish(Some((written, seal)));
        Ok(match (walked, self.beyond_head().await?) {
            (Err(broken), _) => AuditVerdict::Broken(broken),
            (Ok(_), Some(sequence)) => AuditVerdict::Broken(BrokenChain::Edited(sequence)),
            (Ok(count), None) => AuditVerdict::Whole(count),
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
