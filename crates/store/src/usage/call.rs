//! One finished call.

use doorward_domain::id::{CallId, OrganizationId};
use doorward_domain::key::Owner;
use doorward_domain::money::NanoUsd;
use doorward_domain::usage::Usage;
use jiff::Timestamp;

use super::figures::{Figures, columns};
use crate::calls::Patience;
use crate::db::{on, timestamp, unsigned};
use crate::row::row;
use crate::{Store, StoreError};

/// What is known of a call once it is over: nothing of what was asked or answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedCall {
    /// The id of the key that it was made with.
    pub key: String,
    /// The project of the key.
    pub project: String,
    /// The model's own name.
    pub model: String,
    /// The id of the provider that was asked last.
    pub provider: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How long until the first byte of the answer. `None`: none came.
    pub first_byte_us: Option<u64>,
    /// How it ended: `done`, `failed` and so on.
    pub outcome: String,
    /// The status that it ended with: the provider's, or 502 and 504 where that could not be called or took too
    /// long. `None`: none.
    pub status: Option<u16>,
    /// How often a provider was tried.
    pub attempts: u64,
    /// Whether what it consumed was counted here, for no provider told it.
    pub is_estimated: bool,
    /// What all attempts consumed.
    pub usage: Usage,
    /// What they cost.
    pub cost: NanoUsd,
}

row! {
    struct CallRow {
        ..figures: Figures,
        key_id: String,
        project_id: String,
        model: String,
        provider_id: String,
        started_at_us: i64,
        duration_us: i64,
        first_byte_us: i64,
        outcome: String,
        status: i64,
        is_estimated: i64,
        cost_nanousd: i64,
    }
}

impl CallRow {
    fn cost(&self) -> NanoUsd {
        NanoUsd::from_nanos(unsigned(self.cost_nanousd))
    }

    fn into_call(self) -> Result<FinishedCall, StoreError> {
        let (cost, first_byte_us) = (self.cost(), unsigned(self.first_byte_us));
        Ok(FinishedCall {
            started_at: timestamp(self.started_at_us)?,
            duration_us: unsigned(self.duration_us),
            first_byte_us: Some(first_byte_us).filter(|us| *us > 0),
            status: u16::try_from(self.status).ok().filter(|status| *status > 0),
            attempts: 1,
            is_estimated: self.is_estimated != 0,
            usage: self.figures.0,
            cost,
            key: self.key_id,
            project: self.project_id,
            model: self.model,
            provider: self.provider_id,
            outcome: self.outcome,
        })
    }
}

impl Store {
    /// A call that is over; `owner`: only where it was made with a key of this one. `None` also for a call of
    /// which only the sums are kept.
    pub async fn find_call(
        &self,
        organization: OrganizationId,
        owner: Option<Owner>,
        call: CallId,
    ) -> Result<Option<FinishedCall>, StoreError> {
        // It may have ended a moment ago.
        if !self.flush_latest(Patience::Look).await? {
            return Err(StoreError::Behind);
        }
        let rows = self.rows_of_call(organization, owner, call).await?;
        let mut rows = rows.into_iter();
        let Some(last) = rows.next() else { return Ok(None) };
        let mut call = last.into_call()?;
        for earlier in rows {
            call.attempts += 1;
            call.is_estimated |= earlier.is_estimated != 0;
            call.usage = call.usage.plus(earlier.figures.0);
            call.cost = call.cost.plus(earlier.cost());
        }
        Ok(Some(call))
    }

    /// The call's own row first, then those of earlier attempts.
    async fn rows_of_call(
        &self,
        organization: OrganizationId,
        owner: Option<Owner>,
        call: CallId,
    ) -> Result<Vec<CallRow>, StoreError> {
        Ok(on!(self.db.read, |pool| {
            let mut query = sqlx::QueryBuilder::new(
                "SELECT key_id, project_id, model, provider_id, started_at_us, duration_us, first_byte_us,
                    outcome, status, is_estimated, cost_nanousd, ",
            );
            query.push(columns("")).push(" FROM usage_events WHERE organization_id = ");
            query.push_bind(organization.to_string()).push(" AND id = ");
            query.push_bind(call.to_string());
            if let Some(owner) = owner {
                query.push(" AND key_id IN (SELECT id FROM api_keys WHERE owner_id = ");
                query.push_bind(owner.to_string()).push(")");
            }
            query.push(" ORDER BY attempt").build_query_as().fetch_all(pool).await?
        }))
    }
}
