//! A setting, as pages show it.

use serde::Deserialize;
use serde_json::Value;

use crate::bounds::Bounds;
use crate::money::count;
use crate::text::{is_there, text, text_of, text_with};

const MINUTES_OF_HOUR: u64 = 60;
const MINUTES_OF_DAY: u64 = 24 * MINUTES_OF_HOUR;

/// What the API says of all settings.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) data: Vec<Setting>,
    pub(crate) keys_outliving_cap: Option<Outliving>,
}

/// Keys that live longer than a cap.
#[derive(Debug, Deserialize)]
pub(crate) struct Outliving {
    pub(crate) count: usize,
    /// Those that live longest.
    pub(crate) first: Vec<String>,
}

/// What the API says of a setting.
#[derive(Debug, Deserialize)]
pub(crate) struct Setting {
    pub(crate) name: String,
    value: Value,
    default: Value,
    help: String,
    unit: Option<String>,
    lowered_by: String,
    min: Option<u64>,
    max: Option<u64>,
    one_of: Option<Vec<u64>>,
}

/// What the API says of the organization.
#[derive(Debug, Deserialize)]
pub(crate) struct Organization {
    pub(crate) name: String,
    /// Where links in mails lead. `None`: they hold none.
    pub(crate) mails_lead_to: Option<String>,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
}

impl Settings {
    /// What a setting is, as it is typed; empty where there is none of this name.
    pub(crate) fn text(&self, name: &str) -> String {
        self.data.iter().find(|one| one.name == name).map(Setting::text).unwrap_or_default()
    }
}

impl Setting {
    /// Its value, as it is typed.
    pub(crate) fn text(&self) -> String {
        said(&self.value)
    }

    /// What it is called.
    pub(crate) fn label(&self) -> String {
        let name = format!("setting-{}", self.name);
        if is_there(&name) { text(&name) } else { self.name.clone() }
    }

    /// Its values, where there are few, and what each is called; nothing, of a time, is for ever.
    pub(crate) fn choices(&self) -> Vec<(String, String)> {
        let values = self.one_of.iter().flatten().map(u64::to_string);
        values.map(|value| (value.clone(), self.words(&value))).collect()
    }

    fn words(&self, value: &str) -> String {
        let is_for_ever = value == "0" && self.one_of.is_some();
        if is_for_ever { text("setting-for-ever") } else { self.counted(value) }
    }

    /// What it does, what it may be, what it is when nothing is set, and whether somebody may only raise it.
    pub(crate) fn hint(&self, is_owner: bool) -> String {
        let default = match said(&self.default).as_str() {
            "" => text("setting-default-empty"),
            default => text_with("setting-default", "default", self.words(default)),
        };
        let mut parts: Vec<_> = self.in_words().into_iter().collect();
        parts.push(self.help.clone());
        if let (Some(min), Some(max)) = (self.min, self.max) {
            let (min, max) = (count(min), self.counted(&max.to_string()));
            parts.push(text_of("setting-range", [("min", &min), ("max", &max)]));
        }
        parts.push(default);
        if self.lowered_by == "owner" && !is_owner {
            parts.push(text("setting-owners"));
        }
        parts.join(" ")
    }

    /// A value with what it counts.
    fn counted(&self, value: &str) -> String {
        let number = value.parse().map_or_else(|_| value.to_owned(), count);
        match (&self.unit, self.span(value.parse().ok())) {
            (Some(unit), Some(span)) => format!("{number} {unit} ({span})"),
            (Some(unit), None) => format!("{number} {unit}"),
            (None, _) => number,
        }
    }

    /// What it is now, where people count it in something larger than the field does.
    fn in_words(&self) -> Option<String> {
        let span = self.span(self.value.as_u64())?;
        Some(text_with("setting-now", "span", span))
    }

    /// Minutes that are whole days or hours, said as such.
    fn span(&self, minutes: Option<u64>) -> Option<String> {
        let minutes = minutes.filter(|_| self.unit.as_deref() == Some("minutes"))?;
        let in_units = |(name, size): (&str, u64)| {
            let is_whole = minutes > 0 && minutes.is_multiple_of(size);
            is_whole.then(|| text_with(name, "n", minutes / size))
        };
        let units = [("setting-days", MINUTES_OF_DAY), ("setting-hours", MINUTES_OF_HOUR)];
        units.into_iter().find_map(in_units)
    }

    /// What was typed, as the API takes it: empty resets it, and numbers may have their thousands apart.
    pub(crate) fn value_of(&self, typed: &str) -> Value {
        if typed.is_empty() {
            return Value::Null;
        }
        let digits = typed.replace([',', ' '], "");
        let is_number = self.min.is_some() || self.one_of.is_some();
        let number = digits.parse::<u64>().ok().filter(|_| is_number);
        number.map_or_else(|| typed.into(), Value::from)
    }
}

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(days) if days.is_empty() => "none".to_owned(),
        Value::Array(days) => days.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(more: &Value) -> Setting {
        let mut object = json!({
            "name": "a-setting", "value": 2_880, "default": 90, "help": "It helps.", "lowered_by": "admin",
        });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_hint_says_bounds_default_and_who_may() {
        let number = setting(&json!({"min": 0, "max": 52_560_000, "unit": "minutes"}));
        let hint = number.hint(false);
        for part in ["It helps.", "52,560,000", "90 minutes", "2 days"] {
            assert!(hint.contains(part), "{part}: {hint}");
        }
        assert!(!hint.contains("raise"));
        assert!(hint.starts_with("It is 2 days now.") && hint.contains("(36,500 days)"), "{hint}");
        let hours = setting(&json!({"value": 180, "unit": "minutes"})).hint(true);
        assert!(hours.starts_with("It is 3 hours now."), "{hours}");
        let odd = setting(&json!({"value": 61, "unit": "minutes"})).hint(true);
        assert!(odd.starts_with("It helps."), "{odd}");
        let owners = setting(&json!({"lowered_by": "owner", "one_of": [0, 30], "default": 0}));
        let told = owners.hint(false);
        assert!(told.contains("You may only raise it") && told.contains("for ever"), "{told}");
        assert!(!owners.hint(true).contains("You may only raise it"));
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_typed_becomes_a_value() {
        let (number, text) = (setting(&json!({"min": 0, "max": 9})), setting(&json!({})));
        for (typed, of_number, of_text) in [
            ("",             json!(null),       json!(null)),
            ("90",           json!(90),         json!("90")),
            ("129,600",      json!(129_600),    json!("129,600")),
            ("many",         json!("many"),     json!("many")),
            ("-1",           json!("-1"),       json!("-1")),
        ] {
            assert_eq!((number.value_of(typed), text.value_of(typed)), (of_number, of_text), "{typed}");
        }
        assert_eq!(setting(&json!({"value": [30, 7]})).text(), "30, 7");
        assert_eq!(setting(&json!({"value": []})).text(), "none");
    }
}
