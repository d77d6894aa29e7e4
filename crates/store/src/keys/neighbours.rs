//! What the other keys of an owner say about a new one: whether there is room, and a name of its own.

/// Another key of the owner whose name looks the same.
pub(super) const LOOKS_ALIKE: &str = "
    SELECT name FROM api_keys
    WHERE organization_id = $1 AND owner_id = $2 AND id <> $3 AND name_look = $4
      AND revoked_at_us IS NULL AND swept_at_us IS NULL LIMIT 1";

/// Other keys that count against a quota: active and disabled ones.
pub(super) const QUOTA: &str = "
    SELECT name FROM api_keys
    WHERE organization_id = $1 AND owner_id = $2 AND id <> $3 AND revoked_at_us IS NULL
      AND (expires_at_us IS NULL OR expires_at_us > $4)
    ORDER BY name LIMIT $5";

/// Refuses a new key whose name looks like that of another one, inside an open transaction. `?` acts on
/// the caller.
macro_rules! refuse_alike {
    ($tx:ident, $organization:expr, $owner:expr, $key:expr) => {
        let alike: Option<(String,)> = sqlx::query_as($crate::keys::neighbours::LOOKS_ALIKE)
            .bind($organization)
            .bind($owner)
            .bind($key.id.as_str())
            .bind(doorward_domain::confusable::look(&$key.name))
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some((other,)) = alike {
            return Err(StoreError::LooksAlike { other });
        }
    };
}
pub(super) use refuse_alike;

/// Refuses a new key beyond its owner's quota, likewise: counted after the audit row, at which acts wait
/// for each other.
macro_rules! refuse_beyond_quota {
    ($tx:ident, $organization:expr, $owner:expr, $key:expr, $at_us:expr, $quota:expr) => {
        if let Some(quota) = $quota {
            let others: Vec<(String,)> = sqlx::query_as($crate::keys::neighbours::QUOTA)
                .bind($organization)
                .bind($owner)
                .bind($key.id.as_str())
                .bind($at_us)
                .bind(i64::from(quota))
                .fetch_all(&mut *$tx)
                .await?;
            if others.len() as u64 >= u64::from(quota) {
                return Err(StoreError::InUse(others.into_iter().map(|(name,)| name).collect()));
            }
        }
    };
}
pub(super) use refuse_beyond_quota;
