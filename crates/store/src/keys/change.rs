//! Making, editing and ending keys.

use doorward_domain::confusable::look;
use doorward_domain::credential::{KeyId, PlainKey};
use doorward_domain::key::{ApiKey, Life};
use doorward_domain::rights::Rights;
use doorward_domain::rotation::SecretNumber;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::neighbours::{refuse_alike, refuse_beyond_quota};
use super::origins::write_origins;
use super::role_max::bound_role;
use super::rotate::insert_secret;
use super::row::StoredRights;
use super::uses::is_widened;
use super::{KeyEdit, NewKey};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{check_storable, finds, json_text, next_version, on, refused, set_next_version};
use crate::organizations::service_accounts::insert_service_account;
use crate::organizations::{FIND_ACTIVE_OWNER, FIND_PROJECT};
use crate::search::search_text;
use crate::store::random_bytes;
use crate::{Act, ServiceAccount, Store, StoreError};

const INSERT: &str = "
    INSERT INTO api_keys (id, organization_id, project_id, owner_kind, owner_id, name, description,
        search_text, tail, rights, metadata, created_by, created_at_us, updated_at_us,
        expires_at_us, name_look)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15)";

/// Of another end, what was passed already is never told.
pub(crate) const EDIT: &str = "
    UPDATE api_keys SET description = $3, search_text = $4, rights = $5, metadata = $6,
        expires_at_us = $7, updated_at_us = $8,
        noticed_until_us = CASE WHEN expires_at_us IS DISTINCT FROM $7 THEN $8
                                ELSE noticed_until_us END
    WHERE organization_id = $1 AND id = $2 AND updated_at_us = $9 AND revoked_at_us IS NULL
      AND swept_at_us IS NULL";

/// A change of life that finds nothing to change finds no row.
macro_rules! change_life {
    ($set:literal, $only_where:literal) => {
        concat!(
            "UPDATE api_keys SET ",
            $set,
            ", ",
            set_next_version!("$3"),
            " WHERE organization_id = $1 AND id = $2 AND revoked_at_us IS NULL AND ",
            $only_where
        )
    };
}
const DISABLE: &str = change_life!("disabled_at_us = $3", "disabled_at_us IS NULL");
const ENABLE: &str = change_life!("disabled_at_us = NULL", "disabled_at_us IS NOT NULL");
const REVOKE: &str = change_life!("revoked_at_us = $3", "revoked_at_us IS NULL");

/// A key after an edit that is to be written.
pub(crate) struct PreparedEdit {
    pub(crate) key: ApiKey,
    /// The version that it is an edit of.
    pub(crate) read_at: Timestamp,
    pub(crate) rights: String,
    pub(crate) metadata: String,
    /// What the audit log says.
    pub(crate) detail: Value,
    /// The rights before it.
    before: Rights,
}

impl PreparedEdit {
    /// `None`: the key is so already.
    pub(crate) fn of(
        act: &Act,
        mut key: ApiKey,
        edit: KeyEdit,
    ) -> Result<Option<Self>, StoreError> {
        let (read_at, before) = (key.life.updated_at, key.rights.clone());
        let changed = apply(&mut key, edit)?;
        if changed.is_empty() {
            return Ok(None);
        }
        check_storable(&[("description", &key.description)])?;
        key.life.updated_at = next_version(read_at, act.at);
        Ok(Some(Self {
            read_at,
            rights: StoredRights::text(&key.rights)?,
            metadata: json_text("metadata", &key.metadata)?,
            detail: json!({ "name": key.name, "changed": changed }),
            before,
            key,
        }))
    }

    pub(crate) fn has_new_origins(&self) -> bool {
        self.before.allowed_origins != self.key.rights.allowed_origins
    }

    pub(crate) fn is_wider(&self) -> bool {
        is_widened(&self.before, &self.key.rights)
    }

