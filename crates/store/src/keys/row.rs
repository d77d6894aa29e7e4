//! The stored form of a key.

use doorward_domain::address::{AddressBlock, AddressRules};
use doorward_domain::bounds::{Bounds, ModelLimits, Subject};
use doorward_domain::budget::Budget;
use doorward_domain::credential::KeyId;
use doorward_domain::key::{ApiKey, Life, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::origin::Origins;
use doorward_domain::prompts::PromptPolicy;
use doorward_domain::rights::Rights;
use doorward_domain::role::OrganizationRole;
use doorward_domain::scope::ScopeSet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secrets::{Secrets, StoredSecret};
use crate::StoreError;
use crate::db::{Db, json_text, on, parsed, parsed_json, timestamp};
use crate::keyring::Keyring;
use crate::row::row;

/// The columns of [`KeyRow`], for every query that reads keys.
macro_rules! key_columns {
    () => {
        "k.id, k.organization_id, k.project_id, k.owner_kind, k.owner_id, k.name, k.description,
         k.tail, k.rights, k.metadata, k.created_by, k.created_at_us, k.updated_at_us,
         k.expires_at_us, k.disabled_at_us, k.revoked_at_us, k.rotated_at_us"
    };
}
pub(super) use key_columns;

row! {
    pub(super) struct KeyRow {
        id: String,
        organization_id: String,
        project_id: String,
        owner_kind: String,
        owner_id: String,
        name: String,
        description: String,
        tail: String,
        rights: String,
        metadata: String,
        created_by: String,
        created_at_us: i64,
        updated_at_us: i64,
        expires_at_us: Option<i64>,
        disabled_at_us: Option<i64>,
        revoked_at_us: Option<i64>,
        rotated_at_us: Option<i64>,
    }
}

/// [`Rights`] as one JSON column; the expiry has a column of its own, for it is searched.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRights {
    scopes: ScopeSet,
    models: ModelRule,
    ip_allow: Option<Vec<AddressBlock>>,
    ip_deny: Vec<AddressBlock>,
    limits: Limits,
    model_limits: Vec<ModelLimits>,
    budgets: Vec<Budget>,
    allowed_origins: Option<Origins>,
}

impl StoredRights {
    pub(super) fn text(rights: &Rights) -> Result<String, StoreError> {
        let stored = Self {
            scopes: rights.scopes,
            models: rights.models.clone(),
            ip_allow: rights.addresses.allow.clone(),
            ip_deny: rights.addresses.deny.clone(),
            limits: rights.limits,
            model_limits: rights.model_limits.clone(),
            budgets: rights.budgets.clone(),
            allowed_origins: rights.allowed_origins.clone(),
        };
        json_text("rights", &stored)
    }

    /// What bounds the calls of a key, of its rights as they are stored.
    pub(crate) fn bounds(text: &str) -> Result<Bounds, StoreError> {
        let Self { limits, budgets, .. } = parsed_json("rights", text)?;
        Ok(Bounds { limits, budgets })
    }

    /// Rights as the audit log shows them, field by field.
    pub(super) fn fields(rights: &Rights) -> Result<Map<String, Value>, StoreError> {
        let mut fields: Map<String, Value> = parsed_json("rights", &Self::text(rights)?)?;
        let expires_at = rights.expires_at.map(|at| at.to_string());
        fields.insert("expires_at".to_owned(), expires_at.into());
        Ok(fields)
    }

    pub(super) fn into_rights(self, expires_at: Option<Timestamp>) -> Rights {
        Rights {
            scopes: self.scopes,
            models: self.models,
            addresses: AddressRules { allow: self.ip_allow, deny: self.ip_deny },
            limits: self.limits,
            model_limits: self.model_limits,
            budgets: self.budgets,
            expires_at,
            allowed_origins: self.allowed_origins,
        }
    }
}

