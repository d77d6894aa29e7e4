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
    /// What says where the chain ends is missing.
    #[error("the record of where the chain ends is missing")]
    HeadMissing,
    /// What says where the chain begins is missing, or was changed.
    #[error("the record of where the chain begins is missing or was changed")]
    BaseForged,
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

impl AuditKey {
    /// What is kept beside a chain that ends here: nobody without the key can move the end back, for
    /// the links alone do not tell it. Before the first entry there is nothing to seal.
    pub fn seal(&self, sequence: i64, last: &Link) -> Link {
        if sequence == 0 {
            return GENESIS;
        }
        let mut mac = self.0.clone();
        mac.update(b"head");
        mac.update(&sequence.to_be_bytes());
        mac.update(last);
        mac.finalize().into_bytes().into()
    }

    /// What is kept beside a chain whose beginning was put away, up to the entry with this link: nobody
    /// without the key can move the beginning on. Before the first entry there is nothing to seal.
    pub fn base_seal(&self, sequence: i64, last: &Link) -> Link {
        if sequence == 0 {
            return GENESIS;
        }
        let mut mac = self.0.clone();
        mac.update(b"base");
        mac.update(&sequence.to_be_bytes());
        mac.update(last);
        mac.finalize().into_bytes().into()
    }

    /// Whether a chain may begin behind this entry.
    pub fn is_base(&self, sequence: i64, last: &Link, seal: &Link) -> bool {
        let is_first = sequence != 0 || *last == GENESIS;
        is_first && bool::from(self.base_seal(sequence, last).ct_eq(seal))
    }

