//! `/audit`: what was done, by whom and when, and whether the log of it is whole.

mod chain;
mod detail;
mod download;
mod list;

pub(crate) use chain::{Chain, verify};
pub(crate) use download::download;
pub(crate) use list::list;
