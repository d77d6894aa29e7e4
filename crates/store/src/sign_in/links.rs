//! One-time links with which a user sets a password: invitations and resets.

use doorward_domain::email::EmailAddress;
use doorward_domain::id::{OrganizationId, UserId};
use doorward_domain::notice::NoticeKind;
use doorward_domain::role::OrganizationRole;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::passwords::set_password;
use super::{END_SESSIONS, HashedPassword};
use crate::audit::append_audit;
use crate::db::{on, parsed, set_next_version, taken, timestamp};
use crate::notices::{NewNotice, put_notice};
use crate::organizations::owners::{ACTIVE_ROLE, refuse_above, role_of};
use crate::store::random_bytes;
use crate::{Act, Actor, Store, StoreError, User};

/// Read once more where the letter is written: an address that was taken away meanwhile gets none.
const MAILBOX: &str = "SELECT email_folded FROM users WHERE organization_id = $1 AND id = $2";

/// Why somebody is to set a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// They are new.
    Invitation,
    /// An administrator says so.
    Reset,
    /// They asked for it themselves.
    RequestedReset,
}

impl LinkPurpose {
    const ALL: [Self; 3] = [Self::Invitation, Self::Reset, Self::RequestedReset];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::RequestedReset => "requested_reset",
        }
    }

    const fn lifetime(self) -> SignedDuration {
        match self {
            Self::Invitation => SignedDuration::from_hours(7 * 24),
            Self::Reset => SignedDuration::from_hours(24),
            Self::RequestedReset => SignedDuration::from_hours(1),
        }
    }

    /// What making such a link is called in the audit log.
    const fn made(self) -> &'static str {
        match self {
            Self::Invitation => "user.invite",
            Self::Reset => "user.make_reset",
            Self::RequestedReset => "user.request_reset",
        }
    }

    /// The mail that carries one.
    pub(super) const fn notice(self) -> NoticeKind {
        match self {
            Self::Invitation => NoticeKind::UserInvitation,
            Self::Reset => NoticeKind::UserReset,
            Self::RequestedReset => NoticeKind::UserRequestedReset,
        }
    }

    /// A new link, not written yet.
    pub(super) fn link(self, act: &Act) -> PasswordLink {
        let token = SignInToken::mint(TokenKind::Link, random_bytes());
        let expires_at = act.at.checked_add(self.lifetime()).unwrap_or(Timestamp::MAX);
        PasswordLink { purpose: self, token, expires_at }
    }

    /// What using one is called.
    const fn used(self) -> &'static str {
        match self {
            Self::Invitation => "user.accept_invitation",
            Self::Reset | Self::RequestedReset => "user.reset_password",
        }
    }
}

/// A link, with its token in the clear, this once.
#[derive(Debug)]
pub struct PasswordLink {
    /// What for.
    pub purpose: LinkPurpose,
    /// Who has it may set the password.
    pub token: SignInToken,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}

/// Whose password a link sets.
#[derive(Debug, Clone)]
pub struct LinkedUser {
    /// Who.
    pub user: User,
    /// Why.
    pub purpose: LinkPurpose,
    /// When the link ends, used or not.
    pub expires_at: Timestamp,
}

/// Gives a user an address who has none.
const SET_EMAIL: &str = concat!(
    "UPDATE users SET email = $4, email_folded = $5, ",
    set_next_version!("$3"),
    " WHERE organization_id = $1 AND id = $2 AND email IS NULL AND removed_at_us IS NULL"
);

/// Cancels the mails to a user that carry links for one purpose.
const CANCEL_ONE: &str = "
    UPDATE notices SET state = 'obsolete', next_attempt_at_us = NULL, sealed = NULL
    WHERE organization_id = $1 AND subject = $2 AND kind = $3 AND sealed IS NOT NULL";

impl Store {
    /// Makes a link for an active user, to be handed over, and audits it; the one before it for the same
    /// purpose works no more. [`StoreError::Missing`] when there is no such active user;
    /// [`StoreError::AboveOwnRole`] when they are above whoever acts.
    pub async fn make_password_link(
        &self,
        act: &Act,
        user: UserId,
        purpose: LinkPurpose,
    ) -> Result<PasswordLink, StoreError> {
        let link = purpose.link(act);
        self.write_link(act, user, &link, None).await?;
        Ok(link)
    }

