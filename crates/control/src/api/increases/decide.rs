//! `POST /v1/limit-increases/{id}/grant`, `/decline` and `/withdraw`.

use axum::Json;
use axum::extract::State;
use doorward_domain::budget::Budget;
use doorward_domain::increase::Raise;
use doorward_domain::limit::Limits;
use doorward_domain::rights::Rights;
use doorward_store::{Grant, Increase, KeyRecord};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::object::{self, IncreaseObject};
use super::{check_raise, check_words, end_of, find, refuse_decided, refuse_onlooker};
use crate::Control;
use crate::api::keys;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::Description;
use crate::problem::ApiError;
use crate::request::{JsonBody, PathText};

/// What is given. Limits or budgets that are named are given in place of all that was asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantLimitIncrease)]
struct GrantIncrease {
    limits: Option<Limits>,
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Option<Vec<Budget>>,
    /// Without an end it is for good.
    ends_at: Option<Timestamp>,
    #[schema(minimum = 1, maximum = 365)]
    ends_in_days: Option<i64>,
    #[schema(value_type = Option<Description>)]
    note: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeclineLimitIncrease)]
struct DeclineIncrease {
    #[schema(value_type = Option<Description>)]
    note: Option<String>,
}

/// Grants a limit increase, as it was asked for or otherwise, until an end or for good. Whoever grants it
/// must be one who may give the key such limits by an edit. The owner of the key is told.
#[utoipa::path(
    post,
    path = "/v1/limit-increases/{id}/grant",
    request_body = Option<GrantIncrease>,
    responses((status = 200, body = IncreaseObject), (status = 412)),
)]
pub(crate) async fn grant_increase(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    body: Option<JsonBody>,
) -> Result<Json<IncreaseObject>, ApiError> {
    let wish: GrantIncrease =
        body.map_or_else(|| Ok(GrantIncrease::default()), |body| body.parse())?;
    let found = find(&control, &caller, &id).await?;
    refuse_decided(&found)?;
    let key = found.subject.key().ok_or(ApiError::NotFound(keys::NOUN))?;
    let record = control.store.find_stored_key(found.organization, &key).await?;
    let record = record.ok_or(ApiError::NotFound(keys::NOUN))?;
    let now = control.now();
    keys::refuse_revoked(&record)?;
    keys::refuse_expired(&record.key, now)?;
    let grant = wish.check(&found, &record, now)?;
    let raised: Rights = grant.raise.applied_to(&record.key.rights);
    let attempt = ("limit_increase.grant", found.id.to_string());
    keys::refuse_edit(&control, &caller, &record.key, &raised, attempt).await?;
    let act = caller.act(now);
    let granted = control.store.grant_increase(&act, &found, grant, control.can_mail).await?;
    Ok(object::answer(granted))
}

impl GrantIncrease {
    fn check(
        self,
        found: &Increase,
        record: &KeyRecord,
        now: Timestamp,
    ) -> Result<Grant, ApiError> {
        let mut faults = Faults::new();
        let ends_at = end_of((self.ends_at, self.ends_in_days), now, &mut faults);
        let raise = match (self.limits, self.budgets) {
            (None, None) => found.asked.clone(),
            (limits, budgets) => Raise {
                limits: limits.unwrap_or(Limits::NONE),
                budgets: budgets.unwrap_or_default(),
            },
        };
        check_raise(&raise, &record.key.rights.bounds(), &mut faults);
        let note = self.note.unwrap_or_default();
        check_words("note", &note, &mut faults);
        faults.finish()?;
        Ok(Grant { raise, ends_at, note, updated_at: record.key.life.updated_at })
    }
}

/// Declines a limit increase. The owner of the key is told.
#[utoipa::path(
    post,
    path = "/v1/limit-increases/{id}/decline",
    request_body = Option<DeclineIncrease>,
    responses((status = 200, body = IncreaseObject), (status = 412)),
)]
pub(crate) async fn decline_increase(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
    body: Option<JsonBody>,
) -> Result<Json<IncreaseObject>, ApiError> {
    let wish: DeclineIncrease =
        body.map_or_else(|| Ok(DeclineIncrease::default()), |body| body.parse())?;
    let found = find(&control, &caller, &id).await?;
    refuse_decided(&found)?;
    let note = wish.note.unwrap_or_default();
    let mut faults = Faults::new();
    check_words("note", &note, &mut faults);
    faults.finish()?;
    let act = caller.act(control.now());
    let declined = control.store.decline_increase(&act, &found, note, control.can_mail).await?;
    Ok(object::answer(declined))
}

/// Takes back what was asked for. What raises limits for a while ends now: the old limits hold again. What
/// keys share is lowered by those only who may raise it.
#[utoipa::path(
    post,
    path = "/v1/limit-increases/{id}/withdraw",
    responses((status = 200, body = IncreaseObject), (status = 412)),
)]
pub(crate) async fn withdraw_increase(
    State(control): State<Control>,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<IncreaseObject>, ApiError> {
    let found = find(&control, &caller, &id).await?;
    refuse_onlooker(&caller, &found.subject, found.owner)?;
    let act = caller.act(control.now());
    if found.holds(act.at) {
        let ended = control.store.end_increase(&act, &found, control.can_mail).await?;
        return Ok(object::answer(ended));
    }
    refuse_decided(&found)?;
    Ok(object::answer(control.store.withdraw_increase(&act, &found).await?))
}
