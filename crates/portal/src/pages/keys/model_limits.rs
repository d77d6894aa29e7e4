//! Limits of a key for some models: the rows of its form, one for each pattern of models.

use doorward_domain::bounds::ModelLimits;
use doorward_domain::limit::Limits;
use serde_json::{Map, Value, json};

use super::object::limits_of;
use crate::form::{Form, is_whole, number};
use crate::refusal::FieldError;

/// The most that a key has.
const ROWS_MAX: usize = 20;
/// What a button says that asks for one more row: how many there are.
pub(super) const MORE: &str = "more-model-limits";

const MODEL: &str = "list=\"models-known\" maxlength=\"200\" placeholder=\"gpt-*\" autocomplete=\"off\" \
    spellcheck=\"false\" autocapitalize=\"off\"";
const MODEL_NEXT: &str = "list=\"models-known\" maxlength=\"200\" placeholder=\"gpt-*\" \
    autocomplete=\"off\" spellcheck=\"false\" autocapitalize=\"off\" autofocus";

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    at: usize,
    /// Whether something is typed into it.
    pub(super) is_typed: bool,
    /// Whether something is typed into what is folded.
    pub(super) has_folded: bool,
    /// Of its field for the models, beside what all fields have.
    pub(super) attributes: &'static str,
}

impl Row {
    /// How the API names all of it, by the row's place.
    pub(super) fn whole(&self) -> String {
        whole(self.at)
    }

    /// The name of the field for one part of it: `model`, `limits.tokens_per_day`.
    pub(super) fn field(&self, name: &str) -> String {
        field(self.at, name)
    }

    /// Which one it is, counted as people do.
    pub(super) const fn number(&self) -> usize {
        self.at.saturating_add(1)
    }
}

fn whole(at: usize) -> String {
    format!("model_limits[{at}]")
}

fn field(at: usize, name: &str) -> String {
    format!("{}.{name}", whole(at))
}

/// The names of the limits: those that a row shows, and those that are folded.
fn names() -> impl Iterator<Item = &'static str> {
    limits_of(&Limits::NONE).into_iter().map(|(name, _)| name)
}

fn is_folded(name: &str) -> bool {
    name.ends_with("_hour") || name.ends_with("_day")
}

fn limit(at: usize, name: &str) -> String {
    field(at, &format!("limits.{name}"))
}

fn is_typed(form: &Form, at: usize) -> bool {
    let has = |name: &str| !form.value(name).trim().is_empty();
    has(&field(at, "model")) || names().any(|name| has(&limit(at, name)))
}

/// Fills a form with those of a key.
pub(super) fn fill(form: &mut Form, there: &[ModelLimits]) {
    for (at, one) in there.iter().enumerate() {
        form.add(&field(at, "model"), one.model.to_string());
        for (name, figure) in limits_of(&one.limits) {
            let figure = figure.map(|figure| figure.to_string()).unwrap_or_default();
            form.add(&limit(at, name), figure);
        }
    }
}

/// The rows of a form: those that are typed, one behind them, and as many more as were asked for.
pub(super) fn rows(form: &Form) -> Vec<Row> {
    let typed = (0..ROWS_MAX).filter(|at| is_typed(form, *at)).map(|at| at + 1).max();
    let asked = form.value(MORE).parse::<usize>().map_or(0, |shown| shown.saturating_add(1));
    let count = typed.unwrap_or_default().saturating_add(1).max(asked).min(ROWS_MAX);
    let row = |at: usize| Row {
        at,
        attributes: if asked == at + 1 { MODEL_NEXT } else { MODEL },
        is_typed: is_typed(form, at),
        has_folded: names()
            .any(|name| is_folded(name) && !form.value(&limit(at, name)).trim().is_empty()),
    };
    (0..count).map(row).collect()
}

/// Which rows the API gets, in this order: those that are typed, and not to be taken away.
pub(super) fn places(form: &Form) -> Vec<usize> {
    let is_kept = |at: &usize| is_typed(form, *at) && form.value(&field(*at, "remove")).is_empty();
    (0..ROWS_MAX).filter(is_kept).collect()
}

/// What the form says to the API.
pub(super) fn said(form: &Form) -> Value {
    places(form).into_iter().map(|at| one(form, at)).collect()
}

fn one(form: &Form, at: usize) -> Value {
    let figure = |name: &'static str| {
        let typed = form.value(&limit(at, name)).trim();
        (!typed.is_empty()).then(|| (name.to_owned(), number(typed)))
    };
    let limits: Map<String, Value> = names().filter_map(figure).collect();
    json!({ "model": form.value(&field(at, "model")).trim(), "limits": limits })
}

/// The row's own name of a field that the API names by its place among those that it got.
pub(super) fn renamed(places: &[usize], name: &str) -> Option<String> {
    let (index, rest) = name.strip_prefix("model_limits[")?.split_once(']')?;
    let at = places.get(index.parse::<usize>().ok()?)?;
    Some(format!("{}{rest}", whole(*at)))
}

