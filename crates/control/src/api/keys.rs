//! `/v1/api-keys`.

mod addresses;
mod audit;
mod create;
mod denials;
mod edit;
mod expiry;
mod explain;
pub(super) mod grant;
mod list;
mod named;
pub(super) mod object;
mod place;
mod revoke;
mod rotate;
mod secret;
mod show;
mod switch;
mod token;
mod unused;

pub(crate) use audit::list_key_audit;
pub(crate) use create::create_key;
pub(crate) use denials::list_denials;
pub(crate) use edit::edit_key;
pub(super) use edit::refuse_excess as refuse_edit;
pub(crate) use explain::explain_key;
pub(crate) use list::list_keys;
pub(crate) use revoke::revoke_key;
pub(crate) use rotate::{end_previous_secrets, rotate_key};
pub(crate) use show::show_key;
pub(crate) use switch::{disable_key, enable_key};
pub(crate) use token::create_key_token;
pub(crate) use unused::{list_unused_rights, show_unused_rights};

use doorward_domain::credential::KeyId;
use doorward_domain::key::{ApiKey, KeyStatus};
use doorward_store::KeyRecord;
use jiff::Timestamp;
use utoipa::OpenApi;

use crate::Control;
use crate::caller::Caller;
use crate::problem::ApiError;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    create::create_key,
    list::list_keys,
    show::show_key,
    edit::edit_key,
    revoke::revoke_key,
    switch::disable_key,
    switch::enable_key,
    rotate::rotate_key,
    rotate::end_previous_secrets,
    explain::explain_key,
    denials::list_denials,
    audit::list_key_audit,
    token::create_key_token,
    unused::show_unused_rights,
    unused::list_unused_rights,
))]
pub(crate) struct Described;

/// What a missing key, and one of somebody else, is called in the one answer for both.
pub(super) const NOUN: &str = "API key";

/// A key that the caller may see and manage. Another's, an unknown and a malformed id are the same.
///
/// Its figures may lack the last calls: a revocation must not wait until those are written.
pub(super) async fn find(
    control: &Control,
    caller: &Caller,
    id: &str,
) -> Result<KeyRecord, ApiError> {
    let id = parse_id(id)?;
    within_reach(caller, control.store.find_stored_key(caller.organization(), &id).await?)
}

/// The same with its last call, to be looked at.
async fn find_latest(control: &Control, caller: &Caller, id: &str) -> Result<KeyRecord, ApiError> {
    let id = parse_id(id)?;
    within_reach(caller, control.store.find_key(caller.organization(), &id).await?)
}

pub(super) fn parse_id(id: &str) -> Result<KeyId, ApiError> {
    id.parse().map_err(|_| ApiError::NotFound(NOUN))
}

fn within_reach(caller: &Caller, record: Option<KeyRecord>) -> Result<KeyRecord, ApiError> {
    record.filter(|record| caller.reaches(&record.key)).ok_or(ApiError::NotFound(NOUN))
}

/// A revoked key is final: it can be seen, and nothing else.
pub(super) fn refuse_revoked(record: &KeyRecord) -> Result<(), ApiError> {
    match record.key.life.revoked_at {
        None => Ok(()),
        Some(_) => Err(ApiError::Conflict {
            code: "key_revoked",
            detail: "This API key has been revoked, which is final.".to_owned(),
            field: None,
        }),
    }
}

/// An expired key stays expired: it no longer counts against the quota, and a new end would bring it
/// back beyond that.
pub(super) fn refuse_expired(key: &ApiKey, now: Timestamp) -> Result<(), ApiError> {
    if key.status(now) != KeyStatus::Expired {
        return Ok(());
    }
    Err(ApiError::Conflict {
        code: "key_expired",
        detail:
            "This API key has expired, which is final. Make a new one; to give it the same name, \
                 revoke this one first."
                .to_owned(),
        field: None,
    })
}
