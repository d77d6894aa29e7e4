//! `/general-keys/{id}/delete`: what stops working, and then the end of it.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::GeneralKey;
use crate::answer::ok;
use crate::form::Form;
use crate::pages::models::model_path;
use crate::pages::providers::{self, Provider};
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question, Touched};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

async fn question(visitor: &Visitor, id: &str) -> Result<Question, Refusal> {
    let key: GeneralKey = visitor.api.get(&path(id)).await?;
    let touched = touched(&key, &providers::all(visitor).await?);
    let use_text = if touched.is_empty() { "unused" } else { "used" };
    let back = format!("/general-keys/{}", segment(&key.id));
    Ok(Question {
        frame: visitor.frame("/general-keys"),
        form: Form::default(),
        title: text_with("delete-title", "name", key.name.as_str()),
        lines: vec![
            text("general-key-delete-about"),
            text(&format!("general-key-delete-{use_text}")),
        ],
        touched,
        yes: Some(text("general-key-delete")),
        to: format!("{back}/delete"),
        back,
        back_title: key.name,
    })
}

/// What it is taken from.
fn touched(key: &GeneralKey, providers: &[Provider]) -> Vec<Touched> {
    let providers = key.providers(providers).into_iter().map(|provider| Touched {
        noun: text("provider"),
        name: provider.name.clone(),
        path: Some(format!("/providers/{}", segment(&provider.id))),
    });
    let models = key.used_by.models.iter().map(|model| Touched {
        noun: text("model"),
        name: model.clone(),
        path: Some(model_path("show", model)),
    });
    providers.chain(models).collect()
}

fn path(id: &str) -> String {
    format!("/v1/provider-keys/{}", segment(id))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id).await?))
}

/// It is taken from what uses it: the page before said from what.
pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}?force=true", path(&id));
    let done = "/general-keys?done=general-key-deleted";
    let deed = Deed { method: Method::DELETE, path: &path, done };
    question(&visitor, &id).await?.yes(&visitor, form, deed).await
}
