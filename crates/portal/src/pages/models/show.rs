//! `/models/show/{name}`: a model, where its calls go, and how that is now.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::object::{Deployment, Model, api_path, model_path};
use super::price::{Line, lines};
use crate::answer::ok;
use crate::form::Form;
use crate::frame::Frame;
use crate::names::Names;
use crate::pages::providers::{self, Provider};
use crate::query::with_query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "models/show.html")]
pub(super) struct ShowPage {
    frame: Frame,
    form: Form,
    model: Model,
    version: String,
    providers: Vec<Provider>,
    names: Names,
}

impl ShowPage {
    pub(super) async fn new(visitor: &Visitor, form: Form, name: &str) -> Result<Self, Refusal> {
        let path = format!("{}?view=routes", api_path(name));
        let (model, version) = visitor.api.get_versioned::<Model>(&path).await?;
        let names = Names::of(visitor, model.project.iter().map(String::as_str)).await;
        let providers = providers::all(visitor).await?;
        Ok(Self { frame: visitor.frame("/models"), form, model, version, providers, names })
    }

    /// The prices that count: the operator's own.
    fn prices(&self) -> Vec<Line> {
        self.model.price.rates().map(lines).unwrap_or_default()
    }

    /// Where it is asked before a deployment's calls are ended.
    fn disable_path(&self, one: &Deployment) -> String {
        let asked = [("deployment", one.id.as_str()), ("version", self.version.as_str())];
        with_query(&model_path("disable", &self.model.name), asked.into_iter())
    }

    /// How many share the calls of the first turn.
    fn is_shared(&self) -> bool {
        self.model.deployments.len() > 1
    }
}

pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&ShowPage::new(&visitor, Form::default(), &name).await?))
}
