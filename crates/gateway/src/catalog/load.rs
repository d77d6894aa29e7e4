//! Loading a snapshot of the catalog.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_domain::catalog::{
    Deployment, DeploymentState, Model, Provider, ProviderKind, listing,
};
use doorward_domain::id::{DeploymentId, OrganizationId, ProviderKeyId};
use doorward_domain::price::Price;
use doorward_store::{Boards, CatalogRow, StoreError};
use http::HeaderValue;
use rustls_pki_types::ServerName;
use url::Url;

use super::{
    Average, Catalog, Checks, Endpoint, HttpTarget, Models, RoutedModel, Snapshot, Target, Unusable,
};
use crate::health::{Health, Names, Registry};
use crate::metrics::Series;
use crate::upstream::Origin;

/// Output of a call to a model of which nothing is known: large enough for any answer, and small
/// enough that a budget can hold it.
const OUTPUT_TOKENS_DEFAULT: u64 = 16_384;

/// What every model can say in one answer: providers that want to be told a bound refuse a larger one for
/// small models.
const OUTPUT_TOKENS_UNASKED: u64 = 4_096;

/// What a new snapshot takes over from the one before.
struct Loading {
    used: HashMap<String, Arc<Origin>>,
    health: Registry,
    checks: Checks,
    /// Where the management API sees how they are.
    boards: HashMap<DeploymentId, Boards>,
}

impl Loading {
    /// Lets others see how a deployment is that is called with this key.
    fn show(&mut self, id: DeploymentId, key: Option<ProviderKeyId>, health: &Health) {
        let boards = self.boards.entry(id).or_insert_with(|| health.boards());
        boards.credentials.push(health.credential_board(key));
    }
}

impl Catalog {
    /// Reads everything that can be called now, and takes over what is known of what could be before.
    pub(super) async fn load(&self) -> Result<Snapshot, StoreError> {
        // Read before the rows: a change in between makes the snapshot stale, never wrongly fresh.
        let epoch = self.store.catalog_epoch();
        let mut models: HashMap<OrganizationId, Models> = HashMap::new();
        let health = self.health.lock().successor();
        let mut loading = Loading {
            used: HashMap::new(),
            health,
            checks: Checks::default(),
            boards: HashMap::new(),
        };
        for mut row in self.store.catalog().await? {
            let organization = row.model.organization;
            let aliases = std::mem::take(&mut row.model.aliases);
            let model = Arc::new(self.route(row, &mut loading).await?);
            let called = std::iter::once(model.name.to_string()).chain(aliases);
            let called = called.map(|name| (name, Arc::clone(&model)));
            models.entry(organization).or_default().extend(called);
        }
        *self.origins.lock() = loading.used;
        *self.health.lock() = loading.health;
        self.store.tell_health(loading.boards);
        Ok(Snapshot { epoch, models, checks: loading.checks })
    }

    async fn route(
        &self,
        row: CatalogRow,
        loading: &mut Loading,
    ) -> Result<RoutedModel, StoreError> {
        let mut targets = Vec::new();
        let mut is_unpriced = false;
        let average = self.average(&row.model);
        for (deployment, provider) in row.model.deployments.iter().zip(&row.providers) {
            let price =
                row.model.pricing.resolve(&self.prices, provider.kind, &deployment.upstream_model);
            if !self.takes_calls(deployment, loading) {
                continue;
            }
            let Some(price) = price else {
                is_unpriced = true;
                continue;
            };
            let keys = keys(deployment, provider);
            let series = self.metrics.series(&row.model.name, &provider.name);
            for key in &keys {
                let endpoint = self.endpoint(&row.model, deployment, provider, (*key, loading));
                match endpoint.await {
                    Ok(endpoint) => {
                        loading.show(deployment.id, *key, &endpoint.1);
                        let share = (price.clone(), keys.len());
                        let of = (deployment, provider);
                        let counted = (Arc::clone(&series), Arc::clone(&average));
                        let target = target(of, share, endpoint, counted);
                        let target = Arc::new(target);
                        if let Err(fault) = loading.checks.add(provider, *key, &target) {
                            tracing::error!(provider = provider.name, %fault, "a provider cannot be checked");
                        }
                        targets.push(target);
                    }
                    Err(Unusable::Store(error @ StoreError::Database(_))) => return Err(error),
                    Err(fault) => {
                        tracing::error!(model = row.model.name, provider = provider.name, %fault, "a deployment cannot be used");
                    }
                }
            }
        }
        targets.sort_by_key(|target| target.priority);
        let context_window = self.context_window(&row);
        // A window tells nothing of one answer: most models end theirs long before it is full.
        let known = row.model.output_tokens_max;
        let assumed = context_window.unwrap_or(OUTPUT_TOKENS_DEFAULT).min(OUTPUT_TOKENS_DEFAULT);
        Ok(RoutedModel {
            project: row.model.project,
            header: header_value(&row.model.name),
            created_at_s: row.model.created_at.as_second(),
            output_tokens_max: known.unwrap_or(assumed),
            output_tokens_unasked: known.unwrap_or(OUTPUT_TOKENS_UNASKED),
            is_output_known: known.is_some(),
            context_window,
            routing: row.model.routing,
            ceiling: Price::ceiling(targets.iter().map(|target| &target.price)),
            targets,
            is_unpriced,
            average,
            name: row.model.name.into(),
        })
    }

