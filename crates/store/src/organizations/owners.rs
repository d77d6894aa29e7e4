//! What holds for whoever owns keys, users and service accounts, inside open transactions that have
//! written their audit row: acts wait for each other there, so nothing that is read can change.

use doorward_domain::role::OrganizationRole;

use crate::StoreError;

/// The role of an active user.
pub(crate) const ACTIVE_ROLE: &str = "
    SELECT role FROM users
    WHERE organization_id = $1 AND id = $2 AND disabled_at_us IS NULL AND removed_at_us IS NULL";

/// The role of a user, switched off or not.
pub(crate) const ROLE: &str = "
    SELECT role FROM users WHERE organization_id = $1 AND id = $2 AND removed_at_us IS NULL";

/// Whether an organization has an active owner.
pub(super) const HAS_OWNER: &str = "
    SELECT 1 FROM users
    WHERE organization_id = $1 AND role = 'owner'
      AND disabled_at_us IS NULL AND removed_at_us IS NULL LIMIT 1";

/// Ends every key of an owner.
pub(super) const REVOKE_ALL: &str = concat!(
    "UPDATE api_keys SET revoked_at_us = $3, ",
    crate::db::set_next_version!("$3"),
    " WHERE organization_id = $1 AND owner_id = $2 AND revoked_at_us IS NULL
      RETURNING id, name"
);

/// The role of whoever acts, before they change themselves. `?` acts on the caller.
macro_rules! role_of {
    ($tx:ident, $act:expr) => {
        match &$act.actor {
            $crate::Actor::System => doorward_domain::role::OrganizationRole::Owner,
            $crate::Actor::Key { user_role, role_max, .. } => {
                role_max.map_or(*user_role, |max| user_role.lower(max))
            }
            $crate::Actor::Session { role, .. } => *role,
            $crate::Actor::User(id) => {
                let row: Option<(String,)> =
                    sqlx::query_as($crate::organizations::owners::ACTIVE_ROLE)
                        .bind($act.organization.to_string())
                        .bind(id.to_string())
                        .fetch_optional(&mut *$tx)
                        .await?;
                let (role,) = row.ok_or($crate::StoreError::ActorChanged)?;
                $crate::db::parsed("role", &role)?
            }
        }
    };
}
pub(crate) use role_of;

/// Refuses what reaches above the role of whoever acts.
pub(crate) fn refuse_above(
    own: OrganizationRole,
    reached: &[OrganizationRole],
) -> Result<(), StoreError> {
    let is_within = reached.iter().all(|role| own.is_at_least(*role));
    if is_within { Ok(()) } else { Err(StoreError::AboveOwnRole) }
}

/// Ends every session and takes back every link of a user who may not come in any more, also those that
/// are on their way by mail. `?` acts on the caller.
macro_rules! shut_out {
    ($tx:ident, $act:expr, $user:expr) => {
        let over =
            [$crate::sign_in::END_SESSIONS, $crate::sign_in::DROP_LINKS, $crate::notices::CANCEL];
        for sql in over {
            let query = sqlx::query(sql).bind($act.organization.to_string()).bind($user);
            query.execute(&mut *$tx).await?;
        }
    };
}
pub(super) use shut_out;

/// Refuses what took the last active owner away. `?` acts on the caller.
macro_rules! refuse_ownerless {
    ($tx:ident, $act:expr, $role:expr) => {
        if $role == OrganizationRole::Owner
            && !$crate::db::finds!(
                $tx,
                $crate::organizations::owners::HAS_OWNER,
                $act.organization.to_string()
            )
        {
            return Err(StoreError::LastOwner);
        }
    };
}
pub(super) use refuse_ownerless;

/// Ends every key of an owner, and audits each. `?` acts on the caller.
macro_rules! revoke_all {
    ($store:expr, $tx:ident, $act:expr, $owner:expr) => {{
        let mut ended: Vec<(String, String)> =
            sqlx::query_as($crate::organizations::owners::REVOKE_ALL)
                .bind($act.organization.to_string())
                .bind($owner)
                .bind($act.at.as_microsecond())
                .fetch_all(&mut *$tx)
                .await?;
        ended.sort_unstable();
        for (id, name) in ended {
            let detail = json!({ "name": name, "removed_owner": $owner });
            append_audit!($store, $tx, $act.entry("key.revoke", &id, &detail).that_follows());
        }
    }};
}
pub(super) use revoke_all;
