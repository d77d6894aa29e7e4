//! Secrets are planted everywhere and looked for everywhere.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use doorward_domain::credential::{KeyPrefix, PlainKey};
use serde_json::{Value, json};

use crate::program::{Answer, Program, chat, command, id_of};
use crate::upstream::{Script, Upstream, events, whole};

const PROVIDER_KEY: &str = "sk-canary-5b1f0c9e7d3a4e8890aa-first";
const PROVIDER_KEY_EDITED: &str = "sk-canary-c2d94b7700ee4f6f81bb-second";
const ENVIRONMENT_KEY: &str = "sk-canary-00a1b2c3d4e5f60718cc-environment";
const DATABASE_PASSWORD: &str = "canary-database-password-77aa";
const PROMPT: &str = "canary prompt: the quick brown fox";
const ANSWER: &str = "canary answer: the lazy dog";
const MODEL: &str = "canary-model";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The files that hold a secret on purpose.
const SECRET_FILES: [&str; 1] = ["admin.key"];

/// A text that must not be found, under a name that may be told.
#[derive(Debug, Clone)]
struct Canary {
    name: String,
    secret: Vec<u8>,
}

/// What was said by the program: an answer or a command's output, and which request it was.
#[derive(Debug)]
struct Said {
    by: String,
    text: String,
}

/// The program under watch.
struct Watched {
    program: Program,
    master: String,
    secrets: Vec<Canary>,
    said: Vec<Said>,
}

#[test]
fn no_secret_and_no_prompt_is_found_in_any_log_answer_metric_or_file() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Chat);
    let mut watched = Watched::start(dir.path());
    watched.set_up(&upstream);
    let call_key = watched.make_keys();
    watched.make_good_calls(&upstream, &call_key);
    watched.make_tokens(&call_key);
    watched.make_refused_calls(&call_key);
    watched.provoke_echoes(&upstream, &call_key);
    watched.read_everything();
    watched.search(&call_key);

    watched = watched.restart(Program::kill);
    watched.read_everything();
    watched.make_good_calls(&upstream, &call_key);
    watched.search(&call_key);

    watched = watched.restart(|program| assert_eq!(program.stop(), 0));
    watched.read_everything();
    watched.search(&call_key);
}

#[test]
fn a_configuration_with_mistakes_is_refused_without_its_secrets() {
    let url = format!("mysql://doorward:{DATABASE_PASSWORD}@127.0.0.1/doorward");
    let master = STANDARD.encode("canary-master-key-too-short");
    let output = command(&["config", "check"])
        .env("RUST_LOG", "trace")
        .env("DOORWARD__DATA__DATABASE_URL", &url)
        .env("DOORWARD_MASTER_KEY", &master)
        .output()
        .unwrap();
    let text = text_of(&output);
    assert!(!output.status.success() && text.contains("data.master_key"), "{text}");
    for secret in [DATABASE_PASSWORD, &master, "canary-master-key-too-short"] {
        assert!(!is_in(text.as_bytes(), secret), "{text}");
    }
}

/// The search is worth nothing unless it finds.
#[test]
fn the_search_finds_a_secret_in_every_form() {
    let secret = "dw-canary-0123456789";
    for padding in ["", "a", "ab", "abc"] {
        let text = format!("{padding}{secret}{padding}");
        let hex = hex(text.as_bytes());
        let forms = [text.clone(), STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text), hex];
        for form in forms {
            assert!(is_in(format!("before {form} after").as_bytes(), secret), "{form}");
        }
    }
    assert!(!is_in(b"dw-canary-012345678", secret));
}

impl Watched {
    fn start(dir: &Path) -> Self {
        let mut bytes = [0; 32];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        let master = STANDARD.encode(bytes);
        let program = Self::run(dir, &master);
        let secrets = vec![
            canary("the master key", &master),
            canary("the master key's bytes", bytes),
            canary("quickstart's key", secret_of(program.key())),
            canary("the administrator's key", secret_of(&program.admin_key())),
            canary("a provider key", PROVIDER_KEY),
            canary("an edited provider key", PROVIDER_KEY_EDITED),
            canary("a key of the environment", ENVIRONMENT_KEY),
        ];
        Self { program, master, secrets, said: Vec::new() }
    }

