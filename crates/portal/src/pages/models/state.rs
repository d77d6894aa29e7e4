//! `POST /models/show/{name}`: one deployment is drained, disabled or enabled.

use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde_json::{Map, Value};

use super::object::{Deployment, Model, api_path, model_path};
use super::show::ShowPage;
use crate::answer::{again, see_other};
use crate::api::Sent;
use crate::posted::Posted;
use crate::refusal::Refusal;

/// All deployments are said again, one of them in another state; and only of the version that was looked at.
pub(crate) async fn act(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = api_path(&name);
    let model: Model = visitor.api.get(&format!("{path}?view=routes")).await?;
    let body = body(&model, form.value("deployment"), form.value("state"));
    let sent = Sent { version: Some(form.value("version")), ..Sent::default() };
    match visitor.api.send::<Model>(Method::PATCH, &path, &body, sent).await {
        Ok(_) => {
            let state = form.value("state");
            Ok(see_other(&format!("{}?done=deployment-{state}", model_path("show", &name))))
        }
        Err(refusal) => Ok(again(&ShowPage::new(&visitor, form.refused(refusal)?, &name).await?)),
    }
}

pub(super) fn body(model: &Model, id: &str, state: &str) -> Map<String, Value> {
    let wish = |(one, mut wish): (&Deployment, Value)| {
        if let (true, Some(wish)) = (one.id == id, wish.as_object_mut()) {
            wish.insert("state".to_owned(), state.into());
        }
        wish
    };
    let deployments = model.deployments.iter().zip(model.wishes()).map(wish).collect();
    Map::from_iter([("deployments".to_owned(), deployments)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_deployment_has_another_state_and_the_others_stay() {
        let deployment = |id: &str, state: &str| {
            json!({
                "id": id, "provider": "prv_1", "upstream_model": id, "provider_key": "pvk_1",
                "weight": 3, "priority": 1, "state": state, "health": null, "listed_price": null,
            })
        };
        let model: Model = serde_json::from_value(json!({
            "name": "m", "aliases": [], "project": null, "price": "free", "output_tokens_max": null,
            "routing": "weighted", "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "deployments": [deployment("a", "active"), deployment("b", "draining")],
        }))
        .unwrap();
        let body = body(&model, "a", "disabled");
        let wished = |name: &str, state: &str| {
            json!({
                "provider": "prv_1", "upstream_model": name, "provider_key": "pvk_1", "weight": 3,
                "priority": 1, "state": state,
            })
        };
        assert_eq!(
            Value::Object(body),
            json!({"deployments": [wished("a", "disabled"), wished("b", "draining")]})
        );
    }
}
