//! What `users` and `service-accounts` have in common: both own keys.

use clap::Args;
use serde_json::json;

use super::catalog::{Asked, Noun};
use super::{confirm, text};
use crate::cli::OwnerVerb;

pub(super) fn run<C: Args, E: Args>(
    noun: &Noun<C, E>,
    verb: &OwnerVerb<C, E>,
    asked: &Asked<'_>,
) -> anyhow::Result<()> {
    match verb {
        OwnerVerb::Create(wish) => noun.create(asked, wish),
        OwnerVerb::List => noun.list(asked),
        OwnerVerb::Show(named) => noun.show(asked, &named.name),
        OwnerVerb::Edit(wish) => noun.edit(asked, wish),
        OwnerVerb::Disable(named) => switch(noun, asked, &named.name, "disable"),
        OwnerVerb::Enable(named) => switch(noun, asked, &named.name, "enable"),
        OwnerVerb::Remove(named) => noun.end(asked, &named.name, "Removed"),
    }
}

fn switch<C, E>(
    noun: &Noun<C, E>,
    asked: &Asked<'_>,
    name: &str,
    verb: &str,
) -> anyhow::Result<()> {
    let [version, path] = noun.path;
    let answer = asked.client.post(&[version, path, name, verb], &json!({}))?;
    let said = format!("{} is {} now.", text(&answer, "name"), text(&answer, "status"));
    confirm(asked.is_json, &answer, &said)
}
