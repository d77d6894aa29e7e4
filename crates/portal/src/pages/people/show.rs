//! `GET /people/{id}`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::object::{Person, Session};
use crate::answer::ok;
use crate::api::List;
use crate::form::Form;
use crate::frame::Frame;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "people/show.html")]
struct ShowPage {
    frame: Frame,
    /// What the small forms of the page carry.
    form: Form,
    person: Person,
    sessions: Vec<Session>,
    may_change: bool,
    is_me: bool,
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let path = format!("/v1/users/{}", segment(&id));
    let person: Person = visitor.api.get(&path).await?;
    let sessions: List<Session> = visitor.api.get(&format!("{path}/sessions")).await?;
    let may_change = person.may_be_changed_by(&visitor.me);
    let (frame, is_me) = (visitor.frame("/people"), person.id == visitor.me.id);
    let (form, sessions) = (Form::default(), sessions.data);
    Ok(ok(&ShowPage { frame, form, person, sessions, may_change, is_me }))
}
