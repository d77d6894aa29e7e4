//! `GET /my-models`: what somebody's keys may call, and what that costs.

use askama::Template;
use axum::response::Response;
use serde::Deserialize;

use super::price::Price;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

/// A model that may be called.
#[derive(Debug, Deserialize)]
struct Callable {
    name: String,
    aliases: Vec<String>,
    /// Whose keys alone may call it.
    project: Option<String>,
    price: Price,
}

#[derive(Debug, Template)]
#[template(path = "models/mine.html")]
struct MinePage {
    frame: Frame,
    query: Query,
    models: Vec<Callable>,
    next: Option<String>,
}

impl MinePage {
    /// The name of the project whose keys alone call it.
    fn project<'a>(&'a self, model: &'a Callable) -> Option<&'a str> {
        let id = model.project.as_ref()?;
        let own = self.frame.me.iter().flat_map(|me| &me.projects).find(|one| one.id == *id);
        Some(own.map_or(id, |one| &one.name))
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/allowed-models", &["q", "after"], &[("limit", "50")]);
    let List { data: models, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/my-models", &["q"], &[("after", &after)]));
    Ok(ok(&MinePage { frame: visitor.frame("/my-models"), query, models, next }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn a_member_sees_what_they_may_call_and_what_it_costs() {
        let page = json!({
            "data": [
                {"name": "gpt-a", "aliases": ["fast"], "project": null, "price": "free"},
                {"name": "gpt-b", "aliases": [], "project": null, "price": {"input": "0.15", "output": "0.60"}},
            ],
            "next": "gpt-b",
        });
        let portal = Fake::new("member", &[("GET /v1/allowed-models?q=gpt&limit=50", 200, page)]);
        let shown = portal.get("/my-models?q=gpt").await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        for words in
            ["gpt-a", "fast", "free", "$0.15 in · $0.60 out", "/my-models?q=gpt&#38;after="]
        {
            assert!(shown.text.contains(words), "{words} {}", shown.text);
        }
        assert!(shown.text.contains("href=\"/my-models\" aria-current=\"page\""));
        let admin = Fake::new("admin", &[]).get("/nowhere").await.text;
        assert!(!admin.contains("/my-models") && admin.contains("href=\"/models\""), "{admin}");
    }
}
