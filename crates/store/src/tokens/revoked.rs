//! Tokens that were revoked, until they would have ended by themselves.

use std::collections::HashMap;

use doorward_domain::id::TokenId;
use doorward_domain::token::Claims;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde_json::json;

use crate::audit::append_audit;
use crate::db::{Db, on, parsed, timestamp};
use crate::{Act, Store, StoreError};

/// As many as are remembered at a time. A token lives for an hour, so this is one revocation every
/// 36 ms: whoever needs more revokes the key.
const REVOKED_MAX: usize = 100_000;

/// All of them are in memory: the data plane asks for each call with a token.
#[derive(Debug)]
pub(super) struct Revoked(RwLock<HashMap<TokenId, Timestamp>>);

impl Revoked {
    pub(super) async fn load(db: &Db, now: Timestamp) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT id, expires_at_us FROM revoked_tokens WHERE expires_at_us > $1";
        let rows: Vec<(String, i64)> = on!(db.read, |pool| {
            sqlx::query_as(SQL).bind(now.as_microsecond()).fetch_all(pool).await?
        });
        let parse = |(id, ends): (String, i64)| Ok((parsed("token", &id)?, timestamp(ends)?));
        rows.into_iter().map(parse).collect::<Result<_, _>>().map(RwLock::new).map(Self)
    }

    pub(super) fn has(&self, id: TokenId) -> bool {
        self.0.read().contains_key(&id)
    }

    /// Whether one more can be remembered, those left out that are over.
    fn has_room(&self, now: Timestamp, max: usize) -> bool {
        let mut known = self.0.write();
        if known.len() >= max {
            known.retain(|_, ends| *ends > now);
        }
        known.len() < max
    }

    fn add(&self, claims: &Claims) {
        self.0.write().insert(claims.id, claims.expires_at);
    }
}

impl Store {
    /// Revokes a token and audits it, in one transaction; its open streams end. Revoking it again
    /// changes nothing. `false`: as many are revoked as can be remembered, and nothing was done.
    pub async fn revoke_token(&self, act: &Act, claims: &Claims) -> Result<bool, StoreError> {
        let done = self.write_revocation(act, claims).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_key(&claims.key);
        done
    }

    async fn write_revocation(&self, act: &Act, claims: &Claims) -> Result<bool, StoreError> {
        const SWEEP: &str = "
            DELETE FROM revoked_tokens WHERE organization_id = $1 AND expires_at_us <= $2";
        const INSERT: &str = "
            INSERT INTO revoked_tokens (id, organization_id, key_id, revoked_at_us, expires_at_us)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        if !self.tokens.revoked.has_room(act.at, REVOKED_MAX) {
            return Ok(false);
        }
        let (organization, id) = (act.organization.to_string(), claims.id.to_string());
        let now_us = act.at.as_microsecond();
        let detail = json!({ "key": claims.key });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(SWEEP).bind(&organization).bind(now_us).execute(&mut *tx).await?;
            let inserted = sqlx::query(INSERT)
                .bind(&id)
                .bind(&organization)
                .bind(claims.key.as_str())
                .bind(now_us)
                .bind(claims.expires_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if inserted.rows_affected() == 0 {
                return Ok(true);
            }
            append_audit!(self, tx, act.entry("token.revoke", &id, &detail));
            // Before the commit: whoever waits for it at the audit row must find the token revoked. Where
            // the commit fails it stays so here, and is written when it is asked for again.
            self.tokens.revoked.add(claims);
            tx.commit().await?;
        });
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_tokens_have_ended_by_themselves() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ends = [(TokenId::new(1, 1), at(10)), (TokenId::new(1, 2), at(20))];
        let revoked = Revoked(RwLock::new(ends.into()));
        assert!(revoked.has_room(at(0), 3));
        assert!(!revoked.has_room(at(9), 2));
        assert!(revoked.has(TokenId::new(1, 1)));
        assert!(revoked.has_room(at(10), 2));
        assert!(!revoked.has(TokenId::new(1, 1)) && revoked.has(TokenId::new(1, 2)));
    }
}
