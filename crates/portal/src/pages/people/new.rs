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
        let Mail { sends_mail, .. } = visitor.api.get("/v1/organization").await?;
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    fn invited(token: Option<&str>, mailed_to: Option<&str>) -> Value {
        json!({
            "id": "usr_1", "name": "bob",
            "invitation": {
                "purpose": "invitation", "token": token, "mailed_to": mailed_to,
                "expires_at": "2026-11-25T12:00:00Z",
            },
        })
    }

    const TYPED: &str = "name=bob&email=bob%40example.com&role=member&once=o";

    #[tokio::test]
    async fn a_link_is_shown_where_no_mail_is_sent_and_else_where_it_went() {
        let portal =
            Fake::new("admin", &[("POST /v1/users", 201, invited(Some("dwl_secret"), None))]);
        let shown = portal.post("/people/new", TYPED).await;
        let link = "https://models.example.com/invitation?token=dwl_secret";
        assert!(shown.text.contains(link) && shown.text.contains("in 3 days"), "{}", shown.text);
        let wish = json!({
            "name": "bob", "email": "bob@example.com", "role": "member", "invite": true,
        });
        assert_eq!(portal.changes()[0].body, wish);

        let mailed = invited(None, Some("bob@example.com"));
        let portal = Fake::new("admin", &[("POST /v1/users", 201, mailed)]);
        let shown = portal.post("/people/new", TYPED).await;
        assert!(shown.text.contains("on its way to bob@example.com"), "{}", shown.text);
        assert!(!shown.text.contains("token="), "{}", shown.text);
        let portal = Fake::new("admin", &[("POST /v1/users", 201, invited(None, None))]);
        let again = portal.post("/people/new", TYPED).await;
        assert!(again.text.contains("shown then"), "{}", again.text);
    }

    #[tokio::test]
    async fn nobody_is_offered_a_role_above_their_own() {
        let organization = json!({ "sends_mail": true, "mails_lead_to": null });
        let portal = Fake::new("admin", &[("GET /v1/organization", 200, organization)]);
        let shown = portal.get("/people/new").await;
        assert!(shown.text.contains("value=\"admin\"") && !shown.text.contains("value=\"owner\""));
    }
}
