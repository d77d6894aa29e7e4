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
    /// The presence of these users. Their keys are walked through once.
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
                k.used_at_us, COALESCE(k.living, 0) AS keys
            FROM users u LEFT JOIN (
                SELECT owner_id, MAX(last_used_at_us) AS used_at_us,
                    COUNT(CASE WHEN revoked_at_us IS NULL
                        AND (expires_at_us IS NULL OR expires_at_us > ";
        const OF: &str = ") THEN 1 END) AS living
                FROM api_keys WHERE organization_id = ";
        const USERS: &str =
            ") GROUP BY owner_id) k ON k.owner_id = u.id WHERE u.organization_id = ";
        if users.is_empty() {
            return Ok(Presences::default());
        }
        let (organization, now_us) = (organization.to_string(), self.clock.now().as_microsecond());
        let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
        let rows: Vec<PresenceRow> = on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(SQL);
            query.push_bind(now_us).push(OF).push_bind(&organization);
            let mut owners = query.push(" AND owner_id IN (").separated(", ");
            for id in &ids {
                owners.push_bind(id);
            }
            query.push(USERS).push_bind(&organization);
            let mut named = query.push(" AND u.id IN (").separated(", ");
            for id in &ids {
                named.push_bind(id);
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
