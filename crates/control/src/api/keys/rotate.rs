//! `POST /v1/api-keys/{id}/rotate`, `DELETE /v1/api-keys/{id}/previous-secrets`.

use axum::extract::State;
use axum::response::Response;
use doorward_domain::key::ApiKey;
use doorward_domain::lifetime::Requested;
use doorward_domain::rotation::{Overlap, renewed};
use doorward_store::{KeyRecord, Rotation};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;

use super::expiry::{self, Bounds, Days, Decided, Wish};
use super::grant::{self, Attempt};
use super::{find, refuse_expired, refuse_revoked, secret};
use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, PathText, check_if_match};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RotateKey {
    /// How long the secrets before still work; 0: not any longer.
    overlap_seconds: Option<i64>,
    expires_in_days: Field<Days>,
    expires_at: Field<Timestamp>,
    never_expires: Option<bool>,
}

/// Gives an API key a new secret; it is in this answer and in no other. Where nothing is said of its
/// end, the key lives as long again as it was to live.
pub(crate) async fn rotate_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: Option<JsonBody>,
) -> Result<Response, ApiError> {
    let wish: RotateKey = body.map_or_else(|| Ok(RotateKey::default()), |body| body.parse())?;
    let record = find(&control, &caller, &id).await?;
    refuse_revoked(&record)?;
    check_if_match(&headers, record.key.life.updated_at)?;
    let (now, settings) = (control.now(), control.store.settings(caller.organization()).await?);
    refuse_expired(&record.key, now)?;
    let bounds = Bounds::new(&caller, &settings, now).owned_by(record.key.owner, &settings);
    let (overlap, decided) = wish.check(&record.key, bounds)?;
    refuse_excess(&control, &caller, &record.key, decided).await?;
    let rotation = Rotation {
        overlap,
        expires_at: decided.at,
        if_updated_at: Some(record.key.life.updated_at),
    };
    let rotated = control.store.rotate_key(&caller.act(now), &record.key.id, rotation).await;
    let (key, plain) = rotated?;
    let record = KeyRecord { key, ..find(&control, &caller, &id).await? };
    secret::answer(StatusCode::OK, record, &plain, decided.is_clamped, now)
}

/// Ends the overlap of a rotation: from now on only the newest secret works.
pub(crate) async fn end_previous_secrets(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, ApiError> {
    let record = find(&control, &caller, &id).await?;
    control.store.end_previous_secrets(&caller.act(control.now()), &record.key.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RotateKey {
    fn check(&self, key: &ApiKey, bounds: Bounds) -> Result<(Overlap, Decided), ApiError> {
        let mut faults = Faults::new();
        let seconds = self.overlap_seconds.map(Overlap::from_seconds).transpose();
        let overlap = faults.check("overlap_seconds", seconds);
        let wish =
            Wish { in_days: self.expires_in_days, at: self.expires_at, never: self.never_expires };
        let requested = match wish.requested(&mut faults) {
            Requested::Unsaid => as_long_again(key, bounds.now),
            said @ (Requested::Days(_) | Requested::At(_) | Requested::Never) => said,
        };
        let decided = expiry::decide(requested, bounds, &mut faults);
        let (overlap, decided) = faults.finish_with(overlap.zip(decided))?;
        Ok((overlap.unwrap_or_default(), decided))
    }
}

fn as_long_again(key: &ApiKey, now: Timestamp) -> Requested {
    renewed(key.rights.expires_at, key.life.secret_made_at(), now)
        .map_or(Requested::Never, Requested::At)
}

/// Whoever gets the secret of a key can do what the key can: like making it anew, only within the
/// caller's own rights. A key that gets a new secret for itself is not one more key, unless a token
/// asks that has less than the key: the secret would give it all.
async fn refuse_excess(
    control: &Control,
    caller: &Caller,
    key: &ApiKey,
    decided: Decided,
) -> Result<(), ApiError> {
    if !caller.is_narrowed() && caller.key().is_some_and(|own| own.id == key.id) {
        return Ok(());
    }
    let attempt = Attempt { action: "key.rotate", subject: key.id.to_string(), name: &key.name };
    grant::refuse_above(control, caller, key.owner, &attempt).await?;
    grant::refuse_bounded_maker(control, caller, &attempt).await?;
    let mut rights = key.rights.clone();
    rights.expires_at = decided.at;
    grant::refuse_excess(control, caller, &rights, |_| true, &attempt).await
}