    fn run(dir: &Path, master: &str) -> Program {
        let environment = [
            ("RUST_LOG", "trace"),
            ("DOORWARD__LOG__FORMAT", "json"),
            ("DOORWARD_MASTER_KEY", master),
            ("UNRELATED_API_KEY", ENVIRONMENT_KEY),
        ];
        Program::start_with(dir, &[], &environment)
    }

    fn restart(self, end: impl FnOnce(Program)) -> Self {
        let Self { program, master, secrets, said } = self;
        let dir = program.dir.clone();
        end(program);
        Self { program: Self::run(&dir, &master), master, secrets, said }
    }

    /// Notes what a command says, and that it succeeded.
    fn cli(&mut self, args: &[&str]) -> String {
        let output = self.run_cli(args);
        let text = text_of(&output);
        assert!(output.status.success(), "{args:?}: {text}");
        text
    }

    fn run_cli(&mut self, args: &[&str]) -> Output {
        let output = command(args)
            .args(["--url", &self.program.url, "--data"])
            .arg(self.program.dir.join("data"))
            .env("RUST_LOG", "trace")
            .env("OPENAI_API_KEY", ENVIRONMENT_KEY)
            .env("FIRST", PROVIDER_KEY)
            .env("SECOND", PROVIDER_KEY_EDITED)
            .output()
            .unwrap();
        self.said.push(Said { by: args.join(" "), text: text_of(&output) });
        output
    }

    fn ask(&mut self, method: &str, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let answer = self.program.ask(method, path, key, body);
        self.note(&format!("{method} {path}"), answer)
    }

    fn note(&mut self, by: &str, answer: Answer) -> Answer {
        self.said.push(Said {
            by: by.to_owned(),
            text: format!("{:?} {}", answer.headers, answer.body),
        });
        answer
    }

    fn set_up(&mut self, upstream: &Upstream) {
        let base_url = format!("http://{}/v1", upstream.address);
        self.cli(&["provider-keys", "create", "vaulted", "--value-env", "FIRST"]);
        self.cli(&["provider-keys", "edit", "vaulted", "--value-env", "SECOND"]);
        self.cli(&["provider-keys", "edit", "vaulted", "--value-env", "FIRST", "--note", "spare"]);
        let kind = ["--kind", "openai-compatible", "--base-url", &base_url];
        self.cli(&[&["providers", "create", "mock"][..], &kind].concat());
        let price = ["--price-input", "1", "--price-output", "2"];
        let link = ["--provider", "mock", "--provider-key", "vaulted"];
        self.cli(&[&["models", "create", MODEL][..], &link, &price].concat());
        self.cli(&["models", "edit", MODEL, "--output-tokens-max", "1000"]);
    }

    /// Makes keys in every way and drives them through their lives; the one to call with.
    fn make_keys(&mut self) -> String {
        let admin = self.program.admin_key();
        let wish = json!({"name": "by-api", "limits": {"requests_per_minute": 1_000},
            "budgets": [{"usd": "10", "period": "total"}]});
        let made = self.program.ask("POST", "/v1/api-keys", &admin, Some(&wish));
        let call_key = made.json()["key"].as_str().unwrap().to_owned();
        self.plant("a key made by the API", &call_key, "POST /v1/api-keys", &made.body);

        for name in ["by-command", "to-be-revoked"] {
            let output = self.run_cli(&["keys", "create", name, "--json"]);
            let text = self.said.pop().unwrap().text;
            let object: Value = serde_json::from_slice(&output.stdout).unwrap();
            let key = object["key"].as_str().unwrap();
            self.plant(name, key, "keys create --json", &text);
        }
        self.cli(&["keys", "edit", "by-command", "--requests-per-minute", "5"]);
        self.cli(&["keys", "disable", "by-command"]);
        self.cli(&["keys", "enable", "by-command"]);
        self.cli(&["keys", "revoke", "to-be-revoked"]);
        assert!(!self.run_cli(&["keys", "create", "by-command"]).status.success());
        call_key
    }

