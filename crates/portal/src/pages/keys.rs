//! `/keys`: the keys that act as whoever made them; `/agent-keys`: those that act as service accounts.

mod create;
mod created;
mod edit;
mod fields;
mod file;
mod life;
mod list;
mod model_limits;
pub(crate) mod object;
mod rotate;
mod show;
#[cfg(test)]
mod tests;

use axum::response::Response;

use crate::answer::see_other;
use crate::visitor::Visitor;

pub(crate) use create::{
    act as create, act_service as create_service, show as new, show_service as new_service,
};
pub(crate) use edit::{act as edit, show as edit_form};
pub(crate) use file::act as file;
pub(crate) use life::{act_delete, act_disable, act_enable, act_overlap, delete, disable, overlap};
pub(crate) use list::{list, list_service};
pub(crate) use rotate::{act as rotate, show as rotate_form};
pub(crate) use show::show;

/// The first page is the one that people come for.
pub(crate) async fn home(_: Visitor) -> Response {
    see_other("/keys")
}
