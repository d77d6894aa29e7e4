//! `doorward providers …`.

use serde_json::Value;

use super::catalog::Noun;
use super::{Body, Details, instant, now, path_of, rows, text};
use crate::cli::{CheckArgs, CreateProvider, EditProvider, ProvidersCommand, Remotely};
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
    body.set_if("health_check", check(&wish.check));
    body.finish()
}

fn edit_body(wish: &EditProvider) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("base_url", wish.base_url.clone());
    body.set_if("region", wish.region.clone());
    body.set_if("provider_keys", named(&wish.provider_keys));
    body.set_if("provider_keys", wish.no_provider_key.then(Vec::<String>::new));
    body.set_if("health_check", check(&wish.check));
    body.set_if("health_check", wish.no_health_check.then_some(Value::Null));
    body.finish_edit()
}

/// `None`: nothing was said of them.
fn named(provider_keys: &[String]) -> Option<Vec<String>> {
    (!provider_keys.is_empty()).then(|| provider_keys.to_vec())
}

/// `None`: nothing was said of it.
fn check(wish: &CheckArgs) -> Option<Value> {
    let mut body = Body::default();
    body.set("interval_seconds", wish.health_check?.get());
    body.set_if("path", wish.health_check_path.clone());
    Some(body.finish())
}

fn check_words(provider: &Value) -> String {
    let Some(check) = provider.get("health_check").filter(|check| check.is_object()) else {
        return String::new();
    };
    let every = format!("every {} s", text(check, "interval_seconds"));
    match text(check, "path").as_str() {
        "" => every,
        path => format!("{every} at {path}"),
    }
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
        ("health check", check_words(provider)),
        ("created", instant(provider, "created_at", now, "")),
        ("edited", instant(provider, "updated_at", now, "")),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Option<ProvidersCommand> {
        let words = ["doorward", "providers"].into_iter().chain(line.split(' '));
        let Command::Providers(args) = Cli::try_parse_from(words).ok()?.command else {
            panic!("{line}")
        };
        Some(args.command)
    }

    #[test]
    fn a_health_check_is_begun_changed_and_ended() {
        #[rustfmt::skip]
        let cases = [
            ("edit p --health-check 30",                              json!({"interval_seconds": 30})),
            ("edit p --health-check 5 --health-check-path /health",   json!({"interval_seconds": 5, "path": "/health"})),
            ("edit p --no-health-check",                              json!(null)),
        ];
        for (line, expected) in cases {
            let Some(ProvidersCommand::Edit(wish)) = parsed(line) else { panic!("{line}") };
            assert_eq!(edit_body(&wish).unwrap(), json!({ "health_check": expected }), "{line}");
        }
        let made = parsed("create p --kind openai --health-check 9");
        let Some(ProvidersCommand::Create(wish)) = made else { panic!() };
        assert_eq!(create_body(&wish)["health_check"], json!({"interval_seconds": 9}));
        for bad in
            ["--health-check 0", "--health-check-path /h", "--no-health-check --health-check 1"]
        {
            assert!(parsed(&format!("edit p {bad}")).is_none(), "{bad}");
        }
        let told = json!({"health_check": {"interval_seconds": 5, "path": "/health"}});
        assert_eq!(check_words(&told), "every 5 s at /health");
        assert_eq!(check_words(&json!({"health_check": null})), "");
    }
}
