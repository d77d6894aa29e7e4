//! The built program, started in a temporary folder on a free port.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http;

/// A running `doorward quickstart`. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) dir: PathBuf,
    /// What `--json` printed: `endpoint`, `key`, `access_key`, `secret_key`, `admin_key`, `models`.
    pub(crate) ready: Value,
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
}

/// A status, headers and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    /// As text.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: http::HeaderMap, bytes: Vec<u8>) -> Self {
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Self { status, headers, body, bytes }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The command with a clean environment: nothing of the machine's own set-up reaches the program.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

impl Program {
    /// Starts in a folder, with more arguments for `quickstart`.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_with(dir, args, &[])
    }

    /// The same with more of an environment.
    pub(crate) fn start_with(dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::try_start(dir, args, environment).unwrap_or_else(|log| panic!("did not start: {log}"))
    }

    /// The log, where it does not start.
    pub(crate) fn try_start(
        dir: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let data = dir.join("data");
        let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
        let default: &[_] =
            if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = command(&["quickstart", "--json", "--data"])
            .arg(&data)
            .args(default)
            .args(args)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            child.wait().unwrap();
            return Err(std::fs::read_to_string(dir.join("log")).unwrap());
        };
        let endpoint = ready["endpoint"].as_str().unwrap();
        let url = endpoint.trim_end_matches("/v1").to_owned();
        Ok(Self { child, dir: dir.to_owned(), ready, url })
    }

    /// The key that quickstart printed.
    pub(crate) fn key(&self) -> &str {
        self.ready["key"].as_str().expect("a key is printed at the first start only")
    }

    /// The administrator's key, from its file.
    pub(crate) fn admin_key(&self) -> String {
        std::fs::read_to_string(self.dir.join("data/admin.key")).unwrap().trim().to_owned()
    }

    /// Everything that the program said on its standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// One request, of which no status is an error. `body`: JSON, sent with `POST` or `PATCH`.
    pub(crate) fn ask(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let headers = [("authorization", format!("Bearer {key}"))];
        let body = body.map(ToString::to_string);
        self.send(method, path, &headers, body.as_deref().map(str::as_bytes))
    }

    /// One request with these headers and bytes.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<&[u8]>,
    ) -> Answer {
        let json = [("content-type", "application/json".to_owned())];
        let headers = [headers, if body.is_some() { &json } else { &[] }].concat();
        self.send_with(method, path, &headers, body.unwrap_or_default())
    }

    /// One `POST` with these headers and no others.
    pub(crate) fn send_as(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        self.send_with("POST", path, headers, body)
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Answer {
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body.to_vec()).unwrap();
        let mut answer = agent().run(request).unwrap();
        let headers = answer.headers().clone();
        let bytes = answer.body_mut().read_to_vec().unwrap_or_default();
        Answer::new(answer.status().as_u16(), headers, bytes)
    }

    /// One chat completion.
    pub(crate) fn chat(&self, key: &str, model: &str) -> Answer {
        self.ask("POST", "/v1/chat/completions", key, Some(&chat(model)))
    }

    /// A chat completion's stream, to be read while it comes.
    pub(crate) fn stream(&self, key: &str, model: &str) -> impl Read + use<> {
        self.stream_of(key, chat(model))
    }

    /// The stream of this chat request.
    pub(crate) fn stream_of(&self, key: &str, mut body: Value) -> impl Read + use<> {
        body["stream"] = true.into();
        self.stream_from("/v1/chat/completions", key, &body)
    }

    /// The stream that this request asks for.
    pub(crate) fn stream_from(&self, path: &str, key: &str, body: &Value) -> impl Read + use<> {
        let answer = agent()
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {key}"))
            .send(body.to_string().as_bytes())
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer.into_body().into_reader()
    }

    /// Makes a provider `p-<name>` for this address and a model of this name on it, priced in dollars
    /// per million tokens of input and output, or free.
    pub(crate) fn add_model(&self, name: &str, address: &str, price: Option<(&str, &str)>) {
        let provider = self.add_provider(name, address);
        self.add_deployed(name, price, &json!([{"provider": provider}]));
    }

    /// Makes a provider `p-<name>` for this address and returns its name.
    pub(crate) fn add_provider(&self, name: &str, address: &str) -> String {
        self.add_provider_of("openai-compatible", name, address, None)
    }

    /// The same of another kind, with a credential of its own.
    pub(crate) fn add_provider_of(
        &self,
        kind: &str,
        name: &str,
        address: &str,
        secret: Option<&str>,
    ) -> String {
        let provider = format!("p-{name}");
        let base_url = format!("http://{address}/v1");
        let mut body = json!({"name": provider, "kind": kind, "base_url": base_url});
        if let Some(secret) = secret {
            self.add_provider_key(&provider, secret);
            body["provider_keys"] = json!([provider]);
        }
        self.make("/v1/providers", &body);
        provider
    }

    /// Puts a provider's credential into the vault.
    pub(crate) fn add_provider_key(&self, name: &str, value: &str) {
        self.make("/v1/provider-keys", &json!({"name": name, "value": value}));
    }

    /// Makes a model on these deployments.
    pub(crate) fn add_deployed(&self, name: &str, price: Option<(&str, &str)>, on: &Value) {
        let price = match price {
            None => json!("free"),
            Some((input, output)) => json!({"input": input, "output": output}),
        };
        self.add_priced(name, &price, on);
    }

    /// The same at any price, in dollars by the names of what is sold.
    pub(crate) fn add_priced(&self, name: &str, price: &Value, on: &Value) {
        self.make("/v1/models", &json!({"name": name, "price": price, "deployments": on}));
    }

    fn make(&self, path: &str, body: &Value) {
        let made = self.ask("POST", path, &self.admin_key(), Some(body));
        assert_eq!(made.status, 201, "{}", made.body);
    }

    /// Makes a key and returns its clear text. `wish` needs a name.
    pub(crate) fn make_key(&self, wish: &Value) -> String {
        let made = self.ask("POST", "/v1/api-keys", &self.admin_key(), Some(wish));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["key"].as_str().unwrap().to_owned()
    }

    /// The usage of one model, all its calls summed up.
    pub(crate) fn usage(&self, model: &str) -> Value {
        let admin = self.admin_key();
        let report = self.ask("GET", "/v1/usage?group_by=model", &admin, None).json();
        let rows = report["data"].as_array().unwrap();
        rows.iter().find(|row| row["model"] == model).cloned().unwrap_or_default()
    }

    /// The value of one metric that counts.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.send("GET", "/metrics", &[], None).body;
        let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    }

    /// Waits until every call is settled: nobody is told when one whose client left is.
    pub(crate) fn await_settled(&self) {
        let begun = std::time::Instant::now();
        while self.metric("doorward_calls_in_flight") > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "a call does not end");
            std::thread::yield_now();
        }
    }

    /// A command of the program, against this server.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        let data = self.dir.join("data");
        command(args).args(["--url", &self.url, "--data"]).arg(data).output().unwrap()
    }

    /// Ends it in order and waits; the exit code.
    pub(crate) fn stop(self) -> i32 {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends it without a chance to do anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// A small chat request.
pub(crate) fn chat(model: &str) -> Value {
    json!({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]})
}

/// The key's public id.
pub(crate) fn id_of(key: &str) -> &str {
    key.rsplit_once('_').unwrap().0
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_mins(1)))
        .build()
        .into()
}
