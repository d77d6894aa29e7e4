//! Deployments of a model: references by id or name are looked up, defaults filled in.

use std::collections::HashMap;
use std::num::NonZeroU32;

use doorward_domain::catalog::{
    Deployment, DeploymentState, Model, Pricing, Provider, ProviderKind, listing,
};
use doorward_domain::health::{Reason, State};
use doorward_domain::id::{DeploymentId, OrganizationId, ProviderId, ProviderKeyId};
use doorward_domain::price::PriceTable;
use doorward_store::{DeploymentHealth, Resting, Store};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::check_upstream;
use super::price::{ListedPrice, PriceObject, table};
use crate::Control;
use crate::api::{provider_keys, providers};
use crate::caller::Caller;
use crate::control::id_parts;
use crate::faults::Faults;
use crate::problem::ApiError;

/// Most deployments of one model.
const DEPLOYMENTS_MAX: usize = 32;
/// Largest weight and largest priority.
const RANK_MAX: u32 = 1_000_000;

/// One deployment as a request names it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDeployment)]
pub(super) struct DeploymentWish {
    /// Id or name.
    provider: String,
    /// The model's name when absent; that of a project's model without the prefix.
    #[schema(pattern = "^[!-)+-~]{1,200}$")]
    upstream_model: Option<String>,
    /// Id or name; the provider's own when absent.
    provider_key: Option<String>,
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    weight: Option<NonZeroU32>,
    #[schema(maximum = 1_000_000)]
    priority: Option<u32>,
    /// One that is there already stays as it is when absent; a new one is active.
    state: Option<DeploymentState>,
    /// As it was read: what is changed in a list that was read can be sent back whole.
    #[serde(default, rename = "health")]
    #[schema(value_type = Option<Object>)]
    _health: IgnoredAny,
    /// Likewise.
    #[serde(default, rename = "listed_price")]
    #[schema(value_type = Option<Object>)]
    _listed_price: IgnoredAny,
}

/// One deployment with everything it refers to.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) provider: Provider,
    pub(super) upstream_model: String,
    provider_key: Option<ProviderKeyId>,
    weight: u32,
    priority: u32,
    state: Option<DeploymentState>,
}

/// One deployment as answers show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deployment)]
pub(super) struct DeploymentObject {
    id: DeploymentId,
    provider: ProviderId,
    upstream_model: String,
    #[schema(required)]
    provider_key: Option<ProviderKeyId>,
    weight: u32,
    priority: u32,
    state: DeploymentState,
    /// How it is, as calls and health checks have found out. `null`: the gateway does not call it.
    #[schema(required)]
    health: Option<HealthObject>,
    /// What the built-in table knows of it, also where the model has a price of its own.
    #[schema(required)]
    listed_price: Option<ListedPrice>,
}

/// How a deployment is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentHealth)]
struct HealthObject {
    /// Whether calls go through. With several keys it is as well as the best of them.
    state: State,
    /// Whether a call or a check has found that out since the program started; else it is hoped.
    is_known: bool,
    /// What of it is left alone.
    resting: Vec<RestObject>,
}

/// Something that is left alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rest)]
struct RestObject {
    reason: Reason,
    /// The key that it is about; `null`: all of them.
    #[schema(required)]
    provider_key: Option<ProviderKeyId>,
    since: Timestamp,
    /// Where it is over, the next call finds out.
    until: Timestamp,
}

impl From<DeploymentHealth> for HealthObject {
    fn from(DeploymentHealth { state, is_known, rests }: DeploymentHealth) -> Self {
        let rest = |rest: Resting| {
            let Resting { reason, provider_key, since, until } = rest;
            RestObject { reason, provider_key, since, until }
        };
        Self { state, is_known, resting: rests.into_iter().map(rest).collect() }
    }
}

/// What is said of deployments beside what is stored of them.
pub(super) struct Known<'a> {
    store: &'a Store,
    kinds: HashMap<ProviderId, ProviderKind>,
    prices: &'static PriceTable,
}

impl<'a> Known<'a> {
    pub(super) async fn of(
        store: &'a Store,
        organization: OrganizationId,
    ) -> Result<Self, ApiError> {
        Ok(Self { store, kinds: store.provider_kinds(organization).await?, prices: table()? })
    }

    /// What calls of a model cost, the built-in table looked up at its first deployment.
    pub(super) fn price(&self, model: &Model) -> PriceObject {
        let first = model.deployments.first();
        let price = first.and_then(|one| {
            model.pricing.resolve(self.prices, *self.kinds.get(&one.provider)?, &one.upstream_model)
        });
        match price {
            Some(price) if model.pricing == Pricing::Listed => Pricing::Set(Box::new(price)).into(),
            Some(_) | None => model.pricing.clone().into(),
        }
    }

    pub(super) fn object(&self, deployment: Deployment) -> DeploymentObject {
        let Deployment { id, provider, upstream_model, provider_key, weight, priority, state } =
            deployment;
        let kind = self.kinds.get(&provider);
        let listed = kind.and_then(|kind| listing(self.prices, *kind, &upstream_model));
        // What was told last may be of before the edit that took it out.
        let is_called = state == DeploymentState::Active;
        let health = is_called.then(|| self.store.deployment_health(id)).flatten();
        DeploymentObject {
            id,
            provider,
            upstream_model,
            provider_key,
            weight,
            priority,
            state,
            health: health.map(HealthObject::from),
            listed_price: listed.map(ListedPrice::from),
        }
    }
}

