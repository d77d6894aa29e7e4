//! The way of a call: verify → admit → route → upstream → relay → settle.

mod attempt;
mod auth_verify;
mod backoff;
mod body;
mod choice;
mod deliver;
mod serve;
mod translated;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_dialect::Dialect;
use doorward_domain::denial::Denial;
use doorward_domain::id::CallId;
use doorward_domain::price::{MalformedPrices, Price, PriceTable};
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::scope::Scope;
use doorward_domain::usage::Usage;
use doorward_store::{CallRequest, Excerpt, OpenCall, PromptRecord, RefusedKey, Store};
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use attempt::Sending;
use body::Begun;
use choice::Choice;

pub use backoff::Retries;
pub use body::CallBody;

use crate::answer::Answer;
use crate::ask::{self, Ask};
use crate::call_ids::CallIds;
use crate::catalog::{Catalog, RoutedModel, Snapshot, Target};
use crate::checks::Checker;
use crate::cors;
use crate::error::{ProxyError, UpstreamFault};
use crate::facts::Facts;
use crate::metrics::Metrics;
use crate::models;
use crate::relay::{CallEnd, Question, RelayBody};
use crate::route::{Call, InPath, Route, WrongMethod};
use crate::timing::Timing;
use crate::trace::{self, SpanContext, SpanQueue};
use crate::transcript::Transcript;
use crate::upstream::{Connector, Timeouts};
use crate::verify::{self, Caller};

/// What a budget holds for input that a call only names, where the model's window is not known: the
/// window of most models of today.
const INPUT_TOKENS_ELSEWHERE: u64 = 128_000;

