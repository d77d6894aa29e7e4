//! `/notifications`: where notices go, and what became of them.

mod list;
mod new;
mod object;
mod retry;
mod webhook;

pub(crate) use list::list;
pub(crate) use new::{act as create, show as new};
pub(crate) use object::Mail;
pub(crate) use retry::retry;
pub(crate) use webhook::{ask_delete, ask_rotate, delete, rotate, save, show, test};
