//! Tokens that stand for keys: signed and checked without the database, revoked with it.

mod revoked;

use std::sync::{Arc, OnceLock};

use doorward_domain::id::TokenId;
use doorward_domain::token::{BearerToken, Claims, MalformedToken};
use jiff::Timestamp;
use quick_cache::sync::Cache;

use crate::db::Db;
use crate::keyring::TokenPublicKey;
use crate::{OpenError, Store};

use revoked::Revoked;

/// Tokens whose signature was checked, remembered so that it is checked once.
const CHECKED_MAX: usize = 10_000;

/// What is known of tokens in memory.
#[derive(Debug)]
pub(crate) struct Tokens {
    public_url: OnceLock<String>,
    /// By the hash of the whole token.
    checked: Cache<[u8; 32], Arc<Claims>>,
    revoked: Revoked,
}

impl Tokens {
    pub(crate) async fn open(db: &Db, now: Timestamp) -> Result<Self, OpenError> {
        Ok(Self {
            public_url: OnceLock::new(),
            checked: Cache::new(CHECKED_MAX),
            revoked: Revoked::load(db, now).await?,
        })
    }
}

impl Store {
    /// Says under which URL clients know this server; only the first word counts. Until then no token
    /// is issued and none is good.
    pub fn set_public_url(&self, url: String) {
        self.tokens.public_url.get_or_init(|| url);
    }

    /// The URL under which clients know this server, without a slash at its end.
    pub fn public_url(&self) -> Option<&str> {
        self.tokens.public_url.get().map(String::as_str)
    }

    /// Signs a new token. Whoever issues it [records](Self::record) that first.
    pub fn sign_token(&self, claims: &Claims) -> Result<BearerToken, MalformedToken> {
        self.keyring.token_keys().sign(claims)
    }

    /// The public halves of the keys that tokens are signed with, for whoever checks them elsewhere.
    pub fn token_public_keys(&self) -> Vec<TokenPublicKey> {
        self.keyring.token_keys().public(self.clock.now())
    }

    /// What a token says that is good here and now. Whether the key behind it is, is for the key to
    /// say. `None`: it is not ours, not for us, over, not begun or revoked.
    pub fn check_token(&self, token: &BearerToken) -> Option<Arc<Claims>> {
        self.read_token(token).filter(|claims| claims.is_for_issuer())
    }

    /// The same for a token that may be meant for somebody else.
    pub fn read_token(&self, token: &BearerToken) -> Option<Arc<Claims>> {
        self.read_issued_token(token).filter(|claims| !self.is_token_revoked(claims.id))
    }

    /// The same for one that may be revoked: what was revoked in memory may not be written down yet.
    pub fn read_issued_token(&self, token: &BearerToken) -> Option<Arc<Claims>> {
        let (now, fingerprint) = (self.clock.now(), token.fingerprint());
        let is_good = |claims: &Claims| claims.is_live(now);
        if let Some(checked) = self.tokens.checked.get(&fingerprint) {
            return Some(checked).filter(|claims| is_good(claims));
        }
        let claims = self.keyring.token_keys().verify(token, now)?;
        if Some(claims.issuer.as_str()) != self.public_url() || !is_good(&claims) {
            return None;
        }
        let claims = Arc::new(claims);
        self.tokens.checked.insert(fingerprint, Arc::clone(&claims));
        Some(claims)
    }

    /// Whether a token was revoked and has not ended by itself yet. From memory.
    pub fn is_token_revoked(&self, id: TokenId) -> bool {
        self.tokens.revoked.has(id)
    }
}
