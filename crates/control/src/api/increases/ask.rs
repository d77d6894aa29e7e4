//! `POST /v1/limit-increases`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doorward_domain::bounds::Subject;
use doorward_domain::budget::Budget;
use doorward_domain::credential::KeyId;
use doorward_domain::increase::Raise;
use doorward_domain::limit::Limits;
use doorward_store::{ASKED_PER_DAY_MAX, KeyRecord, NewIncrease, OPEN_MAX, StoreError};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::object::IncreaseObject;
use super::{Sight, check_raise, check_words, refuse_onlooker};
use crate::Control;
use crate::api::keys;
use crate::caller::Caller;
use crate::faults::{Faults, FieldError};
use crate::openapi::text::Description;
use crate::problem::ApiError;
use crate::request::JsonBody;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AskLimitIncrease)]
struct AskIncrease {
    /// Its id; where nothing is said, the key that asks.
    #[schema(value_type = Option<KeyId>)]
    api_key: Option<String>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    #[schema(max_items = 8)]
    budgets: Vec<Budget>,
    #[schema(value_type = Description)]
    reason: String,
}

/// Asks for higher limits or budgets of an API key. Administrators are told.
#[utoipa::path(
    post,
    path = "/v1/limit-increases",
    request_body = AskIncrease,
    responses((status = 201, body = IncreaseObject), (status = 404)),
)]
pub(crate) async fn ask_increase(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let wish: AskIncrease = body.parse()?;
    let record = wish.find_key(&control, &caller).await?;
    let now = control.now();
    keys::refuse_revoked(&record)?;
    keys::refuse_expired(&record.key, now)?;
    let new = wish.check(&record)?;
    let asked = control.store.ask_increase(&caller.act(now), new, control.can_mail).await;
    let asked = IncreaseObject::from(asked.map_err(refused)?);
    Ok((StatusCode::CREATED, Json(asked)).into_response())
}

impl AskIncrease {
    /// The key that is meant: one that the caller may ask for.
    async fn find_key(&self, control: &Control, caller: &Caller) -> Result<KeyRecord, ApiError> {
        let id = self.key_id(caller)?;
        let found = control.store.find_stored_key(caller.organization(), &id).await?;
        let sight = Sight::of(caller);
        let found =
            found.filter(|found| sight.reaches(&Subject::Key(found.key.id), Some(found.key.owner)));
        let found = found.ok_or(ApiError::NotFound(keys::NOUN))?;
        refuse_onlooker(caller, &Subject::Key(found.key.id), Some(found.key.owner))?;
        Ok(found)
    }

    fn key_id(&self, caller: &Caller) -> Result<KeyId, ApiError> {
        match (&self.api_key, caller.key()) {
            (Some(id), _) => keys::parse_id(id),
            (None, Some(key)) => Ok(key.id),
            (None, None) => {
                let error = FieldError::new("api_key", "missing", "is required");
                Err(ApiError::Invalid(vec![error]))
            }
        }
    }

    fn check(self, record: &KeyRecord) -> Result<NewIncrease, ApiError> {
        let asked = Raise { limits: self.limits, budgets: self.budgets };
        let mut faults = Faults::new();
        check_raise(&asked, &record.key.rights.bounds(), &mut faults);
        check_words("reason", &self.reason, &mut faults);
        if self.reason.trim().is_empty() {
            faults.add("reason", "missing", "says what the higher limits are for");
        }
        faults.finish()?;
        Ok(NewIncrease { key: record.key.id, asked, reason: self.reason })
    }
}

fn refused(error: StoreError) -> ApiError {
    let conflict = |code, detail| ApiError::Conflict { code, detail, field: None };
    if let StoreError::Taken { field: "api_key" } = error {
        let detail = "A limit increase of this API key waits for an answer already. Withdraw it to \
                      ask for another one.";
        return conflict("increase_open", detail.to_owned());
    }
    let StoreError::Full(_) = error else { return error.into() };
    let detail = format!(
        "A limit increase of one API key can be asked for {ASKED_PER_DAY_MAX} times in 24 hours, and \
         {OPEN_MAX} of an organization wait for an answer at most."
    );
    conflict("too_many_increases", detail)
}
