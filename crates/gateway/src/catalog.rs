//! What can be called, as the data plane holds it: one immutable snapshot, replaced when the store
//! says that something changed.

mod bedrock;
mod checks;
mod http_target;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use doorward_dialect::{Dialect, Knows, Provider as Speech};
use doorward_domain::catalog::{
    Deployment, DeploymentState, Model, Provider, ProviderKind, Routing, listing,
};
use doorward_domain::id::{DeploymentId, OrganizationId, ProjectId, ProviderId, ProviderKeyId};
use doorward_domain::price::{Price, PriceTable};
use doorward_domain::usage::{Kind, Usage};
use doorward_store::{CatalogRow, Store, StoreError};
use http::HeaderValue;
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::ask::Ask;
use crate::asking::Asking;
use crate::health::{self, Health, Names, Registry};
use crate::metrics::{Metrics, Series};
use crate::reckon;
use crate::redact::Needle;
use crate::route::{Call, Work};
use crate::upstream::{Connector, Origin};

pub(crate) use checks::{Checks, Question};
pub(crate) use http_target::{HttpTarget, Way};

/// Output of a call to a model of which nothing is known: large enough for any answer, and small
/// enough that a budget can hold it.
const OUTPUT_TOKENS_DEFAULT: u64 = 16_384;

/// How soon a catalog that could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// What every model can say in one answer: providers that want to be told a bound refuse a larger one for
/// small models.
const OUTPUT_TOKENS_UNASKED: u64 = 4_096;

/// A model and who serves it.
#[derive(Debug)]
pub(crate) struct RoutedModel {
    /// Its own, which the rules go by, whatever it was called.
    pub(crate) name: Arc<str>,
    /// Whose keys alone know of it.
    project: Option<ProjectId>,
    pub(crate) header: HeaderValue,
    pub(crate) created_at_s: i64,
    /// The most output tokens of one answer, and whether that is known or assumed.
    pub(crate) output_tokens_max: u64,
    pub(crate) is_output_known: bool,
    /// What one answer is bound to where nobody asks for a bound, and the provider wants one.
    pub(crate) output_tokens_unasked: u64,
    /// Input and output tokens together that it can hold, where known.
    pub(crate) context_window: Option<u64>,
    /// What a hold is computed with: whichever deployment serves the call, it covers that.
    pub(crate) ceiling: Price,
    pub(crate) routing: Routing,
    /// In the order of their priority; only those that take calls, have a price and can be reached.
    pub(crate) targets: Vec<Arc<Target>>,
    /// Deployments were left out because they have no price.
    pub(crate) is_unpriced: bool,
}

impl RoutedModel {
    /// Whether one of those who serve it searches the web for each question.
    pub(crate) fn searches_itself(&self, work: Work) -> bool {
        self.targets.iter().any(|target| target.searches_itself(work))
    }
}

/// One deployment, ready to be called.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) provider: ProviderId,
    pub(crate) deployment: DeploymentId,
    pub(crate) header: HeaderValue,
    pub(crate) price: Price,
    /// Its share among targets of equal priority.
    pub(crate) weight: u64,
    pub(crate) priority: u32,
    pub(crate) endpoint: Endpoint,
    pub(crate) health: Arc<Health>,
    /// Where its calls are counted.
    pub(crate) series: Arc<Series>,
}

/// How a deployment answers.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// By itself.
    Echo,
    /// Over HTTP.
    Http(Box<HttpTarget>),
}

impl Target {
    /// How it speaks.
    pub(crate) fn speech(&self) -> Speech {
        match &self.endpoint {
            Endpoint::Echo => Dialect::OpenAi.into(),
            Endpoint::Http(http) => http.speech,
        }
    }

    /// Whether it has the very route that a client calls, so that it gets the client's own words.
    pub(crate) fn has(&self, call: Call) -> bool {
        match &self.endpoint {
            Endpoint::Echo => call.dialect() == Dialect::OpenAi && call.is_providers(),
            Endpoint::Http(http) => http.way(Asking::Call(call)).is_some(),
        }
    }

