//! `/providers/{id}/delete`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::Provider;
use crate::answer::ok;
use crate::api::List;
use crate::form::Form;
use crate::pages::models::{Model, model_path};
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question, Touched};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// While a model goes there, the provider stays.
async fn question(visitor: &Visitor, id: &str) -> Result<Question, Refusal> {
    let provider: Provider = visitor.api.get(&path(id)).await?;
    let models = format!("/v1/models?view=routes&limit=20&provider={}", provider.id);
    let List { data: models, .. } = visitor.api.get::<List<Model>>(&models).await?;
    let use_text = if models.is_empty() { "unused" } else { "used" };
    let touched = models.into_iter().map(|model| Touched {
        noun: text("model"),
        path: Some(model_path("edit", &model.name)),
        name: model.name,
    });
    let touched: Vec<Touched> = touched.collect();
    let back = format!("/providers/{}", segment(&provider.id));
    Ok(Question {
        frame: visitor.frame("/providers"),
        form: Form::default(),
        title: text_with("delete-title", "name", provider.name.as_str()),
        lines: vec![text("provider-delete-about"), text(&format!("provider-delete-{use_text}"))],
        yes: touched.is_empty().then(|| text("provider-delete")),
        touched,
        to: format!("{back}/delete"),
        back,
        back_title: provider.name,
    })
}

fn path(id: &str) -> String {
    format!("/v1/providers/{}", segment(id))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id).await?))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/providers?done=provider-deleted";
    let deed = Deed { method: Method::DELETE, path: &path(&id), done };
    question(&visitor, &id).await?.yes(&visitor, form, deed).await
}