/// Figures that are none.
pub(super) fn unread(form: &Form) -> Vec<FieldError> {
    let all = places(form).into_iter().flat_map(|at| names().map(move |name| limit(at, name)));
    let unread = all.filter(|field| !is_whole(form.value(field)));
    unread.map(|field| FieldError::new(&field, "wrong-number")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    const TYPED: &str = "model_limits[0].model=gpt-*&model_limits[0].limits.requests_per_minute=5&\
        model_limits[1].model=gone&model_limits[1].remove=on&\
        model_limits[2].model=+&model_limits[2].limits.concurrency=\
        &model_limits[3].limits.tokens_per_day=lots";

    fn form(typed: &str) -> Form {
        Form::read(typed.as_bytes()).unwrap()
    }

    #[test]
    fn rows_become_limits_and_what_is_emptied_or_taken_away_goes() {
        let expected = json!([
            {"model": "gpt-*", "limits": {"requests_per_minute": 5}},
            {"model": "", "limits": {"tokens_per_day": "lots"}},
        ]);
        assert_eq!(said(&form(TYPED)), expected);
        assert_eq!(said(&form("")), json!([]));
    }

    #[test]
    fn what_is_wrong_stands_in_its_row_and_all_of_it_is_told() {
        let form = form(TYPED);
        for (named, expected) in [
            ("model_limits[1].model", Some("model_limits[3].model")),
            ("model_limits[0]", Some("model_limits[0]")),
            ("model_limits[2].model", None),
            ("model_limits", None),
            ("limits.concurrency", None),
        ] {
            assert_eq!(renamed(&places(&form), named).as_deref(), expected, "{named}");
        }
        let fields: Vec<_> = unread(&form).into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["model_limits[3].limits.tokens_per_day"]);
    }

    #[test]
    fn there_is_always_a_row_for_one_more() {
        let shown = |typed: &str| rows(&form(typed)).len();
        let full = format!("model_limits[{}].model=m", ROWS_MAX - 1);
        for (typed, expected) in [
            ("", 1),
            ("more-model-limits=1", 2),
            ("more-model-limits=x", 1),
            ("more-model-limits=99", ROWS_MAX),
            (TYPED, 5),
            (&full, ROWS_MAX),
        ] {
            assert_eq!(shown(typed), expected, "{typed}");
        }
        let [first, .., behind] = &*rows(&form(TYPED)) else { panic!() };
        assert!(first.is_typed && !first.has_folded && !behind.is_typed);
        assert!(rows(&form(TYPED))[3].has_folded);
    }

    #[test]
    fn what_a_key_has_comes_back_as_it_was() {
        let there =
            json!([{"model": "claude-*", "limits": {"concurrency": 2, "tokens_per_hour": 9}}]);
        let mut form = Form::default();
        fill(&mut form, &serde_json::from_value::<Vec<ModelLimits>>(there.clone()).unwrap());
        assert_eq!(said(&form), there);
    }

    fn offered() -> Value {
        json!({ "data": [{ "name": "gpt-5" }], "next": null })
    }

    #[tokio::test]
    async fn one_more_row_is_shown_and_nothing_else_is_done() {
        let portal = Fake::new("member", &[("GET /v1/allowed-models?limit=200", 200, offered())]);
        let typed = "name=ci&model_limits[0].model=gpt-*&more-model-limits=1";
        let page = portal.post("/keys/new", typed).await;
        assert_eq!(page.status, 200);
        for part in ["value=\"ci\"", "value=\"gpt-*\"", "id=\"model_limits[1].model\""] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        assert_eq!(portal.changes(), []);
    }

    #[tokio::test]
    async fn the_api_gets_the_limits_and_its_refusal_stands_in_their_row() {
        let problem = json!({
            "code": "invalid_request", "detail": "no", "errors": [
                {"field": "model_limits[0].limits", "code": "missing", "detail": "must name one"},
            ],
        });
        let portal = Fake::new(
            "member",
            &[
                ("POST /v1/api-keys", 400, problem),
                ("GET /v1/allowed-models?limit=200", 200, offered()),
            ],
        );
        let typed = "name=ci&scopes=inference:write&model_limits[0].model=gone&\
            model_limits[0].remove=on&model_limits[2].model=gpt-*";
        let page = portal.post("/keys/new", typed).await;
        assert_eq!(page.status, 422);
        let sent = portal.changes().remove(0).body;
        assert_eq!(sent["model_limits"], json!([{"model": "gpt-*", "limits": {}}]));
        let shown = "id=\"model_limits[2].limits-wrong\">must name one";
        assert!(page.text.contains(shown), "{}", page.text);
        let line = "<a href=\"#model_limits[2]\">Limits for models 3</a>: must name one";
        assert!(page.text.contains(line), "{}", page.text);
    }
}