    /// Whether it can be asked for this, in one way or another, and it is known what that costs.
    pub(crate) fn can_be_asked(&self, ask: &Ask<'_>) -> bool {
        self.can_do(ask.call) && self.unpriced(ask).is_none()
    }

    /// Whether there is a way to ask it for this.
    pub(crate) fn can_do(&self, call: Call) -> bool {
        self.has(call) || Asking::the_same(call, self.speech(), false).is_some()
    }

    /// What the call may use and this has no price for. `None`: there is nothing.
    pub(crate) fn unpriced<'a>(&self, ask: &'a Ask<'_>) -> Option<Cow<'a, str>> {
        let work = ask.call.work();
        if let Some(unsold) = reckon::unsold(work, &self.price) {
            return Some(unsold.into());
        }
        if work.is_free() || self.price.is_free() {
            return None;
        }
        if let Some(unsold) = ask.unsold() {
            return Some(unsold.into());
        }
        let own = self.searches_itself(work).then_some(Kind::WebSearch);
        let lacking = ask.hosted.kinds().chain(own).find(|kind| !self.price.has(*kind))?;
        let is_files = lacking == Kind::FileSearch;
        Some(if is_files { "searches in files" } else { "searches of the web" }.into())
    }

    /// Whether the model searches the web for each question, without being asked to.
    ///
    /// Sources: <https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat>,
    /// <https://openrouter.ai/docs/features/web-search>.
    pub(crate) fn searches_itself(&self, work: Work) -> bool {
        matches!(work, Work::Chat | Work::Response | Work::Prompt)
            && self.upstream_model().is_some_and(is_searching)
    }

    /// What a call used, as this provider sells it: searches for the older models of Google's are sold by
    /// the prompt, however many it takes. Source: <https://ai.google.dev/gemini-api/docs/pricing>.
    pub(crate) fn sold(&self, usage: Usage) -> Usage {
        let is_by_prompt = self.speech() == Dialect::Google.into()
            && self
                .upstream_model()
                .is_some_and(|model| model.trim_start_matches("models/").starts_with("gemini-2"));
        let searches = usage.web_searches;
        Usage { web_searches: if is_by_prompt { searches.min(1) } else { searches }, ..usage }
    }

    /// What it can do beyond its dialect.
    pub(crate) fn knows(&self) -> Knows {
        match &self.endpoint {
            Endpoint::Echo => Knows::default(),
            Endpoint::Http(http) => http.knows,
        }
    }

    /// The upstream's name of the model; `None`: it is the public one.
    pub(crate) fn upstream_model(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Echo => None,
            Endpoint::Http(http) => Some(&http.model),
        }
    }

    /// The provider's credential, to be kept out of what the provider says.
    pub(crate) fn needle(&self) -> Option<&Arc<Needle>> {
        match &self.endpoint {
            Endpoint::Echo => None,
            Endpoint::Http(http) => http.needle(),
        }
    }
}

fn is_searching(model: &str) -> bool {
    model.contains("-search-preview") || model.contains("-search-api") || model.ends_with(":online")
}

/// Everything that can be called.
#[derive(Debug)]
pub(crate) struct Snapshot {
    epoch: u64,
    models: HashMap<OrganizationId, Models>,
    checks: Checks,
}

/// The models of one organization, by their names and aliases.
type Models = HashMap<String, Arc<RoutedModel>>;

impl Snapshot {
    /// Which providers are asked whether they are there.
    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// What a key of this project calls by a name or an alias.
    pub(crate) fn find(
        &self,
        (organization, project): (OrganizationId, ProjectId),
        called: &str,
    ) -> Option<Arc<RoutedModel>> {
        let model = self.models.get(&organization)?.get(called)?;
        model.is_for(project).then(|| Arc::clone(model))
    }

    /// The names and aliases that a key of this project may know of, and what they mean.
    pub(crate) fn list(
        &self,
        (organization, project): (OrganizationId, ProjectId),
    ) -> Vec<(&str, &RoutedModel)> {
        let models = self.models.get(&organization).into_iter().flatten();
        let models = models.map(|(called, model)| (called.as_str(), &**model));
        let mut list: Vec<_> = models.filter(|(_, model)| model.is_for(project)).collect();
        list.sort_by_key(|(called, _)| *called);
        list
    }
}

