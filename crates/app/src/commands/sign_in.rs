//! `doorward sign-in` and `sign-out`.

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Body, confirm, text};
use crate::cli::{SignIn, SignOut};
use crate::client::{Client, Refusal};
use crate::environment::Environment;
use crate::{kept_session, secret_input};

pub(crate) fn sign_in(args: &SignIn, environment: &Environment) -> anyhow::Result<()> {
    let client = Client::anonymous(&args.remote, environment)?;
    let password =
        if args.link { set_password(&client)? } else { secret_input::line("Password:")? };
    let mut session = match begin(&client, args, &password, args.code.as_deref()) {
        Err(error) if args.code.is_none() && wants_code(&error) => {
            let code = secret_input::line("Code of the second factor:")?;
            begin(&client, args, &password, Some(code.expose_secret()))
        }
        done => done,
    }?;
    let token = session.as_object_mut().and_then(|fields| fields.remove("token"));
    let token = token.as_ref().and_then(Value::as_str).context("the server gave no session")?;
    kept_session::keep(&args.remote.data, client.url(), &SecretString::from(token))?;
    let said = format!("Signed in as {} on {}.", args.email, client.endpoint());
    confirm(args.remote.json, &session, &said)
}

fn begin(
    client: &Client,
    args: &SignIn,
    password: &SecretString,
    code: Option<&str>,
) -> anyhow::Result<Value> {
    let mut body = Body::default();
    body.set("email", args.email.clone());
    body.set("password", password.expose_secret());
    body.set_if("code", code);
    body.set_if("organization", args.organization.clone());
    client.post(&["v1", "sessions"], &body.finish())
}

fn wants_code(error: &anyhow::Error) -> bool {
    has_code(error, "second_factor_required")
}

fn has_code(error: &anyhow::Error, code: &str) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.code() == code)
}

/// Sets a password by a link, whether that is an invitation or a reset.
fn set_password(client: &Client) -> anyhow::Result<SecretString> {
    let link = secret_input::line("Link, or its token:")?;
    let password = secret_input::line("New password:")?;
    let mut body = Body::default();
    // A whole link ends in its token.
    body.set("token", link.expose_secret().rsplit("token=").next().unwrap_or_default());
    body.set("password", password.expose_secret());
    let body = body.finish();
    match client.post(&["v1", "invitations", "accept"], &body) {
        Err(error) if has_code(&error, "invalid_link") => {
            client.post(&["v1", "password-resets", "accept"], &body)
        }
        done => done,
    }?;
    Ok(password)
}

pub(crate) fn sign_out(args: &SignOut, environment: &Environment) -> anyhow::Result<()> {
    let data = &args.remote.data;
    let Some(kept) = kept_session::find(data)? else {
        anyhow::bail!("nobody is signed in here");
    };
    let client = Client::of_session(&args.remote, environment, &kept)?;
    // A session that is over already is forgotten too.
    match client.delete(&["v1", "sessions", "current"]) {
        Err(error) if !has_code(&error, "invalid_session") => return Err(error),
        Ok(_) | Err(_) => {}
    }
    kept_session::forget(data)?;
    confirm(args.remote.json, &Value::Null, &format!("Signed out of {}.", client.endpoint()))
}

/// What is said of a new link: it, this once, or where it was mailed to.
pub(super) fn link_words(link: &Value, name: &str, email: &str) -> String {
    let until = text(link, "expires_at");
    match text(link, "mailed_to").as_str() {
        "" => {
            let shown = [text(link, "url"), text(link, "token")];
            let shown = shown.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            format!(
                "{name} may set a password until {until} with this link, which is not shown again:\n\
                 {shown}\n\
                 They open it, or run: doorward sign-in {email} --link"
            )
        }
        address => format!("{name} may set a password until {until}, by a letter to {address}."),
    }
}
