//! Taking out of a text what nobody is to find in it later.
//!
//! A text that looks like JSON is read string by string, as its reader reads them, so that no escape hides
//! anything and what is left is JSON still. Everything is found in time linear in the text; what is doubtful
//! is taken out.

mod literals;
mod numbers;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// Keys: ours, and those of providers that people paste.
    Keys,
    /// Keys, e-mail addresses, and the numbers of cards and phones.
    All,
}

/// Our keys under any prefix, in one string or as the two parts; our tokens; then providers' keys by what
/// they begin with: OpenAI and those who write theirs alike, Anthropic, Google, AWS, Bedrock, Groq, Hugging
/// Face, Replicate, xAI, Perplexity, NVIDIA, Fireworks, Together.
const KEYS: &str = r"(?x)
      [a-z][a-z0-9-]{1,11}_[0-9A-Za-z]{16}[_:][0-9A-Za-z]{49,}
    | \b[0-9A-Za-z]{49}\b
    | eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}
    | (?:sk|rk|pk)-[0-9A-Za-z_-]{16,}
    | AIza[0-9A-Za-z_-]{30,}
    | (?:AKIA|ASIA)[0-9A-Z]{16,}
    | ABSK[0-9A-Za-z+/]{40,}=*
    | (?:gsk|hf|r8|fw)_[0-9A-Za-z]{20,}
    | (?:xai|pplx|nvapi)-[0-9A-Za-z_-]{20,}
    | tgp_v1_[0-9A-Za-z_-]{20,}
";
const EMAILS: &str = r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+";

/// The patterns, compiled once. `None` cannot be: a test compiles them.
static PATTERNS: LazyLock<Option<[Regex; 2]>> =
    LazyLock::new(|| Some([Regex::new(KEYS).ok()?, Regex::new(EMAILS).ok()?]));

/// Takes out of a text what `what` names, and says by what: `[key]`, `[email]`, `[card]`, `[phone]`.
pub fn redact(text: &str, what: Redaction) -> String {
    if text.trim_start().starts_with(['{', '[']) {
        literals::redact(text, what)
    } else {
        redact_plain(text, what).into_owned()
    }
}

fn redact_plain(text: &str, what: Redaction) -> Cow<'_, str> {
    match what {
        Redaction::Keys => redact_keys(text),
        Redaction::All => {
            let text = redact_between(text);
            let numbers = numbers::redact(&text, numbers::Kind::CardsAndPhones);
            Cow::Owned(numbers.into_owned())
        }
    }
}

/// Keys and addresses: what is found also where numbers are no text.
fn redact_between(text: &str) -> Cow<'_, str> {
    let Some([_, emails]) = &*PATTERNS else { return Cow::Borrowed("") };
    let text = redact_keys(text);
    Cow::Owned(emails.replace_all(&text, "[email]").into_owned())
}

fn redact_keys(text: &str) -> Cow<'_, str> {
    let Some([keys, _]) = &*PATTERNS else { return Cow::Borrowed("") };
    keys.replace_all(text, "[key]")
}

#[cfg(test)]
mod tests;
