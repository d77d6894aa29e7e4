//! `/playground`: calling a model with the rights of one of one's own keys.
//!
//! A session calls no models. The API gives a token that stands for a key for some minutes: a script gets it in
//! the answer to a form and streams with it, keeping it in memory; without scripts, the call is made here.

mod asked;
mod call;
mod code;
#[cfg(test)]
mod tests;
mod told;
mod turns;

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, json};

use asked::Asked;
use call::Outcome;
use code::{Snippet, snippets};
use told::{Fact, facts};
use turns::{BYTES_MAX, SAID, TURNS_MAX};

use crate::answer::{again, ok};
use crate::api::{List, Sent};
use crate::form::Form;
use crate::frame::Frame;
use crate::portal::Portal;
use crate::posted::Posted;
use crate::query::{Query, segment, with_query};
use crate::refusal::{FieldError, Refusal};
use crate::visitor::{Turned, Visitor};

/// As many pages of models' names are read to find those that a key may call.
const MODEL_PAGES_MAX: usize = 5;

/// A key that can be chosen.
#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    name: String,
    scopes: Vec<String>,
}

/// A model that it may call.
#[derive(Debug, Deserialize)]
struct Model {
    name: String,
}

#[derive(Debug, Template)]
#[template(path = "playground.html")]
struct PlaygroundPage {
    frame: Frame,
    form: Form,
    keys: Vec<Key>,
    models: Vec<Model>,
    snippets: Vec<Snippet>,
    /// Questions with their answers, but the last one.
    earlier: Vec<(String, String)>,
    /// The last question, and its answer; or, where a call that was made here failed, why.
    last: Option<(String, Result<String, String>)>,
    facts: Vec<Fact>,
}

impl PlaygroundPage {
    /// The page for what is typed so far. The first key and the first model are chosen where none is.
    async fn new(visitor: &Visitor, mut form: Form) -> Result<Self, Refusal> {
        let keys = keys(visitor, form.value("key")).await?;
        if form.value("key").is_empty()
            && let Some(key) = keys.first()
        {
            form = form.with("key", &key.id);
        }
        let models = match form.value("key") {
            "" => Vec::new(),
            key => models(visitor, key).await?,
        };
        if !models.iter().any(|model| model.name == form.value("model")) {
            let first = models.first().map(|model| model.name.as_str()).unwrap_or_default();
            form = form.with("model", first);
        }
        let frame = visitor.frame("/playground");
        let snippets = snippets(&frame.endpoint, &Asked::of(&form));
        let mut earlier: Vec<_> = turns::turns(&form)
            .into_iter()
            .map(|turn| (turn.question.to_owned(), turn.answer.to_owned()))
            .collect();
        let last = earlier.pop().map(|(question, answer)| (question, Ok(answer)));
        Ok(Self { frame, form, keys, models, snippets, earlier, last, facts: Vec::new() })
    }

    /// The page with a question that was not answered, which can be sent again.
    fn failed(mut self, why: String) -> Self {
        let question = self.form.value("prompt").to_owned();
        let last = self.last.replace((question, Err(why)));
        self.earlier.extend(last.and_then(|(question, answer)| Some((question, answer.ok()?))));
        self
    }
}

/// Those of the visitor's own keys that call models, and the one that is chosen already.
async fn keys(visitor: &Visitor, chosen: &str) -> Result<Vec<Key>, Refusal> {
    let own = [("kind", "user"), ("owner", &visitor.me.id), ("status", "active"), ("limit", "100")];
    let list: List<Key> = visitor.api.get(&with_query("/v1/api-keys", own.into_iter())).await?;
    let mut keys = list.data;
    if !chosen.is_empty() && !keys.iter().any(|key| key.id == chosen) {
        keys.insert(0, visitor.api.get(&format!("/v1/api-keys/{}", segment(chosen))).await?);
    }
    keys.retain(|key| {
        key.id == chosen || key.scopes.iter().any(|scope| scope == "inference:write")
    });
    Ok(keys)
}

