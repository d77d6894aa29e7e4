//! A key, as pages show it.

use std::num::NonZeroU32;

use doorward_domain::bounds::ModelLimits;
use doorward_domain::budget::{Amount, Budget, Period};
use doorward_domain::key::KeyStatus;
use doorward_domain::limit::Limits;
use doorward_domain::money::NanoUsd;
use doorward_domain::scope::Scope;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;

use crate::money::{count, dollars};
use crate::query::{segment, with_query};
use crate::text::{text, text_of, text_with};
use crate::time::relative;
use crate::visitor::Visitor;

/// A key that ends within this time is said to end soon: when its owner is told for the first time.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A budget of which so much is spent is nearly gone, in percent.
const NEAR_PERCENT: u64 = 80;
/// Scopes that a row of the list has room for.
const SCOPES_SHOWN: usize = 2;
/// Models that its page shows before the rest is folded.
const MODELS_SHOWN: usize = 8;

/// What the API says of a key.
#[derive(Debug, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `user` or `service`.
    pub(crate) kind: String,
    pub(crate) fingerprint: String,
    pub(crate) status: KeyStatus,
    pub(crate) owner: String,
    /// What the owner is called, where that was asked for and is known; so with the next two.
    owner_name: Option<String>,
    created_by: String,
    created_by_name: Option<String>,
    pub(crate) project: String,
    project_name: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// `None`: all that its project has.
    pub(crate) models: Option<Vec<String>>,
    /// `None`: from anywhere.
    pub(crate) ip_allow: Option<Vec<String>>,
    pub(crate) ip_deny: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) model_limits: Vec<ModelLimits>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) increase: Option<Held>,
    pub(crate) allowed_origins: Option<Vec<String>>,
    pub(crate) spent: Vec<Spent>,
    spent_this_month: Option<Spent>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) last_used_ip: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) previous_secrets: Vec<PreviousSecret>,
}

/// What raises limits or budgets of a key for a while.
#[derive(Debug, Deserialize)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) limits: Limits,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) ends_at: Timestamp,
}

/// A secret that a rotation replaced and that still works.
#[derive(Debug, Deserialize)]
pub(crate) struct PreviousSecret {
    pub(crate) fingerprint: String,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) last_used_ip: Option<String>,
}

impl PreviousSecret {
    /// When and from where it was last used, in a sentence.
    pub(crate) fn last_use(&self, now: Timestamp) -> String {
        let secret = self.fingerprint.as_str();
        let Some(at) = self.last_used_at else {
            return text_with("overlap-secret-unused", "secret", secret);
        };
        let when = relative(at, now);
        let said = [("secret", secret), ("when", &when)];
        match &self.last_used_ip {
            None => text_of("overlap-secret-used", said),
            Some(address) => {
                text_of("overlap-secret-used-from", [said[0], said[1], ("address", address)])
            }
        }
    }
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

