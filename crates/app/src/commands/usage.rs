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

/// The same of what most reports have nothing of: it has a column where there is any.
const RARE: [(&str, &str); 16] = [
    ("cache_write_tokens", "cache writes"),
    ("cache_write_1h_tokens", "for an hour"),
    ("input_audio_tokens", "audio in"),
    ("input_image_tokens", "images in"),
    ("input_video_tokens", "video in"),
    ("cached_audio_tokens", "cached audio"),
    ("cached_image_tokens", "cached images"),
    ("output_audio_tokens", "audio out"),
    ("output_image_tokens", "images out"),
    ("output_video_tokens", "video out"),
    ("web_searches", "web searches"),
    ("file_searches", "file searches"),
    ("characters", "characters"),
    ("audio_ms", "audio ms"),
    ("images", "images made"),
    ("ranking_units", "ranking units"),
];

const PATH: [&str; 2] = ["v1", "usage"];

pub(crate) fn run(args: &UsageArgs, environment: &Environment) -> anyhow::Result<()> {
    let client = Client::new(&args.remote, environment)?;
    let query = query(&client, args)?;
    let mut query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if args.csv || args.jsonl {
        query.push(("format", if args.csv { "csv" } else { "jsonl" }));
        return client.get_pieces(&PATH, &query, |piece| Ok(output::piece(piece)?));
    }
    let report = client.get(&PATH, &query)?;
    print_list(args.remote.json, &report, || {
        let names = names(&client, &args.group_by, &report)?;
        Ok(table(&report, &args.group_by, &names))
    })
}

