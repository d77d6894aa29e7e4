//! `/providers`: the APIs that models are called at.

mod create;
mod delete;
mod edit;
mod fields;
mod list;
mod object;
mod offer;
mod preset;
mod show;
mod standing;
mod test;

pub(crate) use create::{act as create, show as new};
pub(crate) use delete::{act as delete, show as confirm};
pub(crate) use edit::{act as save, show as edit};
pub(crate) use list::list;
pub(super) use object::{Provider, all};
pub(crate) use offer::{act as offer, back};
pub(crate) use show::show;
pub(crate) use test::act as test;
