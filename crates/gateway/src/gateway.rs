//! The way of a call: verify → admit → route → upstream → relay → settle.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use doorward_domain::call::Outcome;
use doorward_domain::denial::Denial;
use doorward_domain::id::CallId;
use doorward_domain::price::{MalformedPrices, PriceTable};
use doorward_store::{CallKey, CallRequest, OpenCall, Store};
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls_pki_types::CertificateDer;
use tokio_util::task::TaskTracker;

use crate::answer::{self, Facts, Shape};
use crate::ask::Ask;
use crate::catalog::{Catalog, Endpoint, RoutedModel, Target};
use crate::echo::{self, Echo};
use crate::error::{ProxyError, UpstreamFault};
use crate::meter::{JsonMeter, SseMeter};
use crate::metrics::Metrics;
use crate::models;
use crate::redact::Needle;
use crate::relay::{CallEnd, Meter, RelayBody, Source, Watch};
use crate::rewrite::{Change, rewrite};
use crate::route::{Call, Route, WrongMethod};
use crate::upstream::{self, Connector, Exchange, Timeouts};
use crate::verify;

/// The largest error body of an upstream that is passed on.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// How the data plane behaves.
#[derive(Debug)]
pub struct GatewayOptions {
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long a client may take to send its body.
    pub body_timeout: std::time::Duration,
    /// How long each phase of a call may take.
    pub timeouts: Timeouts,
    /// Certificates of the operator's own that upstreams may be signed by.
    pub upstream_roots: Vec<CertificateDer<'static>>,
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
    catalog: Catalog,
    metrics: Arc<Metrics>,
    ids: CallIds,
    options: GatewayOptions,
    tasks: TaskTracker,
}

/// What is known of one call once its key is verified.
struct Way<'a> {
    id: CallId,
    address: IpAddr,
    key: Arc<CallKey>,
    facts: &'a mut Facts,
}

/// A call that was sent, and all that its relay needs.
struct Sent<'a> {
    ask: &'a Ask<'a>,
    end: CallEnd,
    watch: Watch,
}

/// What a deployment answers with.
enum Answered {
    Http(Response<Exchange>),
    Echo(Echo),
}

impl Gateway {
    /// Makes a data plane over an open store.
    pub fn new(store: Arc<Store>, options: GatewayOptions) -> Result<Arc<Self>, StartError> {
        let tasks = TaskTracker::new();
        let connector = Connector::new(options.upstream_roots.clone())?;
        let prices = PriceTable::built_in()?;
        let catalog = Catalog::new(Arc::clone(&store), prices, connector, tasks.clone());
        let metrics = Arc::new(Metrics::default());
        let ids = CallIds::new(store.random_u64());
        Ok(Arc::new(Self { store, catalog, metrics, ids, options, tasks }))
    }

    /// Answers one request of a client at `address`; `None`: it cannot be known, which no address
    /// rule admits. Errors become answers in the route's dialect.
    pub async fn handle(
        &self,
        route: Result<Route, WrongMethod>,
        request: Request<Incoming>,
        address: Option<IpAddr>,
    ) -> Response<RelayBody> {
        let id = self.ids.next(self.store.clock().now().as_millisecond());
        let mut facts = Facts::default();
        let answered = self.answer(route, request, (id, address), &mut facts).await;
        let mut answer = answered.unwrap_or_else(|error| self.refuse(id, &error));
        facts.write_headers(id, answer.headers_mut());
        answer
    }

    /// Writes the figures of the data plane in the Prometheus text format.
    pub fn render_metrics(&self, out: &mut String) -> std::fmt::Result {
        self.metrics.render(out)
    }

