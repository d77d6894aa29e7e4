//! `/providers/{id}/delete`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::Provider;
use crate::answer::{again, ok, see_other};
use crate::api::{List, Sent};
use crate::form::Form;
use crate::frame::Frame;
use crate::pages::models::Model;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "providers/delete.html")]
struct DeletePage {
    frame: Frame,
    form: Form,
    provider: Provider,
    /// The first models that go there: while there is one, the provider stays.
    models: Vec<Model>,
}

impl DeletePage {
    async fn new(visitor: &Visitor, form: Form, id: &str) -> Result<Self, Refusal> {
        let provider: Provider = visitor.api.get(&format!("/v1/providers/{}", segment(id))).await?;
        let path = format!("/v1/models?view=routes&limit=20&provider={}", provider.id);
        let List { data: models, .. } = visitor.api.get(&path).await?;
        Ok(Self { frame: visitor.frame("/providers"), form, provider, models })
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&DeletePage::new(&visitor, Form::default(), &id).await?))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/providers/{}", segment(&id));
    match visitor.api.act(Method::DELETE, &path, None, Sent::default()).await {
        Ok(()) => Ok(see_other("/providers?done=provider-deleted")),
        Err(refusal) => Ok(again(&DeletePage::new(&visitor, form.refused(refusal)?, &id).await?)),
    }
}
