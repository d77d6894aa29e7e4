//! Taking out of a text what nobody is to find in it later.
//!
//! A text that looks like JSON is read string by string, as its reader reads them, so that no escape hides
//! anything and what is left is JSON still. Everything is found in time linear in the text; what is doubtful
//! is taken out.

mod literals;
mod numbers;

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
    | eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}
    | (?:sk|rk|pk)-[0-9A-Za-z_-]{16,}
    | AIza[0-9A-Za-z_-]{30,}
    | (?:AKIA|ASIA)[0-9A-Z]{16,}
    | ABSK[0-9A-Za-z+/]{40,}=*
    | (?:gsk|hf|r8|fw)_[0-9A-Za-z]{20,}
    | (?:xai|pplx|nvapi)-[0-9A-Za-z_-]{20,}
    | tgp_v1_[0-9A-Za-z_-]{20,}
";
/// The secret of one of our keys by itself. It is looked for when all other keys are gone, for only then is it
/// known where it ends.
const SECRETS: &str = r"\b[0-9A-Za-z]{49}\b";
const EMAILS: &str = r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+";

/// The patterns, compiled once. `None` cannot be: a test compiles them.
static PATTERNS: LazyLock<Option<[Regex; 3]>> = LazyLock::new(|| {
    Some([Regex::new(KEYS).ok()?, Regex::new(SECRETS).ok()?, Regex::new(EMAILS).ok()?])
});

/// Takes out of a text what `what` names, and says by what: `[key]`, `[email]`, `[card]`, `[phone]`.
pub fn redact(text: &str, what: Redaction) -> String {
    if looks_like_json(text) { literals::redact(text, what) } else { redact_plain(text, what) }
}

/// A text that begins with what something was replaced by is none.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    let is_mark =
        ["[key]", "[email]", "[card]", "[phone]"].iter().any(|mark| text.starts_with(mark));
    text.starts_with(['{', '[']) && !is_mark
}

fn redact_plain(text: &str, what: Redaction) -> String {
    match what {
        Redaction::Keys => redact_keys(text),
        Redaction::All => {
            let text = redact_between(text);
            numbers::redact(&text, numbers::Kind::CardsAndPhones).into_owned()
        }
    }
}

/// Keys and addresses: what is found also where numbers are no text.
fn redact_between(text: &str) -> String {
    let Some([.., emails]) = &*PATTERNS else { return String::new() };
    let text = redact_keys(text);
    emails.replace_all(&text, "[email]").into_owned()
}

fn redact_keys(text: &str) -> String {
    let Some([keys, secrets, _]) = &*PATTERNS else { return String::new() };
    let text = keys.replace_all(text, "[key]");
    secrets.replace_all(&text, "[key]").into_owned()
}

#[cfg(test)]
mod tests;
