//! Organizations, their projects, users and service accounts: the first start, and who presents a
//! key.

mod members;
mod owners;
mod projects;
mod service_accounts;
mod users;

use std::net::IpAddr;

use doorward_domain::credential::PlainKey;
use doorward_domain::id::{OrganizationId, ProjectId, UserId};
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::role::OrganizationRole;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::audit::{Actor, append_audit};
use crate::db::{on, parsed};
use crate::keys::load_call_key;
use crate::usage::TOUCH_KEY;
use crate::{Act, Store, StoreError};

pub use members::{Member, Membership};
pub(crate) use projects::FIND_PROJECT;
pub use projects::{NewProject, Project};
pub use service_accounts::{NewServiceAccount, ServiceAccount};
pub use users::{NewUser, User};

/// The name of what the first start makes, and of the project where keys go that name none.
const DEFAULT: &str = "default";

/// How exact the last use of a key on the management API is.
const TOUCH_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// What the first start makes.
#[derive(Debug)]
pub struct Bootstrap {
    /// `default`.
    pub organization: OrganizationId,
    /// `default`.
    pub project: ProjectId,
    /// The administrator, role owner.
    pub administrator: UserId,
}

/// Who presents a key to the control plane.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key, whatever its status: [`ApiKey::check`] decides.
    pub key: ApiKey,
    /// Whether the owner is active.
    pub owner_is_active: bool,
    /// The user's role; for a service key [`OrganizationRole::Member`] with its own keys only.
    pub role: OrganizationRole,
    /// When the key was last used.
    pub last_used_at: Option<Timestamp>,
}

/// Whether an organization has an active user or service account.
pub(crate) const FIND_ACTIVE_OWNER: &str = "
    SELECT 1 FROM users
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL
    UNION ALL
    SELECT 1 FROM service_accounts
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL";

impl Store {
    /// The first organization, project and administrator; makes them where there are none.
    /// The second value says whether they were made now.
    pub async fn bootstrap(&self) -> Result<(Bootstrap, bool), StoreError> {
        if let Some(found) = self.find_bootstrap().await? {
            return Ok((found, false));
        }
        let made = Bootstrap {
            organization: self.new_id(OrganizationId::new),
            project: self.new_id(ProjectId::new),
            administrator: self.new_id(UserId::new),
        };
        self.insert_bootstrap(&made).await?;
        Ok((made, true))
    }

    async fn find_bootstrap(&self) -> Result<Option<Bootstrap>, StoreError> {
        const SQL: &str = "
            SELECT o.id, p.id, u.id
            FROM organizations o
            JOIN projects p ON p.organization_id = o.id AND p.name = $1 AND p.removed_at_us IS NULL
            JOIN users u ON u.organization_id = o.id AND u.role = 'owner'
                AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL
            ORDER BY o.id, u.id LIMIT 1";
        let row: Option<(String, String, String)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(DEFAULT).fetch_optional(pool).await?
        });
        let Some((organization, project, administrator)) = row else { return Ok(None) };
        Ok(Some(Bootstrap {
            organization: parsed("organization", &organization)?,
            project: parsed("project", &project)?,
            administrator: parsed("user", &administrator)?,
        }))
    }

    async fn insert_bootstrap(&self, made: &Bootstrap) -> Result<(), StoreError> {
        const ORGANIZATION: &str =
            "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $2, $3)";
        const PROJECT: &str = "
            INSERT INTO projects
                (id, organization_id, name, description, created_at_us, updated_at_us)
            VALUES ($1, $2, $3, '', $4, $4)";
        const USER: &str = "
            INSERT INTO users (id, organization_id, name, role, created_at_us, updated_at_us)
            VALUES ($1, $2, 'administrator', 'owner', $3, $3)";
        let at = self.clock.now();
        let act = Act { organization: made.organization, actor: Actor::System, at };
        let organization = made.organization.to_string();
        let us = at.as_microsecond();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(ORGANIZATION)
                .bind(&organization)
                .bind(DEFAULT)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            sqlx::query(PROJECT)
                .bind(made.project.to_string())
                .bind(&organization)
                .bind(DEFAULT)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            sqlx::query(USER)
                .bind(made.administrator.to_string())
                .bind(&organization)
                .bind(us)
                .execute(&mut *tx)
                .await?;
            let detail = json!({ "administrator": made.administrator, "project": made.project });
            append_audit!(self, tx, act.entry("organization.create", &organization, &detail));
            tx.commit().await?;
        });
        Ok(())
    }

    /// Finds who presents this key, checking its digest in constant time. `None`: nobody.
    /// Reads the database each time: an administrator's rights are never stale.
    pub async fn identify(&self, key: &PlainKey) -> Result<Option<Identity>, StoreError> {
        let Some(stored) = load_call_key(&self.db, &key.id()).await? else { return Ok(None) };
        let pepper = self.keyring.pepper_version(stored.pepper_version);
        let is_right = pepper.is_some_and(|pepper| pepper.digest(key).matches(&stored.digest));
        Ok(is_right.then_some(Identity {
            key: stored.key,
            owner_is_active: stored.owner_is_active,
            role: stored.role,
            last_used_at: stored.last_used_at,
        }))
    }

    /// Notes that a key was used on the management API now, at most once a minute: scripts that ask
    /// all the time must not make each of their requests a write.
    pub async fn touch_key(&self, identity: &Identity, address: IpAddr) -> Result<(), StoreError> {
        let (key, now) = (&identity.key, self.clock.now());
        let is_fresh = |last: Timestamp| now.duration_since(last) < TOUCH_INTERVAL;
        if identity.last_used_at.is_some_and(is_fresh) {
            return Ok(());
        }
        on!(self.db.write, |pool| {
            sqlx::query(TOUCH_KEY)
                .bind(key.organization.to_string())
                .bind(key.id.as_str())
                .bind(now.as_microsecond())
                .bind(address.to_string())
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Whether an owner exists in this organization and is active.
    pub async fn is_owner_active(
        &self,
        organization: OrganizationId,
        owner: Owner,
    ) -> Result<bool, StoreError> {
        let row: Option<(i32,)> = on!(self.db.read, |pool| {
            sqlx::query_as(FIND_ACTIVE_OWNER)
                .bind(organization.to_string())
                .bind(owner.to_string())
                .fetch_optional(pool)
                .await?
        });
        Ok(row.is_some())
    }
}