    /// Whether limits or budgets change: an edit wins over what raises them for a while.
    pub(crate) fn has_new_bounds(&self) -> bool {
        self.before.bounds() != self.key.rights.bounds()
    }
}

/// Writes an edit and its audit row, inside an open transaction of either engine. `?` acts on the caller.
macro_rules! write_edit {
    ($store:expr, $tx:ident, $act:expr, $edit:expr) => {{
        let edit: &$crate::keys::change::PreparedEdit = &$edit;
        let (organization, key) = ($act.organization.to_string(), &edit.key);
        let (id, updated_us) = (key.id.as_str(), key.life.updated_at.as_microsecond());
        $crate::audit::append_audit!($store, $tx, $act.entry("key.edit", id, &edit.detail));
        let done = sqlx::query($crate::keys::change::EDIT)
            .bind(&organization)
            .bind(id)
            .bind(&key.description)
            .bind($crate::search::search_text(&[&key.name, &key.description, key.id.as_str()]))
            .bind(&edit.rights)
            .bind(&edit.metadata)
            .bind(key.rights.expires_at.map(jiff::Timestamp::as_microsecond))
            .bind(updated_us)
            .bind(edit.read_at.as_microsecond())
            .execute(&mut *$tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err($crate::StoreError::Stale);
        }
        if edit.has_new_bounds() {
            let subject = doorward_domain::bounds::Subject::Key(key.id);
            $crate::increases::end_held!($store, $tx, $act, (subject, &key.name));
        }
        if edit.has_new_origins() {
            $crate::keys::origins::write_origins!($tx, &organization, key);
        }
        if edit.is_wider() {
            sqlx::query($crate::keys::uses::NOTE_WIDENED)
                .bind(&organization)
                .bind(id)
                .bind($crate::keys::uses::WIDENED)
                .bind(updated_us)
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(crate) use write_edit;

impl Store {
    /// Makes a key and audits it, in one transaction. Returns it and, this once, its clear text.
    /// [`StoreError::LooksAlike`] when the owner has a key whose name cannot be told from this one.
    /// [`StoreError::Missing`] when the organization has no such project, or no such active owner;
    /// [`StoreError::Taken`] with `name`; [`StoreError::InUse`] with the names of the keys that fill
    /// the quota.
    pub async fn create_key(
        &self,
        act: &Act,
        new: NewKey,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        self.make_key(act, None, new).await
    }

    /// Makes a service account and the first key of it, and audits both, in one transaction: there are
    /// both, or neither. `account` is drafted, and is the owner that `new` names. Refused as
    /// [`Store::create_key`] is; [`StoreError::Taken`] with `new_service_account.name` for the account's.
    pub async fn create_key_and_account(
        &self,
        act: &Act,
        account: &ServiceAccount,
        new: NewKey,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        check_storable(&[
            ("new_service_account.name", &account.name),
            ("new_service_account.description", &account.description),
        ])?;
        self.make_key(act, Some(account), new).await
    }

    async fn make_key(
        &self,
        act: &Act,
        account: Option<&ServiceAccount>,
        new: NewKey,
    ) -> Result<(ApiKey, PlainKey), StoreError> {
        check_storable(&[("name", &new.name), ("description", &new.description)])?;
        let settings = self.settings(act.organization).await?;
        let plain = PlainKey::mint(&settings.key_prefix, random_bytes());
        let quota = new.quota;
        let key = new_key(act, new, &plain);
        let done = Box::pin(self.insert_key(act, account, (&key, &plain), quota)).await;
        self.calls.forget_key(&key.id);
        done.map(|()| (key, plain))
    }

    async fn insert_key(
        &self,
        act: &Act,
        account: Option<&ServiceAccount>,
        (key, plain): (&ApiKey, &PlainKey),
        quota: Option<u32>,
    ) -> Result<(), StoreError> {
        let rights = StoredRights::text(&key.rights)?;
        let metadata = json_text("metadata", &key.metadata)?;
        let at_us = act.at.as_microsecond();
        let (organization, owner) = (act.organization.to_string(), key.owner.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            if let Some(account) = account {
                insert_service_account!(self, tx, act, account, "new_service_account.name");
            }
            if !finds!(tx, FIND_PROJECT, &organization, key.project.to_string()) {
                return Err(StoreError::Missing("project"));
            }
            if !finds!(tx, FIND_ACTIVE_OWNER, &organization, &owner) {
                return Err(StoreError::Missing("owner"));
            }
            sqlx::query(INSERT)
                .bind(key.id.as_str())
                .bind(&organization)
                .bind(key.project.to_string())
                .bind(key.owner.kind())
                .bind(&owner)
                .bind(&key.name)
                .bind(&key.description)
                .bind(search_text(&[&key.name, &key.description, key.id.as_str()]))
                .bind(&key.tail)
                .bind(&rights)
                .bind(&metadata)
                .bind(key.created_by.to_string())
                .bind(at_us)
                .bind(key.rights.expires_at.map(Timestamp::as_microsecond))
                .bind(look(&key.name))
                .execute(&mut *tx)
                .await
                .map_err(|error| refused(error, "name", "user"))?;
            insert_secret!(self, tx, &organization, plain, SecretNumber::FIRST, at_us);
            if key.rights.allowed_origins.is_some() {
                write_origins!(tx, &organization, key);
            }
            append_audit!(self, tx, act.entry("key.create", key.id.as_str(), &summary(key)?));
            // Again after the audit row, at which acts wait for each other: both may have been removed.
            if !finds!(tx, FIND_PROJECT, &organization, key.project.to_string()) {
                return Err(StoreError::Missing("project"));
            }
            if !finds!(tx, FIND_ACTIVE_OWNER, &organization, &owner) {
                return Err(StoreError::Missing("owner"));
            }
            bound_role!(tx, act, key, true);
            refuse_alike!(tx, &organization, &owner, key);
            refuse_beyond_quota!(tx, &organization, &owner, key, at_us, quota);
            tx.commit().await?;
        });
        Ok(())
    }

    /// Edits a key and audits what changed; an edit that changes nothing leaves no trace. The data
    /// plane sees it with its next call. New limits or budgets end an increase of those before them. A
    /// revoked key is not there to be edited: [`StoreError::Missing`].
    pub async fn edit_key(
        &self,
        act: &Act,
        id: &KeyId,
        edit: KeyEdit,
    ) -> Result<ApiKey, StoreError> {
        let edited = self.update_key(act, id, edit).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_key(id);
        edited
    }

    async fn update_key(&self, act: &Act, id: &KeyId, edit: KeyEdit) -> Result<ApiKey, StoreError> {
        let key = self.living_key(act, id, edit.if_updated_at).await?;
        let Some(edit) = PreparedEdit::of(act, key.clone(), edit)? else { return Ok(key) };
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            write_edit!(self, tx, act, edit);
            tx.commit().await?;
        });
        Ok(edit.key)
    }

    /// A key that can be edited, as it is in the database. [`StoreError::Stale`] where it is another
    /// version than the one that is expected.
    pub(crate) async fn living_key(
        &self,
        act: &Act,
        id: &KeyId,
        expected: Option<Timestamp>,
    ) -> Result<ApiKey, StoreError> {
        let found = self.stored_key(act.organization, id).await?;
        let living = found.filter(|key| key.life.revoked_at.is_none());
        let key = living.ok_or(StoreError::Missing("key"))?;
        if expected.is_some_and(|expected| whole_us(expected) != key.life.updated_at) {
            return Err(StoreError::Stale);
        }
        Ok(key)
    }

    /// Switches a key off (`true`) or on again, and audits it. Doing it twice keeps the first instant
    /// and is not audited again. A revoked key is not there to be switched: [`StoreError::Missing`].
    pub async fn set_key_disabled(
        &self,
        act: &Act,
        id: &KeyId,
        is_disabled: bool,
    ) -> Result<ApiKey, StoreError> {
        let change = if is_disabled { (DISABLE, "key.disable") } else { (ENABLE, "key.enable") };
        let key = self.change_life(act, id, change).await?;
        if key.life.revoked_at.is_some() { Err(StoreError::Missing("key")) } else { Ok(key) }
    }

    /// Ends a key for good and audits it. Doing it twice keeps the first instant and is not audited
    /// again. When this returns, the data plane of this process refuses the key and its open streams
    /// are ending.
    pub async fn revoke_key(&self, act: &Act, id: &KeyId) -> Result<ApiKey, StoreError> {
        self.change_life(act, id, (REVOKE, "key.revoke")).await
    }

    async fn change_life(
        &self,
        act: &Act,
        id: &KeyId,
        change: (&'static str, &'static str),
    ) -> Result<ApiKey, StoreError> {
        let done = self.update_life(act, id, change).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_key(id);
        done?;
        let changed = self.stored_key(act.organization, id).await?;
        changed.ok_or(StoreError::Missing("key"))
    }

    async fn update_life(
        &self,
        act: &Act,
        id: &KeyId,
        (sql, action): (&'static str, &'static str),
    ) -> Result<(), StoreError> {
        let found = self.stored_key(act.organization, id).await?;
        let detail = json!({ "name": found.ok_or(StoreError::Missing("key"))?.name });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            // First: a key that changes itself is another afterwards.
            append_audit!(self, tx, act.entry(action, id.as_str(), &detail));
            let done = sqlx::query(sql)
                .bind(act.organization.to_string())
                .bind(id.as_str())
                .bind(act.at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            // It is so already: the row of the audit log goes back with the transaction.
            if done.rows_affected() > 0 {
                tx.commit().await?;
            }
        });
        Ok(())
    }
}

