//! `doorward increases …`.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalog::Asked;
use super::{
    Body, Details, confirm, instant, keys, now, path_of, print_list, print_one, rows, rows_of,
    text, when,
};
use crate::cli::{
    AskIncrease, BudgetArg, DeclineIncrease, EndArgs, GrantIncrease, IncreasesCommand,
    ListIncreases, RaiseArgs, RaiseShared, Remotely,
};
use crate::environment::Environment;
use crate::output::{self, Table};

const PATH: [&str; 2] = ["v1", "limit-increases"];

pub(crate) fn run(
    args: &Remotely<IncreasesCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        IncreasesCommand::Ask(wish) => ask(&asked, wish),
        IncreasesCommand::List(wish) => list(&asked, wish),
        IncreasesCommand::Show(one) => {
            let increase = asked.client.get(&path_of(PATH, &one.id), &[])?;
            print_one(asked.is_json, &increase, || Ok(details(&increase, now())))
        }
        IncreasesCommand::Grant(wish) => {
            decide(&asked, &wish.increase.id, "grant", &grant_body(wish), granted)
        }
        IncreasesCommand::Decline(wish) => {
            decide(&asked, &wish.increase.id, "decline", &decline_body(wish), declined)
        }
        IncreasesCommand::Withdraw(one) => {
            decide(&asked, &one.id, "withdraw", &json!({}), withdrawn)
        }
    }
}

fn ask(asked: &Asked<'_>, wish: &AskIncrease) -> anyhow::Result<()> {
    let key = wish.key.as_deref().map(|key| keys::find(&asked.client, key)).transpose()?;
    let mut body = raise_body(&wish.raise);
    body.set_if("api_key", key);
    body.set("reason", wish.reason.clone());
    let answer = asked.client.post(&PATH, &body.finish())?;
    let said = format!(
        "Asked for {} for {}, as {}. Administrators are told.",
        raise(answer.get("asked")),
        text(&answer, "subject_name"),
        text(&answer, "id")
    );
    confirm(asked.is_json, &answer, &said)
}

fn list(asked: &Asked<'_>, wish: &ListIncreases) -> anyhow::Result<()> {
    let key = wish.key.as_deref();
    let key = key.map(|key| keys::find_even_revoked(&asked.client, key)).transpose()?;
    let given = [("state", wish.state.as_deref()), ("api_key", key.as_deref())];
    let query: Vec<_> =
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let list = asked.client.list(&PATH, &query)?;
    print_list(asked.is_json, &list, || Ok(table(&list, now())))
}

fn decide(
    asked: &Asked<'_>,
    id: &str,
    verb: &str,
    body: &Value,
    said: fn(&Value) -> String,
) -> anyhow::Result<()> {
    let [version, noun] = PATH;
    let answer = asked.client.post(&[version, noun, id, verb], body)?;
    confirm(asked.is_json, &answer, &said(&answer))
}

/// Raises what all keys of whatever stands at a path share.
pub(super) fn raise_shared(
    asked: &Asked<'_>,
    path: &[&str],
    wish: &RaiseShared,
) -> anyhow::Result<()> {
    let mut body = raise_body(&wish.raise);
    set_end(&mut body, &wish.end);
    body.set_if("note", wish.note.clone());
    let path: Vec<&str> = path.iter().copied().chain(["increase"]).collect();
    let answer = asked.client.post(&path, &body.finish())?;
    confirm(asked.is_json, &answer, &granted(&answer))
}

/// Ends what raises it.
pub(super) fn end_shared(asked: &Asked<'_>, path: &[&str]) -> anyhow::Result<()> {
    let found = asked.client.get(path, &[])?;
    let held = found.get("increase").filter(|held| held.is_object());
    let held = held.with_context(|| format!("nothing raises {} now", text(&found, "name")))?;
    decide(asked, &text(held, "id"), "withdraw", &json!({}), withdrawn)
}

fn granted(increase: &Value) -> String {
    let until = match text(increase, "ends_at").as_str() {
        "" => "for good".to_owned(),
        _ => format!("until {}", instant(increase, "ends_at", now(), "")),
    };
    let (name, given) = (text(increase, "subject_name"), raise(increase.get("granted")));
    format!("{name} has {given}, {until}.")
}

fn declined(increase: &Value) -> String {
    format!("Declined. {} keeps its limits.", text(increase, "subject_name"))
}

fn withdrawn(increase: &Value) -> String {
    if text(increase, "state") == "granted" {
        return format!("Ended: {} has its old limits again.", text(increase, "subject_name"));
    }
    format!("Withdrawn: {} is no longer asked for.", raise(increase.get("asked")))
}

fn raise_body(args: &RaiseArgs) -> Body {
    let mut body = Body::default();
    let limits: Map<String, Value> =
        args.limits.fields().map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
    body.set_if("limits", (!limits.is_empty()).then_some(limits));
    let budgets: Vec<Value> = args.budgets.iter().map(BudgetArg::as_json).collect();
    body.set_if("budgets", (!budgets.is_empty()).then_some(budgets));
    body
}

fn grant_body(wish: &GrantIncrease) -> Value {
    let mut body = raise_body(&wish.raise);
    set_end(&mut body, &wish.end);
    body.set_if("note", wish.note.clone());
    body.finish()
}

