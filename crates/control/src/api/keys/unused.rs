//! `GET /v1/unused-rights`, `GET /v1/api-keys/{id}/unused-rights`: what keys were granted and do not
//! use.

use axum::Json;
use axum::extract::State;
use doorward_domain::credential::KeyId;
use doorward_domain::key::KeyStatus;
use doorward_domain::model_pattern::ModelPattern;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_domain::uses::{KeyUses, UnusedRights};
use doorward_store::{KeyCursor, KeyFilter, KeyRecord, KeySortBy};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::find_latest;
use super::list::{cursor, days_before, owner_filter, project_filter, within_reach};
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::openapi::text::{Name, OwnerId};
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// After how many days a right counts as not used, where nothing is said.
const DAYS_DEFAULT: u32 = 30;

/// What one key does not use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnusedRights)]
pub(crate) struct UnusedObject {
    #[schema(pattern = "^unused_rights$")]
    object: &'static str,
    key: KeyId,
    name: String,
    #[schema(value_type = OwnerId)]
    owner: String,
    days: u32,
    /// Since when the key may do what it may now: a right is not called unused before it could be.
    granted_at: Timestamp,
    /// Whether that is less than so many days ago.
    is_too_young: bool,
    #[schema(required)]
    last_used_at: Option<Timestamp>,
    scopes: Vec<UnusedScope>,
    models: Vec<UnusedPattern>,
    /// What to send to take away what is not used; `null`: there is nothing to take away yet.
    #[schema(required)]
    suggestion: Option<Suggestion>,
}

#[derive(Debug, Serialize, ToSchema)]
struct UnusedScope {
    #[schema(value_type = Scope)]
    scope: &'static str,
    /// `null`: never.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct UnusedPattern {
    pattern: ModelPattern,
    /// `null`: no call of such a model was ever made.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
}

/// A request, ready to be sent.
#[derive(Debug, Serialize, ToSchema)]
struct Suggestion {
    #[schema(pattern = "^(POST|PATCH)$")]
    method: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<LessRights>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LessRights {
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<ScopeSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<ModelPattern>>,
}

/// How far back is looked.
#[derive(Debug, Clone, Copy)]
struct Window {
    days: u32,
    since: Timestamp,
}

impl Window {
    fn read(params: &mut Params, now: Timestamp) -> Self {
        let days = params.parse::<u32>("days").unwrap_or(DAYS_DEFAULT);
        let since = days_before(days, now).unwrap_or_else(|| {
            params.refuse("days", "must be a number of days from 1 to 3650");
            now
        });
        Self { days, since }
    }
}

/// Shows which scopes and model patterns of an API key were not used for some days.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{id}/unused-rights",
    params(("days" = Option<u32>, Query, minimum = 1, maximum = 3650)),
    responses((status = 200, body = UnusedObject)),
)]
pub(crate) async fn show_unused_rights(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<Json<UnusedObject>, ApiError> {
    let window = Window::read(&mut params, control.now());
    params.finish()?;
    let record = find_latest(&control, &caller, &id).await?;
    let mut uses = control.store.key_uses(caller.organization(), &[record.key.id]).await?;
    let uses = uses.remove(&record.key.id).unwrap_or_default();
    Ok(Json(UnusedObject::new(&record, &uses, window)))
}

/// Lists the active API keys that were not used for some days, or have a scope or a model pattern that
/// was not. A page looks at `limit` keys and shows those of them; it may be empty and not the last one.
#[utoipa::path(
    get,
    path = "/v1/unused-rights",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("days" = Option<u32>, Query, minimum = 1, maximum = 3650), ("owner" = Option<Name>, Query), ("project" = Option<Name>, Query)),
    responses((status = 200, body = List<UnusedObject>)),
)]
pub(crate) async fn list_unused_rights(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<UnusedObject>, ApiError> {
    let (limit, after) = (params.limit(), cursor(&mut params, KeySortBy::Created));
    let window = Window::read(&mut params, control.now());
    let wanted = KeyFilter {
        owner: owner_filter(&control, &caller, &mut params).await?,
        project: project_filter(&control, &caller, &mut params).await?,
        status: Some(KeyStatus::Active),
        ..KeyFilter::default()
    };
    params.finish()?;
    let Some(filter) = within_reach(&caller, wanted) else {
        return Ok(List::page(Vec::new(), false, None));
    };
    let organization = caller.organization();
    let page = control.store.list_keys(organization, &filter, after.as_ref(), limit).await?;
    let ids: Vec<KeyId> = page.rows.iter().map(|row| row.key.id).collect();
    let mut uses = control.store.key_uses(organization, &ids).await?;
    let next = page.rows.last().map(|row| KeyCursor::after(row, KeySortBy::Created).to_string());
    let object = |row: &KeyRecord| {
        UnusedObject::new(row, &uses.remove(&row.key.id).unwrap_or_default(), window)
    };
    let rows = page.rows.iter().map(object).filter(UnusedObject::says_something).collect();
    Ok(List::page(rows, page.has_more, next))
}

impl UnusedObject {
    fn new(record: &KeyRecord, uses: &KeyUses, window: Window) -> Self {
        let key = &record.key;
        let granted_at =
            uses.widened_at.map_or(key.life.created_at, |at| at.max(key.life.created_at));
        let is_too_young = granted_at > window.since;
        let unused = uses.unused(&key.rights, window.since);
        let suggestion = if is_too_young { None } else { suggestion(record, &unused, window) };
        let scope =
            |(scope, last_used_at): (Scope, _)| UnusedScope { scope: scope.as_str(), last_used_at };
        let pattern = |(pattern, last_used_at)| UnusedPattern { pattern, last_used_at };
        Self {
            object: "unused_rights",
            key: key.id,
            name: key.name.clone(),
            owner: key.owner.to_string(),
            days: window.days,
            granted_at,
            is_too_young,
            last_used_at: record.last_used_at,
            scopes: unused.scopes.into_iter().map(scope).collect(),
            models: unused.patterns.into_iter().map(pattern).collect(),
            suggestion,
        }
    }

    /// Whether a list names it: something was granted long enough and is not used.
    fn says_something(&self) -> bool {
        self.suggestion.is_some()
    }
}

/// A key that nobody uses is switched off, which can be undone; else what it does not use is taken from
/// it.
fn suggestion(record: &KeyRecord, unused: &UnusedRights, window: Window) -> Option<Suggestion> {
    let (key, path) = (&record.key, format!("/v1/api-keys/{}", record.key.id));
    if record.last_used_at.is_none_or(|at| at < window.since) {
        return Some(Suggestion { method: "POST", path: format!("{path}/disable"), body: None });
    }
    if unused.is_empty() {
        return None;
    }
    let scopes = (!unused.scopes.is_empty()).then(|| unused.other_scopes(key.rights.scopes));
    let models = unused.other_patterns(&key.rights.models).filter(|_| !unused.patterns.is_empty());
    Some(Suggestion { method: "PATCH", path, body: Some(LessRights { scopes, models }) })
}
