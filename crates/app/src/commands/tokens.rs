//! `doorward tokens …`.

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::provider_keys::read_value;
use super::{Details, confirm, number, print_one, text};
use crate::cli::{CreateToken, Remotely, TokensCommand};
use crate::client::Client;
use crate::environment::Environment;
use crate::output;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(crate) fn run(args: &Remotely<TokensCommand>, environment: &Environment) -> anyhow::Result<()> {
    // A token stands for a key: whoever is signed in has none to offer.
    let (client, is_json) = (Client::of_key(&args.remote, environment)?, args.remote.json);
    match &args.command {
        TokensCommand::Create(wish) => {
            let answer = create(&client, wish)?;
            // Nothing but the token, so that `TOKEN=$(doorward tokens create)` has it.
            if is_json {
                output::json(&answer)
            } else {
                Ok(output::line(&text(&answer, "access_token"))?)
            }
        }
        TokensCommand::Revoke(source) => {
            let token = read_value(source, environment)?;
            let fields = [("token", token.expose_secret())];
            let answer = client.post_form(&["oauth", "revoke"], &fields)?;
            confirm(is_json, &answer, "The token is good for nothing any more.")
        }
        TokensCommand::Introspect(source) => {
            let token = read_value(source, environment)?;
            let fields = [("token", token.expose_secret())];
            let answer = client.post_form(&["oauth", "introspect"], &fields)?;
            print_one(is_json, &answer, || Ok(details(&answer)))
        }
    }
}

/// A token that stands in the key's place is exchanged for another one.
fn create(client: &Client, wish: &CreateToken) -> anyhow::Result<Value> {
    let (scope, models) = (wish.scope.join(" "), wish.model.join(" "));
    let seconds = wish.ttl.map(|ttl| ttl.as_secs().to_string());
    let key = client.key().map_or("", |key| key.expose_secret());
    let mut fields = vec![("scope", scope.as_str()), ("models", &models)];
    fields.extend(wish.resource.as_deref().map(|uri| ("resource", uri)));
    fields.extend(seconds.as_deref().map(|seconds| ("expires_in", seconds)));
    if key.starts_with("ey") {
        fields.push(("grant_type", EXCHANGE));
        fields.push(("subject_token", key));
        fields.push(("subject_token_type", ACCESS_TOKEN));
    } else {
        fields.push(("grant_type", "client_credentials"));
    }
    client.post_form(&["oauth", "token"], &fields)
}

fn details(token: &Value) -> Details {
    let active = token.get("active").and_then(Value::as_bool).unwrap_or_default();
    let instant = |field| {
        let second = i64::try_from(number(token, field)).ok().filter(|second| *second > 0);
        second.and_then(|s| jiff::Timestamp::from_second(s).ok()).map(|at| at.to_string())
    };
    vec![
        ("active", if active { "yes" } else { "no" }.to_owned()),
        ("id", text(token, "jti")),
        ("key", text(token, "client_id")),
        ("name", text(token, "username")),
        ("owner", text(token, "sub")),
        ("scopes", text(token, "scope")),
        ("models", text(token, "models")),
        ("for", text(token, "aud")),
        ("made", instant("iat").unwrap_or_default()),
        ("ends", instant("exp").unwrap_or_default()),
    ]
}
