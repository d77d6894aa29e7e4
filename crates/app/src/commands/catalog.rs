//! What `providers`, `provider-keys` and `models` have in common.

use clap::Args;
use serde_json::Value;

use super::{Details, confirm, path_of, print_list, print_one, text};
use crate::cli::{Remotely, Verb};
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

impl<C: Args, E: Args> Noun<C, E> {
    pub(super) fn run(
        &self,
        args: &Remotely<Verb<C, E>>,
        environment: &Environment,
    ) -> anyhow::Result<()> {
        let (client, is_json) = (Client::new(&args.remote, environment)?, args.remote.json);
        match &args.command {
            Verb::Create(wish) => {
                let (answer, said) = (self.create)(&client, wish, environment)?;
                confirm(is_json, &answer, &said)
            }
            Verb::List => {
                let list = client.list(&self.path, self.query)?;
                print_list(is_json, &list, || (self.table)(&client, &list))
            }
            Verb::Show(named) => {
                let one = client.get(&path_of(self.path, &named.name), self.query)?;
                print_one(is_json, &one, || (self.details)(&client, &one))
            }
            Verb::Edit(wish) => {
                let answer = (self.edit)(&client, wish, environment)?;
                confirm(is_json, &answer, &format!("Edited {}.", text(&answer, "name")))
            }
            Verb::Delete(named) => {
                let answer = client.delete(&path_of(self.path, &named.name))?;
                confirm(is_json, &answer, &format!("Deleted {}.", named.name))
            }
        }
    }
}
