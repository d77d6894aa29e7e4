//! `/models`: what clients call, and where that goes.

mod create;
mod delete;
mod disable;
mod edit;
mod list;
mod mine;
mod object;
mod price;
mod show;
mod state;

pub(crate) use create::{act as create, show as new};
pub(crate) use delete::{act as delete, show as confirm};
pub(crate) use disable::{act as disable, show as ask_disable};
pub(crate) use edit::{act as save, show as edit};
pub(crate) use list::list;
pub(crate) use mine::list as mine;
pub(super) use object::{Deployment, Model, model_path};
pub(super) use price::ListedPrice;
pub(crate) use show::show;
pub(crate) use state::act as set_state;