    /// What is known of the calls of a model outlives its snapshot, but not the model.
    fn average(&self, model: &Model) -> Arc<Average> {
        let last = self.last();
        let before = last.as_ref().and_then(|last| last.models.get(&model.organization));
        let before = before.and_then(|models| models.get(&model.name));
        let same = before.filter(|before| *before.name == *model.name);
        same.map_or_else(Arc::default, |same| Arc::clone(&same.average))
    }

    /// Whether a deployment takes calls. Where an administrator ended them, those that run are ended now.
    fn takes_calls(&self, deployment: &Deployment, loading: &mut Loading) -> bool {
        match deployment.state {
            DeploymentState::Active => true,
            DeploymentState::Draining => {
                loading.health.keep(&self.health.lock(), deployment.id);
                false
            }
            DeploymentState::Disabled => {
                self.health.lock().end(deployment.id);
                false
            }
        }
    }

    /// The largest window of the deployments.
    fn context_window(&self, row: &CatalogRow) -> Option<u64> {
        let window = |(deployment, provider): (&Deployment, &Provider)| {
            listing(&self.prices, provider.kind, &deployment.upstream_model)?.context_window
        };
        row.model.deployments.iter().zip(&row.providers).filter_map(window).max()
    }

    async fn endpoint(
        &self,
        model: &Model,
        deployment: &Deployment,
        provider: &Provider,
        (key, loading): (Option<ProviderKeyId>, &mut Loading),
    ) -> Result<(Endpoint, Arc<Health>), Unusable> {
        let names = Names {
            deployment: deployment.id,
            model: model.name.clone(),
            provider: provider.name.clone(),
        };
        if provider.kind == ProviderKind::Echo {
            let health = loading.health.take_over(&self.health.lock(), names, None);
            return Ok((Endpoint::Echo, health));
        }
        let base = provider.base_url.as_deref().ok_or(Unusable::Address)?;
        let url = Url::parse(base).map_err(|_| Unusable::Address)?;
        let secret = match key {
            Some(id) => Some(self.store.reveal_provider_key(provider.organization, id).await?),
            None => None,
        };
        let origin = self.origin(&url, &mut loading.used)?;
        let served = (provider, deployment.upstream_model.as_str());
        let target = HttpTarget::new(origin, &url, secret.as_ref(), served)?;
        let health = loading.health.take_over(&self.health.lock(), names, secret.as_ref());
        Ok((Endpoint::Http(Box::new(target)), health))
    }

    fn origin(
        &self,
        url: &Url,
        used: &mut HashMap<String, Arc<Origin>>,
    ) -> Result<Arc<Origin>, Unusable> {
        let name = format!("{}://{}", url.scheme(), url.authority());
        if let Some(origin) =
            used.get(&name).cloned().or_else(|| self.origins.lock().get(&name).cloned())
        {
            used.insert(name, Arc::clone(&origin));
            return Ok(origin);
        }
        // `host_str` keeps the brackets of an IPv6 address; connecting wants it without.
        let host = url.host_str().ok_or(Unusable::Address)?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or(Unusable::Address)?;
        let tls_name = match url.scheme() {
            "https" => Some(ServerName::try_from(host.clone()).map_err(|_| Unusable::Address)?),
            _ => None,
        };
        let (connector, tasks) = (self.connector.clone(), self.tasks.clone());
        let origin = Arc::new(Origin::new((host, port), tls_name, connector, tasks));
        used.insert(name, Arc::clone(&origin));
        Ok(origin)
    }
}

/// A number that every possible number of keys divides: those of a deployment share its weight.
const WEIGHT_UNIT: u64 = 720_720;

/// The credentials that a deployment is called with. With none, it is called without one.
fn keys(deployment: &Deployment, provider: &Provider) -> Vec<Option<ProviderKeyId>> {
    match deployment.provider_key {
        Some(key) => vec![Some(key)],
        None if provider.provider_keys.is_empty() => vec![None],
        None => provider.provider_keys.iter().copied().map(Some).collect(),
    }
}

fn target(
    (deployment, provider): (&Deployment, &Provider),
    (price, keys): (Price, usize),
    (endpoint, health): (Endpoint, Arc<Health>),
    (series, average): (Arc<Series>, Arc<Average>),
) -> Target {
    Target {
        provider: provider.id,
        deployment: deployment.id,
        header: header_value(&provider.name),
        price,
        weight: u64::from(deployment.weight.max(1)) * WEIGHT_UNIT / keys.max(1) as u64,
        priority: deployment.priority,
        endpoint,
        health,
        series,
        average,
    }
}

/// Names are checked when they are given, but a header can carry only some of their characters.
fn header_value(name: &str) -> HeaderValue {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
