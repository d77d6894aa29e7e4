//! `doorward models …`.

use std::collections::HashMap;

use anyhow::bail;
use doorward_domain::catalog::DeploymentState;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalog::Noun;
use super::{Body, Details, instant, now, path_of, providers, rows, text};
use crate::cli::{CreateModel, DeploymentArgs, EditModel, ModelsCommand, PriceArgs, Remotely};
use crate::client::Client;
use crate::environment::Environment;
use crate::output::{self, Table};

const PATH: [&str; 2] = ["v1", "models"];
/// Without it the path is the gateway's, which lists what a key may call.
const VIEW: [(&str, &str); 1] = [("view", "routes")];

const NOUN: Noun<CreateModel, EditModel> = Noun {
    path: PATH,
    query: &VIEW,
    create: |client, wish, _| {
        Ok((client.post(&PATH, &create_body(wish)?)?, format!("Created {}.", wish.name)))
    },
    edit: |client, wish, _| edit(client, wish),
    table: |client, list| Ok(table(list, &provider_names(client)?)),
    details: |client, model| Ok(details(model, &provider_names(client)?)),
};

pub(crate) fn run(args: &Remotely<ModelsCommand>, environment: &Environment) -> anyhow::Result<()> {
    NOUN.run(args, environment)
}

/// Names of providers by their ids.
type Names = HashMap<String, String>;

fn provider_names(client: &Client) -> anyhow::Result<Names> {
    let list = client.list(&providers::PATH, &[])?;
    Ok(rows(&list).map(|row| (text(row, "id"), text(row, "name"))).collect())
}

fn create_body(wish: &CreateModel) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set("name", wish.name.clone());
    body.set_list("aliases", &wish.aliases);
    body.set_if("project", wish.project.clone());
    body.set_if("price", price(&wish.price)?);
    body.set_if("output_tokens_max", wish.output_tokens_max.map(|n| json!(n)));
    body.set_if("routing", wish.routing.clone());
    body.set("deployments", vec![deployment(&wish.provider, &wish.deployment)]);
    Ok(body.finish())
}

/// `None`: nothing was said, so the built-in table decides.
fn price(wish: &PriceArgs) -> anyhow::Result<Option<Value>> {
    if wish.free {
        return Ok(Some(json!("free")));
    }
    let rates = [
        ("input", wish.price_input),
        ("output", wish.price_output),
        ("cached_input", wish.price_cached_input),
        ("reasoning", wish.price_reasoning),
    ];
    let set = rates.into_iter().filter_map(|(name, rate)| Some((name, rate?)));
    let more = wish.prices.iter().map(|(kind, price)| (kind.name(), *price));
    let mut named = Map::new();
    for (name, rate) in set.chain(more) {
        if named.insert(name.to_owned(), json!(rate)).is_some() {
            bail!("the price of {name} is given twice");
        }
    }
    Ok((!named.is_empty()).then_some(Value::Object(named)))
}

fn deployment(provider: &str, wish: &DeploymentArgs) -> Value {
    let mut body = Body::default();
    body.set("provider", provider);
    body.set_if("upstream_model", wish.upstream_model.clone());
    body.set_if("provider_key", wish.provider_key.clone());
    body.set_if("weight", wish.weight.map(|n| json!(n)));
    body.set_if("priority", wish.priority);
    body.finish()
}

fn edit(client: &Client, wish: &EditModel) -> anyhow::Result<Value> {
    let path = path_of(PATH, &wish.model.name);
    let (before, version) = client.get_version(&path, &VIEW)?;
    let is_one_named = wish.remove_provider.is_some() || wish.states.change().is_some();
    let names = if is_one_named { provider_names(client)? } else { Names::new() };
    client.patch_version(&path, &edit_body(wish, &before, &names)?, version)
}

