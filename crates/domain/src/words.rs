//! How what is one of a few words is described.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, Schema, Type};

/// One of these words.
pub(crate) fn words<const N: usize>(words: [&'static str; N]) -> RefOr<Schema> {
    Object::builder().schema_type(Type::String).enum_values(Some(words)).into()
}
