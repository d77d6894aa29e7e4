//! The audit log: one row per administrative act, in the act's own transaction.

mod cut;
mod names;
mod search;
mod verify;

use std::fmt;

use doorward_domain::audit::{AuditEntry, AuditKey, GENESIS, Link};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{OrganizationId, SessionId, TokenId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;

use crate::db::{check_storable, on};
use crate::row::row;
use crate::{Store, StoreError};

pub(crate) use cut::KeptSince;
pub use search::AuditFilter;
pub use verify::{AuditStep, AuditVerdict};

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
        /// When the secret or token that was presented stops working. `None`: with the key.
        secret_ends_at: Option<Timestamp>,
        /// The token that was presented in its place, which must not be revoked.
        token: Option<TokenId>,
        /// As whom it acts.
        owner: Owner,
        /// The role of its user; of a service account, [`OrganizationRole::Member`].
        user_role: OrganizationRole,
        /// The role that it acts with at most. `None`: that of its user.
        role_max: Option<OrganizationRole>,
    },
    /// A user who is signed in. What they do is done only if they still are, and in this role.
    Session {
        /// Which session.
        id: SessionId,
        /// Who.
        user: UserId,
        /// Their role.
        role: OrganizationRole,
    },
}

impl Actor {
    /// Whether somebody else than the owner acts: the program itself acts for everybody.
    pub(crate) fn is_other_than(&self, owner: Owner) -> bool {
        match self {
            Self::System => false,
            Self::User(id) | Self::Session { user: id, .. } => Owner::User(*id) != owner,
            Self::Key { owner: own, .. } => *own != owner,
        }
    }

    /// The role that a key acts with at most, which those that it makes are bound by too.
    pub(crate) fn role_max(&self) -> Option<OrganizationRole> {
        match self {
            Self::Key { role_max, .. } => *role_max,
            Self::System | Self::User(_) | Self::Session { .. } => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::User(id) | Self::Session { user: id, .. } => id.fmt(f),
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

/// Whether somebody is still signed in at this instant, in this role.
pub(crate) const SESSION_MAY: &str = "
    SELECT 1 FROM sessions s
    JOIN users u ON u.organization_id = s.organization_id AND u.id = s.user_id
    WHERE s.organization_id = $1 AND s.id = $2 AND s.user_id = $3 AND u.role = $4
      AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL
      AND s.ends_at_us > $5";

/// Takes the next place in the chain, inside an open transaction: its number, the link before it and
/// the seal. `?` acts on the caller.
macro_rules! next_place {
    ($tx:ident) => {{
        let (sequence, seal): (i64, Vec<u8>) =
            sqlx::query_as($crate::audit::NEXT).fetch_one(&mut *$tx).await?;
        let last: Option<(Vec<u8>,)> = sqlx::query_as($crate::audit::LAST)
            .bind(sequence - 1)
            .fetch_optional(&mut *$tx)
            .await?;
        (sequence, last, seal)
    }};
}
pub(crate) use next_place;

/// Writes an entry at the place that was taken. `?` acts on the caller.
macro_rules! append_entry {
    ($key:expr, $tx:ident, $entry:expr, $place:expr) => {{
        let (key, mut entry) = ($key, $entry);
        let (sequence, last, seal) = $place;
        entry.sequence = sequence;
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
pub(crate) use append_entry;

/// Appends an entry inside an open transaction of either engine, unless whoever acts may not any
/// more: acts wait for each other here, so nothing can change until the transaction is over. What
/// changes keys or their owners comes after it, in the same transaction: a key may change itself. `?`
/// acts on the caller.
macro_rules! append_audit {
    ($store:expr, $tx:ident, $deed:expr) => {{
        let $crate::audit::Deed { entry, actor } = $deed;
        let place = $crate::audit::next_place!($tx);
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
            $crate::audit::Actor::Key {
                id, updated_at, secret_ends_at, token, user_role, ..
            } => {
                let now = $store.clock.now();
                secret_ends_at.is_none_or(|at| at > now)
                    && token.is_none_or(|token| !$store.is_token_revoked(token))
                    && $crate::db::finds!(
                        $tx,
                        $crate::audit::KEY_MAY,
                        &entry.organization,
                        id.as_str(),
                        updated_at.as_microsecond(),
                        now.as_microsecond(),
                        user_role.as_str()
                    )
            }
            $crate::audit::Actor::Session { id, user, role } => {
                $crate::db::finds!(
                    $tx,
                    $crate::audit::SESSION_MAY,
                    &entry.organization,
                    id.to_string(),
                    user.to_string(),
                    role.as_str(),
                    $store.clock.now().as_microsecond()
                )
            }
        };
        if !may {
            return Err(StoreError::ActorChanged);
        }
        let key = $store.keyring.audit_key();
        $crate::audit::append_entry!(key, $tx, entry, place);
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
}
