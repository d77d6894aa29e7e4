//! `/service-accounts/{id}/disable`, `/enable` and `/remove`.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use jiff::Timestamp;

use super::Account;
use crate::answer::{ok, see_other};
use crate::api::{List, Sent};
use crate::form::Form;
use crate::pages::keys::object::Key;
use crate::posted::Posted;
use crate::query::segment;
use crate::question::{Deed, Question, Touched};
use crate::refusal::Refusal;
use crate::text::{text, text_with};
use crate::time::relative;
use crate::visitor::Visitor;

/// What is asked before all keys of an account stop. `act` is the last part of the path, and of the texts' names.
async fn question(visitor: &Visitor, id: &str, act: &str) -> Result<Question, Refusal> {
    let account: Account = visitor.api.get(&path(id)).await?;
    let back = format!("/service-accounts/{}", segment(&account.id));
    let keys = keys(visitor, &account).await?;
    let mut lines = vec![text(&format!("service-account-{act}-about"))];
    lines.push(match keys.len() {
        0 => text("service-account-unused"),
        keys => text_with("service-account-stops", "n", keys),
    });
    Ok(Question {
        frame: visitor.frame("/service-accounts"),
        form: Form::default(),
        title: text_with(&format!("service-account-{act}-title"), "name", account.name.as_str()),
        lines,
        touched: keys.iter().map(|key| touched(key, visitor.now)).collect(),
        yes: Some(text(&format!("service-account-{act}"))),
        to: format!("{back}/{act}"),
        back,
        back_title: account.name,
    })
}

/// Its keys that work.
async fn keys(visitor: &Visitor, account: &Account) -> Result<Vec<Key>, Refusal> {
    let path = format!(
        "/v1/api-keys?owner={}&status=active&sort=-last_used&limit=50",
        segment(&account.id)
    );
    Ok(visitor.api.get::<List<Key>>(&path).await?.data)
}

/// A key with its last use: who may notice that it stops.
fn touched(key: &Key, now: Timestamp) -> Touched {
    let used = key.last_used_at.map(|at| text_with("key-touched-used", "when", relative(at, now)));
    let used = used.unwrap_or_else(|| text("key-touched-unused"));
    let path = Some(format!("/keys/{}", segment(&key.id)));
    Touched { noun: String::new(), name: format!("{}, {used}", key.name), path }
}

fn path(id: &str) -> String {
    format!("/v1/service-accounts/{}", segment(id))
}

fn done(id: &str, what: &str) -> String {
    format!("/service-accounts/{}?done={what}", segment(id))
}

pub(crate) async fn disable(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "disable").await?))
}

pub(crate) async fn remove(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&question(&visitor, &id, "remove").await?))
}

pub(crate) async fn act_disable(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/disable", path(&id));
    let done = done(&id, "service-account-disabled");
    let deed = Deed { method: Method::POST, path: &path, done: &done };
    question(&visitor, &id, "disable").await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_remove(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let done = "/service-accounts?done=service-account-removed";
    let deed = Deed { method: Method::DELETE, path: &path(&id), done };
    question(&visitor, &id, "remove").await?.yes(&visitor, form, deed).await
}

pub(crate) async fn act_enable(
    Path(id): Path<String>,
    Posted { visitor, form: _ }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("{}/enable", path(&id));
    visitor.api.act(Method::POST, &path, None, Sent::default()).await?;
    Ok(see_other(&done(&id, "service-account-enabled")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, key};

    const KEYS: &str = "GET /v1/api-keys?owner=sva_1&status=active&sort=-last_used&limit=50";

    fn portal(keys: &[Value]) -> Fake {
        let account = json!({
            "id": "sva_1", "name": "crawler", "description": "", "project": "prj_1",
            "status": "active", "created_at": "2026-11-01T12:00:00Z",
        });
        Fake::new(
            "admin",
            &[
                ("GET /v1/service-accounts/sva_1", 200, account),
                (KEYS, 200, json!({ "data": keys, "next": null })),
                ("POST /v1/service-accounts/sva_1/disable", 200, json!({})),
            ],
        )
    }

    #[tokio::test]
    async fn keys_that_stop_are_named_with_their_last_use_before_they_do() {
        let mut used = key("nightly");
        used["last_used_at"] = json!("2026-11-22T11:30:00Z");
        let portal = portal(&[used, key("spare")]);
        for act in ["disable", "remove"] {
            let asked = portal.get(&format!("/service-accounts/sva_1/{act}")).await.text;
            assert!(asked.contains("These 2 keys stop working"), "{asked}");
            assert!(asked.contains(">nightly, last used 30 minutes ago</a>"), "{asked}");
            assert!(asked.contains(">spare, never used</a>"), "{asked}");
            assert!(asked.contains("class=\"button primary danger\""), "{asked}");
        }
        assert!(portal.changes().is_empty());
        let done = portal.post("/service-accounts/sva_1/disable", "").await;
        assert_eq!(done.location, "/service-accounts/sva_1?done=service-account-disabled");
    }

    #[tokio::test]
    async fn an_account_without_keys_stops_nobody() {
        let asked = portal(&[]).get("/service-accounts/sva_1/remove").await.text;
        assert!(asked.contains("no key that works"), "{asked}");
    }
}
