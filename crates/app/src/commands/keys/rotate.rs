//! `doorward keys rotate`, `doorward keys end-overlap`.

use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::{Body, confirm, instant, now, text, when};
use super::file::KeyFile;
use super::{PATH, find, path, tell_made};
use crate::cli::RotateKey;
use crate::client::Client;
use crate::output;

/// How often a key is asked for while somebody waits for its old secrets.
const POLL: Duration = Duration::from_secs(5);

pub(super) fn rotate(
    client: &Client,
    wish: &RotateKey,
    file: Option<KeyFile>,
    is_json: bool,
) -> anyhow::Result<()> {
    let id = find(client, &wish.key.key)?;
    let [version, noun] = PATH;
    let rotated = client.post(&[version, noun, &id, "rotate"], &body(wish))?;
    tell_made("Rotated", client, &rotated, file, is_json)?;
    if !is_json {
        output::line(&old_secret(&rotated, now()))?;
    }
    match wish.wait_until_unused {
        None => Ok(()),
        Some(quiet) => wait_until_unused(client, &id, quiet),
    }
}

pub(super) fn end_overlap(client: &Client, key: &str, is_json: bool) -> anyhow::Result<()> {
    let id = find(client, key)?;
    let [version, noun] = PATH;
    let answer = client.delete(&[version, noun, &id, "previous-secrets"])?;
    confirm(is_json, &answer, &format!("Only the newest secret of {id} works now."))
}

pub(super) fn body(wish: &RotateKey) -> Value {
    let mut body = Body::default();
    body.set_if("overlap_seconds", wish.overlap.map(|overlap| json!(overlap.as_secs())));
    if let Some((field, value)) = wish.expiry.field() {
        body.set(field, value);
    }
    body.finish()
}

/// What becomes of the secret before.
pub(super) fn old_secret(rotated: &Value, now: Timestamp) -> String {
    match rows_of(rotated).next() {
        None => "The old secret works no longer.\n".to_owned(),
        Some(old) => {
            format!("The old secret works for now; it ends {}.\n", when(old, "ends_at", now, ""))
        }
    }
}

/// The secrets of a key that were replaced and still work.
fn rows_of(key: &Value) -> impl Iterator<Item = &Value> {
    key.get("previous_secrets").and_then(Value::as_array).into_iter().flatten()
}

/// How each old secret stands: `dw_…wxyz: last used 2 minutes ago from 10.0.0.1; ends in 23 hours`.
pub(super) fn old_secrets(key: &Value, now: Timestamp) -> Vec<String> {
    let told = |old: &Value| {
        let used = match text(old, "last_used_ip").as_str() {
            "" => "never used".to_owned(),
            address => {
                format!("last used {} from {address}", instant(old, "last_used_at", now, ""))
            }
        };
        format!("{}, {used}, ends {}", text(old, "fingerprint"), instant(old, "ends_at", now, ""))
    };
    rows_of(key).map(told).collect()
}

/// Whether no old secret was used in the time before `now`.
pub(super) fn is_unused(key: &Value, quiet: SignedDuration, now: Timestamp) -> bool {
    let rotated_at = text(key, "rotated_at").parse::<Timestamp>().ok();
    rows_of(key).all(|old| {
        let last_used_at = text(old, "last_used_at").parse::<Timestamp>().ok();
        let since = last_used_at.max(rotated_at);
        since.is_none_or(|at| now.duration_since(at) >= quiet)
    })
}

/// Tells who still uses the old secrets, each time that somebody did, until nobody has for a while.
fn wait_until_unused(client: &Client, id: &str, quiet: SignedDuration) -> anyhow::Result<()> {
    let mut last_used = Value::Null;
    loop {
        let key = client.get(&path(id), &[])?;
        let uses: Value = rows_of(&key).map(|old| old["last_used_at"].clone()).collect();
        if uses != last_used {
            for told in old_secrets(&key, now()) {
                output::note(&told);
            }
            last_used = uses;
        }
        if is_unused(&key, quiet, now()) {
            output::note(&format!(
                "No old secret is in use. `doorward keys end-overlap {id}` ends them now."
            ));
            return Ok(());
        }
        thread::sleep(POLL);
    }
}
