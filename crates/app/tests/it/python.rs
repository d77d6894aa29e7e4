//! The Python environment that `./test` makes: real servers and clients that tests talk to.

use std::path::{Path, PathBuf};

/// A program of the environment, such as `python`.
pub(crate) fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("DOORWARD_TEST_VENV").map(PathBuf::from);
    let tool = named.unwrap_or_else(|| root.join("target/venv")).join("bin").join(name);
    assert!(tool.is_file(), "{} is missing: ./test makes it", tool.display());
    tool
}
