//! The fields of a key, as the form that makes one and the form that edits one have them.

mod end;
mod offer;
mod slip;

use serde_json::{Map, Value};

use super::model_limits;
use super::object::Key;
use crate::bounds;
use crate::form::{Form, Kind, Member};
use crate::refusal::{FieldError, Refusal};

pub(super) use offer::Offer;
pub(super) use slip::lockout;

pub(super) const fn member(path: &'static str, kind: Kind) -> Member {
    Member { path, kind }
}

/// What is said to the API as it was typed.
const MEMBERS: [Member; 2] = [member("description", Kind::Text), member("scopes", Kind::Choices)];

/// Lists that a key need not have. Without one, a new key has none, and an edit takes it away.
const LISTS: [&str; 3] = ["ip_allow", "ip_deny", "allowed_origins"];

/// The fields of a key that is there.
pub(super) fn filled(key: &Key) -> Form {
    let mut form = Form::filled([
        ("description", key.description.clone()),
        ("ends", "as-it-is".to_owned()),
        ("ip_allow", key.ip_allow.clone().unwrap_or_default().join("\n")),
        ("ip_deny", key.ip_deny.join("\n")),
        ("allowed_origins", key.allowed_origins.clone().unwrap_or_default().join("\n")),
        ("models", key.models.clone().unwrap_or_default().join("\n")),
    ]);
    for scope in &key.scopes {
        form.add("scopes", scope.as_str());
    }
    bounds::fill(&mut form, &key.limits, &key.budgets);
    model_limits::fill(&mut form, &key.model_limits);
    form
}

/// Whether the form was sent to get one more row, and nothing else is to be done.
pub(super) fn wants_row(form: &Form) -> bool {
    !form.value(model_limits::MORE).is_empty()
}

/// Models that are chosen from the list are ticked there, the rest stays to be typed.
pub(super) fn tick_models(form: &mut Form, known: &[String]) {
    let typed = form.value("models").to_owned();
    let (ticked, rest): (Vec<&str>, Vec<&str>) =
        typed.lines().map(str::trim).partition(|line| known.iter().any(|model| model == line));
    form.set("models", rest.join("\n"));
    for model in ticked {
        form.add("models.chosen", model);
    }
}

/// Whether the body makes a key, or edits one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Make,
    Edit,
}

/// What both forms say; or what is wrong with a field of it.
pub(super) fn body(form: &Form, purpose: Purpose) -> Result<Map<String, Value>, FieldError> {
    let mut body = form.body(&MEMBERS);
    if form.value("scopes").is_empty() {
        return Err(FieldError::new("scopes", "key-may-nothing"));
    }
    for list in LISTS {
        let kind = match purpose {
            Purpose::Make => Kind::LinesWish,
            Purpose::Edit => Kind::LinesClearable,
        };
        body.extend(form.body(&[member(list, kind)]));
    }
    let models: Vec<&str> = form
        .all("models.chosen")
        .chain(form.value("models").lines().map(str::trim).filter(|line| !line.is_empty()))
        .collect();
    match (models.is_empty(), purpose) {
        (true, Purpose::Make) => {}
        (true, Purpose::Edit) => drop(body.insert("models".to_owned(), Value::Null)),
        (false, _) => drop(body.insert("models".to_owned(), models.into())),
    }
    bounds::say(form, &mut body);
    body.insert("model_limits".to_owned(), model_limits::said(form));
    body.extend(end::end(form)?);
    Ok(body)
}

/// The form with what the API says of it, each fault at the field that it is about.
pub(super) fn refused(form: Form, refusal: Refusal) -> Result<Form, Refusal> {
    let (rows, unread) = (model_limits::places(&form), model_limits::unread(&form));
    let form = bounds::refused(form, refusal)?.renamed(|field| {
        let is_end = ["expires_in_days", "never_expires"].contains(&field);
        if is_end { Some("ends".to_owned()) } else { model_limits::renamed(&rows, field) }
    });
    Ok(form.also_wrong(unread))
}

/// The form with everything that cannot be read: the API tells of the first only.
pub(super) fn with_unread(form: Form) -> Form {
    let unread = model_limits::unread(&form);
    bounds::with_unread(form).also_wrong(unread)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(typed: &str) -> Form {
        Form::read(typed.as_bytes()).unwrap()
    }

    #[test]
    fn a_key_that_may_do_nothing_is_refused_beside_the_scopes() {
        for purpose in [Purpose::Make, Purpose::Edit] {
            assert_eq!(body(&form("name=a&ends=30"), purpose).unwrap_err().field, "scopes");
        }
    }

    #[test]
    fn what_is_left_empty_is_left_out_of_a_new_key_and_taken_from_one_that_is_there() {
        let made = body(&form("name=a&scopes=a"), Purpose::Make).unwrap();
        let edited = body(&form("name=a&scopes=a"), Purpose::Edit).unwrap();
        for name in ["models", "ip_allow", "ip_deny", "allowed_origins"] {
            assert_eq!(made.get(name), None, "{name}");
            assert_eq!(edited.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!((&edited["limits"], &edited["budgets"]), (&json!({}), &json!([])));
    }

    #[test]
    fn models_are_ticked_or_typed_and_both_are_said() {
        let known = ["gpt-a".to_owned(), "gpt-b".to_owned()];
        let mut form = form("scopes=a&models=gpt-b%0A+claude-*%0A&models.chosen=gpt-a");
        assert_eq!(
            body(&form, Purpose::Make).unwrap()["models"],
            json!(["gpt-a", "gpt-b", "claude-*"])
        );
        tick_models(&mut form, &known);
        assert_eq!(form.value("models"), "claude-*");
        assert!(form.has("models.chosen", "gpt-a") && form.has("models.chosen", "gpt-b"));
    }
}
