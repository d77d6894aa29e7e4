//! Limits and budgets that keys share: of a user, a project or the organization.

use doorward_domain::bounds::{BoundOf, Bounds, Subject};
use doorward_domain::budget::Budget;
use doorward_domain::limit::Limits;
use doorward_domain::rights::Rights;
use doorward_store::SharedStanding;

use super::keys::grant::{self, Attempt};
use super::keys::object::Spent;
use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::problem::ApiError;
use crate::request::Field;

/// What an edit makes of bounds; `null` clears.
pub(super) fn edited(
    before: &Bounds,
    limits: &Field<Limits>,
    budgets: Field<Vec<Budget>>,
    faults: &mut Faults,
) -> Bounds {
    let after = Bounds {
        limits: limits.into_edit(Limits::NONE).unwrap_or(before.limits),
        budgets: budgets.into_edit(Vec::new()).unwrap_or_else(|| before.budgets.clone()),
    };
    grant::check_budgets(&after.budgets, faults);
    after
}

/// Refuses, and audits, that a caller with limits or budgets of its own loosens what binds it together
/// with others.
pub(super) async fn refuse_loosening(
    control: &Control,
    caller: &Caller,
    (before, after): (&Bounds, &Bounds),
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    let rights = |bounds: &Bounds| Rights {
        limits: bounds.limits,
        budgets: bounds.budgets.clone(),
        ..Rights::of_role(caller.role)
    };
    grant::refuse_loosening(control, caller, (&rights(before), &rights(after)), attempt).await
}

/// What was spent of each budget, in their order.
pub(super) fn spent_of(
    standing: &SharedStanding,
    subject: &Subject,
    bounds: &Bounds,
) -> Vec<Spent> {
    let of = |budget: &Budget| Spent::new(budget.period, standing.spent(subject, budget));
    bounds.budgets.iter().map(of).collect()
}

/// `of ` and whose it is, where it is not the key's own.
pub(super) fn shared_words(of: BoundOf) -> String {
    match of {
        BoundOf::Key => String::new(),
        BoundOf::Model => " for this model".to_owned(),
        BoundOf::User | BoundOf::Project | BoundOf::Organization => {
            format!(" of the {}", of.as_str())
        }
    }
}
