//! What a mail carries that nobody else is to read.

use doorward_domain::id::OrganizationId;
use secrecy::{ExposeSecret, SecretString};

use crate::db::on;
use crate::keyring::SealedFor;
use crate::{Store, StoreError};

/// Cancels every mail to a user that carries a secret: what it is good for is over. The secret is
/// forgotten.
pub(crate) const CANCEL: &str = "
    UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
    WHERE organization_id = $1 AND subject = $2 AND sealed IS NOT NULL";

/// A secret is bound to its notice: moved to another row or organization, it does not open.
fn sealed_for(organization: OrganizationId, id: &str) -> SealedFor<'_> {
    SealedFor { organization, row: id, field: "notices.sealed" }
}

impl Store {
    /// The stored form of what the mail of a notice carries.
    pub(crate) fn sealed_secret(
        &self,
        organization: OrganizationId,
        id: &str,
        secret: Option<&SecretString>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let seal = |secret: &SecretString| {
            self.keyring.seal(&sealed_for(organization, id), secret.expose_secret().as_bytes())
        };
        secret.map(seal).transpose()
    }

    /// Reads it.
    pub(super) fn opened_secret(
        &self,
        organization: OrganizationId,
        id: &str,
        sealed: &[u8],
    ) -> Result<SecretString, StoreError> {
        let opened = self.keyring.open_sealed(&sealed_for(organization, id), sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| StoreError::Integrity)?;
        Ok(SecretString::from(text))
    }

    /// Cancels mails whose secret is over by the clock. Where none is to be sent any more, nothing else
    /// would.
    pub(crate) async fn cancel_expired_mails(&self) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
            WHERE sealed IS NOT NULL AND about_us <= $1";
        let now_us = self.clock.now().as_microsecond();
        on!(self.db.write, |pool| {
            sqlx::query(SQL).bind(now_us).execute(pool).await?;
        });
        Ok(())
    }
}
