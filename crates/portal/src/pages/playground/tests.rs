//! What the playground asks of the API and of models, and what it shows of that.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::{Json, Router};
use doorward_domain::address::ClientAddress;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::cookie;
use crate::fake::me;
use crate::portal::Portal;
use crate::routes::router;

/// What was asked: method, path, credential, body.
type Asked = Arc<Mutex<Vec<(String, String, Value)>>>;

const KEY: &str = "dw_0123456789abcdef";

/// A portal before an API and a gateway that take down what they are asked.
struct World {
    router: Router,
    cookie: String,
    api: Asked,
    calls: Asked,
}

struct Page {
    status: StatusCode,
    text: String,
}

/// Answers as `answer` says, and takes down what was asked.
fn fake(
    asked: &Asked,
    answer: impl Fn(&str) -> (StatusCode, Value) + Clone + Send + Sync + 'static,
) -> Router {
    let asked = Arc::clone(asked);
    Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let call = format!("{} {}", parts.method, parts.uri.path());
        let credential =
            parts.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        assert!(parts.extensions.get::<ClientAddress>().is_some(), "{call}");
        let body = serde_json::from_slice(&body).unwrap_or_default();
        asked.lock().unwrap().push((call.clone(), credential.unwrap_or_default(), body));
        let (status, answer) = answer(&call);
        (status, [("x-request-id", "req_1")], Json(answer)).into_response()
    })
}

fn told(call: &str, token: (StatusCode, &Value)) -> (StatusCode, Value) {
    let ok = |value| (StatusCode::OK, value);
    let list = |data: Value| ok(json!({ "data": data, "next": null }));
    match call {
        "GET /v1/users/me" => ok(me("member")),
        "GET /v1/api-keys" => list(json!([
            { "id": KEY, "name": "ci", "scopes": ["inference:write"] },
            { "id": "dw_blind", "name": "blind", "scopes": ["keys:read"] },
        ])),
        "GET /v1/allowed-models" => list(json!([{ "name": "m<1>" }])),
        "POST /v1/api-keys/dw_0123456789abcdef/token" => (token.0, token.1.clone()),
        "GET /v1/calls/req_1" => ok(json!({
            "id": "req_1", "duration_us": 1_500_000, "first_byte_us": 200_000, "input_tokens": 1_200,
            "output_tokens": 3, "cost_usd": "0.000123", "is_estimated": false,
        })),
        other => panic!("{other}"),
    }
}

impl World {
    fn new((status, token): (StatusCode, Value), (answered, answer): (StatusCode, Value)) -> Self {
        let (api, calls) = (Asked::default(), Asked::default());
        let management = fake(&api, move |call| told(call, (status, &token)));
        let models = fake(&calls, move |_| (answered, answer.clone()));
        let now = || "2026-11-22T12:00:00Z".parse().unwrap();
        let portal = Portal::new(management, "https://door.test/v1", now).with_calls(models);
        let session = SignInToken::mint(TokenKind::Session, || 7);
        let parts = Request::builder().header(HOST, "localhost").body(()).unwrap().into_parts().0;
        let kept = cookie::keep_session(&parts, session.expose().expose_secret(), 60).unwrap();
        let cookie = kept.to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { router: router(portal), cookie, api, calls }
    }

    fn usual() -> Self {
        let token = json!({ "token": "ey.tok", "expires_at": "2026-11-22T12:05:00Z" });
        let said = json!({ "choices": [{ "message": { "content": "<b>Hello</b>" } }] });
        Self::new((StatusCode::CREATED, token), (StatusCode::OK, said))
    }

