//! Schemathesis over the running program: what the description says is what the program does.

use std::path::Path;
use std::process::Command;

use crate::program::Program;
use crate::python::tool;

#[test]
fn the_program_does_what_its_description_says() {
    let dir = tempfile::tempdir().unwrap();
    // Webhooks are sent to a port of this machine where nothing is.
    let allowed = [("DOORWARD__WEBHOOKS__ALLOW_PRIVATE", "true")];
    let program = Program::start_with(dir.path(), &[], &allowed);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A key of an owner, with every scope and no limit.
    let key = program.admin_key();
    let run = Command::new(tool("schemathesis"))
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
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    // Had the key ended on the way, the rest would have been refused and nothing of it tested.
    assert_eq!(program.ask("GET", "/v1/users/me", &key, None).status, 200);
    assert!(!program.log().contains("internal error"), "{}", program.log());
}
