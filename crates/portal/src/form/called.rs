//! What the fields of a form are called on its page. Above them stands what is wrong with all of it, by these
//! names: so they are noted while the page is made, and it is made a second time (`answer::again`).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use super::Form;
use crate::refusal::FieldError;
use crate::text::text_of;

/// The fields of a page, by their names, with their labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels(Arc<Mutex<BTreeMap<String, String>>>);

/// What is wrong with a field, for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field that it leads to; empty: the page has none for it.
    pub(crate) place: String,
    /// What the field is called there.
    pub(crate) label: String,
    pub(crate) detail: String,
}

impl Labels {
    fn note(&self, name: &str, label: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), label.to_owned());
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The field that is meant: itself, or the one that it is a part of.
    fn find<'a>(&self, field: &'a str) -> Option<(&'a str, String)> {
        let mut name = field;
        loop {
            if let Some(label) = self.get(name) {
                return Some((name, label));
            }
            name = name.get(..name.rfind(['.', '['])?)?;
        }
    }

    /// What the row is called that a field is in: `deployments[1]` of `deployments[1].weight`.
    fn whole(&self, name: &str) -> Option<String> {
        let (row, _) = name.split_once("].")?;
        self.get(&format!("{row}]"))
    }

    fn fault(&self, FieldError { field, detail }: &FieldError) -> Fault {
        let detail = self.in_words(detail);
        let Some((name, label)) = self.find(field) else {
            return Fault { place: String::new(), label: words(field), detail };
        };
        let label = match self.whole(name) {
            Some(whole) => text_of("form-part", [("whole", &whole), ("label", &label)]),
            None => label,
        };
        let entry = field.get(name.len()..).and_then(entry).map(|number| number.to_string());
        let label = match &entry {
            Some(number) => text_of("form-entry", [("label", &label), ("n", number)]),
            None => label,
        };
        Fault { place: name.to_owned(), label, detail }
    }

    /// A sentence with the fields that it names called as the page calls them.
    fn in_words(&self, sentence: &str) -> String {
        let word = |word: &str| {
            let name = word.trim_matches(|c: char| !c.is_alphanumeric());
            let label = name.contains(['_', '.']).then(|| self.get(name)).flatten();
            label.map_or_else(|| word.to_owned(), |label| word.replace(name, &format!("“{label}”")))
        };
        sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

/// Which entry of a list is meant, counted as people do: of `[2]`, the third.
fn entry(rest: &str) -> Option<usize> {
    rest.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok()?.checked_add(1)
}

/// The name of a field that is on no page: `ip_allow[2]` is `Ip allow [2]`.
fn words(field: &str) -> String {
    let words = field.replace('_', " ").replace('.', ": ").replace('[', " [");
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

impl Form {
    /// The label of a field, noted as what the field is called.
    pub(crate) fn called(&self, name: &str, label: impl Display) -> String {
        let label = label.to_string();
        self.labels.note(name, &label);
        label
    }

    /// All that is wrong with fields, by what the page calls them.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.errors.iter().map(|error| self.labels.fault(error)).collect()
    }

    /// What is wrong with a field, its parts (`ip_allow[2]`, `limits.concurrency`) included; empty: nothing.
    pub(crate) fn error(&self, name: &str) -> String {
        let of = |error: &&FieldError| {
            let rest = error.field.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        let found: Vec<_> = self
            .errors
            .iter()
            .filter(of)
            .map(|error| self.labels.in_words(&error.detail))
            .collect();
        found.join("; ")
    }

    /// What is wrong with a field, but with none of its parts; empty: nothing.
    pub(crate) fn own_error(&self, name: &str) -> String {
        let found = self.errors.iter().filter(|error| error.field == name);
        found.map(|error| self.labels.in_words(&error.detail)).collect::<Vec<_>>().join("; ")
    }

    /// What is wrong, where it is with no field.
    pub(crate) fn detail(&self) -> String {
        self.labels.in_words(&self.detail)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::json;

    use super::*;
    use crate::fake::Fake;

    fn fault(field: &str, detail: &str) -> (String, String, String) {
        let form = Form::default()
            .wrong(FieldError { field: field.to_owned(), detail: detail.to_owned() });
        for (name, label) in [
            ("ip_allow", "Allowed addresses"),
            ("budgets[1].amount", "Budget 2"),
            ("limits.requests_per_minute", "Requests per minute"),
            ("scopes", "What it may do"),
            ("deployments[1]", "openai-eu"),
            ("deployments[1].weight", "Weight"),
        ] {
            assert_eq!(form.called(name, label), label);
        }
        let Fault { place, label, detail } = form.faults().remove(0);
        (place, label, detail)
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_wrong_is_told_by_the_label_of_its_field() {
        for (field, place, label) in [
            ("limits.requests_per_minute", "limits.requests_per_minute", "Requests per minute"),
            ("ip_allow[2]",                "ip_allow",                   "Allowed addresses, entry 3"),
            ("budgets[1].amount",          "budgets[1].amount",          "Budget 2"),
            ("budgets[1].amount.usd",      "budgets[1].amount",          "Budget 2"),
            ("deployments[1].weight",      "deployments[1].weight",      "openai-eu, Weight"),
            ("deployments[1]",             "deployments[1]",             "openai-eu"),
            ("scopes[0].name",             "scopes",                     "What it may do"),
            ("budgets[0].usd",             "",                           "Budgets [0]: usd"),
            ("current_password",           "",                           "Current password"),
            ("ip_allows",                  "",                           "Ip allows"),
            ("",                           "",                           ""),
        ] {
            let (led, called, _) = fault(field, "no");
            assert_eq!((led.as_str(), called.as_str()), (place, label), "{field}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_sentence_calls_fields_as_the_page_does() {
        for (said, expected) in [
            ("needs `ip_allow`, too",         "needs `“Allowed addresses”`, too"),
            ("only with ip_allow.",           "only with “Allowed addresses”."),
            ("limits.requests_per_minute: 1", "“Requests per minute”: 1"),
            ("is for inference:read",         "is for inference:read"),
            ("scopes are words",              "scopes are words"),
            ("ip_allowed stays",              "ip_allowed stays"),
        ] {
            assert_eq!(fault("x", said).2, expected);
        }
    }

    fn templates(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: PathBuf| {
            if path.is_dir() {
                templates(&path)
            } else {
                vec![std::fs::read_to_string(path).unwrap()]
            }
        };
        entries.flat_map(read).collect()
    }

    #[test]
    fn every_label_of_a_form_that_can_be_refused_is_noted() {
        let all = templates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"));
        // A filter is not refused: it has no list of faults.
        let forms = all.iter().flat_map(|file| file.split("<form"));
        let forms = forms.filter(|form| !form.contains("method=\"get\""));
        let labels: Vec<_> = forms.flat_map(|form| form.split("<label for=").skip(1)).collect();
        assert!(labels.len() > 5);
        for label in labels {
            let (_, words) = label.split_once('>').unwrap();
            assert!(words.starts_with("{{ form.called("), "{words:.80}");
        }
    }

    fn problem(field: &str, detail: &str) -> serde_json::Value {
        json!({
            "code": "invalid_request", "detail": "no",
            "errors": [{ "field": field, "code": "invalid", "detail": detail }],
        })
    }

    #[tokio::test]
    async fn a_refused_form_leads_to_its_fields_by_their_labels_and_tells_all_that_cannot_be_read()
    {
        let refusal =
            problem("limits.requests_per_minute", "must be a whole number, not allowed_origins");
        let list = json!({ "data": [], "next": null });
        let portal = Fake::new(
            "member",
            &[("POST /v1/api-keys", 400, refusal), ("GET /v1/allowed-models?limit=200", 200, list)],
        );
        let typed = "name=a&scopes=inference:write&limits.requests_per_minute=many&limits.concurrency=few&\
            budgets[1].amount=lots&budgets[1].unit=usd&budgets[1].period=day";
        let page = portal.post("/keys/new", typed).await;
        assert_eq!(page.status, 422);
        for line in [
            "<a href=\"#limits.requests_per_minute\">Requests per minute</a>: must be a whole number, \
             not “In these web pages”",
            "<a href=\"#limits.concurrency\">Calls at once</a>: must be a whole number",
            "<a href=\"#budgets[1].amount\">Budget 2, amount</a>: must be an amount, such as 20 or 12.50",
        ] {
            assert!(page.text.contains(line), "{line}: {}", page.text);
        }
        for place in ["limits.requests_per_minute", "limits.concurrency", "budgets[1].amount"] {
            assert!(page.text.contains(&format!("id=\"{place}\"")), "{place}");
        }
        assert!(!page.text.contains(": usd") && !page.text.contains("allowed_origins</"));
    }
}
