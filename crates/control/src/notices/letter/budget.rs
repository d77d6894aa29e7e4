//! Letters about budgets.

use serde_json::Value;

use super::increase::budget;
use super::{Data, Letter, Paragraph, subject};

pub(super) fn letter(data: &Data<'_>) -> Letter {
    let (noun, name) = subject(data);
    let percent = data.value(&["percent"]).and_then(Value::as_u64).unwrap_or_default();
    let figures = format!(
        "Of the budget of the {noun} \"{name}\" ({}), {} are spent: {percent}%.",
        data.value(&["budget"]).map(budget).unwrap_or_default(),
        spent(data)
    );
    let outlook = if percent < 100 {
        "Once all of it is spent, calls are refused until its next period, or until it is raised."
    } else {
        "Calls are refused until its next period, or until it is raised."
    };
    Letter {
        subject: format!("{percent}% of a budget of the {noun} \"{name}\" are spent"),
        paragraphs: vec![Paragraph::Text(figures), Paragraph::Text(outlook.to_owned())],
    }
}

fn spent(data: &Data<'_>) -> String {
    match data.value(&["spent", "tokens"]) {
        Some(tokens) => format!("{tokens} tokens"),
        None => format!("${}", data.text(&["spent", "usd"])),
    }
}
