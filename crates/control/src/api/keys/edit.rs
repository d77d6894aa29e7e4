//! `PATCH /v1/api-keys/{id}`.

use axum::extract::State;
use axum::response::Response;
use doorward_domain::address::AddressBlock;
use doorward_domain::bounds::ModelLimits;
use doorward_domain::budget::Budget;
use doorward_domain::key::ApiKey;
use doorward_domain::lifetime::Requested;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::{ModelPattern, ModelRule};
use doorward_domain::name::check_description;
use doorward_domain::origin::{Origin, Origins};
use doorward_domain::rights::Rights;
use doorward_domain::scope::ScopeSet;
use doorward_store::{KeyEdit, KeyRecord};
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::addresses::{WithWarnings, refuse_lockout};
use super::expiry::{self, Bounds, Days, Decided, Wish};
use super::grant::{self, Attempt};
use super::object::KeyObject;
use super::{find, refuse_expired, refuse_revoked};
use crate::Control;
use crate::api::answer::versioned;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::Description;
use crate::problem::ApiError;
use crate::request::{Field, JsonBody, PathText, check_if_match};

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

/// What an edit may name; `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditApiKey)]
struct EditKey {
    #[serde(default)]
    #[schema(value_type = Option<Description>)]
    description: Field<String>,
    scopes: Option<ScopeSet>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    expires_in_days: Field<Days>,
    #[serde(default)]
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Field<Timestamp>,
    never_expires: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<ModelPattern>>, max_items = 200)]
    models: Field<Vec<ModelPattern>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<AddressBlock>>, max_items = 200)]
    ip_allow: Field<Vec<AddressBlock>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<AddressBlock>>, max_items = 200)]
    ip_deny: Field<Vec<AddressBlock>>,
    #[serde(default)]
    #[schema(value_type = Option<Limits>)]
    limits: Field<Limits>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<ModelLimits>>, max_items = 20)]
    model_limits: Field<Vec<ModelLimits>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Field<Vec<Budget>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Origin>>, max_items = 20)]
    allowed_origins: Field<Origins>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Field<Map<String, Value>>,
    /// Lets the key that asks refuse itself.
    #[serde(default)]
    force: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EditedApiKey)]
struct EditedKey {
    #[serde(flatten)]
    object: WithWarnings,
    expires_clamped: bool,
}

/// Edits an API key; its secret stays.
#[utoipa::path(
    patch,
    path = "/v1/api-keys/{id}",
    params(("if-match" = Option<String>, Header)),
    request_body = EditKey,
    responses((status = 200, body = EditedKey, headers(("etag")))),
)]
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
    if wish.names_end() {
        refuse_expired(&record.key, control.now())?;
    }
    let (now, settings) = (control.now(), control.store.settings(caller.organization()).await?);
    let bounds = Bounds::new(&caller, &settings, now).of(&record.key.life);
    let (rights, is_clamped) = wish.rights(&record.key.rights, bounds)?;
    if !wish.force {
        refuse_lockout(&caller, &record.key, &rights.addresses)?;
    }
    let attempt = ("key.edit", record.key.id.to_string());
    refuse_excess(&control, &caller, &record.key, &rights, attempt).await?;
    // What is written back was read above: an edit in between must not be undone by this one.
    let edit = KeyEdit {
        description: wish.description.into_edit(String::new()),
        rights: (rights != record.key.rights).then_some(rights),
        metadata: wish.metadata.into_edit(Map::new()),
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
        if let Some(description) = self.description.value() {
            faults.check("description", check_description(description));
        }
        if let Some(metadata) = self.metadata.value() {
            grant::check_metadata(metadata, &mut faults);
        }
        let decided = self.expiry(before, bounds, &mut faults);
        let rights = Rights { expires_at: decided.at, ..self.applied_to(before.clone()) };
        grant::check_rights(&rights, &mut faults);
        faults.finish()?;
        Ok((rights, decided.is_clamped))
    }

    fn end(&self) -> Wish {
        Wish { in_days: self.expires_in_days, at: self.expires_at, never: self.never_expires }
    }

    fn names_end(&self) -> bool {
        self.end().requested(&mut Faults::new()) != Requested::Unsaid
    }

    fn expiry(&self, before: &Rights, bounds: Bounds, faults: &mut Faults) -> Decided {
        let unchanged = Decided { at: before.expires_at, is_clamped: false };
        match self.end().requested(faults) {
            Requested::Unsaid => unchanged,
            wish @ (Requested::Days(_) | Requested::At(_) | Requested::Never) => {
                expiry::decide(wish, bounds, faults).unwrap_or(unchanged)
            }
        }
    }

    fn applied_to(&self, mut rights: Rights) -> Rights {
        rights.scopes = self.scopes.unwrap_or(rights.scopes);
        rights.limits = self.limits.into_edit(Limits::NONE).unwrap_or(rights.limits);
        match &self.models {
            Field::Absent => {}
            Field::Null => rights.models = ModelRule::All,
            Field::Value(patterns) => rights.models = ModelRule::Only(patterns.clone()),
        }
        match &self.ip_allow {
            Field::Absent => {}
            Field::Null => rights.addresses.allow = None,
            Field::Value(blocks) => rights.addresses.allow = Some(blocks.clone()),
        }
        if let Some(deny) = self.ip_deny.clone().into_edit(Vec::new()) {
            rights.addresses.deny = deny;
        }
        if let Some(model_limits) = self.model_limits.clone().into_edit(Vec::new()) {
            rights.model_limits = model_limits;
        }
        if let Some(budgets) = self.budgets.clone().into_edit(Vec::new()) {
            rights.budgets = budgets;
        }
        match &self.allowed_origins {
            Field::Absent => {}
            Field::Null => rights.allowed_origins = None,
            Field::Value(origins) => rights.allowed_origins = Some(origins.clone()),
        }
        rights
    }
}

/// What an edit leaves alone is not its doing; what it changes must be within the caller's rights. But
/// the secret of a key with origins is in its pages, for everybody to read: whoever lets in another page
/// has the key, so like making it anew, that goes only within the caller's own rights.
pub(in crate::api) async fn refuse_excess(
    control: &Control,
    caller: &Caller,
    key: &ApiKey,
    rights: &Rights,
    (action, subject): (&'static str, String),
) -> Result<(), ApiError> {
    let attempt = Attempt { action, subject, name: &key.name };
    grant::refuse_above(control, caller, key.owner, &attempt).await?;
    let is_changed = grant::changed(&key.rights, rights);
    let has_more_pages = key.rights.lets_in_more_pages(rights);
    let is_of_interest = |axis| has_more_pages || is_changed(axis);
    grant::refuse_excess(control, caller, rights, is_of_interest, &attempt).await?;
    grant::refuse_loosening(control, caller, (&key.rights, rights), &attempt).await
}

fn answer(record: KeyRecord, expires_clamped: bool, now: Timestamp) -> Response {
    let updated_at = record.key.life.updated_at;
    let rules = record.key.rights.addresses.clone();
    let object = WithWarnings::new(KeyObject::new(record, now), &rules);
    versioned(EditedKey { object, expires_clamped }, updated_at)
}
