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
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, ETAG, HOST, IF_MATCH, LOCATION, ORIGIN};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Portal, router};

/// What the API was asked: `PATCH /v1/settings`, the version that was named, and the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) version: Option<String>,
    pub(crate) body: Value,
}

/// A portal whose visitor is signed in.
pub(crate) struct Fake {
    portal: Router,
    token: SignInToken,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What a visitor gets.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) text: String,
}

/// What the API says of whoever asks.
pub(crate) fn me(role: &str) -> Value {
    let known: OrganizationRole = role.parse().unwrap();
    json!({
        "id": "usr_me", "name": "Ada L", "role": role, "scopes": known.scopes(), "projects": [],
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
        let answers = Arc::new(Mutex::new(answers));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let api = Router::new().fallback(async move |request: Request| {
            let known = note(request, &noted).await;
            answer(&answers, &known)
        });
        let now = || "2026-11-22T12:00:00Z".parse().unwrap();
        let portal = router(Portal::new(api, "https://models.example.com/v1", now));
        let mut byte = 0_u8;
        let token = SignInToken::mint(TokenKind::Session, || {
            byte = byte.wrapping_add(7);
            byte
        });
        Self { portal, token, asked }
    }

    /// Opens a page.
    pub(crate) async fn get(&self, path: &str) -> Shown {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends a form of this session: `name=ada&role=admin`.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Shown {
        let csrf = self.token.mac("form of the portal", &[]);
        let csrf = BASE64_URL_SAFE_NO_PAD.encode(*csrf);
        self.send(Method::POST, path, Body::from(format!("csrf={csrf}&{form}"))).await
    }

    /// Sends a form as it stands here.
    pub(crate) async fn post_as_is(&self, path: &str, form: &str) -> Shown {
        self.send(Method::POST, path, Body::from(form.to_owned())).await
    }

    /// What changed something, in order.
    pub(crate) fn changes(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| !one.what.starts_with("GET ")).cloned().collect()
    }

    /// Everything that the API was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|one| one.what.clone()).collect()
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Shown {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(ORIGIN, "http://localhost")
            .header(ACCEPT, "text/html")
            .header(COOKIE, format!("doorward={}", self.token.expose().expose_secret()))
            .extension(ClientAddress("192.0.2.7".parse().unwrap()))
            .body(body)
            .unwrap();
        let answer = self.portal.clone().oneshot(request).await.unwrap();
        let location = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let status = answer.status();
        let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        Shown { status, location: location.unwrap_or_default(), text }
    }
}

async fn note(request: Request, asked: &Mutex<Vec<Asked>>) -> String {
    let (parts, body) = request.into_parts();
    let what = format!("{} {}", parts.method, parts.uri);
    let version = parts.headers.get(IF_MATCH).map(|value| value.to_str().unwrap().to_owned());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    asked.lock().unwrap().push(Asked { what: what.clone(), version, body });
    what
}

fn answer(answers: &Mutex<Vec<(&'static str, u16, Value)>>, what: &str) -> Response {
    let mut answers = answers.lock().unwrap();
    let Some(at) = answers.iter().position(|(known, ..)| *known == what) else {
        let text = format!("nobody said what is answered to {what}");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let is_last = answers.iter().filter(|(known, ..)| *known == what).count() == 1;
    let (_, status, body) = if is_last { answers[at].clone() } else { answers.remove(at) };
    let headers = [(ETAG, "\"7\""), (CONTENT_TYPE, "application/json")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}
