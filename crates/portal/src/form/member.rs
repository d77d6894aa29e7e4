//! How fields become the body of a request.

use serde_json::{Map, Value};

use super::Form;
use crate::money::figures;
use crate::refusal::FieldError;

/// One member of a body, and the field that sets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    /// Where it is, as `limits.requests_per_minute`; the field has the same name.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
}

/// How a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, also where it is empty.
    Text,
    /// Text; left out where it is empty.
    Wish,
    /// Text; `null` where it is empty.
    Clearable,
    /// A number; left out where it is empty. What is no number goes on as text, and is refused by name.
    Number,
    /// One value in each line, spaces around it and empty lines dropped.
    Lines,
    /// The same; left out where there is none.
    LinesWish,
    /// The same; `null` where there is none.
    LinesClearable,
    /// Every value of the name.
    Choices,
    /// Whether there is a value.
    Flag,
}

impl Form {
    /// What the form says to the API.
    pub(crate) fn body(&self, members: &[Member]) -> Map<String, Value> {
        let mut body = Map::new();
        for member in members {
            if let Some(value) = self.member(*member) {
                set(&mut body, member.path, value);
            }
        }
        body
    }

    /// Numbers that are none.
    pub(crate) fn unread(&self, members: &[Member]) -> Vec<FieldError> {
        let numbers = members.iter().filter(|member| member.kind == Kind::Number);
        let unread = numbers.filter(|member| !is_whole(self.value(member.path)));
        unread.map(|member| FieldError::new(member.path, "wrong-number")).collect()
    }

    fn member(&self, Member { path, kind }: Member) -> Option<Value> {
        let text = self.value(path);
        let trimmed = text.trim();
        match kind {
            Kind::Text => Some(text.into()),
            Kind::Wish => (!trimmed.is_empty()).then(|| trimmed.into()),
            Kind::Clearable | Kind::LinesClearable if trimmed.is_empty() => Some(Value::Null),
            Kind::Clearable => Some(trimmed.into()),
            Kind::Number if trimmed.is_empty() => None,
            Kind::Number => Some(number(trimmed)),
            Kind::Lines | Kind::LinesClearable => Some(lines(text)),
            Kind::LinesWish => (!trimmed.is_empty()).then(|| lines(text)),
            Kind::Choices => Some(self.all(path).map(Value::from).collect()),
            Kind::Flag => Some((!text.is_empty()).into()),
        }
    }
}

/// Whether a field is empty or holds a whole number.
pub(crate) fn is_whole(typed: &str) -> bool {
    typed.trim().is_empty() || number(typed.trim()).is_number()
}

/// A whole number, with its thousands apart or not. What is none goes on as text, and is refused by name.
pub(crate) fn number(text: &str) -> Value {
    figures(text).parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

fn lines(text: &str) -> Value {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect()
}

/// Puts a value at a path, making the objects on the way.
fn set(body: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(body.insert(path.to_owned(), value)),
        Some((outer, rest)) => {
            let inner = body.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const fn member(path: &'static str, kind: Kind) -> Member {
        Member { path, kind }
    }

    #[test]
    fn fields_become_members() {
        let form = Form::read(
            b"name=+n+&note=&end=&owner=&limits.concurrency=1,500&limits.requests_per_minute=1,5&\
              ip_allow=10.0.0.0%2F8%0D%0A%0D%0A+10.1.1.1+&scopes=a&scopes=b&free=on",
        )
        .unwrap();
        let members = [
            member("name", Kind::Text),
            member("note", Kind::Text),
            member("end", Kind::Clearable),
            member("owner", Kind::Wish),
            member("limits.concurrency", Kind::Number),
            member("limits.requests_per_minute", Kind::Number),
            member("limits.requests_per_hour", Kind::Number),
            member("ip_allow", Kind::Lines),
            member("ip_deny", Kind::LinesWish),
            member("origins", Kind::LinesClearable),
            member("scopes", Kind::Choices),
            member("free", Kind::Flag),
            member("other", Kind::Flag),
        ];
        let expected = json!({
            "name": " n ",
            "note": "",
            "end": null,
            "limits": {"concurrency": 1500, "requests_per_minute": "1,5"},
            "ip_allow": ["10.0.0.0/8", "10.1.1.1"],
            "origins": null,
            "scopes": ["a", "b"],
            "free": true,
            "other": false,
        });
        assert_eq!(Value::Object(form.body(&members)), expected);
    }
}
