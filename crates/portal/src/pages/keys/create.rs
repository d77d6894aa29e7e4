//! `/keys/new` and `/agent-keys/new`: making a key.

use askama::Template;
use axum::response::Response;
use doorward_domain::scope::Scope;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::created::CreatedPage;
use super::fields::{self, Offer, Purpose, member};
use super::object::{Key, NewKey};
use super::show::find;
use crate::answer::{again, ok};
use crate::api::{List, Sent};
use crate::form::{Choice, Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::{FieldError, Refusal};
use crate::text::{text, text_with};
use crate::visitor::{Membership, Visitor};

/// What only a new key says.
const MEMBERS: [Member; 3] =
    [member("name", Kind::Text), member("project", Kind::Wish), member("owner", Kind::Wish)];
/// What the project is called that is there from the start.
const DEFAULT: &str = "default";
/// How long a key lives where nobody chose, in days.
const DAYS_USUAL: u64 = 90;
const NAMED: &str = "required maxlength=\"80\" autocomplete=\"off\"";
const NAMED_FIRST: &str = "required maxlength=\"80\" autocomplete=\"off\" autofocus";
/// What the API calls the account that a key is made along with.
const ACCOUNT: &str = "new_service_account";

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
    owners: Vec<Choice>,
    /// Whether there are others, who can be typed.
    has_more_owners: bool,
}

/// Somebody whose key it can be.
#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

impl Whose {
    const fn path(self) -> &'static str {
        match self {
            Self::Users => "/keys",
            Self::Services => "/agent-keys",
        }
    }

    /// Owners to choose from, the one that is meant where nobody chooses first.
    fn choices(self, visitor: &Visitor, owners: Vec<Named>) -> Vec<Choice> {
        let unsaid = match self {
            Self::Users => text_with("key-owner-self", "name", visitor.me.name.as_str()),
            Self::Services => text("service-account-along"),
        };
        let others = owners.into_iter().filter(|owner| owner.id != visitor.me.id);
        let others = others.map(|owner| Choice::new(owner.id, owner.name));
        [Choice::new("", unsaid)].into_iter().chain(others).collect()
    }
}

impl CreatePage {
    async fn new(visitor: &Visitor, mut form: Form, whose: Whose) -> Self {
        let is_admin = visitor.me.is_admin();
        let is_service = whose == Whose::Services;
        // What cannot be listed can still be typed, or is left to the API.
        let projects = async {
            if is_admin {
                all::<Membership>(visitor, "/v1/projects?limit=200").await.data
            } else {
                own_projects(visitor)
            }
        };
        let owners = async {
            match whose {
                Whose::Services => all::<Named>(visitor, "/v1/service-accounts?limit=200").await,
                Whose::Users if is_admin => {
                    all::<Named>(visitor, "/v1/users?limit=200&presence=false").await
                }
                Whose::Users => List { data: Vec::new(), next: None },
            }
        };
        let (mut offer, projects, owners) =
            tokio::join!(Offer::load(visitor, &form), projects, owners);
        fields::tick_models(&mut form, &offer.models);
        offer.ask_about(visitor, &form, None);
        if form.value("ends").is_empty() {
            let usual = offer.days.iter().rev().find(|days| **days <= DAYS_USUAL);
            form.set("ends", usual.map(u64::to_string).unwrap_or_default());
        }
        // A link names them as people do.
        let named = owners.data.iter().find(|owner| owner.name == form.value("owner"));
        if let Some(owner) = named {
            form.set("owner", owner.id.as_str());
        }
        Self {
            frame: visitor.frame(whose.path()),
            form,
            offer,
            is_service,
            projects,
            has_more_owners: owners.next.is_some(),
            owners: whose.choices(visitor, owners.data),
        }
    }

    /// Where one more row was asked for, that row is where typing goes on.
    const fn name_attributes(&self) -> &'static str {
        if self.offer.has_more_rows { NAMED } else { NAMED_FIRST }
    }

    fn title(&self) -> &'static str {
        if self.is_service { "agent-key-create" } else { "key-create" }
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
async fn all<T: for<'de> Deserialize<'de>>(visitor: &Visitor, path: &str) -> List<T> {
    let list = visitor.api.get::<List<T>>(path).await;
    list.unwrap_or(List { data: Vec::new(), next: None })
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    fresh(&visitor, &query, Whose::Users).await
}

pub(crate) async fn show_service(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    fresh(&visitor, &query, Whose::Services).await
}

async fn fresh(visitor: &Visitor, query: &Query, whose: Whose) -> Result<Response, Refusal> {
    visitor.refuse_who_makes_no_keys()?;
    let form = match query.get("like") {
        Some(id) => like(&find(visitor, id).await?),
        None => empty(query),
    };
    Ok(ok(&CreatePage::new(visitor, form, whose).await))
}

/// The form of a key like one that is there, whose end is chosen anew.
fn like(key: &Key) -> Form {
    let mut form = fields::filled(key).without(&["ends"]);
    form.add("name", &*key.name);
    form.add("owner", &*key.owner);
    form.add("project", &*key.project);
    form
}

fn empty(query: &Query) -> Form {
    let mut form = Form::filled([
        ("name", query.text("name").to_owned()),
        ("owner", query.text("owner").to_owned()),
    ]);
    for scope in [Scope::InferenceRead, Scope::InferenceWrite] {
        form.add("scopes", scope.as_str());
    }
    form
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    if fields::wants_row(&form) {
        return Ok(ok(&CreatePage::new(&visitor, form, Whose::Users).await));
    }
    make(&visitor, form, Whose::Users).await
}

pub(crate) async fn act_service(Posted { visitor, mut form }: Posted) -> Result<Response, Refusal> {
    if fields::wants_row(&form) {
        return Ok(ok(&CreatePage::new(&visitor, form, Whose::Services).await));
    }
    form.set("service", "yes");
    make(&visitor, form, Whose::Services).await
}

async fn make(visitor: &Visitor, form: Form, whose: Whose) -> Result<Response, Refusal> {
    let body = match body(visitor, &form, whose) {
        Ok(body) => body,
        Err(wrong) => {
            let form = fields::with_unread(form.wrong(wrong));
            return Ok(again(&CreatePage::new(visitor, form, whose).await));
        }
    };
    let once = form.once();
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<NewKey>(Method::POST, "/v1/api-keys", &body, sent).await {
        Ok(key) => Ok(ok(&CreatedPage::new(visitor, key).await)),
        Err(refusal) => {
            let form = fields::refused(form, refusal)?;
            let form =
                form.renamed(|field| field.starts_with(ACCOUNT).then(|| "account".to_owned()));
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
        if body.contains_key("owner") {
            // The project is the account's.
            body.remove("project");
        } else {
            body.insert(ACCOUNT.to_owned(), new_account(form));
        }
    } else if body.contains_key("owner") {
        body.insert("kind".to_owned(), "user".into());
    }
    match fields::lockout(visitor, form, None) {
        Some(wrong) => Err(wrong),
        None => Ok(body),
    }
}

/// The account that is made along with the key; it is called as the key is, where it has no name of its own.
fn new_account(form: &Form) -> Value {
    match form.value("account").trim() {
        "" => json!({ "name": form.value("name") }),
        named => json!({ "name": named }),
    }
}
