//! What the forms that add and edit a provider have in common.

use doorward_domain::catalog::ProviderKind;
use serde_json::{Map, Value};

use crate::form::{Form, Kind, Member};

pub(super) const CHECK: [Member; 2] = [
    Member { path: "health_check.interval_seconds", kind: Kind::Number },
    Member { path: "health_check.path", kind: Kind::Wish },
];

/// Whether providers of this kind are asked whether they are there.
pub(super) fn has_checks(kind: ProviderKind) -> bool {
    !matches!(kind, ProviderKind::Echo | ProviderKind::Bedrock)
}

/// Adds the health check as it was typed; nothing where nothing was.
pub(super) fn add_check(body: &mut Map<String, Value>, form: &Form) {
    body.extend(form.body(&CHECK));
}
