//! `POST /settings`. Where a cap is set that keys outlive, it is told which, before anything is done.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::object::{Outliving, Settings};
use super::show::ShowPage;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const CAP: &str = "auth-token-max-ttl-minutes";

/// What is asked before a cap is set that keys outlive.
#[derive(Debug, Template)]
#[template(path = "settings/outliving.html")]
struct OutlivingPage {
    frame: Frame,
    form: Form,
    /// What is changed, as it was typed.
    changes: Vec<(String, String)>,
    all: usize,
    /// Those that live longest.
    keys: Vec<Named>,
}

impl OutlivingPage {
    const fn count(&self) -> usize {
        self.all
    }

    /// How many are not named.
    fn more(&self) -> usize {
        self.all.saturating_sub(self.keys.len())
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    name: String,
    fingerprint: String,
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let settings: Settings = visitor.api.get("/v1/settings").await?;
    let changes = changes(&form, &settings);
    if changes.is_empty() {
        return Ok(see_other("/settings?done=settings-saved"));
    }
    match send(&visitor, &form, changes).await {
        Ok(None) => Ok(see_other("/settings?done=settings-saved")),
        Ok(Some(outliving)) => Ok(ok(&outliving_page(&visitor, form, &settings, outliving).await?)),
        Err(refusal) => {
            let form = form.refused(refusal)?;
            Ok(again(&ShowPage::new(&visitor, form, settings).await?))
        }
    }
}

/// Changes settings; where that is not done, because keys outlive the cap and nobody has said yet that it
/// shall be so, those keys.
async fn send(
    visitor: &Visitor,
    form: &Form,
    changes: Map<String, Value>,
) -> Result<Option<Outliving>, Refusal> {
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    if changes.contains_key(CAP) && form.value("sure") != form.value(CAP) {
        let path = "/v1/settings?preview=true";
        let tried: Settings = visitor.api.send(Method::PATCH, path, &changes, sent).await?;
        if let Some(outliving) = tried.keys_outliving_cap.filter(|keys| keys.count > 0) {
            return Ok(Some(outliving));
        }
    }
    let _: Settings = visitor.api.send(Method::PATCH, "/v1/settings", &changes, sent).await?;
    Ok(None)
}

/// What was typed that is not so already. A setting that the form does not have stays.
fn changes(form: &Form, settings: &Settings) -> Map<String, Value> {
    let mut changes = Map::new();
    for setting in &settings.data {
        let Some(typed) = form.all(&setting.name).next().map(str::trim) else { continue };
        if typed != setting.text() {
            changes.insert(setting.name.clone(), setting.value_of(typed));
        }
    }
    changes
}

async fn outliving_page(
    visitor: &Visitor,
    form: Form,
    settings: &Settings,
    outliving: Outliving,
) -> Result<OutlivingPage, Refusal> {
    let mut keys = Vec::new();
    for id in &outliving.first {
        keys.push(visitor.api.get(&format!("/v1/api-keys/{}", segment(id))).await?);
    }
    let changed = changes(&form, settings);
    let typed = changed.keys().map(|name| (name.clone(), form.value(name).to_owned()));
    Ok(OutlivingPage {
        frame: visitor.frame("/settings"),
        changes: typed.collect(),
        all: outliving.count,
        form,
        keys,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Asked, Fake, session};

    fn settings() -> Settings {
        let of = |name: &str, value: Value| {
            json!({
                "name": name, "value": value, "default": 90, "help": ".", "lowered_by": "admin",
                "min": 0, "max": 99,
            })
        };
        let data = [of("a", json!(1)), of("b", json!([30, 7])), of("c", json!(""))];
        serde_json::from_value(json!({ "data": data })).unwrap()
    }

    #[test]
    #[rustfmt::skip]
    fn only_what_was_changed_is_said() {
        for (typed, expected) in [
            ("a=1&b=30, 7&c=",    json!({})),
            ("a= 1 ",             json!({})),
            ("",                  json!({})),
            ("a=2&b=30, 7&c=x",   json!({"a": 2, "c": "x"})),
            ("a=&b=none",         json!({"a": null, "b": "none"})),
            ("a=one&other=1",     json!({"a": "one"})),
        ] {
            let form = Form::read(typed.as_bytes()).unwrap();
            assert_eq!(Value::Object(changes(&form, &settings())), expected, "{typed}");
        }
    }

    fn cap(count: u32) -> Value {
        let setting = json!({
            "name": CAP, "value": 129_600, "default": 129_600, "help": ".", "lowered_by": "admin",
            "min": 0, "max": 999_999, "unit": "minutes",
        });
        let keys = json!({ "count": count, "first": ["dw_long"] });
        json!({ "data": [setting], "keys_outliving_cap": keys })
    }

    fn lowered(what: &str) -> Asked {
        let body = json!({ "auth-token-max-ttl-minutes": 60 });
        let (version, credential) =
            (Some("\"7\"".to_owned()), Some(format!("Bearer {}", session(1))));
        Asked { what: what.to_owned(), credential, version, body }
    }

    const TYPED: &str = "version=%227%22&auth-token-max-ttl-minutes=60";

    #[tokio::test]
    async fn a_cap_that_keys_outlive_is_set_only_when_that_was_said() {
        let key = json!({ "id": "dw_long", "name": "nightly", "fingerprint": "dw_long…abcd" });
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/settings", 200, cap(0)),
                ("PATCH /v1/settings?preview=true", 200, cap(3)),
                ("PATCH /v1/settings", 200, cap(3)),
                ("GET /v1/api-keys/dw_long", 200, key),
            ],
        );
        let asked = portal.post("/settings", TYPED).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        for words in ["3 keys live longer", "nightly", "And 2 more.", "name=\"sure\" value=\"60\""]
        {
            assert!(asked.text.contains(words), "{words}: {}", asked.text);
        }
        assert_eq!(portal.changes(), [lowered("PATCH /v1/settings?preview=true")]);
        let done = portal.post("/settings", &format!("{TYPED}&sure=60")).await;
        assert_eq!(done.location, "/settings?done=settings-saved");
        assert_eq!(portal.changes()[1..], [lowered("PATCH /v1/settings")]);
    }

    #[tokio::test]
    async fn a_cap_that_no_key_outlives_is_set_at_once() {
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/settings", 200, cap(0)),
                ("PATCH /v1/settings?preview=true", 200, cap(0)),
                ("PATCH /v1/settings", 200, cap(0)),
            ],
        );
        let done = portal.post("/settings", TYPED).await;
        assert_eq!(done.location, "/settings?done=settings-saved");
        assert_eq!(portal.changes().len(), 2);
    }

    #[tokio::test]
    async fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
        let detail = "must be a whole number from 0 to 52560000";
        let problem = json!({
            "code": "invalid_request", "detail": "no",
            "errors": [{ "field": CAP, "detail": detail, "code": "invalid" }],
        });
        let organization = json!({ "name": "acme", "limits": {}, "budgets": [], "spent": [], "sends_mail": false, "mails_lead_to": null });
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/settings", 200, cap(0)),
                ("PATCH /v1/settings?preview=true", 400, problem),
                ("GET /v1/organization", 200, organization),
            ],
        );
        let again = portal.post("/settings", "auth-token-max-ttl-minutes=%3Cb%3E").await;
        assert_eq!(again.status, 422);
        let field = format!("id=\"{CAP}-wrong\">{detail}");
        assert!(again.text.contains(&field), "{}", again.text);
        assert!(again.text.contains("value=\"&#60;b&#62;\""), "{}", again.text);
    }
}
