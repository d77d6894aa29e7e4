//! What is asked: read from a body or a query, each fault named by its field.

use std::net::IpAddr;

use doorward_domain::credential::MalformedKey;
use doorward_domain::model_pattern::MODEL_NAME_BYTES_MAX;
use doorward_domain::origin::Origin;
use doorward_domain::presented::{Presented as Credential, parse_one};
use doorward_domain::scope::Scope;
use doorward_store::Cost;
use http::HeaderValue;
use serde_json::{Map, Value};

/// Scopes in one question; there are not more.
const SCOPES_MAX: usize = Scope::ALL.len();

/// A use that a key is asked to be good for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) scopes: Vec<Scope>,
    pub(super) model: Option<String>,
    pub(super) address: Option<IpAddr>,
    /// The web page; of a key that lives in one.
    pub(super) origin: Option<HeaderValue>,
    pub(super) cost: Cost,
}

/// A question about a key that it names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) key: Result<Credential, MalformedKey>,
    pub(super) asked: Asked,
}

/// A question about the credential of its request.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) asked: Asked,
    /// Some proxies take no other refusals than 401 and 403.
    pub(super) denies_with_403: bool,
}

/// What is wrong with one field. No value is repeated: it may be a secret in the wrong place.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        let field = field.into().chars().take(100).collect();
        self.0.push(Fault { field, code, detail: detail.into() });
    }

    fn invalid(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.add(field, "invalid", detail);
    }

    fn finish<T>(self, read: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() { Ok(read) } else { Err(self.0) }
    }
}

impl Asked {
    const fn nothing() -> Self {
        let cost = Cost::ONE_REQUEST;
        Self { scopes: Vec::new(), model: None, address: None, origin: None, cost }
    }

    fn add_scope(&mut self, text: &str, field: &str, faults: &mut Faults) {
        match text.parse() {
            Ok(scope) if self.scopes.len() < SCOPES_MAX => self.scopes.push(scope),
            Ok(_) => faults.invalid(field, format!("at most {SCOPES_MAX} scopes")),
            Err(_) => faults.invalid(field, format!("must be one of: {}", scope_names())),
        }
    }

    fn set_model(&mut self, text: &str, faults: &mut Faults) {
        if text.is_empty() || text.len() > MODEL_NAME_BYTES_MAX {
            faults.invalid("model", format!("must have 1 to {MODEL_NAME_BYTES_MAX} bytes"));
        }
        self.model = Some(text.to_owned());
    }
}

fn scope_names() -> String {
    Scope::ALL.map(Scope::as_str).join(", ")
}

/// Reads `{"key","scopes","model","ip","origin","cost":{"requests","tokens"}}`.
pub(super) fn parse_body(body: &[u8]) -> Result<Named, Vec<Fault>> {
    let mut faults = Faults::default();
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        faults.invalid("", "the body must be one JSON object");
        return Err(faults.0);
    };
    let (mut key, mut asked) = (None, Asked::nothing());
    for (name, value) in &fields {
        match (name.as_str(), value) {
            ("key", Value::String(text)) => key = Some(parse_one(text.trim().as_bytes())),
            ("key", _) => {
                faults.invalid("key", "must be a text");
                key = Some(Err(MalformedKey));
            }
            ("scopes" | "model" | "ip" | "origin" | "cost", Value::Null) => {}
            ("scopes", Value::Array(names)) => parse_scopes(names, &mut asked, &mut faults),
            ("scopes", _) => faults.invalid("scopes", "must be a list"),
            ("model", Value::String(text)) => asked.set_model(text, &mut faults),
            ("ip", Value::String(text)) => match text.parse() {
                Ok(address) => asked.address = Some(address),
                Err(_) => faults.invalid("ip", "must be an address, such as 192.0.2.1"),
            },
            ("origin", Value::String(text)) => asked.origin = parse_origin(text, &mut faults),
            ("model" | "ip" | "origin", _) => faults.invalid(name, "must be a text"),
            ("cost", Value::Object(cost)) => asked.cost = parse_cost(cost, &mut faults),
            ("cost", _) => faults.invalid("cost", "must be an object"),
            _ => faults.add(name, "unknown_field", "there is no such field"),
        }
    }
    let Some(key) = key else {
        faults.add("key", "missing", "is required");
        return Err(faults.0);
    };
    faults.finish(Named { key, asked })
}

