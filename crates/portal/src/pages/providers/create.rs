//! `/providers/new`: first which one, then what it needs.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{add_check, has_checks};
use super::preset::{Group, Preset};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Choice, Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::general_keys;
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "base_url", kind: Kind::Wish },
    Member { path: "region", kind: Kind::Wish },
];

const SECRET: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "value", kind: Kind::Text }];

/// Something that was made.
#[derive(Debug, Deserialize)]
struct Made {
    id: String,
}

#[derive(Debug, Template)]
#[template(path = "providers/presets.html")]
struct PresetsPage {
    frame: Frame,
    groups: [(&'static str, Vec<&'static Preset>); 2],
}

#[derive(Debug, Template)]
#[template(path = "providers/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    preset: &'static Preset,
    keys: Vec<Choice>,
}

impl CreatePage {
    async fn new(visitor: &Visitor, form: Form, preset: &'static Preset) -> Result<Self, Refusal> {
        let frame = visitor.frame("/providers");
        let none = Choice::new("", frame.t("provider-key-none"));
        let known = general_keys::all(visitor).await?;
        let known = known.into_iter().map(|key| Choice::new(key.id, key.name));
        Ok(Self { keys: std::iter::once(none).chain(known).collect(), frame, form, preset })
    }

    fn title(&self) -> String {
        match self.preset.id {
            "compatible" => self.frame.t("provider-add-other"),
            _ => self.frame.t1("provider-add-title", "name", self.preset.name(&self.frame)),
        }
    }

    fn has_checks(&self) -> bool {
        has_checks(self.preset.kind)
    }
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let Some(preset) = query.get("preset").and_then(Preset::find) else {
        let groups =
            [("presets-sold", Preset::of(Group::Sold)), ("presets-own", Preset::of(Group::Own))];
        return Ok(ok(&PresetsPage { frame: visitor.frame("/providers"), groups }));
    };
    let name = if preset.id == "compatible" { "" } else { preset.id };
    let form = Form::filled([("name", name.to_owned()), ("base_url", preset.base_url.to_owned())]);
    Ok(ok(&CreatePage::new(&visitor, form, preset).await?))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let preset = Preset::find(form.value("preset")).ok_or_else(Refusal::not_found)?;
    match add(&visitor, &form, preset).await {
        Ok(id) => Ok(see_other(&format!("/providers/{id}?done=provider-added"))),
        Err(refusal) => {
            // The secret goes into no page, and what is mended is another form: what was made for this one
            // may be gone again.
            let form = form.without(&["value", "once"]).refused(refusal)?;
            Ok(again(&CreatePage::new(&visitor, form, preset).await?))
        }
    }
}

/// Adds the provider with its key. Where one of them is refused, neither is there.
async fn add(visitor: &Visitor, form: &Form, preset: &Preset) -> Result<String, Refusal> {
    let once = form.once();
    let new_key = new_key(visitor, form, &once).await?;
    let chosen = Some(form.value("provider_key")).filter(|id| !id.is_empty());
    let keys: Vec<Value> = new_key.as_deref().or(chosen).into_iter().map(Value::from).collect();
    let mut body = form.body(&MEMBERS);
    body.insert("kind".to_owned(), preset.kind.as_str().into());
    body.insert("provider_keys".to_owned(), keys.into());
    add_check(&mut body, form);
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let made = visitor.api.send::<Made>(Method::POST, "/v1/providers", &body, sent).await;
    if let (Err(_), Some(id)) = (&made, &new_key) {
        let path = format!("/v1/provider-keys/{id}");
        visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    }
    Ok(made?.id)
}

