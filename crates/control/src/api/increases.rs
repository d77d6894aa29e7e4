//! `/v1/limit-increases`: a holder of a key asks for higher limits, an administrator decides. And
//! `/v1/users/{id}/increase` and its like: an administrator raises what keys share for a while.

mod ask;
mod decide;
mod list;
mod object;
mod raise;
mod sight;

pub(crate) use ask::ask_increase;
pub(crate) use decide::{decline_increase, grant_increase, withdraw_increase};
pub(crate) use list::{list_increases, show_increase};
pub(crate) use raise::{increase_organization, increase_project, increase_user};

use doorward_domain::bounds::{Bounds, Subject};
use doorward_domain::denial::Denial;
use doorward_domain::increase::{IncreaseState, Raise, check_end};
use doorward_domain::key::Owner;
use doorward_domain::name::check_description;
use doorward_store::Increase;
use jiff::{SignedDuration, Timestamp};
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
    raise::increase_user,
    raise::increase_project,
    raise::increase_organization,
))]
pub(crate) struct Described;

/// What a missing one, and one of somebody else, is called in the one answer for both.
const NOUN: &str = "limit increase";
/// The longest increase with an end, in days.
const DAYS_MAX: i64 = 365;
/// Most budgets of one subject: two units in four periods.
const BUDGETS_MAX: usize = 8;

/// One that the caller may see. Another's, an unknown and a malformed id are the same.
async fn find(control: &Control, caller: &Caller, id: &str) -> Result<Increase, ApiError> {
    let id = id.parse().map_err(|_| ApiError::NotFound(NOUN))?;
    let found = control.store.find_increase(caller.organization(), id).await?;
    let sight = Sight::of(caller);
    let found = found.filter(|found| sight.reaches(&found.subject, found.owner));
    found.ok_or(ApiError::NotFound(NOUN))
}

/// Refuses whoever may look at a key and not change anything of it.
fn refuse_onlooker(
    caller: &Caller,
    subject: &Subject,
    owner: Option<Owner>,
) -> Result<(), ApiError> {
    let reaches = Sight::to_change(caller).reaches(subject, owner);
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

/// Notes what of a raise cannot be granted to whoever has these limits and budgets.
fn check_raise(raise: &Raise, own: &Bounds, faults: &mut Faults) {
    if raise.is_empty() {
        faults.add("limits", "missing", "name at least one limit or budget that is to be raised");
    }
    if raise.budgets.len() > BUDGETS_MAX {
        return faults.check_len("budgets", &raise.budgets, BUDGETS_MAX);
    }
    for (field, fault) in raise.faults(own) {
        faults.add(field, "invalid", fault);
    }
}

/// When an increase ends: at an instant, or after so many days. `None`: none is named, or it is at fault.
fn end_of(
    ends: (Option<Timestamp>, Option<i64>),
    now: Timestamp,
    faults: &mut Faults,
) -> Option<Timestamp> {
    let in_days = |days: i64| {
        let is_sensible = (1..=DAYS_MAX).contains(&days);
        let length = SignedDuration::from_hours(24 * days.clamp(1, DAYS_MAX));
        now.checked_add(length).ok().filter(|_| is_sensible)
    };
    match ends {
        (None, None) => None,
        (Some(_), Some(_)) => {
            faults.add("ends_in_days", "invalid", "cannot be named beside ends_at");
            None
        }
        (Some(at), None) => faults.check("ends_at", check_end(at, now)),
        (None, Some(days)) => {
            let words = format!("must be a whole number from 1 to {DAYS_MAX}");
            faults.check("ends_in_days", in_days(days).ok_or(words))
        }
    }
}

/// Notes a text that is longer than anybody reads, or shows less than it holds.
fn check_words(field: &str, text: &str, faults: &mut Faults) {
    faults.check(field, check_description(text));
}
