//! Requests of this dialect.

pub(in crate::openai) mod read;
mod write;

pub use read::read_request;
pub use write::write_request;

/// Fields that are left out without a word: no answer differs in what it says for want of them. Whatever
/// else has no place in the form is told.
mod harmless {
    pub(super) const BODY: [&str; 7] = [
        // Where the provider keeps what it has read, and for how long.
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        // Who asks and why, for the provider's own records. The first of these that is there is the end user.
        "safety_identifier",
        "user",
        "metadata",
        // A word to the gateway itself.
        "doorward_drop_unsupported",
    ];
    /// Padding against who measures the pieces on their way.
    pub(super) const STREAM_OPTIONS: [&str; 1] = ["include_obfuscation"];
    /// How closely the model is to look.
    pub(super) const IMAGE: [&str; 1] = ["detail"];
    /// What servers write beside an answer for their own use; it comes back in the history.
    pub(super) const ASSISTANT: [&str; 2] = ["annotations", "reasoning_details"];
    /// Streams count their calls, and some clients keep the count.
    pub(super) const CALL: [&str; 1] = ["index"];
    /// Servers of old wanted the function's name with its result; it is known by the call.
    pub(super) const RESULT: [&str; 1] = ["name"];
}
