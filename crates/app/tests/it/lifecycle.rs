//! Start, refusal to start, and the end.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::program::{Program, command};
use crate::upstream::{Script, Upstream};

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_unharmed() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let data = dir.path().join("data");
    for subcommand in ["serve", "quickstart"] {
        let args = [subcommand, "--listen", "127.0.0.1:0", "--data"];
        let second = command(&args).arg(&data).output().unwrap();
        let said = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(4), "{said}");
        assert!(said.contains("already running on"), "{said}");
        let offers_a_key = said.contains(&program.url) && said.contains("keys create NAME --data");
        assert_eq!(offers_a_key, subcommand == "quickstart", "{said}");
    }
    assert_eq!(program.chat(program.key(), "doorward/echo").status, 200);
}

/// Every file of a folder that holds data, with its bytes. No data are the lock, in which the
/// process puts its number, and what SQLite leaves when it is not closed: an index, an empty log.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(contents(&entry.path()));
            continue;
        }
        let (name, bytes) =
            (entry.path().display().to_string(), std::fs::read(entry.path()).unwrap());
        if entry.file_name() != "doorward.lock" && !name.ends_with("-shm") && !bytes.is_empty() {
            files.push((name, bytes));
        }
    }
    files.sort();
    files
}

#[test]
fn a_wrong_master_key_says_so_and_leaves_the_data_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    Program::start(dir.path(), &[]).stop();
    let data = dir.path().join("data");
    let right = std::fs::read(data.join("master.key")).unwrap();
    let wrong = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=";
    #[rustfmt::skip]
    let cases = [
        (Some(wrong),  "not the one that this data was written under"),
        (Some("junk"), "is not 32 bytes in base64"),
        (None,         "does not exist"),
    ];
    for (master_key, said) in cases {
        match master_key {
            Some(text) => std::fs::write(data.join("master.key"), text).unwrap(),
            None => std::fs::remove_file(data.join("master.key")).unwrap(),
        }
        let before = contents(&data);
        let refused = command(&["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output();
        let refused = refused.unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(3), "{error}");
        assert!(error.contains(said), "{error}");
        let after = contents(&data);
        let names =
            |files: &[(String, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before), "{master_key:?}");
        assert!(after == before, "{master_key:?}: a file has changed");
    }
    std::fs::write(data.join("master.key"), right).unwrap();
    assert_eq!(Program::start(dir.path(), &[]).stop(), 0);
}

/// Waits until the program accepts nothing more.
fn wait_until_closed(program: &Program) {
    let address = program.url.strip_prefix("http://").unwrap();
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on accepting");
        std::thread::yield_now();
    }
}

#[test]
fn a_running_stream_may_finish_after_the_signal_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Hang(3));
    let url = format!("http://{}", upstream.address);
    let program = Program::start(dir.path(), &["--upstream", &url]);
    let mut stream = program.stream(program.key(), "mock");
    let mut first = [0; 16];
    stream.read_exact(&mut first).unwrap();
    program.signal("TERM");
    wait_until_closed(&program);
    upstream.release();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches(" token").count(), 3, "{rest}");
    assert_eq!(program.wait(), 0);
    assert!(!dir.path().join("data/endpoint").exists());
}

#[test]
fn a_second_signal_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Script::Hang(3));
    let url = format!("http://{}", upstream.address);
    let program = Program::start(dir.path(), &["--upstream", &url]);
    let mut stream = program.stream(program.key(), "mock");
    stream.read_exact(&mut [0; 16]).unwrap();
    program.signal("INT");
    wait_until_closed(&program);
    assert!(program.log().contains("waits up to 30 s for 1 running call"), "{}", program.log());
    program.signal("TERM");
    assert_eq!(program.wait(), 130);
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_that_names_another() {
    let dir = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    for subcommand in ["serve", "quickstart"] {
        let args = [subcommand, "--listen", &taken.to_string(), "--data"];
        let refused = command(&args).arg(dir.path().join("data")).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot listen on {taken}: another program")), "{said}");
        assert!(said.contains("--listen 127.0.0.1:"), "{said}");
    }
    drop(holder);
}

#[test]
fn what_operators_and_their_machines_ask() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let get = |path| program.send("GET", path, &[], None);
    assert_eq!((get("/healthz").status, get("/healthz").body.as_str()), (200, "ok"));
    assert_eq!(get("/readyz").status, 200);
    assert_eq!(program.send("POST", "/healthz", &[], None).status, 405);
    let before = program.metric("doorward_key_lookups_total");
    program.chat(program.key(), "doorward/echo");
    assert!(program.metric("doorward_key_lookups_total") > before);
    assert!(get("/metrics").header("content-type").starts_with("text/plain; version=0.0.4"));
}

#[test]
fn figures_are_for_those_whom_the_configuration_names() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = [("DOORWARD__SERVER__METRICS_FROM", "10.0.0.0/8")];
    let program = Program::start_with(dir.path(), &[], &elsewhere);
    assert_eq!(program.send("GET", "/metrics", &[], None).status, 404);
}

#[test]
fn an_address_that_others_reach_has_tls_which_the_command_line_trusts() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["--listen", "0.0.0.0:0"]);
    assert!(program.url.starts_with("https://127.0.0.1:"), "{}", program.url);
    let data = dir.path().join("data");
    let listed = command(&["keys", "list", "--data"]).arg(&data).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    // Nobody else does without being told to.
    let ask = |url: &str| {
        let asked = command(&["keys", "list", "--url", url, "--data"]).arg(&data).output().unwrap();
        assert_eq!(asked.status.code(), Some(1));
        String::from_utf8(asked.stderr).unwrap()
    };
    let said = ask(&program.url);
    assert!(said.contains("TLS") && said.contains("--ca FILE"), "{said}");
    assert!(!said.contains("is it running?"), "{said}");
    let said = ask(&program.url.replace("https", "http"));
    assert!(said.contains("if it serves TLS, write https://"), "{said}");
    let ca = data.join("tls.pem");
    let mut told = command(&["keys", "list", "--url", &program.url, "--ca"]);
    assert!(told.arg(&ca).arg("--data").arg(&data).output().unwrap().status.success());
    let mut told = command(&["keys", "list", "--data"]);
    told.arg(&data).env("DOORWARD_URL", &program.url).env("DOORWARD_CA", &ca);
    assert!(told.output().unwrap().status.success());
}
