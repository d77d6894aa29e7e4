//! What is taken from somebody: sessions, the second factor, being switched on, and all of it.

use axum::extract::Path;
use axum::response::Response;
use http::Method;

use super::object::Person;
use crate::answer::{ok, see_other};
use crate::api::Sent;
use crate::form::Form;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{self, Question};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::visitor::Visitor;

/// What is asked before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    TakeSecondFactor,
    Disable,
    Remove,
}

impl Deed {
    /// The last part of its path in the portal, and of the names of its texts.
    const fn name(self) -> &'static str {
        match self {
            Self::TakeSecondFactor => "second-factor",
            Self::Disable => "disable",
            Self::Remove => "remove",
        }
    }

    /// What does it, after the path of the user.
    const fn call(self) -> (Method, &'static str) {
        match self {
            Self::TakeSecondFactor => (Method::DELETE, "/second-factor"),
            Self::Disable => (Method::POST, "/disable"),
            Self::Remove => (Method::DELETE, ""),
        }
    }

    fn question(self, visitor: &Visitor, person: &Person) -> Question {
        let name = self.name();
        let mut lines = vec![text(&format!("person-{name}-what"))];
        if self != Self::TakeSecondFactor && person.keys > 0 {
            lines.push(text_with(&format!("person-{name}-keys"), "n", person.keys));
        }
        if person.id == visitor.me.id {
            lines.push(text("person-is-you"));
        }
        let back = format!("/people/{}", segment(&person.id));
        Question {
            frame: visitor.frame("/people"),
            form: Form::default(),
            title: text_with(&format!("person-{name}-title"), "name", person.name.as_str()),
            lines,
            touched: vec![],
            yes: Some(text(&format!("person-{name}-act"))),
            to: format!("{back}/{name}"),
            back,
            back_title: person.name.clone(),
        }
    }

    async fn ask(self, visitor: Visitor, id: &str) -> Result<Response, Refusal> {
        let person: Person = visitor.api.get(&path_of(id)).await?;
        Ok(ok(&self.question(&visitor, &person)))
    }

    async fn act(self, id: &str, Posted { visitor, form }: Posted) -> Result<Response, Refusal> {
        let path = path_of(id);
        let person: Person = visitor.api.get(&path).await?;
        let (method, rest) = self.call();
        let path = format!("{path}{rest}");
        let done = match self {
            Self::Remove => "/people?done=person-removed".to_owned(),
            Self::Disable => done(id, "person-disabled"),
            Self::TakeSecondFactor => done(id, "second-factor-taken"),
        };
        let deed = question::Deed { method, path: &path, done: &done };
        self.question(&visitor, &person).yes(&visitor, form, deed).await
    }
}

fn path_of(id: &str) -> String {
    format!("/v1/users/{}", segment(id))
}

fn done(id: &str, what: &str) -> String {
    format!("/people/{}?done={what}", segment(id))
}

/// `GET /people/{id}/second-factor`.
pub(crate) async fn ask_second_factor(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Deed::TakeSecondFactor.ask(visitor, &id).await
}

/// `POST /people/{id}/second-factor`.
pub(crate) async fn take_second_factor(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refusal> {
    Deed::TakeSecondFactor.act(&id, posted).await
}

/// `GET /people/{id}/disable`.
pub(crate) async fn ask_disable(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Deed::Disable.ask(visitor, &id).await
}

/// `POST /people/{id}/disable`.
pub(crate) async fn disable(Path(id): Path<String>, posted: Posted) -> Result<Response, Refusal> {
    Deed::Disable.act(&id, posted).await
}

/// `GET /people/{id}/remove`.
pub(crate) async fn ask_remove(
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Deed::Remove.ask(visitor, &id).await
}

/// `POST /people/{id}/remove`.
pub(crate) async fn remove(Path(id): Path<String>, posted: Posted) -> Result<Response, Refusal> {
    Deed::Remove.act(&id, posted).await
}

/// `POST /people/{id}/enable`.
pub(crate) async fn enable(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/enable", path_of(&id));
    visitor.api.act(Method::POST, &path, None, Sent::default()).await?;
    Ok(see_other(&done(&id, "person-enabled")))
}

/// `POST /people/{id}/end-sessions`.
pub(crate) async fn end_sessions(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/sessions", path_of(&id));
    visitor.api.act(Method::DELETE, &path, None, Sent::default()).await?;
    Ok(see_other(&done(&id, "person-sessions-ended")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    fn person(role: &str, keys: u32) -> Value {
        json!({
            "id": "usr_1", "name": "Bob <b>", "email": null, "role": role, "status": "active", "keys": keys,
            "has_password": true, "has_second_factor": true, "last_seen_at": null,
            "created_at": "2026-11-01T12:00:00Z", "limits": {}, "budgets": [], "spent": [],
            "projects": [{ "id": "prj_1", "name": "search", "role": "viewer" }],
        })
    }

    #[tokio::test]
    async fn a_removal_names_whom_and_says_how_many_keys_end() {
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/users/usr_1", 200, person("member", 3)),
                ("DELETE /v1/users/usr_1", 204, json!(null)),
            ],
        );
        let asked = portal.get("/people/usr_1/remove").await;
        assert!(asked.text.contains("Remove Bob &#60;b&#62;?"), "{}", asked.text);
        assert!(asked.text.contains("3 keys end now"), "{}", asked.text);
        assert!(portal.changes().is_empty());
        let done = portal.post("/people/usr_1/remove", "").await;
        assert_eq!(done.location, "/people?done=person-removed");
        assert_eq!(portal.changes()[0].what, "DELETE /v1/users/usr_1");
    }

    #[tokio::test]
    async fn what_is_refused_is_said_where_it_was_asked() {
        let detail = "Nobody would be an owner any more.";
        let problem = json!({ "code": "last_owner", "detail": detail });
        let portal = Fake::new(
            "owner",
            &[
                ("GET /v1/users/usr_1", 200, person("owner", 0)),
                ("POST /v1/users/usr_1/disable", 409, problem),
            ],
        );
        let again = portal.post("/people/usr_1/disable", "").await;
        assert_eq!(again.status, 422);
        assert!(again.text.contains(detail) && !again.text.contains("keys stop"), "{}", again.text);
    }

    #[tokio::test]
    async fn whoever_is_above_is_looked_at_and_not_changed() {
        for (role, may_change) in [("member", true), ("admin", true), ("owner", false)] {
            let portal = Fake::new(
                "admin",
                &[
                    ("GET /v1/users/usr_1", 200, person(role, 1)),
                    ("GET /v1/users/usr_1/sessions", 200, json!({ "data": [], "next": null })),
                ],
            );
            let shown = portal.get("/people/usr_1").await;
            assert_eq!(shown.status, 200, "{}", shown.text);
            for act in ["edit", "disable", "remove", "second-factor"] {
                let link = format!("/people/usr_1/{act}\"");
                assert_eq!(shown.text.contains(&link), may_change, "{role} {act}");
            }
        }
    }

    #[tokio::test]
    async fn a_form_of_another_session_does_nothing() {
        let portal = Fake::new("owner", &[("POST /v1/users/usr_1/enable", 200, json!({}))]);
        let stale = portal.post_as_is("/people/usr_1/enable", "csrf=other").await;
        assert_eq!(stale.status, 403);
        assert!(portal.changes().is_empty());
    }
}
