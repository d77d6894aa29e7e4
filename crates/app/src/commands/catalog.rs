//! What `providers`, `provider-keys` and `models` have in common.

use clap::Args;
use serde_json::Value;

use super::{Details, confirm, path_of, print_list, print_one, text};
use crate::cli::{Remote, Remotely, Verb};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::Table;

/// One noun of the catalog: where it is, how it is made and edited, how it is told.
pub(super) struct Noun<C, E> {
    pub(super) path: [&'static str; 2],
    /// What reading it asks for besides.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Makes one; the server's answer, and what is said of it.
    pub(super) create: fn(&Client, &C, &Environment) -> anyhow::Result<(Value, String)>,
    pub(super) edit: fn(&Client, &E, &Environment) -> anyhow::Result<Value>,
    pub(super) table: fn(&Client, &Value) -> anyhow::Result<Table>,
    pub(super) details: fn(&Client, &Value) -> anyhow::Result<Details>,
}

/// A server that is asked, and whether its answers are printed as JSON.
pub(super) struct Asked<'a> {
    pub(super) client: Client,
    pub(super) is_json: bool,
    environment: &'a Environment,
}

impl<'a> Asked<'a> {
    pub(super) fn new(remote: &Remote, environment: &'a Environment) -> anyhow::Result<Self> {
        let client = Client::new(remote, environment)?;
        Ok(Self { client, is_json: remote.json, environment })
    }
}

impl<C: Args, E: Args> Noun<C, E> {
    pub(super) fn run(
        &self,
        args: &Remotely<Verb<C, E>>,
        environment: &Environment,
    ) -> anyhow::Result<()> {
        let asked = Asked::new(&args.remote, environment)?;
        match &args.command {
            Verb::Create(wish) => self.create(&asked, wish),
            Verb::List => self.list(&asked),
            Verb::Show(named) => self.show(&asked, &named.name),
            Verb::Edit(wish) => self.edit(&asked, wish),
            Verb::Delete(named) => self.end(&asked, &named.name, "Deleted"),
        }
    }

    pub(super) fn create(&self, asked: &Asked<'_>, wish: &C) -> anyhow::Result<()> {
        let (answer, said) = (self.create)(&asked.client, wish, asked.environment)?;
        confirm(asked.is_json, &answer, &said)
    }

    pub(super) fn list(&self, asked: &Asked<'_>) -> anyhow::Result<()> {
        self.list_some(asked, self.query)
    }

    /// Those that the query means.
    pub(super) fn list_some(
        &self,
        asked: &Asked<'_>,
        query: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let list = asked.client.list(&self.path, query)?;
        print_list(asked.is_json, &list, || (self.table)(&asked.client, &list))
    }

    pub(super) fn show(&self, asked: &Asked<'_>, name: &str) -> anyhow::Result<()> {
        let one = asked.client.get(&path_of(self.path, name), self.query)?;
        print_one(asked.is_json, &one, || (self.details)(&asked.client, &one))
    }

    pub(super) fn edit(&self, asked: &Asked<'_>, wish: &E) -> anyhow::Result<()> {
        let answer = (self.edit)(&asked.client, wish, asked.environment)?;
        confirm(asked.is_json, &answer, &format!("Edited {}.", text(&answer, "name")))
    }

    /// Ends one for good; `ended` says how that is called.
    pub(super) fn end(&self, asked: &Asked<'_>, name: &str, ended: &str) -> anyhow::Result<()> {
        let answer = asked.client.delete(&path_of(self.path, name))?;
        confirm(asked.is_json, &answer, &format!("{ended} {name}."))
    }
}
