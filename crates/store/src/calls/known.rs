//! Counters that were used lately, by what they count.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// They stay for as long as anything refers to them, a call in flight above all, and for as long as they
/// know something that the database does not.
#[derive(Debug)]
pub(super) struct Known<K, V> {
    by_id: HashMap<K, Arc<V>>,
    /// At this size, idle ones are dropped.
    prune_at: usize,
    prune_at_least: usize,
}

impl<K: Eq + Hash, V> Known<K, V> {
    pub(super) fn new(prune_at_least: usize) -> Self {
        Self { by_id: HashMap::new(), prune_at: prune_at_least, prune_at_least }
    }

    pub(super) fn find(&self, id: &K) -> Option<Arc<V>> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<V>> {
        self.by_id.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Those that are there already win: others may count in them.
    pub(super) fn adopt(&mut self, id: K, counters: V, is_idle: impl Fn(&V) -> bool) -> Arc<V> {
        if self.by_id.len() >= self.prune_at {
            self.by_id.retain(|_, known| Arc::strong_count(known) > 1 || !is_idle(known));
            // Whoever is left sets when to look again, so that looking costs little for each.
            self.prune_at = self.prune_at_least.max(self.by_id.len() * 2);
        }
        Arc::clone(self.by_id.entry(id).or_insert_with(|| Arc::new(counters)))
    }
}