    /// The link that the next entry builds on. Where the end was tampered with, that is none that
    /// fits, so that the chain shows it for ever.
    pub fn resume(&self, sequence: i64, last: &Link, seal: &Link) -> Link {
        let right = self.seal(sequence, last);
        if bool::from(right.ct_eq(seal)) { *last } else { right }
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

    /// Stands behind an entry that was walked before, whose link is `last`.
    pub fn resume(key: &'a AuditKey, sequence: i64, last: Link) -> Self {
        Self { key, last, sequence }
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

    /// Ends the walk against the last known head: how many entries were written, and the
    /// [seal](AuditKey::seal) of the last link.
    pub fn finish(self, head: Option<(i64, Link)>) -> Result<i64, BrokenChain> {
        match head {
            Some((expected, _)) if expected > self.sequence => {
                Err(BrokenChain::Cut { expected, found: self.sequence })
            }
            Some((sequence, seal)) if !self.ends_at(sequence, &seal) => {
                Err(BrokenChain::Edited(sequence))
            }
            Some(_) | None => Ok(self.sequence),
        }
    }

    fn ends_at(&self, sequence: i64, seal: &Link) -> bool {
        let expected = self.key.seal(sequence, &self.last);
        sequence != self.sequence || bool::from(expected.ct_eq(seal))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Stored = Vec<(AuditEntry, Link)>;

    fn key() -> AuditKey {
        AuditKey::new(&[7; 32])
    }

    fn any_entry() -> impl Strategy<Value = AuditEntry> {
        let text = || "[ab]{0,3}";
        (0_i64..1_000, text(), "[ab]{1,3}", text(), text(), text()).prop_map(
            |(at_us, o, a, n, s, d)| AuditEntry {
                sequence: 0,
                at: Timestamp::from_microsecond(at_us).unwrap(),
                organization: o,
                actor: a,
                action: n,
                subject: s,
                detail: d,
            },
        )
    }

    /// A chain as it is written: numbered from 1, each entry linked to the one before.
    fn any_chain() -> impl Strategy<Value = Stored> {
        prop::collection::vec(any_entry(), 2..12).prop_map(|entries| chain(&key(), entries))
    }

    fn chain(key: &AuditKey, entries: Vec<AuditEntry>) -> Stored {
        let mut last = GENESIS;
        let numbered =
            entries.into_iter().zip(1..).map(|(e, sequence)| AuditEntry { sequence, ..e });
        numbered
            .map(|entry| {
                last = key.link(&last, &entry);
                (entry, last)
            })
            .collect()
    }

    fn head_of(stored: &Stored) -> Option<(i64, Link)> {
        stored.last().map(|(entry, link)| (entry.sequence, key().seal(entry.sequence, link)))
    }

    fn verify(stored: &Stored, head: Option<(i64, Link)>) -> Result<i64, BrokenChain> {
        let key = key();
        let mut walk = ChainWalk::new(&key);
        for (entry, link) in stored {
            walk.push(entry, link)?;
        }
        walk.finish(head)
    }

    /// Changes one field of an entry: which one, `field` says.
    fn edit(entry: &mut AuditEntry, field: usize) {
        match field % 7 {
            0 => entry.sequence += 1,
            1 => entry.at += jiff::SignedDuration::from_micros(1),
            2 => entry.organization.push('!'),
            3 => entry.actor.push('!'),
            4 => entry.action.push('!'),
            5 => entry.subject.push('!'),
            _ => entry.detail.push('!'),
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", key()), "AuditKey([REDACTED])");
    }

    #[test]
    fn an_empty_log_passes_only_where_nothing_was_written() {
        assert_eq!(verify(&vec![], None), Ok(0));
        assert_eq!(verify(&vec![], Some((0, GENESIS))), Ok(0));
        let cut = BrokenChain::Cut { expected: 1, found: 0 };
        assert_eq!(verify(&vec![], Some((1, [1; 32]))), Err(cut));
    }

    #[test]
    fn a_beginning_is_one_that_was_sealed() {
        let (key, link) = (key(), [1; 32]);
        let seal = key.base_seal(5, &link);
        assert!(key.is_base(5, &link, &seal) && key.is_base(0, &GENESIS, &GENESIS));
        assert!(!key.is_base(6, &link, &seal) && !key.is_base(5, &[2; 32], &seal));
        assert!(!key.is_base(0, &link, &GENESIS) && !key.is_base(5, &link, &GENESIS));
        assert_ne!(seal, key.seal(5, &link), "an end is no beginning");
    }

    proptest! {
        #[test]
        fn an_end_that_was_moved_back_is_found_also_after_more_is_written(
            stored in any_chain(),
            more in any_entry(),
            left in any::<prop::sample::Index>(),
        ) {
            let key = key();
            let mut forged = stored[..=left.index(stored.len() - 1)].to_vec();
            let (last, link) = forged.last().map(|(e, link)| (e.sequence, *link)).unwrap();
            prop_assert_eq!(verify(&forged, Some((last, link))), Err(BrokenChain::Edited(last)));
            let entry = AuditEntry { sequence: last + 1, ..more };
            let next = key.link(&key.resume(last, &link, &link), &entry);
            forged.push((entry, next));
            prop_assert_eq!(verify(&forged, head_of(&forged)), Err(BrokenChain::Edited(last + 1)));
        }

        #[test]
        fn a_whole_chain_passes(stored in any_chain()) {
            let count = i64::try_from(stored.len()).unwrap();
            prop_assert_eq!(verify(&stored, head_of(&stored)), Ok(count));
            prop_assert_eq!(verify(&stored, None), Ok(count));
        }

        #[test]
        fn any_edit_is_found_at_its_entry(
            stored in any_chain(),
            position: prop::sample::Index,
            field in 1_usize..7,
        ) {
            let mut forged = stored.clone();
            let entry = &mut forged[position.index(stored.len())].0;
            edit(entry, field);
            let sequence = entry.sequence;
            prop_assert_eq!(verify(&forged, head_of(&stored)), Err(BrokenChain::Edited(sequence)));
        }

        #[test]
        fn a_changed_number_or_link_is_found(
            stored in any_chain(),
            position: prop::sample::Index,
            bit in 0_usize..256,
        ) {
            let position = position.index(stored.len());
            let mut renumbered = stored.clone();
            edit(&mut renumbered[position].0, 0);
            prop_assert!(verify(&renumbered, head_of(&stored)).is_err());
            let mut relinked = stored.clone();
            relinked[position].1[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&relinked, head_of(&stored)).is_err());
        }

        #[test]
        fn text_moved_from_one_field_to_the_next_is_found(
            stored in any_chain(),
            position: prop::sample::Index,
        ) {
            let mut forged = stored.clone();
            let entry = &mut forged[position.index(stored.len())].0;
            let moved = entry.actor.pop().unwrap();
            entry.action.insert(0, moved);
            prop_assert!(verify(&forged, head_of(&stored)).is_err());
        }

        #[test]
        fn a_deletion_inside_is_a_gap_and_one_at_the_end_a_cut(
            stored in any_chain(),
            position: prop::sample::Index,
        ) {
            let position = position.index(stored.len());
            let mut forged = stored.clone();
            let removed = forged.remove(position).0.sequence;
            let expected = if position == forged.len() {
                BrokenChain::Cut { expected: removed, found: removed - 1 }
            } else {
                BrokenChain::Gap { expected: removed, found: removed + 1 }
            };
            prop_assert_eq!(verify(&forged, head_of(&stored)), Err(expected));
        }

        #[test]
        fn a_deletion_whose_followers_are_renumbered_is_found(
            stored in any_chain(),
            position: prop::sample::Index,
        ) {
            let mut forged = stored.clone();
            forged.remove(position.index(stored.len()));
            for ((entry, _), sequence) in forged.iter_mut().zip(1..) {
                entry.sequence = sequence;
            }
            prop_assert!(verify(&forged, head_of(&stored)).is_err());
        }

        #[test]
        fn any_cut_of_the_end_is_found(stored in any_chain(), keep: prop::sample::Index) {
            let keep = keep.index(stored.len());
            let expected = i64::try_from(stored.len()).unwrap();
            let found = i64::try_from(keep).unwrap();
            let cut = stored[..keep].to_vec();
            prop_assert_eq!(verify(&cut, head_of(&stored)), Err(BrokenChain::Cut { expected, found }));
        }

        #[test]
        fn swapped_entries_are_found_even_when_renumbered(
            stored in any_chain(),
            positions: (prop::sample::Index, prop::sample::Index),
        ) {
            let a = positions.0.index(stored.len());
            let b = (a + 1 + positions.1.index(stored.len() - 1)) % stored.len();
            let mut forged = stored.clone();
            forged.swap(a, b);
            prop_assert!(verify(&forged, head_of(&stored)).is_err());
            (forged[a].0.sequence, forged[b].0.sequence) = (stored[a].0.sequence, stored[b].0.sequence);
            prop_assert!(verify(&forged, head_of(&stored)).is_err());
        }

        #[test]
        fn a_doubled_entry_is_found(stored in any_chain(), position: prop::sample::Index) {
            let position = position.index(stored.len());
            let mut forged = stored.clone();
            forged.insert(position, stored[position].clone());
            prop_assert!(verify(&forged, head_of(&stored)).is_err());
        }

        #[test]
        fn a_chain_rewritten_without_the_key_is_found(stored in any_chain()) {
            let entries = stored.iter().map(|(entry, _)| entry.clone()).collect();
            let forged = chain(&AuditKey::new(&[8; 32]), entries);
            prop_assert_eq!(verify(&forged, None), Err(BrokenChain::Edited(1)));
        }

        /// A copy of the database goes another way under the same key: its entries are right, but
        /// not here.
        #[test]
        fn an_entry_of_another_history_is_found_by_the_one_behind_it(
            stored in any_chain(),
            position: prop::sample::Index,
        ) {
            let position = position.index(stored.len() - 1);
            let mut entries: Vec<_> = stored.iter().map(|(entry, _)| entry.clone()).collect();
            edit(&mut entries[position], 3);
            let mut forged = stored.clone();
            forged[position] = chain(&key(), entries)[position].clone();
            let next = stored[position + 1].0.sequence;
            prop_assert_eq!(verify(&forged, head_of(&stored)), Err(BrokenChain::Edited(next)));
        }

        #[test]
        fn a_last_entry_replaced_by_another_right_one_is_found(stored in any_chain()) {
            let mut entries: Vec<_> = stored.iter().map(|(entry, _)| entry.clone()).collect();
            edit(entries.last_mut().unwrap(), 3);
            let forged = chain(&key(), entries);
            let last = i64::try_from(stored.len()).unwrap();
            prop_assert_eq!(verify(&forged, head_of(&stored)), Err(BrokenChain::Edited(last)));
        }
    }
}