    /// Waits for what runs beside the calls. Call it when no request can come any more.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn refuse(&self, id: CallId, error: &ProxyError) -> Response<RelayBody> {
        self.metrics.count_refusal(error.status());
        if error.is_ours() {
            tracing::warn!(call = %id, error = error as &dyn std::error::Error, "a call failed");
        }
        answer::refusal(error)
    }

    async fn answer(
        &self,
        route: Result<Route, WrongMethod>,
        request: Request<Incoming>,
        (id, address): (CallId, Option<IpAddr>),
        facts: &mut Facts,
    ) -> Result<Response<RelayBody>, ProxyError> {
        let route = route.map_err(|WrongMethod| ProxyError::WrongMethod)?;
        let address = address.ok_or(Denial::AddressRefused)?;
        let key = verify::identify(&self.store, request.headers()).await?;
        facts.key = Some(key.key.id);
        verify::check(&self.store, &key, address)?;
        if !key.scopes.allows(route.scope()) {
            return Err(Denial::InsufficientScope.into());
        }
        match route {
            Route::Call(call) => self.call(call, request, Way { id, address, key, facts }).await,
            Route::Models => {
                let snapshot = Box::pin(self.catalog.snapshot()).await?;
                Ok(json_answer(&models::list(&snapshot, &key)))
            }
            Route::Model(name) => {
                let snapshot = Box::pin(self.catalog.snapshot()).await?;
                Ok(json_answer(&models::show(&snapshot, &key, &name)?))
            }
        }
    }

    async fn call(
        &self,
        call: Call,
        request: Request<Incoming>,
        mut way: Way<'_>,
    ) -> Result<Response<RelayBody>, ProxyError> {
        let (head, body) = request.into_parts();
        let body = self.read_body(body).await?;
        let ask = Ask::parse(call, &body)?;
        let model = self.find_model(&way.key, &ask.model.value).await?;
        way.facts.model = Some(model.header.clone());
        let order = self.order(&model);
        let first =
            order.first().ok_or(ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment))?;
        let open = self.admit(&model, first, &ask, &mut way)?;
        let sending = Sending {
            ask: &ask,
            body: &body,
            headers: &head.headers,
            lowered: way.facts.lowered_to,
            output_tokens: open.output_tokens,
        };
        let mut end = self.begin(open, first, &ask);
        let answered = self.send(&order, &sending, &mut end, &mut way).await?;
        let watch = self.watch(&way);
        let sent = Sent { ask: &ask, end, watch };
        match answered {
            Answered::Echo(echo) => Ok(relay_echo(echo, sent)),
            Answered::Http(answer) => self.relay(answer, sent).await,
        }
    }

    fn begin(&self, open: OpenCall, first: &Arc<Target>, ask: &Ask<'_>) -> CallEnd {
        let metrics = Arc::clone(&self.metrics);
        CallEnd::new(
            open,
            Arc::clone(first),
            metrics,
            self.store.clock().clone(),
            ask.input_tokens(),
        )
    }

    async fn read_body(&self, mut body: Incoming) -> Result<Bytes, ProxyError> {
        let max = self.options.body_bytes_max;
        if body.size_hint().lower() > max as u64 {
            return Err(ProxyError::TooLarge(max));
        }
        // Most bodies come with their head, in one piece: those cost neither a copy nor a timer.
        let reading = next_piece(&mut body);
        let first = match reading.now_or_never() {
            Some(piece) => piece?,
            None => Bytes::new(),
        };
        if body.is_end_stream() && first.len() <= max {
            return Ok(first);
        }
        let rest = tokio::time::timeout(self.options.body_timeout, read_rest(first, body, max));
        Box::pin(rest).await.map_err(|_| ProxyError::SlowBody)?
    }

    /// A model that is unknown, and one that is not on the key's list, are the same to the client.
    async fn find_model(&self, key: &CallKey, name: &str) -> Result<Arc<RoutedModel>, ProxyError> {
        if !key.key.rights.models.allows(name) {
            return Err(Denial::ModelNotFound.into());
        }
        let snapshot = match self.catalog.fresh() {
            Some(snapshot) => snapshot,
            None => Box::pin(self.catalog.snapshot()).await?,
        };
        let model = snapshot.find(key.key.organization, name).ok_or(Denial::ModelNotFound)?;
        if model.targets.is_empty() && model.is_unpriced {
            return Err(ProxyError::Unpriced(name.to_owned()));
        }
        Ok(model)
    }

    /// Deployments in the order to try them: by priority; among equals, one is drawn by weight to
    /// go first.
    fn order(&self, model: &RoutedModel) -> Order {
        let mut order: Order = model.targets.iter().cloned().collect();
        let best = order.first().map(|target| target.priority);
        let equals = order.iter().take_while(|target| Some(target.priority) == best).count();
        if equals > 1 {
            let weights = order.iter().take(equals).map(|target| u64::from(target.weight));
            let winner = draw_by_weight(weights, self.ids.draw());
            order.swap(0, winner);
        }
        order
    }

    fn admit(
        &self,
        model: &RoutedModel,
        first: &Target,
        ask: &Ask<'_>,
        way: &mut Way<'_>,
    ) -> Result<OpenCall, ProxyError> {
        let asked = if ask.call.has_output() { ask.output_bound() } else { Some(0) };
        let one_answer = asked.unwrap_or(model.output_tokens_max);
        let request = CallRequest {
            call: way.id,
            model: &model.name,
            provider: first.provider,
            deployment: first.deployment,
            price: dearest(&model.targets).unwrap_or(&first.price),
            input_tokens: ask.input_tokens(),
            output_tokens: one_answer.saturating_mul(ask.choices),
            address: way.address,
        };
        let open = self.store.admit(&way.key, &request)?.map_err(|(denial, quotas)| {
            way.facts.quotas = quotas;
            denial
        })?;
        way.facts.quotas = open.quotas;
        let granted = open.output_tokens / ask.choices;
        // An assumed bound that a budget relies on must be made true.
        let is_assumed = asked.is_none() && !model.is_output_known && way.key.has_budget();
        way.facts.lowered_to = (granted < one_answer || is_assumed).then_some(granted);
        Ok(open)
    }

    /// Tries the deployments in their order until one answers. Another one is tried only where the
    /// last cannot have begun.
    async fn send(
        &self,
        order: &[Arc<Target>],
        sending: &Sending<'_>,
        end: &mut CallEnd,
        way: &mut Way<'_>,
    ) -> Result<Answered, ProxyError> {
        let mut last = ProxyError::UpstreamUnavailable(UpstreamFault::NoDeployment);
        for (position, target) in order.iter().enumerate() {
            way.facts.attempts += 1;
            way.facts.provider = Some(target.header.clone());
            end.sending_to(target);
            let is_last = position + 1 == order.len();
            let failure = match self.attempt(target, sending, way.id).await {
                Ok(Answered::Http(answer)) if !is_last && upstream::is_refusal(answer.status()) => {
                    continue;
                }
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            self.metrics.count_upstream_failure();
            if !failure.is_retryable {
                end.settle(Outcome::Interrupted, None, 0);
                return Err(failure.error);
            }
            if !is_last {
                tracing::warn!(call = %way.id, deployment = %target.deployment, error = &failure.error as &dyn std::error::Error, "a deployment failed, another is tried");
            }
            last = failure.error;
        }
        end.fail(last.status());
        Err(last)
    }

    async fn attempt(
        &self,
        target: &Target,
        sending: &Sending<'_>,
        id: CallId,
    ) -> Result<Answered, upstream::Failure> {
        let call = sending.ask.call;
        match &target.endpoint {
            Endpoint::Echo => {
                let created_at_s = self.store.clock().now().as_second();
                let facts = (id.to_string(), created_at_s, sending.output_tokens);
                echo::answer(sending.body, sending.ask, facts)
                    .map(Answered::Echo)
                    .map_err(|error| upstream::Failure { error, is_retryable: true })
            }
            Endpoint::Http(http) => {
                let change = Change {
                    model: http.model_json.as_deref(),
                    output_tokens: sending.lowered,
                    output_field: http.output_field(call),
                };
                let body = rewrite(sending.body, sending.ask, &change);
                upstream::send(http, call, sending.headers, body, &self.options.timeouts)
                    .await
                    .map(Answered::Http)
            }
        }
    }

    async fn relay(
        &self,
        answer: Response<Exchange>,
        mut sent: Sent<'_>,
    ) -> Result<Response<RelayBody>, ProxyError> {
        let (head, exchange) = answer.into_parts();
        sent.end.answered(head.status);
        let target = sent.end.target();
        let needle = target.needle();
        let ours = answer::head(head.status, &head.headers, needle.map(Arc::as_ref));
        if !head.status.is_success() {
            let body = Box::pin(self.read_error(exchange, needle.map(Arc::as_ref))).await;
            sent.end.fail(head.status);
            return Ok(ours.map(|()| RelayBody::whole(body)));
        }
        match answer::shape(&head.headers) {
            Ok(Shape::Json) => self.relay_json(ours, exchange, sent).await,
            Ok(Shape::Events) => {
                let hides_usage = sent.ask.is_stream && !sent.ask.wants_usage();
                let meter = Meter::Sse(SseMeter::new(hides_usage, needle));
                Ok(ours.map(|()| sent.live(Bytes::new(), Source::Http(exchange), meter)))
            }
            Err(what) => Err(self.garbage(&mut sent.end, what)),
        }
    }

    /// Waits for the first piece, which nearly always is the whole: an answer that does not even
    /// begin as JSON can still be refused, and a whole one can be settled here and now.
    async fn relay_json(
        &self,
        mut ours: Response<()>,
        mut exchange: Exchange,
        mut sent: Sent<'_>,
    ) -> Result<Response<RelayBody>, ProxyError> {
        let mut meter = JsonMeter::new(sent.end.target().needle());
        let exact = exchange.exact_bytes();
        let first = match self.first_piece(&mut exchange, &mut meter).await {
            Ok(Some(first)) if first.trim_ascii_start().starts_with(b"{") => first,
            Ok(Some(_)) => return Err(self.garbage(&mut sent.end, "it is not a JSON object")),
            Ok(None) => return Err(self.garbage(&mut sent.end, "it broke off at once")),
            Err(timeout) => {
                sent.end.settle(Outcome::Interrupted, None, 0);
                return Err(timeout);
            }
        };
        if exchange.is_broken() {
            return Err(self.garbage(&mut sent.end, "it broke off"));
        }
        if exchange.is_ended() {
            if !meter.is_complete() {
                return Err(self.garbage(&mut sent.end, "it is not one whole JSON object"));
            }
            sent.end.settle(Outcome::Done, meter.usage(), meter.bytes().div_ceil(4));
            return Ok(ours.map(|()| RelayBody::whole(first)));
        }
        if let Some(bytes) = exact {
            ours.headers_mut().insert(http::header::CONTENT_LENGTH, bytes.into());
        }
        Ok(ours.map(|()| sent.live(first, Source::Http(exchange), Meter::Json(meter))))
    }

    /// `None`: there is none, the answer ended or broke before it began.
    async fn first_piece(
        &self,
        exchange: &mut Exchange,
        meter: &mut JsonMeter,
    ) -> Result<Option<Bytes>, ProxyError> {
        let reading =
            std::future::poll_fn(|cx| exchange.poll_ready_bytes(cx, |piece| Ok(meter.push(piece))));
        let read = tokio::time::timeout(self.options.timeouts.idle, reading).await;
        Ok(read.map_err(|_| ProxyError::UpstreamTimeout)?.and_then(Result::ok))
    }

    /// An error of the upstream is the client's to read, its credential is not.
    async fn read_error(&self, mut exchange: Exchange, needle: Option<&Needle>) -> Bytes {
        let mut body = BytesMut::new();
        let reading = async {
            while let Some(Ok(piece)) =
                std::future::poll_fn(|cx| exchange.poll_ready_bytes(cx, Ok)).await
            {
                body.extend_from_slice(&piece);
                if body.len() > ERROR_BYTES_MAX {
                    break;
                }
            }
            exchange.is_ended() && body.len() <= ERROR_BYTES_MAX
        };
        // What came until then is passed on: better half an explanation than none.
        let read = tokio::time::timeout(self.options.timeouts.first_byte, reading).await;
        let body = body.freeze();
        let mut body = match needle {
            Some(needle) if read == Ok(true) => needle.redact(&body),
            Some(needle) => needle.redact_cut(&body),
            None => body,
        };
        body.truncate(ERROR_BYTES_MAX);
        body
    }

    fn garbage(&self, end: &mut CallEnd, what: &'static str) -> ProxyError {
        self.metrics.count_upstream_failure();
        end.settle(Outcome::Interrupted, None, 0);
        ProxyError::UpstreamUnavailable(UpstreamFault::Garbage(what))
    }

    fn watch(&self, way: &Way<'_>) -> Watch {
        let (store, key) = (Arc::clone(&self.store), Arc::clone(&way.key));
        Watch::new(store, key, way.address, &self.options.timeouts)
    }
}