    /// Whether it may still be used or switched on again.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.status, KeyStatus::Active | KeyStatus::Disabled)
    }

    /// Whether somebody can call with it in the playground: an active one of their own, that may call models.
    pub(crate) fn may_call(&self, visitor: &Visitor) -> bool {
        let calls = Scope::InferenceWrite.as_str();
        self.status == KeyStatus::Active
            && self.owner == visitor.me.id
            && self.scopes.iter().any(|scope| scope == calls)
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.status == KeyStatus::Disabled
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.status == KeyStatus::Revoked
    }

    pub(crate) fn is_of_service(&self) -> bool {
        self.kind == "service"
    }

    /// The list that it is in.
    pub(crate) fn list_path(&self) -> &'static str {
        if self.is_of_service() { "/agent-keys" } else { "/keys" }
    }

    /// When and from where it was last used, in a sentence: who may notice that it ends.
    pub(crate) fn last_use(&self, now: Timestamp) -> String {
        let Some(at) = self.last_used_at else {
            return text("key-was-never-used");
        };
        let when = relative(at, now);
        match &self.last_used_ip {
            Some(address) => text_of("key-was-used-from", [("when", &when), ("address", address)]),
            None => text_with("key-was-used", "when", when),
        }
    }

    /// The scopes that a row has room for.
    pub(crate) fn first_scopes(&self) -> impl Iterator<Item = &String> {
        self.scopes.iter().take(SCOPES_SHOWN)
    }

    /// The others, as one text; empty: there are none.
    pub(crate) fn more_scopes(&self) -> String {
        self.scopes.get(SCOPES_SHOWN..).unwrap_or_default().join(", ")
    }

    /// How many those are.
    pub(crate) fn more_scopes_count(&self) -> usize {
        self.scopes.len().saturating_sub(SCOPES_SHOWN)
    }

    pub(crate) fn owner_name(&self) -> &str {
        self.owner_name.as_ref().unwrap_or(&self.owner)
    }

    pub(crate) fn created_by_name(&self) -> &str {
        self.created_by_name.as_ref().unwrap_or(&self.created_by)
    }

    pub(crate) fn project_name(&self) -> &str {
        self.project_name.as_ref().unwrap_or(&self.project)
    }

    /// The page of its owner, for those who may open it.
    pub(crate) fn owner_path(&self) -> String {
        let noun = if self.is_of_service() { "service-accounts" } else { "people" };
        format!("/{noun}/{}", segment(&self.owner))
    }

    /// The page of its project, for those who may open it.
    pub(crate) fn project_path(&self) -> String {
        format!("/projects/{}", segment(&self.project))
    }

    /// Where one like it is made.
    pub(crate) fn like_path(&self) -> String {
        with_query(&format!("{}/new", self.list_path()), [("like", &*self.id)].into_iter())
    }

    /// Its models, those that are shown and those that are folded. `None`: all that its project has.
    pub(crate) fn models_folded(&self) -> Option<(&[String], &[String])> {
        let models = self.models.as_ref()?;
        Some(models.split_at_checked(MODELS_SHOWN).unwrap_or((models, &[])))
    }

    /// What was spent where no budget tells it; `None`: nothing.
    pub(crate) fn spent_without_budget(&self) -> Option<String> {
        let spent = self.spent_this_month.as_ref()?.usd;
        (spent > NanoUsd::ZERO).then(|| dollars(spent))
    }

    pub(crate) fn ends_soon(&self, now: &Timestamp) -> bool {
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

/// The names of the limits' texts and fields, with their figures.
pub(crate) fn limits_of(limits: &Limits) -> [(&'static str, Option<NonZeroU32>); 7] {
    [
        ("requests_per_minute", limits.requests_per_minute),
        ("requests_per_hour", limits.requests_per_hour),
        ("requests_per_day", limits.requests_per_day),
        ("tokens_per_minute", limits.tokens_per_minute),
        ("tokens_per_hour", limits.tokens_per_hour),
        ("tokens_per_day", limits.tokens_per_day),
        ("concurrency", limits.concurrency),
    ]
}

/// `$600.00`, or a number of tokens.
pub(crate) fn amount(budget: &Budget) -> String {
    match budget.amount {
        Amount::Usd(most) => dollars(most),
        Amount::Tokens(most) => text_with("tokens-count", "n", count(most)),
    }
}

/// The name of a period's text.
pub(crate) const fn period_text(period: Period) -> &'static str {
    match period {
        Period::Day => "period-day",
        Period::Week => "period-week",
        Period::Month => "period-month",
        Period::Total => "period-total",
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
                (spent.usd.nanos(), most.nanos(), dollars(spent.usd), amount(budget))
            }
            Amount::Tokens(most) => (spent.tokens, most, count(spent.tokens), amount(budget)),
        };
        let percent = if is >= most { 100 } else { is.saturating_mul(100) / most.max(1) };
        let period = period_text(budget.period);
        Self { spent, of, period, percent, is_near: percent >= NEAR_PERCENT }
    }
}
