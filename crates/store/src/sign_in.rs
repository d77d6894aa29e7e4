//! What users sign in with: passwords, second factors, one-time links; and their signing in.

mod letters;
mod links;
mod passwords;
mod second_factor;

use doorward_domain::email::EmailAddress;
use doorward_domain::id::SessionId;
use doorward_domain::setting::Setting;
use doorward_domain::sign_in_token::{SignInToken, TokenKind};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::audit::append_audit;
use crate::clock::whole_us;
use crate::db::{finds, is_storable, on, parsed};
use crate::sessions::{SEEN, SESSIONS_MAX};
use crate::settings::session_bounds;
use crate::store::random_bytes;
use crate::{Act, Actor, Session, Store, StoreError, User};

pub use letters::MailedLink;
pub use links::{LinkPurpose, LinkedUser, PasswordLink};
pub use passwords::{HashedPassword, StoredPassword};
pub use second_factor::RecoveryCodes;

/// Whether a user has this very password still.
pub(crate) const HAS_PASSWORD: &str = "
    SELECT 1 FROM passwords WHERE organization_id = $1 AND user_id = $2 AND set_at_us = $3";

/// Ends every session of a user.
pub(crate) const END_SESSIONS: &str =
    "DELETE FROM sessions WHERE organization_id = $1 AND user_id = $2";
/// Takes back every link of a user.
pub(crate) const DROP_LINKS: &str =
    "DELETE FROM password_links WHERE organization_id = $1 AND user_id = $2";

/// From where somebody signs in.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
}

/// What became of signing in with the right password.
#[derive(Debug)]
pub enum SignedIn {
    /// A new session, and its token, this once.
    Yes(Box<Session>, SignInToken),
    /// The user has a second factor, and no code was given.
    CodeRequired,
    /// The code is wrong, or was used already.
    CodeWrong,
}

/// What there is to sign in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "three answers, none of which follows from another"
)]
pub struct SignInState {
    /// Whether anybody has a password.
    pub is_set_up: bool,
    /// Whether there is more than one organization.
    pub has_organizations: bool,
    /// Whether any organization says where its mails come from.
    pub has_mail_sender: bool,
}

