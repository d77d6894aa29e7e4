//! `/keys`: the keys that act as whoever made them.

mod create;
mod created;
mod list;
pub(crate) mod object;

use axum::response::Response;

use crate::answer::see_other;
use crate::visitor::Visitor;

pub(crate) use create::{act as create, show as new};
pub(crate) use list::list;

/// The first page is the one that people come for.
pub(crate) async fn home(_: Visitor) -> Response {
    see_other("/keys")
}
