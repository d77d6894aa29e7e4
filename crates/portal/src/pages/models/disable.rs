//! `/models/disable/{name}?deployment=…`: what is asked before the calls of a deployment are ended.

use axum::extract::Path;
use axum::response::Response;
use doorward_domain::catalog::DeploymentState;
use http::Method;

use super::delete::calls;
use super::object::{Deployment, Model, api_path, model_path};
use super::state::body;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::pages::providers;
use crate::posted::Posted;
use crate::query::{Query, with_query};
use crate::question::Question;
use crate::refusal::Refusal;
use crate::text::{text, text_of, text_with};
use crate::visitor::Visitor;

/// One deployment of a model, as it was looked at.
struct Asked {
    model: Model,
    version: String,
    id: String,
}

impl Asked {
    async fn find(visitor: &Visitor, name: &str, query: &Query) -> Result<Self, Refusal> {
        let path = format!("{}?view=routes", api_path(name));
        let (model, version) = visitor.api.get_versioned::<Model>(&path).await?;
        // What is said yes to is what was asked about, whatever was changed in between.
        let version = query.get("version").map_or(version, str::to_owned);
        Ok(Self { model, version, id: query.text("deployment").to_owned() })
    }

    fn deployment(&self) -> Result<&Deployment, Refusal> {
        let found = self.model.deployments.iter().find(|one| one.id == self.id);
        found.ok_or_else(Refusal::not_found)
    }

    /// How many others take calls.
    fn others(&self) -> usize {
        let takes = |one: &&Deployment| one.id != self.id && one.state == DeploymentState::Active;
        self.model.deployments.iter().filter(takes).count()
    }

    async fn question(&self, visitor: &Visitor, form: Form) -> Result<Question, Refusal> {
        let name = self.model.name.as_str();
        let providers = providers::all(visitor).await?;
        let provider = self.deployment()?.provider_name(&providers);
        let mut lines = vec![text("deployment-disable-what")];
        match self.others() {
            0 => {
                lines.push(text_with("deployment-disable-only", "model", name));
                lines.extend(calls(visitor, name).await);
            }
            others => lines.push(text_with("deployment-disable-others", "n", others)),
        }
        let back = model_path("show", name);
        let asked = [("deployment", self.id.as_str()), ("version", self.version.as_str())];
        Ok(Question {
            frame: visitor.frame("/models"),
            form,
            title: text_of("deployment-disable-title", [("provider", provider), ("model", name)]),
            lines,
            touched: vec![],
            yes: Some(text("deployment-disable")),
            to: with_query(&model_path("disable", name), asked.into_iter()),
            back,
            back_title: name.to_owned(),
        })
    }
}

pub(crate) async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let asked = Asked::find(&visitor, &name, &query).await?;
    Ok(ok(&asked.question(&visitor, Form::default()).await?))
}

pub(crate) async fn act(
    Path(name): Path<String>,
    query: Query,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let asked = Asked::find(&visitor, &name, &query).await?;
    asked.deployment()?;
    let body = body(&asked.model, &asked.id, DeploymentState::Disabled.as_str());
    let sent = Sent { version: Some(&asked.version), ..Sent::default() };
    match visitor.api.act(Method::PATCH, &api_path(&name), Some(&body), sent).await {
        Ok(()) => Ok(see_other(&format!("{}?done=deployment-disabled", model_path("show", &name)))),
        Err(refusal) => Ok(again(&asked.question(&visitor, form.refused(refusal)?).await?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    fn portal(states: &[(&str, &str)]) -> Fake {
        let deployment = |(id, state): &(&str, &str)| {
            json!({
                "id": id, "provider": "prv_1", "upstream_model": id, "provider_key": null,
                "weight": 1, "priority": 0, "state": state, "health": null, "listed_price": null,
            })
        };
        let deployments: Vec<Value> = states.iter().map(deployment).collect();
        let model = json!({
            "name": "m/1", "aliases": [], "project": null, "price": "free",
            "output_tokens_max": null, "routing": "weighted", "deployments": deployments,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        let provider = json!({
            "id": "prv_1", "name": "house", "kind": "echo", "base_url": null, "region": null,
            "provider_keys": [], "health_check": null, "created_at": "2026-01-01T00:00:00Z",
        });
        let usage = json!({"data": [{"requests": 1200}]});
        Fake::new(
            "admin",
            &[
                ("GET /v1/models/m/1?view=routes", 200, model),
                ("PATCH /v1/models/m/1", 200, json!({})),
                ("GET /v1/providers?limit=200", 200, json!({"data": [provider], "next": null})),
                ("GET /v1/usage?group_by=model&model=m%2F1", 200, usage),
            ],
        )
    }

    #[tokio::test]
    async fn who_disables_the_last_deployment_of_a_model_is_told_so() {
        let path = "/models/disable/m/1?deployment=a";
        for (states, is_only) in [
            (vec![("a", "active")], true),
            (vec![("a", "active"), ("b", "draining"), ("c", "disabled")], true),
            (vec![("a", "active"), ("b", "active")], false),
        ] {
            let shown = portal(&states).get(path).await.text;
            assert!(shown.contains("Disable house for m/1?"), "{shown}");
            assert_eq!(shown.contains("nothing else serves m/1"), is_only, "{shown}");
            assert_eq!(shown.contains("called 1,200 times"), is_only, "{shown}");
        }
        assert_eq!(portal(&[("b", "active")]).get(path).await.status, 404);
    }

    #[tokio::test]
    async fn a_yes_disables_what_was_asked_about_as_it_was_then() {
        let portal = portal(&[("a", "active"), ("b", "active")]);
        let path = "/models/disable/m/1?deployment=a&version=%226%22";
        let done = portal.post(path, "").await;
        assert_eq!(done.location, "/models/show/m/1?done=deployment-disabled");
        let [edit] = portal.changes().try_into().unwrap();
        assert_eq!(edit.version.as_deref(), Some("\"6\""));
        let states: Vec<_> =
            edit.body["deployments"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["disabled", "active"]);
    }
}
