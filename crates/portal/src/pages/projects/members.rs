//! Who belongs to a project.

use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};

use super::object::path_of;
use super::show::show_again;
use crate::answer::see_other;
use crate::api::Sent;
use crate::form::{Form, Kind, Member};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::{FieldError, Refusal};
use crate::visitor::Visitor;

const MEMBERS: [Member; 1] = [Member { path: "role", kind: Kind::Text }];

/// `POST /projects/{id}/members`: lets somebody in, by name.
pub(crate) async fn add(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let user = form.value("user").trim();
    let made = if user.is_empty() {
        Err(Refusal::not_found())
    } else {
        put(&visitor, &id, user, &form).await
    };
    match made {
        Ok(()) => Ok(done(&id, "member-added")),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            let form = form.wrong(FieldError::new("user", "member-unknown"));
            show_again(&visitor, &id, form).await
        }
        Err(refusal) => show_again(&visitor, &id, form.refused(refusal)?).await,
    }
}

/// `POST /projects/{id}/members/{user}`: another role.
pub(crate) async fn set(
    Path((id, user)): Path<(String, String)>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    put(&visitor, &id, &user, &form).await?;
    Ok(done(&id, "member-saved"))
}

/// `POST /projects/{id}/members/{user}/remove`.
pub(crate) async fn remove(
    Path((id, user)): Path<(String, String)>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/members/{}", path_of(&id), segment(&user));
    visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    Ok(done(&id, "member-removed"))
}

async fn put(visitor: &Visitor, id: &str, user: &str, form: &Form) -> Result<(), Refusal> {
    let path = format!("{}/members/{}", path_of(id), segment(user));
    visitor.api.act(Method::PUT, &path, Some(&form.body(&MEMBERS)), Sent::default()).await
}

fn done(id: &str, what: &str) -> Response {
    see_other(&format!("/projects/{}?done={what}", segment(id)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    fn answers(put: (u16, Value)) -> Vec<(&'static str, u16, Value)> {
        let project = json!({
            "id": "prj_1", "name": "search", "description": "", "model_prefix": "u-0123456789ab/", "keys": 2, "members": 1,
            "prompts": { "retention_days": 7, "redact": true }, "created_at": "2026-11-01T12:00:00Z",
            "limits": {}, "budgets": [], "spent": [],
        });
        let member = json!({ "user": "usr_1", "name": "bob", "role": "member" });
        let people = json!([{ "id": "usr_1", "name": "bob" }, { "id": "usr_2", "name": "cy" }]);
        let models = json!([
            { "name": "u-0123456789ab/mine", "project": "prj_1" },
            { "name": "gpt-of-all", "project": null },
        ]);
        let list = |data: Value| json!({ "data": data, "next": null });
        vec![
            ("GET /v1/projects/prj_1", 200, project),
            ("GET /v1/projects/prj_1/members", 200, list(json!([member]))),
            ("GET /v1/users?limit=200&presence=false", 200, list(people)),
            ("GET /v1/models?view=routes&limit=200", 200, list(models)),
            ("PUT /v1/projects/prj_1/members/cy", put.0, put.1),
        ]
    }

    #[tokio::test]
    async fn somebody_is_let_in_by_name() {
        let portal = Fake::new("admin", &answers((200, json!({}))));
        let done = portal.post("/projects/prj_1/members", "user=+cy+&role=viewer").await;
        assert_eq!(done.location, "/projects/prj_1?done=member-added");
        assert_eq!(portal.changes()[0].body, json!({ "role": "viewer" }));
        let shown = portal.get("/projects/prj_1").await.text;
        assert!(shown.contains(">cy</option>") && !shown.contains(">bob</option>"), "{shown}");
        assert!(shown.contains("u-0123456789ab/mine") && !shown.contains("gpt-of-all"), "{shown}");
        assert!(shown.contains("kept for 7 days"), "{shown}");
    }

    #[tokio::test]
    async fn where_everybody_is_a_member_there_is_nobody_to_add() {
        let mut answers = answers((200, json!({})));
        answers[2].2 = json!({ "data": [{ "id": "usr_1", "name": "bob" }], "next": null });
        let shown = Fake::new("admin", &answers).get("/projects/prj_1").await.text;
        assert!(shown.contains("Everybody of the organization is a member."), "{shown}");
        assert!(!shown.contains("Add member"), "{shown}");
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_said_at_its_field() {
        let portal = Fake::new("admin", &answers((404, json!({ "detail": "no such user" }))));
        for typed in ["user=cy&role=viewer", "user=&role=viewer"] {
            let again = portal.post("/projects/prj_1/members", typed).await;
            assert_eq!(again.status, 422);
            assert!(again.text.contains("id=\"user-wrong\">is nobody"), "{}", again.text);
        }
    }
}