fn edit_body(wish: &EditModel, before: &Value, names: &Names) -> anyhow::Result<Value> {
    if let (Some(flag), None) = (wish.deployment.first_flag(), &wish.add_provider) {
        bail!("{flag} is of a provider that is added: name that one with --add-provider");
    }
    let mut body = Body::default();
    body.set_list("aliases", &wish.aliases);
    body.set_if("aliases", wish.no_alias.then(Vec::<String>::new));
    body.set_if("price", price(&wish.price)?);
    body.set_if("price", wish.listed.then_some("listed"));
    body.set_if("output_tokens_max", wish.output_tokens_max.map(|n| json!(n)));
    body.set_if("routing", wish.routing.clone());
    let is_state_changed = wish.states.change().is_some();
    if wish.add_provider.is_some() || wish.remove_provider.is_some() || is_state_changed {
        body.set("deployments", deployments(wish, before, names)?);
    }
    body.finish_edit()
}

/// The present deployments, less what is removed, and what is added.
fn deployments(wish: &EditModel, before: &Value, names: &Names) -> anyhow::Result<Vec<Value>> {
    let present = before.get("deployments").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = present.len();
    let is_removed = |row: &Value| {
        let id = text(row, "provider");
        wish.remove_provider.as_ref().is_some_and(|p| *p == id || names.get(&id) == Some(p))
    };
    let mut kept: Vec<Value> = present.into_iter().filter(|row| !is_removed(row)).collect();
    if let Some(removed) = wish.remove_provider.as_ref().filter(|_| kept.len() == all) {
        bail!("{removed} does not serve this model");
    }
    if let Some((provider, state)) = wish.states.change() {
        set_state(&mut kept, provider, (state, names))?;
    }
    for row in kept.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("id");
    }
    kept.extend(wish.add_provider.as_ref().map(|name| deployment(name, &wish.deployment)));
    Ok(kept)
}

/// Changes the state of every deployment that a provider has among these.
fn set_state(
    deployments: &mut [Value],
    provider: &str,
    (state, names): (DeploymentState, &Names),
) -> anyhow::Result<()> {
    let is_meant = |row: &Value| {
        let id = text(row, "provider");
        id == provider || names.get(&id).is_some_and(|name| name == provider)
    };
    let mut meant = deployments.iter_mut().filter(|row| is_meant(row)).peekable();
    if meant.peek().is_none() {
        bail!("{provider} does not serve this model");
    }
    for row in meant.filter_map(Value::as_object_mut) {
        row.insert("state".to_owned(), json!(state));
    }
    Ok(())
}

fn table(list: &Value, names: &Names) -> Table {
    let header = ["model", "price per million tokens", "served by"];
    let mut table = Table::new(&header, "There are no models.");
    for row in rows(list) {
        table.push(&[text(row, "name"), price_words(row), served_by(row, names)]);
    }
    table
}

fn price_words(model: &Value) -> String {
    match model.get("price") {
        Some(Value::Object(price)) => {
            let say = |(name, price): (&String, &Value)| {
                let dollars = output::dollars(price.as_str()?);
                Some(match name.as_str() {
                    "tiers" => return None,
                    "input" => format!("{dollars} in"),
                    "output" => format!("{dollars} out"),
                    name => format!("{dollars} {name}"),
                })
            };
            price.iter().filter_map(say).collect::<Vec<_>>().join(", ")
        }
        _ => text(model, "price"),
    }
}

