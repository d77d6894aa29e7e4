//! `/requests`: who asks for higher limits, and what was decided.

mod ask;
mod decide;
mod list;
mod object;

pub(crate) use ask::{act as ask, show as ask_form};
pub(crate) use decide::{act as decide, show};
pub(crate) use list::list;
pub(crate) use object::Increase;
