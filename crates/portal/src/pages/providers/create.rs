//! `/providers/new`: first which one, then what it needs.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{add_check, has_checks};
use super::preset::{Group, Preset};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Choice, Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::general_keys;
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "base_url", kind: Kind::Wish },
    Member { path: "region", kind: Kind::Wish },
];

const SECRET: [Member; 2] =
    [Member { path: "name", kind: Kind::Text }, Member { path: "value", kind: Kind::Text }];

/// Something that was made.
#[derive(Debug, Deserialize)]
struct Made {
    id: String,
}

#[derive(Debug, Template)]
#[template(path = "providers/presets.html")]
struct PresetsPage {
    frame: Frame,
    groups: [(&'static str, Vec<&'static Preset>); 2],
}

#[derive(Debug, Template)]
#[template(path = "providers/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    preset: &'static Preset,
    keys: Vec<Choice>,
}

impl CreatePage {
    async fn new(visitor: &Visitor, form: Form, preset: &'static Preset) -> Result<Self, Refusal> {
        let frame = visitor.frame("/providers");
        let none = Choice::new("", frame.t("provider-key-none"));
        let known = general_keys::all(visitor).await?;
        let known = known.into_iter().map(|key| Choice::new(key.id, key.name));
        Ok(Self { keys: std::iter::once(none).chain(known).collect(), frame, form, preset })
    }

    fn has_checks(&self) -> bool {
        has_checks(self.preset.kind)
    }
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let Some(preset) = query.get("preset").and_then(Preset::find) else {
        let groups =
            [("presets-sold", Preset::of(Group::Sold)), ("presets-own", Preset::of(Group::Own))];
        return Ok(ok(&PresetsPage { frame: visitor.frame("/providers"), groups }));
    };
    let name = if preset.id == "compatible" { "" } else { preset.id };
    let form = Form::filled([("name", name.to_owned()), ("base_url", preset.base_url.to_owned())]);
    Ok(ok(&CreatePage::new(&visitor, form, preset).await?))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let preset = Preset::find(form.value("preset")).ok_or_else(Refusal::not_found)?;
    match add(&visitor, &form, preset).await {
        Ok(id) => Ok(see_other(&format!("/providers/{id}?done=provider-added"))),
        Err(refusal) => {
            // The secret goes into no page, and what is mended is another form: what was made for this one
            // may be gone again.
            let form = form.without(&["value", "once"]).refused(refusal)?;
            Ok(again(&CreatePage::new(&visitor, form, preset).await?))
        }
    }
}

/// Adds the provider with its key. Where one of them is refused, neither is there.
async fn add(visitor: &Visitor, form: &Form, preset: &Preset) -> Result<String, Refusal> {
    let once = form.once();
    let new_key = new_key(visitor, form, &once).await?;
    let chosen = Some(form.value("provider_key")).filter(|id| !id.is_empty());
    let keys: Vec<Value> = new_key.as_deref().or(chosen).into_iter().map(Value::from).collect();
    let mut body = form.body(&MEMBERS);
    body.insert("kind".to_owned(), preset.kind.as_str().into());
    body.insert("provider_keys".to_owned(), keys.into());
    add_check(&mut body, form);
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let made = visitor.api.send::<Made>(Method::POST, "/v1/providers", &body, sent).await;
    if let (Err(_), Some(id)) = (&made, &new_key) {
        let path = format!("/v1/provider-keys/{id}");
        visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    }
    Ok(made?.id)
}

/// Puts the secret that was typed, if one was, into the vault, under the provider's name.
async fn new_key(visitor: &Visitor, form: &Form, once: &str) -> Result<Option<String>, Refusal> {
    if form.value("value").is_empty() {
        return Ok(None);
    }
    let body: Map<String, Value> = form.body(&SECRET);
    let once = format!("{once}-key");
    let sent = Sent { once: Some(&once), ..Sent::default() };
    let made = visitor.api.send::<Made>(Method::POST, "/v1/provider-keys", &body, sent).await;
    match made {
        Ok(key) => Ok(Some(key.id)),
        Err(mut refusal) => {
            if refusal.status == StatusCode::CONFLICT {
                refusal.why.errors = vec![FieldError::new("value", "wrong-key-name-taken")];
            }
            Err(refusal)
        }
    }
}
