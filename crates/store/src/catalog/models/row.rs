//! Models and deployments as rows.

use std::collections::HashMap;

use doorward_domain::catalog::{Deployment, Model, Pricing};

use crate::StoreError;
use crate::catalog::provider_keys::parsed_provider_key;
use crate::db::{json_text, parsed, parsed_json, timestamp, unsigned};
use crate::row::row;

/// Reads models. No name holds a space.
macro_rules! select_models {
    ($only:expr) => {
        concat!(
            "SELECT m.organization_id, m.name, m.project_id, m.pricing, m.output_tokens_max, m.routing,
                m.created_at_us, m.updated_at_us,
                COALESCE((SELECT string_agg(n.name, ' ' ORDER BY n.position)
                    FROM model_names n
                    WHERE n.organization_id = m.organization_id AND n.model = m.name
                        AND n.position > 0), '') AS aliases
            FROM models m ",
            $only
        )
    };
}
pub(super) use select_models;

/// Reads deployments.
macro_rules! select_deployments {
    ($only:expr) => {
        concat!(
            "SELECT organization_id, model, id, provider_id, upstream_model, provider_key_id, weight,
                priority, state
            FROM deployments ",
            $only
        )
    };
}
pub(super) use select_deployments;

row! {
    pub(super) struct ModelRow {
        organization_id: String,
        name: String,
        aliases: String,
        project_id: Option<String>,
        pricing: String,
        output_tokens_max: Option<i64>,
        routing: String,
        created_at_us: i64,
        updated_at_us: i64,
    }
}

row! {
    pub(super) struct DeploymentRow {
        organization_id: String,
        model: String,
        id: String,
        provider_id: String,
        upstream_model: String,
        provider_key_id: Option<String>,
        weight: i64,
        priority: i64,
        state: String,
    }
}

/// `free`, `listed`, or a price as JSON.
pub(super) fn pricing_text(pricing: &Pricing) -> Result<String, StoreError> {
    match pricing {
        Pricing::Free => Ok("free".to_owned()),
        Pricing::Listed => Ok("listed".to_owned()),
        Pricing::Set(price) => json_text("price", price),
    }
}

fn parse_pricing(text: &str) -> Result<Pricing, StoreError> {
    match text {
        "free" => Ok(Pricing::Free),
        "listed" => Ok(Pricing::Listed),
        json => parsed_json("price", json).map(Pricing::Set),
    }
}

impl ModelRow {
    fn parse(self, deployments: Vec<Deployment>) -> Result<Model, StoreError> {
        Ok(Model {
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            aliases: self
                .aliases
                .split(' ')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            project: self.project_id.map(|id| parsed("project", &id)).transpose()?,
            pricing: parse_pricing(&self.pricing)?,
            output_tokens_max: self.output_tokens_max.map(unsigned),
            routing: parsed("routing", &self.routing)?,
            deployments,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

impl DeploymentRow {
    fn parse(&self) -> Result<Deployment, StoreError> {
        let corrupt = |_| StoreError::Corrupt("deployment".to_owned());
        Ok(Deployment {
            id: parsed("deployment", &self.id)?,
            provider: parsed("provider", &self.provider_id)?,
            upstream_model: self.upstream_model.clone(),
            provider_key: parsed_provider_key(self.provider_key_id.as_deref())?,
            weight: u32::try_from(self.weight).map_err(corrupt)?,
            priority: u32::try_from(self.priority).map_err(corrupt)?,
            state: parsed("deployment state", &self.state)?,
        })
    }
}

/// Gives each model its deployments.
pub(super) fn join(
    models: Vec<ModelRow>,
    deployments: Vec<DeploymentRow>,
) -> Result<Vec<Model>, StoreError> {
    let mut by_model: HashMap<(String, String), Vec<Deployment>> = HashMap::new();
    for row in deployments {
        let deployment = row.parse()?;
        by_model.entry((row.organization_id, row.model)).or_default().push(deployment);
    }
    let parse = |row: ModelRow| {
        let place = (row.organization_id.clone(), row.name.clone());
        row.parse(by_model.remove(&place).unwrap_or_default())
    };
    models.into_iter().map(parse).collect()
}