impl Store {
    /// What there is to sign in to.
    pub async fn sign_in_state(&self) -> Result<SignInState, StoreError> {
        const SQL: &str = "
            SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM passwords LIMIT 1) AS p),
                   (SELECT COUNT(*) FROM (SELECT 1 FROM organizations LIMIT 2) AS o),
                   (SELECT COUNT(*) FROM settings WHERE name = $1 AND value <> '')";
        let (passwords, organizations, senders): (i64, i64, i64) = on!(self.db.read, |pool| {
            sqlx::query_as(SQL).bind(Setting::MailFrom.name()).fetch_one(pool).await?
        });
        Ok(SignInState {
            is_set_up: passwords > 0,
            has_organizations: organizations > 1,
            has_mail_sender: senders > 0,
        })
    }

    /// The active user with this e-mail address in the organization of this name, and their password.
    pub async fn find_sign_in(
        &self,
        organization: &str,
        email: &EmailAddress,
    ) -> Result<Option<(User, StoredPassword)>, StoreError> {
        const SQL: &str = "
            SELECT o.id, u.id FROM users u
            JOIN organizations o ON o.id = u.organization_id AND o.name = $1
            WHERE u.email_folded = $2 AND u.disabled_at_us IS NULL AND u.removed_at_us IS NULL";
        if !is_storable(organization) {
            return Ok(None);
        }
        let row: Option<(String, String)> = on!(self.db.read, |pool| {
            let query = sqlx::query_as(SQL).bind(organization).bind(email.folded());
            query.fetch_optional(pool).await?
        });
        let Some((organization, id)) = row else { return Ok(None) };
        let (organization, id) = (parsed("organization", &organization)?, parsed("user", &id)?);
        let user = self.find_user(organization, id).await?;
        Ok(user.zip(self.find_password(organization, id).await?))
    }

    /// Signs a user in whose password was checked, and audits it. With `SESSIONS_MAX` sessions the
    /// oldest ends.
    ///
    /// [`StoreError::ActorChanged`] when the user or the password has changed since it was checked.
    pub async fn sign_in(
        &self,
        user: &User,
        password: &StoredPassword,
        code: Option<&SecretString>,
        client: &Client,
    ) -> Result<SignedIn, StoreError> {
        const MAKE_ROOM: &str = "
            DELETE FROM sessions WHERE organization_id = $1 AND user_id = $2 AND id NOT IN (
                SELECT id FROM sessions WHERE organization_id = $1 AND user_id = $2
                ORDER BY created_at_us DESC, id DESC LIMIT $3)";
        const INSERT: &str = "
            INSERT INTO sessions (id, organization_id, user_id, digest, address, user_agent,
                created_at_us, last_seen_at_us, ends_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)";
        let proof = match (self.find_second_factor(user.organization, user.id).await?, code) {
            (Some(factor), _) if factor.confirmed_at.is_none() => None,
            (None, _) => None,
            (Some(_), None) => return Ok(SignedIn::CodeRequired),
            (Some(factor), Some(code)) => match self.prove(user.id, &factor, code) {
                Some(proof) => Some(proof),
                None => return Ok(SignedIn::CodeWrong),
            },
        };
        let token = SignInToken::mint(TokenKind::Session, random_bytes());
        let digest = self.sign_in_digest(&token)?;
        let at = self.clock.now();
        let act = Act { organization: user.organization, actor: Actor::User(user.id), at };
        let mut session = self.new_session(user, client, at);
        let (organization, id) = (user.organization.to_string(), user.id.to_string());
        let detail = json!({
            "address": client.address,
            "second_factor": proof.as_ref().map(second_factor::Proof::kind),
        });
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            append_audit!(self, tx, act.entry("session.begin", &session.id.to_string(), &detail));
            if !finds!(tx, HAS_PASSWORD, &organization, &id, password.set_at_us) {
                return Err(StoreError::ActorChanged);
            }
            if !second_factor::spend!(tx, &organization, &id, proof.as_ref()) {
                return Ok(SignedIn::CodeWrong);
            }
            // Whoever changes the settings waits for the audit row of this, or it for theirs.
            let bounds = session_bounds!(self, tx, &organization);
            session.ends_at = bounds.end(session.created_at, session.last_seen_at);
            let room = sqlx::query(MAKE_ROOM).bind(&organization).bind(&id);
            room.bind(SESSIONS_MAX - 1).execute(&mut *tx).await?;
            sqlx::query(INSERT)
                .bind(session.id.to_string())
                .bind(&organization)
                .bind(&id)
                .bind(digest.as_slice())
                .bind(&session.address)
                .bind(&session.user_agent)
                .bind(at.as_microsecond())
                .bind(session.ends_at.as_microsecond())
                .execute(&mut *tx)
                .await?;
            let seen = sqlx::query(SEEN).bind(&organization).bind(&id);
            seen.bind(at.as_microsecond()).execute(&mut *tx).await?;
            tx.commit().await?;
        });
        Ok(SignedIn::Yes(Box::new(session), token))
    }

    /// A session that is begun; when it ends is up to the settings.
    fn new_session(&self, user: &User, client: &Client, at: Timestamp) -> Session {
        let at = whole_us(at);
        Session {
            id: self.new_id(SessionId::new),
            organization: user.organization,
            user: user.id,
            address: client.address.clone(),
            user_agent: client.user_agent.clone(),
            created_at: at,
            last_seen_at: at,
            ends_at: at,
        }
    }

    fn sign_in_digest(&self, token: &SignInToken) -> Result<[u8; 32], StoreError> {
        let digests = self.keyring.sign_in_digests(token);
        digests.into_iter().next().ok_or(StoreError::Integrity)
    }
}
