//! The secrets that webhooks are signed with.

use doorward_domain::id::{OrganizationId, WebhookId};
use doorward_domain::webhook::{SECRET_BYTES, WebhookSecret};
use jiff::SignedDuration;
use serde_json::json;
use zeroize::Zeroizing;

use super::Webhook;
use crate::audit::append_audit;
use crate::db::{next_version, on};
use crate::keyring::SealedFor;
use crate::store::random_bytes;
use crate::{Act, Store, StoreError};

/// How long the secret before signs too, so that a receiver can take the new one in its own time.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// What a message to a webhook is signed with.
#[derive(Debug)]
pub struct WebhookSecrets {
    /// Where its receiver is.
    pub url: String,
    /// The secret, and the one before while that signs too.
    pub secrets: Vec<WebhookSecret>,
}

/// A sealed secret is bound to its webhook: moved to another row or organization, it does not open.
fn sealed_for(organization: OrganizationId, id: &str) -> SealedFor<'_> {
    SealedFor { organization, row: id, field: "webhooks.secret" }
}

impl Store {
    /// A new secret and its sealed form.
    pub(super) fn mint_webhook_secret(
        &self,
        organization: OrganizationId,
        id: &str,
    ) -> Result<(WebhookSecret, Vec<u8>), StoreError> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        bytes.iter_mut().zip(std::iter::repeat_with(random_bytes())).for_each(|(b, r)| *b = r);
        let secret = WebhookSecret::new(bytes);
        let sealed = self.keyring.seal_webhook(&sealed_for(organization, id), secret.as_bytes())?;
        Ok((secret, sealed))
    }

    /// Gives a webhook a new secret, and audits it. Returns it this once; the one before signs for
    /// another day.
    pub async fn rotate_webhook(
        &self,
        act: &Act,
        id: WebhookId,
    ) -> Result<(Webhook, WebhookSecret), StoreError> {
        const SQL: &str = "
            UPDATE webhooks SET previous_secret = secret, previous_secret_ends_us = $4, secret = $3,
                updated_at_us = $5
            WHERE organization_id = $1 AND id = $2 AND updated_at_us = $6";
        let found = self.find_webhook(act.organization, id).await?;
        let mut webhook = found.ok_or(StoreError::Missing("webhook"))?;
        let (read_at, text) = (webhook.updated_at, id.to_string());
        let (secret, sealed) = self.mint_webhook_secret(act.organization, &text)?;
        let previous_ends = act.at.checked_add(OVERLAP).unwrap_or(act.at);
        webhook.updated_at = next_version(read_at, act.at);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = json!({ "name": webhook.name });
            append_audit!(self, tx, act.entry("webhook.rotate", &text, &detail));
            let done = sqlx::query(SQL)
                .bind(act.organization.to_string())
                .bind(&text)
                .bind(sealed.as_slice())
                .bind(previous_ends.as_microsecond())
                .bind(webhook.updated_at.as_microsecond())
                .bind(read_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Stale);
            }
            tx.commit().await?;
        });
        Ok((webhook, secret))
    }

    /// Where the messages of a webhook go, and what they are signed with. `None`: it is not there.
    pub async fn webhook_secrets(
        &self,
        organization: OrganizationId,
        id: WebhookId,
    ) -> Result<Option<WebhookSecrets>, StoreError> {
        const SQL: &str = "
            SELECT url, secret, CASE WHEN previous_secret_ends_us > $3 THEN previous_secret END
            FROM webhooks WHERE organization_id = $1 AND id = $2";
        let text = id.to_string();
        let row: Option<(String, Vec<u8>, Option<Vec<u8>>)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL)
                .bind(organization.to_string())
                .bind(&text)
                .bind(self.clock.now().as_microsecond())
                .fetch_optional(pool)
                .await?
        });
        let Some((url, secret, previous)) = row else { return Ok(None) };
        let open = |sealed: Vec<u8>| self.open_webhook_secret(organization, &text, &sealed);
        let secrets = std::iter::once(secret).chain(previous).map(open);
        Ok(Some(WebhookSecrets { url, secrets: secrets.collect::<Result<_, _>>()? }))
    }

    fn open_webhook_secret(
        &self,
        organization: OrganizationId,
        id: &str,
        sealed: &[u8],
    ) -> Result<WebhookSecret, StoreError> {
        let opened = self.keyring.open_webhook(&sealed_for(organization, id), sealed)?;
        let bytes: [u8; SECRET_BYTES] =
            opened.as_slice().try_into().map_err(|_| StoreError::Integrity)?;
        Ok(WebhookSecret::new(Zeroizing::new(bytes)))
    }
}
