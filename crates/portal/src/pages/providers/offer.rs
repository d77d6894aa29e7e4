//! `/providers/{id}/offer`: the models that a provider has, and those of them that are to be called here.

use std::collections::HashMap;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use doorward_domain::usage::Kind;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::object::Provider;
use crate::answer::{again, ok, see_other};
use crate::api::{List, Sent};
use crate::form::{Choice, Form};
use crate::frame::Frame;
use crate::pages::models::{ListedPrice, Model};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::text::text;
use crate::visitor::Visitor;

/// Models that a page shows; a search finds the others.
const SHOWN_MAX: usize = 200;

/// What came back when the provider was asked.
#[derive(Debug, Deserialize)]
struct Offer {
    works: bool,
    detail: String,
    models: Vec<Offered>,
}

/// A model that the provider has.
#[derive(Debug, Deserialize)]
struct Offered {
    name: String,
    listed_price: Option<ListedPrice>,
    /// What it costs where it is sold, where the table has nothing for this provider.
    usual_price: Option<ListedPrice>,
}

/// What is looked at of a model that was added.
#[derive(Debug, Deserialize)]
struct Added {}

#[derive(Debug, Template)]
#[template(path = "providers/offer.html")]
struct OfferPage {
    frame: Frame,
    form: Form,
    provider: Provider,
    offer: Offer,
    /// What the provider serves already: its name of each, and ours.
    served: HashMap<String, String>,
    /// What could not be added, and why.
    wrong: Vec<Choice>,
}

impl OfferPage {
    async fn new(
        visitor: &Visitor,
        form: Form,
        provider: Provider,
        wrong: Vec<Choice>,
    ) -> Result<Self, Refusal> {
        let path = format!("/v1/providers/{}/test", provider.id);
        let body = Map::new();
        let offer = visitor.api.send(Method::POST, &path, &body, Sent::default()).await?;
        let served = served(visitor, &provider).await?;
        Ok(Self { frame: visitor.frame("/providers"), form, provider, offer, served, wrong })
    }

    /// Those that fit the search.
    fn fitting(&self) -> Vec<&Offered> {
        let wanted = self.form.value("q").trim().to_lowercase();
        let fits = |model: &&Offered| model.name.to_lowercase().contains(&wanted);
        self.offer.models.iter().filter(fits).collect()
    }

    fn shown(&self) -> Vec<&Offered> {
        self.fitting().into_iter().take(SHOWN_MAX).collect()
    }

    /// How many more fit than are shown.
    fn hidden(&self) -> usize {
        self.fitting().len().saturating_sub(SHOWN_MAX)
    }

    fn served_as(&self, name: &str) -> Option<&String> {
        self.served.get(name)
    }

    /// Whether a model without a listed price is meant to be free: where somebody here runs it and nobody
    /// sells it, until they say otherwise. What passes calls on may stand here too, and is paid for.
    fn is_free(&self, model: &Offered) -> bool {
        if self.is_said(model) {
            return self.form.has("free", &model.name);
        }
        self.provider.is_own() && model.usual_price.is_none()
    }

    /// What is in the field of a price: what was typed, else what it costs where it is sold.
    fn price(&self, kind: Kind, model: &Offered) -> String {
        if self.is_said(model) {
            return self.form.value(&format!("{} {}", kind.name(), model.name)).to_owned();
        }
        let usual = model.usual_price.as_ref().and_then(|price| price.rates.get(kind));
        usual.map(|price| price.to_string()).unwrap_or_default()
    }

    fn input(&self, model: &Offered) -> String {
        self.price(Kind::Input, model)
    }

    fn output(&self, model: &Offered) -> String {
        self.price(Kind::Output, model)
    }

    /// Whether the form that came was of this model too.
    fn is_said(&self, model: &Offered) -> bool {
        self.form.value("act") == "add" && self.form.has("models", &model.name)
    }

    fn wrong_with(&self, name: &str) -> &str {
        let found = self.wrong.iter().find(|wrong| wrong.value == name);
        found.map(|wrong| wrong.text.as_str()).unwrap_or_default()
    }
}

/// What a provider serves now, by its own names.
async fn served(
    visitor: &Visitor,
    provider: &Provider,
) -> Result<HashMap<String, String>, Refusal> {
    let path = format!("/v1/models?view=routes&limit=200&provider={}", provider.id);
    let List::<Model> { data, .. } = visitor.api.get(&path).await?;
    let all = data.into_iter().flat_map(|model| {
        let own = model.deployments.into_iter().filter(|one| one.provider == provider.id);
        own.map(move |one| (one.upstream_model, model.name.clone()))
    });
    Ok(all.collect())
}

/// Whoever comes back to the page asks anew from the provider's.
pub(crate) async fn back(_: Visitor, Path(id): Path<String>) -> Response {
    see_other(&format!("/providers/{}", segment(&id)))
}

