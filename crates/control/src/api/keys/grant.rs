//! What may be written into a key: bounds of its fields, and the rule that nobody hands out more
//! than they have.

use doorward_domain::address::AddressRules;
use doorward_domain::bounds::ModelLimits;
use doorward_domain::budget::{Amount, Budget};
use doorward_domain::key::Owner;
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelRule;
use doorward_domain::origin::{ORIGINS_MAX, Origins};
use doorward_domain::rights::{Axis, Rights};
use doorward_domain::scope::Scope;
use serde_json::{Map, Value, json};

use crate::Control;
use crate::caller::Caller;
use crate::faults::{Faults, FieldError};
use crate::problem::ApiError;

/// Most model patterns, and most blocks in one address list.
const LIST_MAX: usize = 200;
/// Most budgets of one key: two units in four periods.
const BUDGETS_MAX: usize = 8;
/// Most patterns of models with limits of their own.
const MODEL_LIMITS_MAX: usize = 20;
/// Largest metadata, as JSON text.
const METADATA_BYTES_MAX: usize = 4096;

/// Notes what is out of bounds in rights that were asked for.
pub(super) fn check_rights(rights: &Rights, faults: &mut Faults) {
    if let ModelRule::Only(patterns) = &rights.models {
        faults.check_len("models", patterns, LIST_MAX);
    }
    let AddressRules { allow, deny } = &rights.addresses;
    faults.check_len("ip_allow", allow.as_deref().unwrap_or_default(), LIST_MAX);
    faults.check_len("ip_deny", deny, LIST_MAX);
    check_model_limits(&rights.model_limits, faults);
    check_budgets(&rights.budgets, faults);
    check_pages(rights, faults);
}

/// Notes what a key that lives in a web page must not have, and what it must: whoever opens the page
/// has the key.
fn check_pages(rights: &Rights, faults: &mut Faults) {
    let origins = rights.allowed_origins.as_ref().map(Origins::as_slice);
    faults.check_len("allowed_origins", origins.unwrap_or_default(), ORIGINS_MAX);
    let unfit = rights.scopes_unfit_for_pages();
    if !unfit.is_empty() {
        let names: Vec<&str> = unfit.into_iter().map(Scope::as_str).collect();
        let detail = format!(
            "a key with allowed_origins is for inference:read and inference:write only, not for {}",
            names.join(", ")
        );
        faults.add("scopes", "unfit_for_pages", detail);
    }
    for axis in rights.bounds_missing_for_pages() {
        let what = if axis == Axis::Limits { "limit of requests or tokens" } else { "budget" };
        let detail = format!("a key with allowed_origins needs at least one {what}");
        faults.add(axis.field(), "missing", detail);
    }
}

fn check_model_limits(list: &[ModelLimits], faults: &mut Faults) {
    faults.check_len("model_limits", list, MODEL_LIMITS_MAX);
    for (index, entry) in list.iter().enumerate() {
        if list.iter().take(index).any(|earlier| earlier.model == entry.model) {
            let detail = "there is already an entry for this pattern";
            faults.add(format!("model_limits[{index}].model"), "duplicate", detail);
        }
        if entry.limits == Limits::NONE {
            let detail = "must name at least one limit";
            faults.add(format!("model_limits[{index}].limits"), "missing", detail);
        }
    }
}

pub(in crate::api) fn check_budgets(budgets: &[Budget], faults: &mut Faults) {
    faults.check_len("budgets", budgets, BUDGETS_MAX);
    let unit = |budget: &Budget| matches!(budget.amount, Amount::Usd(_));
    let is_same = |a: &Budget, b: &Budget| a.period == b.period && unit(a) == unit(b);
    for (index, budget) in budgets.iter().enumerate() {
        if budgets.iter().take(index).any(|earlier| is_same(earlier, budget)) {
            let detail = "there is already a budget in this unit and period";
            faults.add(format!("budgets[{index}]"), "duplicate", detail);
        }
        // The database counts in signed 64 bits.
        if matches!(budget.amount, Amount::Tokens(tokens) if i64::try_from(tokens).is_err()) {
            faults.add(format!("budgets[{index}].tokens"), "invalid", "is too large");
        }
    }
}

/// Notes metadata that is larger than a label or two.
pub(super) fn check_metadata(metadata: &Map<String, Value>, faults: &mut Faults) {
    let bytes = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    if bytes > METADATA_BYTES_MAX {
        let detail = format!("must have at most {METADATA_BYTES_MAX} bytes as JSON");
        faults.add("metadata", "too_long", detail);
    }
}

