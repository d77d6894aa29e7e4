//! `doorward sessions …`.

use serde_json::Value;

use super::catalog::Asked;
use super::{confirm, now, print_list, rows, text, when};
use crate::cli::{Remotely, SessionsCommand};
use crate::environment::Environment;
use crate::output::Table;

const PATH: [&str; 2] = ["v1", "sessions"];

pub(crate) fn run(
    args: &Remotely<SessionsCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        SessionsCommand::List => {
            let list = asked.client.get(&PATH, &[])?;
            print_list(asked.is_json, &list, || Ok(table(&list)))
        }
        SessionsCommand::End(end) => {
            let (path, said) = match &end.id {
                Some(id) => (vec!["v1", "sessions", id], format!("Ended {id}.")),
                None => (PATH.to_vec(), "Ended all other sessions.".to_owned()),
            };
            confirm(asked.is_json, &asked.client.delete(&path)?, &said)
        }
    }
}

fn table(list: &Value) -> Table {
    let now = now();
    let columns = ["id", "address", "client", "signed in", "last seen", "ends", ""];
    let mut table = Table::new(&columns, "Nobody is signed in.").with_spare(&["client"]);
    for row in rows(list) {
        let is_current = row.get("is_current").and_then(Value::as_bool).unwrap_or_default();
        table.push(&[
            text(row, "id"),
            text(row, "address"),
            text(row, "user_agent"),
            when(row, "created_at", now, ""),
            when(row, "last_seen_at", now, ""),
            when(row, "ends_at", now, ""),
            if is_current { "this one".to_owned() } else { String::new() },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sessions_as_a_table() {
        let session = |id: &str, is_current: bool| {
            json!({"id": id, "address": "192.0.2.7", "user_agent": "Mozilla\u{1b}[31m <script>",
                "created_at": "", "last_seen_at": "", "ends_at": "", "is_current": is_current})
        };
        let list = json!({"data": [session("ses_1", true), session("ses_2", false)]});
        let table = table(&list).render(Some(120));
        assert!(table.contains("this one") && table.contains("<script>"), "{table}");
        assert!(!table.contains('\u{1b}'), "{table}");
    }
}
