//! When a key ends, as a form says it.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::form::Form;
use crate::refusal::FieldError;

/// The one member that says when the key ends. A day that is typed beside another choice is a contradiction.
pub(super) fn end(form: &Form) -> Result<Option<(String, Value)>, FieldError> {
    if form.value("ends") != "date" && !form.value("expires_at").trim().is_empty() {
        return Err(FieldError::new("expires_at", "key-ends-twice"));
    }
    let (name, value) = match form.value("ends") {
        "never" => ("never_expires", true.into()),
        "date" => {
            let at = end_of(form.value("expires_at"));
            ("expires_at", at.ok_or_else(|| FieldError::new("expires_at", "wrong-date"))?.into())
        }
        days => match days.parse::<u64>() {
            Ok(days) => ("expires_in_days", days.into()),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some((name.to_owned(), value)))
}

/// The end of a day: `2027-01-31` is good through that day, in UTC.
fn end_of(day: &str) -> Option<String> {
    let day: Date = day.trim().parse().ok()?;
    let next = day.checked_add(1.day()).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn said(typed: &str) -> Result<Value, FieldError> {
        let said = end(&Form::read(typed.as_bytes()).unwrap())?;
        Ok(said.into_iter().collect::<Map<_, _>>().into())
    }

    #[test]
    #[rustfmt::skip]
    fn an_end_is_said_in_one_way() {
        for (typed, expected) in [
            ("ends=30&expires_at=",              json!({"expires_in_days": 30})),
            ("ends=never",                       json!({"never_expires": true})),
            ("ends=date&expires_at=2027-01-31",  json!({"expires_at": "2027-02-01T00:00:00Z"})),
            ("ends=as-it-is",                    json!({})),
        ] {
            assert_eq!(said(typed).unwrap(), expected, "{typed}");
        }
        // A day beside another choice would be forgotten in silence.
        for typed in ["ends=date&expires_at=tomorrow", "ends=30&expires_at=2027-01-31",
            "ends=never&expires_at=2027-01-31", "ends=as-it-is&expires_at=2027-01-31"] {
            assert_eq!(said(typed).unwrap_err().field, "expires_at", "{typed}");
        }
    }
}