/// A grant that is about to be written: what to call it in the audit log if it is refused.
pub(in crate::api) struct Attempt<'a> {
    pub(in crate::api) action: &'static str,
    pub(in crate::api) subject: String,
    pub(in crate::api) name: &'a str,
}

/// Refuses, and audits, rights that go beyond the caller's own on one of the axes of interest.
pub(in crate::api) async fn refuse_excess(
    control: &Control,
    caller: &Caller,
    wanted: &Rights,
    is_of_interest: impl Fn(Axis) -> bool,
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    let excess = caller.rights.exceeded_by(wanted);
    let errors: Vec<FieldError> =
        excess.into_iter().filter(|axis| is_of_interest(*axis)).map(fault).collect();
    if errors.is_empty() {
        return Ok(());
    }
    note_denial(control, caller, attempt, ("exceeds_own_rights", &errors)).await?;
    Err(ApiError::ExceedsOwnRights(errors))
}

/// Refuses, and audits, that a caller with limits or budgets makes a key.
pub(in crate::api) async fn refuse_bounded_maker(
    control: &Control,
    caller: &Caller,
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    if caller.rights.may_make_keys() {
        return Ok(());
    }
    refuse_bounded(control, caller, attempt, Vec::new()).await
}

/// Refuses, and audits, that a caller with limits or budgets loosens those of a key, or what keys share.
pub(in crate::api) async fn refuse_loosening(
    control: &Control,
    caller: &Caller,
    (before, after): (&Rights, &Rights),
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    let loosened = before.loosened_by(after);
    if caller.rights.may_make_keys() || loosened.is_empty() {
        return Ok(());
    }
    let detail = "would be looser than it is";
    let fault = |axis: Axis| FieldError::new(axis.field(), "bounded_key", detail);
    refuse_bounded(control, caller, attempt, loosened.into_iter().map(fault).collect()).await
}

async fn refuse_bounded(
    control: &Control,
    caller: &Caller,
    attempt: &Attempt<'_>,
    errors: Vec<FieldError>,
) -> Result<(), ApiError> {
    note_denial(control, caller, attempt, ("bounded_key", &errors)).await?;
    Err(ApiError::BoundedKey(errors))
}

/// Refuses, and audits, that a caller gets, or strengthens, a key that acts as somebody above them.
pub(super) async fn refuse_above(
    control: &Control,
    caller: &Caller,
    owner: Owner,
    attempt: &Attempt<'_>,
) -> Result<(), ApiError> {
    let Owner::User(id) = owner else { return Ok(()) };
    let user = control.store.find_user(caller.organization(), id).await?;
    if user.is_none_or(|user| caller.role.is_at_least(user.role)) {
        return Ok(());
    }
    note_denial(control, caller, attempt, ("exceeds_own_rights", &[])).await?;
    Err(ApiError::AboveOwnRole)
}

async fn note_denial(
    control: &Control,
    caller: &Caller,
    attempt: &Attempt<'_>,
    (code, errors): (&str, &[FieldError]),
) -> Result<(), ApiError> {
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    let detail =
        json!({ "outcome": "denied", "code": code, "fields": fields, "name": attempt.name });
    let act = caller.act(control.now());
    Ok(control.store.record(&act, attempt.action, &attempt.subject, detail).await?)
}

fn fault(axis: Axis) -> FieldError {
    let detail = match axis {
        Axis::Scopes => "names a scope that you do not have",
        Axis::Models => "allows a model that you may not call",
        Axis::Addresses => "allows an address from which you may not call",
        Axis::Limits => "is looser than your own limits",
        Axis::ModelLimits => "is looser than your own limits for these models",
        Axis::Budgets => "is looser than your own budgets",
        Axis::Expiry => "is later than the end of your own key",
        Axis::Origins => "allows a use that your own key is not for",
    };
    FieldError::new(axis.field(), "exceeds_own_rights", detail)
}

/// Every axis on which both rights differ: what an edit has touched.
pub(super) fn changed(before: &Rights, after: &Rights) -> impl Fn(Axis) -> bool {
    let changed = [
        (Axis::Scopes, before.scopes != after.scopes),
        (Axis::Models, before.models != after.models),
        (Axis::Addresses, before.addresses != after.addresses),
        (Axis::Limits, before.limits != after.limits),
        (Axis::ModelLimits, before.model_limits != after.model_limits),
        (Axis::Budgets, before.budgets != after.budgets),
        (Axis::Expiry, before.expires_at != after.expires_at),
        (Axis::Origins, before.allowed_origins != after.allowed_origins),
    ];
    move |axis| changed.contains(&(axis, true))
}
