//! `/projects/{id}/remove`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::object::{Model, Project, path_of};
use crate::answer::ok;
use crate::api::List;
use crate::form::Form;
use crate::pages::models::model_path;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question, Touched};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// Where keys go that name no project: it stays.
const DEFAULT: &str = "default";

#[derive(Debug, Deserialize)]
struct Held {
    id: String,
    name: String,
    #[serde(default)]
    project: Option<String>,
}

/// What is in a project: with any of it, it stays. Keys that expired are in it until they are deleted.
async fn touched(visitor: &Visitor, project: &Project) -> Result<Vec<Touched>, Refusal> {
    let id = segment(&project.id);
    let accounts = held(visitor, "/v1/service-accounts?limit=200").await?;
    let accounts = accounts.into_iter().filter(|one| one.project.as_ref() == Some(&project.id));
    let accounts = accounts.map(|one| found("service-account", "/service-accounts/", one));
    let mut all: Vec<Touched> = accounts.collect();
    let keys = held(visitor, &format!("/v1/api-keys?project={id}&limit=50")).await?;
    all.extend(keys.into_iter().map(|one| found("key", "/keys/", one)));
    let models: List<Model> = visitor.api.get("/v1/models?view=routes&limit=200").await?;
    let own = models.data.into_iter().filter(|one| one.project.as_ref() == Some(&project.id));
    all.extend(own.map(|one| Touched {
        noun: text("model"),
        path: Some(model_path("show", &one.name)),
        name: one.name,
    }));
    Ok(all)
}

async fn held(visitor: &Visitor, path: &str) -> Result<Vec<Held>, Refusal> {
    Ok(visitor.api.get::<List<Held>>(path).await?.data)
}

fn found(noun: &str, place: &str, one: Held) -> Touched {
    let path = Some(format!("{place}{}", segment(&one.id)));
    Touched { noun: text(noun), name: one.name, path }
}

async fn question(visitor: &Visitor, id: &str) -> Result<Question, Refusal> {
    let project: Project = visitor.api.get(&path_of(id)).await?;
    let back = format!("/projects/{}", segment(&project.id));
    let touched = touched(visitor, &project).await?;
    let mut lines = vec![text("project-remove-what")];
    let is_default = project.name == DEFAULT;
    lines.extend(match touched.is_empty() {
        _ if is_default => Some(text("project-remove-default")),
        true => None,
        false => Some(text("project-remove-holds")),
    });
    let can_be_removed = touched.is_empty() && !is_default;
    Ok(Question {
        frame: visitor.frame("/projects"),
        form: Form::default(),
        title: text_with("project-remove-title", "name", project.name.as_str()),
        lines,
        touched: if is_default { vec![] } else { touched },
        yes: can_be_removed.then(|| text("project-remove-act")),
        to: format!("{back}/remove"),
        back,
        back_title: project.name,
    })
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id).await?))
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/projects?done=project-removed";
    let deed = Deed { method: Method::DELETE, path: &path_of(&id), done };
    question(&visitor, &id).await?.yes(&visitor, form, deed).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, key};

    fn portal(name: &str, accounts: &[Value], keys: &[Value], models: &[Value]) -> Fake {
        let list = |rows: &[Value]| json!({ "data": rows, "next": null });
        let project = json!({
            "id": "prj_1", "name": name, "description": "", "model_prefix": "u-0/", "prompts": null,
            "created_at": "2026-11-01T12:00:00Z", "limits": {}, "budgets": [], "spent": [],
            "keys": 0, "members": 0,
        });
        Fake::new(
            "admin",
            &[
                ("GET /v1/projects/prj_1", 200, project),
                ("GET /v1/service-accounts?limit=200", 200, list(accounts)),
                ("GET /v1/api-keys?project=prj_1&limit=50", 200, list(keys)),
                ("GET /v1/models?view=routes&limit=200", 200, list(models)),
                ("DELETE /v1/projects/prj_1", 204, json!(null)),
            ],
        )
    }

    const BUTTON: &str = "class=\"button primary danger\"";

    #[tokio::test]
    async fn what_keeps_a_project_is_listed_and_there_is_no_button() {
        let account = |id: &str, of: &str| json!({ "id": id, "name": id, "project": of });
        let accounts = [account("sva_1", "prj_1"), account("sva_2", "prj_2")];
        let model = |name: &str, of: Value| json!({ "name": name, "project": of });
        let models = [model("u-0/own", json!("prj_1")), model("gpt-of-all", json!(null))];
        let portal = portal("search", &accounts, &[key("old")], &models);
        let asked = portal.get("/projects/prj_1/remove").await.text;
        for held in ["/service-accounts/sva_1", "/keys/dw_old", "/models/show/u-0/own"] {
            assert!(asked.contains(&format!("href=\"{held}\"")), "{held} {asked}");
        }
        assert!(!asked.contains("sva_2") && !asked.contains("gpt-of-all"), "{asked}");
        assert!(!asked.contains(BUTTON), "{asked}");
    }

    #[tokio::test]
    async fn an_empty_project_is_removed_and_the_default_one_stays() {
        let empty = portal("search", &[], &[], &[]);
        assert!(empty.get("/projects/prj_1/remove").await.text.contains(BUTTON));
        let done = empty.post("/projects/prj_1/remove", "").await;
        assert_eq!(done.location, "/projects?done=project-removed");
        let asked = portal("default", &[], &[], &[]).get("/projects/prj_1/remove").await.text;
        assert!(asked.contains("name no project") && !asked.contains(BUTTON), "{asked}");
    }
}
