//! A project, as pages show it.

use doorward_domain::prompts::PromptPolicy;
use jiff::Timestamp;
use serde::Deserialize;

use crate::bounds::Bounds;
use crate::query::segment;

/// What the API says of a project.
#[derive(Debug, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// What the names of models begin with that only its keys may call.
    pub(crate) model_prefix: String,
    /// Active and disabled ones, where the list counts them.
    #[serde(default)]
    pub(crate) keys: u64,
    /// How many people were let in, where the list counts them.
    #[serde(default)]
    pub(crate) members: u64,
    pub(crate) prompts: Option<PromptPolicy>,
    pub(crate) created_at: Timestamp,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
}

/// Somebody who belongs to a project.
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) role: String,
}

/// A model, as far as a project shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) project: Option<String>,
}

impl Project {
    /// How long what its calls ask and are answered is kept, in days.
    pub(crate) fn retention_days(&self) -> u16 {
        self.prompts.map_or(0, |policy| policy.retention_days.get())
    }

    pub(crate) fn redacts(&self) -> bool {
        self.prompts.is_some_and(|policy| policy.redact)
    }
}

/// Where the API has a project.
pub(super) fn path_of(id: &str) -> String {
    format!("/v1/projects/{}", segment(id))
}
