//! `GET /models`.

use askama::Template;
use axum::response::Response;

use super::object::Model;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::names::Names;
use crate::pages::providers::{self, Provider};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "models/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    models: Vec<Model>,
    providers: Vec<Provider>,
    names: Names,
    next: Option<String>,
}

impl ListPage {
    fn is_filtered(&self) -> bool {
        self.query.has_any(&["q", "provider"])
    }

    /// Whether whoever comes here has just added models, and wants keys for them next.
    fn is_new(&self) -> bool {
        self.query.text("done") == "models-added"
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let fixed = [("view", "routes"), ("limit", "50")];
    let path = query.path("/v1/models", &["q", "provider", "after"], &fixed);
    let List::<Model> { data: models, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/models", &["q", "provider"], &[("after", &after)]));
    let providers = providers::all(&visitor).await?;
    let projects = models.iter().filter_map(|model| model.project.as_deref());
    let names = Names::of(&visitor, projects).await;
    let frame = visitor.frame("/models");
    Ok(ok(&ListPage { frame, query, models, providers, names, next }))
}
