//! Passwords: Argon2id under a pepper of the keyring, as many at a time as the machine bears.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use doorward_domain::id::{OrganizationId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use super::HAS_PASSWORD;
use crate::audit::append_audit;
use crate::db::{finds, on};
use crate::row::row;
use crate::{Act, Session, Store, StoreError};

/// OWASP's parameters: 19 MiB, two passes, one lane.
pub(super) const MEMORY_KIB: u32 = 19 * 1024;
pub(super) const PASSES: u32 = 2;
/// Hashes at one moment. Each takes 19 MiB and one core for some ten milliseconds, and whoever signs in
/// has not proved anything yet: one process's memory and cores must not be theirs to take.
static HASHING: Semaphore = Semaphore::const_new(2);
/// Longest wait for a turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A password as it is stored.
#[derive(Clone)]
pub struct StoredPassword {
    hash: Vec<u8>,
    salt: Vec<u8>,
    memory_kib: u32,
    passes: u32,
    pepper: Zeroizing<[u8; 32]>,
    /// Its version.
    pub(crate) set_at_us: i64,
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword([REDACTED])")
    }
}

/// A new password, hashed.
pub struct HashedPassword {
    pub(super) hash: Vec<u8>,
    pub(super) salt: Vec<u8>,
    pub(super) pepper_version: u32,
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedPassword([REDACTED])")
    }
}

row! {
    struct PasswordRow {
        hash: Vec<u8>,
        salt: Vec<u8>,
        memory_kib: i64,
        passes: i64,
        pepper_version: i64,
        set_at_us: i64,
    }
}

/// Sets the password of a user inside an open transaction: the links that could set it are used up by
/// that. Its version rises even where the clock does not. `?` acts on the caller.
macro_rules! set_password {
    ($tx:ident, $organization:expr, $user:expr, $hashed:expr, $at_us:expr) => {{
        let hashed: &$crate::sign_in::passwords::HashedPassword = $hashed;
        sqlx::query($crate::sign_in::passwords::SET)
            .bind($user)
            .bind($organization)
            .bind(hashed.hash.as_slice())
            .bind(hashed.salt.as_slice())
            .bind(i64::from($crate::sign_in::passwords::MEMORY_KIB))
            .bind(i64::from($crate::sign_in::passwords::PASSES))
            .bind(i64::from(hashed.pepper_version))
            .bind($at_us)
            .execute(&mut *$tx)
            .await?;
        for sql in [$crate::sign_in::DROP_LINKS, $crate::notices::CANCEL] {
            sqlx::query(sql).bind($organization).bind($user).execute(&mut *$tx).await?;
        }
    }};
}
pub(super) use set_password;

