//! `/models/delete/{name}`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::model_path;
use super::object::{Model, api_path};
use crate::answer::ok;
use crate::form::Form;
use crate::money::count;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What was called of late.
#[derive(Debug, Deserialize)]
struct Usage {
    data: Vec<UsageLine>,
}

#[derive(Debug, Deserialize)]
struct UsageLine {
    requests: u64,
}

async fn question(visitor: &Visitor, name: &str) -> Result<Question, Refusal> {
    let model: Model = visitor.api.get(&format!("{}?view=routes", api_path(name))).await?;
    let mut lines = vec![text("model-delete-about")];
    lines.extend(calls(visitor, &model.name).await);
    if !model.aliases.is_empty() {
        lines.push(text_with("model-delete-aliases", "names", model.aliases.join(", ")));
    }
    Ok(Question {
        frame: visitor.frame("/models"),
        form: Form::default(),
        title: text_with("delete-title", "name", model.name.as_str()),
        lines,
        touched: vec![],
        yes: Some(text("model-delete")),
        to: model_path("delete", &model.name),
        back: model_path("show", &model.name),
        back_title: model.name,
    })
}

/// How often it was called in the last thirty days, in words. `None`: that cannot be counted now.
pub(super) async fn calls(visitor: &Visitor, name: &str) -> Option<String> {
    let path = format!("/v1/usage?group_by=model&model={}", segment(name));
    let usage: Usage = visitor.api.get(&path).await.ok()?;
    let calls = usage.data.iter().map(|line| line.requests).sum();
    Some(match calls {
        0 => text("model-delete-uncalled"),
        calls => text_with("model-delete-called", "calls", count(calls)),
    })
}

pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &name).await?))
}

pub(crate) async fn act(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = api_path(&name);
    let deed = Deed { method: Method::DELETE, path: &path, done: "/models?done=model-deleted" };
    question(&visitor, &name).await?.yes(&visitor, form, deed).await
}