fn set_end(body: &mut Body, end: &EndArgs) {
    body.set_if("ends_in_days", end.ends_in_days);
    body.set_if("ends_at", end.ends_at.map(|at| at.to_string()));
}

fn decline_body(wish: &DeclineIncrease) -> Value {
    let mut body = Body::default();
    body.set_if("note", wish.note.clone());
    body.finish()
}

/// Limits and budgets in words: `requests per minute 100, $20 a day`.
pub(super) fn raise(raise: Option<&Value>) -> String {
    let Some(raise) = raise else { return String::new() };
    let limits = raise.get("limits").and_then(Value::as_object).into_iter().flatten();
    let limits = limits.map(|(name, most)| format!("{} {most}", name.replace('_', " ")));
    let words: Vec<String> = limits.chain(rows_of(raise, "budgets").map(budget)).collect();
    words.join(", ")
}

fn budget(budget: &Value) -> String {
    let period = match text(budget, "period").as_str() {
        "total" => "in all".to_owned(),
        period => format!("a {period}"),
    };
    match text(budget, "tokens").as_str() {
        "" => format!("{} {period}", output::dollars(&text(budget, "usd"))),
        tokens => format!("{tokens} tokens {period}"),
    }
}

/// What a key has for a while, or what keys share: `requests per minute 100, until … (in 7 days)`.
pub(super) fn held(key: &Value, now: Timestamp) -> String {
    match key.get("increase") {
        Some(held @ Value::Object(_)) => {
            format!("{}, until {}", raise(Some(held)), instant(held, "ends_at", now, ""))
        }
        _ => String::new(),
    }
}

fn table(list: &Value, now: Timestamp) -> Table {
    let columns = ["state", "whose", "asked for", "granted", "ends", "asked", "id"];
    let mut table = Table::new(&columns, "Nobody asks for higher limits.").with_spare(&["granted"]);
    for row in rows(list) {
        let is_granted = row.get("granted").is_some_and(Value::is_object);
        let ends = if is_granted { when(row, "ends_at", now, "never") } else { String::new() };
        table.push(&[
            text(row, "state"),
            text(row, "subject_name"),
            raise(row.get("asked")),
            raise(row.get("granted").filter(|granted| granted.is_object())),
            ends,
            when(row, "created_at", now, ""),
            text(row, "id"),
        ]);
    }
    table
}

fn details(increase: &Value, now: Timestamp) -> Details {
    let granted = increase.get("granted").filter(|granted| granted.is_object());
    let ends = match granted {
        Some(_) => instant(increase, "ends_at", now, "never"),
        None => String::new(),
    };
    vec![
        ("id", text(increase, "id")),
        (
            "whose",
            format!(
                "{} {} ({})",
                text(increase, "of"),
                text(increase, "subject_name"),
                text(increase, "subject")
            ),
        ),
        ("state", text(increase, "state")),
        ("asked for", raise(increase.get("asked"))),
        ("reason", text(increase, "reason")),
        ("asked by", text(increase, "asked_by")),
        ("asked", instant(increase, "created_at", now, "")),
        ("granted", raise(granted)),
        ("ends", ends),
        ("decided by", text(increase, "decided_by")),
        ("decided", instant(increase, "decided_at", now, "")),
        ("note", text(increase, "note")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increase(state: &str, granted: &Value, ends_at: &Value) -> Value {
        json!({
            "id": "inc_01K36M4YZX0123456789ABCDEF", "of": "key", "subject": "dw_0123456789abcdef",
            "subject_name": "ci", "state": state, "reason": "the launch",
            "asked": {"limits": {"requests_per_minute": 100}, "budgets": [{"usd": "20", "period": "day"}]},
            "asked_by": "dw_0123456789abcdef", "created_at": "2026-11-20T12:00:00Z",
            "granted": granted, "ends_at": ends_at, "decided_by": null, "decided_at": null, "note": "",
        })
    }

    fn at() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn increases_as_a_table() {
        let given = json!({"limits": {}, "budgets": [{"tokens": 5000, "period": "total"}]});
        let mut list = json!({"data": [
            increase("open", &Value::Null, &Value::Null),
            increase("granted", &given, &json!("2026-11-28T12:00:00Z")),
            increase("granted", &given, &Value::Null),
        ]});
        list["data"][0]["subject_name"] = json!("ci \u{1b}[31m");
        insta::assert_snapshot!(table(&list, at()).render(Some(160)));
    }

    #[test]
    fn one_increase_in_detail() {
        let given = json!({"limits": {"concurrency": 4}, "budgets": []});
        let one = increase("granted", &given, &json!("2026-11-28T12:00:00Z"));
        insta::assert_snapshot!(
            details(&one, at())
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
                .join("\n")
        );
    }

    #[test]
    fn what_a_key_has_for_a_while_is_told_with_its_end() {
        let held_until = json!({"id": "inc_1", "limits": {"requests_per_minute": 100}, "budgets": [],
            "ends_at": "2026-11-28T12:00:00Z"});
        assert_eq!(
            held(&json!({"increase": held_until}), at()),
            "requests per minute 100, until 2026-11-28T12:00:00Z (in 7 days)"
        );
        assert_eq!(held(&json!({"increase": null}), at()), "");
    }
}