impl Sent<'_> {
    fn live(self, first: Bytes, source: Source, meter: Meter) -> RelayBody {
        RelayBody::live(first, source, meter, self.end, self.watch)
    }
}

fn relay_echo(echo: Echo, mut sent: Sent<'_>) -> Response<RelayBody> {
    sent.end.answered(StatusCode::OK);
    match echo {
        Echo::Whole(body) => {
            let mut meter = JsonMeter::new(None);
            let body = meter.push(body);
            sent.end.settle(Outcome::Done, meter.usage(), 0);
            answer::json(StatusCode::OK, body)
        }
        Echo::Events(events) => {
            let meter = Meter::Sse(SseMeter::new(!sent.ask.wants_usage(), None));
            answer::events(sent.live(Bytes::new(), Source::Events(events), meter))
        }
    }
}

/// Deployments in the order to try them; nearly always one or two.
type Order = smallvec::SmallVec<[Arc<Target>; 2]>;

/// Which of these weights a random number falls on.
fn draw_by_weight(weights: impl Iterator<Item = u64> + Clone, random: u64) -> usize {
    let mut left = random % weights.clone().sum::<u64>().max(1);
    let winner = weights.enumerate().find(|(_, weight)| {
        let is_winner = left < *weight;
        left = left.saturating_sub(*weight);
        is_winner
    });
    winner.map_or(0, |(position, _)| position)
}

