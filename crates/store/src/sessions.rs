//! Sessions: users who are signed in.

use std::net::IpAddr;

use doorward_domain::id::{OrganizationId, SessionId, UserId};
use doorward_domain::role::OrganizationRole;
use doorward_domain::session::{AGE_MAX, IDLE_MAX, SessionLife};
use doorward_domain::sign_in_token::SignInToken;
use jiff::{SignedDuration, Timestamp};

use crate::db::{on, parsed, timestamp};
use crate::row::row;
use crate::{Store, StoreError};

/// How exact the instant is when a session was last seen.
const TOUCH_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// Most sessions of one user: with one more, the oldest ends.
pub(crate) const SESSIONS_MAX: i64 = 50;

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
    /// When it was begun and last seen.
    pub life: SessionLife,
}

/// Who presents the token of a session, and is active.
#[derive(Debug, Clone)]
pub struct SessionIdentity {
    /// The session.
    pub session: Session,
    /// The user's role now.
    pub role: OrganizationRole,
}

/// The instants after which a session that lasts was last seen, and begun.
pub(crate) fn bounds_us(now: Timestamp) -> [i64; 2] {
    [IDLE_MAX, AGE_MAX].map(|age| now.checked_sub(age).unwrap_or(Timestamp::MIN).as_microsecond())
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
            life: SessionLife {
                created_at: timestamp(self.created_at_us)?,
                last_seen_at: timestamp(self.last_seen_at_us)?,
            },
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
                s.last_seen_at_us, u.role
            FROM sessions s
            JOIN users u ON u.organization_id = s.organization_id AND u.id = s.user_id
            WHERE s.digest = $1 AND s.last_seen_at_us > $2 AND s.created_at_us > $3
              AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL";
        let [seen_us, begun_us] = bounds_us(self.clock.now());
        for digest in self.keyring.sign_in_digests(token) {
            let row: Option<IdentityRow> = on!(self.db.read, |pool| {
                let query = sqlx::query_as(SQL).bind(digest.as_slice()).bind(seen_us);
                query.bind(begun_us).fetch_optional(pool).await?
            });
            if let Some(row) = row {
                let role = parsed("role", &row.role)?;
                return Ok(Some(SessionIdentity { session: row.session.parse()?, role }));
            }
        }
        Ok(None)
    }

    /// Notes that a session was used now, at most once a minute.
    pub async fn touch_session(
        &self,
        session: &Session,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sessions SET last_seen_at_us = $3, address = $4
            WHERE organization_id = $1 AND id = $2 AND last_seen_at_us < $3";
        let now = self.clock.now();
        if now.duration_since(session.life.last_seen_at) < TOUCH_INTERVAL {
            return Ok(());
        }
        on!(self.db.write, |pool| {
            sqlx::query(SQL)
                .bind(session.organization.to_string())
                .bind(session.id.to_string())
                .bind(now.as_microsecond())
                .bind(address.to_string())
                .execute(pool)
                .await?;
        });
        Ok(())
    }
}
