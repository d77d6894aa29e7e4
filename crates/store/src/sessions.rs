//! Sessions: users who are signed in.

use std::net::IpAddr;

use doorward_domain::id::{OrganizationId, SessionId, UserId};
use doorward_domain::role::OrganizationRole;
use doorward_domain::sign_in_token::SignInToken;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::audit::append_audit;
use crate::db::{on, parsed, timestamp};
use crate::organizations::owners::{ROLE, refuse_above, role_of};
use crate::row::row;
use crate::settings::session_bounds;
use crate::{Act, Removed, Store, StoreError};

/// How exact the instant is when a session was last seen.
const TOUCH_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// Most sessions of one user: with one more, the oldest ends.
pub(crate) const SESSIONS_MAX: i64 = 50;

/// Notes when a user was last signed in: their sessions are deleted when they are over.
pub(crate) const SEEN: &str =
    "UPDATE users SET seen_at_us = $3 WHERE organization_id = $1 AND id = $2";

/// A user who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id: public, and not the token.
    pub id: SessionId,
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// From where it was last seen.
    pub address: String,
    /// What the client called itself when it signed in.
    pub user_agent: String,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends if it is not used any more.
    pub ends_at: Timestamp,
}

/// Who presents the token of a session, and is active.
#[derive(Debug, Clone)]
pub struct SessionIdentity {
    /// The session.
    pub session: Session,
    /// The user's role now.
    pub role: OrganizationRole,
}

row! {
    pub(crate) struct SessionRow {
        id: String,
        organization_id: String,
        user_id: String,
        address: String,
        user_agent: String,
        created_at_us: i64,
        last_seen_at_us: i64,
        ends_at_us: i64,
    }
}

impl SessionRow {
    pub(crate) fn parse(self) -> Result<Session, StoreError> {
        Ok(Session {
            id: parsed("session", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            user: parsed("user", &self.user_id)?,
            address: self.address,
            user_agent: self.user_agent,
            created_at: timestamp(self.created_at_us)?,
            last_seen_at: timestamp(self.last_seen_at_us)?,
            ends_at: timestamp(self.ends_at_us)?,
        })
    }
}

row! {
    struct IdentityRow {
        ..session: SessionRow,
        role: String,
    }
}

impl Store {
    /// Finds who presents this token: `None` for a session that is over, was ended or never was, and
    /// for a user who is not active. Reads the database each time: rights are never stale.
    pub async fn identify_session(
        &self,
        token: &SignInToken,
    ) -> Result<Option<SessionIdentity>, StoreError> {
        const SQL: &str = "
            SELECT s.id, s.organization_id, s.user_id, s.address, s.user_agent, s.created_at_us,
                s.last_seen_at_us, s.ends_at_us, u.role
            FROM sessions s
            JOIN users u ON u.organization_id = s.organization_id AND u.id = s.user_id
            WHERE s.digest = $1 AND s.ends_at_us > $2
              AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL";
        let now_us = self.clock.now().as_microsecond();
        for digest in self.keyring.sign_in_digests(token) {
            let row: Option<IdentityRow> = on!(self.db.read, |pool| {
                let query = sqlx::query_as(SQL).bind(digest.as_slice()).bind(now_us);
                query.fetch_optional(pool).await?
            });
            if let Some(row) = row {
                let role = parsed("role", &row.role)?;
                return Ok(Some(SessionIdentity { session: row.session.parse()?, role }));
            }
        }
        Ok(None)
    }

