//! `GET /v1/models` and `GET /v1beta/models`: what this key may call, and nothing else.

use doorward_dialect::Dialect;
use doorward_domain::denial::Denial;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::catalog::{RoutedModel, Snapshot};
use crate::verify::Caller;

/// What Google's clients may do with a model.
const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];

/// One entry of a list: a model by its own name, or by an alias.
///
/// Sources of the shapes: <https://platform.openai.com/docs/api-reference/models/list>,
/// <https://platform.claude.com/docs/en/api/models-list>, <https://ai.google.dev/api/models>.
fn entry(dialect: Dialect, called: &str, model: &RoutedModel) -> Value {
    let name = &*model.name;
    match dialect {
        Dialect::OpenAi => {
            let mut entry = json!({
                "id": called, "object": "model", "created": model.created_at_s, "owned_by": "doorward",
            });
            if let Some(fields) = entry.as_object_mut().filter(|_| called != name) {
                fields.insert("alias_of".to_owned(), name.into());
            }
            entry
        }
        Dialect::Anthropic => json!({
            "type": "model", "id": name, "display_name": name,
            "created_at": Timestamp::from_second(model.created_at_s).unwrap_or_default(),
        }),
        Dialect::Google => json!({
            "name": format!("models/{name}"), "baseModelId": name, "version": "1", "displayName": name,
            "inputTokenLimit": model.context_window, "outputTokenLimit": model.output_tokens_max,
            "supportedGenerationMethods": METHODS,
        }),
    }
}

/// Whether a list has room to say that two of its names mean one model. Anthropic's and Google's have not:
/// there a model would seem to be two, so they list own names only. Whoever asks them for one model by an alias
/// is told its own name, as Anthropic itself does.
fn tells_aliases(dialect: Dialect) -> bool {
    dialect == Dialect::OpenAi
}

/// The list of a key.
pub(crate) fn list(dialect: Dialect, snapshot: &Snapshot, caller: &Caller) -> Value {
    let models = snapshot.list(caller.place()).into_iter();
    let allowed = models.filter(|(_, model)| caller.allows_model(&model.name));
    let listed = allowed.filter(|(name, model)| *name == &*model.name || tells_aliases(dialect));
    let data: Vec<Value> = listed.map(|(name, model)| entry(dialect, name, model)).collect();
    match dialect {
        Dialect::OpenAi => json!({ "object": "list", "data": data }),
        Dialect::Anthropic => {
            let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
            let (first, last) = (id(data.first()), id(data.last()));
            json!({ "data": data, "has_more": false, "first_id": first, "last_id": last })
        }
        Dialect::Google => json!({ "models": data }),
    }
}

/// One model of the list, by its own name or an alias; a model that the key may not call does not exist for
/// it.
pub(crate) fn show(
    dialect: Dialect,
    snapshot: &Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<Value, Denial> {
    let model = snapshot.find(caller.place(), name);
    let allowed = model.filter(|model| caller.allows_model(&model.name));
    allowed.map(|model| entry(dialect, name, &model)).ok_or(Denial::ModelNotFound)
}
