//! What can be chosen in a field.

/// One of several.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// What the API is told.
    pub(crate) value: String,
    /// What people read.
    pub(crate) text: String,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, text: impl Into<String>) -> Self {
        Self { value: value.into(), text: text.into() }
    }
}