/// How the data plane behaves.
#[derive(Debug)]
pub struct GatewayOptions {
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// The same of a form with a file in it.
    pub upload_bytes_max: usize,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// How long each phase of a call may take.
    pub timeouts: Timeouts,
    /// How often a call is made again that was not begun.
    pub retries: Retries,
    /// Certificates of the operator's own that upstreams may be signed by.
    pub upstream_roots: Vec<CertificateDer<'static>>,
    /// Whether answers tell how long the gateway itself took.
    pub server_timing: bool,
    /// Where the spans of calls go. `None`: none are recorded.
    pub spans: Option<Arc<SpanQueue>>,
}

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The price table that is compiled in is broken.
    #[error(transparent)]
    Prices(#[from] MalformedPrices),
    /// A certificate in `upstream_roots` cannot be used.
    #[error("a certificate for upstreams cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// The data plane.
#[derive(Debug)]
pub struct Gateway {
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    checker: Arc<Checker>,
    metrics: Arc<Metrics>,
    ids: Arc<CallIds>,
    options: GatewayOptions,
    connector: Connector,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The longest that what runs beside the calls is waited for: an upstream that takes nothing more
/// must not keep us from an end in order.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// What is known of one call once its key is verified.
struct Way<'a> {
    id: CallId,
    address: IpAddr,
    caller: Caller,
    facts: &'a mut Facts,
}

impl Gateway {
    /// Makes a data plane over an open store, inside a runtime.
    pub fn new(store: Arc<Store>, options: GatewayOptions) -> Result<Arc<Self>, StartError> {
        let tasks = TaskTracker::new();
        let connector = Connector::new(options.upstream_roots.clone())?;
        let prices = PriceTable::built_in()?;
        let metrics = Arc::new(Metrics::new());
        let (figures, beside) = (Arc::clone(&metrics), tasks.clone());
        let catalog = Catalog::new(Arc::clone(&store), prices, connector.clone(), figures, beside);
        let catalog = Arc::new(catalog);
        let stop = CancellationToken::new();
        let (following, until) = (Arc::clone(&catalog), stop.clone());
        tasks.spawn(async move { following.follow(&until).await });
        let (asked, timeouts) = (Arc::clone(&catalog), options.timeouts);
        let checker = Arc::new(Checker::new(Arc::clone(&store), asked, timeouts));
        let (checking, until) = (Arc::clone(&checker), stop.clone());
        tasks.spawn(async move { checking.run(&until).await });
        let ids = Arc::new(CallIds::new(store.clock().clone(), store.random_u64()));
        Ok(Arc::new(Self {
            store,
            catalog,
            checker,
            metrics,
            ids,
            options,
            connector,
            tasks,
            stop,
        }))
    }

    /// Where the ids of calls come from.
    pub fn call_ids(&self) -> Arc<CallIds> {
        Arc::clone(&self.ids)
    }

    /// Answers one request of a client at `address`; `None`: it cannot be known, which no address
    /// rule admits. Errors become answers in the route's dialect.
    pub async fn handle(
        &self,
        route: Result<Route, WrongMethod>,
        request: Request<CallBody>,
        address: Option<IpAddr>,
    ) -> Response<RelayBody> {
        let (id, now) = self.ids.next();
        let mut facts = Facts::default();
        let (mut head, body) = request.into_parts();
        if matches!(route, Ok(Route::Call(_) | Route::ModelCall(..))) {
            facts.span = trace::join(&mut head.headers, id, self.options.spans.is_some());
        }
        let route = route.map(|route| route.for_client(&head.headers));
        let dialect = route.as_ref().map_or_else(|wrong| wrong.dialect, Route::dialect);
        if dialect == Dialect::Google {
            verify::take_query_key(head.uri.query(), &mut head.headers);
        }
        let answered =
            self.answer(route, (&head.headers, body), (id, now, address), &mut facts).await;
        let mut answer = answered.unwrap_or_else(|error| {
            self.note_refusal((id, address), &facts, &error);
            Answer::refusal(&error, dialect, id)
        });
        if let Some(transcript) = facts.transcript.take() {
            answer.read_along(transcript);
        }
        // The request's map has room for the answer's headers; a new one would have to grow.
        let mut headers = std::mem::take(&mut head.headers);
        headers.clear();
        facts.write_headers((id, dialect, now), &mut headers);
        answer.into_response(headers)
    }

    /// Writes the figures of the data plane in the Prometheus text format.
    pub fn render_metrics(&self, out: &mut String) -> std::fmt::Result {
        self.metrics.render(out)?;
        self.checker.render(out)?;
        self.catalog.render_health(self.store.clock().monotonic_us(), out)
    }

    /// Calls that are not settled yet.
    pub fn calls_in_flight(&self) -> u64 {
        self.metrics.in_flight()
    }

    /// Closes the connections to upstreams and waits for what runs beside the calls, but not for
    /// ever. Call it when no request can come any more.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.connector.close();
        self.tasks.close();
        if tokio::time::timeout(DRAIN_MAX, self.tasks.wait()).await.is_err() {
            tracing::warn!("connections to upstreams did not close in time");
        }
    }

    /// A refused call leaves one line in the log, as every other one does; one that went wrong later
    /// has left its own.
    fn note_refusal(
        &self,
        (id, address): (CallId, Option<IpAddr>),
        facts: &Facts,
        error: &ProxyError,
    ) {
        if facts.attempts == 0 {
            self.metrics.count_refusal(error.status());
            let key = facts.key.as_ref().map(tracing::field::display);
            let (address_seen, address) = (address, address.map(tracing::field::display));
            let status = error.status().as_u16();
            tracing::info!(call = %id, key, address, status, code = error.code(), "refused");
            self.count_denial(address_seen, facts, error);
        }
        if error.is_ours() {
            tracing::warn!(call = %id, error = error as &dyn std::error::Error, "a call failed");
        }
    }

    /// What a key is refused by its own rules is counted for those who wonder why.
    fn count_denial(&self, address: Option<IpAddr>, facts: &Facts, error: &ProxyError) {
        let (Some(key), Some(organization)) = (facts.key, facts.organization) else { return };
        let Some(code) = error.denial_code() else { return };
        let model = facts.refused_model.as_deref();
        self.store.note_refused_key(&RefusedKey { organization, key, code, model, address });
    }

    async fn answer(
        &self,
        route: Result<Route, WrongMethod>,
        (headers, body): (&HeaderMap, CallBody),
        (id, now, address): (CallId, Timestamp, Option<IpAddr>),
        facts: &mut Facts,
    ) -> Result<Answer, ProxyError> {
        match route.map_err(|wrong| ProxyError::WrongMethod(wrong.allow))? {
            Route::Call(call) => {
                let whence = (now, address);
                let (caller, address) = self.let_in(headers, Call::SCOPE, whence, facts).await?;
                self.call((call, None), (headers, body), Way { id, address, caller, facts }).await
            }
            Route::ModelCall(call, place) => {
                let whence = (now, address);
                let (caller, address) = self.let_in(headers, Call::SCOPE, whence, facts).await?;
                let way = Way { id, address, caller, facts };
                Box::pin(self.call((call, Some(&place)), (headers, body), way)).await
            }
            Route::Models(dialect) => {
                let (caller, snapshot) = self.lister(headers, (now, address), facts).await?;
                Ok(json_answer(&models::list(dialect, &snapshot, &caller)))
            }
            Route::Model(dialect, name) => {
                let (caller, snapshot) = self.lister(headers, (now, address), facts).await?;
                Ok(json_answer(&models::show(dialect, &snapshot, &caller, &name)?))
            }
            Route::Preflight(other) => Box::pin(cors::preflight(&self.store, headers, other)).await,
            Route::Verify(asked) => {
                let whence = (id, now, address);
                Ok(Box::pin(self.verify(asked, (headers, body), whence, facts)).await)
            }
        }
    }

    /// Finds who calls and refuses whoever may not. What is known of them is taken down before that:
    /// the page of a key that has expired may read so.
    async fn let_in(
        &self,
        headers: &HeaderMap,
        needs: Scope,
        (now, address): (Timestamp, Option<IpAddr>),
        facts: &mut Facts,
    ) -> Result<(Caller, IpAddr), ProxyError> {
        let address = address.ok_or(Denial::AddressRefused)?;
        let caller = verify::identify(&self.store, headers).await?;
        facts.key = Some(caller.key.key.id);
        facts.organization = Some(caller.key.key.organization);
        facts.reader = caller.reader().cloned();
        verify::check(&caller, needs, now, address)?;
        Ok((caller, address))
    }

    /// Whoever asks what there is, and what there is.
    async fn lister(
        &self,
        headers: &HeaderMap,
        whence: (Timestamp, Option<IpAddr>),
        facts: &mut Facts,
    ) -> Result<(Caller, Arc<Snapshot>), ProxyError> {
        let needs = Scope::InferenceRead;
        let (caller, _) = self.let_in(headers, needs, whence, facts).await?;
        self.store.note_scope(&caller.key.key, needs);
        let snapshot = Box::pin(self.catalog.snapshot()).await?;
        Ok((caller, snapshot))
    }

    async fn call(
        &self,
        (call, place): (Call, Option<&InPath>),
        (headers, body): (&HeaderMap, CallBody),
        mut way: Way<'_>,
    ) -> Result<Answer, ProxyError> {
        let (form, bytes_max) = self.expected(call, headers)?;
        let body = match body::begin(body, bytes_max)? {
            Begun::Whole(body) => body,
            Begun::Part(first, rest) => {
                Box::pin(self.finish_body(first, (headers, rest), bytes_max, &mut way)).await?
            }
        };
        if self.options.server_timing {
            way.facts.timing = Some(Timing::begin(self.store.clock().clone()));
        }
        let ask = match form {
            Some(boundary) => Ask::parse_form(call, boundary, &body)?,
            None => Ask::parse(call, place, &body)?,
        };
        let refused = &mut way.facts.refused_model;
        let model = self.find_model(&way.caller, &ask.model, refused).await?;
        way.facts.model = Some(model.header.clone());
        check_askable(&model, &ask)?;
        let now = (self.store.clock().monotonic_us(), self.ids.draw());
        let mut choice = Choice::new(&model, &ask, now);
        let first =
            choice.first().ok_or(ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment))?;
        let (open, bound) = self.admit(&model, first, &ask, &mut way)?;
        let sending = Sending {
            ask: &ask,
            model: &model.name,
            body: &body,
            headers,
            bound,
            output_tokens: open.output_tokens,
            output_tokens_unasked: model.output_tokens_unasked,
        };
        let mut end = self.begin(open, first, &ask, way.facts.span);
        end.written().await?;
        if let Some(policy) = way.caller.key.prompts {
            way.facts.transcript = Some(self.transcript(policy, (&ask, &body), &way));
        }
        self.serve(&mut choice, &sending, end, &mut way).await
    }

    /// How the body of a call must come: what stands between its parts, where it is to be a form, and how
    /// large it may be.
    fn expected<'h>(
        &self,
        call: Call,
        headers: &'h HeaderMap,
    ) -> Result<(Option<&'h str>, usize), ProxyError> {
        if call.is_form() {
            return Ok((Some(ask::boundary(headers)?), self.options.upload_bytes_max));
        }
        body::check_type(headers)?;
        Ok((None, self.options.body_bytes_max))
    }

    /// A body may take a minute to come, and the key may have been revoked, narrowed or run out since
    /// its head was read.
    async fn finish_body(
        &self,
        first: Bytes,
        (headers, body): (&HeaderMap, CallBody),
        bytes_max: usize,
        way: &mut Way<'_>,
    ) -> Result<Bytes, ProxyError> {
        let timeout = self.options.body_timeout;
        let body = body::finish(first, body, bytes_max, timeout).await?;
        if way.caller.key.has_changed() {
            way.caller = verify::identify(&self.store, headers).await?;
            way.facts.reader = way.caller.reader().cloned();
        }
        verify::check(&way.caller, Call::SCOPE, self.store.clock().now(), way.address)?;
        Ok(body)
    }

    /// Begins to take down what a call asks and is answered.
    fn transcript(
        &self,
        policy: PromptPolicy,
        (ask, body): (&Ask<'_>, &Bytes),
        way: &Way<'_>,
    ) -> Box<Transcript> {
        let key = &way.caller.key.key;
        let record = PromptRecord {
            call: way.id,
            organization: key.organization,
            project: key.project,
            policy,
            at: self.store.clock().now(),
            request: (!ask.call.is_form()).then(|| Excerpt::of(body)),
            answer: None,
        };
        Box::new(Transcript::new(Arc::clone(&self.store), record, ask.is_stream))
    }

    fn begin(
        &self,
        open: OpenCall,
        first: &Arc<Target>,
        ask: &Ask<'_>,
        span: Option<SpanContext>,
    ) -> Box<CallEnd> {
        let spans = self.options.spans.as_ref();
        let (metrics, clock) = (Arc::clone(&self.metrics), self.store.clock().clone());
        let question = Question {
            call: ask.call,
            is_stream: ask.is_stream,
            reckoning: ask.reckoning(),
            searches_always: ask.hosted.searches_always,
            searches_max: ask.hosted.searches(),
            span: spans.zip(span).map(|(spans, context)| spans.open(context, ask.call)),
        };
        Box::new(CallEnd::new(open, Arc::clone(first), metrics, clock, question))
    }

    /// What the caller means by a name or an alias. A model that is unknown, one of another project, and one that is
    /// not on the key's list, are the same to the client.
    async fn find_model(
        &self,
        caller: &Caller,
        name: &str,
        refused: &mut Option<Box<str>>,
    ) -> Result<Arc<RoutedModel>, ProxyError> {
        let snapshot = match self.catalog.fresh() {
            Some(snapshot) => snapshot,
            None => Box::pin(self.catalog.snapshot()).await?,
        };
        // Where there is none of this name, the client's text stays where it is: it may be anything.
        let model = snapshot.find(caller.place(), name).ok_or(Denial::ModelNotFound)?;
        if !caller.allows_model(&model.name) {
            *refused = Some((&*model.name).into());
            return Err(Denial::ModelNotFound.into());
        }
        if model.targets.is_empty() && model.is_unpriced {
            return Err(ProxyError::Unpriced(model.name.to_string(), None));
        }
        Ok(model)
    }

    /// Takes the call's worst case from the key's budgets, or what is expected of it. Beside it: what one answer must be bound to
    /// for that to be the worst case; `None`: nothing relies on it.
    fn admit(
        &self,
        model: &RoutedModel,
        first: &Target,
        ask: &Ask<'_>,
        way: &mut Way<'_>,
    ) -> Result<(OpenCall, Option<u64>), ProxyError> {
        let work = ask.call.work();
        let asked = if work.has_output() { ask.output_bound() } else { Some(0) };
        let one_answer = asked.unwrap_or(model.output_tokens_max);
        let beside = held_beside(model, ask, way);
        let most = beside.plus(Usage::of_tokens(0, one_answer.saturating_mul(ask.answers)));
        let mut most = ask.hosted.most(most);
        if model.searches_itself(work) {
            most.web_searches = most.web_searches.max(1);
        }
        let request = CallRequest {
            call: way.id,
            secret: way.caller.secret,
            model: &model.name,
            provider: first.provider,
            deployment: first.deployment,
            price: if work.is_free() { &Price::FREE } else { &model.ceiling },
            most,
            fixed_output_tokens: beside.output_tokens.max(ask.output_tokens_min()),
            average: model.average.spend(),
            address: way.address,
        };
        let open = self.store.admit(&way.caller.key, &request)?.map_err(|(denial, quotas)| {
            way.facts.quotas = quotas;
            ProxyError::denied(denial, &way.caller.key)
        })?;
        way.facts.quotas = open.quotas;
        let granted = open.output_tokens / ask.answers;
        // A bound that a budget relies on must be true upstream, which only what is known of the model
        // is by itself; and the client is told of one that it did not ask for.
        let is_set_here = granted < one_answer || (asked.is_none() && !model.is_output_known);
        let is_bound = (asked.is_some() || is_set_here) && work.has_output();
        let bound = (is_bound && way.caller.key.has_budget()).then_some(granted);
        way.facts.lowered_to = bound.filter(|_| is_set_here);
        Ok((open, bound))
    }
}

