//! What an entry says of an act, in lines that people read.

use serde_json::Value;

use crate::text::text_of;

/// One thing that an entry says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Of what, as `bounds.limits.concurrency`; empty: of all of it.
    pub(super) name: String,
    pub(super) text: String,
}

/// All that it says, what did not change left out.
pub(super) fn lines(detail: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    push(&mut lines, "", detail);
    lines
}

fn push(lines: &mut Vec<Line>, name: &str, value: &Value) {
    let Value::Object(members) = value else {
        lines.push(Line { name: name.to_owned(), text: said(value) });
        return;
    };
    if let (Some(before), Some(after)) = (members.get("before"), members.get("after")) {
        return push_change(lines, name, before, after);
    }
    for (member, value) in members {
        push(lines, &within(name, member), value);
    }
}

/// What was, and what is: member by member where both have some.
fn push_change(lines: &mut Vec<Line>, name: &str, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    if let (Value::Object(was), Value::Object(is)) = (before, after) {
        let gone = was.keys().filter(|member| !is.contains_key(*member));
        for member in is.keys().chain(gone) {
            let of = |all: &serde_json::Map<String, Value>| all.get(member).cloned();
            let (was, is) = (of(was).unwrap_or_default(), of(is).unwrap_or_default());
            push_change(lines, &within(name, member), &was, &is);
        }
        return;
    }
    let (before, after) = (said(before), said(after));
    let text = text_of("audit-change", [("before", &before), ("after", &after)]);
    lines.push(Line { name: name.to_owned(), text });
}

fn within(name: &str, member: &str) -> String {
    if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") }
}

fn said(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(|one| !one.is_object()) => {
            values.iter().map(said).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn an_entry_says_what_changed_and_nothing_else() {
        let cases = [
            (json!({}), vec![]),
            (json!({"name": "ada", "scopes": ["a", "b"], "keys": 2}),
                vec![("name", "ada"), ("scopes", "a, b"), ("keys", "2")]),
            (json!({"before": {"name": "ada", "role": "member"}, "after": {"name": "ada", "role": "admin"}}),
                vec![("role", "member → admin")]),
            (json!({"before": {"email": "a@b.c"}, "after": {"bounds": {"limits": {"concurrency": 2}}}}),
                vec![("bounds", "– → {\"limits\":{\"concurrency\":2}}"), ("email", "a@b.c → –")]),
            (json!({"key-prefix": {"before": "dw", "after": "sk", "is_default": false}}),
                vec![("key-prefix", "dw → sk")]),
            (json!("text"), vec![("", "text")]),
        ];
        for (detail, expected) in cases {
            let told = lines(&detail);
            let mut told: Vec<_> =
                told.iter().map(|line| (line.name.as_str(), line.text.as_str())).collect();
            told.sort_unstable();
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!(told, expected, "{detail}");
        }
    }
}