/// Puts the secret that was typed, if one was, into the vault, under the provider's name.
async fn new_key(visitor: &Visitor, form: &Form, once: &str) -> Result<Option<String>, Refusal> {
    if form.value("value").is_empty() {
        return Ok(None);
    }
    let body: Map<String, Value> = form.body(&SECRET);
    let once = format!("{once}-key");
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let made = visitor.api.send::<Made>(Method::POST, "/v1/provider-keys", &body, sent).await;
    match made {
        Ok(key) => Ok(Some(key.id)),
        Err(mut refusal) => {
            if refusal.status == StatusCode::CONFLICT {
                refusal.why.errors = vec![FieldError::new("value", "wrong-key-name-taken")];
            }
            Err(refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex};

    use axum::body::{Body, to_bytes};
    use axum::{Json, Router};
    use doorward_domain::address::ClientAddress;
    use doorward_domain::sign_in_token::{SignInToken, TokenKind};
    use http::Request;
    use jiff::Timestamp;
    use secrecy::ExposeSecret as _;
    use serde_json::json;
    use tower::ServiceExt as _;

    use crate::Portal;

    const SECRET: &str = "sk-canary-77aa88bb99";

    /// An API that keeps every key, and a provider only if its base URL is good.
    fn api(asked: Arc<Mutex<Vec<String>>>) -> Router {
        Router::new().fallback(async move |request: Request<Body>| {
            let line = format!("{} {}", request.method(), request.uri().path());
            let body = to_bytes(request.into_body(), 10_000).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let refused = json!({
                "code": "invalid_request",
                "errors": [{"field": "base_url", "detail": "must be a URL"}],
            });
            let empty = json!({"data": [], "next": null});
            let (status, answer) = match line.as_str() {
                "GET /v1/users/me" => {
                    return (http::StatusCode::OK, Json(crate::fake::me("owner")));
                }
                "GET /v1/provider-keys" => return (http::StatusCode::OK, Json(empty)),
                "POST /v1/provider-keys" => (201, json!({"id": "pvk_1"})),
                "POST /v1/providers" if body.contains("nonsense") => (400, refused),
                "POST /v1/providers" => (201, json!({"id": "prv_1"})),
                _ => (204, json!(null)),
            };
            asked.lock().unwrap().push(line);
            (http::StatusCode::from_u16(status).unwrap(), Json(answer))
        })
    }

    /// What the API was asked to do, and the page that came of it.
    async fn post(base_url: &str, secret: &str) -> (Vec<String>, http::StatusCode, String) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let portal = Portal::new(api(Arc::clone(&asked)), "http://a/v1", || Timestamp::UNIX_EPOCH);
        let router = crate::router(portal);
        let token = SignInToken::mint(TokenKind::Session, || 7).expose();
        let request = |method: &str, body: String| {
            let mut request = Request::builder()
                .method(method)
                .uri("/providers/new?preset=compatible")
                .header("host", "127.0.0.1")
                .header("sec-fetch-site", "same-origin")
                .header("cookie", format!("doorward={}", token.expose_secret()))
                .body(Body::from(body))
                .unwrap();
            request.extensions_mut().insert(ClientAddress(Ipv4Addr::LOCALHOST.into()));
            request
        };
        let text = async |request: Request<Body>| {
            let answer = router.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let body = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let (_, form) = text(request("GET", String::new())).await;
        let csrf = form.split("name=\"csrf\" value=\"").nth(1).unwrap();
        let csrf = csrf.split('"').next().unwrap();
        let fields = [
            ("csrf", csrf),
            ("once", "o"),
            ("preset", "compatible"),
            ("name", "p"),
            ("base_url", base_url),
            ("value", secret),
        ];
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let (status, page) = text(request("POST", body)).await;
        let asked = asked.lock().unwrap().clone();
        (asked, status, page)
    }

    #[tokio::test]
    async fn where_the_provider_is_refused_its_key_does_not_stay_and_is_in_no_page() {
        let (asked, status, page) = post("nonsense", SECRET).await;
        let expected =
            ["POST /v1/provider-keys", "POST /v1/providers", "DELETE /v1/provider-keys/pvk_1"];
        assert_eq!(
            (status.as_u16(), asked.as_slice()),
            (422, expected.map(str::to_owned).as_slice())
        );
        assert!(page.contains("must be a URL") && page.contains("value=\"nonsense\""), "{page}");
        assert!(!page.contains(SECRET) && !page.contains("value=\"o\""), "{page}");
    }

    #[tokio::test]
    async fn a_key_is_made_where_one_was_pasted_only() {
        for (secret, expected) in [
            (SECRET, vec!["POST /v1/provider-keys", "POST /v1/providers"]),
            ("", vec!["POST /v1/providers"]),
        ] {
            let (asked, status, _) = post("http://127.0.0.1:1/v1", secret).await;
            assert_eq!(
                (status.as_u16(), asked),
                (303, expected.iter().map(|s| (*s).to_owned()).collect())
            );
        }
    }
}
