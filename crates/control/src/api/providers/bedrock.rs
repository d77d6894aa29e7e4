//! What only providers of kind `bedrock` have: a region, and keys that are spelled as Amazon's are.

use doorward_domain::aws::{AwsCredential, AwsRegion};
use doorward_domain::catalog::{ProviderKey, ProviderKind};
use url::Url;

use crate::Control;
use crate::faults::Faults;
use crate::problem::ApiError;

/// The region that a request names. `kind`: where it is known.
pub(super) fn region(
    kind: Option<ProviderKind>,
    text: Option<&str>,
    faults: &mut Faults,
) -> Option<AwsRegion> {
    if kind.is_some_and(|kind| kind != ProviderKind::Bedrock) && text.is_some() {
        faults.add("region", "invalid", "only a provider of kind bedrock has one");
        return None;
    }
    text.and_then(|text| faults.check("region", text.parse()))
}

/// Notes that requests cannot be signed: for no region, or for another one than the base URL's.
pub(super) fn check_region(
    kind: Option<ProviderKind>,
    base_url: Option<&Option<String>>,
    region: Option<&AwsRegion>,
    faults: &mut Faults,
) {
    let Some(base_url) = base_url.and_then(Option::as_deref) else { return };
    if kind != Some(ProviderKind::Bedrock) {
        return;
    }
    let url = Url::parse(base_url).ok();
    let of_host = url.as_ref().and_then(Url::host_str).and_then(AwsRegion::of_host);
    match (of_host, region) {
        (None, None) => {
            faults.add("region", "missing", "is required: the base URL does not say it");
        }
        (Some(of_host), Some(region)) if of_host != *region => {
            let detail = format!("the base URL is of the region {}", of_host.as_str());
            faults.add("region", "invalid", detail);
        }
        (Some(_), _) | (None, Some(_)) => {}
    }
}

/// Notes a key that a provider of this kind cannot be called with. The vault is asked for it; it stays here.
pub(in crate::api) async fn check_key(
    control: &Control,
    (kind, key): (Option<ProviderKind>, &ProviderKey),
    field: &str,
    faults: &mut Faults,
) -> Result<(), ApiError> {
    if kind == Some(ProviderKind::Bedrock) {
        let value = control.store.reveal_provider_key(key.organization, key.id).await?;
        faults.check(field, AwsCredential::parse(&value));
    }
    Ok(())
}