    /// Notes that a session was used now, at most once a minute, which puts its end off.
    pub async fn touch_session(
        &self,
        session: &Session,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        const USE: &str = "
            UPDATE sessions SET last_seen_at_us = $3, address = $4
            WHERE organization_id = $1 AND id = $2 AND last_seen_at_us < $3 AND ends_at_us > $3";
        const PUT_OFF: &str =
            "UPDATE sessions SET ends_at_us = $3 WHERE organization_id = $1 AND id = $2";
        let now = self.clock.now();
        if now.duration_since(session.last_seen_at) < TOUCH_INTERVAL {
            return Ok(());
        }
        let (organization, id) = (session.organization.to_string(), session.id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let used = sqlx::query(USE).bind(&organization).bind(&id);
            let used = used.bind(now.as_microsecond()).bind(address.to_string());
            if used.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(());
            }
            // Now that the row is held, nobody changes the settings without waiting for it.
            let bounds = session_bounds!(self, tx, &organization);
            let ends_at = bounds.end(session.created_at, now);
            let put_off = sqlx::query(PUT_OFF).bind(&organization).bind(&id);
            put_off.bind(ends_at.as_microsecond()).execute(&mut *tx).await?;
            let seen = sqlx::query(SEEN).bind(&organization).bind(session.user.to_string());
            seen.bind(now.as_microsecond()).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(())
    }
}

impl Store {
    /// The sessions of a user that are not over, newest first: at most `SESSIONS_MAX`.
    pub async fn list_sessions(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = "
            SELECT id, organization_id, user_id, address, user_agent, created_at_us,
                last_seen_at_us, ends_at_us
            FROM sessions
            WHERE organization_id = $1 AND user_id = $2 AND ends_at_us > $3
            ORDER BY created_at_us DESC, id DESC LIMIT $4";
        let rows: Vec<SessionRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(user.to_string())
                .bind(self.clock.now().as_microsecond())
                .bind(SESSIONS_MAX)
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(SessionRow::parse).collect()
    }

    /// Ends one session of a user, and audits it.
    pub async fn end_session(
        &self,
        act: &Act,
        user: UserId,
        id: SessionId,
    ) -> Result<Removed, StoreError> {
        const SQL: &str =
            "DELETE FROM sessions WHERE organization_id = $1 AND user_id = $2 AND id = $3";
        let id = id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("session.end", &id, &json!({ "user": user })));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(user.to_string())
                .bind(&id)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// Ends every session of a user but the one to be kept, and audits it; how many there were.
    /// [`StoreError::AboveOwnRole`] when the user is above whoever acts.
    pub async fn end_sessions(
        &self,
        act: &Act,
        user: UserId,
        keep: Option<SessionId>,
    ) -> Result<u64, StoreError> {
        const SQL: &str =
            "DELETE FROM sessions WHERE organization_id = $1 AND user_id = $2 AND id <> $3";
        let (organization, id) = (act.organization.to_string(), user.to_string());
        let keep = keep.map(|id| id.to_string()).unwrap_or_default();
        let ended = on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("user.end_sessions", &id, &json!({})));
            let own = role_of!(tx, act);
            let role: Option<(String,)> =
                sqlx::query_as(ROLE).bind(&organization).bind(&id).fetch_optional(&mut *tx).await?;
            let (role,) = role.ok_or(StoreError::Missing("user"))?;
            refuse_above(own, &[parsed("role", &role)?])?;
            let ended = sqlx::query(SQL).bind(&organization).bind(&id).bind(&keep);
            let ended = ended.execute(&mut *tx).await?.rows_affected();
            // There was none: the row of the audit log goes back with the transaction.
            if ended > 0 {
                tx.commit().await?;
            }
            ended
        });
        Ok(ended)
    }

    /// Deletes what is over: sessions and links that nobody can use any more. Mails with such links are
    /// cancelled.
    pub async fn sweep_sign_ins(&self) -> Result<u64, StoreError> {
        const SESSIONS: &str = "DELETE FROM sessions WHERE ends_at_us <= $1";
        const LINKS: &str = "DELETE FROM password_links WHERE expires_at_us <= $1";
        self.cancel_expired_mails().await?;
        let now_us = self.clock.now().as_microsecond();
        let swept = on!(self.db.write, |pool| {
            let sessions = sqlx::query(SESSIONS).bind(now_us).execute(pool).await?;
            let links = sqlx::query(LINKS).bind(now_us).execute(pool).await?;
            sessions.rows_affected() + links.rows_affected()
        });
        Ok(swept)
    }
}
