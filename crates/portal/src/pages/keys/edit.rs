//! `/keys/{id}/edit`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::Value;

use super::fields::{self, Offer, Purpose};
use super::object::Key;
use super::show::{find, path};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "keys/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    offer: Offer,
    key: Key,
}

impl EditPage {
    async fn new(visitor: &Visitor, key: Key, mut form: Form) -> Self {
        let mut offer = Offer::load(visitor, &form).await;
        fields::tick_models(&mut form, &offer.models);
        offer.ask_about(visitor, &form, Some(&key));
        // What the key has that the visitor could not give it stays to be seen, and can be taken away.
        for scope in doorward_domain::scope::Scope::ALL {
            let has = key.scopes.iter().any(|one| one == scope.as_str());
            if has && !offer.scopes.contains(&scope) {
                offer.scopes.push(scope);
            }
        }
        let frame = visitor.frame(key.list_path());
        Self { frame, form, offer, key }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    visitor.refuse_who_makes_no_keys()?;
    let (key, version) = visitor.api.get_versioned::<Key>(&path(&id)).await?;
    let mut form = fields::filled(&key);
    form.add("version", version);
    Ok(ok(&EditPage::new(&visitor, key, form).await))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let key = find(&visitor, &id).await?;
    if fields::wants_row(&form) {
        return Ok(ok(&EditPage::new(&visitor, key, form).await));
    }
    let checked = fields::body(&form, Purpose::Edit)
        .and_then(|body| fields::lockout(&visitor, &form, Some(&key)).map_or(Ok(body), Err));
    let body = match checked {
        Ok(body) => body,
        Err(wrong) => {
            let form = fields::with_unread(form.wrong(wrong));
            return Ok(again(&EditPage::new(&visitor, key, form).await));
        }
    };
    let version = form.value("version").to_owned();
    let sent = Sent { version: Some(&version), ..Sent::default() };
    match visitor.api.send::<Value>(Method::PATCH, &path(&id), &body, sent).await {
        Ok(_) => Ok(see_other(&format!("/keys/{}?done=key-edited", segment(&id)))),
        Err(refusal) => {
            let form = fields::refused(form, refusal)?;
            Ok(again(&EditPage::new(&visitor, key, form).await))
        }
    }
}
