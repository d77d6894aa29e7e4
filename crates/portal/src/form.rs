//! A form: what was typed into it, what is wrong with it, and what it says to the API.
//!
//! A field is called as the member of the API's body that it sets, `limits.requests_per_minute`: what the
//! API refuses by that name stands beside the field.

mod called;
mod choice;
mod member;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use called::Labels;

use crate::refusal::{FieldError, Refusal};

pub(crate) use choice::Choice;
pub(crate) use member::{Kind, Member, is_whole, number};

/// Fields that a form may have, the repeated ones counted each time.
const FIELDS_MAX: usize = 2_000;

/// What a form holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    /// Names and values, as they came.
    values: Vec<(String, String)>,
    errors: Vec<FieldError>,
    /// What is wrong with all of it.
    detail: String,
    /// What the page that shows it calls its fields.
    labels: Labels,
}

impl Form {
    /// A form that is filled in with this, and not sent yet.
    pub(crate) fn filled<const N: usize>(values: [(&str, String); N]) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { values, ..Self::default() }
    }

    /// The form with this in a field, whatever was in it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.add(name, value);
        self
    }

    /// Adds a value to a field.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.values.push((name.to_owned(), value.into()));
    }

    /// Reads what a browser sent. `None`: more fields than any form has.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let pairs = url::form_urlencoded::parse(body).take(FIELDS_MAX + 1);
        let values: Vec<_> =
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        (values.len() <= FIELDS_MAX).then_some(Self { values, ..Self::default() })
    }

    /// What was typed into a field; of one that is there several times, the first.
    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Everything of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked, or a choice made.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|one| one == value)
    }

    /// Whether it is shown again because something is wrong.
    pub(crate) fn is_refused(&self) -> bool {
        !self.errors.is_empty() || !self.detail.is_empty()
    }

    /// The form with what the API says of it; an error where another try would not help.
    pub(crate) fn refused(mut self, refusal: Refusal) -> Result<Self, Refusal> {
        if !refusal.is_of_form() {
            return Err(refusal);
        }
        if refusal.why.errors.is_empty() {
            self.detail = refusal.words();
        }
        self.errors = refusal.why.errors;
        Ok(self)
    }

    /// The same, where the words for all of it count too: which field is wrong is not to be told.
    pub(crate) fn refused_with_words(self, refusal: Refusal) -> Result<Self, Refusal> {
        let detail = refusal.words();
        let is_of_sign_in = refusal.status == http::StatusCode::UNAUTHORIZED;
        let form = if is_of_sign_in { self } else { self.refused(refusal)? };
        Ok(Self { detail, ..form })
    }

    /// The form with what is wrong with a field, found before the API was asked.
    pub(crate) fn wrong(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// The form with these faults too, each at a field that is not named yet, where some are: the API stops
    /// at the first field that it cannot read.
    pub(crate) fn also_wrong(mut self, more: Vec<FieldError>) -> Self {
        let is_new = |one: &FieldError| self.error(&one.field).is_empty();
        let more: Vec<_> = more.into_iter().filter(is_new).collect();
        if !self.errors.is_empty() {
            self.errors.extend(more);
        }
        self
    }

    /// The form with its faults told of other fields: those that the API knows by another name.
    pub(crate) fn renamed(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        for error in &mut self.errors {
            if let Some(own) = name(&error.field) {
                error.field = own;
            }
        }
        self
    }

    /// Puts a value in place of what a field has.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.retain(|(known, _)| known != name);
        self.add(name, value);
    }

    /// Adds what another form has.
    pub(crate) fn fill(&mut self, other: Self) {
        self.values.extend(other.values);
    }

    /// Forgets what is secret, before the form is shown again.
    pub(crate) fn without(mut self, secrets: &[&str]) -> Self {
        self.values.retain(|(name, _)| !secrets.contains(&name.as_str()));
        self
    }

    /// What tells a second sending of this very form from another one: made when it is first shown, and
    /// kept while it is mended.
    pub(crate) fn once(&self) -> String {
        match self.value("once") {
            "" => fresh(),
            known => known.to_owned(),
        }
    }
}

fn fresh() -> String {
    let mut random = [0_u8; 18];
    // Without random bits, the form goes out without the name, and is only not protected from a
    // second sending.
    match getrandom::fill(&mut random) {
        Ok(()) => BASE64_URL_SAFE_NO_PAD.encode(random),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Why;
    use http::StatusCode;

    fn refusal(fields: &[(&str, &str)]) -> Refusal {
        let error = |(field, detail): &(&str, &str)| FieldError {
            field: (*field).to_owned(),
            detail: (*detail).to_owned(),
        };
        let errors = fields.iter().map(error).collect();
        let detail = "All of it.".to_owned();
        Refusal::new(StatusCode::BAD_REQUEST, Why { detail, errors, ..Why::default() })
    }

    #[test]
    fn what_is_wrong_stands_at_its_field_and_what_was_typed_stays() {
        let form = Form::read(b"name=%3Cb%3E&ip_allow=x&scopes=a&scopes=b").unwrap();
        let form =
            form.refused(refusal(&[("name", "no"), ("ip_allow[2]", "what"), ("ip", "?")])).unwrap();
        assert_eq!((form.value("name"), form.error("name")), ("<b>", "no".to_owned()));
        assert_eq!(form.error("ip_allow"), "what");
        assert_eq!(form.error("scopes"), "");
        assert!(form.has("scopes", "b") && !form.has("scopes", "c"));
        assert_eq!(form.detail(), "");
    }

    #[test]
    fn what_another_try_does_not_mend_is_no_matter_of_the_form() {
        for (status, is_of_form) in [
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::CONFLICT, true),
            (StatusCode::UNAUTHORIZED, false),
            (StatusCode::NOT_FOUND, false),
            (StatusCode::SERVICE_UNAVAILABLE, false),
        ] {
            let refusal = Refusal::new(status, Why::default());
            assert_eq!(Form::default().refused(refusal).is_ok(), is_of_form, "{status}");
        }
    }

    #[test]
    fn a_form_has_a_bound() {
        assert!(Form::read("a=1&".repeat(FIELDS_MAX).as_bytes()).is_some());
        assert!(Form::read("a=1&".repeat(FIELDS_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn a_form_is_known_by_one_name_while_it_is_mended() {
        let first = Form::default().once();
        assert_eq!(first.len(), 24);
        assert_ne!(first, Form::default().once());
        assert_eq!(Form::read(format!("once={first}").as_bytes()).unwrap().once(), first);
    }
}
