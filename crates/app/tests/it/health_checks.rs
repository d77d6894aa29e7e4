//! Providers that are asked whether they are there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Answer, Program};
use crate::upstream::CHAT;

const SECRET: &str = "sk-checked-0123456789";

/// How long something that must come is awaited before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A provider that answers all checks with one status and all calls with one, and takes down what it was asked.
struct Checked {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to_checks: AtomicU16,
    to_calls: AtomicU16,
    /// Heads of `GET` requests: the checks.
    checks: Mutex<Vec<String>>,
    changed: Condvar,
    calls: Mutex<usize>,
    is_over: AtomicBool,
}

impl Checked {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to_checks: AtomicU16::new(200),
            to_calls: AtomicU16::new(200),
            checks: Mutex::default(),
            changed: Condvar::new(),
            calls: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(&shared, &stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// Answers so from the next request on.
    fn is(&self, status: u16) {
        self.answers(status, status);
    }

    fn answers(&self, to_checks: u16, to_calls: u16) {
        self.shared.to_checks.store(to_checks, Ordering::Relaxed);
        self.shared.to_calls.store(to_calls, Ordering::Relaxed);
    }

    /// Waits until so many more checks were begun.
    fn await_checks(&self, more: usize) {
        let checks = self.shared.checks.lock().unwrap();
        let wanted = checks.len() + more;
        let is_waiting = |checks: &mut Vec<String>| checks.len() < wanted;
        let (checks, _) =
            self.shared.changed.wait_timeout_while(checks, PATIENCE, is_waiting).unwrap();
        assert!(checks.len() >= wanted, "{} of {wanted} checks came", checks.len());
    }

    fn checks(&self) -> Vec<String> {
        self.shared.checks.lock().unwrap().clone()
    }

    fn calls(&self) -> usize {
        *self.shared.calls.lock().unwrap()
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address).ok();
    }
}

