//! `GET /v1/limit-increases` and `GET /v1/limit-increases/{id}`.

use axum::Json;
use axum::extract::State;
use doorward_domain::credential::KeyId;
use doorward_domain::id::IncreaseId;
use doorward_domain::increase::IncreaseState;
use doorward_store::IncreaseFilter;

use super::object::{self, IncreaseObject};
use super::{Sight, find};
use crate::Control;
use crate::api::list::List;
use crate::caller::Caller;
use crate::problem::ApiError;
use crate::request::{Params, PathText};

/// Lists limit increases, newest first: those of all keys that the caller may look at, and for
/// administrators those of what keys share.
#[utoipa::path(
    get,
    path = "/v1/limit-increases",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200), ("after" = Option<String>, Query), ("state" = Option<IncreaseState>, Query), ("api_key" = Option<KeyId>, Query), ("names" = Option<bool>, Query, description = "Whether they say what those who asked and decided are called, beside their ids.")),
    responses((status = 200, body = List<IncreaseObject>)),
)]
pub(crate) async fn list_increases(
    State(control): State<Control>,
    caller: Caller,
    mut params: Params,
) -> Result<List<IncreaseObject>, ApiError> {
    let (limit, after) = (params.limit(), params.parse::<IncreaseId>("after"));
    let wanted = IncreaseFilter {
        state: params.parse_filter::<IncreaseState>("state"),
        key: params.parse_filter::<KeyId>("api_key"),
        owner: None,
        is_of_keys: false,
    };
    let has_names = params.parse::<bool>("names").unwrap_or(false);
    params.finish()?;
    let Some(filter) = within(Sight::of(&caller), wanted) else {
        return Ok(List::page(Vec::new(), false, None));
    };
    let page = control.store.list_increases(caller.organization(), &filter, after, limit).await?;
    let next = page.rows.last().map(|increase| increase.id.to_string());
    let mut rows: Vec<_> = page.rows.into_iter().map(IncreaseObject::from).collect();
    if has_names {
        object::name(&control, caller.organization(), &mut rows).await?;
    }
    Ok(List::page(rows, page.has_more, next))
}

/// Narrows a filter to what is seen. `None`: nothing is left.
fn within(sight: Sight, filter: IncreaseFilter) -> Option<IncreaseFilter> {
    match sight {
        Sight::All => Some(filter),
        Sight::Keys => Some(IncreaseFilter { is_of_keys: true, ..filter }),
        Sight::Own(owner) => Some(IncreaseFilter { owner: Some(owner), ..filter }),
        Sight::Itself(own) => {
            let is_own = filter.key.is_none_or(|key| key == own);
            is_own.then_some(IncreaseFilter { key: Some(own), ..filter })
        }
        Sight::Nothing => None,
    }
}

/// Shows one limit increase.
#[utoipa::path(
    get,
    path = "/v1/limit-increases/{id}",
    params(("names" = Option<bool>, Query, description = "Whether it says what those who asked and decided are called, beside their ids.")),
    responses((status = 200, body = IncreaseObject)),
)]
pub(crate) async fn show_increase(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    mut params: Params,
) -> Result<Json<IncreaseObject>, ApiError> {
    let has_names = params.parse::<bool>("names").unwrap_or(false);
    params.finish()?;
    let mut increase = [IncreaseObject::from(find(&control, &caller, &id).await?)];
    if has_names {
        object::name(&control, caller.organization(), &mut increase).await?;
    }
    let [increase] = increase;
    Ok(Json(increase))
}
