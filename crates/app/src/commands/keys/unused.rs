//! `doorward keys unused`.

use jiff::Timestamp;
use serde_json::Value;

use crate::cli::UnusedKeys;
use crate::client::Client;
use crate::commands::{now, print_list, rows, rows_of, text, when};
use crate::output::{Table, list_or};

pub(super) fn unused(client: &Client, wish: &UnusedKeys, is_json: bool) -> anyhow::Result<()> {
    let days = wish.days.to_string();
    let query: Vec<(&str, &str)> = [
        ("days", Some(days.as_str())),
        ("owner", wish.owner.as_deref()),
        ("project", wish.project.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let list = client.list(&["v1", "unused-rights"], &query)?;
    print_list(is_json, &list, || Ok(table(&list, now())))
}

fn table(list: &Value, now: Timestamp) -> Table {
    let header = ["key", "name", "last used", "unused scopes", "unused models", "then"];
    let empty = "Every active key uses what it was granted, or is too young to tell.";
    let mut table = Table::new(&header, empty).with_spare(&["then"]);
    for key in rows(list) {
        let unused = |field, name| {
            let told = |row: &Value| match when(row, "last_used_at", now, "never").as_str() {
                "never" => text(row, name),
                when => format!("{} ({when})", text(row, name)),
            };
            list_or(&rows_of(key, field).map(told).collect::<Vec<_>>(), "-")
        };
        table.push(&[
            text(key, "key"),
            text(key, "name"),
            when(key, "last_used_at", now, "never"),
            unused("scopes", "scope"),
            unused("models", "pattern"),
            then(key),
        ]);
    }
    table
}

/// What to do about it, as a command.
fn then(key: &Value) -> String {
    let Some(suggestion) = key.get("suggestion").filter(|value| value.is_object()) else {
        return "-".to_owned();
    };
    let id = text(key, "key");
    let Some(body) = suggestion.get("body") else { return format!("keys disable {id}") };
    let option = |field: &str, name: &str| match text(body, field).replace(", ", ",").as_str() {
        "" => String::new(),
        list => format!(" {name} {list}"),
    };
    let (scopes, models) = (option("scopes", "--scope"), option("models", "--model"));
    match (scopes + &models).as_str() {
        "" => format!("keys disable {id}"),
        options => format!("keys edit {id}{options}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_used_is_told_with_the_command_that_takes_it_away() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let list = json!({ "data": [
            {
                "key": "dw_0123456789abcdef", "name": "ci", "last_used_at": "2026-11-20T12:00:00Z",
                "scopes": [{"scope": "keys:write", "last_used_at": null}],
                "models": [{"pattern": "gpt-*", "last_used_at": "2026-09-22T12:00:00Z"}],
                "suggestion": {"method": "PATCH", "path": "/v1/api-keys/dw_0123456789abcdef",
                    "body": {"scopes": ["inference:read", "inference:write"], "models": ["claude-*"]}},
            },
            {
                "key": "dw_fedcba9876543210", "name": "old", "last_used_at": null,
                "scopes": [{"scope": "inference:write", "last_used_at": null}], "models": [],
                "suggestion": {"method": "POST", "path": "/v1/api-keys/dw_fedcba9876543210/disable"},
            },
        ]});
        let told = table(&list, now).render(None);
        for part in [
            "dw_0123456789abcdef",
            "24 hours ago",
            "keys:write",
            "gpt-* (60 days ago)",
            "keys edit dw_0123456789abcdef --scope inference:read,inference:write --model claude-*",
            "keys disable dw_fedcba9876543210",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
