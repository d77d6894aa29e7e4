//! A model and its deployments, as pages show them.

use doorward_domain::catalog::{DeploymentState, Routing};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::price::{ListedPrice, Price};
use crate::frame::Frame;
use crate::pages::providers::Provider;
use crate::query::segments;
use crate::text::{text, text_of, text_with};

/// What the API says of a model.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    /// Whose keys alone may call it.
    pub(crate) project: Option<String>,
    pub(crate) price: Price,
    pub(crate) output_tokens_max: Option<u64>,
    pub(crate) routing: Routing,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// One provider, one name there, one key.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) upstream_model: String,
    pub(crate) provider_key: Option<String>,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    pub(crate) state: DeploymentState,
    /// `None`: the gateway does not call it.
    pub(crate) health: Option<Health>,
    pub(crate) listed_price: Option<ListedPrice>,
}

/// How it is now.
#[derive(Debug, Deserialize)]
pub(crate) struct Health {
    /// `closed`: calls go through.
    state: String,
    /// Whether that was found out; else it is hoped.
    #[serde(default)]
    is_known: bool,
    pub(crate) resting: Vec<Rest>,
}

/// What of it is left alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Rest {
    reason: String,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Model {
    /// The deployments as an edit says them.
    pub(super) fn wishes(&self) -> Vec<Value> {
        self.deployments.iter().map(Deployment::wish).collect()
    }

    /// What the built-in table has, as far as one price says it.
    pub(crate) fn listed(&self) -> Option<&ListedPrice> {
        self.deployments.first().and_then(|one| one.listed_price.as_ref())
    }

    pub(crate) const fn routing_text(&self) -> &'static str {
        match self.routing {
            Routing::Weighted => "routing-weighted",
            Routing::LeastLatency => "routing-least-latency",
        }
    }
}

impl Deployment {
    fn wish(&self) -> Value {
        json!({
            "provider": self.provider,
            "upstream_model": self.upstream_model,
            "provider_key": self.provider_key,
            "weight": self.weight,
            "priority": self.priority,
            "state": self.state,
        })
    }

    /// What its provider is called; where that is not known, its id.
    pub(crate) fn provider_name<'a>(&'a self, providers: &'a [Provider]) -> &'a str {
        let found = providers.iter().find(|provider| provider.id == self.provider);
        found.map_or(self.provider.as_str(), |provider| provider.name.as_str())
    }

    /// The class of its state, and the name of its text: what an administrator set, else how it is.
    pub(crate) fn condition(&self) -> &'static str {
        let known = |health: &Health| match health.state.as_str() {
            "closed" if !health.is_known => "unchecked",
            "closed" => "well",
            "half_open" => "half-open",
            _ => "open",
        };
        match self.state {
            DeploymentState::Draining => "draining",
            DeploymentState::Disabled => "disabled",
            DeploymentState::Active => self.health.as_ref().map_or("unchecked", known),
        }
    }

    pub(crate) fn condition_text(&self) -> String {
        text(&format!("condition-{}", self.condition()))
    }

    /// The class that its dot has.
    pub(crate) fn class(&self) -> &'static str {
        match self.condition() {
            "well" => "active",
            "open" => "revoked",
            "half-open" | "draining" => "soon",
            _ => "disabled",
        }
    }

    pub(crate) fn rests(&self) -> &[Rest] {
        self.health.as_ref().map(|health| health.resting.as_slice()).unwrap_or_default()
    }

    /// When it is asked, of all that serve the model.
    pub(crate) fn order(&self) -> String {
        text_with("deployment-priority", "n", self.priority)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.state == DeploymentState::Active
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state == DeploymentState::Draining
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.state == DeploymentState::Disabled
    }
}

impl Rest {
    /// Why, since when, and what comes next.
    pub(crate) fn words(&self, frame: &Frame) -> String {
        let reason = text(&format!("rest-{}", self.reason.replace('_', "-")));
        let (since, until) = (frame.relative(&self.since), frame.relative(&self.until));
        let name = if self.until > frame.now { "rest-until" } else { "rest-over" };
        text_of(name, [("reason", &reason), ("since", &since), ("until", &until)])
    }
}

/// The page of a model where something is done: `show`, `edit`, `delete`.
pub(crate) fn model_path(verb: &str, name: &str) -> String {
    format!("/models/{verb}/{}", segments(name))
}

/// Where the API has a model.
pub(super) fn api_path(name: &str) -> String {
    format!("/v1/models/{}", segments(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(state: &str, health: &Value) -> Deployment {
        serde_json::from_value(json!({
            "id": "dep_1", "provider": "prv_1", "upstream_model": "m", "provider_key": null,
            "weight": 2, "priority": 1, "state": state, "health": health, "listed_price": null,
        }))
        .unwrap()
    }

    #[test]
    fn what_an_administrator_set_is_told_before_how_it_is() {
        let health = |state: &str| json!({"state": state, "is_known": true, "resting": []});
        let hoped = json!({"state": "closed", "is_known": false, "resting": []});
        for (state, health, expected) in [
            ("active", health("closed"), "well"),
            ("active", health("half_open"), "half-open"),
            ("active", health("open"), "open"),
            ("active", hoped, "unchecked"),
            ("active", Value::Null, "unchecked"),
            ("draining", health("open"), "draining"),
            ("disabled", Value::Null, "disabled"),
        ] {
            let deployment = deployment(state, &health);
            assert_eq!(deployment.condition(), expected);
            assert!(crate::text::is_there(&format!("condition-{expected}")), "{expected}");
        }
    }

    #[test]
    fn a_rest_is_told_with_its_end_or_what_comes_after_it() {
        let rest = |until: &str| Rest {
            reason: "rate_limited".to_owned(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: until.parse().unwrap(),
        };
        let frame = Frame::bare(None, None, "2026-01-01T00:05:00Z".parse().unwrap());
        let words = rest("2026-01-01T00:15:00Z").words(&frame);
        assert!(words.contains("in 10 minutes") && words.contains("5 minutes ago"), "{words}");
        let words = rest("2026-01-01T00:04:59Z").words(&frame);
        assert!(words.contains("next call") && !words.contains("in 10"), "{words}");
    }

    #[test]
    fn a_name_is_one_path_whatever_it_holds() {
        assert_eq!(model_path("show", "a/b?c#d%e"), "/models/show/a/b%3Fc%23d%25e");
    }

    #[test]
    fn an_edit_says_of_a_deployment_all_that_there_is() {
        let wish = deployment("draining", &Value::Null).wish();
        assert_eq!(wish["state"], "draining");
        assert_eq!(wish.as_object().unwrap().len(), 6);
    }
}