/// Looks up what a request's deployments refer to; `model` is what providers are asked for where they do not say.
/// What is wrong with them is noted.
pub(super) async fn read(
    control: &Control,
    caller: &Caller,
    model: &str,
    wishes: Vec<DeploymentWish>,
    faults: &mut Faults,
) -> Result<Vec<Served>, ApiError> {
    if wishes.is_empty() {
        faults.add("deployments", "missing", "a model needs at least one deployment");
    }
    faults.check_len("deployments", &wishes, DEPLOYMENTS_MAX);
    let mut served = Vec::new();
    for (index, wish) in wishes.into_iter().take(DEPLOYMENTS_MAX).enumerate() {
        let field = format!("deployments[{index}]");
        served.extend(read_one(control, caller, model, (&field, wish), faults).await?);
    }
    Ok(served)
}

/// Notes deployments that are named twice: calls would be tried again where they just failed.
pub(super) fn refuse_duplicates(served: &[Served], faults: &mut Faults) {
    for (index, one) in served.iter().enumerate() {
        if served.iter().take(index).any(|earlier| earlier.serves_like(one)) {
            let detail =
                "there is already a deployment with this provider, provider key and upstream model";
            faults.add(format!("deployments[{index}]"), "duplicate", detail);
        }
    }
}

async fn read_one(
    control: &Control,
    caller: &Caller,
    model: &str,
    (field, wish): (&str, DeploymentWish),
    faults: &mut Faults,
) -> Result<Option<Served>, ApiError> {
    if let Some(upstream_model) = &wish.upstream_model {
        faults.check(&format!("{field}.upstream_model"), check_upstream(upstream_model));
    }
    let upstream_model = wish.upstream_model.unwrap_or_else(|| model.to_owned());
    let (weight, priority) = (wish.weight.map_or(1, NonZeroU32::get), wish.priority.unwrap_or(0));
    if weight > RANK_MAX || priority > RANK_MAX {
        let detail = format!("weight and priority must be at most {RANK_MAX}");
        faults.add(field, "invalid", detail);
    }
    let provider = providers::find(control, caller.organization(), &wish.provider).await?;
    let kind = provider.as_ref().map(|provider| provider.kind);
    let key_field = format!("{field}.provider_key");
    let provider_key = match wish.provider_key {
        None => None,
        Some(text) => {
            let key = provider_keys::find(control, caller.organization(), &text).await?;
            match &key {
                Some(key) => providers::check_key(control, (kind, key), &key_field, faults).await?,
                None => faults.add(key_field, "not_found", "there is no such provider key"),
            }
            key.map(|key| key.id)
        }
    };
    if provider.is_none() {
        faults.add(format!("{field}.provider"), "not_found", "there is no such provider");
    }
    let state = wish.state;
    Ok(provider.map(|provider| Served {
        provider,
        upstream_model,
        provider_key,
        weight,
        priority,
        state,
    }))
}

/// Deployments to be stored. One that is there already keeps its id, and so its health and its
/// place in the usage.
pub(super) fn place(
    served: &[Served],
    before: &[Deployment],
    now: Timestamp,
) -> Result<Vec<Deployment>, ApiError> {
    let mut placed: Vec<Deployment> = Vec::with_capacity(served.len());
    for served in served {
        let known = before
            .iter()
            .find(|known| served.is(known) && !placed.iter().any(|placed| placed.id == known.id));
        let id = match known {
            Some(known) => known.id,
            None => id_parts(now).map(|(at_ms, random)| DeploymentId::new(at_ms, random))?,
        };
        let state = served.state.or(known.map(|known| known.state));
        placed.push(served.with_id(id, state.unwrap_or(DeploymentState::Active)));
    }
    Ok(placed)
}

impl Served {
    fn serves_like(&self, other: &Self) -> bool {
        self.provider.id == other.provider.id
            && self.upstream_model == other.upstream_model
            && self.provider_key == other.provider_key
    }

    fn is(&self, known: &Deployment) -> bool {
        known.provider == self.provider.id
            && known.upstream_model == self.upstream_model
            && known.provider_key == self.provider_key
    }

    fn with_id(&self, id: DeploymentId, state: DeploymentState) -> Deployment {
        Deployment {
            id,
            provider: self.provider.id,
            upstream_model: self.upstream_model.clone(),
            provider_key: self.provider_key,
            weight: self.weight,
            priority: self.priority,
            state,
        }
    }
}

/// Present deployments as a request would name them: an edit that leaves them alone checks them
/// against a new price all the same.
pub(super) fn as_wishes(deployments: &[Deployment]) -> Vec<DeploymentWish> {
    let wish = |deployment: &Deployment| DeploymentWish {
        provider: deployment.provider.to_string(),
        upstream_model: Some(deployment.upstream_model.clone()),
        provider_key: deployment.provider_key.map(|id| id.to_string()),
        weight: NonZeroU32::new(deployment.weight),
        priority: Some(deployment.priority),
        state: Some(deployment.state),
        _health: IgnoredAny,
        _listed_price: IgnoredAny,
    };
    deployments.iter().map(wish).collect()
}
