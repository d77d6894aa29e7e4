//! How often keys were refused, and why.

use std::net::IpAddr;

use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use jiff::{SignedDuration, Timestamp};

use crate::db::{on, timestamp};
use crate::row::row;
use crate::{Store, StoreError};

/// For so many days it is known.
pub(crate) const DENIAL_DAYS: u16 = 30;

/// One reason for which a key was refused in the last 30 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDenial {
    /// Why, as clients are told it: `model_not_found`.
    pub code: String,
    /// How often.
    pub times: u64,
    /// When the last time was.
    pub last_at: Timestamp,
    /// What was asked for then, where that was a model.
    pub last_model: Option<String>,
    /// From where.
    pub last_address: Option<IpAddr>,
}

row! {
    struct DenialRow {
        code: String,
        times: i64,
        last_at_us: i64,
        last_model: Option<String>,
        last_address: Option<String>,
    }
}

impl Store {
    /// Why a key was refused in the last 30 days, the latest reason first; its latest refusals included.
    pub async fn key_denials(
        &self,
        organization: OrganizationId,
        key: &KeyId,
    ) -> Result<Vec<KeyDenial>, StoreError> {
        const SQL: &str = "
            SELECT code, times, last_at_us, last_model, last_address FROM key_denials
            WHERE organization_id = $1 AND key_id = $2 AND day_us >= $3
            ORDER BY last_at_us DESC, code";
        self.catch_up().await;
        self.write_waiting_denials().await?;
        let days = SignedDuration::from_hours(24 * i64::from(DENIAL_DAYS));
        let since = self.clock.now().checked_sub(days).unwrap_or(Timestamp::MIN).as_microsecond();
        let rows: Vec<DenialRow> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization.to_string()).bind(key.as_str());
            query.bind(since).fetch_all(pool).await?
        });
        let mut denials: Vec<KeyDenial> = Vec::new();
        for row in rows {
            let times = row.times.unsigned_abs();
            // The first row of a reason is its latest day.
            match denials.iter_mut().find(|denial| denial.code == row.code) {
                Some(denial) => denial.times += times,
                None => denials.push(KeyDenial {
                    times,
                    last_at: timestamp(row.last_at_us)?,
                    last_model: row.last_model,
                    last_address: row.last_address.and_then(|text| text.parse().ok()),
                    code: row.code,
                }),
            }
        }
        Ok(denials)
    }
}
