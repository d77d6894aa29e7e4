//! `POST /v1/api-keys`.

use axum::extract::State;
use axum::response::Response;
use doorward_domain::address::{AddressBlock, AddressRules};
use doorward_domain::bounds::ModelLimits;
use doorward_domain::budget::{Budget, Spend};
use doorward_domain::id::ProjectId;
use doorward_domain::key::{ApiKey, Owner};
use doorward_domain::limit::Limits;
use doorward_domain::model_pattern::ModelPattern;
use doorward_domain::name::{check_description, check_name};
use doorward_domain::origin::{Origin, Origins};
use doorward_domain::rights::Rights;
use doorward_domain::scope::{Scope, ScopeSet};
use doorward_store::{KeyRecord, NewKey, StoreError};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::expiry::{self, Bounds, Days, Decided, Wish};
use super::grant::{self, Attempt};
use super::place::{self, Kind, Named, NewAccount};
use super::secret;
use crate::Control;
use crate::caller::Caller;
use crate::faults::Faults;
use crate::openapi::text::{Description, Name};
use crate::problem::ApiError;
use crate::request::{Field, JsonBody};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApiKey)]
struct CreateKey {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    kind: Option<Kind>,
    /// Id or name.
    #[schema(value_type = Option<Name>)]
    owner: Option<String>,
    /// In place of an owner: a service account that is made along with the key, both or neither.
    new_service_account: Option<NewAccount>,
    /// Id or name.
    #[schema(value_type = Option<Name>)]
    project: Option<String>,
    scopes: Option<ScopeSet>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    expires_in_days: Field<Days>,
    #[serde(default)]
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Field<Timestamp>,
    never_expires: Option<bool>,
    #[schema(value_type = Option<Vec<ModelPattern>>, max_items = 200)]
    models: Option<Vec<ModelPattern>>,
    #[schema(value_type = Option<Vec<AddressBlock>>, max_items = 200)]
    ip_allow: Option<Vec<AddressBlock>>,
    #[schema(value_type = Option<Vec<AddressBlock>>, max_items = 200)]
    ip_deny: Option<Vec<AddressBlock>>,
    limits: Option<Limits>,
    #[schema(max_items = 20)]
    model_limits: Option<Vec<ModelLimits>>,
    #[schema(value_type = Option<Vec<Budget>>, max_items = 8)]
    budgets: Option<Vec<Budget>>,
    #[schema(value_type = Option<Vec<Origin>>, max_items = 20)]
    allowed_origins: Option<Origins>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Creates an API key; its secret is in this answer and in no other.
#[utoipa::path(
    post,
    path = "/v1/api-keys",
    request_body = CreateKey,
    responses((status = 201, body = secret::KeyWithSecret, headers(("etag")))),
)]
pub(crate) async fn create_key(
    State(control): State<Control>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let mut wish: CreateKey = body.parse()?;
    let (now, settings) = (control.now(), control.store.settings(caller.organization()).await?);
    let mut faults = Faults::new();
    wish.fill_scopes(caller.rights.scopes, &mut faults);
    let named = Named {
        kind: wish.kind,
        owner: wish.owner.as_deref(),
        account: wish.new_service_account.as_ref(),
        project: wish.project.as_deref(),
        key: &wish.name,
    };
    let place = place::find(&control, &caller, &named, now, &mut faults).await?;
    let whose = place.owner.unwrap_or(caller.owner());
    let bounds = Bounds::new(&caller, &settings, now).owned_by(whose, &settings);
    let decided = wish.check(bounds, &mut faults);
    let (owner, decided) = faults.finish_with(place.owner.zip(decided))?;
    let new = wish.into_key(owner, place.project, &caller, decided.at);
    refuse_excess(&control, &caller, &new).await?;
    let quota = settings.keys_per_user_max;
    let new = NewKey { quota: Some(quota), ..new };
    let act = caller.act(now);
    let created = match &place.account {
        Some(account) => control.store.create_key_and_account(&act, account, new).await,
        None => control.store.create_key(&act, new).await,
    };
    let (key, plain) = created.map_err(|error| full(error, quota))?;
    secret::answer(StatusCode::CREATED, fresh(key), &plain, decided.is_clamped, now)
}

impl CreateKey {
    /// A key that is asked for without scopes calls models, as far as its maker may.
    fn fill_scopes(&mut self, own: ScopeSet, faults: &mut Faults) {
        if self.scopes.is_some() {
            return;
        }
        let inference: ScopeSet =
            [Scope::InferenceRead, Scope::InferenceWrite].into_iter().collect();
        let shared = inference.intersect(own);
        if shared == ScopeSet::NONE {
            let detail =
                "must be named: you have none of the usual inference:read, inference:write";
            faults.add("scopes", "missing", detail);
        }
        self.scopes = Some(shared);
    }

    fn check(&self, bounds: Bounds, faults: &mut Faults) -> Option<Decided> {
        faults.check("name", check_name(&self.name));
        faults.check("description", check_description(self.description.as_deref().unwrap_or("")));
        grant::check_rights(&self.rights(None), faults);
        if let Some(metadata) = &self.metadata {
            grant::check_metadata(metadata, faults);
        }
        let wish =
            Wish { in_days: self.expires_in_days, at: self.expires_at, never: self.never_expires };
        let requested = wish.requested(faults);
        expiry::decide(requested, bounds, faults)
    }

    fn rights(&self, expires_at: Option<Timestamp>) -> Rights {
        Rights {
            scopes: self.scopes.unwrap_or(ScopeSet::NONE),
            models: self.models.clone().into(),
            addresses: AddressRules {
                allow: self.ip_allow.clone(),
                deny: self.ip_deny.clone().unwrap_or_default(),
            },
            limits: self.limits.unwrap_or(Limits::NONE),
            model_limits: self.model_limits.clone().unwrap_or_default(),
            budgets: self.budgets.clone().unwrap_or_default(),
            expires_at,
            allowed_origins: self.allowed_origins.clone(),
        }
    }

    fn into_key(
        self,
        owner: Owner,
        project: ProjectId,
        caller: &Caller,
        expires_at: Option<Timestamp>,
    ) -> NewKey {
        NewKey {
            rights: self.rights(expires_at),
            name: self.name,
            description: self.description.unwrap_or_default(),
            owner,
            project,
            created_by: caller.user(),
            metadata: self.metadata.unwrap_or_default(),
            quota: None,
        }
    }
}

async fn refuse_excess(control: &Control, caller: &Caller, new: &NewKey) -> Result<(), ApiError> {
    let attempt = Attempt { action: "key.create", subject: new.owner.to_string(), name: &new.name };
    grant::refuse_bounded_maker(control, caller, &attempt).await?;
    grant::refuse_excess(control, caller, &new.rights, |_| true, &attempt).await
}

/// The store calls a reached quota "in use"; here it has a name of its own.
fn full(error: StoreError, quota: u32) -> ApiError {
    let StoreError::InUse(_) = error else { return error.into() };
    ApiError::Conflict {
        code: "key_quota_reached",
        detail: format!(
            "A user or service account can have at most {quota} active and disabled keys \
             (keys-per-user-max). Revoke one that is not needed any more."
        ),
        field: None,
    }
}

/// A key that was just made, as lists show it.
fn fresh(key: ApiKey) -> KeyRecord {
    let spent = key.rights.budgets.iter().map(|budget| (*budget, Spend::default())).collect();
    KeyRecord {
        key,
        spent,
        spent_this_month: Spend::default(),
        last_used_at: None,
        last_used_address: None,
        previous_secrets: Vec::new(),
        increase: None,
    }
}
