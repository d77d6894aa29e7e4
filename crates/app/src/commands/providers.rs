//! `doorward providers …`.

use serde_json::Value;

use super::catalog::Noun;
use super::{Body, Details, instant, now, path_of, rows, text};
use crate::cli::{CreateProvider, EditProvider, ProvidersCommand, Remotely};
use crate::environment::Environment;
use crate::output::Table;

pub(super) const PATH: [&str; 2] = ["v1", "providers"];

const NOUN: Noun<CreateProvider, EditProvider> = Noun {
    path: PATH,
    query: &[],
    create: |client, wish, _| {
        Ok((client.post(&PATH, &create_body(wish))?, format!("Created {}.", wish.name)))
    },
    edit: |client, wish, _| client.patch(&path_of(PATH, &wish.provider.name), &edit_body(wish)?),
    table: |_, list| Ok(table(list)),
    details: |_, provider| Ok(details(provider)),
};

pub(crate) fn run(
    args: &Remotely<ProvidersCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    NOUN.run(args, environment)
}

fn create_body(wish: &CreateProvider) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set("kind", wish.kind.clone());
    body.set_if("base_url", wish.base_url.clone());
    body.set_if("region", wish.region.clone());
    body.set_if("provider_keys", named(&wish.provider_keys));
    body.finish()
}

fn edit_body(wish: &EditProvider) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("base_url", wish.base_url.clone());
    body.set_if("region", wish.region.clone());
    body.set_if("provider_keys", named(&wish.provider_keys));
    body.set_if("provider_keys", wish.no_provider_key.then(Vec::<String>::new));
    body.finish_edit()
}

/// `None`: nothing was said of them.
fn named(provider_keys: &[String]) -> Option<Vec<String>> {
    (!provider_keys.is_empty()).then(|| provider_keys.to_vec())
}

fn keys(provider: &Value) -> String {
    let keys = provider.get("provider_keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(&["name", "kind", "base url", "id"], "There are no providers.")
        .with_spare(&["id"]);
    for row in rows(list) {
        table.push(&["name", "kind", "base_url", "id"].map(|field| text(row, field)));
    }
    table
}

fn details(provider: &Value) -> Details {
    let now = now();
    vec![
        ("id", text(provider, "id")),
        ("name", text(provider, "name")),
        ("kind", text(provider, "kind")),
        ("base url", text(provider, "base_url")),
        ("region", text(provider, "region")),
        ("provider keys", keys(provider)),
        ("created", instant(provider, "created_at", now, "")),
        ("edited", instant(provider, "updated_at", now, "")),
    ]
}
