use std::path::PathBuf;

use super::*;

fn remote(data: &Path, url: Option<&str>) -> Remote {
    Remote { url: url.map(str::to_owned), data: data.to_owned(), ca: None, json: false }
}

#[test]
fn where_the_server_is_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let empty = Environment::of(&[]);
    let own_key = Environment::of(&[("DOORWARD_API_KEY", "dw_env")]);
    let url = |remote: &Remote| find_url(remote, &empty).unwrap();
    let default = find_url(&remote(dir.path(), None), &own_key).unwrap();
    assert_eq!((default.0.as_str(), default.1), ("http://127.0.0.1:8440/", true));
    let lock = File::create(dir.path().join(LOCK_FILE)).unwrap();
    lock.try_lock().unwrap();
    std::fs::write(dir.path().join(ENDPOINT_FILE), "https://127.0.0.1:9999\n").unwrap();
    let running = url(&remote(dir.path(), None));
    assert_eq!((running.0.as_str(), running.1), ("https://127.0.0.1:9999/", true));
    lock.unlock().unwrap();
    let gone = find_url(&remote(dir.path(), None), &empty).unwrap_err().to_string();
    assert!(gone.contains("no doorward runs on"), "{gone}");
    let named = url(&remote(dir.path(), Some("http://h:1/base")));
    assert_eq!((named.0.as_str(), named.1), ("http://h:1/base", false));
    for printed in ["http://h:1/v1", "http://h:1/v1/", "http://h:1/"] {
        assert_eq!(url(&remote(dir.path(), Some(printed))).0.as_str(), "http://h:1/");
    }
}

#[test]
fn blank_variables_are_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let remote = remote(dir.path(), None);
    let set = Environment::of(&[("DOORWARD_URL", "http://h:1"), ("DOORWARD_API_KEY", "dw_env")]);
    assert_eq!(find_url(&remote, &set).unwrap().0.as_str(), "http://h:1/");
    let blank = Environment::of(&[("DOORWARD_URL", " "), ("DOORWARD_API_KEY", "")]);
    assert!(find_url(&remote, &blank).unwrap_err().to_string().contains("no doorward runs on"));
    assert!(find_key(&remote, &blank).is_err());
}

#[test]
fn a_url_that_is_none_or_holds_a_key_is_refused() {
    for url in ["", "ftp://h", "h:1", "http://dw_a:secret@h"] {
        let remote = remote(Path::new("/nonexistent"), Some(url));
        let refused = find_url(&remote, &Environment::of(&[])).unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
    let remote = remote(Path::new("/nonexistent"), None);
    let set = Environment::of(&[("DOORWARD_URL", "localhost:8440")]);
    let refused = find_url(&remote, &set).unwrap_err().to_string();
    let expected = "DOORWARD_URL `localhost:8440` has no scheme: write http://localhost:8440";
    assert_eq!(refused, expected);
}

#[test]
fn the_key_of_the_environment_is_stronger_than_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let remote = remote(dir.path(), None);
    let empty = Environment::of(&[]);
    let missing = find_key(&remote, &empty).unwrap_err().to_string();
    assert!(missing.contains("DOORWARD_API_KEY") && missing.contains("admin.key"), "{missing}");
    std::fs::write(dir.path().join(admin_key::FILE), "dw_file\n").unwrap();
    assert_eq!(find_key(&remote, &empty).unwrap().expose_secret(), "dw_file");
    let set = Environment::of(&[("DOORWARD_API_KEY", "dw_env")]);
    assert_eq!(find_key(&remote, &set).unwrap().expose_secret(), "dw_env");
}

#[test]
fn a_refusal_is_readable() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"detail":"There is no such key."}"#,                               "There is no such key."),
        (r#"{"detail":"`a`: bad","errors":[{"field":"a","detail":"bad","code":"x"}]}"#, "`a`: bad"),
        (r#"{"detail":"`a`: 1; `b`: 2","errors":[{"field":"a","detail":"1"},{"field":"b","detail":"2"}]}"#,
            "the server refuses these fields\n  a: 1\n  b: 2"),
        (r#"{"detail":"Too strong.","errors":[{"field":"scopes","detail":"not yours"}]}"#,
            "Too strong.\n  scopes: not yours"),
        ("{}",                                                                  "http://h answers 400 Bad Request"),
    ];
    for (body, expected) in cases {
        let body = serde_json::from_str(body).unwrap();
        assert_eq!(refusal(http::StatusCode::BAD_REQUEST, body, "http://h").to_string(), expected);
    }
}

#[test]
fn a_file_without_certificates_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path: PathBuf = file.path().into();
    let error = agent(Some(&path), TIMEOUT).unwrap_err().to_string();
    assert!(error.contains("holds no certificate"), "{error}");
}
