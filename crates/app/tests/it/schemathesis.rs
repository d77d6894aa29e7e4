//! Schemathesis over the running program: what the description says is what the program does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::Program;

/// Where `./test` puts the tool.
fn tool() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_doorward")).ancestors().nth(2).unwrap();
    target.join("venv/bin/schemathesis")
}

#[test]
fn the_program_does_what_its_description_says() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A key of an owner, with every scope and no limit.
    let key = program.admin_key();
    let tool = tool();
    let run = Command::new(&tool)
        .current_dir(dir.path())
        .arg("--config-file")
        .arg(repository.join("tests/clients/schemathesis.toml"))
        .args(["run", "--checks", "all", &format!("{}/openapi.json", program.url)])
        .env("DOORWARD_API_KEY", &key)
        .env("DOORWARD_URL", &program.url)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", repository.join("tests/clients"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; ./test sets it up", tool.display()));
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    // Had the key ended on the way, the rest would have been refused and nothing of it tested.
    assert_eq!(program.ask("GET", "/v1/users/me", &key, None).status, 200);
    assert!(!program.log().contains("internal error"), "{}", program.log());
}