    /// Writes a link, and the mail that carries it. One that is on its way for the same purpose is
    /// cancelled.
    pub(super) async fn write_link(
        &self,
        act: &Act,
        user: UserId,
        link: &PasswordLink,
        letter: Option<&NewNotice>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO password_links (organization_id, user_id, purpose, digest, expires_at_us)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (user_id, purpose) DO UPDATE SET digest = excluded.digest,
                expires_at_us = excluded.expires_at_us";
        let (purpose, digest) = (link.purpose, self.sign_in_digest(&link.token)?);
        let (organization, id) = (act.organization.to_string(), user.to_string());
        let detail =
            json!({ "expires_at": link.expires_at.to_string(), "by_mail": letter.is_some() });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry(purpose.made(), &id, &detail));
            let role: Option<(String,)> = sqlx::query_as(ACTIVE_ROLE)
                .bind(&organization)
                .bind(&id)
                .fetch_optional(&mut *tx)
                .await?;
            let (role,) = role.ok_or(StoreError::Missing("active user"))?;
            let role: OrganizationRole = parsed("role", &role)?;
            refuse_above(role_of!(tx, act), &[role])?;
            sqlx::query(SQL)
                .bind(&organization)
                .bind(&id)
                .bind(purpose.as_str())
                .bind(digest.as_slice())
                .bind(link.expires_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            let before = sqlx::query(CANCEL_ONE).bind(&organization).bind(&id);
            before.bind(purpose.notice().as_str()).execute(&mut *tx).await?;
            if let Some(letter) = letter {
                let (folded,): (Option<String>,) = sqlx::query_as(MAILBOX)
                    .bind(&organization)
                    .bind(&id)
                    .fetch_one(&mut *tx)
                    .await?;
                if !letter.receiver.is_mailbox(folded.as_deref()) {
                    return Err(StoreError::Missing("e-mail address"));
                }
                put_notice!(self, tx, act.organization, act.at, letter);
            }
            tx.commit().await?;
        });
        Ok(())
    }

    /// Whose password a link sets now. `None`: nobody's.
    pub async fn find_password_link(
        &self,
        token: &SignInToken,
    ) -> Result<Option<LinkedUser>, StoreError> {
        const SQL: &str = "
            SELECT organization_id, user_id, purpose, expires_at_us FROM password_links
            WHERE digest = $1 AND expires_at_us > $2";
        let now_us = self.clock.now().as_microsecond();
        for digest in self.keyring.sign_in_digests(token) {
            let row: Option<(String, String, String, i64)> = on!(self.db.read, |pool| {
                let query = sqlx::query_as(SQL).bind(digest.as_slice()).bind(now_us);
                query.fetch_optional(pool).await?
            });
            if let Some(row) = row {
                return self.linked_user(&row).await;
            }
        }
        Ok(None)
    }

    async fn linked_user(
        &self,
        (organization, user, purpose, expires_at_us): &(String, String, String, i64),
    ) -> Result<Option<LinkedUser>, StoreError> {
        let organization: OrganizationId = parsed("organization", organization)?;
        let known = LinkPurpose::ALL.into_iter().find(|known| known.as_str() == purpose);
        let purpose = known.ok_or_else(|| StoreError::Corrupt("purpose of a link".to_owned()))?;
        let expires_at = timestamp(*expires_at_us)?;
        let user = self.find_user(organization, parsed("user", user)?).await?;
        let active = user.filter(|user| user.disabled_at.is_none());
        Ok(active.map(|user| LinkedUser { user, purpose, expires_at }))
    }

    /// Uses a link: sets the password, ends every session and every link of the user, and audits it.
    /// Returns whether it was there to be used: of several at once one is.
    ///
    /// `email` is what a user signs in with from then on who had no address; [`StoreError::Taken`] when it
    /// is another one's, [`StoreError::Stale`] when they have one.
    pub async fn use_password_link(
        &self,
        token: &SignInToken,
        linked: &LinkedUser,
        new: &HashedPassword,
        email: Option<&EmailAddress>,
    ) -> Result<bool, StoreError> {
        const USE: &str = "
            DELETE FROM password_links
            WHERE organization_id = $1 AND user_id = $2 AND digest = $3 AND expires_at_us > $4";
        let LinkedUser { user, purpose, .. } = linked;
        let at = self.clock.now();
        let act = Act { organization: user.organization, actor: Actor::User(user.id), at };
        let (organization, id) = (user.organization.to_string(), user.id.to_string());
        let digests = self.keyring.sign_in_digests(token);
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            let detail = email.map_or_else(|| json!({}), |email| json!({ "email": email }));
            append_audit!(self, tx, act.entry(purpose.used(), &id, &detail));
            let mut used = 0;
            for digest in &digests {
                let query = sqlx::query(USE).bind(&organization).bind(&id).bind(digest.as_slice());
                used += query.bind(at.as_microsecond()).execute(&mut *tx).await?.rows_affected();
            }
            if used == 0 {
                return Ok(false);
            }
            if let Some(email) = email {
                let query = sqlx::query(SET_EMAIL).bind(&organization).bind(&id);
                let query = query.bind(at.as_microsecond()).bind(email.as_str());
                let done = query.bind(email.folded()).execute(&mut *tx).await;
                if done.map_err(|error| taken(error, "email"))?.rows_affected() == 0 {
                    return Err(StoreError::Stale);
                }
            }
            set_password!(tx, &organization, &id, new, at.as_microsecond());
            sqlx::query(END_SESSIONS).bind(&organization).bind(&id).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(true)
    }
}
