//! `POST /keys/file`: a key as a file to be kept. The page that shows a key once sends it along: nothing here
//! knows it before or keeps it after.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use doorward_domain::credential::PlainKey;
use doorward_sealed::age::{Passphrase, SealError};
use doorward_sealed::key_file::KeyFile;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use super::created::CreatedPage;
use crate::answer::{again, busy};
use crate::form::Form;
use crate::posted::Posted;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

/// Files that are sealed at a time: each takes 128 MiB for half a second.
const SEALED_MAX: usize = 1;
static SEALING: Semaphore = Semaphore::const_new(SEALED_MAX);
/// Longest wait for a turn.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest name of a file, without its end.
const NAME_CHARS_MAX: usize = 60;

/// What goes into the file, in the program's own hands.
struct Content {
    key: SecretString,
    access_key: String,
    secret_key: SecretString,
    endpoint: String,
    name: String,
    expires_at: String,
}

pub(crate) async fn act(Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
    let Ok(key) = PlainKey::parse(form.value("key").as_bytes()) else {
        return Err(Refusal::stale_form());
    };
    let content = Content {
        key: SecretString::from(key.expose()),
        access_key: key.id().to_string(),
        secret_key: SecretString::from(key.expose_secret_key()),
        endpoint: visitor.endpoint().to_owned(),
        name: form.value("name").to_owned(),
        expires_at: form.value("expires_at").to_owned(),
    };
    let name = file_name(&content.name);
    Ok(match form.value("format") {
        "env" => attachment(&format!("{name}.env"), content.file().env().as_bytes().to_vec()),
        "json" => attachment(&format!("{name}.json"), content.file().json().as_bytes().to_vec()),
        _ => return pak(&visitor, form, &key, (content, name)).await,
    })
}

/// The sealed file; or the page again, where the passphrase protects nothing.
async fn pak(
    visitor: &Visitor,
    form: Form,
    key: &PlainKey,
    (content, name): (Content, String),
) -> Result<Response, Refusal> {
    let passphrase = SecretString::from(form.value("passphrase"));
    let same = passphrase.expose_secret() == form.value("passphrase_again");
    let passphrase = match Passphrase::new(passphrase) {
        Ok(passphrase) if same => passphrase,
        Ok(_) => {
            let form = form.wrong(FieldError::new("passphrase_again", "passphrase-differs"));
            return Ok(again(&CreatedPage::again(visitor, key, form).await));
        }
        Err(_) => {
            let form = form.wrong(FieldError::new("passphrase", "passphrase-unfit"));
            return Ok(again(&CreatedPage::again(visitor, key, form).await));
        }
    };
    let Some(turn) = turn(WAIT_MAX).await else {
        // The key is on this page alone: a refusal in its place would lose it.
        let form = form.wrong(FieldError::new("passphrase", "passphrase-busy"));
        return Ok(busy(&CreatedPage::again(visitor, key, form).await));
    };
    let sealed = in_turn(turn, move || content.file().pak(&passphrase)).await;
    let sealed =
        sealed.unwrap_or(Err(SealError::Cipher)).map_err(|error| Refusal::fault(&error))?;
    Ok(attachment(&format!("{name}.pak"), sealed))
}

/// `None`: none came in time.
async fn turn(wait_max: Duration) -> Option<SemaphorePermit<'static>> {
    tokio::time::timeout(wait_max, SEALING.acquire()).await.ok()?.ok()
}

/// Works off the threads of connections. The turn ends with the work, also where nobody waits for it any more:
/// else whoever hangs up and asks again would fill the memory. `None`: it panicked.
async fn in_turn<T: Send + 'static>(
    turn: SemaphorePermit<'static>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let working = spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    working.await.ok()
}

impl Content {
    fn file(&self) -> KeyFile<'_> {
        KeyFile {
            key: &self.key,
            access_key: &self.access_key,
            secret_key: &self.secret_key,
            endpoint: &self.endpoint,
            name: &self.name,
            expires_at: Some(self.expires_at.as_str()).filter(|at| !at.is_empty()),
        }
    }
}

/// A name that every system takes: letters, digits, `-`, `_` and `.`, not at its start.
fn file_name(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().take(NAME_CHARS_MAX).map(fit).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "doorward".to_owned() } else { name.to_owned() }
}

fn attachment(name: &str, content: Vec<u8>) -> Response {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_DISPOSITION, disposition),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_file_has_a_name_that_every_system_takes() {
        for (name, expected) in [
            ("production-search",  "production-search"),
            ("Größe \"x\"\r\nA: b", "Gr--e--x---A--b"),
            ("../../etc/passwd",   "etc-passwd"),
            (".env",               "env"),
            ("",                   "doorward"),
            ("日本",               "doorward"),
        ] {
            assert_eq!(file_name(name), expected);
        }
        assert_eq!(file_name(&"x".repeat(200)).len(), NAME_CHARS_MAX);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_turn_until_it_is_done() {
        let (begun, is_begun) = tokio::sync::oneshot::channel();
        let (end, is_ended) = std::sync::mpsc::channel::<()>();
        let mut waiting = tokio::task::JoinSet::new();
        let held = turn(Duration::MAX).await.unwrap();
        waiting.spawn(in_turn(held, move || {
            begun.send(()).unwrap();
            is_ended.recv().unwrap();
        }));
        is_begun.await.unwrap();
        waiting.shutdown().await;
        assert!(turn(Duration::ZERO).await.is_none());
        end.send(()).unwrap();
        assert_eq!(in_turn(turn(Duration::MAX).await.unwrap(), || 5).await, Some(5));
    }
}