pub(super) const SET: &str = "
    INSERT INTO passwords (user_id, organization_id, hash, salt, memory_kib, passes, pepper_version,
        set_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, salt = excluded.salt,
        memory_kib = excluded.memory_kib, passes = excluded.passes,
        pepper_version = excluded.pepper_version,
        set_at_us = CASE WHEN passwords.set_at_us < excluded.set_at_us THEN excluded.set_at_us
                    ELSE passwords.set_at_us + 1 END";

impl Store {
    /// The password of a user who has one.
    pub async fn find_password(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<StoredPassword>, StoreError> {
        const SQL: &str = "
            SELECT hash, salt, memory_kib, passes, pepper_version, set_at_us
            FROM passwords WHERE organization_id = $1 AND user_id = $2";
        let row: Option<PasswordRow> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string()).bind(user.to_string());
            query.fetch_optional(pool).await?
        });
        row.map(|row| self.parse_password(row)).transpose()
    }

    fn parse_password(&self, row: PasswordRow) -> Result<StoredPassword, StoreError> {
        let corrupt = || StoreError::Corrupt("password".to_owned());
        let small = |number: i64| u32::try_from(number).map_err(|_| corrupt());
        let pepper = self.keyring.password_pepper(small(row.pepper_version)?);
        Ok(StoredPassword {
            hash: row.hash,
            salt: row.salt,
            memory_kib: small(row.memory_kib)?,
            passes: small(row.passes)?,
            pepper: pepper.ok_or_else(corrupt)?,
            set_at_us: row.set_at_us,
        })
    }

    /// Whether this is the password. Where there is none it takes the same work, and is not:
    /// who waits for the answer does not learn which it was. [`StoreError::Busy`] when too many wait.
    pub async fn password_matches(
        &self,
        stored: Option<&StoredPassword>,
        given: &SecretString,
    ) -> Result<bool, StoreError> {
        use subtle::ConstantTimeEq as _;
        let is_there = stored.is_some();
        let (_, pepper) = self.keyring.newest_password_pepper().ok_or(StoreError::Integrity)?;
        let stored = stored.cloned().unwrap_or_else(|| StoredPassword {
            hash: vec![0; 32],
            salt: vec![0; 16],
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            pepper,
            set_at_us: 0,
        });
        let params = (stored.memory_kib, stored.passes);
        let hash = hash(given.clone(), stored.salt, stored.pepper, params).await?;
        Ok(is_there && bool::from(hash.ct_eq(&stored.hash)))
    }

    /// Hashes a new password. [`StoreError::Busy`] when too many wait.
    pub async fn hash_password(&self, given: &SecretString) -> Result<HashedPassword, StoreError> {
        let (pepper_version, pepper) =
            self.keyring.newest_password_pepper().ok_or(StoreError::Integrity)?;
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).map_err(|_| StoreError::NoRandomness)?;
        let hash = hash(given.clone(), salt.clone(), pepper, (MEMORY_KIB, PASSES)).await?;
        Ok(HashedPassword { hash, salt, pepper_version })
    }

    /// Changes the password of a user who knew the one before, ends all their other sessions, and
    /// audits it. [`StoreError::Stale`] when it was changed since it was read.
    pub async fn change_password(
        &self,
        act: &Act,
        session: &Session,
        before: &StoredPassword,
        new: &HashedPassword,
    ) -> Result<(), StoreError> {
        const END_OTHERS: &str =
            "DELETE FROM sessions WHERE organization_id = $1 AND user_id = $2 AND id <> $3";
        let (organization, user) = (act.organization.to_string(), session.user.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("user.change_password", &user, &json!({})));
            if !finds!(tx, HAS_PASSWORD, &organization, &user, before.set_at_us) {
                return Err(StoreError::Stale);
            }
            set_password!(tx, &organization, &user, new, act.at.as_microsecond());
            let others = sqlx::query(END_OTHERS).bind(&organization).bind(&user);
            others.bind(session.id.to_string()).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }
}

/// Argon2id, on a thread for work that blocks, when it is its turn.
async fn hash(
    given: SecretString,
    salt: Vec<u8>,
    pepper: Zeroizing<[u8; 32]>,
    (memory_kib, passes): (u32, u32),
) -> Result<Vec<u8>, StoreError> {
    let turn = turn(WAIT_MAX).await?;
    let work = move || {
        // Held until the work is done, also where nobody waits for it any more.
        let _turn = turn;
        let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
        let (kind, version) = (Algorithm::Argon2id, Version::V0x13);
        let argon2 = Argon2::new_with_secret(pepper.as_slice(), kind, version, params).ok()?;
        let mut out = vec![0; 32];
        argon2.hash_password_into(given.expose_secret().as_bytes(), &salt, &mut out).ok()?;
        Some(out)
    };
    let hash = tokio::task::spawn_blocking(work).await;
    hash.ok().flatten().ok_or_else(|| StoreError::Corrupt("password".to_owned()))
}

async fn turn(wait_max: Duration) -> Result<SemaphorePermit<'static>, StoreError> {
    let turn = tokio::time::timeout(wait_max, HASHING.acquire()).await;
    turn.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_gets_no_turn_in_time_is_told_so() {
        let held = [turn(Duration::MAX).await.unwrap(), turn(Duration::MAX).await.unwrap()];
        assert!(matches!(turn(Duration::ZERO).await, Err(StoreError::Busy)));
        drop(held);
        assert!(turn(Duration::MAX).await.is_ok());
    }
}
