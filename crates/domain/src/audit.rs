//! The audit chain: each entry is authenticated together with the one before it.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::credential::keyed_hmac;

/// The key of the chain, from the keyring.
#[derive(Clone)]
pub struct AuditKey(Hmac<Sha256>);

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey([REDACTED])")
    }
}

/// The link of an entry: HMAC-SHA-256 over the previous link and the entry.
pub type Link = [u8; 32];

/// The link before the first entry.
pub const GENESIS: Link = [0; 32];

/// One administrative act, sign-in, reveal or denial by policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Position in the chain, from 1, without gaps.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// In which organization, as text.
    pub organization: String,
    /// Who: a key id, a user id, or `system`.
    pub actor: String,
    /// What: `noun.verb`, such as `key.create`.
    pub action: String,
    /// To what: the id of the thing.
    pub subject: String,
    /// More about it, as JSON; never a secret.
    pub detail: String,
}

/// The first entry that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// An entry is missing, doubled or out of order.
    #[error("entry {expected} is missing or out of order: found {found}")]
    Gap {
        /// The sequence that should stand here.
        expected: i64,
        /// The sequence that does.
        found: i64,
    },
    /// An entry was changed.
    #[error("entry {0} was changed")]
    Edited(i64),
    /// The end is missing.
    #[error("the chain ends at {found}, but {expected} was written")]
    Cut {
        /// The last sequence that is known to have been written.
        expected: i64,
        /// The last sequence that is there.
        found: i64,
    },
}

impl AuditKey {
    /// Takes 32 random bytes of the keyring.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(keyed_hmac(key))
    }

    /// The link of `entry` after `previous`. Every field is preceded by its length, so that no two
    /// entries have the same bytes.
    pub fn link(&self, previous: &Link, entry: &AuditEntry) -> Link {
        let mut mac = self.0.clone();
        mac.update(previous);
        mac.update(&entry.sequence.to_be_bytes());
        mac.update(&entry.at.as_microsecond().to_be_bytes());
        for text in
            [&entry.organization, &entry.actor, &entry.action, &entry.subject, &entry.detail]
        {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

/// Walks a chain from its beginning, entry by entry, so that it never has to be held as a whole.
#[derive(Debug)]
pub struct ChainWalk<'a> {
    key: &'a AuditKey,
    last: Link,
    sequence: i64,
}

impl<'a> ChainWalk<'a> {
    /// Stands before the first entry.
    pub fn new(key: &'a AuditKey) -> Self {
        Self { key, last: GENESIS, sequence: 0 }
    }

    /// Takes the next entry and the link stored with it.
    pub fn push(&mut self, entry: &AuditEntry, link: &Link) -> Result<(), BrokenChain> {
        let expected = self.sequence + 1;
        if entry.sequence != expected {
            return Err(BrokenChain::Gap { expected, found: entry.sequence });
        }
        let right = self.key.link(&self.last, entry);
        if !bool::from(right.ct_eq(link)) {
            return Err(BrokenChain::Edited(entry.sequence));
        }
        (self.last, self.sequence) = (right, expected);
        Ok(())
    }

    /// Ends the walk against the last known head: how many entries were written, and the last link.
    pub fn finish(self, head: Option<(i64, Link)>) -> Result<i64, BrokenChain> {
        match head {
            Some((expected, _)) if expected > self.sequence => {
                Err(BrokenChain::Cut { expected, found: self.sequence })
            }
            Some((sequence, link)) if sequence == self.sequence && link != self.last => {
                Err(BrokenChain::Edited(sequence))
            }
            Some(_) | None => Ok(self.sequence),
        }
    }
}
