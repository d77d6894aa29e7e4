//! `/keys/{id}/rotate`: a new secret, and the one answer that shows it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::created::CreatedPage;
use super::fields::member;
use super::object::{Key, NewKey};
use super::show::{find, path};
use crate::answer::{again, ok};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 1] = [member("overlap_seconds", Kind::Number)];
/// How long the secret before may still work, in seconds, and the names of their texts.
const OVERLAPS: [(&str, &str); 4] = [
    ("0", "overlap-none"),
    ("3600", "overlap-hour"),
    ("86400", "overlap-day"),
    ("604800", "overlap-week"),
];
const OVERLAP_USUAL: &str = "86400";

#[derive(Debug, Template)]
#[template(path = "keys/rotate.html")]
struct RotatePage {
    frame: Frame,
    form: Form,
    key: Key,
}

impl RotatePage {
    fn new(visitor: &Visitor, key: Key, form: Form) -> Self {
        Self { frame: visitor.frame(key.list_path()), form, key }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    visitor.refuse_who_makes_no_keys()?;
    let key = find(&visitor, &id).await?;
    let form = Form::filled([("overlap_seconds", OVERLAP_USUAL.to_owned())]);
    Ok(ok(&RotatePage::new(&visitor, key, form)))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let path = format!("{}/rotate", path(&id));
    match visitor.api.send::<NewKey>(Method::POST, &path, &form.body(&MEMBERS), sent).await {
        Ok(key) => Ok(ok(&CreatedPage::new(&visitor, key).await)),
        Err(refusal) => {
            let form = form.refused(refusal)?;
            let key = find(&visitor, &id).await?;
            Ok(again(&RotatePage::new(&visitor, key, form)))
        }
    }
}