    async fn ask(&self, method: Method, path: &str, form: &str) -> Page {
        let request = Request::builder().method(method).uri(path).header(COOKIE, &self.cookie);
        let request = request.header(HOST, "localhost").header(ORIGIN, "http://localhost");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.extension(ClientAddress([192, 0, 2, 7].into()));
        let answer =
            self.router.clone().oneshot(request.body(Body::from(form.to_owned())).unwrap());
        let answer = answer.await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        Page { status, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// Sends a form with what shows that it is one of the session's.
    async fn post(&self, path: &str, form: &str) -> Page {
        let page = self.ask(Method::GET, "/playground", "").await.text;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        self.ask(Method::POST, path, &format!("csrf={csrf}&{form}")).await
    }

    fn asked_for_tokens(&self) -> usize {
        self.api.lock().unwrap().iter().filter(|(call, ..)| call.ends_with("/token")).count()
    }
}

#[tokio::test]
async fn a_form_is_a_call_with_a_token_and_never_with_the_session() {
    let world = World::usual();
    let form = format!("act=send&key={KEY}&model=m<1>&system=be+brief&prompt=hi&max_tokens=5");
    let page = world.post("/playground", &form).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let body = json!({
        "model": "m<1>",
        "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "hi" }],
        "max_tokens": 5,
    });
    let call = ("POST /v1/chat/completions".to_owned(), "Bearer ey.tok".to_owned(), body);
    assert_eq!(*world.calls.lock().unwrap(), [call]);
    for shown in ["&#60;b&#62;Hello", "1,200 in, 3 out", "$0.000123", "1.5 s", "200 ms", "req_1"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(!page.text.contains("ey.tok") && !page.text.contains("<b>Hello"), "{}", page.text);
    assert!(page.text.contains("be brief</textarea>") && page.text.contains("value=\"5\""));
    for kept in ["hi", "&#60;b&#62;Hello&#60;/b&#62;"] {
        let field = format!("<input type=\"hidden\" name=\"said\" value=\"{kept}\">");
        assert!(page.text.contains(&field), "{field}: {}", page.text);
    }
}

#[tokio::test]
async fn only_keys_that_call_models_are_offered_and_a_get_makes_no_token() {
    let world = World::usual();
    let page = world.ask(Method::GET, "/playground", "").await.text;
    assert!(page.contains(">ci</option>") && !page.contains("blind"), "{page}");
    assert!(page.contains("m&#60;1&#62;</option>"), "{page}");
    let other = world.post("/playground", &format!("act=models&key={KEY}&prompt=kept")).await;
    assert!(other.text.contains("kept</textarea>"), "{}", other.text);
    assert_eq!((world.asked_for_tokens(), world.calls.lock().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn what_is_typed_wrong_calls_nothing_and_stays() {
    let world = World::usual();
    let form = format!("act=send&key={KEY}&model=m<1>&prompt=hi&temperature=hot");
    let page = world.post("/playground", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("id=\"temperature-wrong\"") && page.text.contains("value=\"hot\""));
    assert_eq!((world.asked_for_tokens(), world.calls.lock().unwrap().len()), (0, 0));
}

#[tokio::test]
async fn why_a_call_is_refused_is_said() {
    let token = json!({ "token": "ey.tok", "expires_at": "2026-11-22T12:05:00Z" });
    let refusal = json!({ "error": { "message": "The budget is <spent>." } });
    let world = World::new((StatusCode::CREATED, token), (StatusCode::TOO_MANY_REQUESTS, refusal));
    let form = format!("act=send&key={KEY}&model=m<1>&prompt=hi");
    let page = world.post("/playground", &form).await.text;
    assert!(page.contains("The budget is &#60;spent&#62;."), "{page}");

    let disabled = json!({ "code": "key_disabled", "detail": "This API key is disabled." });
    let world = World::new((StatusCode::CONFLICT, disabled), (StatusCode::OK, json!({})));
    let page = world.post("/playground", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("This API key is disabled."), "{}", page.text);
    let told = world.post("/playground/token", &format!("key={KEY}")).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(told.text, r#"{"detail":"This API key is disabled."}"#);
    assert!(world.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_script_gets_a_token_with_the_form_of_its_session_only() {
    let world = World::usual();
    let told = world.post("/playground/token", &format!("key={KEY}")).await;
    let token = r#"{"expires_at":"2026-11-22T12:05:00Z","token":"ey.tok"}"#;
    assert_eq!((told.status, told.text.as_str()), (StatusCode::OK, token));
    let refused = world.ask(Method::POST, "/playground/token", &format!("csrf=x&key={KEY}")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.asked_for_tokens(), 1);
    let facts = world.ask(Method::GET, "/playground/calls/req_1", "").await.text;
    let expected = r#"[["Tokens","1,200 in, 3 out"],["Cost","$0.000123"],["Until the first word","200 ms"],["Took","1.5 s"],["Call","req_1"]]"#;
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn a_conversation_goes_on_until_it_is_begun_anew() {
    let world = World::usual();
    let before = "said=one&said=%3Ci%3E1%3C/i%3E&said=two&said=2";
    let form = format!("act=send&key={KEY}&model=m<1>&prompt=three&{before}");
    let page = world.post("/playground", &form).await.text;
    let messages = world.calls.lock().unwrap()[0].2["messages"].clone();
    let contents: Vec<_> = messages.as_array().unwrap().iter().map(|one| &one["content"]).collect();
    assert_eq!(contents, ["one", "<i>1</i>", "two", "2", "three"]);
    assert_eq!(page.matches("name=\"said\"").count(), 6);
    for shown in [
        "<div class=\"asked\">one</div><div class=\"said\">&#60;i&#62;1&#60;/i&#62;</div>",
        "<div class=\"asked\">two</div><div class=\"said\">2</div>",
        "<div class=\"asked\" id=\"asked\">three</div>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let anew =
        world.post("/playground", &format!("act=anew&key={KEY}&system=brief&{before}")).await;
    assert!(!anew.text.contains("name=\"said\"") && anew.text.contains("brief</textarea>"));
    assert_eq!(world.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_question_that_failed_is_shown_and_can_be_sent_again() {
    let token = json!({ "token": "ey.tok", "expires_at": "2026-11-22T12:05:00Z" });
    let refusal = json!({ "error": { "message": "Not now." } });
    let world = World::new((StatusCode::CREATED, token), (StatusCode::TOO_MANY_REQUESTS, refusal));
    let form = format!("act=send&key={KEY}&model=m<1>&prompt=again&said=one&said=1");
    let page = world.post("/playground", &form).await.text;
    assert_eq!(page.matches("name=\"said\"").count(), 2);
    assert!(page.contains("<div class=\"asked\">one</div><div class=\"said\">1</div>"), "{page}");
    assert!(page.contains("Not now.") && page.contains("again</textarea>"), "{page}");
}
