//! `GET /v1/users/me`: what somebody may know of themselves.

use axum::Json;
use axum::extract::State;
use doorward_domain::id::OrganizationId;
use doorward_domain::key::Owner;
use doorward_domain::scope::ScopeSet;
use serde::Serialize;
use utoipa::ToSchema;

use super::{NOUN, OneUser, one};
use crate::Control;
use crate::caller::Caller;
use crate::openapi::text::Name;
use crate::problem::ApiError;

/// Whoever asks, what they belong to, and what bounds them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    #[serde(flatten)]
    user: OneUser,
    organization: OwnOrganization,
    /// What the role allows; a key may be allowed less.
    scopes: ScopeSet,
    key_quota: KeyQuota,
}

#[derive(Debug, Serialize, ToSchema)]
struct OwnOrganization {
    id: OrganizationId,
    #[schema(value_type = Name)]
    name: String,
}

/// How many keys somebody has, and what bounds them.
#[derive(Debug, Serialize, ToSchema)]
struct KeyQuota {
    /// Active and disabled ones.
    count: u64,
    /// As many there may be.
    max: u32,
    /// No key lives longer. `null`: keys may live for ever.
    #[schema(required, minimum = 1)]
    max_lifetime_minutes: Option<u64>,
}

/// Shows the user who asks: their projects, what their role allows, and what bounds their keys.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    responses((status = 200, body = Me), (status = 404)),
)]
pub(crate) async fn show_me(
    State(control): State<Control>,
    caller: Caller,
) -> Result<Json<Me>, ApiError> {
    let Owner::User(id) = caller.owner() else { return Err(ApiError::NotFound(NOUN)) };
    let (store, organization) = (&control.store, caller.organization());
    let user = async {
        let user = store.find_user(organization, id).await?.ok_or(ApiError::NotFound(NOUN))?;
        Ok::<_, ApiError>((user.role.scopes(), one(&control, user).await?))
    };
    // Every page of the portal waits for this: what does not depend on each other is asked at once.
    let settings = async { Ok(store.settings(organization).await?) };
    let own = async { Ok(store.get_organization(organization).await?) };
    let ((scopes, user), settings, own) = tokio::try_join!(user, settings, own)?;
    let cap = settings.ttl_minutes_max;
    Ok(Json(Me {
        scopes,
        key_quota: KeyQuota {
            count: user.user.keys.unwrap_or_default(),
            max: settings.keys_per_user_max,
            max_lifetime_minutes: (cap > 0).then_some(cap),
        },
        user,
        organization: OwnOrganization { id: organization, name: own.name },
    }))
}
