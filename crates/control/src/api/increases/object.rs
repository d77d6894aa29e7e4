//! A limit increase as answers show it.

use axum::Json;
use doorward_domain::bounds::{BoundOf, Bounds};
use doorward_domain::id::{IncreaseId, OrganizationId};
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_store::Increase;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::problem::ApiError;

/// The limit increase object of the API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitIncrease)]
pub(crate) struct IncreaseObject {
    id: IncreaseId,
    #[schema(pattern = "^limit_increase$")]
    object: &'static str,
    /// What kind `subject` is.
    of: BoundOf,
    /// The id of the key, or of whom the keys share what is raised.
    subject: String,
    subject_name: String,
    #[schema(value_type = IncreaseState)]
    state: &'static str,
    asked: Raise,
    /// The limits and budgets that the key has of its own by now, while nobody has decided. `null`: somebody
    /// has, or it is none of a key.
    #[schema(required)]
    now: Option<Raise>,
    reason: String,
    asked_by: String,
    /// What that one is called, as with whoever decided, where `names` asks for it and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by_name: Option<String>,
    created_at: Timestamp,
    /// `null`: nothing was.
    #[schema(required)]
    granted: Option<Raise>,
    /// Until when it holds. `null`: nothing was granted, or it was for good.
    #[schema(required)]
    ends_at: Option<Timestamp>,
    /// A key, a user, or `system`.
    #[schema(required)]
    decided_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by_name: Option<String>,
    #[schema(required)]
    decided_at: Option<Timestamp>,
    note: String,
}

impl From<Increase> for IncreaseObject {
    fn from(increase: Increase) -> Self {
        Self {
            id: increase.id,
            object: "limit_increase",
            of: increase.subject.bound_of(),
            subject: increase.subject.id(),
            subject_name: increase.name,
            state: increase.state.as_str(),
            asked: increase.asked,
            now: increase
                .own
                .filter(|_| increase.state == IncreaseState::Open)
                .map(|Bounds { limits, budgets }| Raise { limits, budgets }),
            reason: increase.reason,
            asked_by: increase.asked_by,
            asked_by_name: None,
            created_at: increase.created_at,
            granted: increase.granted,
            ends_at: increase.ends_at,
            decided_by: increase.decided_by,
            decided_by_name: None,
            decided_at: increase.decided_at,
            note: increase.note,
        }
    }
}

/// Has increases say what those who asked and decided are called.
pub(super) async fn name(
    control: &Control,
    organization: OrganizationId,
    increases: &mut [IncreaseObject],
) -> Result<(), ApiError> {
    let ids = increases.iter().flat_map(|one| [Some(&one.asked_by), one.decided_by.as_ref()]);
    let names = control.store.names_of(organization, ids.flatten().cloned().collect()).await?;
    for one in increases {
        one.asked_by_name = names.get(&one.asked_by).cloned();
        one.decided_by_name = one.decided_by.as_ref().and_then(|id| names.get(id)).cloned();
    }
    Ok(())
}

pub(super) fn answer(increase: Increase) -> Json<IncreaseObject> {
    Json(increase.into())
}