fn serve(shared: &Shared, mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let before = head.len();
            if reader.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
            if let Some(told) = head[before..].strip_prefix("content-length: ") {
                length = told.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let (status, body) = if head.starts_with("GET ") {
            shared.checks.lock().unwrap().push(head);
            shared.changed.notify_all();
            (&shared.to_checks, r#"{"object":"list","data":[]}"#)
        } else {
            *shared.calls.lock().unwrap() += 1;
            (&shared.to_calls, CHAT)
        };
        let status = status.load(Ordering::Relaxed);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A model on a provider that is checked and on another one behind it.
struct House {
    program: Program,
    first: Checked,
    second: Checked,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(check: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::start(dir.path(), &[]);
        let (first, second) = (Checked::start(), Checked::start());
        program.add_provider_of(
            "openai-compatible",
            "first",
            &first.address.to_string(),
            Some(SECRET),
        );
        program.add_provider("second", &second.address.to_string());
        let on = json!([{"provider": "p-first"}, {"provider": "p-second", "priority": 1}]);
        program.add_deployed("m", None, &on);
        let house = Self { program, first, second, _dir: dir };
        house.check("p-first", check);
        house
    }

    fn check(&self, provider: &str, check: &Value) {
        let path = format!("/v1/providers/{provider}");
        let edit = json!({"health_check": check});
        let edited = self.program.ask("PATCH", &path, &self.program.admin_key(), Some(&edit));
        assert_eq!(edited.status, 200, "{}", edited.body);
    }

    fn call(&self) -> Answer {
        self.program.chat(self.program.key(), "m")
    }

    /// What `/metrics` says of the deployment at a provider.
    fn state(&self, provider: &str) -> String {
        let metrics = self.program.send("GET", "/metrics", &[], None).body;
        let is_it = |line: &&str| {
            line.starts_with("doorward_deployment_state{")
                && line.contains(&format!("provider=\"{provider}\""))
        };
        let line = metrics.lines().find(is_it).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    /// How the deployment at a provider is, as the management API tells it.
    fn told(&self, provider: &str) -> Value {
        let ask =
            |path: &str| self.program.ask("GET", path, &self.program.admin_key(), None).json();
        let provider = ask(&format!("/v1/providers/{provider}"));
        let model = ask("/v1/models/m?view=routes");
        let mut deployments = model["deployments"].as_array().unwrap().iter();
        let found = deployments.find(|deployment| deployment["provider"] == provider["id"]);
        found.unwrap()["health"].clone()
    }
}

#[test]
fn a_deployment_that_goes_down_is_out_before_a_call_meets_it_and_in_again_when_it_is_back() {
    let house = House::start(&json!({"interval_seconds": 1}));
    house.first.await_checks(2);
    let answer = house.call();
    assert_eq!((answer.status, answer.header("x-doorward-provider")), (200, "p-first"));
    assert_eq!((house.state("p-first"), house.first.calls()), ("0".to_owned(), 1));

    house.first.is(500);
    // Five in a row are too much; the next one comes when their answers were understood.
    house.first.await_checks(6);
    assert_eq!(house.state("p-first"), "2");
    let answer = house.call();
    let told =
        (answer.status, answer.header("x-doorward-provider"), answer.header("x-doorward-attempts"));
    assert_eq!(told, (200, "p-second", ""), "nobody waits for the one that is down");
    assert_eq!((house.first.calls(), house.second.calls()), (1, 1));

    house.first.is(200);
    // One good one is enough; the next one comes when it was understood.
    house.first.await_checks(2);
    assert_eq!(house.state("p-first"), "0");
    let answer = house.call();
    assert_eq!((answer.status, answer.header("x-doorward-provider")), (200, "p-first"));
    assert!(house.program.metric("doorward_health_checks_total{result=\"good\"}") >= 2);
    assert!(house.program.metric("doorward_health_checks_total{result=\"failed\"}") >= 5);
    let log = house.program.log();
    assert!(log.contains("a deployment is left alone") && !log.contains(SECRET), "{log}");
    assert_eq!(house.program.stop(), 0);
}

#[test]
fn what_is_asked_is_the_list_of_models_or_the_path_with_the_credential_and_of_nobody_unasked() {
    let house = House::start(&json!({"interval_seconds": 1}));
    house.first.await_checks(1);
    house.check("p-first", &json!({"interval_seconds": 1, "path": "/health?deep=1"}));
    house.first.await_checks(3);
    let checks = house.first.checks();
    let (first, last) = (checks.first().unwrap(), checks.last().unwrap());
    assert!(first.starts_with("GET /v1/models HTTP/1.1\r\n"), "{first}");
    assert!(last.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{last}");
    assert!(
        checks.iter().all(|head| head.contains(&format!("authorization: Bearer {SECRET}\r\n")))
    );
    assert!(house.second.checks().is_empty(), "it has no check");

    // No more of it when it is ended: another one's checks tell that time goes by.
    house.check("p-second", &json!({"interval_seconds": 1}));
    house.check("p-first", &Value::Null);
    let before = house.first.checks().len();
    house.second.await_checks(4);
    // One may have been on its way.
    assert!(house.first.checks().len() <= before + 1);
    // Nor when nothing is served there any more.
    let gone = house.program.cli(&["models", "delete", "m"]);
    assert!(gone.status.success(), "{gone:?}");
    let before = house.second.checks().len();
    house.check("p-first", &json!({"interval_seconds": 1}));
    house.program.add_deployed("n", None, &json!([{"provider": "p-first"}]));
    house.first.await_checks(4);
    assert!(house.second.checks().len() <= before + 1);
}

#[test]
fn whoever_says_no_to_a_check_is_there_and_its_credential_serves_calls() {
    let house = House::start(&json!({"interval_seconds": 1, "path": "/nowhere"}));
    for status in [404, 401, 403, 429] {
        house.first.answers(status, 200);
        house.first.await_checks(6);
        assert_eq!(house.state("p-first"), "0", "{status}");
        assert_eq!(house.call().header("x-doorward-provider"), "p-first", "{status}");
    }
    assert!(house.program.metric("doorward_health_checks_total{result=\"failed\"}") >= 15);
}

#[test]
fn a_dead_engine_behind_a_list_of_models_is_left_alone_all_the_same() {
    let house = House::start(&json!({"interval_seconds": 1}));
    house.first.answers(200, 500);
    house.first.await_checks(1);
    for _ in 0..5 {
        assert_eq!(house.call().header("x-doorward-provider"), "p-second");
    }
    house.first.await_checks(4);
    assert_ne!(house.state("p-first"), "0", "good checks do not end what calls began");
    // The trial, which fails, and the next call, which goes past.
    assert_eq!([house.call().status, house.call().status], [200, 200]);
    assert_eq!(house.first.calls(), 6);
    house.first.is(200);
    house.first.await_checks(4);
    assert_eq!(house.call().header("x-doorward-provider"), "p-first", "the trial is a call");
    assert_eq!(house.state("p-first"), "0");
}

#[test]
fn what_checks_held_against_a_deployment_is_void_when_they_are_switched_off() {
    let house = House::start(&json!({"interval_seconds": 1}));
    house.first.answers(500, 200);
    house.first.await_checks(6);
    assert_eq!(house.call().header("x-doorward-provider"), "p-second");
    let health = || house.told("p-first");
    assert_eq!(
        (&health()["state"], &health()["resting"][0]["reason"]),
        (&json!("open"), &json!("checks"))
    );
    house.check("p-first", &Value::Null);
    assert_eq!(house.call().header("x-doorward-provider"), "p-first");
    assert_eq!(health(), json!({"state": "closed", "is_known": true, "resting": []}));
}
