//! `/providers/{id}/edit`.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::{Map, Value};

use super::fields::{add_check, has_checks};
use super::object::Provider;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::general_keys::{self, GeneralKey};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 4] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "base_url", kind: Kind::Wish },
    Member { path: "region", kind: Kind::Wish },
    Member { path: "provider_keys", kind: Kind::Choices },
];

#[derive(Debug, Template)]
#[template(path = "providers/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    provider: Provider,
    keys: Vec<GeneralKey>,
}

impl EditPage {
    async fn new(visitor: &Visitor, form: Form, provider: Provider) -> Result<Self, Refusal> {
        let keys = general_keys::all(visitor).await?;
        Ok(Self { frame: visitor.frame("/providers"), form, provider, keys })
    }

    fn has_checks(&self) -> bool {
        self.provider.kind().is_some_and(has_checks)
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let path = format!("/v1/providers/{}", segment(&id));
    let (provider, version) = visitor.api.get_versioned::<Provider>(&path).await?;
    let check = provider.health_check.as_ref();
    let interval = check.map(|check| check.interval_seconds.to_string());
    let mut form = Form::filled([
        ("name", provider.name.clone()),
        ("base_url", provider.base_url.clone().unwrap_or_default()),
        ("region", provider.region.clone().unwrap_or_default()),
        ("health_check.interval_seconds", interval.unwrap_or_default()),
        ("health_check.path", check.and_then(|check| check.path.clone()).unwrap_or_default()),
        ("version", version),
    ]);
    for key in &provider.general_keys {
        form.add("provider_keys", key);
    }
    Ok(ok(&EditPage::new(&visitor, form, provider).await?))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/providers/{}", segment(&id));
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    let done = visitor.api.send::<Provider>(Method::PATCH, &path, &body(&form), sent).await;
    match done {
        Ok(provider) => Ok(see_other(&format!("/providers/{}?done=provider-saved", provider.id))),
        Err(refusal) => {
            let provider = visitor.api.get(&path).await?;
            Ok(again(&EditPage::new(&visitor, form.refused(refusal)?, provider).await?))
        }
    }
}

/// What was typed; nothing about health checks means that there are none.
fn body(form: &Form) -> Map<String, Value> {
    let mut body = form.body(&MEMBERS);
    add_check(&mut body, form);
    body.entry("health_check").or_insert(Value::Null);
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn health_checks_end_where_their_fields_are_emptied() {
        let base = "name=n&base_url=https%3A%2F%2Fa.b&region=&provider_keys=pvk_1";
        let rest = json!({"name": "n", "base_url": "https://a.b", "provider_keys": ["pvk_1"]});
        for (typed, check) in [
            ("&health_check.interval_seconds=&health_check.path=", Value::Null),
            ("&health_check.interval_seconds=30", json!({"interval_seconds": 30})),
            ("&health_check.path=%2Fhealth", json!({"path": "/health"})),
        ] {
            let form = Form::read(format!("{base}{typed}").as_bytes()).unwrap();
            let mut expected = rest.clone();
            expected["health_check"] = check;
            assert_eq!(Value::Object(body(&form)), expected, "{typed}");
        }
    }
}