fn new_key(act: &Act, new: NewKey, plain: &PlainKey) -> ApiKey {
    let at = whole_us(act.at);
    let life = Life {
        created_at: at,
        disabled_at: None,
        revoked_at: None,
        rotated_at: None,
        updated_at: at,
    };
    ApiKey {
        id: plain.id(),
        tail: plain.tail(),
        organization: act.organization,
        project: new.project,
        owner: new.owner,
        name: new.name,
        description: new.description,
        rights: storable(new.rights),
        life,
        created_by: new.created_by,
        metadata: new.metadata,
    }
}

/// Rights as they read back.
fn storable(rights: Rights) -> Rights {
    Rights { expires_at: rights.expires_at.map(whole_us), ..rights }
}

/// What the audit log says about a new key: its name and its rights, nothing of its secret.
fn summary(key: &ApiKey) -> Result<Value, StoreError> {
    let mut fields = StoredRights::fields(&key.rights)?;
    fields.insert("name".to_owned(), json!(key.name));
    fields.insert("owner".to_owned(), json!(key.owner.to_string()));
    fields.insert("project".to_owned(), json!(key.project));
    Ok(Value::Object(fields))
}

/// Edits the key, and tells the audit log what: new rights in full; of the free texts, which may hold
/// anything, only that they were edited.
fn apply(key: &mut ApiKey, edit: KeyEdit) -> Result<Map<String, Value>, StoreError> {
    let mut changed = Map::new();
    if let Some(description) = edit.description.filter(|text| *text != key.description) {
        changed.insert("description".to_owned(), Value::Bool(true));
        key.description = description;
    }
    if let Some(metadata) = edit.metadata.filter(|data| *data != key.metadata) {
        changed.insert("metadata".to_owned(), Value::Bool(true));
        key.metadata = metadata;
    }
    if let Some(rights) = edit.rights.map(storable) {
        let before = StoredRights::fields(&key.rights)?;
        let after = StoredRights::fields(&rights)?;
        let is_new = |(name, value): &(String, Value)| before.get(name) != Some(value);
        changed.extend(after.into_iter().filter(is_new));
        key.rights = rights;
    }
    Ok(changed)
}
