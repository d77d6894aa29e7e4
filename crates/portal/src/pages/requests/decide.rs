//! `/requests/{id}`: granting as asked or otherwise, declining, taking back.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use doorward_domain::budget::Amount;
use http::Method;
use serde_json::{Map, Value};

use super::Increase;
use super::ask::{Figure, figures, raise, refused, same};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::keys::object::{Key, limits_of};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const GRANT: [Member; 2] = [
    Member { path: "ends_in_days", kind: Kind::Number },
    Member { path: "note", kind: Kind::Wish },
];
const DECLINE: [Member; 1] = [Member { path: "note", kind: Kind::Wish }];
/// How long it may hold, in days.
pub(super) const DAYS: [usize; 4] = [1, 7, 30, 90];
/// How long it holds where nobody says otherwise: what is meant for good is chosen.
pub(super) const DAYS_DEFAULT: usize = 30;

#[derive(Debug, Template)]
#[template(path = "requests/show.html")]
struct ShowPage {
    frame: Frame,
    form: Form,
    request: Increase,
    /// What can be raised; empty where the key is gone.
    figures: Vec<Figure>,
}

impl ShowPage {
    fn new(visitor: &Visitor, request: Increase, key: Option<&Key>, form: Form) -> Self {
        let figures = key.map(figures).unwrap_or_default();
        Self { frame: visitor.frame("/requests"), form, request, figures }
    }

    /// Whether the visitor asked for it, or for whoever did.
    fn may_decide(&self) -> bool {
        self.request.is_open() && self.frame.is_admin()
    }
}

fn path(id: &str) -> String {
    format!("/v1/limit-increases/{}", segment(id))
}

/// The key that it is about, if it is about one that is there.
async fn key(visitor: &Visitor, request: &Increase) -> Option<Key> {
    if !request.is_of_key() {
        return None;
    }
    let path = format!("/v1/api-keys/{}", segment(&request.subject));
    visitor.api.get::<Key>(&path).await.ok()
}

/// The form as it was asked for.
fn asked(request: &Increase, key: Option<&Key>) -> Form {
    let mut form = Form::default();
    for (name, limit) in limits_of(&request.asked.limits) {
        let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
        form.add(&format!("limits.{name}"), limit);
    }
    for (at, own) in key.iter().flat_map(|key| key.budgets.iter().enumerate()) {
        let amount = same(&request.asked.budgets, own).map(|one| match one.amount {
            Amount::Usd(usd) => usd.to_string(),
            Amount::Tokens(tokens) => tokens.to_string(),
        });
        form.add(&format!("budgets[{at}]"), amount.unwrap_or_default());
    }
    form
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let request = visitor.api.get::<Increase>(&format!("{}?names=true", path(&id))).await?;
    let key = key(&visitor, &request).await;
    let mut form = asked(&request, key.as_ref());
    form.add("ends_in_days", DAYS_DEFAULT.to_string());
    Ok(ok(&ShowPage::new(&visitor, request, key.as_ref(), form)))
}

/// Grants, declines or takes back, as the button says that sent the form. A form without figures grants what
/// was asked for.
pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let request = visitor.api.get::<Increase>(&format!("{}?names=true", path(&id))).await?;
    let (act, members, done): (_, &[Member], _) = match form.value("act") {
        "grant" => ("grant", &GRANT, "increase-granted"),
        "decline" => ("decline", &DECLINE, "increase-declined"),
        "withdraw" => ("withdraw", &[], "increase-withdrawn"),
        _ => return Err(Refusal::stale_form()),
    };
    let mut body = form.body(members);
    let mut places = Vec::new();
    if act == "grant" && !form.value("figures").is_empty() {
        let figures: Map<String, Value>;
        let key = key(&visitor, &request).await.ok_or_else(Refusal::not_found)?;
        (figures, places) = raise(&form, &key);
        body.extend(figures);
    }
    let body = (act != "withdraw").then_some(&body);
    let path = format!("{}/{act}", path(&id));
    match visitor.api.act(Method::POST, &path, body, Sent::default()).await {
        Ok(()) => Ok(see_other(&format!("/requests?done={done}"))),
        Err(refusal) => {
            let mut form = refused(form, refusal, &places)?;
            let key = key(&visitor, &request).await;
            if form.value("figures").is_empty() {
                form.fill(asked(&request, key.as_ref()));
            }
            Ok(again(&ShowPage::new(&visitor, request, key.as_ref(), form)))
        }
    }
}
