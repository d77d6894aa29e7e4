//! Links by which somebody sets a password, and the one page that shows one.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::Map;

use super::object::{Link, Person};
use crate::answer::ok;
use crate::api::Sent;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "people/link.html")]
pub(super) struct LinkPage {
    frame: Frame,
    id: String,
    name: String,
    link: Link,
}

impl LinkPage {
    pub(super) fn new(visitor: &Visitor, (id, name): (String, String), link: Link) -> Self {
        Self { frame: visitor.frame("/people"), id, name, link }
    }

    /// The address of the page that takes the link; empty where it is not shown, or not any more.
    fn address(&self) -> String {
        let Some(token) = &self.link.token else { return String::new() };
        let base = self.frame.endpoint.trim_end_matches('/').trim_end_matches("/v1");
        let page = if self.link.purpose == "invitation" { "invitation" } else { "password-reset" };
        format!("{base}/{page}?token={}", token.expose_secret())
    }
}

/// `POST /people/{id}/invitation`.
pub(crate) async fn invite(Path(id): Path<String>, posted: Posted) -> Result<Response, Refusal> {
    make(&id, "invitation", posted).await
}

/// `POST /people/{id}/password-reset`.
pub(crate) async fn reset(Path(id): Path<String>, posted: Posted) -> Result<Response, Refusal> {
    make(&id, "password-reset", posted).await
}

async fn make(id: &str, noun: &str, Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let path = format!("/v1/users/{}", segment(id));
    let person: Person = visitor.api.get(&path).await?;
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let path = format!("{path}/{noun}");
    let link: Link = visitor.api.send(Method::POST, &path, &Map::new(), sent).await?;
    Ok(ok(&LinkPage::new(&visitor, (person.id, person.name), link)))
}
