//! `doorward webhooks …`.

use serde_json::{Value, json};

use super::catalog::Asked;
use super::{Body, Details, confirm, instant, now, path_of, print_list, print_one, rows, text};
use crate::cli::{CreateWebhook, EditWebhook, Remotely, WebhooksCommand};
use crate::environment::Environment;
use crate::output::Table;

const PATH: [&str; 2] = ["v1", "webhooks"];

pub(crate) fn run(
    args: &Remotely<WebhooksCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        WebhooksCommand::Create(wish) => create(&asked, wish),
        WebhooksCommand::List => {
            let list = asked.client.list(&PATH, &[])?;
            print_list(asked.is_json, &list, || Ok(table(&list)))
        }
        WebhooksCommand::Show(named) => {
            let one = asked.client.get(&path_of(PATH, &named.name), &[])?;
            print_one(asked.is_json, &one, || Ok(details(&one)))
        }
        WebhooksCommand::Edit(wish) => {
            let path = path_of(PATH, &wish.webhook.name);
            let answer = asked.client.patch(&path, &edit_body(wish)?)?;
            confirm(asked.is_json, &answer, &format!("Edited {}.", text(&answer, "name")))
        }
        WebhooksCommand::Rotate(named) => {
            let answer = post(&asked, &named.name, "rotate")?;
            let said = format!(
                "{}\nThe one before signs for another day.",
                secret(&answer, &format!("{} has a new secret", text(&answer, "name")))
            );
            confirm(asked.is_json, &answer, &said)
        }
        WebhooksCommand::Test(named) => {
            let answer = post(&asked, &named.name, "test")?;
            let said = format!(
                "A test is on its way. What becomes of it: doorward notices list --about {}",
                text(&answer, "subject")
            );
            confirm(asked.is_json, &answer, &said)
        }
        WebhooksCommand::Delete(named) => {
            let answer = asked.client.delete(&path_of(PATH, &named.name))?;
            confirm(asked.is_json, &answer, &format!("Deleted {}.", named.name))
        }
    }
}

fn create(asked: &Asked<'_>, wish: &CreateWebhook) -> anyhow::Result<()> {
    let answer = asked.client.post(&PATH, &json!({ "name": wish.name, "url": wish.to }))?;
    confirm(asked.is_json, &answer, &secret(&answer, &format!("Created {}", wish.name)))
}

fn post(asked: &Asked<'_>, name: &str, verb: &str) -> anyhow::Result<Value> {
    let [version, noun] = PATH;
    asked.client.post(&[version, noun, name, verb], &json!({}))
}

fn secret(answer: &Value, done: &str) -> String {
    let secret = text(answer, "secret");
    format!("{done}. Its secret, shown this once, by which its receiver knows us:\n{secret}")
}

fn edit_body(wish: &EditWebhook) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("url", wish.to.clone());
    body.finish_edit()
}

fn table(list: &Value) -> Table {
    let mut table =
        Table::new(&["name", "url", "id"], "There are no webhooks.").with_spare(&["id"]);
    for row in rows(list) {
        table.push(&["name", "url", "id"].map(|field| text(row, field)));
    }
    table
}

fn details(webhook: &Value) -> Details {
    let now = now();
    vec![
        ("id", text(webhook, "id")),
        ("name", text(webhook, "name")),
        ("url", text(webhook, "url")),
        ("created", instant(webhook, "created_at", now, "")),
        ("edited", instant(webhook, "updated_at", now, "")),
    ]
}
