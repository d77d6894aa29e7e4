//! For tests: a portal over an API that answers as it is told, and notes what it is asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_domain::address::ClientAddress;
use doorward_domain::role::OrganizationRole;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, LOCATION, RETRY_AFTER,
};
use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Portal, router};

/// What the API was asked: `PATCH /v1/settings`, by whom, the version that was named, and the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) credential: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) body: Value,
}

/// A status, and a body; in that, `retry_after` is what else stands in a header.
type Answer = (u16, Value);

/// A portal, and somebody who visits it.
pub(crate) struct Fake {
    portal: Router,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What a visitor gets.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) location: String,
    pub(crate) text: String,
}

impl Shown {
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

/// A session; there is one for each byte. The visitor has the first.
fn token(byte: u8) -> SignInToken {
    SignInToken::mint(TokenKind::Session, || byte)
}

/// What is in the cookie of a session.
pub(crate) fn session(byte: u8) -> String {
    token(byte).expose().expose_secret().to_owned()
}

/// What the API says of whoever asks.
pub(crate) fn me(role: &str) -> Value {
    let known: OrganizationRole = role.parse().unwrap();
    json!({
        "id": "usr_me", "name": "Ada L", "email": "ada@example.com", "role": role, "scopes": known.scopes(), "projects": [],
        "organization": { "id": "org_1", "name": "Acme" }, "has_second_factor": false,
        "key_quota": { "count": 1, "max": 20, "max_lifetime_minutes": null },
    })
}

/// What the API says of a key that nobody used yet; its id begins as its name does.
pub(crate) fn key(name: &str) -> Value {
    json!({
        "id": format!("dw_{name}"), "name": name, "description": "", "kind": "user",
        "fingerprint": format!("dw_{name}…wxyz"), "status": "active", "owner": "usr_1",
        "created_by": "usr_1", "project": "prj_1", "scopes": [], "models": null,
        "ip_allow": null, "ip_deny": [], "limits": {}, "model_limits": [], "increase": null,
        "allowed_origins": null, "spent": [], "budgets": [], "created_at": "2026-11-01T12:00:00Z",
        "last_used_at": null, "last_used_ip": null, "expires_at": null, "rotated_at": null,
        "previous_secrets": [],
    })
}

impl Fake {
    /// `answers`: `GET /v1/settings`, a status, and a body; of several alike, the first that is left.
    pub(crate) fn new(role: &str, answers: &[(&'static str, u16, Value)]) -> Self {
        let mut answers = answers.to_vec();
        answers.push(("GET /v1/users/me", 200, me(role)));
        let answers = Mutex::new(answers);
        Self::answering(move |asked| next(&mut answers.lock().unwrap(), &asked.what))
    }

    /// The same where a test says each answer.
    pub(crate) fn answering(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        let api = Router::new().fallback(async move |request: Request| {
            let question = read(request).await;
            noted.lock().unwrap().push(question.clone());
            respond(&answer(&question))
        });
        let now = || "2026-11-22T12:00:00Z".parse().unwrap();
        let portal = router(Portal::new(api, "https://models.example.com/v1", now));
        Self { portal, asked }
    }

    /// Opens a page.
    pub(crate) async fn get(&self, path: &str) -> Shown {
        self.get_as(path, &session(1)).await
    }

    /// Sends a form of this session: `name=ada&role=admin`.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Shown {
        let csrf = token(1).mac("form of the portal", &[]);
        let csrf = BASE64_URL_SAFE_NO_PAD.encode(*csrf);
        self.post_as_is(path, &format!("csrf={csrf}&{form}")).await
    }

    /// Sends a form as it stands here.
    pub(crate) async fn post_as_is(&self, path: &str, form: &str) -> Shown {
        self.post_as(path, &session(1), form).await
    }

    /// Opens a page in the browser of whoever has this session; of nobody, where it is empty.
    pub(crate) async fn get_as(&self, path: &str, session: &str) -> Shown {
        self.send("GET", path, &[("cookie", &cookie(session))], "").await
    }

    /// Sends a form from there, as it stands here.
    pub(crate) async fn post_as(&self, path: &str, session: &str, form: &str) -> Shown {
        let headers = [("cookie", &*cookie(session)), ("origin", "http://localhost")];
        self.send("POST", path, &headers, form).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        form: &str,
    ) -> Shown {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header(ACCEPT, "text/html");
        let request = request.extension(ClientAddress("192.0.2.7".parse().unwrap()));
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let answer = self.portal.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let location = parts.headers.get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let (status, headers) = (parts.status, parts.headers);
        Shown { status, headers, location: location.unwrap_or_default(), text }
    }

    /// Everything that the API was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same without what was said along.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen().into_iter().map(|one| one.what).collect()
    }

    /// What of it changed something.
    pub(crate) fn changes(&self) -> Vec<Asked> {
        self.seen().into_iter().filter(|one| !one.what.starts_with("GET ")).collect()
    }
}

fn cookie(session: &str) -> String {
    if session.is_empty() { String::new() } else { format!("doorward={session}") }
}

async fn read(request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Asked {
        what: format!("{} {}", parts.method, parts.uri),
        credential: header(AUTHORIZATION),
        version: header(IF_MATCH),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn next(answers: &mut Vec<(&'static str, u16, Value)>, what: &str) -> Answer {
    let mut alike = (0..answers.len()).filter(|at| answers[*at].0 == what);
    let Some(at) = alike.next() else {
        return (404, json!(format!("nobody said what is answered to {what}")));
    };
    let is_last = alike.next().is_none();
    let (_, status, body) = if is_last { answers[at].clone() } else { answers.remove(at) };
    (status, body)
}

fn respond((status, body): &Answer) -> Response {
    let headers = [(ETAG, "\"7\""), (CONTENT_TYPE, "application/json")];
    let status = StatusCode::from_u16(*status).unwrap();
    let mut response = (status, headers, body.to_string()).into_response();
    if let Some(seconds) = body["retry_after"].as_u64() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
