//! `stopReason`. Source:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax>.

use crate::answer::Finish;

/// What an answer holds, which says what its reason leaves open.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    pub(super) is_something: bool,
    pub(super) is_calls: bool,
}

/// The reason in no dialect. A word that nobody knows ends an answer that says something, and is the fault of
/// one that does not.
pub(super) fn read(word: &str, said: Said) -> Finish<'static> {
    match word {
        "max_tokens" => Finish::OutputFull,
        "model_context_window_exceeded" => Finish::ContextFull,
        "guardrail_intervened" | "content_filtered" => Finish::Filtered,
        "refusal" => Finish::Refused(None),
        "stop_sequence" => Finish::Stop(None),
        "malformed_model_output" | "malformed_tool_use" => Finish::Broken(word.to_owned().into()),
        _ if said.is_calls => Finish::Calls,
        "end_turn" => Finish::End,
        _ if said.is_something => Finish::End,
        _ => Finish::Broken(word.to_owned().into()),
    }
}
