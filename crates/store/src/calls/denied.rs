//! Refusals of keys that the database does not know yet.

use std::collections::HashMap;
use std::net::IpAddr;

use doorward_domain::credential::KeyId;
use doorward_domain::id::OrganizationId;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::db::{is_storable, on, signed};
use crate::{Store, StoreError};

/// Most keys and reasons that wait. What comes while so many do is not counted.
const WAITING_MAX: usize = 10_000;
/// As much of a model's name as is kept: a client may ask for anything.
const MODEL_CHARS_MAX: usize = 200;
const DAY_US: i64 = 86_400_000_000;

/// One key, one reason, one day.
type Counted = (KeyId, &'static str, i64);

/// What was refused, until the drain takes it along.
#[derive(Debug, Default)]
pub(super) struct WaitingDenials(Mutex<HashMap<Counted, Denied>>);

#[derive(Debug, Clone)]
struct Denied {
    organization: OrganizationId,
    times: u64,
    last_at_us: i64,
    model: Option<String>,
    address: Option<IpAddr>,
}

/// A refusal of a key whose secret was right.
#[derive(Debug, Clone, Copy)]
pub struct RefusedKey<'a> {
    /// Whose key.
    pub organization: OrganizationId,
    /// The key.
    pub key: KeyId,
    /// Why, as clients are told it: `model_not_found`.
    pub code: &'static str,
    /// What was asked for, where that was a model.
    pub model: Option<&'a str>,
    /// From where.
    pub address: Option<IpAddr>,
}

impl WaitingDenials {
    /// Whether it is the first one that waits.
    fn note(&self, refused: &RefusedKey<'_>, at_us: i64) -> bool {
        let counted = (refused.key, refused.code, at_us - at_us.rem_euclid(DAY_US));
        let mut waiting = self.0.lock();
        let is_first = waiting.is_empty();
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&counted) {
            return false;
        }
        let model = refused.model.filter(|model| is_storable(model));
        let entry = waiting.entry(counted).or_insert_with(|| Denied {
            organization: refused.organization,
            times: 0,
            last_at_us: at_us,
            model: None,
            address: None,
        });
        entry.times += 1;
        entry.last_at_us = at_us;
        entry.model = model.map(|model| model.chars().take(MODEL_CHARS_MAX).collect());
        entry.address = refused.address;
        is_first
    }

    fn take(&self) -> HashMap<Counted, Denied> {
        std::mem::take(&mut *self.0.lock())
    }

    /// Takes back what could not be written; what was noted since then is newer.
    fn put_back(&self, denials: HashMap<Counted, Denied>) {
        let mut waiting = self.0.lock();
        for (counted, denied) in denials {
            let times = denied.times;
            waiting.entry(counted).and_modify(|newer| newer.times += times).or_insert(denied);
        }
    }
}

impl Store {
    /// Counts that a key was refused. It is in the database a moment later; what is counted when the
    /// process is killed is lost.
    pub fn note_refused_key(&self, refused: &RefusedKey<'_>) {
        self.calls.note_denial(refused, self.clock.now());
    }

    /// Writes the refusals that wait.
    pub(crate) async fn write_waiting_denials(&self) -> Result<(), StoreError> {
        let denials = self.calls.denials.take();
        if denials.is_empty() {
            return Ok(());
        }
        // Always in one order, so that two writers never wait for each other.
        let mut rows: Vec<(&Counted, &Denied)> = denials.iter().collect();
        rows.sort_unstable_by_key(|(counted, _)| **counted);
        let written = self.write_denials(&rows).await;
        if written.is_err() {
            self.calls.denials.put_back(denials);
        }
        written
    }

    async fn write_denials(&self, rows: &[(&Counted, &Denied)]) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO key_denials
                (organization_id, key_id, code, day_us, times, last_at_us, last_model, last_address)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (key_id, code, day_us) DO UPDATE SET
                times = key_denials.times + excluded.times, last_at_us = excluded.last_at_us,
                last_model = excluded.last_model, last_address = excluded.last_address";
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            for ((key, code, day_us), denied) in rows {
                sqlx::query(SQL)
                    .bind(denied.organization.to_string())
                    .bind(key.as_str())
                    .bind(*code)
                    .bind(*day_us)
                    .bind(signed(denied.times))
                    .bind(denied.last_at_us)
                    .bind(denied.model.as_deref())
                    .bind(denied.address.map(|address| address.to_string()))
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        });
        Ok(())
    }
}

impl super::Calls {
    pub(crate) fn note_denial(&self, refused: &RefusedKey<'_>, at: Timestamp) {
        if self.denials.note(refused, at.as_microsecond()) {
            self.drain.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key: usize) -> RefusedKey<'static> {
        let organization = OrganizationId::new(1, 1);
        let key = format!("dw_{key:016}").parse().unwrap();
        RefusedKey { organization, key, code: "model_not_found", model: None, address: None }
    }

    #[test]
    fn a_reason_is_counted_by_the_day_and_the_drain_is_woken_once() {
        let denials = WaitingDenials::default();
        assert!(denials.note(&refused(1), DAY_US - 1));
        assert!(!denials.note(&refused(1), DAY_US));
        assert!(!denials.note(&refused(1), DAY_US + 1));
        let mut times: Vec<_> =
            denials.take().into_iter().map(|((.., day), denied)| (day, denied.times)).collect();
        times.sort_unstable();
        assert_eq!(times, [(0, 1), (DAY_US, 2)]);
    }

    #[test]
    fn what_waits_is_bounded_and_what_waits_already_is_still_counted() {
        let denials = WaitingDenials::default();
        for n in 0..=WAITING_MAX {
            denials.note(&refused(n), 0);
        }
        denials.note(&refused(0), 0);
        let taken = denials.take();
        assert_eq!(taken.len(), WAITING_MAX);
        assert_eq!(taken.values().map(|denied| denied.times).max(), Some(2));
    }

    #[test]
    fn what_could_not_be_written_is_counted_with_what_is_newer() {
        let denials = WaitingDenials::default();
        denials.note(&refused(1), 5);
        let taken = denials.take();
        denials.note(&refused(1), 7);
        denials.put_back(taken);
        let all: Vec<_> = denials.take().into_values().map(|d| (d.times, d.last_at_us)).collect();
        assert_eq!(all, [(2, 7)]);
    }

    #[test]
    fn of_what_a_client_asks_for_only_so_much_is_kept() {
        let denials = WaitingDenials::default();
        let long = "x".repeat(10_000);
        denials.note(&RefusedKey { model: Some(&long), ..refused(1) }, 0);
        denials.note(&RefusedKey { model: Some("a\0b"), ..refused(2) }, 0);
        let mut models: Vec<_> =
            denials.take().into_values().map(|d| d.model.map(|model| model.len())).collect();
        models.sort_unstable();
        assert_eq!(models, [None, Some(MODEL_CHARS_MAX)]);
    }
}
