//! `/providers/{id}`: what it is, and which models go there.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use super::object::Provider;
use super::standing::Standing;
use super::test::Tested;
use crate::answer::ok;
use crate::api::List;
use crate::form::Form;
use crate::frame::Frame;
use crate::pages::general_keys::{self, GeneralKey};
use crate::pages::models::Model;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

#[derive(Debug, Template)]
#[template(path = "providers/show.html")]
pub(super) struct ShowPage {
    frame: Frame,
    form: Form,
    /// What came back when it was asked just now.
    tested: Option<Tested>,
    provider: Provider,
    keys: Vec<GeneralKey>,
    models: Vec<Model>,
    /// Where there are more of them.
    more: Option<String>,
}

impl ShowPage {
    pub(super) async fn new(
        visitor: &Visitor,
        id: &str,
        form: Form,
        tested: Option<Tested>,
    ) -> Result<Self, Refusal> {
        let provider: Provider = visitor.api.get(&format!("/v1/providers/{}", segment(id))).await?;
        let path = format!("/v1/models?view=routes&limit=50&provider={}", provider.id);
        let List { data: models, next } = visitor.api.get(&path).await?;
        let more = next.map(|_| format!("/models?provider={}", provider.id));
        let keys = general_keys::all(visitor).await?;
        let frame = visitor.frame("/providers");
        Ok(Self { frame, form, tested, provider, keys, models, more })
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.provider, &self.models)
    }

    /// The keys that share its calls.
    fn own_keys(&self) -> Vec<&GeneralKey> {
        let is_own = |key: &&GeneralKey| self.provider.general_keys.contains(&key.id);
        self.keys.iter().filter(is_own).collect()
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&ShowPage::new(&visitor, &id, Form::default(), None).await?))
}
