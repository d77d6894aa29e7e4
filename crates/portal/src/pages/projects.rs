//! `/projects`: groups of keys, members and limits.

mod edit;
mod list;
mod members;
mod new;
mod object;
mod prompts;
mod remove;
mod show;

pub(crate) use edit::{act as save, show as edit};
pub(crate) use list::list;
pub(crate) use members::{add as add_member, remove as remove_member, set as set_member};
pub(crate) use new::{act as create, show as new};
pub(crate) use prompts::{act as keep_prompts, show as prompts};
pub(crate) use remove::{act as remove, ask as ask_remove};
pub(crate) use show::{ROLES, show};
