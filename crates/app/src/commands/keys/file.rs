//! Files with a key in them: `--save`, and `doorward keys open`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use doorward_sealed::age::{self, Passphrase};
use doorward_sealed::key_file::{self, KEY_VARIABLE, URL_VARIABLE};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::super::text;
use crate::cli::{KeyFileFormat, OpenKeyFile, SaveArgs};
use crate::environment::Environment;
use crate::private_file::{Draft, IfThere};
use crate::{output, passphrase};

/// Far above any file with one key.
const FILE_BYTES_MAX: usize = 64 << 10;

/// A file that waits for its key: that it can be written, and the passphrase, are settled before the
/// key is made.
#[derive(Debug)]
pub(super) struct KeyFile {
    draft: Draft,
    path: PathBuf,
    /// `None`: the key is written as it is.
    passphrase: Option<Passphrase>,
    format: KeyFileFormat,
}

impl KeyFile {
    /// `None`: the key is to be shown.
    pub(super) fn prepare(
        args: &SaveArgs,
        environment: &Environment,
    ) -> anyhow::Result<Option<Self>> {
        let Some(path) = args.save.clone() else { return Ok(None) };
        let if_there = if args.force { IfThere::Replace } else { IfThere::Refuse };
        let draft = Draft::create(&path, if_there)
            .with_context(|| format!("cannot write {}; no key was made", path.display()))?;
        let format = args.format.unwrap_or_else(|| format_of(&path));
        let is_sealed = format == KeyFileFormat::Pak;
        let choose = || passphrase::choose(&args.passphrase, environment, "the key file");
        let passphrase = is_sealed.then(choose).transpose()?;
        Ok(Some(Self { draft, path, passphrase, format }))
    }

    /// Whether it takes a passphrase to read the key.
    pub(super) fn is_sealed(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Writes the key that was made. A key that cannot be written is shown: it exists, and nobody
    /// could ever see it again.
    pub(super) fn save(self, made: &Value, endpoint: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.clone();
        self.write(made, endpoint).map(|()| path.clone()).or_else(|error| {
            output::line(&text(made, "key"))?;
            Err(error.context(format!(
                "cannot write {}, so the key, which was made, is shown above",
                path.display()
            )))
        })
    }

    fn write(mut self, made: &Value, endpoint: &str) -> anyhow::Result<()> {
        let (key, secret_key) = (secret(made, "key"), secret(made, "secret_key"));
        let (access_key, name) = (text(made, "access_key"), text(made, "name"));
        let file = key_file::KeyFile {
            key: &key,
            access_key: &access_key,
            secret_key: &secret_key,
            endpoint: &format!("{endpoint}/v1"),
            name: &name,
            expires_at: made.get("expires_at").and_then(Value::as_str),
        };
        match (self.format, &self.passphrase) {
            (KeyFileFormat::Env, _) => self.draft.write_all(file.env().as_bytes())?,
            (KeyFileFormat::Pak, Some(passphrase)) => {
                self.draft.write_all(&file.pak(passphrase)?)?;
            }
            (KeyFileFormat::Json | KeyFileFormat::Pak, _) => {
                self.draft.write_all(file.json().as_bytes())?;
            }
        }
        Ok(self.draft.keep()?)
    }
}

/// Where a key is, and how it is read.
pub(super) fn place(path: &Path, is_sealed: bool) -> String {
    let shown = path.display();
    if !is_sealed {
        return format!("{shown}, which only you can read.");
    }
    let word = output::shell_word(&shown.to_string());
    format!("{shown}, which opens with the passphrase: `doorward keys open {word}`.")
}

/// What a program prints of a key whose secret went to a file.
pub(super) fn without_secret(made: &Value, path: &Path) -> Value {
    let mut told = made.clone();
    if let Some(fields) = told.as_object_mut() {
        for secret in ["key", "secret_key"] {
            fields.insert(secret.to_owned(), Value::Null);
        }
        fields.insert("saved_to".to_owned(), json!(path));
    }
    told
}

fn format_of(path: &Path) -> KeyFileFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => KeyFileFormat::Json,
        Some("pak") => KeyFileFormat::Pak,
        Some(_) | None => KeyFileFormat::Env,
    }
}

fn secret(made: &Value, field: &str) -> SecretString {
    SecretString::from(text(made, field))
}

