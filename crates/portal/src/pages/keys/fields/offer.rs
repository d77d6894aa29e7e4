//! What the form of a key offers to choose from, and what it explains.

use doorward_domain::scope::Scope;
use serde::Deserialize;

use super::slip::Slip;
use super::wants_row;
use crate::api::List;
use crate::form::Form;
use crate::pages::keys::model_limits;
use crate::pages::keys::object::Key;
use crate::visitor::Visitor;

/// Ends that are offered, in days.
const DAYS: [u64; 4] = [7, 30, 90, 365];
/// Models that are listed to choose from.
const MODELS: &str = "/v1/allowed-models?limit=200";

/// What a form offers to choose from, and what it explains.
#[derive(Debug)]
pub(in crate::pages::keys) struct Offer {
    pub(in crate::pages::keys) scopes: Vec<Scope>,
    /// Names of models that there are.
    pub(in crate::pages::keys) models: Vec<String>,
    pub(in crate::pages::keys) has_more_models: bool,
    /// Ends, in days.
    pub(in crate::pages::keys) days: Vec<u64>,
    /// The longest life of a key, in days. `None`: it need not end.
    pub(in crate::pages::keys) days_max: Option<u64>,
    /// Where the visitor is.
    pub(in crate::pages::keys) address: String,
    /// What is ticked where the address lists are meant as they are. `None`: there is nothing to ask about.
    pub(in crate::pages::keys) anyway: Option<String>,
    pub(in crate::pages::keys) model_limits: Vec<model_limits::Row>,
    /// Whether one more row is all that was asked for.
    pub(in crate::pages::keys) has_more_rows: bool,
}

#[derive(Deserialize)]
struct AllowedModel {
    name: String,
}

impl Offer {
    /// Offers to go on although the address lists of a form that was refused do more than was meant, perhaps.
    pub(in crate::pages::keys) fn ask_about(
        &mut self,
        visitor: &Visitor,
        form: &Form,
        before: Option<&Key>,
    ) {
        let slip = form.is_refused().then(|| Slip::of(visitor, form, before)).flatten();
        self.anyway = slip.map(|slip| slip.anyway(&self.address));
    }

    pub(in crate::pages::keys) async fn load(visitor: &Visitor, form: &Form) -> Self {
        // Without the list, patterns can still be typed.
        let models = visitor.api.get::<List<AllowedModel>>(MODELS).await.ok();
        let has_more_models = models.as_ref().is_some_and(|list| list.next.is_some());
        let models = models.map(|list| list.data).unwrap_or_default();
        let scopes = visitor.me.role.scopes();
        let days_max = visitor.me.key_quota.days_max();
        let fits = |days: &u64| days_max.is_none_or(|most| *days <= most);
        Self {
            scopes: Scope::ALL.into_iter().filter(|scope| scopes.allows(*scope)).collect(),
            models: models.into_iter().map(|model| model.name).collect(),
            has_more_models,
            days: DAYS.into_iter().filter(fits).collect(),
            days_max,
            address: visitor.address.0.to_string(),
            anyway: None,
            model_limits: model_limits::rows(form),
            has_more_rows: wants_row(form),
        }
    }
}
