//! What keys share, in requests and on the screen.

use serde_json::{Map, Value, json};

use super::keys::spent;
use super::{Body, Details, increases, now, text};
use crate::cli::{BoundField, BoundsArgs, BudgetArg, EditBoundsArgs};

/// Sets what is named of somebody new.
pub(super) fn set_new(body: &mut Body, bounds: &BoundsArgs) {
    set(body, bounds, Map::new());
}

/// Sets what an edit names: limits one by one, so the others are sent as they are.
pub(super) fn set_edit(body: &mut Body, edit: &EditBoundsArgs, before: &Value) {
    for field in &edit.clear {
        match field {
            BoundField::Limits => body.set("limits", json!({})),
            BoundField::Budgets => body.set("budgets", json!([])),
        }
    }
    let keeps = !edit.clear.contains(&BoundField::Limits);
    let kept = before.get("limits").and_then(Value::as_object).filter(|_| keeps);
    set(body, &edit.bounds, kept.cloned().unwrap_or_default());
}

fn set(body: &mut Body, bounds: &BoundsArgs, mut limits: Map<String, Value>) {
    let named: Vec<_> = bounds.limits.fields().collect();
    if !named.is_empty() {
        limits.extend(named.into_iter().map(|(name, limit)| (name.to_owned(), json!(limit))));
        body.set("limits", limits);
    }
    let budgets: Vec<Value> = bounds.budgets.iter().map(BudgetArg::as_json).collect();
    body.set_if("budgets", (!budgets.is_empty()).then_some(budgets));
}

/// What all keys of something share.
pub(super) fn details(object: &Value) -> Details {
    vec![
        ("limits", text(object, "limits").replace('_', " ")),
        ("budgets", spent(object)),
        ("for a while", increases::held(object, now())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::BoundsArgs;

    fn edited(edit: &EditBoundsArgs, before: &Value) -> Value {
        let mut body = Body::default();
        set_edit(&mut body, edit, before);
        body.finish()
    }

    fn named(budgets: &[&str], concurrency: u32) -> BoundsArgs {
        let mut bounds = BoundsArgs::default();
        bounds.limits.concurrency = std::num::NonZeroU32::new(concurrency);
        bounds.budgets = budgets.iter().map(|budget| budget.parse().unwrap()).collect();
        bounds
    }

    #[test]
    fn limits_are_edited_one_by_one_and_budgets_together() {
        let before = json!({"limits": {"requests_per_day": 9, "concurrency": 1}, "budgets": []});
        let of = |bounds, clear: &[BoundField]| {
            edited(&EditBoundsArgs { bounds, clear: clear.to_vec() }, &before)
        };
        let both = [BoundField::Limits, BoundField::Budgets];
        #[rustfmt::skip]
        let cases = [
            (of(named(&[], 0), &[]),             json!({})),
            (of(named(&[], 2), &[]),             json!({"limits": {"requests_per_day": 9, "concurrency": 2}})),
            (of(named(&[], 2), &both),           json!({"limits": {"concurrency": 2}, "budgets": []})),
            (of(named(&["5/day"], 0), &both),    json!({"limits": {}, "budgets": [{"usd": "5", "period": "day"}]})),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }
}
