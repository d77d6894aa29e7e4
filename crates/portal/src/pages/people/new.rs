//! `/people/new`: inviting somebody.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::link::LinkPage;
use super::object::{Link, roles_of};
use crate::answer::{again, ok};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::notifications::Mail;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "email", kind: Kind::Wish },
    Member { path: "role", kind: Kind::Wish },
];

#[derive(Debug, Template)]
#[template(path = "people/new.html")]
struct NewPage {
    frame: Frame,
    form: Form,
    roles: Vec<&'static str>,
    sends_mail: bool,
}

impl NewPage {
    async fn new(visitor: &Visitor, form: Form) -> Result<Self, Refusal> {
        let Mail { sends_mail } = visitor.api.get("/v1/organization").await?;
        let (frame, roles) = (visitor.frame("/people"), roles_of(&visitor.me));
        Ok(Self { frame, form, roles, sends_mail })
    }
}

#[derive(Debug, Deserialize)]
struct Invited {
    id: String,
    name: String,
    invitation: Link,
}

pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refusal> {
    let form = Form::filled([("role", "member".to_owned())]);
    Ok(ok(&NewPage::new(&visitor, form).await?))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    body.insert("invite".to_owned(), true.into());
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<Invited>(Method::POST, "/v1/users", &body, sent).await {
        Ok(Invited { id, name, invitation }) => {
            Ok(ok(&LinkPage::new(&visitor, (id, name), invitation)))
        }
        Err(refusal) => Ok(again(&NewPage::new(&visitor, form.refused(refusal)?).await?)),
    }
}