    /// Gets tokens, calls with them, tells and ends them; nothing of any is found afterwards.
    fn make_tokens(&mut self, key: &str) {
        for used in ["live", "revoked"] {
            let headers = [
                ("authorization", format!("Bearer {key}")),
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ];
            let wish = b"grant_type=client_credentials&scope=inference:write";
            let issued = self.program.send_as("/oauth/token", &headers, wish);
            let token = issued.json()["access_token"].as_str().unwrap().to_owned();
            let signature = token.rsplit_once('.').unwrap().1.to_owned();
            self.secrets.push(canary(&format!("a {used} token"), &signature));
            for path in ["/v1/chat/completions", "/v1/api-keys"] {
                self.ask("POST", path, &token, Some(&chat("doorward/echo")));
            }
            let form = format!("token={token}");
            let told = self.program.send_as("/oauth/introspect", &headers, form.as_bytes());
            assert_eq!(self.note("introspect", told).json()["active"], true);
            if used == "revoked" {
                let done = self.program.send_as("/oauth/revoke", &headers, form.as_bytes());
                assert_eq!(self.note("revoke", done).status, 200);
                let refused = self.ask("POST", "/v1/chat/completions", &token, Some(&chat("m")));
                assert_eq!(refused.status, 401);
            }
        }
    }

    /// Looks for a key's secret from now on; in the answer that made it, only others' are.
    fn plant(&mut self, name: &str, key: &str, by: &str, answer: &str) {
        let secret = secret_of(key);
        assert!(is_in(answer.as_bytes(), secret), "{by} must show the secret");
        self.said.push(Said { by: by.to_owned(), text: answer.replace(secret, "") });
        self.secrets.push(canary(name, secret));
    }

    fn make_good_calls(&mut self, upstream: &Upstream, key: &str) {
        for (model, is_stream) in
            [(MODEL, false), (MODEL, true), ("doorward/echo", false), ("doorward/echo", true)]
        {
            upstream.then(Script::Raw(if is_stream { good_stream() } else { good_answer() }));
            let mut body = chat(model);
            body["messages"][0]["content"] = PROMPT.into();
            body["stream"] = is_stream.into();
            let answer = self.ask("POST", "/v1/chat/completions", key, Some(&body));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let expected = if model == MODEL { ANSWER } else { "canary" };
            assert!(answer.body.contains(expected), "{}", answer.body);
        }
        let pair = STANDARD
            .encode(key.rsplit_once('_').map(|(id, secret)| format!("{id}:{secret}")).unwrap());
        for headers in [("authorization", format!("Basic {pair}")), ("x-api-key", key.to_owned())] {
            let answer = self.program.send("GET", "/v1/models", &[headers], None);
            assert_eq!(self.note("GET /v1/models", answer).status, 200);
        }
    }

    fn make_refused_calls(&mut self, key: &str) {
        let other = foreign_key();
        self.secrets.push(canary("an unknown key", secret_of(&other)));
        let wrong = format!("{}_{}", id_of(key), secret_of(&other));
        let mut prompt = chat(MODEL);
        prompt["messages"][0]["content"] = PROMPT.into();
        for (key, status) in [(&*other, 401), (&*wrong, 401), (&key[..key.len() - 1], 401)] {
            for path in ["/v1/chat/completions", "/v1/api-keys"] {
                assert_eq!(self.ask("POST", path, key, Some(&prompt)).status, status, "{path}");
            }
        }
        let path = format!("/v1/models?key={key}");
        let answer = self.program.send("GET", &path, &[], None);
        assert_eq!(self.note("GET /v1/models?key=", answer).status, 401);
        let two = [("authorization", format!("Bearer {key}")), ("x-api-key", other)];
        let answer = self.program.send("GET", "/v1/models", &two, None);
        assert_eq!(self.note("two credentials", answer).status, 400);

        for (body, status) in
            [(format!("{{\"model\": \"{PROMPT}"), 400), (chat(PROMPT).to_string(), 404)]
        {
            let headers = [("authorization", format!("Bearer {key}"))];
            let path = "/v1/chat/completions";
            let answer = self.program.send("POST", path, &headers, Some(body.as_bytes()));
            assert_eq!(answer.status, status, "{}", answer.body);
        }
        let body = json!({"name": PROVIDER_KEY_EDITED, "value": {"nested": PROVIDER_KEY}, PROVIDER_KEY: 1});
        let admin = self.program.admin_key();
        assert_eq!(self.program.ask("POST", "/v1/provider-keys", &admin, Some(&body)).status, 400);
    }

