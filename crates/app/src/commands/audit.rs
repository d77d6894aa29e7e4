//! `doorward audit …`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{confirm, number, print_list, rows, text};
use crate::cli::{AuditCommand, AuditFilterArgs, ExportAudit, ListAudit, Remotely};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Table};

const PATH: [&str; 2] = ["v1", "audit"];
const VERIFY: [&str; 3] = ["v1", "audit", "verify"];
/// The largest page that the server gives.
const PAGE_ROWS: usize = 200;

pub(crate) fn run(args: &Remotely<AuditCommand>, environment: &Environment) -> anyhow::Result<()> {
    let (client, is_json) = (Client::new(&args.remote, environment)?, args.remote.json);
    match &args.command {
        AuditCommand::List(wish) => list(&client, wish, is_json),
        AuditCommand::Verify => verify(&client, is_json),
        AuditCommand::Export(wish) => export(&client, wish),
    }
}

fn list(client: &Client, wish: &ListAudit, is_json: bool) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    let most = usize::try_from(wish.limit.get())?;
    for_each(client, &wish.filter, most, |entry| {
        entries.push(entry.clone());
        Ok(())
    })?;
    let list = json!({ "object": "list", "data": entries });
    print_list(is_json, &list, || Ok(table(&list)))
}

/// A long chain takes several requests.
fn verify(client: &Client, is_json: bool) -> anyhow::Result<()> {
    let mut after = "0".to_owned();
    loop {
        let verdict = client.get(&VERIFY, &[("after", &after)])?;
        match verdict.get("next").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut after),
            None => return tell(is_json, &verdict),
        }
    }
}

/// A broken chain is a failure, for whoever looks at nothing but the exit code.
fn tell(is_json: bool, verdict: &Value) -> anyhow::Result<()> {
    if text(verdict, "verdict") == "whole" {
        let entries = output::count(number(verdict, "entries"));
        return confirm(is_json, verdict, &format!("The audit log is whole: {entries} entries."));
    }
    if is_json {
        output::json(verdict)?;
    }
    bail!("the audit log is broken: {}", text(verdict, "fault"))
}

fn export(client: &Client, wish: &ExportAudit) -> anyhow::Result<()> {
    let Some(path) = &wish.out else {
        return for_each(client, &wish.filter, usize::MAX, output::json_line);
    };
    let shown = path.display();
    let file = create(path).with_context(|| format!("cannot create {shown}"))?;
    save(client, &wish.filter, &file).with_context(|| format!("{shown} is not complete"))
}

/// A file that is there is not replaced: it may be the export of an earlier day.
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn save(client: &Client, filter: &AuditFilterArgs, file: &File) -> anyhow::Result<()> {
    let mut to = BufWriter::new(file);
    for_each(client, filter, usize::MAX, |entry| Ok(writeln!(to, "{entry}")?))?;
    to.flush()?;
    Ok(file.sync_all()?)
}

/// Takes at most so many entries, newest first, a page at a time.
fn for_each(
    client: &Client,
    filter: &AuditFilterArgs,
    most: usize,
    mut take: impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut left, mut after) = (most, None::<String>);
    while left > 0 {
        let limit = left.min(PAGE_ROWS).to_string();
        let mut query = conditions(filter);
        query.push(("limit", &limit));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = client.get(&PATH, &query)?;
        for entry in rows(&page) {
            take(entry)?;
            left = left.saturating_sub(1);
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

fn conditions(filter: &AuditFilterArgs) -> Vec<(&'static str, &str)> {
    let given = [
        ("actor", &filter.actor),
        ("action", &filter.action),
        ("subject", &filter.subject),
        ("from", &filter.from),
        ("to", &filter.to),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
}

fn table(list: &Value) -> Table {
    let header = ["when", "who", "what", "to what", "detail"];
    let mut table = Table::new(&header, "There are no such entries.").with_spare(&["detail"]);
    for row in rows(list) {
        table.push(&["at", "actor", "action", "subject", "detail"].map(|field| text(row, field)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_as_a_table() {
        let list = json!({ "data": [
            { "at": "2026-11-21T12:00:00.5Z", "actor": "dw_0123456789abcdef", "action": "key.create",
              "subject": "dw_fedcba9876543210", "detail": { "name": "ci" } },
            { "at": "2026-11-21T11:00:00Z", "actor": "system", "action": "organization.create",
              "subject": "org_01", "detail": {} },
        ]});
        insta::assert_snapshot!(table(&list).render(Some(120)));
        assert_eq!(table(&json!({ "data": [] })).render(None), "There are no such entries.");
    }
}
