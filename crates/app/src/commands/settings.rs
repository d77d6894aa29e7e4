//! `doorward settings …`.

use anyhow::bail;
use serde_json::{Map, Value};

use super::{confirm, number, plain, print_list, rows, text};
use crate::cli::{Remotely, SettingsCommand};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Table};

const PATH: [&str; 2] = ["v1", "settings"];

pub(crate) fn run(
    args: &Remotely<SettingsCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let (client, is_json) = (Client::new(&args.remote, environment)?, args.remote.json);
    let (body, done) = match &args.command {
        SettingsCommand::List => {
            let list = client.get(&PATH, &[])?;
            return print_list(is_json, &list, || Ok(table(&list)));
        }
        SettingsCommand::Set(wish) => (set_body(&wish.words)?, "Set"),
        SettingsCommand::Reset(wish) => (reset_body(&wish.names)?, "Reset"),
    };
    let answer = client.patch(&PATH, &Value::Object(body.clone()))?;
    let names: Vec<&String> = body.keys().collect();
    confirm(is_json, &answer, &said(done, &names, &answer))
}

/// Words in pairs, or joined by `=`.
fn set_body(words: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let joined = word.split_once('=');
        let pair = joined.or_else(|| Some((word.as_str(), words.next()?.as_str())));
        let Some((name, value)) = pair else { bail!("{word} is given no value") };
        add(&mut body, name, value_of(value))?;
    }
    Ok(body)
}

fn reset_body(names: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    names.iter().try_for_each(|name| add(&mut body, name, Value::Null))?;
    Ok(body)
}

fn add(body: &mut Map<String, Value>, name: &str, value: Value) -> anyhow::Result<()> {
    match body.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => bail!("{name} is given twice"),
    }
}

/// What looks like a number is one, and several of them are a list: no setting takes a text that does.
fn value_of(text: &str) -> Value {
    let numbers: Result<Vec<i64>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    match numbers.as_deref() {
        Ok([number]) => Value::from(*number),
        Ok(numbers) => Value::from(numbers),
        Err(_) => Value::from(text),
    }
}

/// What was done, and which keys a lowered cap leaves as they are.
fn said(done: &str, names: &[&String], answer: &Value) -> String {
    let is_named = |row: &&Value| names.iter().any(|name| **name == text(row, "name"));
    let told = rows(answer)
        .filter(is_named)
        .map(|row| format!("{done} {} to {}.", text(row, "name"), amount(row, "value")));
    let mut lines: Vec<String> = told.collect();
    lines.extend(answer.get("keys_outliving_cap").and_then(outliving));
    lines.join("\n")
}

fn outliving(keys: &Value) -> Option<String> {
    let (count, first) = (number(keys, "count"), keys.get("first").and_then(Value::as_array)?);
    let mut names: Vec<String> = first.iter().map(plain).collect();
    let untold = count.saturating_sub(names.len() as u64);
    names.extend((untold > 0).then(|| format!("and {} more", output::count(untold))));
    let (keys, live) = if count == 1 { ("key", "lives") } else { ("keys", "live") };
    (count > 0).then(|| {
        format!(
            "{} API {keys} made before {live} longer than this cap: {}.",
            output::count(count),
            names.join(", ")
        )
    })
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(&["setting", "value", "what it does"], "There are no settings.");
    for row in rows(list) {
        let help = format!("{} ({})", text(row, "help"), range(row));
        table.push(&[text(row, "name"), amount(row, "value"), help]);
    }
    table
}

/// What the value may be, and is by itself.
fn range(row: &Value) -> String {
    let (bounds, default) = (bounds(row), text(row, "default"));
    if default.is_empty() {
        return "default none".to_owned();
    }
    if bounds.is_empty() {
        return format!("default {default}");
    }
    format!("{bounds}, default {default}")
}

fn amount(row: &Value, field: &str) -> String {
    let value = text(row, field);
    match text(row, "unit") {
        _ if value.is_empty() => "none".to_owned(),
        unit if unit.is_empty() => value,
        unit => format!("{value} {unit}"),
    }
}

