//! What can be called, as the data plane holds it: one immutable snapshot, replaced when the store
//! says that something changed.

mod average;
mod bedrock;
mod checks;
mod http_target;
mod load;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use doorward_dialect::{Dialect, Knows, Provider as Speech};
use doorward_domain::catalog::Routing;
use doorward_domain::id::{DeploymentId, OrganizationId, ProjectId, ProviderId};
use doorward_domain::price::{Price, PriceTable};
use doorward_domain::usage::{Kind, Usage};
use doorward_store::{Store, StoreError};
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ask::Ask;
use crate::asking::Asking;
use crate::health::{self, Health, Registry};
use crate::metrics::{Metrics, Series};
use crate::reckon;
use crate::redact::Needle;
use crate::route::{Call, Work};
use crate::upstream::{Connector, Origin};

pub(crate) use average::Average;
pub(crate) use checks::{Checks, Question};
pub(crate) use http_target::{HttpTarget, Way};

/// How soon a catalog that could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

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
    /// What its calls spend, whichever deployment serves them.
    pub(crate) average: Arc<Average>,
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
    /// What the calls of its model spend.
    pub(crate) average: Arc<Average>,
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

    /// Writes how the deployments are in the Prometheus text format.
    pub(crate) fn render_health(&self, now_us: u64, out: &mut String) -> std::fmt::Result {
        let current = self.last();
        let models = current.iter().flat_map(|snapshot| snapshot.models.values());
        // Each once, whatever else it is called.
        let models = models.flatten().filter(|(called, model)| **called == *model.name);
        let targets = models.flat_map(|(_, model)| &model.targets);
        health::render(targets.map(|target| &*target.health), now_us, out)
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
