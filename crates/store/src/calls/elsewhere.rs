//! Uses of a key that no call here stands for: another service asks whether it may be used.

use std::net::IpAddr;

use doorward_domain::denial::Denial;
use doorward_domain::rotation::SecretNumber;
use jiff::SignedDuration;

use super::CallKey;
use super::counters::{Admitted, Moment};
use crate::db::on;
use crate::usage::touch;
use crate::{Store, StoreError};

/// How exact the last use of a key elsewhere is.
const NOTE_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// What a use takes from the rate limits of its key. Nothing of both: it is only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Requests.
    pub requests: u32,
    /// Tokens.
    pub tokens: u64,
}

impl Cost {
    /// What is taken where nothing is said.
    pub const ONE_REQUEST: Self = Self { requests: 1, tokens: 0 };
}

impl Store {
    /// Takes a use from the rate limits of its key and of what that shares, in one step or not at all,
    /// where all budgets have anything left. The caller has checked status, scope and model; limits for
    /// some models hold where one is named.
    ///
    /// The outer error is ours, as for [`admit`](Self::admit); the inner one is the key's.
    pub fn spend(
        &self,
        key: &CallKey,
        model: Option<&str>,
        cost: Cost,
    ) -> Result<Result<Admitted, (Denial, Admitted)>, StoreError> {
        if !self.db.is_ours() {
            return Err(StoreError::NotOurs);
        }
        let moment = Moment { now: self.clock.now(), monotonic_us: self.clock.monotonic_us() };
        Ok(key.bounded(moment.now, model).spend(cost, moment, &self.time_zone))
    }

    /// Whether a use of this secret is to be [noted](Self::note_use): the first one of a minute.
    pub fn is_use_notable(&self, key: &CallKey, secret: SecretNumber) -> bool {
        key.secrets.is_first_use(secret, self.clock.now(), NOTE_INTERVAL)
    }

    /// Notes that a key was used elsewhere now, for people to look at.
    pub async fn note_use(
        &self,
        key: &CallKey,
        secret: SecretNumber,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        let (key, now_us) = (&key.key, self.clock.now().as_microsecond());
        on!(self.db.write, |pool| {
            let mut tx = pool.begin().await?;
            touch!(tx, key.organization, key.id, secret, now_us, address);
            tx.commit().await?;
        });
        Ok(())
    }
}
