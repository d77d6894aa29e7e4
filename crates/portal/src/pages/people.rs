//! `/people`: who belongs to the organization, and what they may do.

mod edit;
mod end;
mod link;
mod list;
mod new;
mod object;
mod show;

pub(crate) use edit::{act as save, show as edit};
pub(crate) use end::{
    ask_disable, ask_remove, ask_second_factor, disable, enable, end_sessions, remove,
    take_second_factor,
};
pub(crate) use link::{invite, reset};
pub(crate) use list::list;
pub(crate) use new::{act as create, show as new};
pub(crate) use show::show;
