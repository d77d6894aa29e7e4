//! `/keys/{id}/disable`, `/enable`, `/delete` and `/end-overlap`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

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

/// What is asked before something ends.
#[derive(Debug, Template)]
#[template(path = "keys/end.html")]
struct EndPage {
    frame: Frame,
    form: Form,
    key: Key,
    /// `delete`, `disable` or `end-overlap`: the last part of the path, and of the texts' names.
    act: &'static str,
}

impl EndPage {
    fn new(visitor: &Visitor, key: Key, form: Form, act: &'static str) -> Self {
        let here = if key.is_of_service() { "/agent-keys" } else { "/keys" };
        Self { frame: visitor.frame(here), form, key, act }
    }

    fn title(&self) -> String {
        self.frame.t1(&format!("key-{}-title", self.act), "name", &self.key.name)
    }

    fn about(&self) -> String {
        self.frame.t(&format!("key-{}-about", self.act))
    }

    fn button(&self) -> String {
        self.frame.t(&format!("key-{}", self.act))
    }
}

async fn confirm(visitor: Visitor, id: &str, act: &'static str) -> Result<Response, Refusal> {
    let key = find(&visitor, id).await?;
    Ok(ok(&EndPage::new(&visitor, key, Form::default(), act)))
}

pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    confirm(visitor, &id, "delete").await
}

pub(crate) async fn disable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    confirm(visitor, &id, "disable").await
}

pub(crate) async fn overlap(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    confirm(visitor, &id, "end-overlap").await
}

/// Does it, and leads on; or asks again, with why it cannot be done.
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
            let key = find(&visitor, id).await?;
            Ok(again(&EndPage::new(&visitor, key, form, act)))
        }
    }
}

pub(crate) async fn act_delete(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let key = find(&posted.visitor, &id).await?;
    let list = if key.is_of_service() { "/agent-keys" } else { "/keys" };
    let to = format!("{list}?done=key-deleted");
    done(posted, &id, (Method::DELETE, "", "delete"), &to).await
}

pub(crate) async fn act_disable(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = format!("/keys/{}?done=key-disabled", segment(&id));
    done(posted, &id, (Method::POST, "/disable", "disable"), &to).await
}

pub(crate) async fn act_enable(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = format!("/keys/{}?done=key-enabled", segment(&id));
    done(posted, &id, (Method::POST, "/enable", "enable"), &to).await
}

pub(crate) async fn act_overlap(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    let to = format!("/keys/{}?done=overlap-ended", segment(&id));
    done(posted, &id, (Method::DELETE, "/previous-secrets", "end-overlap"), &to).await
}
