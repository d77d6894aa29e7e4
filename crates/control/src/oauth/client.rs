//! Who asks: an API key as client id and secret, or a token of ours.

use std::net::IpAddr;

use doorward_domain::credential::PlainKey;
use doorward_domain::denial::Denial;
use doorward_domain::presented::{NoCredential, Presented};
use doorward_store::StoreError;
use http::HeaderMap;

use super::error::OauthError;
use super::form::Form;
use crate::Control;
use crate::caller::{self, Identified};
use crate::denials;

/// The credential of the client, from the headers or the body. `None`: it shows none.
pub(super) fn credential(
    headers: &HeaderMap,
    form: &mut Form,
) -> Result<Option<Presented>, OauthError> {
    let (id, secret) = (form.take("client_id"), form.take("client_secret"));
    let in_headers = match caller::api_credential(headers) {
        Ok(presented) => Some(presented),
        Err(NoCredential::Missing) => None,
        Err(NoCredential::Malformed) => return Err(OauthError::unknown_client()),
        Err(NoCredential::Ambiguous) => return Err(two_at_once()),
    };
    match (in_headers, id, secret) {
        (Some(_), _, Some(_)) => Err(two_at_once()),
        (Some(Presented::Key(key)), Some(id), None) if key.id().as_str() != *id => {
            Err(two_at_once())
        }
        (Some(presented), _, None) => Ok(Some(presented)),
        (None, Some(id), Some(secret)) => {
            let key = PlainKey::from_parts(id.as_bytes(), secret.as_bytes());
            Ok(Some(Presented::Key(key.map_err(|_| OauthError::unknown_client())?)))
        }
        (None, None, Some(_)) => Err(OauthError::InvalidRequest("client_id is missing.".into())),
        (None, _, None) => Ok(None),
    }
}

fn two_at_once() -> OauthError {
    OauthError::InvalidRequest("The request carries more than one client credential.".to_owned())
}

/// Finds whose credential this is, and whether it may be used now and from here.
pub(super) async fn identify(
    control: &Control,
    presented: &Presented,
    address: IpAddr,
) -> Result<Result<Identified, Denial>, StoreError> {
    let found = caller::identify(control, presented, address).await?;
    let Some(found) = found else { return Ok(Err(Denial::InvalidKey)) };
    if let Err(denial) = caller::check(&found.identity, (control.now(), address)) {
        denials::note(control, &found.caller, denial).await;
        return Ok(Err(denial));
    }
    // Such a key lies in web pages, and none of them could read an answer here.
    if found.identity.key.rights.allowed_origins.is_some() {
        return Ok(Err(Denial::OriginRefused));
    }
    // Only for people to look at: who is let in is let in without it.
    if let Err(error) = control.store.touch_key(&found.identity, address).await {
        tracing::warn!(%error, "the use of a key is not noted");
    }
    Ok(Ok(found))
}

/// The client, who must have shown a credential.
pub(super) async fn authenticate(
    control: &Control,
    presented: Option<Presented>,
    address: IpAddr,
) -> Result<Identified, OauthError> {
    let presented = presented.ok_or_else(OauthError::unknown_client)?;
    identify(control, &presented, address).await?.map_err(|denial| match denial {
        Denial::InvalidKey => OauthError::unknown_client(),
        Denial::AddressRefused | Denial::OriginRefused => {
            OauthError::UnauthorizedClient(denial.to_string())
        }
        dead @ (Denial::Expired
        | Denial::SecretReplaced
        | Denial::Disabled
        | Denial::Revoked
        | Denial::OwnerInactive
        | Denial::InsufficientScope
        | Denial::ModelNotFound
        | Denial::RateLimited { .. }
        | Denial::TooManyConcurrent(_)
        | Denial::BudgetSpent(_)
        | Denial::BudgetHeld(_)) => OauthError::InvalidClient(dead.to_string()),
    })
}
