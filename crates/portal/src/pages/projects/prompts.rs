//! `/projects/{id}/prompts`: whether what its calls ask and are answered is kept.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::{Map, Value};

use super::object::{Project, path_of};
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::frame::Frame;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 2] = [
    Member { path: "prompts.retention_days", kind: Kind::Number },
    Member { path: "prompts.redact", kind: Kind::Flag },
];
/// What is offered to whoever has kept none so far.
const DAYS_DEFAULT: u16 = 30;

#[derive(Debug, Template)]
#[template(path = "projects/prompts.html")]
struct PromptsPage {
    frame: Frame,
    form: Form,
    id: String,
    name: String,
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let (project, version) = visitor.api.get_versioned::<Project>(&path_of(&id)).await?;
    let days = project.prompts.map_or(DAYS_DEFAULT, |policy| policy.retention_days.get());
    let is_kept = project.prompts.is_some();
    let mut form = Form::filled([
        ("version", version),
        ("keep", if is_kept { "yes" } else { "no" }.to_owned()),
        ("prompts.retention_days", days.to_string()),
    ]);
    if project.redacts() || !is_kept {
        form.add("prompts.redact", "on");
    }
    let frame = visitor.frame("/projects");
    Ok(ok(&PromptsPage { frame, form, id: project.id, name: project.name }))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = path_of(&id);
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Project>(Method::PATCH, &path, &body(&form), sent).await {
        Ok(_) => Ok(see_other(&format!("/projects/{}?done=prompts-saved", segment(&id)))),
        Err(refusal) => {
            let project: Project = visitor.api.get(&path).await?;
            let (frame, form) = (visitor.frame("/projects"), form.refused(refusal)?);
            Ok(again(&PromptsPage { frame, form, id: project.id, name: project.name }))
        }
    }
}

fn body(form: &Form) -> Map<String, Value> {
    if form.has("keep", "yes") {
        return form.body(&MEMBERS);
    }
    Map::from_iter([("prompts".to_owned(), Value::Null)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn what_is_not_kept_has_no_days() {
        let cases = [
            ("keep=no&prompts.retention_days=30&prompts.redact=on", json!({"prompts": null})),
            ("keep=yes&prompts.retention_days=30&prompts.redact=on",
                json!({"prompts": {"retention_days": 30, "redact": true}})),
            ("keep=yes&prompts.retention_days=7", json!({"prompts": {"retention_days": 7, "redact": false}})),
            ("keep=yes&prompts.retention_days=", json!({"prompts": {"redact": false}})),
            ("", json!({"prompts": null})),
        ];
        for (typed, expected) in cases {
            let body = body(&Form::read(typed.as_bytes()).unwrap());
            assert_eq!(Value::Object(body), expected, "{typed}");
        }
    }
}