impl RoutedModel {
    fn is_for(&self, project: ProjectId) -> bool {
        self.project.is_none_or(|own| own == project)
    }
}

/// Holds the snapshot and replaces it.
#[derive(Debug)]
pub(crate) struct Catalog {
    store: Arc<Store>,
    prices: PriceTable,
    connector: Connector,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    current: ArcSwapOption<Snapshot>,
    /// There is another one.
    replaced: Notify,
    /// One reload at a time; the others wait for it.
    reloading: tokio::sync::Mutex<()>,
    /// Connections outlive snapshots: servers by scheme and authority.
    origins: Mutex<HashMap<String, Arc<Origin>>>,
    /// So does what is known of deployments.
    health: Mutex<Registry>,
}

/// What a new snapshot takes over from the one before.
struct Loading {
    used: HashMap<String, Arc<Origin>>,
    health: Registry,
    checks: Checks,
}

impl Catalog {
    pub(crate) fn new(
        store: Arc<Store>,
        prices: PriceTable,
        connector: Connector,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            store,
            prices,
            connector,
            metrics,
            tasks,
            current: ArcSwapOption::empty(),
            replaced: Notify::new(),
            reloading: tokio::sync::Mutex::new(()),
            origins: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// The snapshot as of now: a change that was acknowledged before this call is in it.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        let _one_at_a_time = self.reloading.lock().await;
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(self.load().await?);
        self.current.store(Some(Arc::clone(&snapshot)));
        self.replaced.notify_waiters();
        Ok(snapshot)
    }

    /// Resolves when the next snapshot is there.
    pub(crate) fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }

    /// Loads the first snapshot, and a new one whenever something changed, so that what is to begin or end does
    /// without a call coming.
    pub(crate) async fn follow(&self, stop: &CancellationToken) {
        loop {
            while let Err(error) = self.snapshot().await {
                tracing::warn!(%error, "the catalog cannot be read");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.store.catalog_changed() => {}
            }
        }
    }

    /// The snapshot that was loaded last, whatever changed since.
    pub(crate) fn last(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// The snapshot, if nothing changed since: no wait on the hit path.
    pub(crate) fn fresh(&self) -> Option<Arc<Snapshot>> {
        let current = self.current.load_full()?;
        (current.epoch == self.store.catalog_epoch()).then_some(current)
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        // Read before the rows: a change in between makes the snapshot stale, never wrongly fresh.
        let epoch = self.store.catalog_epoch();
        let mut models: HashMap<OrganizationId, Models> = HashMap::new();
        let health = self.health.lock().successor();
        let mut loading = Loading { used: HashMap::new(), health, checks: Checks::default() };
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
        Ok(Snapshot { epoch, models, checks: loading.checks })
    }

    async fn route(
        &self,
        row: CatalogRow,
        loading: &mut Loading,
    ) -> Result<RoutedModel, StoreError> {
        let mut targets = Vec::new();
        let mut is_unpriced = false;
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
                        let share = (price.clone(), keys.len());
                        let of = (deployment, provider);
                        let target = target(of, share, endpoint, Arc::clone(&series));
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
            name: row.model.name.into(),
        })
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

    /// Writes how the deployments are in the Prometheus text format.
    pub(crate) fn render_health(&self, now_us: u64, out: &mut String) -> std::fmt::Result {
        let current = self.last();
        let models = current.iter().flat_map(|snapshot| snapshot.models.values());
        // Each once, whatever else it is called.
        let models = models.flatten().filter(|(called, model)| **called == *model.name);
        let targets = models.flat_map(|(_, model)| &model.targets);
        health::render(targets.map(|target| &*target.health), now_us, out)
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

/// Why a deployment cannot be called. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("its provider's base URL cannot be used")]
    Address,
    #[error("its provider key has characters that a header cannot carry")]
    Credential,
    #[error(transparent)]
    Store(#[from] StoreError),
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
    series: Arc<Series>,
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
    }
}

/// Names are checked when they are given, but a header can carry only some of their characters.
fn header_value(name: &str) -> HeaderValue {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
