//! What users are told outside of answers.

use doorward_store::{PasswordLink, User};

use crate::Control;

/// Tells a user of a link with which they set a password. An organization that sends no mail tells
/// nobody: an administrator passes on what they made themselves.
pub(crate) fn password_link(_control: &Control, user: &User, link: &PasswordLink) {
    tracing::info!(user = %user.id, purpose = link.purpose.as_str(), "a link to set a password was made");
}
