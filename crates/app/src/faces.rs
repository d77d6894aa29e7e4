//! Which part answers which request: the data plane, the operators' pages, the control plane.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use doorward_domain::address::{AddressBlock, ClientAddress};
use doorward_gateway::listen::{Peer, Stats};
use doorward_gateway::{Gateway, GatewayBody, Route, SpanQueue, client_address};
use doorward_store::Store;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use ipnet::IpNet;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Everything that answers.
#[derive(Debug)]
pub(crate) struct Faces {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) control: Router,
    pub(crate) store: Arc<Store>,
    pub(crate) listener: Arc<Stats>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) metrics_from: Vec<AddressBlock>,
    /// Where spans are recorded.
    pub(crate) spans: Option<Arc<SpanQueue>>,
    /// Management requests under way, and what goes on beside them.
    pub(crate) tasks: TaskTracker,
}

/// Far above any form of the portal.
const CALL_BYTES_MAX: usize = 1 << 20;

type Answer = Response<Either<GatewayBody, Body>>;

/// What operators and their machines ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// Whether the process lives.
    Health,
    /// Whether it can serve.
    Ready,
    /// Figures.
    Metrics,
}

impl Page {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

impl Faces {
    /// Answers one request.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Answer {
        let address = client_address(peer.address.ip(), request.headers(), &self.trusted_proxies);
        if let Some(route) = Route::of(request.method(), request.uri()) {
            let request = request.map(Either::Left);
            return self.gateway.handle(route, request, address).await.map(Either::Left);
        }
        let answer = match Page::of(request.uri().path()) {
            // Boxed: these would make the future of every call larger.
            Some(page) => Box::pin(self.page(page, request.method(), address)).await,
            None => Box::pin(self.manage(request, address)).await,
        };
        answer.map(Either::Right)
    }

    async fn manage(&self, request: Request<Incoming>, address: Option<IpAddr>) -> Response<Body> {
        let Some(address) = address else { return unknown_address() };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ClientAddress(address));
        // In a task of its own: a client that goes away in the middle must not stop a change between
        // its commit and the moment when the data plane is told.
        match self.tasks.spawn(self.control.clone().oneshot(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(never)) => match never {},
            Err(_panicked) => text(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n"),
        }
    }

    async fn page(&self, page: Page, method: &Method, address: Option<IpAddr>) -> Response<Body> {
        if page == Page::Metrics && !self.may_read_metrics(address) {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if *method != Method::GET && *method != Method::HEAD {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match page {
            Page::Health => text(StatusCode::OK, "ok"),
            Page::Ready if self.store.is_ready().await => text(StatusCode::OK, "ready"),
            Page::Ready => text(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
            Page::Metrics => self.metrics(),
        }
    }

    fn may_read_metrics(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.metrics_from.iter().any(|b| b.contains(address)))
    }

    fn metrics(&self) -> Response<Body> {
        let mut out = String::new();
        if self.gateway.render_metrics(&mut out).and_then(|()| self.render(&mut out)).is_err() {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written\n");
        }
        let mut answer = text(StatusCode::OK, out);
        let prometheus = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer.headers_mut().insert(CONTENT_TYPE, prometheus);
        answer
    }

    #[rustfmt::skip]
    fn render(&self, out: &mut String) -> std::fmt::Result {
        let (store, listener) = (self.store.stats(), &self.listener);
        let figures = [
            ("doorward_key_lookups_total",           "counter", "Keys that the data plane looked up in the database.",      store.key_lookups),
            ("doorward_keys_in_memory",              "gauge",   "Keys that are held in memory.",                            store.call_keys),
            ("doorward_usage_events_waiting",        "gauge",   "Finished calls that are not in the database yet.",         store.events_waiting),
            ("doorward_usage_events_written_total",  "counter", "Finished calls that were written to the database.",        store.events_written),
            ("doorward_prompts_dropped_total",       "counter", "Prompts to be kept that were dropped: too many waited.",   store.prompts_dropped),
            ("doorward_connections_open",            "gauge",   "Connections of clients.",                                  listener.open()),
            ("doorward_connections_total",           "counter", "Connections that were accepted.",                          listener.accepted()),
            ("doorward_connections_refused_total",   "counter", "Connections that were refused: too many are open.",        listener.refused()),
            ("doorward_connections_timed_out_total", "counter", "Connections that were closed because the client stalled.", listener.timed_out()),
            ("doorward_accept_errors_total",         "counter", "Failures to accept connections.",                          listener.accept_errors()),
        ];
        let spans = self.spans.as_ref().map(|spans| [
            ("doorward_spans_exported_total",        "counter", "Spans that the collector took.",                           spans.exported()),
            ("doorward_spans_failed_total",          "counter", "Spans that it did not take.",                              spans.failed()),
            ("doorward_spans_dropped_total",         "counter", "Spans that were dropped: too many waited.",                spans.dropped()),
        ]);
        for (name, kind, help, value) in figures.into_iter().chain(spans.into_iter().flatten()) {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")?;
        }
        Ok(())
    }
}

/// Where the portal's calls go: to the data plane, as if they had come off a connection, each with the address
/// of its visitor among its extensions.
pub(crate) fn calls(gateway: Arc<Gateway>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| call(&gateway, request).await)
}

async fn call(gateway: &Gateway, request: Request<Body>) -> Response<Body> {
    let Some(route) = Route::of(request.method(), request.uri()) else {
        return text(StatusCode::NOT_FOUND, "not found\n");
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, CALL_BYTES_MAX).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
    };
    let address = parts.extensions.get::<ClientAddress>().map(|ClientAddress(address)| *address);
    let request = Request::from_parts(parts, Either::Right(Full::new(body)));
    // Boxed: a call's future is large, and a page's need not be.
    Box::pin(gateway.handle(route, request, address)).await.map(Body::new)
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A trusted proxy sent a forwarding header that cannot be read: no address rule can admit that.
fn unknown_address() -> Response<Body> {
    const BODY: &str = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"The client's address is unknown.","code":"ip_not_allowed"}"#;
    let mut answer = text(StatusCode::FORBIDDEN, BODY);
    let problem = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(CONTENT_TYPE, problem);
    answer
}
