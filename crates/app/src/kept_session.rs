//! The session of `doorward sign-in`, in the data directory beside the other credentials.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::private_file;

const FILE: &str = "session";

/// A session, and the only server that its token is sent to.
#[derive(Debug)]
pub(crate) struct KeptSession {
    pub(crate) url: Url,
    pub(crate) token: SecretString,
}

/// The session that is kept here, if one is.
pub(crate) fn find(data: &Path) -> anyhow::Result<Option<KeptSession>> {
    let path = data.join(FILE);
    match std::fs::read(&path) {
        Ok(text) => {
            let kept = parse(&text);
            kept.map(Some).with_context(|| format!("{} is damaged: sign in again", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse(text: &[u8]) -> Option<KeptSession> {
    let kept: Value = serde_json::from_slice(text).ok()?;
    let field = |name| kept.get(name).and_then(Value::as_str);
    Some(KeptSession { url: field("url")?.parse().ok()?, token: field("token")?.into() })
}

/// Keeps a session, readable for nobody else.
pub(crate) fn keep(data: &Path, url: &Url, token: &SecretString) -> anyhow::Result<()> {
    let path = data.join(FILE);
    let kept = serde_json::json!({ "url": url.as_str(), "token": token.expose_secret() });
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .and_then(|()| private_file::write(&path, kept.to_string().as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Forgets the session.
pub(crate) fn forget(data: &Path) -> anyhow::Result<()> {
    let path = data.join(FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_session_is_kept_for_its_owner_only_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        assert!(find(&data).unwrap().is_none());
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        keep(&data, &url, &SecretString::from("dws_secret")).unwrap();
        let kept = find(&data).unwrap().unwrap();
        assert_eq!((kept.url.clone(), kept.token.expose_secret()), (url, "dws_secret"));
        assert!(!format!("{kept:?}").contains("dws_secret"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data.join(FILE)), mode(&data)), (0o600, 0o700));
        forget(&data).unwrap();
        forget(&data).unwrap();
        assert!(find(&data).unwrap().is_none());
        std::fs::write(data.join(FILE), "junk").unwrap();
        assert!(find(&data).unwrap_err().to_string().contains("sign in again"));
    }
}
