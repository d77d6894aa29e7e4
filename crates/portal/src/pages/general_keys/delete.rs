//! `/general-keys/{id}/delete`: what stops working, and then the end of it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::GeneralKey;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::pages::providers::{self, Provider};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "general_keys/delete.html")]
struct DeletePage {
    frame: Frame,
    form: Form,
    key: GeneralKey,
    providers: Vec<Provider>,
}

impl DeletePage {
    async fn new(visitor: &Visitor, form: Form, id: &str) -> Result<Self, Refusal> {
        let key = visitor.api.get(&format!("/v1/provider-keys/{}", segment(id))).await?;
        let providers = providers::all(visitor).await?;
        Ok(Self { frame: visitor.frame("/general-keys"), form, key, providers })
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&DeletePage::new(&visitor, Form::default(), &id).await?))
}

/// It is taken from what uses it: the page before said from what.
pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/provider-keys/{}?force=true", segment(&id));
    match visitor.api.act(Method::DELETE, &path, None, Sent::default()).await {
        Ok(()) => Ok(see_other("/general-keys?done=general-key-deleted")),
        Err(refusal) => Ok(again(&DeletePage::new(&visitor, form.refused(refusal)?, &id).await?)),
    }
}