/// `doorward keys open`: needs no server.
pub(super) fn open(
    args: &OpenKeyFile,
    is_json: bool,
    environment: &Environment,
) -> anyhow::Result<()> {
    let shown = args.file.display();
    let recall = || passphrase::recall(&args.passphrase, environment, &shown.to_string());
    let opened =
        read(&args.file).and_then(|content| unsealed(content, recall)).and_then(|c| parse(&c));
    let object = opened.with_context(|| format!("cannot open {shown}"))?;
    if is_json { output::json(&object) } else { Ok(output::line(&text(&object, "key"))?) }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = FILE_BYTES_MAX as u64 + 1;
    std::fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    if content.len() > FILE_BYTES_MAX {
        bail!("it is too large for a file with a key");
    }
    Ok(content)
}

fn unsealed(
    content: Vec<u8>,
    recall: impl FnOnce() -> anyhow::Result<Passphrase>,
) -> anyhow::Result<SecretString> {
    let plain = if age::is_sealed(&content) {
        age::open(&recall()?, &content, FILE_BYTES_MAX)?.to_vec()
    } else {
        content
    };
    let text = String::from_utf8(plain).map_err(|_| anyhow!("it holds no key"))?;
    Ok(SecretString::from(text))
}

/// Reads the object, or the lines of an environment.
fn parse(content: &SecretString) -> anyhow::Result<Value> {
    let content = content.expose_secret().trim_start();
    let object = if content.starts_with('{') {
        serde_json::from_str(content).map_err(|_| anyhow!("it is not valid JSON"))?
    } else {
        json!({ "key": variable(content, KEY_VARIABLE), "endpoint": variable(content, URL_VARIABLE) })
    };
    if text(&object, "key").is_empty() {
        bail!("it holds no key");
    }
    Ok(object)
}

/// The value of a line `NAME=value`, without the quotes that a shell takes away.
fn variable(lines: &str, name: &str) -> Option<String> {
    let value = lines.lines().find_map(|line| {
        let line = line.trim();
        line.strip_prefix("export ").unwrap_or(line).strip_prefix(name)?.strip_prefix('=')
    })?;
    let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    Some(bare.map_or_else(|| value.to_owned(), |bare| bare.replace(r"'\''", "'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Value {
        json!({
            "key": "dw_0123456789abcdef_SECRET", "access_key": "dw_0123456789abcdef",
            "secret_key": "SECRET", "name": "it's <ci>", "expires_at": null,
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        for (format, name) in [(KeyFileFormat::Env, None), (KeyFileFormat::Json, Some("it's <ci>"))]
        {
            let path = dir.path().join(format!("{format:?}"));
            let draft = Draft::create(&path, IfThere::Refuse).unwrap();
            let file = KeyFile { draft, path: path.clone(), passphrase: None, format };
            file.save(&made(), "http://127.0.0.1:1/it's").unwrap();
            let read = parse(&SecretString::from(std::fs::read_to_string(&path).unwrap())).unwrap();
            assert_eq!(read["key"], "dw_0123456789abcdef_SECRET");
            assert_eq!(read["endpoint"], "http://127.0.0.1:1/it's/v1");
            assert_eq!(read.get("name").and_then(Value::as_str), name);
        }
    }

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        #[rustfmt::skip]
        let cases = [
            ("ci.json", KeyFileFormat::Json),
            ("ci.pak",  KeyFileFormat::Pak),
            ("ci.env",  KeyFileFormat::Env),
            (".env",    KeyFileFormat::Env),
            ("ci",      KeyFileFormat::Env),
        ];
        for (name, format) in cases {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn a_file_without_a_key_is_told_so_without_its_content() {
        for content in ["", "canary", "{\"canary\": 1}", "{canary", "OTHER=canary"] {
            let error = parse(&SecretString::from(content)).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_written_is_told_to_be_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.env");
        let draft = Draft::create(&path, IfThere::Refuse).unwrap();
        let file =
            KeyFile { draft, path: path.clone(), passphrase: None, format: KeyFileFormat::Env };
        std::fs::write(&path, "of somebody else").unwrap();
        let error = file.save(&made(), "http://127.0.0.1:1").unwrap_err();
        assert!(error.to_string().contains("which was made, is shown above"), "{error:?}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"of somebody else");
    }

    #[test]
    fn what_a_program_is_told_holds_no_secret() {
        let told = without_secret(&made(), Path::new("/x/ci.env"));
        assert!(!told.to_string().contains("SECRET"), "{told}");
        assert_eq!(told["saved_to"], "/x/ci.env");
    }
}
