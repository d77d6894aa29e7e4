//! The second factor of a user, and the codes for the day on which it is lost.

use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::recovery_code;
use doorward_domain::totp::{self, SECRET_BYTES, TotpSecret};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::audit::append_audit;
use crate::db::{finds, on, timestamp};
use crate::keyring::SealedFor;
use crate::organizations::owners::{ROLE, refuse_above, role_of};
use crate::row::row;
use crate::store::random_bytes;
use crate::{Act, Removed, Store, StoreError};

/// Ten codes in the clear, this once.
pub type RecoveryCodes = Vec<SecretString>;

/// A second factor as it is stored, opened.
#[derive(Debug)]
pub(super) struct SecondFactor {
    secret: TotpSecret,
    last_step: i64,
    created_at_us: i64,
    /// `None`: it is not confirmed yet.
    pub(super) confirmed_at: Option<Timestamp>,
}

row! {
    struct FactorRow {
        secret: Vec<u8>,
        last_step: i64,
        created_at_us: i64,
        confirmed_at_us: Option<i64>,
    }
}

/// What shows that a user has the second factor. It is good once: [`spend!`] takes it.
#[derive(Debug)]
pub(super) enum Proof {
    /// The code of a step.
    Step(i64),
    /// A recovery code, under each key that it may be stored under.
    Recovery(Vec<[u8; 32]>),
}

impl Proof {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Step(_) => "code",
            Self::Recovery(_) => "recovery_code",
        }
    }
}

pub(super) const SPEND_STEP: &str = "
    UPDATE second_factors SET last_step = $3
    WHERE organization_id = $1 AND user_id = $2 AND last_step < $3 AND confirmed_at_us IS NOT NULL";
pub(super) const SPEND_RECOVERY: &str = "
    DELETE FROM recovery_codes WHERE organization_id = $1 AND user_id = $2 AND digest = $3";
pub(super) const HAS_FACTOR: &str = "
    SELECT 1 FROM second_factors
    WHERE organization_id = $1 AND user_id = $2 AND confirmed_at_us IS NOT NULL";

/// Takes a proof, inside an open transaction. Whether it was good; without one, whether none is needed.
/// `?` acts on the caller.
macro_rules! spend {
    ($tx:ident, $organization:expr, $user:expr, $proof:expr) => {{
        let proof: Option<&$crate::sign_in::second_factor::Proof> = $proof;
        match proof {
            None => !finds!($tx, $crate::sign_in::second_factor::HAS_FACTOR, $organization, $user),
            Some($crate::sign_in::second_factor::Proof::Step(step)) => {
                let spent = sqlx::query($crate::sign_in::second_factor::SPEND_STEP)
                    .bind($organization)
                    .bind($user)
                    .bind(*step)
                    .execute(&mut *$tx)
                    .await?;
                spent.rows_affected() > 0
            }
            Some($crate::sign_in::second_factor::Proof::Recovery(digests)) => {
                let mut spent = 0;
                for digest in digests {
                    spent += sqlx::query($crate::sign_in::second_factor::SPEND_RECOVERY)
                        .bind($organization)
                        .bind($user)
                        .bind(digest.as_slice())
                        .execute(&mut *$tx)
                        .await?
                        .rows_affected();
                }
                spent > 0
            }
        }
    }};
}
pub(super) use spend;

const DROP_FACTOR: &str = "DELETE FROM second_factors WHERE organization_id = $1 AND user_id = $2";
const DROP_CODES: &str = "DELETE FROM recovery_codes WHERE organization_id = $1 AND user_id = $2";

fn place(organization: OrganizationId, row: &str) -> SealedFor<'_> {
    SealedFor { organization, row, field: "second factor" }
}

