//! A management API that answers what a test says, and remembers what it was asked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use doorward_domain::address::ClientAddress;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use doorward_portal::{Portal, router};
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// What the API was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `POST /v1/sessions`.
    pub(crate) call: String,
    pub(crate) credential: Option<String>,
    pub(crate) body: Value,
}

/// What the API answers to a call: a status, and a body.
pub(crate) type Answers = fn(&Seen) -> (u16, Value);

/// The portal over such an API.
pub(crate) struct Fake {
    router: Router,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A whole answer of the portal.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> &str {
        let before = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&before).unwrap_or_else(|| panic!("{}", self.text));
        rest.split('"').next().unwrap()
    }
}

/// The token of a session.
pub(crate) fn session(byte: u8) -> String {
    SignInToken::mint(TokenKind::Session, || byte).expose().expose_secret().to_owned()
}

/// A user who is signed in, as the API tells them of themselves.
pub(crate) fn me() -> Value {
    json!({
        "id": "usr_1", "name": "ada", "email": "ada@example.com", "role": "member",
        "organization": {"id": "org_1", "name": "acme"}, "projects": [],
        "scopes": ["keys:read", "keys:write"], "has_second_factor": false,
        "key_quota": {"count": 1, "max": 20, "max_lifetime_minutes": 129_600},
    })
}

impl Fake {
    pub(crate) fn new(answers: Answers) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let api = Router::new().fallback(move |request: Request<Body>| {
            let kept = Arc::clone(&kept);
            async move { answer(request, answers, &kept).await }
        });
        let now = || "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap();
        let router = router(Portal::new(api, "http://door.test/v1", now));
        Self { router, seen }
    }

    /// What the API was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.call).collect()
    }

    /// A page, as the browser of whoever has this session asks for it.
    pub(crate) async fn get(&self, path: &str, session: &str) -> Page {
        self.send("GET", path, &[("cookie", &cookie(session))], "").await
    }

    /// A form that a page of the portal sends.
    pub(crate) async fn post(&self, path: &str, session: &str, form: &str) -> Page {
        let headers = [("cookie", &*cookie(session)), ("sec-fetch-site", "same-origin")];
        self.send("POST", path, &headers, form).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        form: &str,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body(Body::from(form.to_owned())).unwrap();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        request.extensions_mut().insert(ClientAddress(address));
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}

fn cookie(session: &str) -> String {
    if session.is_empty() { String::new() } else { format!("doorward={session}") }
}

async fn answer(request: Request<Body>, answers: Answers, kept: &Mutex<Vec<Seen>>) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let credential = parts.headers.get("authorization");
    let seen = Seen {
        call: format!("{} {}", parts.method, parts.uri),
        credential: credential.map(|value| value.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    let (status, body) = answers(&seen);
    kept.lock().unwrap().push(seen);
    let status = StatusCode::from_u16(status).unwrap();
    // How long to wait stands in a header; here a test says it with the rest.
    let wait = body["retry_after"].as_u64().map(|seconds| [("retry-after", seconds.to_string())]);
    match wait {
        Some(header) => (status, header, body.to_string()).into_response(),
        None => (status, body.to_string()).into_response(),
    }
}
