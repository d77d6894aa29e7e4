//! `/settings/organization`: the limits and budgets that all keys share.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde_json::Map;

use super::object::Organization;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::bounds;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const PATH: &str = "/v1/organization";

#[derive(Debug, Template)]
#[template(path = "settings/organization.html")]
struct OrganizationPage {
    frame: Frame,
    form: Form,
    budgets: Vec<bounds::Row>,
}

impl OrganizationPage {
    fn new(visitor: &Visitor, form: Form) -> Self {
        Self { frame: visitor.frame("/settings"), budgets: bounds::rows(&form), form }
    }
}

pub(crate) async fn show(visitor: Visitor) -> Result<Response, Refusal> {
    let (organization, version) = visitor.api.get_versioned::<Organization>(PATH).await?;
    let mut form = Form::filled([("version", version)]);
    organization.bounds.fill(&mut form);
    Ok(ok(&OrganizationPage::new(&visitor, form)))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let mut body = Map::new();
    bounds::say(&form, &mut body);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Organization>(Method::PATCH, PATH, &body, sent).await {
        Ok(_) => Ok(see_other("/settings?done=organization-saved")),
        Err(refusal) => {
            Ok(again(&OrganizationPage::new(&visitor, bounds::refused(form, refusal)?)))
        }
    }
}