impl Store {
    pub(super) async fn find_second_factor(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<SecondFactor>, StoreError> {
        const SQL: &str = "
            SELECT secret, last_step, created_at_us, confirmed_at_us FROM second_factors
            WHERE organization_id = $1 AND user_id = $2";
        let id = user.to_string();
        let row: Option<FactorRow> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string()).bind(&id);
            query.fetch_optional(pool).await?
        });
        let Some(row) = row else { return Ok(None) };
        let secret = self.keyring.open_sealed(&place(organization, &id), &row.secret)?;
        let secret = <[u8; SECRET_BYTES]>::try_from(secret.as_slice());
        Ok(Some(SecondFactor {
            secret: TotpSecret::new(secret.map_err(|_| StoreError::Integrity)?),
            last_step: row.last_step,
            created_at_us: row.created_at_us,
            confirmed_at: row.confirmed_at_us.map(timestamp).transpose()?,
        }))
    }

    /// Whether a user has a second factor that is confirmed.
    pub async fn has_second_factor(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<bool, StoreError> {
        let factor = self.find_second_factor(organization, user).await?;
        Ok(factor.is_some_and(|factor| factor.confirmed_at.is_some()))
    }

    /// What a code shows, if it can show anything.
    pub(super) fn prove(
        &self,
        user: UserId,
        factor: &SecondFactor,
        code: &SecretString,
    ) -> Option<Proof> {
        let code = code.expose_secret();
        if totp::is_code(code) {
            let step = factor.secret.find_step(code, self.clock.now(), factor.last_step);
            return step.map(Proof::Step);
        }
        let code = recovery_code::normalized(code)?;
        Some(Proof::Recovery(self.keyring.recovery_digests(&user.to_string(), &code)))
    }

    /// Makes a second factor for a user, which is asked for once it is confirmed, and audits it.
    /// [`StoreError::SecondFactor`] when one is confirmed already.
    pub async fn begin_second_factor(
        &self,
        act: &Act,
        user: UserId,
    ) -> Result<TotpSecret, StoreError> {
        const SQL: &str = "
            INSERT INTO second_factors (user_id, organization_id, secret, last_step, created_at_us)
            VALUES ($1, $2, $3, 0, $4)
            ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = 0,
                created_at_us = excluded.created_at_us";
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
        let secret = TotpSecret::new(bytes);
        let (organization, id) = (act.organization.to_string(), user.to_string());
        let sealed = self.keyring.seal(&place(act.organization, &id), secret.expose())?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("second_factor.begin", &id, &json!({})));
            if finds!(tx, HAS_FACTOR, &organization, &id) {
                return Err(StoreError::SecondFactor);
            }
            sqlx::query(SQL)
                .bind(&id)
                .bind(&organization)
                .bind(sealed.as_slice())
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        });
        Ok(secret)
    }

    /// Confirms a second factor by a first code, and audits it: from now on it is asked for. `None`:
    /// the code is wrong. [`StoreError::SecondFactor`] when there is none, or it is confirmed already.
    pub async fn confirm_second_factor(
        &self,
        act: &Act,
        user: UserId,
        code: &SecretString,
    ) -> Result<Option<RecoveryCodes>, StoreError> {
        const CONFIRM: &str = "
            UPDATE second_factors SET confirmed_at_us = $3, last_step = $4
            WHERE organization_id = $1 AND user_id = $2 AND confirmed_at_us IS NULL
              AND created_at_us = $5";
        const INSERT: &str = "
            INSERT INTO recovery_codes (organization_id, user_id, digest) VALUES ($1, $2, $3)";
        let factor = self.find_second_factor(act.organization, user).await?;
        let factor = factor.filter(|factor| factor.confirmed_at.is_none());
        let factor = factor.ok_or(StoreError::SecondFactor)?;
        let Some(step) = factor.secret.find_step(code.expose_secret(), act.at, factor.last_step)
        else {
            return Ok(None);
        };
        let (organization, id) = (act.organization.to_string(), user.to_string());
        let codes: RecoveryCodes =
            (0..recovery_code::CODES).map(|_| recovery_code::mint(random_bytes())).collect();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("second_factor.confirm", &id, &json!({})));
            let confirmed = sqlx::query(CONFIRM)
                .bind(&organization)
                .bind(&id)
                .bind(act.at.as_microsecond())
                .bind(step)
                .bind(factor.created_at_us)
                .execute(&mut *tx)
                .await?;
            if confirmed.rows_affected() == 0 {
                return Err(StoreError::SecondFactor);
            }
            sqlx::query(DROP_CODES).bind(&organization).bind(&id).execute(&mut *tx).await?;
            for code in &codes {
                let digest = self.recovery_digest(&id, code)?;
                let insert = sqlx::query(INSERT).bind(&organization).bind(&id);
                insert.bind(digest.as_slice()).execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(Some(codes))
    }

    fn recovery_digest(&self, user: &str, code: &SecretString) -> Result<[u8; 32], StoreError> {
        let code = recovery_code::normalized(code.expose_secret()).ok_or(StoreError::Integrity)?;
        let digests = self.keyring.recovery_digests(user, &code);
        digests.into_iter().next().ok_or(StoreError::Integrity)
    }

    /// Takes the second factor of a user away, and audits it.
    /// [`StoreError::AboveOwnRole`] when the user is above whoever acts.
    pub async fn remove_second_factor(
        &self,
        act: &Act,
        user: UserId,
    ) -> Result<Removed, StoreError> {
        let (organization, id) = (act.organization.to_string(), user.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("second_factor.remove", &id, &json!({})));
            let own = role_of!(tx, act);
            let role: Option<(String,)> =
                sqlx::query_as(ROLE).bind(&organization).bind(&id).fetch_optional(&mut *tx).await?;
            let Some((role,)) = role else { return Ok(Removed::NotFound) };
            refuse_above(own, &[crate::db::parsed("role", &role)?])?;
            let done = sqlx::query(DROP_FACTOR).bind(&organization).bind(&id);
            if done.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            sqlx::query(DROP_CODES).bind(&organization).bind(&id).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }
}
