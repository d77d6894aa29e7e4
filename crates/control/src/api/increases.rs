//! `/v1/limit-increases`: a holder of a key asks for higher limits, an administrator decides.

mod ask;
mod decide;
mod list;
mod object;
mod sight;

pub(crate) use ask::ask_increase;
pub(crate) use decide::{decline_increase, grant_increase, withdraw_increase};
pub(crate) use list::{list_increases, show_increase};

use doorward_domain::credential::KeyId;
use doorward_domain::denial::Denial;
use doorward_domain::increase::{IncreaseState, Raise};
use doorward_domain::key::Owner;
use doorward_domain::name::check_description;
use doorward_domain::rights::Rights;
use doorward_store::Increase;
use utoipa::OpenApi;

use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;

use sight::Sight;

/// What is described of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    ask::ask_increase,
    list::list_increases,
    list::show_increase,
    decide::grant_increase,
    decide::decline_increase,
    decide::withdraw_increase,
))]
pub(crate) struct Described;

/// What a missing one, and one of somebody else, is called in the one answer for both.
const NOUN: &str = "limit increase";
/// Most budgets of one key: two units in four periods.
const BUDGETS_MAX: usize = 8;

/// One that the caller may see. Another's, an unknown and a malformed id are the same.
async fn find(control: &Control, caller: &Caller, id: &str) -> Result<Increase, ApiError> {
    let id = id.parse().map_err(|_| ApiError::NotFound(NOUN))?;
    let found = control.store.find_increase(caller.organization(), id).await?;
    let sight = Sight::of(caller);
    let found = found.filter(|found| sight.reaches(&found.key, found.owner));
    found.ok_or(ApiError::NotFound(NOUN))
}

/// Refuses whoever may look at a key and not change anything of it.
fn refuse_onlooker(caller: &Caller, key: &KeyId, owner: Owner) -> Result<(), ApiError> {
    let reaches = Sight::to_change(caller).reaches(key, owner);
    reaches.then_some(()).ok_or(ApiError::Denied(Denial::InsufficientScope))
}

/// Refuses to decide twice.
fn refuse_decided(found: &Increase) -> Result<(), ApiError> {
    if found.state == IncreaseState::Open {
        return Ok(());
    }
    Err(ApiError::Conflict {
        code: "increase_decided",
        detail: format!("This limit increase is {} already.", found.state),
        field: None,
    })
}

/// Notes what of a raise cannot be granted to a key with these rights.
fn check_raise(raise: &Raise, rights: &Rights, faults: &mut Faults) {
    if raise.is_empty() {
        faults.add("limits", "missing", "name at least one limit or budget that is to be raised");
    }
    if raise.budgets.len() > BUDGETS_MAX {
        return faults.check_len("budgets", &raise.budgets, BUDGETS_MAX);
    }
    for (field, fault) in raise.faults(rights) {
        faults.add(field, "invalid", fault);
    }
}

/// Notes a text that is longer than anybody reads, or shows less than it holds.
fn check_words(field: &str, text: &str, faults: &mut Faults) {
    faults.check(field, check_description(text));
}
