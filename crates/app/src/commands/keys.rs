//! `doorward keys …`.

mod explain;
mod file;
mod rotate;
mod unused;

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{anyhow, bail};
use doorward_domain::credential::KeyId;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Body, Details, confirm, increases, instant, now, path_of, print_list, print_one, rows, rows_of,
    text, when,
};
use crate::cli::{
    BudgetArg, CreateKey, EditKey, Field, KeysCommand, ListKeys, ModelLimitArg, Remotely,
    RightsArgs,
};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Table};

use file::KeyFile;

const PATH: [&str; 2] = ["v1", "api-keys"];
/// Lists leave revoked keys out unless they are asked for.
const REVOKED: [(&str, &str); 1] = [("status", "revoked")];

pub(crate) fn run(args: &Remotely<KeysCommand>, environment: &Environment) -> anyhow::Result<()> {
    if let KeysCommand::Open(wish) = &args.command {
        return file::open(wish, args.remote.json, environment);
    }
    let (client, is_json) = (Client::new(&args.remote, environment)?, args.remote.json);
    match &args.command {
        KeysCommand::Create(wish) => {
            let file = KeyFile::prepare(&wish.save, environment)?;
            let created = client.post(&PATH, &create_body(wish))?;
            tell_made("Created", &client, &created, file, is_json)?;
            warn(&created);
            Ok(())
        }
        KeysCommand::List(filter) => list(&client, filter, is_json),
        KeysCommand::Show(key) => {
            let key = client.get(&path(&find_even_revoked(&client, &key.key)?), &[])?;
            print_one(is_json, &key, || Ok(details(&key, now())))
        }
        KeysCommand::Edit(wish) => {
            let id = find(&client, &wish.key.key)?;
            let before = client.get(&path(&id), &[])?;
            let edited = client.patch(&path(&id), &edit_body(wish, &before)?)?;
            warn(&edited);
            print_one(is_json, &edited, || Ok(details(&edited, now())))
        }
        KeysCommand::Disable(key) => switch(&client, &key.key, "disable", is_json),
        KeysCommand::Enable(key) => switch(&client, &key.key, "enable", is_json),
        KeysCommand::Rotate(wish) => {
            let file = KeyFile::prepare(&wish.save, environment)?;
            rotate::rotate(&client, wish, file, is_json)
        }
        KeysCommand::EndOverlap(key) => rotate::end_overlap(&client, &key.key, is_json),
        KeysCommand::Revoke(key) => {
            let id = find(&client, &key.key)?;
            let answer = client.delete(&path(&id))?;
            confirm(is_json, &answer, &format!("Revoked {id}, for good."))
        }
        KeysCommand::Open(wish) => file::open(wish, is_json, environment),
        KeysCommand::Explain(wish) => explain::explain(&client, wish, is_json),
        KeysCommand::Unused(wish) => unused::unused(&client, wish, is_json),
    }
}

/// Says beside the result what may be a mistake.
fn warn(key: &Value) {
    let warnings = key.get("warnings").and_then(Value::as_array).into_iter().flatten();
    for warning in warnings {
        output::note(&output::sentence(&format!("warning: {}", text(warning, "detail"))));
    }
}

fn path(id: &str) -> [&str; 3] {
    path_of(PATH, id)
}

fn switch(client: &Client, key: &str, verb: &str, is_json: bool) -> anyhow::Result<()> {
    let id = find(client, key)?;
    let [version, noun] = PATH;
    let answer = client.post(&[version, noun, &id, verb], &json!({}))?;
    confirm(is_json, &answer, &format!("{id} is {} now.", text(&answer, "status")))
}

/// The id of a key that is given by id or by name.
pub(super) fn find(client: &Client, key: &str) -> anyhow::Result<String> {
    let found = find_among(client, key, &[])?;
    found.ok_or_else(|| anyhow!("there is no key with the name or id `{key}`"))
}

/// The same, also of a revoked key where no other has the name: there is nothing to do with one but
/// look at it.
pub(super) fn find_even_revoked(client: &Client, key: &str) -> anyhow::Result<String> {
    match find_among(client, key, &[])? {
        Some(id) => Ok(id),
        None => find_among(client, key, &REVOKED)?
            .ok_or_else(|| anyhow!("there is no key with the name or id `{key}`")),
    }
}

fn find_among(
    client: &Client,
    key: &str,
    filter: &[(&str, &str)],
) -> anyhow::Result<Option<String>> {
    if key.parse::<KeyId>().is_ok() {
        return Ok(Some(key.to_owned()));
    }
    let query: Vec<_> = [("q", key)].iter().chain(filter).copied().collect();
    let found = client.list(&PATH, &query)?;
    let ids: Vec<String> =
        rows(&found).filter(|row| text(row, "name") == key).map(|row| text(row, "id")).collect();
    match ids.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        several => bail!("several keys are called `{key}`: {}", several.join(", ")),
    }
}

