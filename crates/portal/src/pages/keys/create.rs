//! `/keys/new` and `/agent-keys/new`: making a key.

use askama::Template;
use axum::response::Response;
use doorward_domain::scope::Scope;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::created::CreatedPage;
use super::fields::{self, Offer, Purpose, member};
use super::object::NewKey;
use crate::answer::{again, ok};
use crate::api::{List, Sent};
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::{Administrator, Membership, Visitor};

/// What only a new key says.
const MEMBERS: [Member; 3] =
    [member("name", Kind::Text), member("project", Kind::Wish), member("owner", Kind::Wish)];
/// What the project is called that is there from the start.
const DEFAULT: &str = "default";
/// How long a key lives where nobody chose, in days.
const DAYS_USUAL: u64 = 90;
const ACCOUNT: [Member; 1] = [member("project", Kind::Wish)];

/// Whose keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// People's.
    Users,
    /// Those of service accounts.
    Services,
}

#[derive(Debug, Template)]
#[template(path = "keys/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    offer: Offer,
    is_service: bool,
    /// Where a key can belong. One or none: there is nothing to choose.
    projects: Vec<Membership>,
    /// Whose it can be: people for administrators, or service accounts.
    owners: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Account {
    name: String,
}

impl Whose {
    const fn path(self) -> &'static str {
        match self {
            Self::Users => "/keys",
            Self::Services => "/agent-keys",
        }
    }
}

impl CreatePage {
    async fn new(visitor: &Visitor, mut form: Form, whose: Whose) -> Self {
        let is_admin = visitor.me.is_admin();
        let is_service = whose == Whose::Services;
        let offer = Offer::load(visitor, &form).await;
        fields::tick_models(&mut form, &offer.models);
        if form.value("ends").is_empty() {
            let usual = offer.days.iter().rev().find(|days| **days <= DAYS_USUAL);
            form.set("ends", usual.map(u64::to_string).unwrap_or_default());
        }
        // What cannot be listed can still be typed, or is left to the API.
        let projects = if is_admin {
            all::<Membership>(visitor, "projects").await
        } else {
            own_projects(visitor)
        };
        let owners = match whose {
            Whose::Services => all::<Named>(visitor, "service-accounts").await,
            Whose::Users if is_admin => all::<Named>(visitor, "users").await,
            Whose::Users => Vec::new(),
        };
        Self {
            frame: visitor.frame(whose.path()),
            form,
            offer,
            is_service,
            projects,
            owners: owners.into_iter().map(|owner| owner.name).collect(),
        }
    }

    fn list_title(&self) -> &'static str {
        if self.is_service { "agent-keys-title" } else { "keys-title" }
    }

    fn here(&self) -> &'static str {
        if self.is_service { Whose::Services.path() } else { Whose::Users.path() }
    }
}

/// Those that the visitor is in, and the default one, in which everybody may have keys.
fn own_projects(visitor: &Visitor) -> Vec<Membership> {
    let mut projects = visitor.me.projects.clone();
    if projects.iter().all(|project| project.name != DEFAULT) {
        projects.insert(0, Membership { id: String::new(), name: DEFAULT.to_owned() });
    }
    projects
}

/// As many as a list has on one page.
async fn all<T: for<'de> Deserialize<'de>>(visitor: &Visitor, noun: &str) -> Vec<T> {
    let list = visitor.api.get::<List<T>>(&format!("/v1/{noun}?limit=200")).await;
    list.map(|list| list.data).unwrap_or_default()
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    if !visitor.me.may_make_keys() {
        return Err(Refusal::forbidden());
    }
    Ok(fresh(&visitor, &query, Whose::Users).await)
}

pub(crate) async fn show_service(Administrator(visitor): Administrator, query: Query) -> Response {
    fresh(&visitor, &query, Whose::Services).await
}

async fn fresh(visitor: &Visitor, query: &Query, whose: Whose) -> Response {
    let mut form = Form::filled([
        ("name", query.text("name").to_owned()),
        ("owner", query.text("owner").to_owned()),
        ("budgets[0].period", "month".to_owned()),
        ("budgets[1].period", "day".to_owned()),
        ("budgets[2].period", "total".to_owned()),
    ]);
    for scope in [Scope::InferenceRead, Scope::InferenceWrite] {
        form.add("scopes", scope.as_str());
    }
    ok(&CreatePage::new(visitor, form, whose).await)
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    make(&visitor, form, Whose::Users).await
}

pub(crate) async fn act_service(Posted { visitor, mut form }: Posted) -> Result<Response, Refusal> {
    form.set("service", "yes");
    if form.value("owner").is_empty() {
        match make_account(&visitor, &form).await {
            Ok(account) => form.set("owner", account.name),
            Err(refusal) => {
                let form = form.refused(refusal)?;
                let form = form.renamed(|field| (field == "name").then(|| "account".to_owned()));
                return Ok(again(&CreatePage::new(&visitor, form, Whose::Services).await));
            }
        }
    }
    make(&visitor, form, Whose::Services).await
}

/// The account that the key is made along with. The same form sent again finds it made already.
async fn make_account(visitor: &Visitor, form: &Form) -> Result<Account, Refusal> {
    let mut body = form.body(&ACCOUNT);
    let name = match form.value("account").trim() {
        "" => form.value("name"),
        named => named,
    };
    body.insert("name".to_owned(), name.into());
    let once = format!("{}-account", form.once());
    let sent = Sent { once: Some(&once), ..Sent::default() };
    visitor.api.send(Method::POST, "/v1/service-accounts", &body, sent).await
}

async fn make(visitor: &Visitor, form: Form, whose: Whose) -> Result<Response, Refusal> {
    let body = match body(visitor, &form, whose) {
        Ok(body) => body,
        Err(wrong) => {
            return Ok(again(&CreatePage::new(visitor, form.wrong(wrong), whose).await));
        }
    };
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<NewKey>(Method::POST, "/v1/api-keys", &body, sent).await {
        Ok(key) => Ok(ok(&CreatedPage::new(visitor, key).await)),
        Err(refusal) => {
            let form = fields::refused(form, refusal)?;
            Ok(again(&CreatePage::new(visitor, form, whose).await))
        }
    }
}

/// The body; or what is wrong with a field of it.
fn body(visitor: &Visitor, form: &Form, whose: Whose) -> Result<Map<String, Value>, FieldError> {
    let mut body = fields::body(form, Purpose::Make)?;
    body.extend(form.body(&MEMBERS));
    if whose == Whose::Services {
        body.insert("kind".to_owned(), "service".into());
        // The project is the account's.
        body.remove("project");
    } else if body.contains_key("owner") {
        body.insert("kind".to_owned(), "user".into());
    }
    match fields::lockout(visitor, form, None) {
        Some(wrong) => Err(wrong),
        None => Ok(body),
    }
}
