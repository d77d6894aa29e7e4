//! `doorward providers …`.

use serde_json::Value;

use super::{Body, confirm, instant, now, rows, text};
use crate::cli::{CreateProvider, EditProvider, ProvidersCommand, Remotely};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Table};

pub(super) const PATH: [&str; 2] = ["v1", "providers"];

pub(crate) fn run(
    args: &Remotely<ProvidersCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let (client, is_json) = (Client::new(&args.remote, environment)?, args.remote.json);
    match &args.command {
        ProvidersCommand::Create(wish) => {
            let answer = client.post(&PATH, &create_body(wish))?;
            confirm(is_json, &answer, &format!("Created {}.", wish.name))
        }
        ProvidersCommand::List => {
            let list = client.list(&PATH, &[])?;
            if is_json { output::json(&list) } else { Ok(output::table(&table(&list))?) }
        }
        ProvidersCommand::Show(named) => {
            let provider = client.get(&path(&named.name), &[])?;
            if is_json { output::json(&provider) } else { print_details(&provider) }
        }
        ProvidersCommand::Edit(wish) => {
            let answer = client.patch(&path(&wish.provider.name), &edit_body(wish)?)?;
            confirm(is_json, &answer, &format!("Edited {}.", text(&answer, "name")))
        }
        ProvidersCommand::Delete(named) => {
            let answer = client.delete(&path(&named.name))?;
            confirm(is_json, &answer, &format!("Deleted {}.", named.name))
        }
    }
}

fn path(name: &str) -> [&str; 3] {
    let [version, noun] = PATH;
    [version, noun, name]
}

fn create_body(wish: &CreateProvider) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set("kind", wish.kind.clone());
    body.set_if("base_url", wish.base_url.clone());
    body.finish()
}

fn edit_body(wish: &EditProvider) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("base_url", wish.base_url.clone());
    body.finish_edit()
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(&["name", "kind", "base url", "id"], "There are no providers.");
    for row in rows(list) {
        table.push(&["name", "kind", "base_url", "id"].map(|field| text(row, field)));
    }
    table
}

fn print_details(provider: &Value) -> anyhow::Result<()> {
    let now = now();
    Ok(output::details(&[
        ("id", text(provider, "id")),
        ("name", text(provider, "name")),
        ("kind", text(provider, "kind")),
        ("base url", text(provider, "base_url")),
        ("created", instant(provider, "created_at", now, "")),
        ("edited", instant(provider, "updated_at", now, "")),
    ])?)
}