fn bounds(row: &Value) -> String {
    if row.get("min").is_some() {
        return format!("{} to {}", text(row, "min"), text(row, "max"));
    }
    let one_of = row.get("one_of").and_then(Value::as_array).into_iter().flatten();
    one_of.map(plain).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use doorward_domain::setting::{Bounds, Setting, SettingValue};
    use serde_json::json;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    /// As the server answers.
    fn list() -> Value {
        let row = |setting: Setting| {
            let default = match setting.default_value() {
                SettingValue::Number(number) => json!(number),
                SettingValue::Text(text) => json!(text),
                SettingValue::Days(days) => json!(days.days()),
            };
            let mut row = json!({
                "name": setting.name(), "value": default, "default": default, "is_default": true,
                "help": setting.help(), "unit": setting.unit(),
            });
            match setting.bounds() {
                Bounds::Whole { min, max } => {
                    row["min"] = json!(min);
                    row["max"] = json!(max);
                }
                Bounds::OneOf(numbers) => row["one_of"] = json!(numbers),
                Bounds::Prefix | Bounds::Days | Bounds::Email => {}
            }
            row
        };
        json!({ "data": Setting::ALL.map(row) })
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_typed_becomes_a_request() {
        let cases = [
            ("keys-per-user-max 30",               json!({"keys-per-user-max": 30})),
            ("keys-per-user-max=30",               json!({"keys-per-user-max": 30})),
            ("keys-per-user-max=30 key-prefix sk", json!({"keys-per-user-max": 30, "key-prefix": "sk"})),
            ("key-prefix sk keys-per-user-max 30", json!({"keys-per-user-max": 30, "key-prefix": "sk"})),
            ("keys-per-user-max -1",               json!({"keys-per-user-max": -1})),
            ("keys-per-user-max many",             json!({"keys-per-user-max": "many"})),
            ("key-prefix=",                        json!({"key-prefix": ""})),
            ("notice-days 30,7",                   json!({"notice-days": [30, 7]})),
            ("notice-days none",                   json!({"notice-days": "none"})),
        ];
        for (line, expected) in cases {
            assert_eq!(Value::Object(set_body(&words(line)).unwrap()), expected, "{line}");
        }
        for (line, refused) in [
            ("key-prefix",               "key-prefix is given no value"),
            ("key-prefix a key-prefix b", "key-prefix is given twice"),
            ("a=1 key-prefix",           "key-prefix is given no value"),
        ] {
            assert_eq!(set_body(&words(line)).unwrap_err().to_string(), refused, "{line}");
        }
        let reset = reset_body(&words("key-prefix keys-per-user-max")).unwrap();
        assert_eq!(Value::Object(reset), json!({"key-prefix": null, "keys-per-user-max": null}));
    }

    #[test]
    fn settings_as_a_table() {
        insta::assert_snapshot!(table(&list()).render(Some(140)));
    }

    #[test]
    fn settings_as_a_table_on_80_columns() {
        let text = table(&list()).render(Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_lowered_cap_names_the_keys_that_outlive_it() {
        let mut answer = list();
        let name = "auth-token-max-ttl-minutes".to_owned();
        let told = |answer: &Value| said("Set", &[&name], answer);
        let set = "Set auth-token-max-ttl-minutes to 129600 minutes.";
        assert_eq!(told(&answer), set);
        for (count, first, words) in [
            (0, json!([]), String::new()),
            (1, json!(["dw_a"]), "\n1 API key made before lives longer than this cap: dw_a.".into()),
            (
                1_002,
                json!(["dw_a", "dw_b"]),
                "\n1\u{202f}002 API keys made before live longer than this cap: dw_a, dw_b, and 1\u{202f}000 more."
                    .into(),
            ),
        ] {
            answer["keys_outliving_cap"] = json!({ "count": count, "first": first });
            assert_eq!(told(&answer), format!("{set}{words}"));
        }
    }
}
