//! `/keys/{id}/disable`, `/enable`, `/delete` and `/end-overlap`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::show::{find, path};
use crate::answer::{ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What is asked before a key, or its old secrets, end. `act` is the last part of the path, and of the texts'
/// names.
async fn question(visitor: &Visitor, id: &str, act: &str) -> Result<Question, Refusal> {
    visitor.refuse_who_makes_no_keys()?;
    let key = find(visitor, id).await?;
    let back = format!("/keys/{}", segment(&key.id));
    Ok(Question {
        frame: visitor.frame(key.list_path()),
        form: Form::default(),
        title: text_with(&format!("key-{act}-title"), "name", key.name.as_str()),
        lines: vec![text(&format!("key-{act}-about")), key.last_use(visitor.now)],
        touched: vec![],
        yes: Some(text(&format!("key-{act}"))),
        to: format!("{back}/{act}"),
        back,
        back_title: key.name,
    })
}

pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "delete").await?))
}

pub(crate) async fn disable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "disable").await?))
}

pub(crate) async fn overlap(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&overlap_question(&visitor, &id).await?))
}

/// What is asked before old secrets end: who still uses them, or that none works any more.
async fn overlap_question(visitor: &Visitor, id: &str) -> Result<Question, Refusal> {
    let key = find(visitor, id).await?;
    let uses = key.previous_secrets.iter().map(|secret| secret.last_use(visitor.now));
    let question = question(visitor, id, "end-overlap").await?;
    if key.previous_secrets.is_empty() {
        return Ok(Question { lines: vec![text("key-end-overlap-none")], yes: None, ..question });
    }
    let lines = [text("key-end-overlap-about")].into_iter().chain(uses).collect();
    Ok(Question { lines, ..question })
}

pub(crate) async fn act_delete(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let question = question(&visitor, &id, "delete").await?;
    let done = format!("{}?done=key-deleted", question.frame.here);
    let deed = Deed { method: Method::DELETE, path: &path(&id), done: &done };
    question.yes(&visitor, form, deed).await
}

pub(crate) async fn act_disable(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let (path, done) = (format!("{}/disable", path(&id)), done(&id, "key-disabled"));
    let deed = Deed { method: Method::POST, path: &path, done: &done };
    question(&visitor, &id, "disable").await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_overlap(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let (path, done) = (format!("{}/previous-secrets", path(&id)), done(&id, "overlap-ended"));
    let deed = Deed { method: Method::DELETE, path: &path, done: &done };
    overlap_question(&visitor, &id).await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_enable(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/enable", path(&id));
    visitor.api.act(Method::POST, &path, None, Sent::default()).await?;
    Ok(see_other(&done(&id, "key-enabled")))
}

fn done(id: &str, what: &str) -> String {
    format!("/keys/{}?done={what}", segment(id))
}
