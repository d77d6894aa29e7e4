//! `doorward quickstart`: from nothing to a working call in one command.
//!
//! The order is: open the store, bind the address (whatever can fail, before anything is made),
//! find models, link them, make the keys, say so, serve.

mod discover;
mod link;

use std::path::Path;

use doorward_domain::key::{KeyStatus, Owner};
use doorward_domain::scope::Scope;
use doorward_store::{Bootstrap, KeyFilter, ModelFilter, OpenError, Store};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::admin_key::{self, AdminKey, Wish};
use crate::cli::QuickstartArgs;
use crate::config::Config;
use crate::environment::Environment;
use crate::output::{self, KeyShown, Screen};
use crate::serve::Prepared;
use crate::welcome::Entrance;
use crate::{client, tls};

use link::Report;

/// The name of the keys that it makes.
const KEY_NAME: &str = "quickstart";
/// More models than a list for people or a first program needs.
const MODELS_LISTED_MAX: u32 = 1_000;

/// The key to call models with.
#[derive(Debug)]
enum FirstKey {
    Made { access_key: String, secret_key: SecretString, key: SecretString },
    Known { access_key: String, fingerprint: String },
}

/// Sets everything up and serves until it is told to stop.
pub(crate) async fn run(
    config: Config,
    args: &QuickstartArgs,
    environment: &Environment,
) -> anyhow::Result<()> {
    let candidates = discover::candidates(environment, &args.upstream)?;
    let data_dir = config.data.dir.clone();
    let prepared = Prepared::open(config).await;
    let prepared = prepared.map_err(|error| beside_the_running(error, &data_dir))?;
    let set_up = set_up(&prepared, candidates, args.new_key).await;
    match set_up {
        Ok(done) => done.announce(&prepared, args.json)?,
        Err(error) => {
            prepared.close().await;
            return Err(error);
        }
    }
    prepared.serve().await
}

/// Who meets a server that runs already mostly wants a key, which it can make.
fn beside_the_running(error: anyhow::Error, data_dir: &Path) -> anyhow::Error {
    let is_running = matches!(error.downcast_ref(), Some(OpenError::AlreadyRunning(_)));
    let endpoint = client::running_endpoint(data_dir).filter(|_| is_running);
    let Some(endpoint) = endpoint else { return error };
    let data_dir = data_dir.display().to_string();
    let hint = output::key_beside(&program(), &data_dir, endpoint.trim());
    let words = format!("{error}; {hint}");
    error.context(words)
}

/// What was set up.
#[derive(Debug)]
struct Done {
    key: FirstKey,
    admin_key: AdminKey,
    entrance: Entrance,
    report: Report,
    models: Vec<String>,
}

/// The one line for programs. Without a new key, its secret parts are null.
#[derive(Serialize)]
struct Ready<'a> {
    endpoint: &'a str,
    key: Option<&'a str>,
    access_key: &'a str,
    secret_key: Option<&'a str>,
    admin_key: &'a str,
    /// Where a browser goes; while nobody has a password, with a token that sets the first one.
    portal: &'a str,
    models: &'a [String],
}

async fn set_up(
    prepared: &Prepared,
    candidates: Vec<discover::Candidate>,
    wants_new_key: bool,
) -> anyhow::Result<Done> {
    let store = &*prepared.store;
    let (made, is_first_run) = store.bootstrap().await?;
    let admin_key = admin_key::ensure(store, &made, is_first_run, &prepared.data_dir).await?;
    let found = tokio::task::spawn_blocking(|| discover::probe_all(candidates)).await??;
    let report = link::link_all(store, &made, found).await?;
    let key = first_key(store, &made, wants_new_key).await?;
    let all = ModelFilter::default();
    let models = store.list_models(made.organization, &all, None, MODELS_LISTED_MAX).await?;
    let models = models.into_iter().map(|model| model.name).collect();
    let entrance = Entrance::open(store, &made).await?;
    Ok(Done { key, admin_key, entrance, report, models })
}

/// The key of an earlier run if one still works, else a new one.
async fn first_key(
    store: &Store,
    made: &Bootstrap,
    wants_new_key: bool,
) -> anyhow::Result<FirstKey> {
    if let (Some(known), false) = (find_key(store, made).await?, wants_new_key) {
        return Ok(known);
    }
    let scopes = [Scope::InferenceRead, Scope::InferenceWrite];
    let rights = admin_key::all_rights(scopes.into_iter().collect());
    let quota = Some(store.settings(made.organization).await?.keys_per_user_max);
    let (plain, _) = admin_key::create(store, made, Wish { name: KEY_NAME, rights, quota }).await?;
    Ok(FirstKey::Made {
        access_key: plain.id().to_string(),
        secret_key: plain.expose_secret_key().into(),
        key: plain.expose().into(),
    })
}

