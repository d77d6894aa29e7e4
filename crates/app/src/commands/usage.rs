//! `doorward usage`.

use std::collections::HashMap;

use doorward_domain::money::NanoUsd;
use serde_json::Value;

use super::{keys, number, print_list, rows, text};
use crate::cli::{UsageArgs, UsageColumn};
use crate::client::{Client, Refusal};
use crate::environment::Environment;
use crate::output::{self, Table};

/// What is summed up, and how it is headed.
const SUMS: [(&str, &str); 6] = [
    ("requests", "requests"),
    ("errors", "errors"),
    ("input_tokens", "input tokens"),
    ("cached_input_tokens", "of them cached"),
    ("output_tokens", "output tokens"),
    ("reasoning_tokens", "of them reasoning"),
];

pub(crate) fn run(args: &UsageArgs, environment: &Environment) -> anyhow::Result<()> {
    let client = Client::new(&args.remote, environment)?;
    let columns: Vec<&'static str> =
        args.group_by.iter().map(|c| UsageColumn::as_str(*c)).collect();
    let group_by = columns.join(",");
    let mut query = Vec::new();
    if !columns.is_empty() {
        query.push(("group_by", group_by.as_str()));
    }
    query.extend(args.from.as_deref().map(|from| ("from", from)));
    query.extend(args.to.as_deref().map(|to| ("to", to)));
    let report = client.get(&["v1", "usage"], &query)?;
    print_list(args.remote.json, &report, || {
        let has_keys = columns.contains(&KEY) && rows(&report).next().is_some();
        let names = if has_keys { names(&client)? } else { Names::new() };
        Ok(table(&report, &columns, &names))
    })
}

/// The column beside which a name is shown: the id alone tells people nothing.
const KEY: &str = UsageColumn::Key.as_str();
/// What a narrow terminal goes without.
const SPARE: [&str; 2] = ["of them reasoning", "of them cached"];

/// Names of keys by their ids.
type Names = HashMap<String, String>;

/// Who may read reports but no keys gets one without names.
fn names(client: &Client) -> anyhow::Result<Names> {
    match keys::names(client) {
        Err(error) if error.is::<Refusal>() => Ok(Names::new()),
        names => names,
    }
}

fn table(report: &Value, columns: &[&'static str], names: &Names) -> Table {
    let headings = columns.iter().flat_map(|column| match *column {
        KEY => vec![KEY, "name"],
        other => vec![other],
    });
    let mut header: Vec<&'static str> = headings.collect();
    let groups = header.len();
    header.extend(SUMS.iter().map(|(_, heading)| *heading).chain(["cost"]));
    let mut table = Table::new(&header, "There were no calls.").with_spare(&SPARE);
    for row in rows(report) {
        let groups = columns.iter().flat_map(|column| group(row, column, names));
        let sums = SUMS.iter().map(|(field, _)| output::count(number(row, field)));
        let cost = output::dollars(&text(row, "cost_usd"));
        table.push(&groups.chain(sums).chain([cost]).collect::<Vec<_>>());
    }
    if rows(report).nth(1).is_some() {
        table.push(&total(report, groups));
    }
    table
}

/// The cells of one thing that a report is grouped by.
fn group(row: &Value, column: &str, names: &Names) -> Vec<String> {
    let value = text(row, column);
    match column {
        KEY => {
            let name = names.get(&value).cloned().unwrap_or_else(|| "-".to_owned());
            vec![value, name]
        }
        _ => vec![value],
    }
}

fn total(report: &Value, groups: usize) -> Vec<String> {
    let names =
        (0..groups).map(|index| if index == 0 { "total".to_owned() } else { String::new() });
    let sum =
        |field: &str| rows(report).fold(0_u64, |sum, row| sum.saturating_add(number(row, field)));
    let sums = SUMS.iter().map(|(field, _)| output::count(sum(field)));
    let cost = rows(report).fold(NanoUsd::ZERO, |sum, row| {
        sum.plus(text(row, "cost_usd").parse().unwrap_or(NanoUsd::ZERO))
    });
    names.chain(sums).chain([output::dollars(&cost.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(model: &str, requests: u64, cost: &str) -> Value {
        json!({
            "model": model, "requests": requests, "errors": 1, "input_tokens": 1_234_567,
            "cached_input_tokens": 0, "output_tokens": 89, "reasoning_tokens": 0, "cost_usd": cost,
        })
    }

    #[test]
    fn a_report_with_its_total() {
        let report =
            json!({ "data": [row("gpt-4o", 10, "0.25"), row("doorward/echo", 2, "0.00")] });
        insta::assert_snapshot!(table(&report, &["model"], &Names::new()).render(Some(120)));
    }

    #[test]
    fn a_report_by_key_on_80_columns_names_the_keys() {
        let id = |n: u8| format!("dw_0123456789abcde{n}");
        let mut report = json!({ "data": [row("gpt-4o", 10, "0.25"), row("o3", 2, "0.00")] });
        for n in 0..2 {
            report["data"][usize::from(n)]["key"] = json!(id(n));
        }
        let names = Names::from([(id(0), "my-application".to_owned())]);
        let text = table(&report, &["key", "model"], &names).render(Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn one_row_is_its_own_total() {
        let report = json!({ "data": [row("", 10, "0.25")] });
        assert_eq!(table(&report, &[], &Names::new()).render(None).lines().count(), 2);
    }
}
