//! Models whose names hold slashes, as client libraries ask for them.

use crate::program::Program;

#[test]
fn a_model_with_a_slash_is_shown_however_the_slash_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &[]);
    for name in ["doorward/echo", "doorward%2Fecho", "doorward%2fecho"] {
        let shown = program.ask("GET", &format!("/v1/models/{name}"), program.key(), None);
        assert_eq!((shown.status, &shown.json()["id"]), (200, &"doorward/echo".into()), "{name}");
    }
    for name in ["..%2fapi-keys", "%2e%2e/api-keys", "a%2f%2fb"] {
        let refused = program.ask("GET", &format!("/v1/models/{name}"), program.key(), None);
        assert_eq!(refused.status, 400, "{name}");
    }
}
