//! `/settings/organization`: its name, and the limits and budgets that all keys share.

use askama::Template;
use axum::response::Response;
use http::Method;

use super::object::Organization;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::bounds;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 1] = [Member { path: "name", kind: Kind::Text }];
const PATH: &str = "/v1/organization";

#[derive(Debug, Template)]
#[template(path = "settings/organization.html")]
struct OrganizationPage {
    frame: Frame,
    form: Form,
}

impl OrganizationPage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        Self { frame: visitor.frame("/settings"), form }
    }
}

pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refusal> {
    let (organization, version) = visitor.api.get_versioned::<Organization>(PATH).await?;
    let mut form = Form::filled([("version", version), ("name", organization.name)]);
    organization.bounds.fill(&mut form);
    Ok(ok(&OrganizationPage::new(&visitor, form)))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    bounds::say(&form, &mut body);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Organization>(Method::PATCH, PATH, &body, sent).await {
        Ok(_) => Ok(see_other("/settings?done=organization-saved")),
        Err(refusal) => {
            Ok(again(&OrganizationPage::new(&visitor, bounds::refused(form, refusal)?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn the_organization_gets_another_name_and_keeps_what_it_has() {
        let there = json!({
            "name": "default", "limits": {"concurrency": 2}, "budgets": [], "spent": [],
            "sends_mail": false, "mails_lead_to": null,
        });
        let taken = json!({
            "code": "name_taken", "detail": "This name is taken.",
            "errors": [{"field": "name", "code": "taken", "detail": "is taken"}],
        });
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/organization", 200, there.clone()),
                ("PATCH /v1/organization", 409, taken),
                ("PATCH /v1/organization", 200, there),
            ],
        );
        let page = portal.get("/settings/organization").await;
        assert!(page.text.contains("value=\"default\""), "{}", page.text);
        let form = "version=%227%22&name=Acme&limits.concurrency=2";
        let again = portal.post("/settings/organization", form).await;
        assert_eq!(again.status, 422);
        assert!(again.text.contains("value=\"Acme\""), "{}", again.text);
        assert!(again.text.contains("<a href=\"#name\">Name</a>: is taken"), "{}", again.text);
        let done = portal.post("/settings/organization", form).await;
        assert_eq!(done.location, "/settings?done=organization-saved");
        let asked = portal.changes().remove(1);
        assert_eq!(asked.version.as_deref(), Some("\"7\""));
        let body = json!({"name": "Acme", "limits": {"concurrency": 2}, "budgets": []});
        assert_eq!(asked.body, body);
    }
}