/// Asks the provider what it has; or adds what was chosen of that.
pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let provider: Provider = visitor.api.get(&format!("/v1/providers/{}", segment(&id))).await?;
    if form.value("act") != "add" {
        return Ok(ok(&OfferPage::new(&visitor, form, provider, Vec::new()).await?));
    }
    let mut wrong = Vec::new();
    let mut is_any = false;
    for name in form.all("models").take(SHOWN_MAX) {
        is_any = true;
        match add(&visitor, &form, &provider, name).await {
            Ok(Added {}) => {}
            Err(refusal) if refusal.is_of_form() => wrong.push(Choice::new(name, words(refusal))),
            Err(refusal) => return Err(refusal),
        }
    }
    if is_any && wrong.is_empty() {
        return Ok(see_other(&format!("/models?provider={}&done=models-added", provider.id)));
    }
    Ok(again(&OfferPage::new(&visitor, form, provider, wrong).await?))
}

async fn add(
    visitor: &Visitor,
    form: &Form,
    provider: &Provider,
    name: &str,
) -> Result<Added, Refusal> {
    let body = body(form, provider, name);
    visitor.api.send(Method::POST, "/v1/models", &body, Sent::default()).await
}

/// A model under the provider's own name for it.
fn body(form: &Form, provider: &Provider, name: &str) -> Map<String, Value> {
    let typed = |what: &str| form.value(&format!("{what} {name}")).trim().to_owned();
    let (input, output) = (typed("input"), typed("output"));
    let price = if form.has("free", name) {
        json!("free")
    } else if input.is_empty() && output.is_empty() {
        json!("listed")
    } else {
        json!({"input": input, "output": output})
    };
    let deployment = json!({"provider": provider.id, "upstream_model": name});
    Map::from_iter([
        ("name".to_owned(), name.into()),
        ("price".to_owned(), price),
        ("deployments".to_owned(), json!([deployment])),
    ])
}

fn words(refusal: Refusal) -> String {
    if refusal.status == StatusCode::CONFLICT {
        return text("offer-name-taken");
    }
    let is_unpriced = refusal.why.code == "model_not_priced";
    let details: Vec<_> = refusal.why.errors.into_iter().map(|error| error.detail).collect();
    match details.join("; ") {
        _ if is_unpriced => text("offer-unpriced"),
        none if none.is_empty() => refusal.why.detail,
        some => some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn provider() -> Provider {
        serde_json::from_value(json!({
            "id": "prv_1", "name": "p", "kind": "openai-compatible", "base_url": "https://a.b",
            "region": null, "provider_keys": [], "health_check": null,
            "created_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    /// The row of one model of a page.
    fn row<'a>(page: &'a str, name: &str) -> &'a str {
        page.split("<tr>").find(|row| row.contains(&format!("value=\"{name}\""))).unwrap()
    }

    #[tokio::test]
    async fn only_what_runs_here_and_nobody_sells_is_free_beforehand() {
        let usual = json!({
            "rates": {"input": "1.25", "output": "10.00"}, "tiers": [], "context_window": null,
        });
        let offer = json!({"works": true, "detail": "", "models": [
            {"name": "gpt-5.1", "listed_price": null, "usual_price": usual},
            {"name": "house", "listed_price": null, "usual_price": null},
        ]});
        for (base_url, is_free) in [("http://127.0.0.1:8000/v1", true), ("https://a.com/v1", false)]
        {
            let mut provider = json!({
                "id": "prv_1", "name": "p", "kind": "openai-compatible", "region": null,
                "provider_keys": [], "health_check": null, "created_at": "2026-01-01T00:00:00Z",
            });
            provider["base_url"] = base_url.into();
            let portal = Fake::new(
                "admin",
                &[
                    ("GET /v1/providers/prv_1", 200, provider),
                    ("POST /v1/providers/prv_1/test", 200, offer.clone()),
                    (
                        "GET /v1/models?view=routes&limit=200&provider=prv_1",
                        200,
                        json!({"data": [], "next": null}),
                    ),
                ],
            );
            let page = portal.post("/providers/prv_1/offer", "").await.text;
            let sold = row(&page, "gpt-5.1");
            assert!(!sold.contains("checked"), "{sold}");
            assert!(sold.contains("value=\"1.25\"") && sold.contains("value=\"10.00\""), "{sold}");
            let house = row(&page, "house");
            assert_eq!(house.contains("checked"), is_free, "{base_url} {house}");
        }
    }

    #[test]
    fn a_chosen_model_has_the_price_that_was_typed_for_it() {
        for (typed, price) in [
            ("", json!("listed")),
            ("free=m", json!("free")),
            ("free=other", json!("listed")),
            ("input+m=0.1&output+m=", json!({"input": "0.1", "output": ""})),
            ("input+m=1&output+m=+2+&input+other=9", json!({"input": "1", "output": "2"})),
            ("free=m&input+m=1&output+m=2", json!("free")),
        ] {
            let form = Form::read(typed.as_bytes()).unwrap();
            let body = body(&form, &provider(), "m");
            assert_eq!(body["price"], price, "{typed}");
            let deployment = json!([{"provider": "prv_1", "upstream_model": "m"}]);
            assert_eq!((&body["name"], &body["deployments"]), (&json!("m"), &deployment));
        }
    }
}
