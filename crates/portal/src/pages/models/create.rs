//! `/models/new`: a model by hand, where its provider has no list or it is to have another name.

use askama::Template;
use axum::response::Response;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::object::{Model, model_path};
use super::price::{self, PriceField};
use crate::answer::{again, ok, see_other};
use crate::api::{List, Sent};
use crate::form::{Choice, Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::providers::{self, Provider};
use crate::posted::Posted;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 4] = [
    Member { path: "name", kind: Kind::Text },
    Member { path: "aliases", kind: Kind::Lines },
    Member { path: "project", kind: Kind::Wish },
    Member { path: "output_tokens_max", kind: Kind::Number },
];

#[derive(Debug, Template)]
#[template(path = "models/create.html")]
struct CreatePage {
    frame: Frame,
    form: Form,
    providers: Vec<Choice>,
    projects: Vec<Choice>,
    usual: Vec<PriceField>,
    others: Vec<PriceField>,
}

#[derive(Debug, Deserialize)]
struct Project {
    id: String,
    name: String,
}

impl CreatePage {
    async fn new(visitor: &Visitor, form: Form) -> Result<Self, Refusal> {
        let frame = visitor.frame("/models");
        let providers = providers::all(visitor).await?;
        let List::<Project> { data, .. } = visitor.api.get("/v1/projects?limit=200").await?;
        let all = std::iter::once(Choice::new("", frame.t("model-project-all")));
        Ok(Self {
            providers: providers
                .iter()
                .map(|one: &Provider| Choice::new(&one.id, &one.name))
                .collect(),
            projects: all
                .chain(data.into_iter().map(|one| Choice::new(one.id, one.name)))
                .collect(),
            usual: PriceField::usual(),
            others: PriceField::others(),
            frame,
            form,
        })
    }
}

pub(crate) async fn show(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let form = Form::filled([
        ("deployments[0].provider", query.text("provider").to_owned()),
        ("price_is", "listed".to_owned()),
    ]);
    Ok(ok(&CreatePage::new(&visitor, form).await?))
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let (body, once) = (body(&form), form.once());
    let sent = Sent { once: Some(&once), ..Sent::default() };
    match visitor.api.send::<Model>(Method::POST, "/v1/models", &body, sent).await {
        Ok(model) => {
            Ok(see_other(&format!("{}?done=model-added", model_path("show", &model.name))))
        }
        Err(refusal) => Ok(again(&CreatePage::new(&visitor, form.refused(refusal)?).await?)),
    }
}

fn body(form: &Form) -> Map<String, Value> {
    let mut body = form.body(&MEMBERS);
    let mut deployment = Map::new();
    for name in ["provider", "upstream_model"] {
        let typed = form.value(&format!("deployments[0].{name}")).trim();
        if !typed.is_empty() || name == "provider" {
            deployment.insert(name.to_owned(), typed.into());
        }
    }
    body.insert("deployments".to_owned(), json!([deployment]));
    body.insert("price".to_owned(), price::typed(form));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_calls_it_is_left_out_where_that_is_the_same() {
        for (typed, deployment) in [
            ("", json!({"provider": "prv_1"})),
            ("+", json!({"provider": "prv_1"})),
            ("m-1", json!({"provider": "prv_1", "upstream_model": "m-1"})),
        ] {
            let typed = format!(
                "name=m&aliases=&project=&deployments%5B0%5D.provider=prv_1&\
                 deployments%5B0%5D.upstream_model={typed}&price_is=free"
            );
            let body = body(&Form::read(typed.as_bytes()).unwrap());
            let expected =
                json!({"name": "m", "aliases": [], "price": "free", "deployments": [deployment]});
            assert_eq!(Value::Object(body), expected);
        }
    }
}
