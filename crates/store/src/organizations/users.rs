//! Users: people.

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::key::Owner;
use doorward_domain::role::OrganizationRole;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::owners::{refuse_above, refuse_ownerless, revoke_all, role_of, shut_out};
use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{
    check_storable, is_storable, json_text, next_version, on, parsed, parsed_json,
    set_next_version, taken, timestamp,
};
use crate::increases::end_held;
use crate::named::NamedRow;
use crate::row::row;
use crate::search::{pattern, search_text};
use crate::{Act, Removed, Store, StoreError};

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Whose member.
    pub organization: OrganizationId,
    /// Unique within the organization.
    pub name: String,
    /// Unique within the organization, whatever its case.
    pub email: Option<EmailAddress>,
    /// What the user may do.
    pub role: OrganizationRole,
    /// The limits and budgets that all their keys share.
    pub bounds: Bounds,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they were last edited, switched off or on: their version.
    pub updated_at: Timestamp,
    /// Since when the user is switched off.
    pub disabled_at: Option<Timestamp>,
}

/// Which users are wanted; the empty filter wants all.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Those whose name, e-mail address or id contains this, whatever its case.
    pub search: Option<String>,
    /// Those of this role.
    pub role: Option<OrganizationRole>,
    /// Those who are switched off, or those who are not.
    pub is_disabled: Option<bool>,
    /// Those who were never here, neither signed in nor with a key, and have no password; or the others.
    pub is_new: Option<bool>,
}

/// Whether a user was never here.
macro_rules! is_new {
    () => {
        "seen_at_us IS NULL AND NOT EXISTS (
             SELECT 1 FROM passwords p
             WHERE p.organization_id = users.organization_id AND p.user_id = users.id)
         AND NOT EXISTS (
             SELECT 1 FROM api_keys k
             WHERE k.organization_id = users.organization_id AND k.owner_id = users.id
               AND k.last_used_at_us IS NOT NULL)"
    };
}

/// A user to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique within the organization.
    pub name: String,
    /// Unique within the organization, whatever its case.
    pub email: Option<EmailAddress>,
    /// What the user may do.
    pub role: OrganizationRole,
    /// The limits and budgets that all their keys share.
    pub bounds: Bounds,
}

row! {
    struct UserRow {
        id: String,
        organization_id: String,
        name: String,
        email: Option<String>,
        role: String,
        bounds: String,
        created_at_us: i64,
        updated_at_us: i64,
        disabled_at_us: Option<i64>,
    }
}

impl NamedRow for UserRow {
    type Named = User;

    fn parse(self) -> Result<User, StoreError> {
        Ok(User {
            id: parsed("user", &self.id)?,
            organization: parsed("organization", &self.organization_id)?,
            name: self.name,
            email: self.email.map(|text| parsed("email", &text)).transpose()?,
            role: parsed("role", &self.role)?,
            bounds: parsed_json("bounds", &self.bounds)?,
            created_at: timestamp(self.created_at_us)?,
            updated_at: timestamp(self.updated_at_us)?,
            disabled_at: self.disabled_at_us.map(timestamp).transpose()?,
        })
    }
}

/// Reads users who are there.
macro_rules! select_users {
    ($only:literal) => {
        concat!(
            "SELECT id, organization_id, name, email, role, bounds, created_at_us,
                 updated_at_us, disabled_at_us
             FROM users WHERE organization_id = $1 AND removed_at_us IS NULL AND ",
            $only
        )
    };
}

/// Changes a user who is there.
macro_rules! change_user {
    ($set:literal, $only_where:literal) => {
        concat!(
            "UPDATE users SET ",
            $set,
            ", ",
            set_next_version!("$3"),
            " WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL AND ",
            $only_where,
            " RETURNING role"
        )
    };
}
const DISABLE: &str = change_user!("disabled_at_us = $3", "disabled_at_us IS NULL");
const ENABLE: &str = change_user!("disabled_at_us = NULL", "disabled_at_us IS NOT NULL");
const REMOVE: &str = change_user!("removed_at_us = $3", "removed_at_us IS NULL");

