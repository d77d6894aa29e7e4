//! `GET /providers`.

use askama::Template;
use axum::response::Response;

use super::object::Provider;
use super::standing::Standing;
use crate::answer::ok;
use crate::api::List;
use crate::frame::Frame;
use crate::pages::general_keys::{self, GeneralKey};
use crate::pages::models::Model;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "providers/list.html")]
struct ListPage {
    frame: Frame,
    query: Query,
    providers: Vec<Provider>,
    keys: Vec<GeneralKey>,
    models: Vec<Model>,
    next: Option<String>,
}

impl ListPage {
    /// How it is, as what goes there says.
    fn standing(&self, provider: &Provider) -> Standing {
        Standing::of(provider, &self.models)
    }

    /// The names of the keys that share its calls.
    fn keys_of(&self, provider: &Provider) -> Vec<&str> {
        let name = |id: &String| self.keys.iter().find(|key| key.id == *id).map(|key| &*key.name);
        provider.general_keys.iter().filter_map(name).collect()
    }
}

pub(crate) async fn list(visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let path = query.path("/v1/providers", &["q", "after"], &[("limit", "50")]);
    let List { data: providers, next } = visitor.api.get(&path).await?;
    let next = next.map(|after| query.path("/providers", &["q"], &[("after", &after)]));
    let keys = general_keys::all(&visitor).await?;
    let List { data: models, .. } = visitor.api.get("/v1/models?view=routes&limit=200").await?;
    let frame = visitor.frame("/providers");
    Ok(ok(&ListPage { frame, query, providers, keys, models, next }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test]
    async fn a_search_goes_to_the_api_and_is_kept_by_a_fresh_look() {
        let portal = Fake::new(
            "admin",
            &[
                ("GET /v1/providers?q=mail&limit=50", 200, json!({ "data": [], "next": "m" })),
                ("GET /v1/provider-keys?limit=200", 200, json!({ "data": [], "next": null })),
                ("GET /v1/models?view=routes&limit=200", 200, json!({ "data": [], "next": null })),
            ],
        );
        let shown = portal.get("/providers?q=mail").await.text;
        assert!(shown.contains("name=\"q\" value=\"mail\""), "{shown}");
        assert!(
            shown.contains("No provider is like that.")
                && shown.contains("<a class=\"button quiet\" href=\"/providers\">"),
            "{shown}"
        );
        assert!(shown.contains("<a class=\"button icon\" href=\"/providers?q=mail\""), "{shown}");
    }
}