/// Names of keys by their ids, revoked ones too.
pub(super) fn names(client: &Client) -> anyhow::Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for filter in [&[][..], &REVOKED] {
        let list = client.list(&PATH, filter)?;
        names.extend(rows(&list).map(|row| (text(row, "id"), text(row, "name"))));
    }
    Ok(names)
}

fn create_body(wish: &CreateKey) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set_if("kind", wish.kind.clone());
    body.set_if("owner", wish.owner.clone());
    let account = wish.new_service_account.as_ref();
    body.set_if("new_service_account", account.map(|name| json!({ "name": name })));
    body.set_if("project", wish.project.clone());
    set_rights(&mut body, &wish.rights, Map::new());
    let metadata: Map<String, Value> =
        wish.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    body.set_if("metadata", (!metadata.is_empty()).then_some(metadata));
    body.finish()
}

/// Limits are edited one by one, so the others are sent as they are.
fn edit_body(wish: &EditKey, before: &Value) -> anyhow::Result<Value> {
    let mut body = Body::default();
    for field in &wish.clear {
        let (name, cleared) = cleared(*field);
        body.set(name, cleared);
    }
    let keeps = !wish.clear.contains(&Field::Limits);
    let kept = before.get("limits").and_then(Value::as_object).filter(|_| keeps);
    set_rights(&mut body, &wish.rights, kept.cloned().unwrap_or_default());
    let mut edit = body.finish_edit()?;
    if let Some(fields) = edit.as_object_mut().filter(|_| wish.force) {
        fields.insert("force".to_owned(), Value::Bool(true));
    }
    Ok(edit)
}

/// Sets what was named. Limits that were named are put among those that the key has.
fn set_rights(body: &mut Body, rights: &RightsArgs, mut limits: Map<String, Value>) {
    body.set_if("description", rights.description.clone());
    body.set_list("scopes", &rights.scopes);
    body.set_list("models", &rights.models);
    body.set_list("ip_allow", &rights.ip_allow);
    body.set_list("ip_deny", &rights.ip_deny);
    body.set_list("allowed_origins", &rights.allowed_origins);
    if let Some((field, value)) = rights.expiry.field() {
        body.set(field, value);
    }
    let named: Vec<_> = rights.limits.fields().collect();
    if !named.is_empty() {
        limits.extend(named.into_iter().map(|(name, limit)| (name.to_owned(), json!(limit))));
        body.set("limits", limits);
    }
    let of_models: Vec<Value> = rights.model_limits.iter().map(ModelLimitArg::as_json).collect();
    body.set_if("model_limits", (!of_models.is_empty()).then_some(of_models));
    let budgets: Vec<Value> = rights.budgets.iter().map(BudgetArg::as_json).collect();
    body.set_if("budgets", (!budgets.is_empty()).then_some(budgets));
}

/// A field without its restriction.
fn cleared(field: Field) -> (&'static str, Value) {
    match field {
        Field::Models => ("models", Value::Null),
        Field::IpAllow => ("ip_allow", Value::Null),
        Field::IpDeny => ("ip_deny", json!([])),
        Field::Limits => ("limits", json!({})),
        Field::ModelLimits => ("model_limits", json!([])),
        Field::Budgets => ("budgets", json!([])),
        Field::Origins => ("allowed_origins", Value::Null),
    }
}

