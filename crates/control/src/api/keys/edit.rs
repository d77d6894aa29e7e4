//! `PATCH /v1/api-keys/{id}`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::address::AddressBlock;
use doorward_domain::budget::Budget;
use doorward_domain::lifetime::Requested;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::name::check_description;
use doorward_domain::rights::Rights;
use doorward_domain::scope::ScopeSet;
use doorward_store::{KeyEdit, KeyRecord};
use http::HeaderMap;
use http::header::ETAG;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expiry::{self, Bounds, Days, Decided, Wish};
use super::grant::{self, Attempt};
use super::object::KeyObject;
use super::{find, refuse_revoked};
use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText, check_if_match, etag, named};

/// Fields of a key that were decided when it was made.
const FIXED: [&str; 9] = [
    "id",
    "name",
    "kind",
    "owner",
    "project",
    "organization",
    "created_by",
    "created_at",
    "status",
];

/// What an edit may name. An inner `None` is a `null`, which clears.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditKey {
    #[serde(default, deserialize_with = "named")]
    description: Option<Option<String>>,
    scopes: Option<ScopeSet>,
    #[serde(default, deserialize_with = "named")]
    expires_in_days: Option<Option<Days>>,
    #[serde(default, deserialize_with = "named")]
    expires_at: Option<Option<Timestamp>>,
    never_expires: Option<bool>,
    #[serde(default, deserialize_with = "named")]
    models: Option<ModelRule>,
    #[serde(default, deserialize_with = "named")]
    ip_allow: Option<Option<Vec<AddressBlock>>>,
    #[serde(default, deserialize_with = "named")]
    ip_deny: Option<Option<Vec<AddressBlock>>>,
    #[serde(default, deserialize_with = "named")]
    limits: Option<Option<Limits>>,
    #[serde(default, deserialize_with = "named")]
    budgets: Option<Option<Vec<Budget>>>,
    #[serde(default, deserialize_with = "named")]
    metadata: Option<Option<Map<String, Value>>>,
}

#[derive(Serialize)]
struct EditedKey {
    #[serde(flatten)]
    object: KeyObject,
    expires_clamped: bool,
}

/// Edits an API key; its secret stays.
pub(crate) async fn edit_key(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: EditKey = body.parse().map_err(|error| error.naming_fixed(&FIXED))?;
    let record = find(&control, &caller, &id).await?;
    refuse_revoked(&record)?;
    check_if_match(&headers, record.key.life.updated_at)?;
    let (now, settings) = (control.now(), control.store.settings(caller.organization()).await?);
    let bounds = Bounds::new(&caller, &settings, now);
    let (rights, is_clamped) = wish.rights(&record.key.rights, bounds)?;
    refuse_excess(&control, &caller, &record, &rights).await?;
    // What is written back was read above: an edit in between must not be undone by this one.
    let edit = KeyEdit {
        description: wish.description.map(Option::unwrap_or_default),
        rights: (rights != record.key.rights).then_some(rights),
        metadata: wish.metadata.map(Option::unwrap_or_default),
        if_updated_at: Some(record.key.life.updated_at),
    };
    let key = control.store.edit_key(&caller.act(now), &record.key.id, edit).await?;
    let edited = find(&control, &caller, key.id.as_str()).await?;
    Ok(answer(edited, is_clamped, now))
}

impl EditKey {
    /// The rights after the edit, and whether its expiry was clamped.
    fn rights(&self, before: &Rights, bounds: Bounds) -> Result<(Rights, bool), ApiError> {
        let mut faults = Faults::new();
        if let Some(Some(description)) = &self.description {
            faults.check("description", check_description(description));
        }
        if let Some(Some(metadata)) = &self.metadata {
            grant::check_metadata(metadata, &mut faults);
        }
        let decided = self.expiry(before, bounds, &mut faults);
        let rights = Rights { expires_at: decided.at, ..self.applied_to(before.clone()) };
        grant::check_rights(&rights, &mut faults);
        faults.finish()?;
        Ok((rights, decided.is_clamped))
    }

    fn expiry(&self, before: &Rights, bounds: Bounds, faults: &mut Faults) -> Decided {
        let wish =
            Wish { in_days: self.expires_in_days, at: self.expires_at, never: self.never_expires };
        let unchanged = Decided { at: before.expires_at, is_clamped: false };
        match wish.requested(faults) {
            Requested::Unsaid => unchanged,
            requested => expiry::decide(requested, bounds, faults).unwrap_or(unchanged),
        }
    }

    fn applied_to(&self, mut rights: Rights) -> Rights {
        if let Some(scopes) = self.scopes {
            rights.scopes = scopes;
        }
        if let Some(models) = &self.models {
            rights.models = models.clone();
        }
        if let Some(allow) = &self.ip_allow {
            rights.addresses.allow.clone_from(allow);
        }
        if let Some(deny) = &self.ip_deny {
            rights.addresses.deny = deny.clone().unwrap_or_default();
        }
        if let Some(limits) = self.limits {
            rights.limits = limits.unwrap_or(Limits::NONE);
        }
        if let Some(budgets) = &self.budgets {
            rights.budgets = budgets.clone().unwrap_or_default();
        }
        rights
    }
}

/// What an edit leaves alone is not its doing; what it changes must be within the caller's rights.
async fn refuse_excess(
    control: &Control,
    caller: &Caller,
    record: &KeyRecord,
    rights: &Rights,
) -> Result<(), ApiError> {
    let key = &record.key;
    let attempt = Attempt { action: "key.edit", subject: key.id.to_string(), name: &key.name };
    let is_changed = grant::changed(&key.rights, rights);
    grant::refuse_excess(control, caller, rights, is_changed, attempt).await
}

fn answer(record: KeyRecord, expires_clamped: bool, now: Timestamp) -> Response {
    let version = etag(record.key.life.updated_at);
    let edited = EditedKey { object: KeyObject::new(record, now), expires_clamped };
    ([(ETAG, version)], Json(edited)).into_response()
}