/// What the server is asked. It takes names of everything but keys, for which only their owners have one.
fn query(client: &Client, args: &UsageArgs) -> anyhow::Result<Vec<(&'static str, String)>> {
    let key = args.key.as_deref();
    let key = key.map(|key| keys::find_even_revoked(client, key)).transpose()?;
    let columns: Vec<&str> = args.group_by.iter().map(|column| column.as_str()).collect();
    let given = [
        ("group_by", Some(columns.join(",")).filter(|columns| !columns.is_empty())),
        ("key", key),
        ("user", args.user.clone()),
        ("service_account", args.service_account.clone()),
        ("project", args.project.clone()),
        ("model", args.model.clone()),
        ("provider", args.provider.clone()),
        ("from", args.from.clone()),
        ("to", args.to.clone()),
    ];
    Ok(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What a narrow terminal goes without.
const SPARE: [&str; 2] = ["of them reasoning", "of them cached"];

/// Names of what reports tell by id.
type Names = HashMap<String, String>;

/// The names of whatever a report is grouped by. Who may read reports but not what they are about gets
/// ids alone.
fn names(client: &Client, columns: &[UsageColumn], report: &Value) -> anyhow::Result<Names> {
    let mut names = Names::new();
    if rows(report).next().is_none() {
        return Ok(names);
    }
    for column in columns {
        let found = match column {
            UsageColumn::Key => keys::names(client),
            UsageColumn::User => names_of(client, "users"),
            UsageColumn::ServiceAccount => names_of(client, "service-accounts"),
            UsageColumn::Project => names_of(client, "projects"),
            UsageColumn::Provider => names_of(client, "providers"),
            UsageColumn::Model | UsageColumn::Day | UsageColumn::Hour => continue,
        };
        match found {
            Err(error) if error.is::<Refusal>() => {}
            found => names.extend(found?),
        }
    }
    Ok(names)
}

fn names_of(client: &Client, noun: &str) -> anyhow::Result<Names> {
    let list = client.list(&["v1", noun], &[])?;
    Ok(rows(&list).map(|row| (text(row, "id"), text(row, "name"))).collect())
}

fn table(report: &Value, columns: &[UsageColumn], names: &Names) -> Table {
    let headings = columns.iter().flat_map(|column| {
        let name = (*column == UsageColumn::Key).then_some("name");
        [column.heading()].into_iter().chain(name)
    });
    let mut header: Vec<&'static str> = headings.collect();
    let groups = header.len();
    let there_is = |field: &str| rows(report).any(|row| number(row, field) > 0);
    let rare = RARE.into_iter().filter(|(field, _)| there_is(field));
    let sums: Vec<(&str, &str)> = SUMS.into_iter().chain(rare).collect();
    header.extend(sums.iter().map(|(_, heading)| *heading).chain(["cost"]));
    let mut table = Table::new(&header, "There were no calls.").with_spare(&SPARE);
    for row in rows(report) {
        let groups = columns.iter().flat_map(|column| group(row, *column, names));
        let counts = sums.iter().map(|(field, _)| output::count(number(row, field)));
        let cost = output::dollars(&text(row, "cost_usd"));
        table.push(&groups.chain(counts).chain([cost]).collect::<Vec<_>>());
    }
    if rows(report).nth(1).is_some() {
        table.push(&total(report, groups, &sums));
    }
    table
}

/// The cells of one thing that a report is grouped by. Of a key people need the id too: names are its
/// owner's.
fn group(row: &Value, column: UsageColumn, names: &Names) -> Vec<String> {
    let value = text(row, column.as_str());
    let name = names.get(&value).cloned();
    if column == UsageColumn::Key {
        vec![value, name.unwrap_or_else(|| "-".to_owned())]
    } else if value.is_empty() {
        vec!["-".to_owned()]
    } else {
        vec![name.unwrap_or(value)]
    }
}

fn total(report: &Value, groups: usize, sums: &[(&str, &str)]) -> Vec<String> {
    let names =
        (0..groups).map(|index| if index == 0 { "total".to_owned() } else { String::new() });
    let sum =
        |field: &str| rows(report).fold(0_u64, |sum, row| sum.saturating_add(number(row, field)));
    let counts = sums.iter().map(|(field, _)| output::count(sum(field)));
    let cost = rows(report).fold(NanoUsd::ZERO, |sum, row| {
        sum.plus(text(row, "cost_usd").parse().unwrap_or(NanoUsd::ZERO))
    });
    names.chain(counts).chain([output::dollars(&cost.to_string())]).collect()
}

#[cfg(test)]
mod tests {
    use doorward_domain::usage::Usage;
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
        insta::assert_snapshot!(
            table(&report, &[UsageColumn::Model], &Names::new()).render(Some(120))
        );
    }

    #[test]
    fn a_report_by_key_on_80_columns_names_the_keys() {
        let id = |n: u8| format!("dw_0123456789abcde{n}");
        let mut report = json!({ "data": [row("gpt-4o", 10, "0.25"), row("o3", 2, "0.00")] });
        for n in 0..2 {
            report["data"][usize::from(n)]["key"] = json!(id(n));
        }
        let names = Names::from([(id(0), "my-application".to_owned())]);
        let text = table(&report, &[UsageColumn::Key, UsageColumn::Model], &names).render(Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_report_tells_people_names_and_ids_where_there_are_none() {
        let mut report = json!({ "data": [row("", 10, "0.25"), row("", 2, "0.00")] });
        report["data"][0]["user"] = json!("usr_01");
        report["data"][0]["provider"] = json!("prv_01");
        report["data"][1]["provider"] = json!("prv_02");
        let names = Names::from([
            ("usr_01".to_owned(), "maria".to_owned()),
            ("prv_02".to_owned(), "openai\u{1b}[31m".to_owned()),
        ]);
        let columns = [UsageColumn::User, UsageColumn::Provider];
        insta::assert_snapshot!(table(&report, &columns, &names).render(Some(120)));
    }

    #[test]
    fn what_most_reports_have_nothing_of_has_a_column_where_there_is_any() {
        let mut report = json!({ "data": [row("claude", 10, "0.25"), row("gpt-4o", 2, "0.00")] });
        report["data"][1]["web_searches"] = json!(1_234);
        let text = table(&report, &[UsageColumn::Model], &Names::new()).render(Some(160));
        let has = |words: &str| text.contains(words);
        assert!(has("WEB SEARCHES") && !has("CACHE WRITES"), "{text}");
        assert!(has(&output::count(1_234)), "{text}");
        let figures = SUMS.iter().chain(&RARE).filter(|(field, _)| Usage::NAMES.contains(field));
        assert_eq!(figures.count(), Usage::COUNT);
    }

    #[test]
    fn one_row_is_its_own_total() {
        let report = json!({ "data": [row("", 10, "0.25")] });
        assert_eq!(table(&report, &[], &Names::new()).render(None).lines().count(), 2);
    }
}
