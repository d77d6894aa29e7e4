//! `GET /v1/models`: what this key may call, and nothing else.

use doorward_domain::denial::Denial;
use serde_json::{Value, json};

use crate::catalog::{RoutedModel, Snapshot};
use crate::verify::Caller;

/// Source of the shape: <https://platform.openai.com/docs/api-reference/models/list>.
fn entry(model: &RoutedModel) -> Value {
    json!({
        "id": &*model.name, "object": "model", "created": model.created_at_s, "owned_by": "doorward",
    })
}

/// The list of a key.
pub(crate) fn list(snapshot: &Snapshot, caller: &Caller) -> Value {
    let models = snapshot.list(caller.key.key.organization);
    let allowed = models.iter().filter(|model| caller.allows_model(&model.name));
    json!({ "object": "list", "data": allowed.map(|model| entry(model)).collect::<Vec<_>>() })
}

/// One model of the list; a model that the key may not call does not exist for it.
pub(crate) fn show(snapshot: &Snapshot, caller: &Caller, name: &str) -> Result<Value, Denial> {
    let model = snapshot.find(caller.key.key.organization, name);
    let allowed = model.filter(|model| caller.allows_model(&model.name));
    allowed.map(|model| entry(&model)).ok_or(Denial::ModelNotFound)
}
