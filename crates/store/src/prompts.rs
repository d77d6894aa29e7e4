//! What was asked and answered in calls, for the projects that keep it.
//!
//! A call hands its record over and goes on: the record waits in a [`Queue`] that is bounded, and is dropped
//! where that is full. One task takes out what is to be taken out, seals the rest and writes it. What waits
//! when the process dies is lost: no bill hangs on it.

mod forget;
mod queue;
mod read;
mod record;
mod write;

pub(crate) use queue::Queue;
pub use read::{KeptText, StoredPrompt};
pub use record::{Excerpt, PromptRecord};
