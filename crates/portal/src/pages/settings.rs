//! `/settings`: what administrators change while the program runs, and what all keys share.

mod object;
mod organization;
mod save;
mod show;

pub(crate) use object::Settings;
pub(crate) use organization::{act as save_organization, show as organization};
pub(crate) use save::act as save;
pub(crate) use show::show;