    /// An upstream that repeats the credential that it was sent, wherever it can.
    fn provoke_echoes(&mut self, upstream: &Upstream, key: &str) {
        let mut body = chat(MODEL);
        for (name, is_stream, bytes, status) in echoes() {
            upstream.then(Script::Raw(bytes));
            body["stream"] = is_stream.into();
            let answer = self.ask("POST", "/v1/chat/completions", key, Some(&body));
            assert_eq!(answer.status, status, "{name}: {}", answer.body);
            // Said at once, so that the case has its name.
            assert!(
                !is_in(self.said.last().unwrap().text.as_bytes(), PROVIDER_KEY),
                "{name}: {answer:?}"
            );
        }
        let seen = upstream.seen();
        assert!(
            is_in(seen.last().unwrap().head.as_bytes(), PROVIDER_KEY),
            "it is sent to the upstream"
        );
        upstream.then(Script::Reset(1));
        body["stream"] = true.into();
        self.ask("POST", "/v1/chat/completions", key, Some(&body));
        upstream.then(Script::Raw(b"garbage\r\n\r\n".to_vec()));
        assert_eq!(self.ask("POST", "/v1/chat/completions", key, Some(&body)).status, 502);
    }

    fn read_everything(&mut self) {
        let admin = self.program.admin_key();
        for path in ["api-keys", "providers", "provider-keys", "models?view=routes", "audit"] {
            let list = self.ask("GET", &format!("/v1/{path}"), &admin, None);
            assert_eq!(list.status, 200, "{path}: {}", list.body);
        }
        for path in [
            "provider-keys/vaulted",
            "providers/mock",
            "models/canary-model?view=routes",
            "usage?group_by=key,model,day",
            "models",
        ] {
            let answer = self.ask("GET", &format!("/v1/{path}"), &admin, None);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        for path in ["/metrics", "/healthz", "/readyz"] {
            let answer = self.program.send("GET", path, &[], None);
            assert_eq!(self.note(path, answer).status, 200, "{path}");
        }
        for args in [
            &["keys", "list"][..],
            &["keys", "show", "by-api"],
            &["keys", "list", "--json"],
            &["providers", "list"],
            &["provider-keys", "list"],
            &["provider-keys", "show", "vaulted", "--json"],
            &["models", "list"],
            &["models", "show", MODEL],
            &["usage", "--group-by", "key,model"],
        ] {
            self.cli(args);
        }
    }

    /// Finds none of the secrets in what was said, logged and stored, and no prompt or answer in
    /// what was logged and stored; and proves each time that what must be there is found.
    fn search(&self, call_key: &str) {
        let log = self.program.log();
        assert!(
            log.contains(r#""outcome":"done""#) && log.contains("DEBUG"),
            "the log is a fine one: {log}"
        );
        let files = files_of(&self.program.dir.join("data"));
        let stored: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        for expected in [id_of(call_key), MODEL, "sk-", "by-command"] {
            assert!(is_in(&stored, expected), "{expected} must be stored");
        }
        let journals = files
            .iter()
            .filter(|(path, _)| path.components().any(|part| part.as_os_str() == "journal"));
        assert!(journals.count() > 0, "{files:?}");

        let texts = [canary("a prompt", PROMPT), canary("an answer", ANSWER)];
        for canary in self.secrets.iter().chain(&texts) {
            let name = &canary.name;
            assert!(!is_in(log.as_bytes(), &canary.secret), "{name} is in the log");
            for (path, bytes) in &files {
                assert!(!is_in(bytes, &canary.secret), "{name} is in {}", path.display());
            }
        }
        for (said, canary) in
            self.said.iter().flat_map(|said| self.secrets.iter().map(move |canary| (said, canary)))
        {
            assert!(
                !is_in(said.text.as_bytes(), &canary.secret),
                "{} is in what {} said: {}",
                canary.name,
                said.by,
                said.text
            );
        }
    }
}

fn canary(name: &str, secret: impl AsRef<[u8]>) -> Canary {
    Canary { name: name.to_owned(), secret: secret.as_ref().to_owned() }
}

fn secret_of(key: &str) -> &str {
    key.rsplit_once('_').unwrap().1
}

/// A well-formed key that was never made here.
fn foreign_key() -> String {
    let mut random = std::fs::File::open("/dev/urandom").unwrap();
    let key = PlainKey::mint(&"dw".parse::<KeyPrefix>().unwrap(), || {
        let mut byte = [0];
        random.read_exact(&mut byte).unwrap();
        byte[0]
    });
    key.expose().as_str().to_owned()
}

fn text_of(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// Every file below a folder, but for those that hold a secret on purpose.
fn files_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let files =
        files.into_iter().filter(|path| !SECRET_FILES.iter().any(|name| path.ends_with(name)));
    files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .chain(dirs.iter().flat_map(|dir| files_of(dir)))
        .collect()
}

/// Whether a secret is there: as it is, in hexadecimal, or in base64 wherever it begins in it.
fn is_in(bytes: &[u8], secret: impl AsRef<[u8]>) -> bool {
    forms(secret.as_ref()).iter().any(|form| memchr::memmem::find(bytes, form).is_some())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(HEX[usize::from(digit)]))
        .collect()
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex(secret);
    let mut forms = vec![secret.to_owned(), hex.to_uppercase().into(), hex.into()];
    for before in 0..3 {
        let padded = [&[0; 3][..before], secret].concat();
        // The outer characters hold bits of what stands beside the secret.
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            forms.push(encoded[(before * 8).div_ceil(6)..encoded.len() - 1].into());
        }
    }
    forms
}

