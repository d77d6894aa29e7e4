//! `doorward provider-keys …`.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::catalog::{Asked, Noun};
use super::{Body, Details, confirm, instant, now, path_of, rows, text};
use crate::cli::{
    CreateProviderKey, DeleteProviderKey, EditProviderKey, ProviderKeysCommand, Remotely,
    TestProviderKey, ValueSource,
};
use crate::environment::Environment;
use crate::output::{self, Table};
use crate::secret_input::Silence;

const PATH: [&str; 2] = ["v1", "provider-keys"];
/// Far above any credential.
const VALUE_BYTES_MAX: u64 = 64 << 10;

const NOUN: Noun<CreateProviderKey, EditProviderKey> = Noun {
    path: PATH,
    query: &[],
    create: |client, wish, environment| {
        let value = read_value(&wish.value, environment)?;
        let answer = client.post(&PATH, &create_body(wish, &value))?;
        let said = format!("Stored {} as {}.", wish.name, text(&answer, "masked"));
        Ok((answer, said))
    },
    edit: |client, wish, environment| {
        client.patch(&path_of(PATH, &wish.provider_key.name), &edit_body(wish, environment)?)
    },
    table: |_, list| Ok(table(list)),
    details: |_, key| Ok(details(key)),
};

pub(crate) fn run(
    args: &Remotely<ProviderKeysCommand>,
    environment: &Environment,
) -> anyhow::Result<()> {
    let asked = Asked::new(&args.remote, environment)?;
    match &args.command {
        ProviderKeysCommand::Create(wish) => NOUN.create(&asked, wish),
        ProviderKeysCommand::List => NOUN.list(&asked),
        ProviderKeysCommand::Show(named) => NOUN.show(&asked, &named.name),
        ProviderKeysCommand::Edit(wish) => NOUN.edit(&asked, wish),
        ProviderKeysCommand::Test(wish) => test(&asked, wish),
        ProviderKeysCommand::Delete(wish) => delete(&asked, wish),
    }
}

fn delete(asked: &Asked<'_>, wish: &DeleteProviderKey) -> anyhow::Result<()> {
    let name = &wish.provider_key.name;
    let how: &[_] = if wish.force { &[("force", "true")] } else { &[] };
    let answer = asked.client.delete_how(&path_of(PATH, name), how)?;
    confirm(asked.is_json, &answer, &format!("Deleted {name}."))
}

fn test(asked: &Asked<'_>, wish: &TestProviderKey) -> anyhow::Result<()> {
    let mut body = Body::default();
    body.set_if("provider", wish.provider.clone());
    let [v1, nouns] = PATH;
    let path = [v1, nouns, &wish.provider_key.name, "test"];
    let answer = asked.client.post(&path, &body.finish())?;
    if answer.get("works") != Some(&Value::Bool(true)) {
        bail!("{} is of no use: {}", wish.provider_key.name, text(&answer, "detail"));
    }
    confirm(asked.is_json, &answer, &format!("It works: {}.", text(&answer, "detail")))
}

fn create_body(wish: &CreateProviderKey, value: &SecretString) -> Value {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set("value", value.expose_secret());
    body.set_if("note", wish.note.clone());
    body.finish()
}

fn edit_body(wish: &EditProviderKey, environment: &Environment) -> anyhow::Result<Value> {
    let has_value =
        wish.value_stdin || wish.value.value_file.is_some() || wish.value.value_env.is_some();
    let mut body = Body::default();
    body.set_if("name", wish.rename.clone());
    body.set_if("note", wish.note.clone());
    if has_value {
        body.set("value", read_value(&wish.value, environment)?.expose_secret());
    }
    body.finish_edit()
}

pub(super) fn read_value(
    source: &ValueSource,
    environment: &Environment,
) -> anyhow::Result<SecretString> {
    let text = match (&source.value_file, &source.value_env) {
        (Some(path), _) => {
            let file = std::fs::File::open(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            read_bounded(file)?
        }
        (None, Some(variable)) => {
            let value = environment.get(variable).map(SecretString::from);
            value.with_context(|| format!("the variable {variable} is not set"))?
        }
        (None, None) => read_stdin()?,
    };
    match text.expose_secret().trim() {
        "" => bail!("the value is empty"),
        value => Ok(SecretString::from(value)),
    }
}

fn read_stdin() -> anyhow::Result<SecretString> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return read_bounded(stdin.lock());
    }
    output::note("Paste the value and press Enter; it is not shown:");
    let _silent = Silence::start()?;
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    Ok(SecretString::from(line))
}

fn read_bounded(from: impl std::io::Read) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    from.take(VALUE_BYTES_MAX).read_to_string(&mut text).context("the value cannot be read")?;
    Ok(SecretString::from(text))
}

fn table(list: &Value) -> Table {
    let mut table = Table::new(&["name", "value", "note", "id"], "There are no provider keys.")
        .with_spare(&["id"]);
    for row in rows(list) {
        table.push(&["name", "masked", "note", "id"].map(|field| text(row, field)));
    }
    table
}

fn details(key: &Value) -> Details {
    let now = now();
    vec![
        ("id", text(key, "id")),
        ("name", text(key, "name")),
        ("value", text(key, "masked")),
        ("note", text(key, "note")),
        ("created", instant(key, "created_at", now, "")),
        ("edited", instant(key, "updated_at", now, "")),
    ]
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_value_comes_from_a_file_or_a_variable_without_its_line_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"sk-file\n").unwrap();
        let environment = Environment::of(&[("MY_KEY", " sk-env ")]);
        let read = |value_file: Option<&std::path::Path>, value_env: Option<&str>| {
            let value_file = value_file.map(Into::into);
            read_value(
                &ValueSource { value_file, value_env: value_env.map(Into::into) },
                &environment,
            )
        };
        assert_eq!(read(Some(file.path()), None).unwrap().expose_secret(), "sk-file");
        assert_eq!(read(None, Some("MY_KEY")).unwrap().expose_secret(), "sk-env");
        assert!(read(None, Some("OTHER")).unwrap_err().to_string().contains("OTHER is not set"));
    }
}
