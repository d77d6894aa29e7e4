//! Secrets stay where they belong: searched for in everything that the program writes.

use std::path::Path;

use serde_json::json;

use crate::program::Program;
use crate::upstream::{Script, Upstream};

const PROVIDER_SECRET: &str = "sk-canary-4f9d1c77a2";

/// The names of files of a folder in which one of these texts stands.
pub(crate) fn files_with(dir: &Path, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_with(&entry.path(), secrets));
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        let holds = |secret: &String| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        if secrets.iter().any(holds) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// The part of a key that is secret, without its checksum.
fn secret_of(key: &str) -> String {
    key.rsplit_once('_').unwrap().1[..43].to_owned()
}

/// Stores a provider's credential and a model `sealed` that is called with it.
fn add_sealed_model(program: &Program, upstream: &Upstream) {
    let admin = program.admin_key();
    let base_url = format!("http://{}/v1", upstream.address);
    let deployment = json!({"provider": "p", "upstream_model": "mock", "provider_key": "k"});
    for (path, body) in [
        ("/v1/providers", json!({"name": "p", "kind": "openai-compatible", "base_url": base_url})),
        ("/v1/provider-keys", json!({"name": "k", "value": PROVIDER_SECRET})),
        ("/v1/models", json!({"name": "sealed", "price": "free", "deployments": [deployment]})),
    ] {
        let made = program.ask("POST", path, &admin, Some(&body));
        assert_eq!(made.status, 201, "{}", made.body);
        assert!(!made.body.contains(PROVIDER_SECRET), "{}", made.body);
    }
}

#[test]
fn no_secret_is_in_the_log_at_its_finest_nor_in_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Chat);
    let program =
        Program::start_with(dir.path(), &[], &[("RUST_LOG", "trace,hyper=trace,sqlx=trace")]);
    add_sealed_model(&program, &upstream);
    let (key, admin) = (program.key().to_owned(), program.admin_key());
    assert_eq!(program.chat(&key, "sealed").status, 200);
    let head = upstream.seen().remove(0).head;
    assert!(head.contains(PROVIDER_SECRET) && !head.contains(&secret_of(&key)), "{head}");
    // What goes wrong is logged with more words than what goes well.
    upstream.then(Script::Raw(
        b"HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ));
    assert_eq!(program.chat(&key, "sealed").status, 502);
    for path in ["/v1/api-keys", "/v1/api-keys/nope", "/v1/provider-keys", "/v1/audit"] {
        let answer = program.ask("GET", path, &admin, None).body;
        assert!(
            !answer.contains(PROVIDER_SECRET) && !answer.contains(&secret_of(&key)),
            "{answer}"
        );
    }
    assert_eq!(program.send("GET", &format!("/v1/models?api_key={key}"), &[], None).status, 401);
    let metrics = program.send("GET", "/metrics", &[], None).body;
    assert!(program.log().contains("DEBUG"), "the log is not at its finest");
    program.stop();

    let secrets = [PROVIDER_SECRET.to_owned(), secret_of(&key), secret_of(&admin)];
    // The administrator's key is meant to be in its own file.
    assert_eq!(files_with(dir.path(), &secrets), ["admin.key"]);
    assert!(secrets.iter().all(|secret| !metrics.contains(secret)), "{metrics}");
}
