//! `/service-accounts/new` and `/service-accounts/{id}`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::Account;
use crate::answer::{again, ok, see_other};
use crate::api::{List, Sent};
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::names::Names;
use crate::pages::keys::object::Key;
use crate::posted::Posted;
use crate::query::{segment, with_query};
use crate::refusal::Refusal;
use crate::visitor::{Membership, Visitor};

const MEMBERS: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "description", kind: Kind::Text }];
const PROJECT: [Member; 1] = [Member { path: "project", kind: Kind::Wish }];

#[derive(Debug, Template)]
#[template(path = "service_accounts/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    projects: Vec<Membership>,
}

#[derive(Debug, Template)]
#[template(path = "service_accounts/show.html")]
struct ShowPage {
    frame: Frame,
    form: Form,
    names: Names,
    account: Account,
    keys: Vec<Key>,
}

impl CreatePage {
    async fn new(visitor: &Visitor, form: Form) -> Self {
        let projects = visitor.api.get::<List<Membership>>("/v1/projects?limit=200").await;
        let projects = projects.map(|list| list.data).unwrap_or_default();
        Self { frame: visitor.frame("/service-accounts"), form, projects }
    }
}

impl ShowPage {
    async fn new(visitor: &Visitor, account: Account, form: Form) -> Self {
        let names = Names::of(visitor, [account.project.as_str()].into_iter()).await;
        let path = format!("/v1/api-keys?owner={}&limit=50", segment(&account.id));
        let keys = visitor.api.get::<List<Key>>(&path).await;
        let keys = keys.map(|list| list.data).unwrap_or_default();
        Self { frame: visitor.frame("/service-accounts"), form, names, account, keys }
    }

    /// Where it gets a key.
    fn key_path(&self) -> String {
        with_query("/agent-keys/new", [("owner", self.account.name.as_str())].into_iter())
    }
}

fn path(id: &str) -> String {
    format!("/v1/service-accounts/{}", segment(id))
}

pub(crate) async fn new(visitor: Visitor) -> Response {
    ok(&CreatePage::new(&visitor, Form::default()).await)
}

pub(crate) async fn create(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let mut body = form.body(&MEMBERS);
    body.extend(form.body(&PROJECT));
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<Account>(Method::POST, "/v1/service-accounts", &body, sent).await {
        Ok(made) => {
            let id = segment(&made.id);
            Ok(see_other(&format!("/service-accounts/{id}?done=service-account-made")))
        }
        Err(refusal) => Ok(again(&CreatePage::new(&visitor, form.refused(refusal)?).await)),
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (account, version) = visitor.api.get_versioned::<Account>(&path(&id)).await?;
    let form = Form::filled([
        ("name", account.name.clone()),
        ("description", account.description.clone()),
        ("version", version),
    ]);
    Ok(ok(&ShowPage::new(&visitor, account, form).await))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let version = form.value("version").to_owned();
    let sent = Sent { version: Some(&version), ..Sent::default() };
    let body = form.body(&MEMBERS);
    match visitor.api.act(Method::PATCH, &path(&id), Some(&body), sent).await {
        Ok(()) => {
            let id = segment(&id);
            Ok(see_other(&format!("/service-accounts/{id}?done=service-account-edited")))
        }
        Err(refusal) => {
            let form = form.refused(refusal)?;
            let account = visitor.api.get::<Account>(&path(&id)).await?;
            Ok(again(&ShowPage::new(&visitor, account, form).await))
        }
    }
}