fn good_answer() -> Vec<u8> {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"});
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage});
    whole(200, "", &body.to_string())
}

fn good_stream() -> Vec<u8> {
    let event =
        json!({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": ANSWER}}]});
    events(&[&format!("data: {event}\n\n"), "data: [DONE]\n\n"])
}

/// Answers that repeat the credential: a name, whether it is a stream, the bytes, and the status
/// that the client gets.
fn echoes() -> Vec<(&'static str, bool, Vec<u8>, u16)> {
    let error = json!({"error": {"message": format!("Incorrect API key provided: {PROVIDER_KEY}."), "type": "x"}});
    let header = format!("x-debug: {PROVIDER_KEY}\r\nopenai-version: {PROVIDER_KEY}\r\n");
    let typed = format!("content-type: application/{PROVIDER_KEY}\r\n");
    let good = json!({"choices": [{"message": {"content": PROVIDER_KEY}}]}).to_string();
    let event = format!("data: {}\n\n", json!({"choices": [{"delta": {"content": PROVIDER_KEY}}]}));
    let (front, back) = PROVIDER_KEY.split_at(12);
    let split =
        [&*format!("data: {{\"error\":{{\"message\":\"{front}"), &*format!("{back}\"}}}}\n\n")];
    let named = format!("event: error\ndata: {{\"message\":\"{PROVIDER_KEY}\"}}\n\n");
    let with_usage = format!(
        "data: {{\"error\":{{\"message\":\"{PROVIDER_KEY}\"}},\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}}}}\n\n"
    );
    let last = format!("data: {{\"error\":{{\"message\":\"{PROVIDER_KEY}\"}}}}");
    vec![
        ("in a refused body", false, whole(400, "", &error.to_string()), 400),
        ("in headers", false, whole(400, &header, "{}"), 400),
        ("in the content type", false, whole(400, &typed, "{}"), 400),
        ("in headers of a good answer", false, whole(200, &header, "{}"), 200),
        ("in a good answer", false, whole(200, "", &good), 200),
        (
            "in two events of a good stream",
            true,
            events(&[&event, &event, "data: [DONE]\n\n"]),
            200,
        ),
        ("in a 401", false, whole(401, &header, &error.to_string()), 502),
        ("in a redirect", false, whole(307, &format!("location: /{PROVIDER_KEY}\r\n"), "{}"), 502),
        (
            "in a status line",
            false,
            format!(
                "HTTP/1.1 500 {PROVIDER_KEY}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            .into_bytes(),
            500,
        ),
        (
            "in something that is not HTTP",
            false,
            format!("{PROVIDER_KEY}\r\n\r\n").into_bytes(),
            502,
        ),
        ("in two chunks of an error event", true, events(&split), 200),
        ("in an event named error", true, events(&[&named]), 200),
        ("in an error event with usage", true, events(&[&with_usage]), 200),
        ("in a last event without its end", true, events(&[&last]), 200),
    ]
}
