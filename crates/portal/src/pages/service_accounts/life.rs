//! `/service-accounts/{id}/disable`, `/enable` and `/remove`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::Account;
use crate::answer::{ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What is asked before all keys of an account stop. `act` is the last part of the path, and of the texts' names.
async fn question(visitor: &Visitor, id: &str, act: &str) -> Result<Question, Refusal> {
    let account: Account = visitor.api.get(&path(id)).await?;
    let back = format!("/service-accounts/{}", segment(&account.id));
    Ok(Question {
        frame: visitor.frame("/service-accounts"),
        form: Form::default(),
        title: text_with(&format!("service-account-{act}-title"), "name", account.name.as_str()),
        lines: vec![text(&format!("service-account-{act}-about"))],
        touched: vec![],
        yes: Some(text(&format!("service-account-{act}"))),
        to: format!("{back}/{act}"),
        back,
        back_title: account.name,
    })
}

fn path(id: &str) -> String {
    format!("/v1/service-accounts/{}", segment(id))
}

fn done(id: &str, what: &str) -> String {
    format!("/service-accounts/{}?done={what}", segment(id))
}

pub(crate) async fn disable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "disable").await?))
}

pub(crate) async fn remove(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "remove").await?))
}

pub(crate) async fn act_disable(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/disable", path(&id));
    let done = done(&id, "service-account-disabled");
    let deed = Deed { method: Method::POST, path: &path, done: &done };
    question(&visitor, &id, "disable").await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_remove(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/service-accounts?done=service-account-removed";
    let deed = Deed { method: Method::DELETE, path: &path(&id), done };
    question(&visitor, &id, "remove").await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_enable(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/enable", path(&id));
    visitor.api.act(Method::POST, &path, None, Sent::default()).await?;
    Ok(see_other(&done(&id, "service-account-enabled")))
}
