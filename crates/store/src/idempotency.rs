//! Requests that may be sent twice and are done once.
//!
//! A client that lost the answer sends the request again under the same `Idempotency-Key` and gets
//! the first answer. What is kept of a request names and proves nothing to anybody without the secret
//! that it was sent with, and an answer that holds a secret opens under that secret only: a copy of
//! the database and the master key together do not give it away.

use doorward_domain::id::OrganizationId;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::db::on;
use crate::keyring::aead;
use crate::row::row;
use crate::{Store, StoreError};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long an answer is given again with the secret in it.
const WITH_SECRET: SignedDuration = SignedDuration::from_mins(10);
/// After this time a request without an answer is taken for one whose process died.
const ABANDONED: SignedDuration = SignedDuration::from_mins(1);
/// As many answers as an organization has kept; the oldest go first.
const ANSWERS_MAX: i64 = 10_000;

/// A request with an `Idempotency-Key`. Others under the same name by other keys or tokens are other
/// requests.
#[derive(Debug)]
pub struct IdempotentRequest {
    organization: OrganizationId,
    id: Zeroizing<[u8; 32]>,
    request: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
}

/// What is known of a request.
#[derive(Debug)]
pub enum Claim {
    /// It is new: do it, then call [`Store::keep_answer`] or [`Store::release_request`].
    New,
    /// It is being worked on.
    Running,
    /// The name was used for another request.
    Reused,
    /// It was done.
    Done(FirstAnswer),
}

/// The answer of a request that was done.
#[derive(Debug)]
pub struct FirstAnswer {
    /// The status.
    pub status: u16,
    /// The header `etag`.
    pub etag: Option<String>,
    /// The body, without any secret.
    pub body: String,
    /// The body as it was, where that held a secret; given again for ten minutes only.
    pub whole: Option<SecretString>,
}

row! {
    struct Row {
        request: Vec<u8>,
        begun_at_us: i64,
        status: Option<i64>,
        etag: Option<String>,
        answer: Option<String>,
        sealed: Option<Vec<u8>>,
    }
}

impl IdempotentRequest {
    /// `mac` is HMAC-SHA-256 of a purpose and parts under the secret that whoever asks has presented;
    /// `name` is the `Idempotency-Key`; `parts` are all that the request says.
    pub fn new(
        organization: OrganizationId,
        mac: impl Fn(&str, &[&[u8]]) -> Zeroizing<[u8; 32]>,
        name: &[u8],
        parts: &[&[u8]],
    ) -> Self {
        Self {
            organization,
            id: mac("idempotency key", &[name]),
            request: mac("idempotent request", parts),
            seal: mac("idempotent answer", &[name]),
        }
    }

    fn open(&self, row: Row, now: Timestamp) -> Result<Claim, StoreError> {
        if row.request != self.request.as_slice() {
            return Ok(Claim::Reused);
        }
        let (Some(status), Some(body)) = (row.status, row.answer) else {
            return Ok(Claim::Running);
        };
        let sealed = row.sealed.filter(|_| row.begun_at_us > before(now, WITH_SECRET));
        let whole = sealed.map(|sealed| self.unseal(&sealed)).transpose()?;
        let status = u16::try_from(status).map_err(|_| StoreError::Corrupt("status".to_owned()))?;
        Ok(Claim::Done(FirstAnswer { status, etag: row.etag, body, whole }))
    }

    fn unseal(&self, sealed: &[u8]) -> Result<SecretString, StoreError> {
        let plain = aead::open(&self.seal, self.request.as_slice(), sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| StoreError::Integrity)?;
        Ok(SecretString::from(text))
    }
}

fn before(now: Timestamp, age: SignedDuration) -> i64 {
    now.checked_sub(age).unwrap_or(Timestamp::MIN).as_microsecond()
}

impl Store {
    /// Claims a request for whoever will do it: of several at once one gets [`Claim::New`].
    pub async fn claim_request(
        &self,
        request: &IdempotentRequest,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        const CLAIM: &str = "
            INSERT INTO idempotent_requests (id, organization_id, request, begun_at_us)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET begun_at_us = excluded.begun_at_us
            WHERE idempotent_requests.request = excluded.request
              AND idempotent_requests.status IS NULL AND idempotent_requests.begun_at_us <= $5";
        const FIND: &str = "
            SELECT request, begun_at_us, status, etag, answer, sealed
            FROM idempotent_requests WHERE id = $1 AND organization_id = $2";
        self.sweep_answers(request.organization, now).await?;
        let organization = request.organization.to_string();
        let claimed = on!(self.db.write, |pool| {
            sqlx::query(CLAIM)
                .bind(request.id.as_slice())
                .bind(&organization)
                .bind(request.request.as_slice())
                .bind(now.as_microsecond())
                .bind(before(now, ABANDONED))
                .execute(pool)
                .await?
                .rows_affected()
        });
        if claimed > 0 {
            return Ok(Claim::New);
        }
        let row: Option<Row> = on!(self.db.write, |pool| {
            let find = sqlx::query_as(FIND).bind(request.id.as_slice()).bind(&organization);
            find.fetch_optional(pool).await?
        });
        // Gone in between: it was refused a moment ago, and may be tried again.
        row.map_or(Ok(Claim::Running), |row| request.open(row, now))
    }

    /// Keeps the answer of a request that was done.
    pub async fn keep_answer(
        &self,
        request: &IdempotentRequest,
        answer: &FirstAnswer,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE idempotent_requests SET status = $3, etag = $4, answer = $5, sealed = $6
            WHERE id = $1 AND organization_id = $2";
        let seal = |whole: &SecretString| {
            let whole = whole.expose_secret().as_bytes();
            aead::seal(&request.seal, request.request.as_slice(), whole)
        };
        let sealed = answer.whole.as_ref().map(seal).transpose()?;
        on!(self.db.write, |pool| {
            sqlx::query(SQL)
                .bind(request.id.as_slice())
                .bind(request.organization.to_string())
                .bind(i64::from(answer.status))
                .bind(&answer.etag)
                .bind(&answer.body)
                .bind(sealed)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Forgets a request that was refused: it changed nothing, and may be tried again.
    pub async fn release_request(&self, request: &IdempotentRequest) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM idempotent_requests
            WHERE id = $1 AND organization_id = $2 AND status IS NULL";
        on!(self.db.write, |pool| {
            sqlx::query(SQL)
                .bind(request.id.as_slice())
                .bind(request.organization.to_string())
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Takes away what is too old: sealed answers, then all of it.
    async fn sweep_answers(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const UNSEAL: &str = "
            UPDATE idempotent_requests SET sealed = NULL
            WHERE organization_id = $1 AND begun_at_us <= $2 AND sealed IS NOT NULL";
        const DELETE: &str = "
            DELETE FROM idempotent_requests
            WHERE organization_id = $1 AND (begun_at_us <= $2 OR id IN (
                SELECT id FROM idempotent_requests WHERE organization_id = $1
                ORDER BY begun_at_us DESC, id LIMIT 1000 OFFSET $3))";
        let organization = organization.to_string();
        on!(self.db.write, |pool| {
            let unseal = sqlx::query(UNSEAL).bind(&organization).bind(before(now, WITH_SECRET));
            unseal.execute(pool).await?;
            let delete = sqlx::query(DELETE).bind(&organization).bind(before(now, KEPT));
            delete.bind(ANSWERS_MAX - 1).execute(pool).await?;
        });
        Ok(())
    }
}
