//! What is left out although no other dialect can say it, because the answer means the same without it;
//! and the list of what is not.

use crate::anthropic::json::{Fields, Path};
use crate::unsupported::{Extra, without_positions};

/// Fields that are left out without a word. The list is closed.
const HARMLESS: [&str; 4] = [
    // Which of the provider's capacity serves the call, and at what price: a hint on routing.
    "service_tier",
    // The id of an answer before, by which the provider explains what its cache missed: a hint on logging.
    "diagnostics",
    // How finely the arguments of calls are cut in a stream: they are the same when put together.
    "tools[].eager_input_streaming",
    // Among whom a cache is shared: a hint on caching. It is of every `cache_control`.
    "cache_control.scope",
];

/// A change to a conversation that grows too long is harmless, too, if it only takes out old results or
/// thoughts: a hint on cost. One that sums the conversation up is not.
pub(super) const HARMLESS_EDITS: &str = "clear_";

/// How the text begins that Claude Code puts before its instructions to tell the provider's accounting what
/// it is: tracking. It differs in each request, so with it no provider would find its cache again.
pub(super) const BILLING: &str = "x-anthropic-billing-header";

fn is_harmless(path: &str) -> bool {
    let plain = without_positions(path);
    HARMLESS.contains(&plain.as_str()) || plain.ends_with(".cache_control.scope")
}

/// What cannot be carried over, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Extras(Vec<Extra>);

impl Extras {
    /// Adds what stands at a path, unless it is harmless.
    pub(super) fn add(&mut self, at: Path<'_>) {
        let path = at.to_string();
        if !is_harmless(&path) {
            self.0.push(Extra { path });
        }
    }

    /// Adds all fields of an object that nobody has taken.
    pub(super) fn add_left<'a>(&mut self, object: &impl Fields<'a>, at: &Path<'_>) {
        object.left(&mut |name| self.add(at.field(name)));
    }

    /// The whole list.
    pub(super) fn into_list(self) -> Vec<Extra> {
        self.0
    }
}
