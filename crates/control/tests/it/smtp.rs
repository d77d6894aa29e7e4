//! A real mail server, aiosmtpd, from the environment that `./test` makes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Far more than a message takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server. What it says is a line of JSON for each message.
#[derive(Debug)]
pub(crate) struct Smtp {
    pub(crate) port: u16,
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<Value>,
}

impl Smtp {
    pub(crate) async fn start(args: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(root().join("tests/clients/smtp_sink.py"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, mut lines) = unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let first = tokio::time::timeout(PATIENCE, lines.recv()).await.unwrap();
        let port = first.expect("the mail server starts")["port"].as_u64().unwrap();
        Self { port: u16::try_from(port).unwrap(), child, input, lines }
    }

    /// The next thing that it has to say.
    pub(crate) async fn next(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.lines.recv()).await.unwrap().unwrap()
    }

    /// Everything that it has said since, once it has ended.
    pub(crate) async fn finish(mut self) -> Vec<Value> {
        drop(self.input.take());
        let mut said = Vec::new();
        while let Some(line) = tokio::time::timeout(PATIENCE, self.lines.recv()).await.unwrap() {
            said.push(line);
        }
        self.child.wait().unwrap();
        said
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The interpreter of the environment that `DOORWARD_TEST_VENV` names, else of `target/venv`.
fn python() -> PathBuf {
    let named = std::env::var_os("DOORWARD_TEST_VENV").map(PathBuf::from);
    let venv = named.unwrap_or_else(|| root().join("target/venv"));
    let python = venv.join("bin/python");
    assert!(
        python.is_file(),
        "{} is missing. `./test` makes it; by hand: python3 -m venv target/venv && \
         target/venv/bin/pip install --require-hashes -r tests/clients/requirements.txt",
        python.display()
    );
    python
}

/// A header of a message.
pub(crate) fn header<'a>(message: &'a Value, name: &str) -> &'a str {
    let data = message["data"].as_str().unwrap();
    let head = data.split("\r\n\r\n").next().unwrap();
    let start = format!("{name}: ");
    head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{head}"))
}