fn list(client: &Client, filter: &ListKeys, is_json: bool) -> anyhow::Result<()> {
    let expires_before = filter.expires_before.map(|at| at.to_string());
    let query: Vec<(&str, &str)> = [
        ("status", filter.status.as_deref()),
        ("kind", filter.kind.as_deref()),
        ("owner", filter.owner.as_deref()),
        ("project", filter.project.as_deref()),
        ("expires_before", expires_before.as_deref()),
        ("unused_since", filter.unused_since.as_deref()),
        ("created_by", filter.created_by.as_deref()),
        ("q", filter.search.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let keys = client.list(&PATH, &query)?;
    print_list(is_json, &keys, || Ok(table(&keys, now())))
}

fn table(keys: &Value, now: Timestamp) -> Table {
    let header = ["key", "name", "kind", "status", "models", "spent", "last used", "expires"];
    let mut table = Table::new(&header, "There are no keys.").with_spare(&["kind", "models"]);
    for key in rows(keys) {
        table.push(&[
            text(key, "id"),
            text(key, "name"),
            text(key, "kind"),
            text(key, "status"),
            models(key),
            spent(key),
            when(key, "last_used_at", now, "never"),
            when(key, "expires_at", now, "never"),
        ]);
    }
    table
}

fn models(key: &Value) -> String {
    match key.get("models") {
        Some(Value::Array(patterns)) if patterns.is_empty() => "none".to_owned(),
        Some(Value::Array(_)) => text(key, "models"),
        _ => "all".to_owned(),
    }
}

/// What was spent of each budget: `$1.25 of $12.50 a month`.
pub(super) fn spent(key: &Value) -> String {
    let list = |field| key.get(field).and_then(Value::as_array).into_iter().flatten();
    let told = list("budgets").zip(list("spent")).map(|(budget, spent)| {
        let period = match text(budget, "period").as_str() {
            "total" => "in all".to_owned(),
            period => format!("a {period}"),
        };
        if budget.get("tokens").is_some() {
            format!("{} of {} tokens {period}", text(spent, "tokens"), text(budget, "tokens"))
        } else {
            let (spent, budget) = (text(spent, "usd"), text(budget, "usd"));
            format!("{} of {} {period}", output::dollars(&spent), output::dollars(&budget))
        }
    });
    output::list_or(&told.collect::<Vec<_>>(), "-")
}

fn details(key: &Value, now: Timestamp) -> Details {
    let last_used = match text(key, "last_used_ip").as_str() {
        "" => instant(key, "last_used_at", now, "never"),
        address => format!("{} from {address}", instant(key, "last_used_at", now, "never")),
    };
    vec![
        ("key", text(key, "fingerprint")),
        ("name", text(key, "name")),
        ("description", text(key, "description")),
        ("status", text(key, "status")),
        ("kind", text(key, "kind")),
        ("owner", text(key, "owner")),
        ("project", text(key, "project")),
        ("scopes", text(key, "scopes")),
        ("models", models(key)),
        ("from", addresses(key)),
        ("not from", text(key, "ip_deny")),
        ("web pages", pages(key)),
        ("limits", text(key, "limits").replace('_', " ")),
        ("for models", model_limits(key)),
        ("budgets", spent(key)),
        ("for a while", increases::held(key, now)),
        ("created", instant(key, "created_at", now, "")),
        ("last used", last_used),
        ("old secrets", rotate::old_secrets(key, now).join("; ")),
        ("expires", instant(key, "expires_at", now, "never")),
        ("metadata", text(key, "metadata")),
    ]
}

/// Limits for some models: `gpt-4o*: requests per minute=10`.
fn model_limits(key: &Value) -> String {
    let told = rows_of(key, "model_limits").map(|entry| {
        format!("{}: {}", text(entry, "model"), text(entry, "limits").replace('_', " "))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn addresses(key: &Value) -> String {
    match key.get("ip_allow") {
        Some(Value::Array(blocks)) if blocks.is_empty() => "nowhere".to_owned(),
        Some(Value::Array(_)) => text(key, "ip_allow"),
        _ => "anywhere".to_owned(),
    }
}

/// The web pages that a key lives in; of most keys none, which goes without saying.
fn pages(key: &Value) -> String {
    match key.get("allowed_origins") {
        Some(Value::Array(origins)) if origins.is_empty() => "none that may use it".to_owned(),
        _ => text(key, "allowed_origins"),
    }
}

/// Tells of a key that was made: into its file, or this once on the screen.
fn tell_made(
    done: &str,
    client: &Client,
    made: &Value,
    file: Option<KeyFile>,
    is_json: bool,
) -> anyhow::Result<()> {
    let Some(file) = file else {
        return if is_json {
            output::json(made)
        } else {
            Ok(output::line(&shown_once(done, made, client.endpoint(), now()))?)
        };
    };
    let is_sealed = file.is_sealed();
    let path = file.save(made, client.endpoint())?;
    if is_json {
        return output::json(&file::without_secret(made, &path));
    }
    let (said, place) = (said(done, made, now()), file::place(&path, is_sealed));
    Ok(output::line(&format!("{said} Its key is in {place}"))?)
}

/// What was done to a key, and the key, with a line that proves that it works.
fn shown_once(done: &str, made: &Value, endpoint: &str, now: Timestamp) -> String {
    let key = text(made, "key");
    let mut said = format!("{} Its key is shown this once:\n\n  {key}\n", said(done, made, now));
    if text(made, "scopes").contains("inference:read") {
        let header = output::shell_word(&format!("authorization: Bearer {key}"));
        // Writing to a text cannot fail.
        let _is_written =
            write!(said, "\nTry it:\n\n  curl {endpoint}/v1/models -H {header}\n").is_ok();
    }
    said
}

fn said(done: &str, made: &Value, now: Timestamp) -> String {
    let name = output::cell(&text(made, "name"));
    let ends = match when(made, "expires_at", now, "never").as_str() {
        "never" => "never expires".to_owned(),
        when => format!("expires {when}"),
    };
    let clamped = match made.get("expires_clamped") {
        Some(Value::Bool(true)) => ", the longest that is allowed",
        _ => "",
    };
    format!("{done} {name}. It {ends}{clamped}.")
}

#[cfg(test)]
mod tests;
