//! `/models/edit/{name}`: what it is called, what it costs, and who serves how much of it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::{Map, Value};

use super::object::{Model, api_path, model_path};
use super::price::{self, PriceField};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Choice, Form, Kind, Member, is_whole};
use crate::frame::Frame;
use crate::pages::general_keys;
use crate::pages::providers::{self, Provider};
use crate::posted::Posted;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const MEMBERS: [Member; 3] = [
    Member { path: "aliases", kind: Kind::Lines },
    Member { path: "routing", kind: Kind::Wish },
    Member { path: "output_tokens_max", kind: Kind::Number },
];

/// Most deployments of a model, and the place for one more.
const ROWS_MAX: usize = 33;

/// What each row of deployments has, and how it is read.
const ROW: [(&str, Kind); 6] = [
    ("provider", Kind::Wish),
    ("upstream_model", Kind::Wish),
    ("provider_key", Kind::Wish),
    ("weight", Kind::Number),
    ("priority", Kind::Number),
    ("state", Kind::Wish),
];

#[derive(Debug, Template)]
#[template(path = "models/edit.html")]
struct EditPage {
    frame: Frame,
    form: Form,
    name: String,
    providers: Vec<Provider>,
    /// For the row of one more: who could serve it, too.
    choices: Vec<Choice>,
    keys: Vec<Choice>,
    usual: Vec<PriceField>,
    others: Vec<PriceField>,
}

impl EditPage {
    async fn new(visitor: &Visitor, form: Form, name: &str) -> Result<Self, Refusal> {
        let frame = visitor.frame("/models");
        let providers = providers::all(visitor).await?;
        let nobody = std::iter::once(Choice::new("", frame.t("deployment-nobody")));
        let more = providers.iter().map(|one| Choice::new(&one.id, &one.name));
        let own = std::iter::once(Choice::new("", frame.t("deployment-key-own")));
        let keys = general_keys::all(visitor).await?.into_iter();
        Ok(Self {
            choices: nobody.chain(more).collect(),
            keys: own.chain(keys.map(|key| Choice::new(key.id, key.name))).collect(),
            usual: PriceField::usual(),
            others: PriceField::others(),
            name: name.to_owned(),
            providers,
            frame,
            form,
        })
    }

    /// Those that are there; the one behind them is for one more.
    fn rows(&self) -> Vec<Row<'_>> {
        (0..self.kept()).map(|at| self.row(at)).collect()
    }

    fn next_row(&self) -> Row<'_> {
        self.row(self.kept())
    }

    fn row(&self, at: usize) -> Row<'_> {
        Row { at, form: &self.form }
    }

    fn kept(&self) -> usize {
        (0..ROWS_MAX).find(|at| self.form.value(&field(*at, "kept")).is_empty()).unwrap_or(0)
    }

    fn provider(&self, row: &Row<'_>) -> &str {
        let id = row.typed("provider");
        let found = self.providers.iter().find(|provider| provider.id == id);
        found.map_or("", |provider| provider.name.as_str())
    }
}

/// One deployment in the form.
#[derive(Debug)]
struct Row<'a> {
    at: usize,
    form: &'a Form,
}

impl Row<'_> {
    fn field(&self, name: &str) -> String {
        field(self.at, name)
    }

    fn typed(&self, name: &str) -> &str {
        self.form.value(&self.field(name))
    }

    /// How the API names all of it.
    fn whole(&self) -> String {
        format!("deployments[{}]", self.at)
    }
}

fn field(row: usize, name: &str) -> String {
    format!("deployments[{row}].{name}")
}

pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Refusal> {
    let path = format!("{}?view=routes", api_path(&name));
    let (model, version) = visitor.api.get_versioned::<Model>(&path).await?;
    Ok(ok(&EditPage::new(&visitor, filled(&model, version), &model.name).await?))
}

pub(crate) async fn act(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let (body, rows) = body(&form);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Model>(Method::PATCH, &api_path(&name), &body, sent).await {
        Ok(_) => Ok(see_other(&format!("{}?done=model-saved", model_path("show", &name)))),
        Err(refusal) => {
            let form = form.refused(in_rows(refusal, &rows))?;
            let unread = unread(&form);
            let form = form.also_wrong(unread);
            Ok(again(&EditPage::new(&visitor, form, &name).await?))
        }
    }
}

fn filled(model: &Model, version: String) -> Form {
    let mut form = Form::filled([
        ("aliases", model.aliases.join("\n")),
        ("output_tokens_max", model.output_tokens_max.map(|n| n.to_string()).unwrap_or_default()),
        ("version", version),
    ]);
    form.add("routing", model.routing.as_str());
    price::fill(&mut form, &model.price);
    for (row, one) in model.deployments.iter().enumerate() {
        form.add(&field(row, "kept"), "yes");
        for (name, value) in [
            ("provider", one.provider.clone()),
            ("upstream_model", one.upstream_model.clone()),
            ("provider_key", one.provider_key.clone().unwrap_or_default()),
            ("weight", one.weight.to_string()),
            ("priority", one.priority.to_string()),
            ("state", one.state.as_str().to_owned()),
        ] {
            form.add(&field(row, name), value);
        }
    }
    form
}