async fn find_key(store: &Store, made: &Bootstrap) -> anyhow::Result<Option<FirstKey>> {
    let filter = KeyFilter {
        owner: Some(Owner::User(made.administrator)),
        status: Some(KeyStatus::Active),
        search: Some(KEY_NAME.to_owned()),
        ..KeyFilter::default()
    };
    let page = store.list_keys(made.organization, &filter, None, 200).await?;
    let is_ours = |name: &str| name.starts_with(KEY_NAME);
    let key = page.rows.into_iter().map(|row| row.key).find(|key| is_ours(&key.name));
    Ok(key.map(|key| FirstKey::Known {
        access_key: key.id.to_string(),
        fingerprint: key.id.fingerprint(&key.tail),
    }))
}

impl Done {
    fn announce(self, prepared: &Prepared, is_json: bool) -> anyhow::Result<()> {
        if is_json {
            // What a client library wants as its base URL.
            return output::json_line(&self.ready(&format!("{}/v1", prepared.endpoint)));
        }
        Ok(output::screen(&self.into_screen(prepared))?)
    }

    fn ready<'a>(&'a self, endpoint: &'a str) -> Ready<'a> {
        let (key, access_key, secret_key) = match &self.key {
            FirstKey::Made { key, access_key, secret_key } => {
                (Some(key.expose_secret()), access_key, Some(secret_key.expose_secret()))
            }
            FirstKey::Known { access_key, .. } => (None, access_key, None),
        };
        let admin_key = self.admin_key.key.expose_secret();
        let portal = self.entrance.url();
        Ready { endpoint, key, access_key, secret_key, admin_key, portal, models: &self.models }
    }

    fn into_screen(self, prepared: &Prepared) -> Screen {
        let key = match self.key {
            FirstKey::Made { key, .. } => KeyShown::New { key },
            FirstKey::Known { fingerprint, .. } => KeyShown::Known { fingerprint },
        };
        let ca = prepared.is_self_signed.then(|| prepared.data_dir.join(tls::CERT_FILE));
        Screen {
            program: program(),
            endpoint: prepared.endpoint.clone(),
            data: prepared.data_dir.display().to_string(),
            ca: ca.map(|path| path.display().to_string()),
            entrance: self.entrance,
            key,
            admin_key: (self.admin_key.path.display().to_string(), self.admin_key.state),
            model: self.report.model_to_try(),
            linked: self.report.linked,
            unlinked: self.report.unlinked,
        }
    }
}

/// The program as it was called: not everybody has it on their search path.
fn program() -> String {
    let called = std::env::args().next().filter(|name| name.contains('/'));
    called.map_or_else(|| "doorward".to_owned(), |name| output::shell_word(&name))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::admin_key::AdminKeyState;

    fn done(key: FirstKey) -> Done {
        let admin_key = AdminKey {
            key: "dw_admin".into(),
            path: PathBuf::from("admin.key"),
            state: AdminKeyState::Made,
        };
        let entrance = Entrance::Link("http://127.0.0.1:1/welcome?token=dwl_x".into());
        let models = vec!["doorward/echo".into()];
        Done { key, admin_key, entrance, report: Report::default(), models }
    }

    fn line(key: FirstKey) -> String {
        serde_json::to_string(&done(key).ready("http://127.0.0.1:1")).unwrap()
    }

    #[test]
    fn the_line_for_programs_has_every_field_on_every_run() {
        let access_key = || "dw_a".to_owned();
        let made = FirstKey::Made {
            access_key: access_key(),
            secret_key: "s".into(),
            key: "dw_a_s".into(),
        };
        assert_eq!(
            line(made),
            r#"{"endpoint":"http://127.0.0.1:1","key":"dw_a_s","access_key":"dw_a","secret_key":"s","admin_key":"dw_admin","portal":"http://127.0.0.1:1/welcome?token=dwl_x","models":["doorward/echo"]}"#
        );
        let known = FirstKey::Known { access_key: access_key(), fingerprint: "dw_a…s".into() };
        assert_eq!(
            line(known),
            r#"{"endpoint":"http://127.0.0.1:1","key":null,"access_key":"dw_a","secret_key":null,"admin_key":"dw_admin","portal":"http://127.0.0.1:1/welcome?token=dwl_x","models":["doorward/echo"]}"#
        );
    }
}
