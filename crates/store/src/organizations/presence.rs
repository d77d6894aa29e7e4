//! What is told of users beside who they are: whether they come in, and with what.

use std::collections::HashMap;

use doorward_domain::id::{OrganizationId, UserId};
use jiff::Timestamp;

use crate::db::{on, parsed, timestamp, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// Whether and when a user comes in, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// Active and disabled keys of theirs.
    pub keys: u64,
    /// When they last were signed in, or a key of theirs was used. `None`: never.
    pub last_seen_at: Option<Timestamp>,
    /// Whether they have set a password.
    pub has_password: bool,
    /// Whether they are asked for a second factor.
    pub has_second_factor: bool,
}

/// The presence of some users.
#[derive(Debug, Default)]
pub struct Presences(HashMap<UserId, Presence>);

impl Presences {
    /// That of one of them; of anybody else, as if they had never come in.
    pub fn of(&self, user: UserId) -> Presence {
        self.0.get(&user).copied().unwrap_or_default()
    }
}

row! {
    struct PresenceRow {
        id: String,
        keys: i64,
        used_at_us: Option<i64>,
        seen_at_us: Option<i64>,
        passwords: i64,
        factors: i64,
    }
}

impl Store {
    /// The presence of these users.
    pub async fn presences(
        &self,
        organization: OrganizationId,
        users: &[UserId],
    ) -> Result<Presences, StoreError> {
        const SQL: &str = "
            SELECT u.id, u.seen_at_us,
                (SELECT COUNT(*) FROM passwords p
                 WHERE p.organization_id = u.organization_id AND p.user_id = u.id) AS passwords,
                (SELECT COUNT(*) FROM second_factors f
                 WHERE f.organization_id = u.organization_id AND f.user_id = u.id
                   AND f.confirmed_at_us IS NOT NULL) AS factors,
                (SELECT MAX(k.last_used_at_us) FROM api_keys k
                 WHERE k.organization_id = u.organization_id AND k.owner_id = u.id) AS used_at_us,
                (SELECT COUNT(*) FROM api_keys k
                 WHERE k.organization_id = u.organization_id AND k.owner_id = u.id
                   AND k.revoked_at_us IS NULL
                   AND (k.expires_at_us IS NULL OR k.expires_at_us > ";
        const OF: &str = ")) AS keys FROM users u WHERE u.organization_id = ";
        if users.is_empty() {
            return Ok(Presences::default());
        }
        let now_us = self.clock.now().as_microsecond();
        let rows: Vec<PresenceRow> = on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(SQL);
            query.push_bind(now_us).push(OF).push_bind(organization.to_string());
            query.push(" AND u.id IN (");
            let mut ids = query.separated(", ");
            for id in users {
                ids.push_bind(id.to_string());
            }
            query.push(")");
            query.build_query_as().fetch_all(pool).await?
        });
        let presences = rows.into_iter().map(PresenceRow::parse);
        Ok(Presences(presences.collect::<Result<_, StoreError>>()?))
    }
}

impl PresenceRow {
    fn parse(self) -> Result<(UserId, Presence), StoreError> {
        let presence = Presence {
            keys: unsigned(self.keys),
            last_seen_at: self.used_at_us.max(self.seen_at_us).map(timestamp).transpose()?,
            has_password: self.passwords > 0,
            has_second_factor: self.factors > 0,
        };
        Ok((parsed("user", &self.id)?, presence))
    }
}