async fn models(visitor: &Visitor, key: &str) -> Result<Vec<Model>, Refusal> {
    let path = format!("/v1/allowed-models?limit=200&api_key={}", segment(key));
    let mut list: List<Model> = visitor.api.get(&path).await?;
    // A page of names has only those of them that the key may call, perhaps none.
    for _ in 1..MODEL_PAGES_MAX {
        let Some(next) = list.next else { break };
        let after = format!("{path}&after={}", segment(&next));
        let more: List<Model> = visitor.api.get(&after).await?;
        list.data.extend(more.data);
        list.next = more.next;
    }
    Ok(list.data)
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let form = Form::filled([
        ("key", query.text("key").to_owned()),
        ("model", query.text("model").to_owned()),
        ("prompt", visitor.frame("").t("play-prompt-first")),
    ]);
    Ok(ok(&PlaygroundPage::new(&visitor, form).await?))
}

/// Calls the model, and shows the whole answer; or only what another key may call.
pub(crate) async fn act(
    State(portal): State<Portal>,
    Posted { visitor, mut form }: Posted,
) -> Result<Response, Refusal> {
    match form.value("act") {
        "models" => return Ok(ok(&PlaygroundPage::new(&visitor, form).await?)),
        "anew" => return Ok(ok(&PlaygroundPage::new(&visitor, form.without(&[SAID])).await?)),
        _ => {}
    }
    let asked = Asked::of(&form);
    let body = match asked.body() {
        Ok(body) => body,
        Err(wrong) => return refused(&visitor, form.wrong(wrong)).await,
    };
    let token = match token(&visitor, form.value("key")).await {
        Ok(token) => token,
        Err(refusal) => {
            let form = form.refused(refusal)?;
            return refused(&visitor, form).await;
        }
    };
    let Outcome { text, id } = call::make(&portal, &visitor, &token.token, &body).await?;
    let facts = match &id {
        Some(id) => facts(&visitor.api, id).await?.unwrap_or_default(),
        None => Vec::new(),
    };
    let page = match text {
        Ok(answer) => {
            let question = form.value("prompt").to_owned();
            form.add(SAID, question);
            form.add(SAID, answer);
            form.set("prompt", "");
            PlaygroundPage::new(&visitor, form).await?
        }
        Err(why) => PlaygroundPage::new(&visitor, form).await?.failed(why),
    };
    Ok(ok(&PlaygroundPage { facts, ..page }))
}

async fn refused(visitor: &Visitor, form: Form) -> Result<Response, Refusal> {
    Ok(again(&PlaygroundPage::new(visitor, form).await?))
}

/// What stands for a key for some minutes.
#[derive(Debug, Deserialize)]
struct Token {
    token: SecretString,
    expires_at: jiff::Timestamp,
}

async fn token(visitor: &Visitor, key: &str) -> Result<Token, Refusal> {
    let path = format!("/v1/api-keys/{}/token", segment(key));
    visitor.api.send(Method::POST, &path, &Map::new(), Sent::default()).await
}

/// `POST /playground/token`: the token for a script of ours, which keeps it in memory.
pub(crate) async fn hand_token(Posted { visitor, form }: Posted) -> Result<Response, Turned> {
    let key = form.value("key");
    let made = if key.is_empty() {
        Err(vec![FieldError::new("key", "play-no-key")])
    } else {
        match token(&visitor, key).await {
            Ok(token) => Ok(token),
            Err(refusal) if refusal.is_of_form() => {
                let detail = refusal.why.detail;
                Err(vec![FieldError { field: "key".to_owned(), detail }])
            }
            Err(refusal) => return Err(refusal.into()),
        }
    };
    Ok(match made {
        Ok(Token { token, expires_at }) => json_answer(
            StatusCode::OK,
            json!({ "token": token.expose_secret(), "expires_at": expires_at }),
        ),
        Err(errors) => {
            let detail = errors.first().map(|error| error.detail.clone()).unwrap_or_default();
            json_answer(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail }))
        }
    })
}

/// `GET /playground/calls/{id}`: what a call used, cost and took, in the words of the page. Nothing, of one that
/// is not over yet or was refused: a script of ours asks, and no browser is to take that for a fault.
pub(crate) async fn show_call(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let Some(facts) = facts(&visitor.api, &id).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let facts: Vec<_> = facts.iter().map(|fact| [&fact.name, &fact.value]).collect();
    Ok(json_answer(StatusCode::OK, json!(facts)))
}

fn json_answer(status: StatusCode, value: serde_json::Value) -> Response {
    let mut response = (status, Json(value)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