impl KeyRow {
    /// Its place in the list of keys.
    pub(super) fn place(&self) -> (i64, &str) {
        (self.created_at_us, &self.id)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn end_us(&self) -> Option<i64> {
        self.expires_at_us
    }

    pub(super) fn parse(self) -> Result<ApiKey, StoreError> {
        let expires_at = self.expires_at_us.map(timestamp).transpose()?;
        let rights: StoredRights = parsed_json("rights", &self.rights)?;
        Ok(ApiKey {
            id: parsed("key", &self.id)?,
            tail: self.tail,
            organization: parsed("organization", &self.organization_id)?,
            project: parsed("project", &self.project_id)?,
            owner: owner(&self.owner_kind, &self.owner_id)?,
            name: self.name,
            description: self.description,
            rights: rights.into_rights(expires_at),
            life: Life {
                created_at: timestamp(self.created_at_us)?,
                disabled_at: self.disabled_at_us.map(timestamp).transpose()?,
                revoked_at: self.revoked_at_us.map(timestamp).transpose()?,
                rotated_at: self.rotated_at_us.map(timestamp).transpose()?,
                updated_at: timestamp(self.updated_at_us)?,
            },
            created_by: parsed("user", &self.created_by)?,
            metadata: parsed_json("metadata", &self.metadata)?,
        })
    }
}

pub(crate) fn owner(kind: &str, id: &str) -> Result<Owner, StoreError> {
    match kind {
        "user" => parsed("owner", id).map(Owner::User),
        "service" => parsed("owner", id).map(Owner::ServiceAccount),
        _ => Err(StoreError::Corrupt("owner kind".to_owned())),
    }
}

fn bounds(text: &str) -> Result<Bounds, StoreError> {
    parsed_json("bounds", text)
}

/// A key with all that verifying it takes.
#[derive(Debug)]
pub(crate) struct StoredCallKey {
    pub(crate) key: ApiKey,
    pub(crate) secrets: Secrets,
    pub(crate) owner_is_active: bool,
    /// The user's role; a service account acts as a member.
    pub(crate) user_role: OrganizationRole,
    /// The role that it acts with at most. `None`: that of its user.
    pub(crate) role_max: Option<OrganizationRole>,
    /// What bounds it together with other keys.
    pub(crate) shared: SharedBounds,
    /// How its project keeps prompts. `None`: not at all.
    pub(crate) prompts: Option<PromptPolicy>,
}

/// What all keys of a key's user, project and organization share.
#[derive(Debug)]
pub(crate) struct SharedBounds {
    pub(crate) user: Bounds,
    pub(crate) project: Bounds,
    pub(crate) organization: Bounds,
}

impl SharedBounds {
    /// What this one's keys share. `None`: a key shares its own with nobody.
    pub(crate) const fn of(&self, subject: &Subject) -> Option<&Bounds> {
        match subject {
            Subject::Organization(_) => Some(&self.organization),
            Subject::Project(_) => Some(&self.project),
            Subject::User(_) => Some(&self.user),
            Subject::Key(_) => None,
        }
    }
}

impl StoredCallKey {
    /// The role that it acts with.
    pub(crate) fn role(&self) -> OrganizationRole {
        self.role_max.map_or(self.user_role, |max| self.user_role.lower(max))
    }
}

row! {
    struct CallKeyRow {
        ..key: KeyRow,
        number: i64,
        digest: Vec<u8>,
        pepper_version: i64,
        ends_at_us: Option<i64>,
        role: Option<String>,
        role_max: Option<String>,
        is_owner_found: i64,
        owner_disabled_at_us: Option<i64>,
        last_used_at_us: Option<i64>,
        user_bounds: Option<String>,
        project_bounds: String,
        project_prompts: Option<String>,
        organization_bounds: String,
    }
}

impl CallKeyRow {
    fn take_secret(&mut self) -> StoredSecret {
        StoredSecret {
            number: self.number,
            digest: std::mem::take(&mut self.digest),
            pepper_version: self.pepper_version,
            ends_at_us: self.ends_at_us,
            last_used_at_us: self.last_used_at_us,
        }
    }

    fn parse(self, secrets: Secrets) -> Result<StoredCallKey, StoreError> {
        let read = |role: Option<String>| role.map(|role| parsed("role", &role)).transpose();
        Ok(StoredCallKey {
            key: self.key.parse()?,
            secrets,
            owner_is_active: self.is_owner_found > 0 && self.owner_disabled_at_us.is_none(),
            user_role: read(self.role)?.unwrap_or(OrganizationRole::Member),
            role_max: read(self.role_max)?,
            shared: SharedBounds {
                user: self.user_bounds.map_or(Ok(Bounds::NONE), |text| bounds(&text))?,
                project: bounds(&self.project_bounds)?,
                organization: bounds(&self.organization_bounds)?,
            },
            prompts: self.project_prompts.map(|text| parsed_json("prompts", &text)).transpose()?,
        })
    }
}

/// Looks a key up by its id, whatever its state, with the secrets whose digests are still there: none
/// of them, no key.
pub(crate) async fn load_call_key(
    db: &Db,
    keyring: &Keyring,
    id: &KeyId,
) -> Result<Option<StoredCallKey>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        key_columns!(),
        ", c.number, c.digest, c.pepper_version, c.ends_at_us, c.last_used_at_us, u.role, k.role_max,
           CAST(CASE WHEN u.id IS NULL AND s.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_owner_found,
           COALESCE(u.disabled_at_us, u.removed_at_us, s.disabled_at_us, s.removed_at_us)
             AS owner_disabled_at_us,
           u.bounds AS user_bounds, p.bounds AS project_bounds,
           p.prompts AS project_prompts, o.bounds AS organization_bounds
         FROM api_keys k
         JOIN projects p ON p.id = k.project_id AND p.organization_id = k.organization_id
         JOIN organizations o ON o.id = k.organization_id
         JOIN key_secrets c ON c.key_id = k.id AND c.organization_id = k.organization_id
           AND c.digest IS NOT NULL
         LEFT JOIN users u ON u.id = k.owner_id AND u.organization_id = k.organization_id
         LEFT JOIN service_accounts s ON s.id = k.owner_id AND s.organization_id = k.organization_id
         WHERE k.id = $1 ORDER BY c.number DESC"
    );
    let mut rows: Vec<CallKeyRow> =
        on!(db.read, |pool| { sqlx::query_as(SQL).bind(id.as_str()).fetch_all(pool).await? });
    let secrets = Secrets::new(rows.iter_mut().map(CallKeyRow::take_secret).collect(), keyring)?;
    rows.into_iter().next().map(|row| row.parse(secrets)).transpose()
}
