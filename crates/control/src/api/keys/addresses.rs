//! What address lists do that their author may not have meant.

use doorward_domain::address::{AddressDecision, AddressRules};
use doorward_domain::key::ApiKey;
use serde::Serialize;

use super::object::KeyObject;
use crate::caller::Caller;
use crate::faults::FieldError;
use crate::problem::ApiError;

/// Most warnings of one answer.
const WARNINGS_MAX: usize = 20;

/// What is allowed and yet may be a mistake.
#[derive(Debug, Serialize)]
pub(super) struct Warning {
    /// The entries that it is about, as `ip_allow[0]`.
    fields: [String; 2],
    code: &'static str,
    detail: String,
}

/// A key that was made or edited, with what may be a mistake in it.
#[derive(Debug, Serialize)]
pub(super) struct WithWarnings {
    #[serde(flatten)]
    object: KeyObject,
    /// Left out where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

impl WithWarnings {
    pub(super) fn new(object: KeyObject, rules: &AddressRules) -> Self {
        Self { object, warnings: warnings(rules) }
    }
}

/// Where the lists overlap, deny wins.
fn warnings(rules: &AddressRules) -> Vec<Warning> {
    let allow = rules.allow.as_deref().unwrap_or_default();
    let warning = |(a, d): (usize, usize)| {
        let (allowed, denied) = (allow.get(a)?, rules.deny.get(d)?);
        let detail = if denied.covers(allowed) {
            format!("{allowed} allows nothing: {denied} in ip_deny holds all of it, and deny wins")
        } else {
            format!("{denied} is part of {allowed} in ip_allow and stays refused: deny wins")
        };
        let fields = [format!("ip_allow[{a}]"), format!("ip_deny[{d}]")];
        Some(Warning { fields, code: "overlap", detail })
    };
    rules.overlaps().filter_map(warning).take(WARNINGS_MAX).collect()
}

/// Refuses lists by which the key that asks would refuse itself from where it asks.
pub(super) fn refuse_lockout(
    caller: &Caller,
    key: &ApiKey,
    after: &AddressRules,
) -> Result<(), ApiError> {
    let is_own = caller.key().is_some_and(|own| own.id == key.id) && *after != key.rights.addresses;
    let (field, detail) = match after.decide(caller.address) {
        _ if !is_own => return Ok(()),
        AddressDecision::Anywhere | AddressDecision::Allowed(_) => return Ok(()),
        AddressDecision::NotListed => ("ip_allow", "leaves out the address that you ask from"),
        AddressDecision::Denied(_) => ("ip_deny", "holds the address that you ask from"),
    };
    let detail = format!("{detail}: this key could not undo it. Say `force: true` to do it anyway");
    Err(ApiError::Invalid(vec![FieldError::new(field, "locks_out", detail)]))
}
