//! A key, as pages show it.

use doorward_domain::budget::{Amount, Budget, Period};
use doorward_domain::key::KeyStatus;
use doorward_domain::money::NanoUsd;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;

use crate::money::{count, dollars};
use crate::text::text_of;

/// A key that ends within this time is said to end soon: when its owner is told for the first time.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A budget of which so much is spent is nearly gone, in percent.
const NEAR_PERCENT: u64 = 80;

/// What the API says of a key.
#[derive(Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) fingerprint: String,
    pub(crate) status: KeyStatus,
    pub(crate) scopes: Vec<String>,
    pub(crate) project: String,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) spent: Vec<Spent>,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) last_used_ip: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What the API says of a key that was just made, or got a new secret.
#[derive(Debug, Deserialize)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    pub(crate) object: Key,
    /// Whether it ends sooner than was asked for.
    pub(crate) expires_clamped: bool,
    /// The one string; `None` in an answer that is given again, too late.
    pub(crate) key: Option<SecretString>,
    pub(crate) access_key: String,
    pub(crate) secret_key: Option<SecretString>,
}

/// What was spent in the present period of one budget.
#[derive(Debug, Deserialize)]
pub(crate) struct Spent {
    usd: NanoUsd,
    tokens: u64,
}

/// How much of a budget is gone.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) spent: String,
    pub(crate) of: String,
    /// The name of the period's text.
    pub(crate) period: &'static str,
    /// From 0 to 100.
    pub(crate) percent: u64,
    pub(crate) is_near: bool,
}

impl Key {
    /// The class and text of its status.
    pub(crate) fn state(&self, now: &Timestamp) -> &'static str {
        match self.status {
            KeyStatus::Active if self.ends_soon(now) => "soon",
            status @ (KeyStatus::Active
            | KeyStatus::Disabled
            | KeyStatus::Expired
            | KeyStatus::Revoked) => status.as_str(),
        }
    }

    fn ends_soon(&self, now: &Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at.duration_since(*now) <= SOON)
    }

    /// The budget of which most is gone.
    pub(crate) fn nearest_budget(&self) -> Option<Gauge> {
        self.gauges().max_by_key(|gauge| gauge.percent)
    }

    /// Its budgets with what is spent of each.
    pub(crate) fn gauges(&self) -> impl Iterator<Item = Gauge> {
        self.budgets.iter().zip(&self.spent).map(Gauge::new)
    }
}

impl Gauge {
    /// `$412.07 of $600.00`.
    pub(crate) fn words(&self) -> String {
        text_of("gauge", [("spent", &self.spent), ("of", &self.of)])
    }

    pub(crate) fn new((budget, spent): (&Budget, &Spent)) -> Self {
        let (is, most, spent, of) = match budget.amount {
            Amount::Usd(most) => {
                (spent.usd.nanos(), most.nanos(), dollars(spent.usd), dollars(most))
            }
            Amount::Tokens(most) => (spent.tokens, most, count(spent.tokens), count(most)),
        };
        let percent = if is >= most { 100 } else { is.saturating_mul(100) / most.max(1) };
        let period = match budget.period {
            Period::Day => "period-day",
            Period::Week => "period-week",
            Period::Month => "period-month",
            Period::Total => "period-total",
        };
        Self { spent, of, period, percent, is_near: percent >= NEAR_PERCENT }
    }
}
