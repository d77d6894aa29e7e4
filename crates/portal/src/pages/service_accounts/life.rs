//! `/service-accounts/{id}/disable`, `/enable` and `/remove`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::Account;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// What is asked before all keys of an account stop.
#[derive(Debug, Template)]
#[template(path = "service_accounts/end.html")]
struct EndPage {
    frame: Frame,
    form: Form,
    account: Account,
    /// `disable` or `remove`: the last part of the path, and of the texts' names.
    act: &'static str,
}

impl EndPage {
    fn title(&self) -> String {
        self.frame.t1(&format!("service-account-{}-title", self.act), "name", &self.account.name)
    }

    fn about(&self) -> String {
        self.frame.t(&format!("service-account-{}-about", self.act))
    }

    fn button(&self) -> String {
        self.frame.t(&format!("service-account-{}", self.act))
    }
}

fn path(id: &str) -> String {
    format!("/v1/service-accounts/{}", segment(id))
}

async fn page(
    visitor: &Visitor,
    id: &str,
    form: Form,
    act: &'static str,
) -> Result<EndPage, Refusal> {
    let account = visitor.api.get::<Account>(&path(id)).await?;
    Ok(EndPage { frame: visitor.frame("/service-accounts"), form, account, act })
}

pub(crate) async fn disable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&page(&visitor, &id, Form::default(), "disable").await?))
}

pub(crate) async fn remove(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&page(&visitor, &id, Form::default(), "remove").await?))
}

async fn done(
    Posted { visitor, form }: Posted,
    id: &str,
    (method, part, act): (Method, &str, &'static str),
    to: &str,
) -> Result<Response, Refusal> {
    let path = format!("{}{part}", path(id));
    match visitor.api.act(method, &path, None, Sent::default()).await {
        Ok(()) => Ok(see_other(to)),
        Err(refusal) => {
            let form = form.refused(refusal)?;
            Ok(again(&page(&visitor, id, form, act).await?))
        }
    }
}

pub(crate) async fn act_disable(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = format!("/service-accounts/{}?done=service-account-disabled", segment(&id));
    done(posted, &id, (Method::POST, "/disable", "disable"), &to).await
}

pub(crate) async fn act_enable(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = format!("/service-accounts/{}?done=service-account-enabled", segment(&id));
    done(posted, &id, (Method::POST, "/enable", "enable"), &to).await
}

pub(crate) async fn act_remove(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = "/service-accounts?done=service-account-removed";
    done(posted, &id, (Method::DELETE, "", "remove"), to).await
}
