//! `/general-keys/{id}`: what it is, who is called with it, and whether it works.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::Method;
use serde::Deserialize;

use super::object::GeneralKey;
use crate::answer::{again, ok, see_other};
use crate::api::Sent;
use crate::form::{Choice, Form, Kind, Member};
use crate::frame::Frame;
use crate::pages::providers::{self, Provider};
use crate::posted::Posted;
use crate::query::segment;
use crate::refusal::Refusal;
use crate::visitor::Visitor;

const MEMBERS: [Member; 1] = [Member { path: "provider", kind: Kind::Wish }];

#[derive(Debug, Template)]
#[template(path = "general_keys/show.html")]
struct ShowPage {
    frame: Frame,
    form: Form,
    key: GeneralKey,
    providers: Vec<Provider>,
}

/// What is looked at of the answer to a test; the key remembers the rest.
#[derive(Debug, Deserialize)]
struct Tested {
    works: bool,
}

impl ShowPage {
    async fn new(visitor: &Visitor, form: Form, id: &str) -> Result<Self, Refusal> {
        let key = visitor.api.get(&format!("/v1/provider-keys/{}", segment(id))).await?;
        let providers = providers::all(visitor).await?;
        Ok(Self { frame: visitor.frame("/general-keys"), form, key, providers })
    }

    /// Whom it may be tried at, those that are called with it first; none to choose where there is one only.
    fn tried_at(&self) -> Vec<Choice> {
        let used = self.key.providers(&self.providers);
        if let ([_], true) = (used.as_slice(), self.key.used_by.models.is_empty()) {
            return Vec::new();
        }
        let is_other = |provider: &&Provider| !used.iter().any(|one| one.id == provider.id);
        let others = self.providers.iter().filter(is_other);
        let all = used.iter().copied().chain(others).filter(|provider| provider.has_list());
        all.map(|provider| Choice::new(&provider.id, &provider.name)).collect()
    }

    fn can_be_tested(&self) -> bool {
        self.providers.iter().any(Provider::has_list)
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(ok(&ShowPage::new(&visitor, Form::default(), &id).await?))
}

/// Presents the key to a provider; how it went is told by the page that follows.
pub(crate) async fn test(
    Path(id): Path<String>,
    Posted { visitor, form }: Posted,
) -> Result<Response, Refusal> {
    let path = format!("/v1/provider-keys/{}/test", segment(&id));
    let body = form.body(&MEMBERS);
    match visitor.api.send::<Tested>(Method::POST, &path, &body, Sent::default()).await {
        Ok(Tested { works: true }) => {
            Ok(see_other(&format!("/general-keys/{}?done=general-key-works", segment(&id))))
        }
        Ok(Tested { works: false }) => Ok(see_other(&format!("/general-keys/{}", segment(&id)))),
        Err(refusal) => Ok(again(&ShowPage::new(&visitor, form.refused(refusal)?, &id).await?)),
    }
}
