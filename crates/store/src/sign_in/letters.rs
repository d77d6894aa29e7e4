//! Links that go by mail: the token stands in the outbox, sealed, until the mail is out.

use doorward_domain::email::EmailAddress;
use doorward_domain::id::OrganizationId;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{LinkPurpose, PasswordLink};
use crate::db::on;
use crate::notices::{NewNotice, Receiver};
use crate::{Act, Store, StoreError, User};

/// A link that is on its way by mail. Only the mail has its token.
#[derive(Debug, Clone)]
pub struct MailedLink {
    /// What for.
    pub purpose: LinkPurpose,
    /// The address that it goes to.
    pub to: EmailAddress,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}

impl Store {
    /// Makes a link for an active user, as [`make_password_link`](Self::make_password_link) does, and puts
    /// the mail that carries it into the outbox, in one transaction. [`StoreError::Missing`] also when no
    /// address of theirs is known.
    pub async fn mail_password_link(
        &self,
        act: &Act,
        user: &User,
        purpose: LinkPurpose,
    ) -> Result<MailedLink, StoreError> {
        let to = user.email.clone().ok_or(StoreError::Missing("e-mail address"))?;
        let organization = self.organization_name(act.organization).await?;
        let link = purpose.link(act);
        let letter = self.letter(user, &to, &link, &organization);
        self.write_link(act, user.id, &link, Some(&letter)).await?;
        Ok(MailedLink { purpose, to, expires_at: link.expires_at })
    }

    fn letter(
        &self,
        user: &User,
        to: &EmailAddress,
        link: &PasswordLink,
        organization: &str,
    ) -> NewNotice {
        let kind = link.purpose.notice();
        let told = json!({ "id": user.id, "name": user.name, "email": to.as_str() });
        NewNotice {
            kind,
            subject: user.id.to_string(),
            about: Some(link.expires_at),
            threshold_days: None,
            receiver: Receiver::Mail(to.clone()),
            // Each link is another one, however soon it follows.
            dedup_key: format!("{} {} {:016x}", kind.as_str(), user.id, self.random_u64()),
            data: Map::from_iter([
                ("user".to_owned(), told),
                ("organization".to_owned(), Value::String(organization.to_owned())),
                ("expires_at".to_owned(), json!(link.expires_at)),
            ]),
            secret: Some(link.token.expose()),
        }
    }

    async fn organization_name(&self, id: OrganizationId) -> Result<String, StoreError> {
        const SQL: &str = "SELECT name FROM organizations WHERE id = $1";
        let row: Option<(String,)> = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(id.to_string()).fetch_optional(pool).await?
        });
        row.map(|(name,)| name).ok_or(StoreError::Missing("organization"))
    }

    /// Whether the token that a mail carries sets a password still.
    pub(crate) async fn is_link_good(
        &self,
        token: Option<&SecretString>,
    ) -> Result<bool, StoreError> {
        let parse = |text: &SecretString| {
            SignInToken::parse(TokenKind::Link, text.expose_secret().as_bytes()).ok()
        };
        match token.and_then(parse) {
            Some(token) => Ok(self.find_password_link(&token).await?.is_some()),
            None => Ok(false),
        }
    }
}
