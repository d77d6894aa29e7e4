//! Where in the portal a one-time link leads.

use doorward_store::LinkPurpose;
use secrecy::{ExposeSecret as _, SecretString};

/// The page that takes a link, with the token in its query: the page reads it, and takes it out of the
/// address at once.
pub(crate) fn url(public_url: &str, purpose: LinkPurpose, token: &SecretString) -> SecretString {
    let page = match purpose {
        LinkPurpose::Invitation => "invitation",
        LinkPurpose::Reset | LinkPurpose::RequestedReset => "password-reset",
    };
    let base = public_url.trim_end_matches('/');
    SecretString::from(format!("{base}/{page}?token={}", token.expose_secret()))
}
