//! Writes a request. The model, and whether the answer streams, go into the path.
//!
//! Left out, for nothing of the answer hangs on it: the end user, and marks on what to keep in a cache where the
//! model is not known to take them.

mod documents;
mod messages;
mod model;
mod settings;
mod tools;

use serde::Serialize;

use messages::{Block, Message};
use model::Model;
use settings::{InferenceConfig, ModelFields, OutputConfig};
use tools::ToolConfig;

use crate::Target;
use crate::request::Request;
use crate::unsupported::{Feature, Leave, Malformed, Untranslatable};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "InferenceConfig::is_empty")]
    inference_config: InferenceConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "ModelFields::is_empty")]
    additional_model_request_fields: ModelFields,
}

/// Writes the body of `POST /model/{model}/converse` and of `…/converse-stream`.
pub fn write_request(
    request: &Request<'_>,
    to: &Target<'_>,
    leave: &mut Leave,
) -> Result<Vec<u8>, Untranslatable> {
    for extra in &request.extras {
        leave.out(&extra.path)?;
    }
    if request.answers.is_some_and(|answers| answers > 1) {
        leave.feature(Feature::Answers, None, to.from)?;
    }
    if request.is_one_call_only {
        leave.feature(Feature::OneCallOnly, None, to.from)?;
    }
    let model = Model::of(to.model);
    let (system, messages) = messages::write(request, (to, model), leave)?;
    if messages.is_empty() {
        let path = to.from.turns().to_owned();
        return Err(Malformed { path, why: "must say something".into() }.into());
    }
    let body = Body {
        messages,
        system,
        tool_config: tools::write(request, (to, model), leave)?,
        inference_config: settings::inference(request, to, leave)?,
        output_config: settings::output(request, to, leave)?,
        additional_model_request_fields: settings::of_model(request, (to, model), leave)?,
    };
    let wrong = |_| Malformed { path: "body".to_owned(), why: "cannot be written".into() };
    Ok(serde_json::to_vec(&body).map_err(wrong)?)
}
