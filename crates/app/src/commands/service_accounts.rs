//! `doorward service-accounts …`.

use serde_json::Value;

use super::catalog::{Asked, Noun};
use super::{Body, Details, instant, now, path_of, people, rows, text};
use crate::cli::{CreateServiceAccount, EditServiceAccount, Remotely, ServiceAccountsCommand};
use crate::environment::Environment;
use crate::output::Table;

const PATH: [&str; 2] = ["v1", "service-accounts"];

const NOUN: Noun<CreateServiceAccount, EditServiceAccount> = Noun {
    path: PATH,
    query: &[],
    create: |client, wish, _| {
        let answer = client.post(&PATH, &create_body(wish))?;
        let said = format!(
            "Created {}. A key for it: doorward keys create NAME --owner {}",
            wish.name,
            text(&answer, "id")
        );
        Ok((answer, said))
    },
    edit: |client, wish, _| {
        client.patch(&path_of(PATH, &wish.service_account.name), &edit_body(wish)?)
    },
    table: |_, list| Ok(table(list)),
    details: |_, account| Ok(details(account)),
};

pub(crate) fn run(
    args: &Remotely<ServiceAccountsCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    people::run(&NOUN, &args.command, &Asked::new(&args.remote, environment)?)
}

fn create_body(wish: &CreateServiceAccount) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set_if("description", wish.description.clone());
    body.set_if("project", wish.project.clone());
    body.finish()
}

fn edit_body(wish: &EditServiceAccount) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("description", wish.description.clone());
    body.finish_edit()
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(
        &["name", "status", "description", "project", "id"],
        "There are no service accounts.",
    )
    .with_spare(&["project", "description"]);
    for row in rows(list) {
        table.push(
            &["name", "status", "description", "project", "id"].map(|field| text(row, field)),
        );
    }
    table
}

fn details(account: &Value) -> Details {
    let now = now();
    vec![
        ("id", text(account, "id")),
        ("name", text(account, "name")),
        ("description", text(account, "description")),
        ("project", text(account, "project")),
        ("status", text(account, "status")),
        ("disabled", instant(account, "disabled_at", now, "")),
        ("created", instant(account, "created_at", now, "")),
        ("edited", instant(account, "updated_at", now, "")),
    ]
}
