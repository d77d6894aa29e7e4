//! `GET /general-keys`.

use askama::Template;
use axum::response::Response;

use super::object::GeneralKey;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::pages::providers::{self, Provider};
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "general_keys/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    keys: Vec<GeneralKey>,
    providers: Vec<Provider>,
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/provider-keys", &["q", "after"], &[("limit", "50")]);
    let List { data: keys, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/general-keys", &["q"], &[("after", &after)]));
    let providers = providers::all(&visitor).await?;
    let frame = visitor.frame("/general-keys");
    Ok(ok(&ListPage { frame, query, keys, providers, next }))
}
