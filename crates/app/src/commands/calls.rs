//! `doorward calls …`.

use serde_json::Value;

use super::{Details, instant, now, print_one, text};
use crate::cli::{CallsCommand, Remotely};
use crate::client::Client;
use crate::environment::Environment;

pub(crate) fn run(args: &Remotely<CallsCommand>, environment: &Environment) -> anyhow::Result<()> {
    let client = Client::new(&args.remote, environment)?;
    let CallsCommand::Show { id } = &args.command;
    let prompt = client.get(&["v1", "calls", id, "prompt"], &[])?;
    print_one(args.remote.json, &prompt, || Ok(details(&prompt)))
}

fn details(prompt: &Value) -> Details {
    vec![
        ("call", text(prompt, "call")),
        ("project", text(prompt, "project")),
        ("created", instant(prompt, "created_at", now(), "")),
        ("redacted", text(prompt, "redacted")),
        ("request", kept(prompt, "request")),
        ("answer", kept(prompt, "answer")),
    ]
}

fn kept(prompt: &Value, field: &str) -> String {
    match prompt.get(field) {
        Some(kept) if !kept.is_null() => {
            let is_cut = kept.get("is_cut").and_then(Value::as_bool).unwrap_or_default();
            text(kept, "text") + if is_cut { " … (cut)" } else { "" }
        }
        Some(_) | None => "(a file)".to_owned(),
    }
}
