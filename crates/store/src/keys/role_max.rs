//! The role that a key acts with at most, where somebody else than its owner has seen its secret.
//!
//! Whoever makes or rotates a key for somebody below them can keep its secret. When that user is
//! promoted later, the key must not be promoted with them: it would be worth more to whoever kept it
//! than what they were allowed to hand out.

use doorward_domain::role::OrganizationRole;

/// What a rotation with an overlap leaves: the secrets before it still work, and are bound still.
pub(super) const NARROW: &str = "
    UPDATE api_keys SET role_max = CASE
        WHEN role_max IS NULL OR role_max IN ($3, $4, $5, $6) THEN $7 ELSE role_max END
    WHERE organization_id = $1 AND id = $2";

/// What is bound by nothing before it.
pub(super) const SET: &str = "
    UPDATE api_keys SET role_max = $3 WHERE organization_id = $1 AND id = $2";

/// The roles that are at least this one, and replaced by it; the list has four places.
pub(super) fn at_least(role: OrganizationRole) -> [&'static str; 4] {
    use OrganizationRole::{Admin, Member, Owner, Viewer};
    [Owner, Admin, Member, Viewer]
        .map(|other| if other.is_at_least(role) { other } else { role }.as_str())
}

/// Bounds the role of a key that somebody else than its user makes or rotates, inside an open
/// transaction that has written its audit row. `$is_only`: no secret that was there before works any
/// more, so that the owner who rotates it is rid of the bound. `?` acts on the caller.
macro_rules! bound_role {
    ($tx:ident, $act:expr, $key:expr, $is_only:expr) => {{
        let (organization, id) = ($act.organization.to_string(), $key.id.as_str());
        let bound = match $key.owner {
            doorward_domain::key::Owner::User(user) if $act.actor.is_other_than($key.owner) => {
                let own = $crate::organizations::owners::role_of!($tx, $act);
                let row: Option<(String,)> = sqlx::query_as($crate::organizations::owners::ROLE)
                    .bind(&organization)
                    .bind(user.to_string())
                    .fetch_optional(&mut *$tx)
                    .await?;
                let (role,) = row.ok_or(StoreError::Missing("owner"))?;
                Some(own.lower($crate::db::parsed("role", &role)?))
            }
            // A key that is bound makes none that is not, nor itself rid of it.
            doorward_domain::key::Owner::User(_)
            | doorward_domain::key::Owner::ServiceAccount(_) => $act.actor.role_max(),
        };
        if $is_only {
            sqlx::query($crate::keys::role_max::SET)
                .bind(&organization)
                .bind(id)
                .bind(bound.map(doorward_domain::role::OrganizationRole::as_str))
                .execute(&mut *$tx)
                .await?;
        } else if let Some(bound) = bound {
            let [a, b, c, d] = $crate::keys::role_max::at_least(bound);
            sqlx::query($crate::keys::role_max::NARROW)
                .bind(&organization)
                .bind(id)
                .bind(a)
                .bind(b)
                .bind(c)
                .bind(d)
                .bind(bound.as_str())
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(super) use bound_role;
