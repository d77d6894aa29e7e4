//! Why an answer ended, in this dialect's words.

use crate::Text;
use crate::answer::Finish;
use crate::fault::{Fault, FaultKind};

/// What is known of an answer when it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub(super) struct Said {
    /// It holds anything at all.
    pub(super) anything: bool,
    /// It holds calls.
    pub(super) calls: bool,
    /// It holds a refusal.
    pub(super) refusal: bool,
}

/// Reads `finish_reason`. Whether there are calls is told by themselves: OpenAI says `stop` beside calls
/// that were forced. `stop_text` is what vLLM says ended the answer. A word that is not known is the end
/// of an answer that says something, and an error otherwise.
pub(super) fn read<'a>(
    word: Option<Text<'a>>,
    stop_text: Option<Text<'a>>,
    said: Said,
) -> Finish<'a> {
    let word = word.unwrap_or_default();
    match word.as_ref() {
        "length" | "max_tokens" => Finish::OutputFull,
        "model_length" => Finish::ContextFull,
        "content_filter" if said.refusal => Finish::Refused(None),
        "content_filter" => Finish::Filtered,
        "error" | "abort" | "insufficient_system_resource" => Finish::Broken(word),
        _ if said.calls => Finish::Calls,
        "stop" | "eos" | "end_turn" if said.refusal => Finish::Refused(None),
        "stop" | "eos" | "end_turn" => match stop_text {
            Some(text) => Finish::Stop(Some(text)),
            None => Finish::End,
        },
        _ if said.refusal => Finish::Refused(None),
        _ if said.anything => Finish::End,
        _ => Finish::Broken(word),
    }
}

/// Writes `finish_reason`. For a broken answer there is no word, so it is an error.
pub(super) fn write(finish: &Finish<'_>, said: Said) -> Result<&'static str, Fault<'static>> {
    match finish {
        Finish::End | Finish::Stop(_) if said.calls => Ok("tool_calls"),
        Finish::End | Finish::Stop(_) => Ok("stop"),
        Finish::Calls => Ok("tool_calls"),
        Finish::OutputFull | Finish::ContextFull => Ok("length"),
        Finish::Refused(None) if said.refusal => Ok("stop"),
        Finish::Refused(_) | Finish::Filtered => Ok("content_filter"),
        Finish::Broken(word) => Err(broken(word)),
    }
}

pub(super) fn broken(word: &str) -> Fault<'static> {
    let message = if word.is_empty() {
        "The model's answer is broken.".to_owned()
    } else {
        format!("The model's answer is broken; its provider says `{word}`.")
    };
    Fault { kind: FaultKind::Server, message: message.into(), retry_after_s: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_by_its_word_and_by_what_was_said() {
        let nothing = Said::default();
        let text = Said { anything: true, ..nothing };
        let calls = Said { calls: true, ..text };
        let refusal = Said { refusal: true, ..text };
        #[rustfmt::skip]
        let cases = [
            (Some("stop"),                         None,        text,    Finish::End),
            (Some("stop"),                         None,        nothing, Finish::End),
            (Some("stop"),                         Some("###"), text,    Finish::Stop(Some("###".into()))),
            (Some("stop"),                         None,        calls,   Finish::Calls),
            (Some("stop"),                         None,        refusal, Finish::Refused(None)),
            (Some("tool_calls"),                   None,        calls,   Finish::Calls),
            (Some("tool_calls"),                   None,        text,    Finish::End),
            (Some("tool_calls"),                   None,        nothing, Finish::Broken("tool_calls".into())),
            (Some("function_call"),                None,        calls,   Finish::Calls),
            (Some("length"),                       None,        text,    Finish::OutputFull),
            (Some("length"),                       None,        nothing, Finish::OutputFull),
            (Some("length"),                       None,        calls,   Finish::OutputFull),
            (Some("model_length"),                 None,        text,    Finish::ContextFull),
            (Some("content_filter"),               None,        text,    Finish::Filtered),
            (Some("content_filter"),               None,        nothing, Finish::Filtered),
            (Some("content_filter"),               None,        refusal, Finish::Refused(None)),
            (Some("error"),                        None,        text,    Finish::Broken("error".into())),
            (Some("abort"),                        None,        text,    Finish::Broken("abort".into())),
            (Some("insufficient_system_resource"), None,        text,    Finish::Broken("insufficient_system_resource".into())),
            (Some("eos"),                          None,        text,    Finish::End),
            (Some("of_tomorrow"),                  None,        text,    Finish::End),
            (Some("of_tomorrow"),                  None,        calls,   Finish::Calls),
            (Some("of_tomorrow"),                  None,        nothing, Finish::Broken("of_tomorrow".into())),
            (None,                                 None,        text,    Finish::End),
            (None,                                 None,        nothing, Finish::Broken("".into())),
        ];
        for (word, stop_text, said, expected) in cases {
            let found = read(word.map(Text::from), stop_text.map(Text::from), said);
            assert_eq!(found, expected, "{word:?} {stop_text:?} {said:?}");
        }
    }

    #[test]
    fn every_reason_is_one_of_openais_words_or_an_error() {
        let text = Said { anything: true, ..Said::default() };
        let calls = Said { calls: true, ..text };
        let refusal = Said { refusal: true, ..text };
        #[rustfmt::skip]
        let cases = [
            (Finish::End,                           text,    Some("stop")),
            (Finish::End,                           calls,   Some("tool_calls")),
            (Finish::Stop(None),                    text,    Some("stop")),
            (Finish::Stop(Some("###".into())),      text,    Some("stop")),
            (Finish::Calls,                         calls,   Some("tool_calls")),
            (Finish::OutputFull,                    calls,   Some("length")),
            (Finish::ContextFull,                   text,    Some("length")),
            (Finish::Refused(None),                 refusal, Some("stop")),
            (Finish::Refused(None),                 text,    Some("content_filter")),
            (Finish::Refused(Some("why".into())),   refusal, Some("content_filter")),
            (Finish::Filtered,                      text,    Some("content_filter")),
            (Finish::Broken("MALFORMED".into()),    text,    None),
            (Finish::Broken("".into()),             text,    None),
        ];
        for (finish, said, expected) in cases {
            assert_eq!(write(&finish, said).ok(), expected, "{finish:?} {said:?}");
        }
    }
}
