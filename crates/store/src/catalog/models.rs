//! Models and the deployments that serve them.

mod row;

use std::collections::HashMap;

use doorward_domain::catalog::{Deployment, Model, Pricing, Provider};
use doorward_domain::id::{OrganizationId, ProjectId, ProviderId};
use serde_json::json;

use self::row::{join, pricing_text, select_deployments, select_models};
use super::provider_keys::FIND_PROVIDER_KEY;
use super::providers::FIND_PROVIDER;
use super::{CatalogRow, Removed};
use crate::audit::{Deed, append_audit};
use crate::db::{
    check_storable, finds, is_storable, missing, next_version, on, refused, signed, taken,
};
use crate::organizations::FIND_PROJECT;
use crate::search::pattern;
use crate::{Act, Store, StoreError};

const INSERT_DEPLOYMENT: &str = "
    INSERT INTO deployments (id, organization_id, model, position, provider_id, upstream_model,
        provider_key_id, weight, priority, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const INSERT_NAME: &str = "
    INSERT INTO model_names (organization_id, name, model, position) VALUES ($1, $2, $3, $4)";

/// Gives a model these names inside an open transaction of either engine, the first one in the place
/// `$first`. One that is taken is told of `$field`.
macro_rules! insert_names {
    ($tx:ident, $organization:expr, $model:expr, $names:expr, ($first:literal, $field:literal)) => {
        for (position, name) in $names.iter().enumerate() {
            sqlx::query(INSERT_NAME)
                .bind($organization)
                .bind(name)
                .bind($model)
                .bind(signed(position as u64 + $first))
                .execute(&mut *$tx)
                .await
                .map_err(|error| taken(error, $field))?;
        }
    };
}

/// Inserts a model's deployments inside an open transaction of either engine.
macro_rules! insert_deployments {
    ($tx:ident, $organization:expr, $model:expr) => {
        for (position, deployment) in $model.deployments.iter().enumerate() {
            let provider = deployment.provider.to_string();
            let provider_key = deployment.provider_key.map(|id| id.to_string());
            if !finds!($tx, FIND_PROVIDER, $organization, &provider) {
                return Err(StoreError::Missing("provider"));
            }
            if let Some(key) = &provider_key
                && !finds!($tx, FIND_PROVIDER_KEY, $organization, key)
            {
                return Err(StoreError::Missing("provider key"));
            }
            sqlx::query(INSERT_DEPLOYMENT)
                .bind(deployment.id.to_string())
                .bind($organization)
                .bind(&$model.name)
                .bind(signed(position as u64))
                .bind(provider)
                .bind(&deployment.upstream_model)
                .bind(provider_key)
                .bind(i64::from(deployment.weight))
                .bind(i64::from(deployment.priority))
                .bind(deployment.state.as_str())
                .execute(&mut *$tx)
                .await
                .map_err(|error| missing(error, "provider"))?;
        }
    };
}

/// Which models are wanted; the empty filter wants all.
#[derive(Debug, Clone, Default)]
pub struct ModelFilter {
    /// Those with this in their name or an alias, whatever its case.
    pub search: Option<String>,
    /// Those that this provider serves, among others perhaps.
    pub provider: Option<ProviderId>,
}

/// One page of the models `m` that fit. A model's own name is among its names.
macro_rules! page_of_models {
    () => {
        "WHERE m.organization_id = $1 AND m.name > $2
            AND EXISTS (SELECT 1 FROM model_names n WHERE n.organization_id = m.organization_id
                AND n.model = m.name AND lower(n.name) LIKE $4 ESCAPE '\\')
            AND ($5 = '' OR EXISTS (SELECT 1 FROM deployments d
                WHERE d.organization_id = m.organization_id AND d.model = m.name
                    AND d.provider_id = $5))
        ORDER BY m.name LIMIT $3"
    };
}

impl Store {
    /// Everything that can be called, of every organization. What nobody serves cannot.
    pub async fn catalog(&self) -> Result<Vec<CatalogRow>, StoreError> {
        const MODELS: &str = select_models!("");
        const DEPLOYMENTS: &str = select_deployments!("ORDER BY organization_id, model, position");
        let (models, deployments) = on!(self.db.read, |pool| (
            sqlx::query_as(MODELS).fetch_all(pool).await?,
            sqlx::query_as(DEPLOYMENTS).fetch_all(pool).await?
        ));
        let providers = self.all_providers().await?;
        let by_id: HashMap<ProviderId, Provider> =
            providers.into_iter().map(|provider| (provider.id, provider)).collect();
        let with_providers = |model: Model| {
            let found = model.deployments.iter().map(|d| by_id.get(&d.provider).cloned());
            let providers = found.collect::<Option<Vec<_>>>();
            // Rows of different moments: the change in between makes this snapshot stale anyway.
            let providers = providers.filter(|providers| !providers.is_empty());
            providers.map(|providers| CatalogRow { model, providers })
        };
        Ok(join(models, deployments)?.into_iter().filter_map(with_providers).collect())
    }

    /// Stores a model with its deployments, and audits it. [`StoreError::Taken`] with `name` or `aliases`;
    /// [`StoreError::Missing`] when the organization has not the project, or what a deployment refers to.
    pub async fn create_model(&self, act: &Act, model: &Model) -> Result<(), StoreError> {
        check_texts(model)?;
        self.catalog_told(self.insert_model(act, model).await)
    }

    async fn insert_model(&self, act: &Act, model: &Model) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO models
                (organization_id, name, pricing, output_tokens_max, created_at_us, updated_at_us,
                 routing, project_id)
            VALUES ($1, $2, $3, $4, $5, $5, $6, $7)";
        let pricing = pricing_text(&model.pricing)?;
        let organization = act.organization.to_string();
        let project = model.project.map(|id| id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            // First, for it takes turns with the removal of a project.
            append_audit!(self, tx, entry(act, "model.create", model));
            if let Some(project) = &project
                && !finds!(tx, FIND_PROJECT, &organization, project)
            {
                return Err(StoreError::Missing("project"));
            }
            sqlx::query(SQL)
                .bind(&organization)
                .bind(&model.name)
                .bind(&pricing)
                .bind(model.output_tokens_max.map(signed))
                .bind(model.created_at.as_microsecond())
                .bind(model.routing.as_str())
                .bind(&project)
                .execute(&mut *tx)
                .await
                .map_err(|error| refused(error, "name", "project"))?;
            let own = std::slice::from_ref(&model.name);
            insert_names!(tx, &organization, &model.name, own, (0, "name"));
            insert_names!(tx, &organization, &model.name, &model.aliases, (1, "aliases"));
            insert_deployments!(tx, &organization, model);
            tx.commit().await?;
        });
        Ok(())
    }

    /// Replaces everything of a model but its name and project, and audits it.
    /// `edited.updated_at` is that of the version that was edited; [`StoreError::Stale`] when there is a newer
    /// one, [`StoreError::Taken`] with `aliases`. Returns the model with its new version. An edit that changes
    /// nothing leaves no trace.
    pub async fn edit_model(&self, act: &Act, edited: &Model) -> Result<Model, StoreError> {
        check_texts(edited)?;
        if self.find_model(act.organization, &edited.name).await?.as_ref() == Some(edited) {
            return Ok(edited.clone());
        }
        self.catalog_told(self.update_model(act, edited).await)
    }

    async fn update_model(&self, act: &Act, edited: &Model) -> Result<Model, StoreError> {
        const SQL: &str = "
            UPDATE models SET pricing = $3, output_tokens_max = $4, updated_at_us = $5, routing = $7
            WHERE organization_id = $1 AND name = $2 AND updated_at_us = $6";
        const FIND: &str = "SELECT 1 FROM models WHERE organization_id = $1 AND name = $2";
        const CLEAR_ALIASES: &str = "
            DELETE FROM model_names WHERE organization_id = $1 AND model = $2 AND position > 0";
        const CLEAR: &str = "DELETE FROM deployments WHERE organization_id = $1 AND model = $2";
        let pricing = pricing_text(&edited.pricing)?;
        let organization = act.organization.to_string();
        let read_at = edited.updated_at;
        let model = Model { updated_at: next_version(read_at, act.at), ..edited.clone() };
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(SQL)
                .bind(&organization)
                .bind(&model.name)
                .bind(&pricing)
                .bind(model.output_tokens_max.map(signed))
                .bind(model.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .bind(model.routing.as_str())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                let is_there = finds!(tx, FIND, &organization, &model.name);
                return Err(if is_there {
                    StoreError::Stale
                } else {
                    StoreError::Missing("model")
                });
            }
            sqlx::query(CLEAR_ALIASES)
                .bind(&organization)
                .bind(&model.name)
                .execute(&mut *tx)
                .await?;
            insert_names!(tx, &organization, &model.name, &model.aliases, (1, "aliases"));
            sqlx::query(CLEAR).bind(&organization).bind(&model.name).execute(&mut *tx).await?;
            insert_deployments!(tx, &organization, model);
            append_audit!(self, tx, entry(act, "model.edit", &model));
            tx.commit().await?;
        });
        Ok(model)
    }

    /// Deletes a model and its deployments, and audits it.
    pub async fn delete_model(&self, act: &Act, name: &str) -> Result<Removed, StoreError> {
        self.catalog_told_of_removal(self.remove_model(act, name).await)
    }

    async fn remove_model(&self, act: &Act, name: &str) -> Result<Removed, StoreError> {
        const SQL: &str = "DELETE FROM models WHERE organization_id = $1 AND name = $2";
        if !is_storable(name) {
            return Ok(Removed::NotFound);
        }
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let organization = act.organization.to_string();
            let done = sqlx::query(SQL).bind(&organization).bind(name).execute(&mut *tx).await?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            append_audit!(self, tx, act.entry("model.delete", name, &json!({})));
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// The model that a key of this project means by a name, its own or an alias: one of all projects, or of
    /// this one.
    pub async fn find_model_called(
        &self,
        organization: OrganizationId,
        project: ProjectId,
        name: &str,
    ) -> Result<Option<Model>, StoreError> {
        const OWN_NAME: &str =
            "SELECT model FROM model_names WHERE organization_id = $1 AND name = $2";
        if !is_storable(name) {
            return Ok(None);
        }
        let own: Option<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(OWN_NAME)
                .bind(organization.to_string())
                .bind(name)
                .fetch_optional(pool)
                .await?
        });
        let Some((own,)) = own else { return Ok(None) };
        let model = self.find_model(organization, &own).await?;
        Ok(model.filter(|model| model.is_for(project)))
    }

    /// A model of this organization, by its own name.
    pub async fn find_model(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Model>, StoreError> {
        const MODEL: &str = select_models!("WHERE m.organization_id = $1 AND m.name = $2");
        const DEPLOYMENTS: &str =
            select_deployments!("WHERE organization_id = $1 AND model = $2 ORDER BY position");
        if !is_storable(name) {
            return Ok(None);
        }
        let organization = organization.to_string();
        let (model, deployments) = on!(self.db.read, |pool| (
            sqlx::query_as(MODEL).bind(&organization).bind(name).fetch_all(pool).await?,
            sqlx::query_as(DEPLOYMENTS).bind(&organization).bind(name).fetch_all(pool).await?
        ));
        Ok(join(model, deployments)?.pop())
    }

    /// The models of this organization that fit, by name, after the name `after`, at most `limit`.
    pub async fn list_models(
        &self,
        organization: OrganizationId,
        filter: &ModelFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Model>, StoreError> {
        const MODELS: &str = select_models!(page_of_models!());
        const DEPLOYMENTS: &str = select_deployments!(concat!(
            "WHERE organization_id = $1 AND model IN (SELECT m.name FROM models m ",
            page_of_models!(),
            ") ORDER BY model, position"
        ));
        let organization = organization.to_string();
        let after = after.unwrap_or_default();
        let text = filter.search.as_deref().unwrap_or_default();
        let Some(pattern) = pattern(text).filter(|_| is_storable(after)) else {
            return Ok(Vec::new());
        };
        let provider = filter.provider.map(|id| id.to_string()).unwrap_or_default();
        let limit = i64::from(limit);
        let (models, deployments) = on!(self.db.read, |pool| (
            sqlx::query_as(MODELS)
                .bind(&organization)
                .bind(after)
                .bind(limit)
                .bind(&pattern)
                .bind(&provider)
                .fetch_all(pool)
                .await?,
            sqlx::query_as(DEPLOYMENTS)
                .bind(&organization)
                .bind(after)
                .bind(limit)
                .bind(&pattern)
                .bind(&provider)
                .fetch_all(pool)
                .await?
        ));
        join(models, deployments)
    }
}

fn check_texts(model: &Model) -> Result<(), StoreError> {
    check_storable(&[("name", &model.name)])?;
    model.aliases.iter().try_for_each(|alias| check_storable(&[("aliases", alias)]))?;
    let upstream =
        |deployment: &Deployment| check_storable(&[("upstream_model", &deployment.upstream_model)]);
    model.deployments.iter().try_for_each(upstream)
}

fn entry<'a>(act: &'a Act, action: &str, model: &Model) -> Deed<'a> {
    let deployments: Vec<_> = model
        .deployments
        .iter()
        .map(|d| {
            json!({
                "provider": d.provider, "upstream_model": d.upstream_model,
                "provider_key": d.provider_key, "state": d.state,
            })
        })
        .collect();
    let pricing = match &model.pricing {
        Pricing::Free => json!("free"),
        Pricing::Listed => json!("listed"),
        Pricing::Set(price) => json!(price),
    };
    let detail = json!({
        "aliases": model.aliases, "project": model.project, "price": pricing,
        "routing": model.routing, "deployments": deployments,
    });
    act.entry(action, &model.name, &detail)
}
