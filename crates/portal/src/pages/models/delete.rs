//! `/models/delete/{name}`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::object::{Model, api_path};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "models/delete.html")]
struct DeletePage {
    frame: Frame,
    form: Form,
    model: Model,
    /// Calls of the last thirty days. `None`: they cannot be counted now.
    calls: Option<u64>,
}

/// What was called of late.
#[derive(Debug, Deserialize)]
struct Usage {
    data: Vec<UsageLine>,
}

#[derive(Debug, Deserialize)]
struct UsageLine {
    requests: u64,
}

impl DeletePage {
    async fn new(visitor: &Visitor, form: Form, name: &str) -> Result<Self, Refusal> {
        let model: Model = visitor.api.get(&format!("{}?view=routes", api_path(name))).await?;
        let path = format!("/v1/usage?group_by=model&model={}", segment(&model.name));
        let usage = visitor.api.get::<Usage>(&path).await.ok();
        let calls = usage.map(|usage| usage.data.iter().map(|line| line.requests).sum());
        Ok(Self { frame: visitor.frame("/models"), form, model, calls })
    }
}

pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&DeletePage::new(&visitor, Form::default(), &name).await?))
}

pub(crate) async fn act(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    match visitor.api.act(Method::DELETE, &api_path(&name), None, Sent::default()).await {
        Ok(()) => Ok(see_other("/models?done=model-deleted")),
        Err(refusal) => Ok(again(&DeletePage::new(&visitor, form.refused(refusal)?, &name).await?)),
    }
}
