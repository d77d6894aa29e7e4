//! `POST /providers/{id}/test`: asks the provider now, and says what came back.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::Deserialize;
use serde_json::Map;

use super::show::ShowPage;
use crate::answer::{again, ok};
use crate::api::Sent;
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;

/// What came back.
#[derive(Debug, Deserialize)]
pub(super) struct Tested {
    pub(super) works: bool,
    /// In words: how many models it lists, or what is wrong.
    pub(super) detail: String,
}

pub(crate) async fn act(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/providers/{}/test", segment(&id));
    match visitor.api.send::<Tested>(Method::POST, &path, &Map::new(), Sent::default()).await {
        Ok(tested) => Ok(ok(&ShowPage::new(&visitor, &id, form, Some(tested)).await?)),
        Err(refusal) => {
            Ok(again(&ShowPage::new(&visitor, &id, form.refused(refusal)?, None).await?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    #[tokio::test]
    async fn a_test_says_what_came_back() {
        for (works, detail, words) in [
            (true, "house lists 3 models", "It answers."),
            (false, "401 Unauthorized", "It does not work as it is."),
        ] {
            let none = json!({"data": [], "next": null});
            let tested: Value = json!({"works": works, "detail": detail, "models": []});
            let provider = json!({
                "id": "prv_1", "name": "house", "kind": "openai", "base_url": null, "region": null,
                "provider_keys": [], "health_check": null, "created_at": "2026-01-01T00:00:00Z",
            });
            let portal = Fake::new(
                "admin",
                &[
                    ("GET /v1/providers/prv_1", 200, provider),
                    ("POST /v1/providers/prv_1/test", 200, tested),
                    ("GET /v1/models?view=routes&limit=50&provider=prv_1", 200, none.clone()),
                    ("GET /v1/provider-keys?limit=200", 200, none),
                ],
            );
            let shown = portal.post("/providers/prv_1/test", "").await;
            assert_eq!(shown.status, 200, "{}", shown.text);
            assert!(shown.text.contains(words) && shown.text.contains(detail), "{}", shown.text);
        }
    }
}
