//! `GET /service-accounts`.

use askama::Template;
use axum::response::Response;

use super::Account;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::names::Names;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "service_accounts/list.html")]
struct ListPage {
    frame: Frame,
    accounts: Vec<Account>,
    names: Names,
    next: Option<String>,
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/service-accounts", &["after"], &[("limit", "50")]);
    let List { data: accounts, next } = visitor.api.get::<List<Account>>(&path).await?;
    let next = next.map(|after| query.path("/service-accounts", &[], &[("after", &after)]));
    let names = Names::of(&visitor, accounts.iter().map(|account| account.project.as_str())).await;
    Ok(ok(&ListPage { frame: visitor.frame("/service-accounts"), accounts, names, next }))
}
