//! What the client subcommands do: ask the server, print its answer.

pub(crate) mod audit;
pub(crate) mod backup;
mod bounds;
pub(crate) mod calls;
mod catalog;
pub(crate) mod increases;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod notices;
pub(crate) mod organization;
mod people;
pub(crate) mod projects;
pub(crate) mod provider_keys;
pub(crate) mod providers;
pub(crate) mod restore;
pub(crate) mod service_accounts;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod webhooks;

use anyhow::bail;
use doorward_store::Clock;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::output::{self, Table};

/// One thing, field by field.
type Details = Vec<(&'static str, String)>;

/// The body of a request: only what was said.
#[derive(Debug, Default)]
struct Body(Map<String, Value>);

impl Body {
    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.to_owned(), value.into());
    }

    fn set_if<T: Into<Value>>(&mut self, field: &str, value: Option<T>) {
        if let Some(value) = value {
            self.set(field, value);
        }
    }

    /// A list that was not given is not sent: an empty one would mean "none".
    fn set_list(&mut self, field: &str, values: &[String]) {
        if !values.is_empty() {
            self.set(field, values.to_vec());
        }
    }

    fn finish(self) -> Value {
        Value::Object(self.0)
    }

    /// An edit that names nothing is a mistake.
    fn finish_edit(self) -> anyhow::Result<Value> {
        if self.0.is_empty() {
            bail!("nothing to edit was named");
        }
        Ok(self.finish())
    }
}

/// The rows of a list.
fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("data").and_then(Value::as_array).into_iter().flatten()
}

/// The rows of a list inside of one thing.
fn rows_of<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// A field as text; what is not there is empty.
fn text(object: &Value, field: &str) -> String {
    match object.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join(", ")
        }
        Some(Value::Object(fields)) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(object: &Value, field: &str) -> u64 {
    object.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// An instant as people tell it; `absent` where there is none.
fn when(object: &Value, field: &str, now: Timestamp, absent: &str) -> String {
    let at = text(object, field);
    match at.parse() {
        _ if is_end_of_time(&at) => "never".to_owned(),
        Ok(at) => output::relative(at, now),
        Err(_) if at.is_empty() => absent.to_owned(),
        Err(_) => at,
    }
}

/// An instant both ways, where there is room for it.
fn instant(object: &Value, field: &str, now: Timestamp, absent: &str) -> String {
    let (at, told) = (text(object, field), when(object, field, now, absent));
    let is_told = at.is_empty() || is_end_of_time(&at);
    if is_told { told } else { format!("{at} ({told})") }
}

/// The last year of the calendar stands for an end that never comes.
fn is_end_of_time(at: &str) -> bool {
    at.starts_with("9999-")
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// The path of one thing of a noun.
fn path_of<'a>([version, noun]: [&'a str; 2], name: &'a str) -> [&'a str; 3] {
    [version, noun, name]
}

fn print_list(
    is_json: bool,
    list: &Value,
    table: impl FnOnce() -> anyhow::Result<Table>,
) -> anyhow::Result<()> {
    if is_json { output::json(list) } else { Ok(output::table(&table()?)?) }
}

fn print_one(
    is_json: bool,
    one: &Value,
    details: impl FnOnce() -> anyhow::Result<Details>,
) -> anyhow::Result<()> {
    if is_json { output::json(one) } else { Ok(output::details(&details()?)?) }
}

/// Says what was done, unless JSON is asked for.
fn confirm(is_json: bool, answer: &Value, said: &str) -> anyhow::Result<()> {
    if is_json {
        return if answer.is_null() { Ok(()) } else { output::json(answer) };
    }
    Ok(output::line(&output::sentence(said))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_told_whatever_it_holds() {
        let object = json!({
            "a": "x", "b": null, "c": 1, "d": ["x", 2], "e": {"rpm": 5}, "f": true,
        });
        let cases = [
            ("a", "x"),
            ("b", ""),
            ("c", "1"),
            ("d", "x, 2"),
            ("e", "rpm 5"),
            ("f", "true"),
            ("g", ""),
        ];
        for (field, expected) in cases {
            assert_eq!(text(&object, field), expected, "{field}");
        }
    }

    #[test]
    fn the_end_of_time_is_told_as_never() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let object =
            json!({ "a": "9999-12-30T22:00:00.999999Z", "b": "2027-02-19T12:00:00Z", "c": null });
        let told = |field| (when(&object, field, now, "-"), instant(&object, field, now, "-"));
        let both = |when: &str, instant: &str| (when.to_owned(), instant.to_owned());
        assert_eq!(told("a"), both("never", "never"));
        assert_eq!(told("b"), both("in 90 days", "2027-02-19T12:00:00Z (in 90 days)"));
        assert_eq!(told("c"), both("-", "-"));
    }

    #[test]
    fn a_list_that_was_not_given_is_not_sent() {
        let mut body = Body::default();
        body.set_list("models", &[]);
        body.set_if("kind", None::<&str>);
        assert_eq!(body.finish(), json!({}));
    }
}
