//! Notices of the running program, by mail and webhook, however it ends.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::program::Program;
use crate::python::tool;
use crate::secrets::files_with;

/// A real mail server, aiosmtpd, from the environment that `./test` makes.
struct Smtp {
    port: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Smtp {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut child = Command::new(tool("python"))
            .arg(root.join("tests/clients/smtp_sink.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { port: first["port"].to_string(), child, input, lines }
    }

    /// The text of the next message.
    fn next(&mut self) -> String {
        let line = self.lines.next().unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        message["data"].as_str().unwrap().to_owned()
    }

    /// How many messages it has taken, once it has ended.
    fn finish(mut self) -> usize {
        drop(self.input.take());
        let messages = self.lines.by_ref().map(Result::unwrap).count();
        self.child.wait().unwrap();
        messages
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Moves the key's life back: for the program, so many hours have passed.
fn pass(dir: &Path, hours: i64) {
    const SQL: &str = "
        UPDATE api_keys SET created_at_us = created_at_us - $1, expires_at_us = expires_at_us - $1,
            noticed_until_us = noticed_until_us - $1
        WHERE name = 'ci'";
    let options = SqliteConnectOptions::new().filename(dir.join("data/doorward.db"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::query(SQL).bind(hours * 3_600_000_000).execute(&pool).await.unwrap();
        pool.close().await;
    });
}

fn count(program: &Program, query: &str) -> usize {
    let path = format!("/v1/notices?{query}");
    let list = program.ask("GET", &path, &program.admin_key(), None).json();
    list["data"].as_array().unwrap().len()
}

fn make(program: &Program, path: &str, body: &Value) -> Value {
    let made = program.ask("POST", path, &program.admin_key(), Some(body));
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()
}

#[test]
fn a_key_that_ends_in_31_days_is_told_by_four_mails_however_the_program_ends() {
    let (smtp, dir) = (Smtp::start(), tempfile::tempdir().unwrap());
    let environment = [
        ("DOORWARD__MAIL__HOST", "127.0.0.1"),
        ("DOORWARD__MAIL__PORT", smtp.port.as_str()),
        ("DOORWARD__MAIL__TLS", "none"),
    ];
    let program = Program::start_with(dir.path(), &[], &environment);
    let said = program.cli(&["settings", "set", "mail-from", "doorward@example.com"]);
    assert!(said.status.success(), "{said:?}");
    let ada = make(
        &program,
        "/v1/users",
        &json!({"name": "ada", "email": "ada@example.com", "role": "member"}),
    );
    let wish = json!({
        "name": "ci", "owner": ada["id"], "scopes": ["inference:read"], "expires_in_days": 31,
    });
    let key = make(&program, "/v1/api-keys", &wish);
    assert_eq!(program.stop(), 0);
    let about = format!("subject={}", key["id"].as_str().unwrap());
    // Hours that pass, and mails sent by then.
    for (n, (hours, mails)) in
        [(20, 0), (5, 1), (200, 1), (190, 2), (2, 2), (180, 3), (130, 4), (10, 4), (100, 4)]
            .into_iter()
            .enumerate()
    {
        pass(dir.path(), hours);
        let program = Program::start_with(dir.path(), &[], &environment);
        while count(&program, &format!("{about}&state=sent")) < mails {}
        assert_eq!(count(&program, &about), mails, "{n}");
        if n % 2 == 0 {
            program.kill();
        } else {
            assert_eq!(program.stop(), 0);
        }
    }
    assert_eq!(smtp.finish(), 4);
}

/// The token of a link in a letter.
fn token_in(letter: &str) -> String {
    let letter = letter.replace("=\r\n", "");
    let start = letter.find("dwl_").unwrap_or_else(|| panic!("{letter}"));
    letter[start..start + 53].to_owned()
}

#[test]
fn an_invitation_and_a_forgotten_password_go_by_mail_and_their_tokens_stay_there() {
    let (mut smtp, dir) = (Smtp::start(), tempfile::tempdir().unwrap());
    let environment = [
        ("RUST_LOG", "trace"),
        ("DOORWARD__MAIL__HOST", "127.0.0.1"),
        ("DOORWARD__MAIL__PORT", smtp.port.as_str()),
        ("DOORWARD__MAIL__TLS", "none"),
        ("DOORWARD__SERVER__PUBLIC_URL", "https://models.example.com"),
    ];
    let program = Program::start_with(dir.path(), &[], &environment);
    let said = program.cli(&["settings", "set", "mail-from", "doorward@example.com"]);
    assert!(said.status.success(), "{said:?}");
    let invite = ["users", "create", "ada", "--email", "ada@example.com", "--invite"];
    let said = String::from_utf8(program.cli(&invite).stdout).unwrap();
    assert!(said.contains("by a letter to ada@example.com") && !said.contains("dwl_"), "{said}");
    let invitation = smtp.next();
    assert!(invitation.contains("--link --url https://models.example.com"), "{invitation}");

    let accept = |kind: &str, letter: &str, password: &str| {
        let body = json!({"token": token_in(letter), "password": password}).to_string();
        let path = format!("/v1/{kind}/accept");
        assert_eq!(program.send("POST", &path, &[], Some(body.as_bytes())).status, 204);
        let body = json!({"email": "ada@example.com", "password": password}).to_string();
        program.send("POST", "/v1/sessions", &[], Some(body.as_bytes())).status
    };
    assert_eq!(accept("invitations", &invitation, "a strange engine 42"), 201);
    let body = json!({"email": "ada@example.com"}).to_string();
    let asked = program.send("POST", "/v1/password-resets", &[], Some(body.as_bytes()));
    assert_eq!((asked.status, asked.body.as_str()), (202, ""));
    let reset = smtp.next();
    assert_eq!(accept("password-resets", &reset, "another strange 42"), 201);
    while count(&program, "state=sent") < 2 {}
    let again = json!({"token": token_in(&reset), "password": "a third strange 42"}).to_string();
    let used = program.send("POST", "/v1/password-resets/accept", &[], Some(again.as_bytes()));
    assert_eq!((used.status, &used.json()["code"]), (400, &json!("invalid_link")));
    assert!(program.log().contains("DEBUG"), "the log is a fine one");
    program.kill();
    let tokens = [&invitation, &reset].map(|letter| token_in(letter)[4..47].to_owned());
    assert_eq!(files_with(dir.path(), &tokens), Vec::<String>::new());
    assert_eq!(smtp.finish(), 0);
}

/// Takes one request and answers it.
fn take(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("webhook.test") {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).unwrap();
        assert!(n > 0, "cut off");
        request.extend_from_slice(&part[..n]);
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    String::from_utf8(request).unwrap()
}

#[test]
fn a_webhook_is_made_and_tested_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let allowed = [("DOORWARD__WEBHOOKS__ALLOW_PRIVATE", "true")];
    let program = Program::start_with(dir.path(), &[], &allowed);
    let cli = |args: &[&str]| {
        let said = program.cli(args);
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    assert!(cli(&["webhooks", "create", "ops", "--to", &url]).contains("whsec_"));
    let list = cli(&["webhooks", "list"]);
    assert!(list.contains(&url) && !list.contains("whsec_"), "{list}");
    cli(&["webhooks", "test", "ops"]);
    let request = take(&listener);
    let id = request.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap();
    while count(&program, "state=sent") < 1 {}
    let notices = cli(&["notices", "list", "--state", "sent"]);
    assert!(notices.contains(id) && notices.contains("webhook.test"), "{notices}");
    assert!(!program.cli(&["notices", "retry", id]).status.success(), "it was delivered");
    cli(&["webhooks", "delete", "ops"]);
    assert!(cli(&["notices", "list"]).contains("There are no notices."));
}
