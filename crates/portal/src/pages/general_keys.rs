//! `/general-keys`: the credentials of providers, in the vault. A secret goes in and never comes out.

mod create;
mod delete;
mod edit;
mod list;
mod object;
mod show;

pub(crate) use create::{act as create, show as new};
pub(crate) use delete::{act as delete, show as confirm};
pub(crate) use edit::{act as save, show as edit};
pub(crate) use list::list;
pub(super) use object::{GeneralKey, all};
pub(crate) use show::{show, test};
