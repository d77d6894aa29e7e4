//! Providers: upstream APIs.

use std::collections::HashMap;

use doorward_domain::aws::AwsRegion;
use doorward_domain::catalog::{Provider, ProviderKind};
use doorward_domain::health_check::HealthCheck;
use doorward_domain::id::{OrganizationId, ProviderId, ProviderKeyId};
use serde_json::json;

use super::Removed;
use super::provider_keys::FIND_PROVIDER_KEY;
use crate::audit::{Deed, append_audit};
use crate::db::{
    check_storable, finds, in_use, next_version, on, parsed, signed, taken, timestamp,
};
use crate::named::NamedRow;
use crate::row::row;
use crate::search::search_text;
use crate::{Act, Store, StoreError};

/// The columns of [`ProviderRow`].
macro_rules! provider_columns {
    () => {
        "p.id, p.organization_id, p.name, p.kind, p.base_url, p.region, p.check_seconds, p.check_path,
         p.created_at_us, p.updated_at_us,
         COALESCE((SELECT string_agg(l.provider_key_id, ',' ORDER BY l.position)
            FROM provider_links l
            WHERE l.organization_id = p.organization_id AND l.provider_id = p.id), '')
            AS provider_keys"
    };
}

row! {
    struct ProviderRow {
        id: String,
        organization_id: String,
        name: String,
        kind: String,
        base_url: Option<String>,
        region: Option<String>,
        check_seconds: Option<i64>,
        check_path: Option<String>,
        provider_keys: String,
        created_at_us: i64,
        updated_at_us: i64,
    }
}

impl NamedRow for ProviderRow {
    type Named = Provider;

    fn parse(self) -> Result<Provider, StoreError> {
        Ok(Provider {
            id: parsed("provider", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            kind: parsed("provider kind", &self.kind)?,
            base_url: self.base_url,
            region: self.region.as_deref().map(|region| parsed("region", region)).transpose()?,
            provider_keys: parsed_provider_keys(&self.provider_keys)?,
            health_check: parsed_health_check(self.check_seconds, self.check_path)?,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

/// Whether an organization has a provider.
pub(super) const FIND_PROVIDER: &str =
    "SELECT 1 FROM providers WHERE organization_id = $1 AND id = $2";

const INSERT_LINK: &str = "
    INSERT INTO provider_links (organization_id, provider_id, provider_key_id, position)
    VALUES ($1, $2, $3, $4)";

/// Links a provider to its keys inside an open transaction of either engine; refuses one that the
/// organization has not.
macro_rules! insert_links {
    ($tx:ident, $organization:expr, $provider:expr) => {
        for (position, key) in $provider.provider_keys.iter().enumerate() {
            let key = key.to_string();
            if !finds!($tx, FIND_PROVIDER_KEY, $organization, &key) {
                return Err(StoreError::Missing("provider key"));
            }
            sqlx::query(INSERT_LINK)
                .bind($organization)
                .bind($provider.id.to_string())
                .bind(key)
                .bind(signed(position as u64))
                .execute(&mut *$tx)
                .await?;
        }
    };
}

/// Ids with commas between them.
fn parsed_provider_keys(ids: &str) -> Result<Vec<ProviderKeyId>, StoreError> {
    let ids = ids.split(',').filter(|id| !id.is_empty());
    ids.map(|id| parsed("provider key", id)).collect()
}

fn parsed_health_check(
    seconds: Option<i64>,
    path: Option<String>,
) -> Result<Option<HealthCheck>, StoreError> {
    let Some(seconds) = seconds else { return Ok(None) };
    let interval_seconds =
        u32::try_from(seconds).map_err(|_| StoreError::Corrupt("health check".to_owned()))?;
    Ok(Some(HealthCheck { interval_seconds, path }))
}

/// The columns of a provider's health check.
fn check_columns(provider: &Provider) -> (Option<i64>, Option<&str>) {
    let check = provider.health_check.as_ref();
    let seconds = check.map(|check| i64::from(check.interval_seconds));
    (seconds, check.and_then(|check| check.path.as_deref()))
}

impl Store {
    /// Stores a provider and audits it; `provider.id` is new. [`StoreError::Taken`] with `name`.
    pub async fn create_provider(&self, act: &Act, provider: &Provider) -> Result<(), StoreError> {
        check_texts(provider)?;
        self.catalog_told(self.insert_provider(act, provider).await)
    }

    async fn insert_provider(&self, act: &Act, provider: &Provider) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO providers
                (id, organization_id, name, kind, base_url, created_at_us, updated_at_us, region,
                 check_seconds, check_path, search_text)
            VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)";
        let organization = act.organization.to_string();
        let (check_seconds, check_path) = check_columns(provider);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, entry(act, "provider.create", provider));
            sqlx::query(SQL)
                .bind(provider.id.to_string())
                .bind(&organization)
                .bind(&provider.name)
                .bind(provider.kind.as_str())
                .bind(provider.base_url.as_deref())
                .bind(provider.created_at.as_microsecond())
                .bind(provider.region.as_ref().map(AwsRegion::as_str))
                .bind(check_seconds)
                .bind(check_path)
                .bind(found_by(provider))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            insert_links!(tx, &organization, provider);
            tx.commit().await?;
        });
        Ok(())
    }