fn parse_scopes(names: &[Value], asked: &mut Asked, faults: &mut Faults) {
    for (index, name) in names.iter().enumerate().take(SCOPES_MAX + 1) {
        let text = name.as_str().unwrap_or_default();
        asked.add_scope(text, &format!("scopes[{index}]"), faults);
    }
}

fn parse_origin(text: &str, faults: &mut Faults) -> Option<HeaderValue> {
    match text.parse::<Origin>() {
        Ok(origin) => HeaderValue::from_str(origin.as_str()).ok(),
        Err(error) => {
            faults.invalid("origin", error.to_string());
            None
        }
    }
}

fn parse_cost(fields: &Map<String, Value>, faults: &mut Faults) -> Cost {
    let mut cost = Cost::ONE_REQUEST;
    for (name, value) in fields {
        let field = format!("cost.{name}");
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match (name.as_str(), number) {
            ("requests", Some(requests)) => cost.requests = requests,
            ("tokens", Some(tokens)) => cost.tokens = tokens.into(),
            ("requests" | "tokens", None) => {
                faults.invalid(field, "must be a whole number from 0 to 4294967295");
            }
            _ => faults.add(field, "unknown_field", "there is no such field"),
        }
    }
    cost
}

/// Reads `scope=…&model=…&deny=403`; scopes may be several, apart by spaces, commas, or each by itself.
pub(super) fn parse_query(query: &str) -> Result<Presented, Vec<Fault>> {
    let (mut faults, mut asked, mut denies_with_403) = (Faults::default(), Asked::nothing(), false);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("scope", names) => {
                for name in names.split([' ', ',']) {
                    asked.add_scope(name, "scope", &mut faults);
                }
            }
            ("model", _) if asked.model.is_some() => {
                faults.add("model", "duplicate", "is given twice");
            }
            ("model", text) => asked.set_model(text, &mut faults),
            ("deny", "403") => denies_with_403 = true,
            ("deny", _) => faults.invalid("deny", "must be 403"),
            _ => faults.add(name, "unknown_field", "there is no such parameter"),
        }
    }
    faults.finish(Presented { asked, denies_with_403 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(faults: &[Fault]) -> Vec<(&str, &str)> {
        faults.iter().map(|fault| (&*fault.field, fault.code)).collect()
    }

    #[test]
    fn a_question_is_read_with_its_defaults() {
        let named = parse_body(br#"{"key":"x"}"#).unwrap();
        assert!(named.key.is_err(), "a malformed key is unknown, not a fault of the question");
        assert_eq!(named.asked.cost, Cost { requests: 1, tokens: 0 });
        let body = br#"{"key":"x","scopes":["inference:write"],"model":"m","ip":"::1",
            "origin":"HTTPS://a.example:443","cost":{"requests":0,"tokens":7}}"#;
        let asked = parse_body(body).unwrap().asked;
        assert_eq!(asked.scopes, [Scope::InferenceWrite]);
        assert_eq!(asked.model.as_deref(), Some("m"));
        assert_eq!(asked.address, "::1".parse().ok());
        assert_eq!(asked.origin.unwrap(), "https://a.example");
        assert_eq!(asked.cost, Cost { requests: 0, tokens: 7 });
        let nulls =
            br#"{"key":"x","scopes":null,"model":null,"ip":null,"origin":null,"cost":null}"#;
        assert_eq!(parse_body(nulls).unwrap().asked.cost, Cost::ONE_REQUEST);
    }

    #[test]
    #[rustfmt::skip]
    fn a_bad_question_is_refused_by_the_field_at_fault() {
        let many = format!(r#"{{"key":"x","scopes":[{}]}}"#, [r#""admin""#; 9].join(","));
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("",                                             &[("", "invalid")]),
            ("[]",                                           &[("", "invalid")]),
            (r#"{"key":"x"} {}"#,                            &[("", "invalid")]),
            ("{}",                                           &[("key", "missing")]),
            (r#"{"key":5}"#,                                 &[("key", "invalid")]),
            (r#"{"key":null}"#,                              &[("key", "invalid")]),
            (r#"{"key":"x","scopes":"admin"}"#,              &[("scopes", "invalid")]),
            (r#"{"key":"x","scopes":["admin","root",5]}"#,   &[("scopes[1]", "invalid"), ("scopes[2]", "invalid")]),
            (&many,                                          &[("scopes[8]", "invalid")]),
            (r#"{"key":"x","model":""}"#,                    &[("model", "invalid")]),
            (r#"{"key":"x","model":5}"#,                     &[("model", "invalid")]),
            (r#"{"key":"x","ip":"10.0.0.0/8"}"#,             &[("ip", "invalid")]),
            (r#"{"key":"x","ip":5}"#,                        &[("ip", "invalid")]),
            (r#"{"key":"x","origin":"*"}"#,                  &[("origin", "invalid")]),
            (r#"{"key":"x","cost":1}"#,                      &[("cost", "invalid")]),
            (r#"{"key":"x","cost":{"requests":-1}}"#,        &[("cost.requests", "invalid")]),
            (r#"{"key":"x","cost":{"tokens":4294967296}}"#,  &[("cost.tokens", "invalid")]),
            (r#"{"key":"x","cost":{"tokens":1.5}}"#,         &[("cost.tokens", "invalid")]),
            (r#"{"key":"x","cost":{"usd":1}}"#,              &[("cost.usd", "unknown_field")]),
            (r#"{"key":"x","colour":1,"ip":"?"}"#,           &[("colour", "unknown_field"), ("ip", "invalid")]),
        ];
        for (body, expected) in cases {
            let faults = parse_body(body.as_bytes()).unwrap_err();
            assert_eq!(fields(&faults), *expected, "{body}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_query_is_read_or_refused_by_the_parameter_at_fault() {
        let good: &[(&str, &[Scope], Option<&str>, bool)] = &[
            ("",                                      &[],                                           None,            false),
            ("deny=403",                              &[],                                           None,            true),
            ("scope=admin&model=a%2Fb",               &[Scope::Admin],                               Some("a/b"),     false),
            ("scope=admin,keys:read&scope=keys:write", &[Scope::Admin, Scope::KeysRead, Scope::KeysWrite], None,      false),
            ("scope=inference:read+inference:write",  &[Scope::InferenceRead, Scope::InferenceWrite], None,           false),
        ];
        for (query, scopes, model, denies_with_403) in good {
            let read = parse_query(query).unwrap();
            assert_eq!(read.asked.scopes, *scopes, "{query}");
            assert_eq!(read.asked.model.as_deref(), *model, "{query}");
            assert_eq!(read.denies_with_403, *denies_with_403, "{query}");
            assert_eq!(read.asked.cost, Cost::ONE_REQUEST);
        }
        let bad: &[(&str, &[(&str, &str)])] = &[
            ("scope=",            &[("scope", "invalid")]),
            ("scope=root",        &[("scope", "invalid")]),
            ("model=",            &[("model", "invalid")]),
            ("model=a&model=b",   &[("model", "duplicate")]),
            ("deny=401",          &[("deny", "invalid")]),
            ("ip=10.0.0.1",       &[("ip", "unknown_field")]),
            ("key=x&deny=",       &[("key", "unknown_field"), ("deny", "invalid")]),
        ];
        for (query, expected) in bad {
            assert_eq!(fields(&parse_query(query).unwrap_err()), *expected, "{query}");
        }
    }
}
