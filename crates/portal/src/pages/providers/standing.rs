//! How a provider is, as what goes there says.

use super::object::Provider;
use crate::pages::models::{Deployment, Model};
use crate::text::text_of;

/// How many of the deployments at a provider are how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Those that take calls.
    active: usize,
    /// Those of them that are well.
    well: usize,
    /// Those of them that are left alone, or are on trial after that.
    resting: usize,
    /// All.
    models: usize,
}

impl Standing {
    pub(crate) fn of(provider: &Provider, models: &[Model]) -> Self {
        let all = models.iter().flat_map(|model| &model.deployments);
        let own = all.filter(|one| one.provider == provider.id);
        own.fold(Self::default(), Self::with)
    }

    fn with(mut self, one: &Deployment) -> Self {
        let condition = one.condition();
        self.models += 1;
        self.active += usize::from(one.is_active());
        self.well += usize::from(condition == "well");
        self.resting += usize::from(["open", "half-open"].contains(&condition));
        self
    }

    /// The last part of its text's name.
    fn name(&self) -> &'static str {
        match *self {
            Self { models: 0, .. } => "empty",
            Self { active: 0, .. } => "idle",
            Self { resting, active, .. } if resting == active => "open",
            Self { resting: 1.., .. } => "some",
            Self { well: 0, .. } => "unchecked",
            _ => "well",
        }
    }

    pub(crate) fn text(&self) -> String {
        let counts = [self.resting.to_string(), self.active.to_string()];
        let name = format!("provider-is-{}", self.name());
        text_of(&name, [("resting", &counts[0]), ("active", &counts[1])])
    }

    /// The class that its dot has.
    pub(crate) fn class(&self) -> &'static str {
        match self.name() {
            "well" => "active",
            "some" => "soon",
            "open" => "revoked",
            _ => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn standing(deployments: &[(&str, &str, bool)]) -> Standing {
        let deployment = |(state, health, is_known): &(&str, &str, bool)| {
            json!({
                "id": "dep_1", "provider": "prv_1", "upstream_model": "m", "provider_key": null,
                "weight": 1, "priority": 0, "state": state, "listed_price": null,
                "health": {"state": health, "is_known": is_known, "resting": []},
            })
        };
        let mut all: Vec<Value> = deployments.iter().map(deployment).collect();
        let mut other = deployment(&("active", "open", true));
        other["provider"] = json!("prv_2");
        all.push(other);
        let models = serde_json::from_value(json!([{
            "name": "m", "aliases": [], "project": null, "price": "free",
            "output_tokens_max": null, "routing": "weighted", "deployments": all,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        }]));
        let provider = serde_json::from_value(json!({
            "id": "prv_1", "name": "p", "kind": "echo", "base_url": null, "region": null,
            "provider_keys": [], "health_check": null, "created_at": "2026-01-01T00:00:00Z",
        }));
        let models: Vec<Model> = models.unwrap();
        Standing::of(&provider.unwrap(), &models)
    }

    #[test]
    fn a_provider_is_as_what_goes_there_says() {
        for (deployments, expected) in [
            (vec![], "empty"),
            (vec![("disabled", "closed", true), ("draining", "closed", true)], "idle"),
            (vec![("active", "closed", false)], "unchecked"),
            (vec![("active", "closed", false), ("active", "closed", true)], "well"),
            (vec![("active", "open", true), ("active", "closed", true)], "some"),
            (vec![("active", "half_open", true), ("disabled", "closed", true)], "open"),
        ] {
            let standing = standing(&deployments);
            assert_eq!(standing.name(), expected, "{deployments:?}");
            assert!(crate::text::is_there(&format!("provider-is-{expected}")));
        }
        let some = standing(&[("active", "open", true), ("active", "closed", true)]);
        assert!(some.text().contains("1 of 2"), "{}", some.text());
    }
}
