//! `GET /v1/api-keys`.

use axum::extract::State;
use doorward_domain::id::{ProjectId, UserId};
use doorward_domain::key::{KeyStatus, Owner};
use doorward_store::{KeyCursor, KeyFilter, KeySort, KeySortBy};
use jiff::{SignedDuration, Timestamp};

use super::named::{self, Meant};
use super::object::{self, KeyObject};
use super::place::Kind;
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::openapi::text::{Name, Since};
use crate::problem::ApiError;
use crate::request::Params;

/// The longest that anybody looks back, in days.
const DAYS_MAX: u32 = 3650;

/// Lists API keys, newest first where `sort` does not say otherwise; without `status` all but the revoked ones.
#[utoipa::path(
    get,
    path = "/v1/api-keys",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("owner" = Option<Name>, Query), ("status" = Option<KeyStatus>, Query), ("project" = Option<Name>, Query), ("kind" = Option<Kind>, Query), ("expires_before" = Option<Timestamp>, Query), ("created_by" = Option<UserId>, Query), ("unused_since" = Option<Since>, Query), ("names" = Option<bool>, Query, description = "Whether keys say what their owners, makers and projects are called, beside their ids."), ("q" = Option<String>, Query, max_length = 200), ("sort" = Option<String>, Query, pattern = "^-?(created|name|last_used|expires)$", description = "With a `-` the other way round: the highest first. `-created` when absent.")),
    responses((status = 200, body = List<KeyObject>)),
)]
pub(crate) async fn list_keys(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<KeyObject>, ApiError> {
    let limit = params.limit();
    let has_names = params.parse::<bool>("names").unwrap_or(false);
    let sort = params.parse_filter::<KeySort>("sort").unwrap_or_default();
    let after = cursor(&mut params, sort.by);
    let wanted = KeyFilter {
        sort,
        owner: owner_filter(&control, &caller, &mut params).await?,
        project: project_filter(&control, &caller, &mut params).await?,
        ..filter(&mut params, control.now())
    };
    params.finish()?;
    let Some(filter) = within_reach(&caller, wanted) else {
        return Ok(List::page(Vec::new(), false, None));
    };
    let page =
        control.store.list_keys(caller.organization(), &filter, after.as_ref(), limit).await?;
    let (now, next) =
        (control.now(), page.rows.last().map(|row| KeyCursor::after(row, sort.by).to_string()));
    let mut rows: Vec<_> = page.rows.into_iter().map(|row| KeyObject::new(row, now)).collect();
    if has_names {
        object::name(&control, caller.organization(), &mut rows).await?;
    }
    Ok(List::page(rows, page.has_more, next))
}

/// The place where the page before ended, in a list that is sorted so.
pub(super) fn cursor(params: &mut Params, by: KeySortBy) -> Option<KeyCursor> {
    let after = params.parse::<KeyCursor>("after")?;
    if !after.is_of(by) {
        return refuse(params, "after", "is of a list that is sorted otherwise");
    }
    Some(after)
}

/// Narrows a filter to the caller's own keys, unless they manage others. `None`: nothing is left.
pub(super) fn within_reach(caller: &Caller, filter: KeyFilter) -> Option<KeyFilter> {
    if caller.role.manages_others() {
        return Some(filter);
    }
    let is_own = filter.owner.is_none_or(|owner| owner == caller.owner());
    is_own.then_some(KeyFilter { owner: Some(caller.owner()), ..filter })
}

pub(super) async fn owner_filter(
    control: &Control,
    caller: &Caller,
    params: &mut Params,
) -> Result<Option<Owner>, ApiError> {
    let Some(text) = params.filter("owner") else { return Ok(None) };
    Ok(match named::owner(control, caller, &text, None).await? {
        Meant::One(owner) => Some(owner),
        Meant::None => refuse(params, "owner", "there is no such user or service account"),
        Meant::Several => {
            refuse(params, "owner", "a user and a service account have this name: say the id")
        }
    })
}

/// The project of an id, whether there is one or not; or, for whoever manages others, of a name.
pub(super) async fn project_filter(
    control: &Control,
    caller: &Caller,
    params: &mut Params,
) -> Result<Option<ProjectId>, ApiError> {
    let Some(text) = params.filter("project") else { return Ok(None) };
    if let Ok(id) = text.parse() {
        return Ok(Some(id));
    }
    let found = if caller.role.manages_others() {
        named::project(control, caller, &text).await?
    } else {
        None
    };
    Ok(found.or_else(|| refuse(params, "project", "there is no such project")))
}

fn filter(params: &mut Params, now: Timestamp) -> KeyFilter {
    KeyFilter {
        status: params.filter("status").and_then(|text| {
            let all =
                [KeyStatus::Active, KeyStatus::Disabled, KeyStatus::Expired, KeyStatus::Revoked];
            let status = all.into_iter().find(|status| status.as_str() == text);
            let words = "must be one of: active, disabled, expired, revoked";
            status.or_else(|| refuse(params, "status", words))
        }),
        kind: params.filter("kind").and_then(|kind| match kind.as_str() {
            "user" | "service" => Some(kind),
            _ => refuse(params, "kind", "must be one of: user, service"),
        }),
        expires_before: params.parse_filter("expires_before"),
        search: params.search(),
        created_by: params.parse_filter("created_by"),
        unused_since: params.filter("unused_since").and_then(|text| {
            since(&text, now).or_else(|| refuse(params, "unused_since", SINCE_WORDS))
        }),
        ..KeyFilter::default()
    }
}

const SINCE_WORDS: &str = "must be an RFC 3339 time, or a number of days from 1 to 3650";

/// An instant, or one that is so many days ago: `2026-10-01T00:00:00Z`, `30`.
fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text.parse::<u32>() {
        Ok(days) => days_before(days, now),
        Err(_) => text.parse().ok(),
    }
}

/// The instant so many days ago, where that many make sense.
pub(super) fn days_before(days: u32, now: Timestamp) -> Option<Timestamp> {
    let is_sensible = (1..=DAYS_MAX).contains(&days);
    let before = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).ok();
    before.filter(|_| is_sensible)
}

fn refuse<T>(params: &mut Params, name: &str, detail: &str) -> Option<T> {
    params.refuse(name, detail);
    None
}
