//! The format is not ours: the tool of its makers opens what is sealed here, and the other way round.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use doorward_store::age::{self, Passphrase};
use secrecy::SecretString;

const PASSPHRASE: &str = "correct horse battery";

fn passphrase() -> Passphrase {
    Passphrase::new(SecretString::from(PASSPHRASE)).unwrap()
}

/// More than one chunk.
fn plain() -> Vec<u8> {
    (0..70_000_u32).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect()
}

/// Runs `age`, which asks a terminal for the passphrase; `script` is one.
fn run(dir: &Path, command: &str, typed: &str) {
    let mut child = Command::new("script")
        .args(["-qec", command, "/dev/null"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of the Debian package bsdutils");
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    // The keyboard stays until the end: a terminal that hangs up ends what runs on it.
    let done = child.wait_with_output().unwrap();
    drop(keyboard);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "`{command}`, of the Debian package age: {said}");
}

#[test]
fn the_standard_tool_opens_what_is_sealed_here() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = age::seal(&passphrase(), &plain()).unwrap();
    std::fs::write(dir.path().join("sealed"), sealed).unwrap();
    run(dir.path(), "age -d -o opened sealed", &format!("{PASSPHRASE}\n"));
    assert_eq!(std::fs::read(dir.path().join("opened")).unwrap(), plain());
}

#[test]
fn what_the_standard_tool_seals_opens_here() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plain"), plain()).unwrap();
    let typed = format!("{PASSPHRASE}\n{PASSPHRASE}\n");
    run(dir.path(), "age -p -o sealed plain", &typed);
    let sealed = std::fs::read(dir.path().join("sealed")).unwrap();
    assert!(age::is_sealed(&sealed));
    let opened = age::open(&passphrase(), &sealed, 1 << 20).unwrap();
    assert_eq!(opened.as_slice(), plain());
}
