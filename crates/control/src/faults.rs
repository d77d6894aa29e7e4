//! What is wrong with the fields of a request, collected so that one answer names all of it.

use std::fmt::Display;

use crate::problem::ApiError;

/// Longest detail of one field: a client's own text in it must not blow the answer up.
const DETAIL_CHARS_MAX: usize = 300;

/// One field that is refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct FieldError {
    /// Where it is, as `limits.concurrency` or `ip_allow[2]`.
    pub(crate) field: String,
    /// Why, for programs.
    pub(crate) code: &'static str,
    /// Why, for people.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(field: impl Into<String>, code: &'static str, detail: impl Display) -> Self {
        let detail = detail.to_string().chars().take(DETAIL_CHARS_MAX).collect();
        Self { field: field.into(), code, detail }
    }
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        code: &'static str,
        detail: impl Display,
    ) {
        self.0.push(FieldError::new(field, code, detail));
    }

    /// Notes the error of a check, and hands its value on.
    pub(crate) fn check<T, E: Display>(&mut self, field: &str, checked: Result<T, E>) -> Option<T> {
        checked.map_err(|error| self.add(field, "invalid", error)).ok()
    }

    /// Notes a list that is longer than anybody needs.
    pub(crate) fn check_len<T>(&mut self, field: &str, list: &[T], max: usize) {
        if list.len() > max {
            self.add(field, "too_long", format!("at most {max} entries"));
        }
    }

    /// Ends the collection: an error if there was any.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.0)) }
    }

    /// Ends the collection with what the checks made; it is missing only where one of them failed.
    pub(crate) fn finish_with<T>(self, checked: Option<T>) -> Result<T, ApiError> {
        self.finish()?;
        checked.ok_or_else(|| ApiError::Internal("a fault was not noted".to_owned()))
    }
}
