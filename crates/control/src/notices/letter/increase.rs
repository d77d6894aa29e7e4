//! Letters about limit increases.

use serde_json::Value;

use super::{Data, Letter, Paragraph, instant, subject, whose};

const INCREASE: &str = "limit_increase";

pub(super) fn asked(data: &Data<'_>) -> Letter {
    let name = data.text(&["api_key", "name"]);
    let id = data.text(&[INCREASE, "id"]);
    Letter {
        subject: format!("API key \"{name}\": higher limits are asked for"),
        paragraphs: vec![
            Paragraph::Text(format!(
                "{} is to have {}.",
                whose(data),
                figures(data.value(&[INCREASE, "asked"]))
            )),
            Paragraph::Text(format!("The reason: {}", data.text(&[INCREASE, "reason"]))),
            Paragraph::Text("Grant it, for a while or for good, or decline it:".to_owned()),
            Paragraph::Command(format!("doorward increases grant {id} --ends-in-days 7")),
            Paragraph::Command(format!("doorward increases decline {id}")),
        ],
    }
}

pub(super) fn granted(data: &Data<'_>) -> Letter {
    let until = match data.text(&[INCREASE, "ends_at"]).parse() {
        Ok(at) => format!("until {}; then the old limits hold again", instant(at)),
        Err(_) => "from now on".to_owned(),
    };
    let given = Paragraph::Text(format!(
        "{} {}, {until}.",
        has(data),
        figures(data.value(&[INCREASE, "granted"]))
    ));
    Letter {
        subject: format!("{} has higher limits", title(data)),
        paragraphs: std::iter::once(given).chain(note(data)).collect(),
    }
}

pub(super) fn declined(data: &Data<'_>) -> Letter {
    let name = data.text(&["api_key", "name"]);
    let refused = Paragraph::Text(format!(
        "{} keeps its limits. Declined: {}.",
        whose(data),
        figures(data.value(&[INCREASE, "asked"]))
    ));
    Letter {
        subject: format!("API key \"{name}\" keeps its limits"),
        paragraphs: std::iter::once(refused).chain(note(data)).collect(),
    }
}

pub(super) fn ended(data: &Data<'_>) -> Letter {
    let ended = Paragraph::Text(format!(
        "{} the old limits again. Ended before its time: {}.",
        has(data),
        figures(data.value(&[INCREASE, "granted"]))
    ));
    Letter { subject: format!("{} has the old limits again", title(data)), paragraphs: vec![ended] }
}

/// Who has other limits now, as a sentence begins.
fn has(data: &Data<'_>) -> String {
    match subject(data) {
        ("API key", _) => format!("{} has", whose(data)),
        (noun, name) => format!("All keys of the {noun} \"{name}\" together have"),
    }
}

/// The same as a title begins.
fn title(data: &Data<'_>) -> String {
    let (noun, name) = subject(data);
    let mut letters = noun.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{}{} \"{name}\"", first.map(String::from).unwrap_or_default(), letters.as_str())
}

/// What whoever decided says of it.
fn note(data: &Data<'_>) -> Option<Paragraph> {
    let note = data.text(&[INCREASE, "note"]);
    (!note.is_empty()).then(|| Paragraph::Text(format!("The administrator says: {note}")))
}

/// Limits and budgets in words: `100 requests per minute, $20 a day`.
fn figures(raise: Option<&Value>) -> String {
    let field = |name| raise.and_then(|raise| raise.get(name));
    let limits = field("limits").and_then(Value::as_object).into_iter().flatten();
    let limits = limits.map(|(name, most)| match name.as_str() {
        "concurrency" => format!("{most} calls at one time"),
        name => format!("{most} {}", name.replace('_', " ")),
    });
    let budgets = field("budgets").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<String> = limits.chain(budgets.map(budget)).collect();
    words.join(", ")
}

/// A budget in words: `$20 a day`.
pub(super) fn budget(budget: &Value) -> String {
    let text = |name| budget.get(name).and_then(Value::as_str).unwrap_or_default();
    let period = match text("period") {
        "total" => "in all".to_owned(),
        period => format!("a {period}"),
    };
    match budget.get("tokens") {
        Some(tokens) => format!("{tokens} tokens {period}"),
        None => format!("${} {period}", text("usd")),
    }
}
