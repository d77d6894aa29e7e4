//! A key as answers show it.

use std::net::IpAddr;

use axum::response::Response;
use doorward_domain::address::AddressBlock;
use doorward_domain::bounds::ModelLimits;
use doorward_domain::budget::{Budget, Period, Spend};
use doorward_domain::credential::KeyId;
use doorward_domain::id::{IncreaseId, OrganizationId, ProjectId, UserId};
use doorward_domain::increase::Raise;
use doorward_domain::key::KeyStatus;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::{ModelPattern, ModelRule};
use doorward_domain::money::NanoUsd;
use doorward_domain::origin::{Origin, Origins};
use doorward_domain::rotation::KeySecret;
use doorward_domain::scope::ScopeSet;
use doorward_store::{HeldIncrease, KeyRecord};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::api::answer::versioned;
use crate::openapi::text::{IpAddress, OwnerId};
use crate::problem::ApiError;

/// The key object of the API. The secret is not in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyObject {
    id: KeyId,
    #[schema(pattern = "^api_key$")]
    object: &'static str,
    name: String,
    description: String,
    #[schema(value_type = super::place::Kind)]
    kind: &'static str,
    status: KeyStatus,
    fingerprint: String,
    #[schema(value_type = OwnerId)]
    owner: String,
    /// What the owner is called, as with the next two, where `names` asks for it and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_name: Option<String>,
    created_by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by_name: Option<String>,
    project: ProjectId,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_name: Option<String>,
    organization: OrganizationId,
    scopes: ScopeSet,
    /// `null`: all that the project has.
    #[schema(value_type = Option<Vec<ModelPattern>>, required)]
    models: ModelRule,
    /// `null`: from anywhere.
    #[schema(required)]
    ip_allow: Option<Vec<AddressBlock>>,
    ip_deny: Vec<AddressBlock>,
    limits: Limits,
    /// Limits for some models, each counted by itself.
    model_limits: Vec<ModelLimits>,
    budgets: Vec<Budget>,
    /// What raises its limits or budgets for a while. `null`: nothing does.
    #[schema(required)]
    increase: Option<HeldObject>,
    /// `null`: for no web page.
    #[schema(value_type = Option<Vec<Origin>>, required)]
    allowed_origins: Option<Origins>,
    /// One entry per budget, in their order.
    spent: Vec<Spent>,
    /// In the present month, whether it has budgets or not.
    spent_this_month: Spent,
    created_at: Timestamp,
    #[schema(required)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<IpAddress>, required)]
    last_used_ip: Option<IpAddr>,
    #[schema(required)]
    expires_at: Option<Timestamp>,
    #[schema(required)]
    rotated_at: Option<Timestamp>,
    /// Those that a rotation replaced and that still work, newest first.
    previous_secrets: Vec<PreviousSecret>,
    #[schema(value_type = Object)]
    metadata: serde_json::Map<String, serde_json::Value>,
}

/// What was spent in the present period of one budget.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Spent {
    period: Period,
    usd: NanoUsd,
    tokens: u64,
}

/// An increase that holds: what it raises, and until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HeldIncrease)]
pub(in crate::api) struct HeldObject {
    id: IncreaseId,
    #[serde(flatten)]
    raise: Raise,
    ends_at: Timestamp,
}

impl From<HeldIncrease> for HeldObject {
    fn from(HeldIncrease { id, raise, ends_at }: HeldIncrease) -> Self {
        Self { id, raise, ends_at }
    }
}

/// A secret that was replaced and still works.
#[derive(Debug, Serialize, ToSchema)]
struct PreviousSecret {
    fingerprint: String,
    #[schema(required)]
    ends_at: Option<Timestamp>,
    #[schema(required)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<IpAddress>, required)]
    last_used_ip: Option<IpAddr>,
}

impl PreviousSecret {
    fn new(key: &KeyId, secret: &KeySecret) -> Self {
        Self {
            fingerprint: key.fingerprint(&secret.tail),
            ends_at: secret.ends_at,
            last_used_at: secret.last_used_at,
            last_used_ip: secret.last_used_address,
        }
    }
}

impl KeyObject {
    pub(super) fn new(record: KeyRecord, now: Timestamp) -> Self {
        let KeyRecord { key, spent, spent_this_month, .. } = record;
        let KeyRecord { last_used_at, last_used_address, previous_secrets, increase, .. } = record;
        let status = key.status(now);
        let of = |(budget, spend): (Budget, Spend)| Spent::new(budget.period, spend);
        Self {
            id: key.id,
            object: "api_key",
            name: key.name,
            description: key.description,
            kind: key.owner.kind(),
            status,
            fingerprint: key.id.fingerprint(&key.tail),
            owner: key.owner.to_string(),
            owner_name: None,
            created_by: key.created_by,
            created_by_name: None,
            project: key.project,
            project_name: None,
            organization: key.organization,
            scopes: key.rights.scopes,
            models: key.rights.models,
            ip_allow: key.rights.addresses.allow,
            ip_deny: key.rights.addresses.deny,
            limits: key.rights.limits,
            model_limits: key.rights.model_limits,
            budgets: key.rights.budgets,
            increase: increase.map(HeldObject::from),
            allowed_origins: key.rights.allowed_origins,
            spent: spent.into_iter().map(of).collect(),
            spent_this_month: Spent::new(Period::Month, spent_this_month),
            created_at: key.life.created_at,
            last_used_at,
            last_used_ip: last_used_address,
            expires_at: key.rights.expires_at,
            rotated_at: key.life.rotated_at,
            previous_secrets: previous_secrets
                .iter()
                .map(|secret| PreviousSecret::new(&key.id, secret))
                .collect(),
            metadata: key.metadata,
        }
    }

    /// Whom and what it names by their ids.
    fn named(&self) -> [String; 3] {
        [self.owner.clone(), self.created_by.to_string(), self.project.to_string()]
    }
}

/// Has keys say what their owners, makers and projects are called.
pub(super) async fn name(
    control: &Control,
    organization: OrganizationId,
    keys: &mut [KeyObject],
) -> Result<(), ApiError> {
    let ids = keys.iter().flat_map(KeyObject::named).collect();
    let names = control.store.names_of(organization, ids).await?;
    for key in keys {
        [key.owner_name, key.created_by_name, key.project_name] =
            key.named().map(|id| names.get(&id).cloned());
    }
    Ok(())
}

impl Spent {
    pub(in crate::api) fn new(period: Period, spend: Spend) -> Self {
        Self { period, usd: spend.cost, tokens: spend.tokens }
    }
}

/// An answer with one key and its version.
pub(super) fn answer(record: KeyRecord, now: Timestamp) -> Response {
    let updated_at = record.key.life.updated_at;
    versioned(KeyObject::new(record, now), updated_at)
}