/// Whether one of those who serve the model has a way for the call and a price for all that it may use.
fn check_askable(model: &RoutedModel, ask: &Ask<'_>) -> Result<(), ProxyError> {
    let mut able = model.targets.iter().filter(|target| target.can_do(ask.call)).peekable();
    let Some(first) = able.peek() else {
        return if model.targets.is_empty() { Ok(()) } else { Err(ProxyError::NoSuchRoute) };
    };
    let Some(what) = first.unpriced(ask) else { return Ok(()) };
    if able.any(|target| target.unpriced(ask).is_none()) {
        return Ok(());
    }
    Err(ProxyError::Unpriced(model.name.to_string(), Some(what.into_owned())))
}

/// What a call is held at beside the output that can be bound.
fn held_beside(model: &RoutedModel, ask: &Ask<'_>, way: &Way<'_>) -> Usage {
    if ask.call.work().is_free() {
        return Usage::default();
    }
    let mut reckoning = ask.reckoning();
    if way.caller.key.has_budget() {
        let window = model.context_window.unwrap_or(INPUT_TOKENS_ELSEWHERE);
        let is_elsewhere = ask.has_input_elsewhere() || model.searches_itself(ask.call.work());
        let text = reckoning.input_tokens;
        let all = if is_elsewhere { window } else { text.saturating_add(ask.media_tokens()) };
        reckoning.input_tokens = text.max(all.min(window));
    }
    reckoning.held(&model.ceiling)
}

fn json_answer(value: &serde_json::Value) -> Answer {
    Answer::json(StatusCode::OK, Bytes::from(value.to_string()))
}
