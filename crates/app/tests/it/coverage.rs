//! `docs/coverage.md` names the test that holds each sentence; here it is held to that.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between backquotes and has `::` in it: `file::test`, `domain::file::test`, or, of a page of the
/// portal, `portal keys::create::test`.
fn named(page: &str) -> Vec<&str> {
    page.split('`').skip(1).step_by(2).filter(|text| text.contains("::")).collect()
}

/// The files in which a test of this name may be.
fn files(name: &str) -> Vec<PathBuf> {
    if let Some((page, _)) = name.strip_prefix("portal ").and_then(|name| name.rsplit_once("::")) {
        let file = format!("crates/portal/src/pages/{}.rs", page.replace("::", "/"));
        return vec![root().join(file)];
    }
    let (place, file) = match name.split("::").collect::<Vec<_>>()[..] {
        ["domain", file, _] => (vec!["crates/domain/src"], file),
        [file, _] => match file.strip_prefix("store ") {
            Some(file) => (vec!["crates/store/tests/it"], file),
            None => (
                vec!["crates/app/tests/it", "crates/control/tests/it", "crates/store/tests/it"],
                file,
            ),
        },
        _ => panic!("{name} is not file::test"),
    };
    place.iter().map(|folder| root().join(folder).join(format!("{file}.rs"))).collect()
}

#[test]
fn every_test_that_the_table_of_promises_names_is_there() {
    let page = fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 100, "the table is read: {}", named.len());
    for name in named {
        let test = name.rsplit("::").next().unwrap();
        let is_there = files(name)
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .any(|source| test == "*" || source.contains(&format!("fn {test}(")));
        assert!(is_there, "there is no test {name}");
    }
}