/// The body, and which row each of its deployments is from: those that are taken out are not in it.
fn body(form: &Form) -> (Map<String, Value>, Vec<usize>) {
    let mut body = form.body(&MEMBERS);
    // An emptied field takes the bound away.
    body.entry("output_tokens_max").or_insert(Value::Null);
    body.insert("price".to_owned(), price::typed(form));
    let is_wanted = |row: &usize| {
        !form.value(&field(*row, "provider")).is_empty()
            && form.value(&field(*row, "remove")).is_empty()
    };
    let rows: Vec<usize> = (0..ROWS_MAX).filter(is_wanted).collect();
    let deployments = rows.iter().map(|row| Value::Object(deployment(form, *row))).collect();
    body.insert("deployments".to_owned(), deployments);
    (body, rows)
}

/// Numbers that are none: the API tells of the first only.
fn unread(form: &Form) -> Vec<FieldError> {
    let is_number = |kind| kind == Kind::Number;
    let names = ROW.into_iter().filter(|(_, kind)| is_number(*kind)).map(|(name, _)| name);
    let of_rows = names.flat_map(|name| (0..ROWS_MAX).map(move |row| field(row, name)));
    let unread = of_rows.filter(|field| !is_whole(form.value(field)));
    let unread = unread.map(|field| FieldError::new(&field, "wrong-number"));
    form.unread(&MEMBERS).into_iter().chain(unread).collect()
}

fn deployment(form: &Form, row: usize) -> Map<String, Value> {
    let of_row = |(name, kind): (&'static str, Kind)| {
        let typed = form.value(&field(row, name)).trim();
        let number = || typed.parse::<i64>().map_or_else(|_| typed.into(), Value::from);
        let value = if kind == Kind::Number { number() } else { typed.into() };
        (!typed.is_empty()).then(|| (name.to_owned(), value))
    };
    ROW.into_iter().filter_map(of_row).collect()
}

/// What is wrong with a deployment stands in its row, also where one before it is taken out.
fn in_rows(mut refusal: Refusal, rows: &[usize]) -> Refusal {
    for error in &mut refusal.why.errors {
        let Some((index, rest)) =
            error.field.strip_prefix("deployments[").and_then(|rest| rest.split_once(']'))
        else {
            continue;
        };
        if let Some(row) = index.parse().ok().and_then(|index: usize| rows.get(index)) {
            error.field = format!("deployments[{row}]{rest}");
        }
    }
    refusal
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::refusal::Why;

    fn model() -> Model {
        let deployment = |provider: &str| {
            json!({
                "id": provider, "provider": provider, "upstream_model": "up", "provider_key": null,
                "weight": 3, "priority": 1, "state": "draining", "health": null,
                "listed_price": null,
            })
        };
        serde_json::from_value(json!({
            "name": "m", "aliases": ["a", "b"], "project": null, "price": {"image": "0.04"},
            "output_tokens_max": 5, "routing": "least_latency",
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "deployments": [deployment("p1"), deployment("p2"), deployment("p3")],
        }))
        .unwrap()
    }

    fn wish(provider: &str) -> Value {
        json!({
            "provider": provider, "upstream_model": "up", "weight": 3, "priority": 1,
            "state": "draining",
        })
    }

    #[test]
    fn a_form_that_nobody_touched_changes_nothing() {
        let (body, rows) = body(&filled(&model(), String::new()));
        let expected = json!({
            "aliases": ["a", "b"], "routing": "least_latency", "output_tokens_max": 5,
            "price": {"image": "0.04"}, "deployments": [wish("p1"), wish("p2"), wish("p3")],
        });
        assert_eq!((Value::Object(body), rows), (expected, vec![0, 1, 2]));
    }

    #[test]
    fn what_is_taken_out_is_not_said_and_what_is_wrong_stays_in_its_row() {
        let mut form = filled(&model(), String::new());
        form.add(&field(0, "remove"), "on");
        form.add(&field(3, "provider"), "p4");
        let (body, rows) = body(&form);
        assert_eq!(body["deployments"], json!([wish("p2"), wish("p3"), {"provider": "p4"}]));
        let errors = ["deployments[2].provider", "deployments[0]", "deployments", "price.input"]
            .map(|field| FieldError { field: field.to_owned(), detail: String::new() });
        let why = Why { errors: errors.into(), ..Why::default() };
        let refusal = in_rows(Refusal::new(StatusCode::BAD_REQUEST, why), &rows);
        let fields: Vec<_> = refusal.why.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            ["deployments[3].provider", "deployments[1]", "deployments", "price.input"]
        );
    }
}
