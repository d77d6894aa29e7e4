//! `/notifications/webhooks/{id}`: one webhook, and what is done with it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::Map;

use super::new::{MEMBERS, SecretPage};
use super::object::{NewWebhook, Notice, Webhook, path_of};
use crate::answer::{again, ok, see_other};
use crate::api::{List, Sent};
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "notifications/webhook.html")]
struct WebhookPage {
    frame: Frame,
    form: Form,
    webhook: Webhook,
    /// What became of its tests, the newest first.
    tests: Vec<Notice>,
}

impl WebhookPage {
    async fn new(visitor: &Visitor, webhook: Webhook, form: Form) -> Result<Self, Refusal> {
        let path =
            format!("/v1/notices?kind=webhook.test&limit=5&subject={}", segment(&webhook.id));
        let tests: List<Notice> = visitor.api.get(&path).await?;
        Ok(Self { frame: visitor.frame("/notifications"), form, webhook, tests: tests.data })
    }
}

/// What is asked before it is done. `act` is the last part of the path, and of the names of the texts.
async fn question(visitor: &Visitor, id: &str, act: &str) -> Result<Question, Refusal> {
    let webhook: Webhook = visitor.api.get(&path_of(id)).await?;
    let back = format!("/notifications/webhooks/{}", segment(&webhook.id));
    Ok(Question {
        frame: visitor.frame("/notifications"),
        form: Form::default(),
        title: text_with(&format!("webhook-{act}-title"), "name", webhook.name.as_str()),
        lines: vec![text(&format!("webhook-{act}-what"))],
        touched: vec![],
        yes: Some(text(&format!("webhook-{act}-act"))),
        to: format!("{back}/{act}"),
        back,
        back_title: webhook.name,
    })
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (webhook, version) = visitor.api.get_versioned::<Webhook>(&path_of(&id)).await?;
    let form = Form::filled([
        ("version", version),
        ("name", webhook.name.clone()),
        ("url", webhook.url.clone()),
    ]);
    Ok(ok(&WebhookPage::new(&visitor, webhook, form).await?))
}

pub(crate) async fn save(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = path_of(&id);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    let body = form.body(&MEMBERS);
    match visitor.api.send::<Webhook>(Method::PATCH, &path, &body, sent).await {
        Ok(_) => Ok(done(&id, "webhook-saved")),
        Err(refusal) => {
            let webhook: Webhook = visitor.api.get(&path).await?;
            let form = form.refused(refusal)?;
            Ok(again(&WebhookPage::new(&visitor, webhook, form).await?))
        }
    }
}

/// `POST /notifications/webhooks/{id}/test`.
pub(crate) async fn test(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    visitor.api.act(Method::POST, &format!("{}/test", path_of(&id)), None, sent).await?;
    Ok(done(&id, "webhook-tested"))
}

/// `GET /notifications/webhooks/{id}/rotate`.
pub(crate) async fn ask_rotate(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "rotate").await?))
}

/// `POST /notifications/webhooks/{id}/rotate`.
pub(crate) async fn rotate(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let path = format!("{}/rotate", path_of(&id));
    match visitor.api.send::<NewWebhook>(Method::POST, &path, &Map::new(), sent).await {
        Ok(made) => Ok(ok(&SecretPage::new(&visitor, made, true))),
        Err(refusal) => {
            let form = form.refused(refusal)?;
            Ok(again(&Question { form, ..question(&visitor, &id, "rotate").await? }))
        }
    }
}

/// `GET /notifications/webhooks/{id}/delete`.
pub(crate) async fn ask_delete(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "delete").await?))
}

/// `POST /notifications/webhooks/{id}/delete`.
pub(crate) async fn delete(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/notifications?done=webhook-deleted";
    let deed = Deed { method: Method::DELETE, path: &path_of(&id), done };
    question(&visitor, &id, "delete").await?.yes(&visitor, form, deed).await
}

fn done(id: &str, what: &str) -> Response {
    see_other(&format!("/notifications/webhooks/{}?done={what}", segment(id)))
}