/// What every attempt sends.
struct Sending<'a> {
    ask: &'a Ask<'a>,
    body: &'a Bytes,
    headers: &'a http::HeaderMap,
    lowered: Option<u64>,
    output_tokens: u64,
}

/// The price that holds the most for a million tokens each way: whichever deployment serves the
/// call, its hold covers it.
fn dearest(targets: &[Arc<Target>]) -> Option<&doorward_domain::price::Price> {
    let worst = |target: &&Arc<Target>| target.price.worst_cost(1_000_000, 1_000_000);
    targets.iter().max_by_key(worst).map(|target| &target.price)
}

fn json_answer(value: &serde_json::Value) -> Response<RelayBody> {
    answer::json(StatusCode::OK, Bytes::from(value.to_string()))
}

async fn next_piece(body: &mut Incoming) -> Result<Bytes, ProxyError> {
    match body.frame().await {
        None => Ok(Bytes::new()),
        Some(Ok(frame)) => Ok(frame.into_data().unwrap_or_default()),
        Some(Err(_)) => Err(ProxyError::BadRequest("The request body broke off.".to_owned())),
    }
}

async fn read_rest(first: Bytes, mut body: Incoming, max: usize) -> Result<Bytes, ProxyError> {
    let mut whole = BytesMut::from(first.as_ref());
    while !body.is_end_stream() {
        let piece = next_piece(&mut body).await?;
        if whole.len() + piece.len() > max {
            return Err(ProxyError::TooLarge(max));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Makes call ids without asking the operating system each time: unique by a counter, spread by a
/// random beginning.
#[derive(Debug)]
struct CallIds {
    seed: u64,
    count: AtomicU64,
}

impl CallIds {
    fn new(seed: u64) -> Self {
        Self { seed, count: AtomicU64::new(0) }
    }

    fn next(&self, at_ms: i64) -> CallId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let random =
            u128::from(self.seed >> 48) << 64 | u128::from(mix(self.seed.wrapping_add(count)));
        CallId::new(u64::try_from(at_ms).unwrap_or(0), random)
    }

    /// A number that is as good as random for sharing out load.
    fn draw(&self) -> u64 {
        mix(self.seed ^ self.count.load(Ordering::Relaxed))
    }
}

/// The finalizer of `SplitMix64`: a bijection, so that different counts never give equal ids.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
