//! The description of the API: it is what the code serves, and what the repository keeps.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use doorward_control::{Access, openapi_json, policies};
use http::Request;
use serde_json::{Value, json};

use crate::app::TestApp;

const UPDATE: &str = "UPDATE_OPENAPI";

fn document() -> Value {
    serde_json::from_str(&openapi_json().unwrap()).unwrap()
}

/// Method, path, and the operation itself.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn the_kept_description_is_what_the_code_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let made = openapi_json().unwrap();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = format!("write it anew: {UPDATE}=1 cargo test -p doorward-control openapi");
    assert!(kept == made, "openapi.json is not what the code gives; {hint}");
}

#[test]
fn what_is_served_is_described_with_its_scope_and_nothing_else_is() {
    let served: BTreeSet<_> = policies()
        .map(|policy| {
            let scope = match policy.access {
                Access::Public => "public",
                Access::SignedIn => "signed in",
                Access::Holder => "holder",
                Access::Scope(needs) => needs.as_str(),
            };
            (policy.method.to_owned(), policy.path.replace("{*", "{"), scope.to_owned())
        })
        .collect();
    let mut described = BTreeSet::new();
    for (method, path, operation) in operations(&document()) {
        let requirements = operation["security"].as_array().unwrap();
        let scopes = |one: &Value| one.as_object().unwrap().values().next().unwrap().clone();
        let scope = operation["x-required-scope"].as_str();
        let each = scope.map_or_else(|| json!([]), |scope| json!([scope]));
        assert!(requirements.iter().all(|one| scopes(one) == each), "{method} {path}");
        let access = match (scope, requirements.len()) {
            (Some(scope), _) => scope,
            (None, 0) => "public",
            (None, 1) => "signed in",
            (None, _) => "holder",
        };
        described.insert((method, path, access.to_owned()));
    }
    assert_eq!(described, served);
}

#[test]
fn every_operation_says_what_it_does_and_how_it_can_be_refused() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let call = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{call}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{call}");
        assert!(ids.insert(operation["operationId"].to_string()), "{call}: an id given twice");
        for status in ["400", "401", "403", "500", "503"] {
            assert!(operation["responses"][status].is_object(), "{call}: {status}");
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(parameter["description"].is_string(), "{call}: {}", parameter["name"]);
        }
        let is_good = |status: &&String| status.starts_with('2');
        assert_eq!(operation["responses"].as_object().unwrap().keys().filter(is_good).count(), 1);
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                }
                fields.values().for_each(|value| check(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| check(document, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[tokio::test]
async fn the_description_is_read_without_a_key() {
    let app = TestApp::new().await;
    let answer = app.send_as_is(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text, openapi_json().unwrap());
    assert_eq!(answer.expect(200)["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_page_is_plain_and_shows_every_operation() {
    let app = TestApp::new().await;
    let get = |path| app.send_as_is(Request::get(path).body(Body::empty()).unwrap());
    let page = get("/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
    for never in ["<script", "<style", " style=", " on", "http://", "https://"] {
        let html = page.text.replace(" on ", " ");
        let tags = html.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag);
        assert!(tags.into_iter().all(|tag| !format!("<{tag}").contains(never)), "{never}");
    }
    for (method, path, operation) in operations(&document()) {
        let id = operation["operationId"].as_str().unwrap();
        let start =
            page.text.find(&format!("<details id=\"{id}\">")).unwrap_or_else(|| panic!("{id}"));
        let end = start + page.text[start..].find("</details>").unwrap();
        let shown = &page.text[start..end];
        for part in [&method, &path, operation["x-required-scope"].as_str().unwrap_or("key")] {
            assert!(shown.contains(part), "{id}: {part}");
        }
    }
    let style = get("/docs/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.text.contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere() {
    let app = TestApp::new().await;
    let page = app.send_as_is(Request::get("/docs").body(Body::empty()).unwrap()).await.text;
    for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}
