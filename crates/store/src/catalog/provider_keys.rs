//! Provider keys: credentials for providers, sealed in the vault.

use doorward_domain::catalog::{KeyTest, ProviderKey};
use doorward_domain::id::{OrganizationId, ProviderId, ProviderKeyId};
use doorward_domain::name::Masked;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{NewProviderKey, ProviderKeyEdit, Removed};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{
    check_storable, in_use, next_version, on, parsed, set_next_version, taken, timestamp,
};
use crate::keyring::SealedFor;
use crate::named::NamedRow;
use crate::row::row;
use crate::search::search_text;
use crate::{Act, Store, StoreError};

row! {
    struct ProviderKeyRow {
        id: String,
        organization_id: String,
        name: String,
        masked: String,
        note: String,
        created_at_us: i64,
        updated_at_us: i64,
        tested_at_us: Option<i64>,
        tested_provider: Option<String>,
        test_failure: Option<String>,
        providers: String,
        models: String,
    }
}

/// Reads provider keys with what uses them. Neither an id nor the name of a model holds a space.
macro_rules! select_provider_keys {
    ($only:literal) => {
        concat!(
            "SELECT k.id, k.organization_id, k.name, k.masked, k.note, k.created_at_us, k.updated_at_us,
                k.tested_at_us, k.tested_provider, k.test_failure,
                COALESCE((SELECT string_agg(u.provider_id, ' ' ORDER BY u.provider_id) FROM (
                    SELECT l.provider_id FROM provider_links l
                    WHERE l.organization_id = k.organization_id AND l.provider_key_id = k.id
                    ORDER BY 1 LIMIT 20) u), '') AS providers,
                COALESCE((SELECT string_agg(u.model, ' ' ORDER BY u.model) FROM (
                    SELECT DISTINCT d.model FROM deployments d
                    WHERE d.organization_id = k.organization_id AND d.provider_key_id = k.id
                    ORDER BY 1 LIMIT 20) u), '') AS models
            FROM provider_keys k ",
            $only
        )
    };
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

impl NamedRow for ProviderKeyRow {
    type Named = ProviderKey;

    fn parse(self) -> Result<ProviderKey, StoreError> {
        Ok(ProviderKey {
            id: parsed("provider key", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            providers: words(&self.providers)
                .map(|id| parsed("provider", id))
                .collect::<Result<_, _>>()?,
            models: words(&self.models).map(str::to_owned).collect(),
            last_test: tested(self.tested_at_us, self.tested_provider, self.test_failure)?,
            masked: Masked::from_stored(self.masked),
            note: self.note,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
        })
    }
}

fn tested(
    at_us: Option<i64>,
    provider: Option<String>,
    failure: Option<String>,
) -> Result<Option<KeyTest>, StoreError> {
    let Some((at_us, provider)) = at_us.zip(provider) else { return Ok(None) };
    Ok(Some(KeyTest { at: timestamp(at_us)?, provider, failure }))
}

/// Whether an organization has a provider key.
pub(super) const FIND_PROVIDER_KEY: &str =
    "SELECT 1 FROM provider_keys WHERE organization_id = $1 AND id = $2";

/// A column that may name a provider key.
pub(super) fn parsed_provider_key(id: Option<&str>) -> Result<Option<ProviderKeyId>, StoreError> {
    id.map(|id| parsed("provider key", id)).transpose()
}

/// What a ciphertext is bound to: moved to another row or organization, it does not open.
fn sealed_for(organization: OrganizationId, id: &str) -> SealedFor<'_> {
    SealedFor { organization, row: id, field: "provider_keys.ciphertext" }
}

impl Store {
    /// Seals and stores a provider key, and audits it. [`StoreError::Taken`] with `name`.
    pub async fn create_provider_key(
        &self,
        act: &Act,
        new: NewProviderKey,
    ) -> Result<ProviderKey, StoreError> {
        check_storable(&[("name", &new.name), ("note", &new.note)])?;
        self.catalog_told(self.insert_provider_key(act, new).await)
    }

    async fn insert_provider_key(
        &self,
        act: &Act,
        new: NewProviderKey,
    ) -> Result<ProviderKey, StoreError> {
        const SQL: &str = "
            INSERT INTO provider_keys
                (id, organization_id, name, masked, ciphertext, note, created_at_us, updated_at_us,
                 search_text)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)";
        let key = ProviderKey {
            id: self.new_id(ProviderKeyId::new),
            organization: act.organization,
            name: new.name,
            masked: Masked::of(new.value.expose_secret()),
            note: new.note,
            created_at: whole_us(act.at),
            updated_at: whole_us(act.at),
            providers: Vec::new(),
            models: Vec::new(),
            last_test: None,
        };
        let id = key.id.to_string();
        let secret = new.value.expose_secret().as_bytes();
        let sealed = self.keyring.seal(&sealed_for(act.organization, &id), secret)?;
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(SQL)
                .bind(&id)
                .bind(act.organization.to_string())
                .bind(&key.name)
                .bind(key.masked.to_string())
                .bind(sealed.as_slice())
                .bind(&key.note)
                .bind(act.at.as_microsecond())
                .bind(search_text(&[&key.name, &key.note, &key.id.to_string()]))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            append_audit!(
                self,
                tx,
                act.entry("provider_key.create", &id, &json!({ "name": key.name }))
            );
            tx.commit().await?;
        });
        Ok(key)
    }

    /// Changes name, note or value; `None` leaves it. What links to the key goes on using it.
    /// [`StoreError::Stale`] when somebody else edits it at the same time. An edit that changes
    /// nothing leaves no trace.
    pub async fn edit_provider_key(
        &self,
        act: &Act,
        id: ProviderKeyId,
        edit: ProviderKeyEdit,
    ) -> Result<ProviderKey, StoreError> {
        let found = self.find_provider_key(act.organization, id).await?;
        let key = found.ok_or(StoreError::Missing("provider key"))?;
        if edit.if_updated_at.is_some_and(|expected| whole_us(expected) != key.updated_at) {
            return Err(StoreError::Stale);
        }
        if !edit.changes(&key) {
            return Ok(key);
        }
        self.catalog_told(self.update_provider_key(act, key, edit).await)
    }

    async fn update_provider_key(
        &self,
        act: &Act,
        mut key: ProviderKey,
        edit: ProviderKeyEdit,
    ) -> Result<ProviderKey, StoreError> {
        const SQL: &str = "
            UPDATE provider_keys SET name = $3, note = $4, masked = $5,
                ciphertext = COALESCE($6, ciphertext), updated_at_us = $7, search_text = $9,
                tested_at_us = CASE WHEN $6 IS NULL THEN tested_at_us END
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $8";
        let (id, read_at) = (key.id, key.updated_at);
        let text = id.to_string();
        let mut sealed = None;
        if let Some(value) = &edit.value {
            let secret = value.expose_secret();
            key.masked = Masked::of(secret);
            sealed =
                Some(self.keyring.seal(&sealed_for(act.organization, &text), secret.as_bytes())?);
            // What was found out about the old value says nothing about this one.
            key.last_test = None;
        }
        key.name = edit.name.unwrap_or(key.name);
        key.note = edit.note.unwrap_or(key.note);
        check_storable(&[("name", &key.name), ("note", &key.note)])?;
        key.updated_at = next_version(read_at, act.at);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&text)
                .bind(&key.name)
                .bind(&key.note)
                .bind(key.masked.to_string())
                .bind(sealed.as_deref())
                .bind(key.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .bind(search_text(&[&key.name, &key.note, &key.id.to_string()]))
                .execute(&mut *tx)
                .await
                .map_err(|error| taken(error, "name"))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            let detail = json!({ "name": key.name, "is_value_new": sealed.is_some() });
            append_audit!(self, tx, act.entry("provider_key.edit", &text, &detail));
            tx.commit().await?;
        });
        Ok(key)
    }

    /// What presents this provider key to an upstream.
    pub async fn provider_key_uses(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
    ) -> Result<Vec<ProviderId>, StoreError> {
        const SQL: &str = "
            SELECT provider_id FROM provider_links
            WHERE organization_id = $1 AND provider_key_id = $2
            UNION
            SELECT provider_id FROM deployments WHERE organization_id = $1 AND provider_key_id = $2
            ORDER BY 1 LIMIT 20";
        let rows: Vec<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(id.to_string())
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(|(id,)| parsed("provider", &id)).collect()
    }

    /// Notes how it went when a provider key was presented. That changes nothing of the key: it has no new
    /// version. One that is gone meanwhile is none the worse.
    pub async fn note_provider_key_test(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
        test: &KeyTest,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE provider_keys SET tested_at_us = $3, tested_provider = $4, test_failure = $5
            WHERE organization_id = $1 AND id = $2";
        on!(self.db.write, |pool| {
            sqlx::query(SQL)
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(test.at.as_microsecond())
                .bind(&test.provider)
                .bind(&test.failure)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Deletes a provider key. What uses it keeps it ([`StoreError::InUse`]: providers and models by
    /// name, at most 20) unless `is_forced`: then it is taken from them, and the audit entry has them.
    pub async fn delete_provider_key(
        &self,
        act: &Act,
        id: ProviderKeyId,
        is_forced: bool,
    ) -> Result<Removed, StoreError> {
        self.catalog_told_of_removal(self.remove_provider_key(act, id, is_forced).await)
    }

    async fn remove_provider_key(
        &self,
        act: &Act,
        id: ProviderKeyId,
        is_forced: bool,
    ) -> Result<Removed, StoreError> {
        const USES: &str = "
            SELECT 'provider ' || p.name FROM provider_links l
            JOIN providers p ON p.organization_id = l.organization_id AND p.id = l.provider_id
            WHERE l.organization_id = $1 AND l.provider_key_id = $2
            UNION
            SELECT 'model ' || model FROM deployments
            WHERE organization_id = $1 AND provider_key_id = $2
            ORDER BY 1 LIMIT 20";
        // `$3` is used by each: PostgreSQL refuses a parameter that stands nowhere.
        const UNLINK: [&str; 4] = [
            concat!(
                "UPDATE models SET ",
                set_next_version!("$3"),
                " WHERE organization_id = $1 AND name IN (SELECT model FROM deployments
                  WHERE organization_id = $1 AND provider_key_id = $2)"
            ),
            "UPDATE deployments SET provider_key_id = NULL
             WHERE organization_id = $1 AND provider_key_id = $2 AND $3 >= 0",
            concat!(
                "UPDATE providers SET ",
                set_next_version!("$3"),
                " WHERE organization_id = $1 AND id IN (SELECT provider_id FROM provider_links
                  WHERE organization_id = $1 AND provider_key_id = $2)"
            ),
            "DELETE FROM provider_links
             WHERE organization_id = $1 AND provider_key_id = $2 AND $3 >= 0",
        ];
        const SQL: &str = "DELETE FROM provider_keys WHERE organization_id = $1 AND id = $2";
        let (organization, id) = (act.organization.to_string(), id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let uses: Vec<(String,)> =
                sqlx::query_as(USES).bind(&organization).bind(&id).fetch_all(&mut *tx).await?;
            let uses: Vec<String> = uses.into_iter().map(|(user,)| user).collect();
            let detail = json!({ "taken_from": uses });
            append_audit!(self, tx, act.entry("provider_key.delete", &id, &detail));
            if !uses.is_empty() && !is_forced {
                return Err(StoreError::InUse(uses));
            }
            // What came to use it since it was looked at keeps it: the deletion fails then.
            for sql in UNLINK.iter().filter(|_| is_forced) {
                sqlx::query(*sql)
                    .bind(&organization)
                    .bind(&id)
                    .bind(act.at.as_microsecond())
                    .execute(&mut *tx)
                    .await?;
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
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// Opens a provider key. [`StoreError::Integrity`] when its ciphertext is not its own.
    pub async fn reveal_provider_key(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
    ) -> Result<SecretString, StoreError> {
        const SQL: &str =
            "SELECT ciphertext FROM provider_keys WHERE organization_id = $1 AND id = $2";
        let id = id.to_string();
        let row: Option<(Vec<u8>,)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(&id)
                .fetch_optional(pool)
                .await?
        });
        let (sealed,) = row.ok_or(StoreError::Missing("provider key"))?;
        let opened = self.keyring.open_sealed(&sealed_for(organization, &id), &sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| StoreError::Integrity)?;
        Ok(SecretString::from(text))
    }

    /// A provider key of this organization.
    pub async fn find_provider_key(
        &self,
        organization: OrganizationId,
        id: ProviderKeyId,
    ) -> Result<Option<ProviderKey>, StoreError> {
        const SQL: &str = select_provider_keys!("WHERE k.organization_id = $1 AND k.id = $2");
        self.find_one::<ProviderKeyRow>(SQL, organization, &id.to_string()).await
    }

    /// A provider key of this organization, by name.
    pub async fn find_provider_key_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<ProviderKey>, StoreError> {
        const SQL: &str = select_provider_keys!("WHERE k.organization_id = $1 AND k.name = $2");
        self.find_one::<ProviderKeyRow>(SQL, organization, name).await
    }

    /// The provider keys of this organization, by name, after the name `after`, at most `limit`.
    pub async fn list_provider_keys(
        &self,
        organization: OrganizationId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProviderKey>, StoreError> {
        const SQL: &str = select_provider_keys!(
            "WHERE k.organization_id = $1 AND k.name > $2 ORDER BY k.name LIMIT $3"
        );
        self.list_after::<ProviderKeyRow>(SQL, organization, after, limit).await
    }

    /// Those of them whose name, note or id contains a text, whatever its case.
    pub async fn search_provider_keys(
        &self,
        organization: OrganizationId,
        search: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProviderKey>, StoreError> {
        const SQL: &str = select_provider_keys!(
            "WHERE k.organization_id = $1 AND k.name > $2 AND k.search_text LIKE $3 ESCAPE '\\'
            ORDER BY k.name LIMIT $4"
        );
        self.search_after::<ProviderKeyRow>(SQL, organization, search, (after, limit)).await
    }
}

impl ProviderKeyEdit {
    /// Whether anything of the key would be another. A value always counts as new: whoever could tell
    /// that it is the stored one could guess at it without a trace.
    fn changes(&self, key: &ProviderKey) -> bool {
        let is_new =
            |new: &Option<String>, old: &String| new.as_ref().is_some_and(|new| new != old);
        self.value.is_some() || is_new(&self.name, &key.name) || is_new(&self.note, &key.note)
    }
}
