//! `GET /projects/{id}`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;

use super::object::{Member, Model, Project, path_of};
use crate::answer::{again, ok};
use crate::api::List;
use crate::form::{Choice, Form};
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// Roles in a project, the least first.
pub(crate) const ROLES: [&str; 3] = ["viewer", "member", "admin"];

#[derive(Debug, Template)]
#[template(path = "projects/show.html")]
struct ShowPage {
    frame: Frame,
    /// Who is to be let in.
    form: Form,
    project: Project,
    members: Vec<Member>,
    /// Where the next page of members is.
    next: Option<String>,
    /// Who can be let in.
    people: Vec<Choice>,
    /// Whether there are others, who can be typed.
    has_more_people: bool,
    /// The models that only its keys may call.
    models: Vec<Model>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    name: String,
}

impl ShowPage {
    async fn new(visitor: &Visitor, id: &str, form: Form, query: &Query) -> Result<Self, Refusal> {
        let path = path_of(id);
        let members = query.path(&format!("{path}/members"), &["after"], &[]);
        let (project, members, people, models) = tokio::try_join!(
            visitor.api.get::<Project>(&path),
            visitor.api.get::<List<Member>>(&members),
            visitor.api.get::<List<Named>>("/v1/users?limit=200&presence=false"),
            visitor.api.get::<List<Model>>("/v1/models?view=routes&limit=200"),
        )?;
        let List { data: members, next } = members;
        let own = |model: &Model| model.project.as_ref() == Some(&project.id);
        let here = format!("/projects/{}", project.id);
        let is_outside = |one: &Named| !members.iter().any(|member| member.user == one.id);
        let choice = |one: Named| Choice::new(one.id, one.name);
        Ok(Self {
            frame: visitor.frame("/projects"),
            form,
            models: models.data.into_iter().filter(own).collect(),
            has_more_people: people.next.is_some(),
            people: people.data.into_iter().filter(is_outside).map(choice).collect(),
            members,
            next: next.map(|after| query.path(&here, &[], &[("after", &after)])),
            project,
        })
    }
}

pub(crate) async fn show(
    visitor: Visitor,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let form = Form::filled([("role", "member".to_owned())]);
    Ok(ok(&ShowPage::new(&visitor, &id, form, &query).await?))
}

/// The page again, with what is wrong with the form for a new member.
pub(super) async fn show_again(
    visitor: &Visitor,
    id: &str,
    form: Form,
) -> Result<Response, Refusal> {
    Ok(again(&ShowPage::new(visitor, id, form, &Query::default()).await?))
}