impl Store {
    /// Adds a user and audits it. [`StoreError::Taken`] with `name` or `email`;
    /// [`StoreError::AboveOwnRole`] when their role is above that of whoever acts.
    pub async fn create_user(&self, act: &Act, new: NewUser) -> Result<User, StoreError> {
        const SQL: &str = "
            INSERT INTO users (id, organization_id, name, email, email_folded, role, bounds,
                created_at_us, updated_at_us, search_text)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)";
        check_storable(&[("name", &new.name)])?;
        let user = self.new_user(act, new);
        let id = user.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("user.create", &id, &summary(&user)));
            refuse_above(role_of!(tx, act), &[user.role])?;
            sqlx::query(SQL)
                .bind(&id)
                .bind(act.organization.to_string())
                .bind(&user.name)
                .bind(user.email.as_ref().map(EmailAddress::as_str))
                .bind(user.email.as_ref().map(EmailAddress::folded))
                .bind(user.role.as_str())
                .bind(json_text("bounds", &user.bounds)?)
                .bind(act.at.as_microsecond())
                .bind(found_by(&user))
                .execute(&mut *tx)
                .await
                .map_err(clash)?;
            tx.commit().await?;
        });
        Ok(user)
    }

    fn new_user(&self, act: &Act, new: NewUser) -> User {
        User {
            id: self.new_id(UserId::new),
            organization: act.organization,
            name: new.name,
            email: new.email,
            role: new.role,
            bounds: new.bounds,
            created_at: whole_us(act.at),
            updated_at: whole_us(act.at),
            disabled_at: None,
        }
    }

    /// Replaces name, e-mail address, role and bounds of a user, and audits it; the data plane sees role
    /// and bounds with its next call. Another role or address ends their sessions and takes back links to set a
    /// password; other bounds end what raised them. `edited.updated_at` is that of the version that was edited;
    /// [`StoreError::Stale`] when there is a newer one. An edit that changes nothing leaves no trace.
    ///
    /// [`StoreError::AboveOwnRole`] when the old or the new role is above that of whoever acts;
    /// [`StoreError::LastOwner`] when nobody would be an active owner any more.
    pub async fn edit_user(&self, act: &Act, edited: &User) -> Result<User, StoreError> {
        check_storable(&[("name", &edited.name)])?;
        let found = self.find_user(act.organization, edited.id).await?;
        let found = found.ok_or(StoreError::Missing("user"))?;
        if found.updated_at != edited.updated_at {
            return Err(StoreError::Stale);
        }
        let (name, email) = (edited.name.clone(), edited.email.clone());
        let (role, bounds) = (edited.role, edited.bounds.clone());
        let mut user = User { name, email, role, bounds, ..found.clone() };
        if user == found {
            return Ok(found);
        }
        user.updated_at = next_version(found.updated_at, act.at);
        let done = self.update_user(act, &found, &user).await;
        if user.bounds != found.bounds {
            self.catch_up_with_bounds().await;
        }
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::User(user.id));
        done.map(|()| user)
    }

    async fn update_user(&self, act: &Act, found: &User, user: &User) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE users SET name = $3, email = $4, email_folded = $5, role = $6, bounds = $7,
                updated_at_us = $8, search_text = $10
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $9 AND removed_at_us IS NULL";
        let id = user.id.to_string();
        let detail = json!({ "before": summary(found), "after": summary(user) });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            // First, for whoever edits themselves is another afterwards.
            append_audit!(self, tx, act.entry("user.edit", &id, &detail));
            refuse_above(role_of!(tx, act), &[found.role, user.role])?;
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(&user.name)
                .bind(user.email.as_ref().map(EmailAddress::as_str))
                .bind(user.email.as_ref().map(EmailAddress::folded))
                .bind(user.role.as_str())
                .bind(json_text("bounds", &user.bounds)?)
                .bind(user.updated_at.as_microsecond())
                .bind(found.updated_at.as_microsecond())
                .bind(found_by(user))
                .execute(&mut *tx)
                .await
                .map_err(clash)?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            refuse_ownerless!(tx, act, found.role);
            // Whoever holds a link or a session for who they were must not be who they become.
            if user.role != found.role || user.email != found.email {
                shut_out!(tx, act, &id);
            }
            if user.bounds != found.bounds {
                end_held!(self, tx, act, (Subject::User(user.id), &user.name));
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Switches a user off (`true`) or on again; every key and session of theirs stops
    /// at once, here. Doing it
    /// twice keeps the first instant and is not audited again.
    ///
    /// [`StoreError::AboveOwnRole`] when the user is above whoever acts; [`StoreError::LastOwner`]
    /// when nobody would be an active owner any more.
    pub async fn set_user_disabled(
        &self,
        act: &Act,
        id: UserId,
        is_disabled: bool,
    ) -> Result<User, StoreError> {
        let user = self.find_user(act.organization, id).await?;
        let user = user.ok_or(StoreError::Missing("user"))?;
        let change = if is_disabled { (DISABLE, "user.disable") } else { (ENABLE, "user.enable") };
        let done = self.switch_user(act, &user, change).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::User(id));
        done?;
        let changed = self.find_user(act.organization, id).await?;
        changed.ok_or(StoreError::Missing("user"))
    }

    async fn switch_user(
        &self,
        act: &Act,
        user: &User,
        (sql, action): (&'static str, &'static str),
    ) -> Result<(), StoreError> {
        let id = user.id.to_string();
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(action, &id, &json!({ "name": user.name })));
            let own = role_of!(tx, act);
            let changed: Option<(String,)> = sqlx::query_as(sql)
                .bind(act.organization.to_string())
                .bind(&id)
                .bind(act.at.as_microsecond())
                .fetch_optional(&mut *tx)
                .await?;
            // It is so already: the row of the audit log goes back with the transaction.
            let Some((role,)) = changed else { return Ok(()) };
            let role: OrganizationRole = parsed("role", &role)?;
            refuse_above(own, &[role])?;
            refuse_ownerless!(tx, act, role);
            shut_out!(tx, act, &id);
            tx.commit().await?;
        });
        Ok(())
    }

    /// Removes a user for good: every key of theirs is revoked, and they belong to no project any
    /// more. The name and the e-mail address can be given again.
    ///
    /// [`StoreError::AboveOwnRole`] when the user is above whoever acts; [`StoreError::LastOwner`]
    /// when nobody would be an active owner any more.
    pub async fn remove_user(&self, act: &Act, id: UserId) -> Result<Removed, StoreError> {
        let Some(user) = self.find_user(act.organization, id).await? else {
            return Ok(Removed::NotFound);
        };
        let done = self.end_user(act, &user).await;
        // Also after an error: a commit whose answer was lost may have happened.
        self.calls.forget_owner(Owner::User(id));
        done
    }

    async fn end_user(&self, act: &Act, user: &User) -> Result<Removed, StoreError> {
        const LEAVE: &str =
            "DELETE FROM project_members WHERE organization_id = $1 AND user_id = $2";
        let (organization, id) = (act.organization.to_string(), user.id.to_string());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("user.remove", &id, &json!({ "name": user.name })));
            let own = role_of!(tx, act);
            let changed: Option<(String,)> = sqlx::query_as(REMOVE)
                .bind(&organization)
                .bind(&id)
                .bind(act.at.as_microsecond())
                .fetch_optional(&mut *tx)
                .await?;
            let Some((role,)) = changed else { return Ok(Removed::NotFound) };
            let role: OrganizationRole = parsed("role", &role)?;
            refuse_above(own, &[role])?;
            refuse_ownerless!(tx, act, role);
            sqlx::query(LEAVE).bind(&organization).bind(&id).execute(&mut *tx).await?;
            revoke_all!(self, tx, act, &id);
            shut_out!(tx, act, &id);
            tx.commit().await?;
        });
        Ok(Removed::Yes)
    }

    /// A user of this organization who was not removed.
    pub async fn find_user(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = select_users!("id = $2");
        self.find_one::<UserRow>(SQL, organization, &id.to_string()).await
    }

    /// The same by name.
    pub async fn find_user_by_name(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = select_users!("name = $2");
        self.find_one::<UserRow>(SQL, organization, name).await
    }

    /// The users of this organization that fit, by name, after the name `after`, at most `limit`.
    pub async fn search_users(
        &self,
        organization: OrganizationId,
        filter: &UserFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        const SQL: &str = concat!(
            select_users!(
                "name > $2 AND search_text LIKE $3 ESCAPE '\\' AND ($5 = '' OR role = $5)
                AND ($6 = -1 OR $6 = CASE WHEN disabled_at_us IS NULL THEN 0 ELSE 1 END)
                AND ($7 = -1 OR $7 = CASE WHEN "
            ),
            is_new!(),
            " THEN 1 ELSE 0 END) ORDER BY name LIMIT $4"
        );
        let after = after.unwrap_or_default();
        let search = filter.search.as_deref().unwrap_or_default();
        let Some(pattern) = pattern(search).filter(|_| is_storable(after)) else {
            return Ok(Vec::new());
        };
        let rows: Vec<UserRow> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(after)
                .bind(pattern)
                .bind(i64::from(limit))
                .bind(filter.role.map_or("", OrganizationRole::as_str))
                .bind(filter.is_disabled.map_or(-1_i64, i64::from))
                .bind(filter.is_new.map_or(-1_i64, i64::from))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(UserRow::parse).collect()
    }
}

/// What a search for the user looks into.
fn found_by(user: &User) -> String {
    let email = user.email.as_ref().map(EmailAddress::as_str).unwrap_or_default();
    search_text(&[&user.name, email, &user.id.to_string()])
}

/// Which of the two that must be unique is taken: both engines name it in their words.
fn clash(error: sqlx::Error) -> StoreError {
    let words = error.as_database_error().map_or("", sqlx::error::DatabaseError::message);
    let field = if words.contains("email") { "email" } else { "name" };
    taken(error, field)
}

/// What the audit log says about a user.
fn summary(user: &User) -> Value {
    let mut detail = json!({ "name": user.name, "email": user.email, "role": user.role });
    if let Some(fields) = detail.as_object_mut().filter(|_| !user.bounds.is_none()) {
        fields.insert("bounds".to_owned(), json!(user.bounds));
    }
    detail
}