fn served_by(model: &Value, names: &Names) -> String {
    let public = text(model, "name");
    let deployments = model.get("deployments").and_then(Value::as_array).into_iter().flatten();
    let told = deployments.map(|row| {
        let (id, upstream) = (text(row, "provider"), text(row, "upstream_model"));
        let provider = names.get(&id).cloned().unwrap_or(id);
        let told = if upstream == public { provider } else { format!("{provider} as {upstream}") };
        match condition(row) {
            Some(condition) => format!("{told} ({condition})"),
            None => told,
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// How a deployment is, where calls do not simply go to it.
fn condition(deployment: &Value) -> Option<String> {
    match text(deployment, "state").as_str() {
        "" | "active" => {}
        state => return Some(state.to_owned()),
    }
    let health = deployment.get("health")?;
    match text(health, "state").as_str() {
        "open" => Some("left alone".to_owned()),
        "half_open" => Some("one call finds out".to_owned()),
        _ => None,
    }
}

/// What of the deployments is left alone: why, since when and until when.
fn rests(model: &Value, names: &Names, now: Timestamp) -> String {
    let deployments = model.get("deployments").and_then(Value::as_array).into_iter().flatten();
    let told = deployments.flat_map(|row| {
        let id = text(row, "provider");
        let provider = names.get(&id).cloned().unwrap_or(id);
        let resting = row.get("health").and_then(|health| health.get("resting"));
        let resting = resting.and_then(Value::as_array).into_iter().flatten();
        resting.map(move |rest| {
            let of = match text(rest, "provider_key") {
                key if key.is_empty() => provider.clone(),
                key => format!("{provider} with {key}"),
            };
            let (since, until) = (instant(rest, "since", now, ""), instant(rest, "until", now, ""));
            format!("{of}: {}, {since}; until {until}", reason(&text(rest, "reason")))
        })
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Why something is left alone, in words.
fn reason(code: &str) -> &str {
    match code {
        "failures" => "calls failed",
        "asked" => "it asked for that",
        "rate_limited" => "the key had its share (429)",
        "refused" => "the key was refused",
        "checks" => "health checks failed",
        newer => newer,
    }
}

fn details(model: &Value, names: &Names) -> Details {
    let now = now();
    vec![
        ("model", text(model, "name")),
        ("also called", text(model, "aliases")),
        ("project", text(model, "project")),
        ("price", price_words(model)),
        ("output tokens", text(model, "output_tokens_max")),
        ("routing", text(model, "routing")),
        ("served by", served_by(model, names)),
        ("left alone", rests(model, names, now)),
        ("created", instant(model, "created_at", now, "")),
        ("edited", instant(model, "updated_at", now, "")),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> ModelsCommand {
        let words = ["doorward", "models"].into_iter().chain(line.split(' '));
        let Command::Models(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}")
        };
        args.command
    }

    #[test]
    fn what_is_typed_becomes_a_request() {
        #[rustfmt::skip]
        let cases = [
            ("create m --provider p",        json!({"name": "m", "deployments": [{"provider": "p"}]})),
            ("create m --provider p --free", json!({"name": "m", "price": "free", "deployments": [{"provider": "p"}]})),
            ("create m --provider p --price audio_hour=0.36 --price image=$0.04",
                json!({"name": "m", "price": {"audio_hour": "0.36", "image": "0.04"}, "deployments": [{"provider": "p"}]})),
            ("create m --provider p --price-input 0.15 --price-output 0.60",
                json!({"name": "m", "price": {"input": "0.15", "output": "0.60"}, "deployments": [{"provider": "p"}]})),
            ("create m --provider p --upstream-model u --provider-key k --weight 2 --priority 1 --output-tokens-max 9",
                json!({"name": "m", "output_tokens_max": 9, "deployments": [
                    {"provider": "p", "upstream_model": "u", "provider_key": "k", "weight": 2, "priority": 1}]})),
            ("create test --provider p --project web --alias latest --alias best",
                json!({"name": "test", "aliases": ["latest", "best"], "project": "web", "deployments": [{"provider": "p"}]})),
        ];
        for (line, expected) in cases {
            let ModelsCommand::Create(wish) = parsed(line) else { panic!() };
            assert_eq!(create_body(&wish).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_price_that_is_given_twice_is_refused() {
        for (prices, kind) in [
            (
                "--price-input 1 --price-output 2 --price-cached-input 1 --price cached_input=2",
                "cached_input",
            ),
            ("--price image=1 --price image=2", "image"),
        ] {
            let line = format!("create m --provider p {prices}");
            let ModelsCommand::Create(wish) = parsed(&line) else { panic!() };
            let refused = create_body(&wish).unwrap_err().to_string();
            assert_eq!(refused, format!("the price of {kind} is given twice"));
        }
    }

    #[test]
    fn an_edit_of_deployments_keeps_the_others() {
        let before = json!({ "deployments": [
            { "id": "dep_1", "provider": "prv_1", "upstream_model": "a" },
            { "id": "dep_2", "provider": "prv_2", "upstream_model": "b" },
        ]});
        let names = Names::from([("prv_1".into(), "one".into()), ("prv_2".into(), "two".into())]);
        let edited = |line: &str| {
            let ModelsCommand::Edit(wish) = parsed(line) else { panic!() };
            edit_body(&wish, &before, &names).map_err(|error| error.to_string())
        };
        assert_eq!(
            edited("edit m --remove-provider one --add-provider three").unwrap(),
            json!({ "deployments": [
                { "provider": "prv_2", "upstream_model": "b" }, { "provider": "three" },
            ]})
        );
        assert_eq!(
            edited("edit m --remove-provider x").unwrap_err(),
            "x does not serve this model"
        );
        assert_eq!(edited("edit m --listed").unwrap(), json!({ "price": "listed" }));
        assert_eq!(edited("edit m --alias a --alias b").unwrap(), json!({ "aliases": ["a", "b"] }));
        assert_eq!(edited("edit m --no-alias").unwrap(), json!({ "aliases": [] }));
        assert_eq!(
            edited("edit m --routing least_latency").unwrap(),
            json!({ "routing": "least_latency" })
        );
        for (flag, state) in [
            ("--drain-provider", "draining"),
            ("--disable-provider", "disabled"),
            ("--enable-provider", "active"),
        ] {
            let expected = json!({ "deployments": [
                { "provider": "prv_1", "upstream_model": "a" },
                { "provider": "prv_2", "upstream_model": "b", "state": state },
            ]});
            assert_eq!(edited(&format!("edit m {flag} two")).unwrap(), expected);
            let refused = edited(&format!("edit m {flag} x")).unwrap_err();
            assert_eq!(refused, "x does not serve this model");
        }
        assert!(edited("edit m").is_err());
        for flag in ["--upstream-model u", "--provider-key k", "--weight 2", "--priority 1"] {
            let refused = edited(&format!("edit m --listed {flag}")).unwrap_err();
            let name = flag.split(' ').next().unwrap();
            assert!(refused.starts_with(name) && refused.contains("--add-provider"), "{refused}");
        }
    }

    #[test]
    fn models_as_a_table() {
        let list = json!({ "data": [
            { "name": "doorward/echo", "price": "free", "deployments":
                [{ "provider": "prv_1", "upstream_model": "doorward/echo" }] },
            { "name": "big", "price": { "input": "3.00", "output": "15.00" }, "deployments":
                [{ "provider": "prv_2", "upstream_model": "big-2026", "state": "active",
                   "health": { "state": "open", "resting": [] } },
                 { "provider": "prv_3", "upstream_model": "big", "state": "draining",
                   "health": { "state": "open", "resting": [] } }] },
        ]});
        let names =
            Names::from([("prv_1".into(), "echo".into()), ("prv_2".into(), "openai".into())]);
        insta::assert_snapshot!(table(&list, &names).render(Some(100)));
    }

    #[test]
    fn what_is_left_alone_is_told_with_its_reason_and_its_end() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let rest = |key: Value, reason: &str| {
            json!({
                "reason": reason, "provider_key": key,
                "since": "2026-11-22T11:58:00Z", "until": "2026-11-22T12:01:00Z",
            })
        };
        let resting = [rest(Value::Null, "checks"), rest(json!("pky_1"), "rate_limited")];
        let model = json!({ "deployments": [
            { "provider": "prv_1", "health": { "state": "closed", "resting": [] } },
            { "provider": "prv_2", "health": { "state": "open", "resting": resting } },
            { "provider": "prv_3", "health": null },
        ]});
        let names = Names::from([("prv_2".into(), "openai".into())]);
        let times =
            "2026-11-22T11:58:00Z (2 minutes ago); until 2026-11-22T12:01:00Z (in 1 minute)";
        let expected = format!(
            "openai: health checks failed, {times}\nopenai with pky_1: the key had its share (429), {times}"
        );
        assert_eq!(rests(&model, &names, now), expected);
    }
}