    /// Replaces everything of a provider but its kind, and audits it.
    /// `edited.updated_at` is that of the version that was edited; [`StoreError::Stale`] when there is a newer
    /// one. Returns the provider with its new version. An edit that changes nothing leaves no trace.
    pub async fn edit_provider(
        &self,
        act: &Act,
        edited: &Provider,
    ) -> Result<Provider, StoreError> {
        check_texts(edited)?;
        if self.find_provider(act.organization, edited.id).await?.as_ref() == Some(edited) {
            return Ok(edited.clone());
        }
        self.catalog_told(self.update_provider(act, edited).await)
    }

    async fn update_provider(&self, act: &Act, edited: &Provider) -> Result<Provider, StoreError> {
        const SQL: &str = "
            UPDATE providers SET name = $3, base_url = $4, updated_at_us = $5, region = $7,
                check_seconds = $8, check_path = $9, search_text = $10
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $6";
        const UNLINK: &str =
            "DELETE FROM provider_links WHERE organization_id = $1 AND provider_id = $2";
        let read_at = edited.updated_at;
        let provider = Provider { updated_at: next_version(read_at, act.at), ..edited.clone() };
        let (organization, id) = (act.organization.to_string(), provider.id.to_string());
        let (check_seconds, check_path) = check_columns(&provider);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, entry(act, "provider.edit", &provider));
            let done = sqlx::query(SQL)
                .bind(&organization)
                .bind(&id)
                .bind(&provider.name)
                .bind(provider.base_url.as_deref())
                .bind(provider.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .bind(provider.region.as_ref().map(AwsRegion::as_str))
                .bind(check_seconds)
                .bind(check_path)
                .bind(found_by(&provider))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                let is_there = finds!(tx, FIND_PROVIDER, &organization, &id);
                return Err(if is_there {
                    StoreError::Stale
                } else {
                    StoreError::Missing("provider")
                });
            }
            sqlx::query(UNLINK).bind(&organization).bind(&id).execute(&mut *tx).await?;
            insert_links!(tx, &organization, provider);
            tx.commit().await?;
        });
        Ok(provider)
    }

    /// Deletes a provider, unless a deployment uses it ([`StoreError::InUse`]: the models).
    pub async fn delete_provider(&self, act: &Act, id: ProviderId) -> Result<Removed, StoreError> {
        self.catalog_told_of_removal(self.remove_provider(act, id).await)
    }

    async fn remove_provider(&self, act: &Act, id: ProviderId) -> Result<Removed, StoreError> {
        const USES: &str = "
            SELECT DISTINCT model FROM deployments
            WHERE organization_id = $1 AND provider_id = $2 ORDER BY model LIMIT 20";
        const SQL: &str = "DELETE FROM providers WHERE organization_id = $1 AND id = $2";
        let (organization, id) = (act.organization.to_string(), id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let uses: Vec<(String,)> =
                sqlx::query_as(USES).bind(&organization).bind(&id).fetch_all(&mut *tx).await?;
            if !uses.is_empty() {
                return Err(StoreError::InUse(uses.into_iter().map(|(model,)| model).collect()));
            }
            let done = sqlx::query(SQL)
                .bind(&organization)
                .bind(&id)
                .execute(&mut *tx)
                .await
                .map_err(|error| in_use(error, "a model"))?;
            if done.rows_affected() == 0 {
                return Ok(Removed::NotFound);
            }
            append_audit!(self, tx, act.entry("provider.delete", &id, &json!({})));
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// A provider of this organization.
    pub async fn find_provider(
        &self,
        organization: OrganizationId,
        id: ProviderId,
    ) -> Result<Option<Provider>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            provider_columns!(),
            " FROM providers p WHERE p.organization_id = $1 AND p.id = $2"
        );
        self.find_one::<ProviderRow>(SQL, organization, &id.to_string()).await
    }

    /// A provider of this organization, by name.
    pub async fn find_provider_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<Provider>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            provider_columns!(),
            " FROM providers p WHERE p.organization_id = $1 AND p.name = $2"
        );
        self.find_one::<ProviderRow>(SQL, organization, name).await
    }

    /// The providers of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_providers(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Provider>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            provider_columns!(),
            " FROM providers p WHERE p.organization_id = $1 AND p.name > $2
             ORDER BY p.name LIMIT $3"
        );
        self.list_after::<ProviderRow>(SQL, organization, after, limit).await
    }

    /// Those of them whose name, kind, base URL or id contains a text, whatever its case.
    pub async fn search_providers(
        &self,
        organization: OrganizationId,
        search: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Provider>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            provider_columns!(),
            " FROM providers p
             WHERE p.organization_id = $1 AND p.name > $2 AND p.search_text LIKE $3 ESCAPE '\\'
             ORDER BY p.name LIMIT $4"
        );
        self.search_after::<ProviderRow>(SQL, organization, search, (after, limit)).await
    }

    /// What kind each provider of this organization is of.
    pub async fn provider_kinds(
        &self,
        organization: OrganizationId,
    ) -> Result<HashMap<ProviderId, ProviderKind>, StoreError> {
        const SQL: &str = "SELECT id, kind FROM providers WHERE organization_id = $1";
        let rows: Vec<(String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(organization.to_string()).fetch_all(pool).await?
        });
        let parse = |(id, kind): (String, String)| {
            Ok((parsed("provider", &id)?, parsed("provider kind", &kind)?))
        };
        rows.into_iter().map(parse).collect()
    }

    /// Every provider, for the data plane.
    pub(super) async fn all_providers(&self) -> Result<Vec<Provider>, StoreError> {
        const SQL: &str = concat!("SELECT ", provider_columns!(), " FROM providers p");
        let rows: Vec<ProviderRow> =
            on!(self.db.read, |pool| sqlx::query_as(SQL).fetch_all(pool).await?);
        rows.into_iter().map(ProviderRow::parse).collect()
    }
}

/// What a search for the provider looks into.
fn found_by(provider: &Provider) -> String {
    let base_url = provider.base_url.as_deref().unwrap_or_default();
    search_text(&[&provider.name, provider.kind.as_str(), base_url, &provider.id.to_string()])
}

fn check_texts(provider: &Provider) -> Result<(), StoreError> {
    let base_url = provider.base_url.as_deref().unwrap_or_default();
    let (_, check_path) = check_columns(provider);
    let check_path = check_path.unwrap_or_default();
    check_storable(&[
        ("name", &provider.name),
        ("base_url", base_url),
        ("health_check", check_path),
    ])
}

fn entry<'a>(act: &'a Act, action: &str, provider: &Provider) -> Deed<'a> {
    let check = provider.health_check.as_ref();
    let check = check.map(|HealthCheck { interval_seconds, path }| {
        json!({ "interval_seconds": interval_seconds, "path": path })
    });
    let detail = json!({
        "name": provider.name, "kind": provider.kind.as_str(), "base_url": provider.base_url,
        "region": provider.region.as_ref().map(AwsRegion::as_str),
        "provider_keys": provider.provider_keys, "health_check": check,
    });
    act.entry(action, &provider.id.to_string(), &detail)
}
