//! Budgets: money or tokens in a period, and the worst case that is held before a call.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::money::NanoUsd;
use crate::price::Price;
use crate::usage::Usage;

/// Where fewer output tokens than this would fit, the call is refused instead of cut short.
pub const OUTPUT_TOKENS_MIN: u64 = 256;

/// A stretch of time after which a budget starts anew, aligned to the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday midnight.
    Week,
    /// From midnight of the first.
    Month,
    /// For ever.
    Total,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Total];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// When the period that holds `now` began. The whole of time begins at the Unix epoch.
    pub fn start(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let local = now.to_zoned(zone.clone());
        let first = match self {
            Self::Total => return Timestamp::UNIX_EPOCH,
            Self::Day => Ok(local.clone()),
            Self::Week => {
                local.checked_sub(i64::from(local.weekday().to_monday_zero_offset()).days())
            }
            Self::Month => local.first_of_month(),
        };
        first.and_then(|day| day.start_of_day()).map_or(Timestamp::UNIX_EPOCH, |at| at.timestamp())
    }

    /// When the period that holds `now` ends and the next begins. `None`: never.
    pub fn end(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start: Zoned = self.start(now, zone).to_zoned(zone.clone());
        let next = match self {
            Self::Total => return None,
            Self::Day => start.checked_add(1.day()),
            Self::Week => start.checked_add(1.week()),
            Self::Month => start.checked_add(1.month()),
        };
        // Where midnight is skipped, a day begins later, but the next one at midnight again.
        next.and_then(|day| day.start_of_day()).ok().map(|at| at.timestamp())
    }
}

/// How much a budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Money.
    Usd(NanoUsd),
    /// Input and output tokens together.
    Tokens(u64),
}

/// What happens when the worst case does not fit, though something is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// The call is cut to what fits, or refused: the line is never crossed.
    #[default]
    Deny,
    /// The call goes on at its full length; the next one after the line is refused.
    Allow,
}

/// A budget as it is set: `{"usd": "12.50", "period": "day"}` or `{"tokens": 1000000, …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "RawBudget", into = "RawBudget")]
pub struct Budget {
    /// How much.
    pub amount: Amount,
    /// In which time.
    pub period: Period,
    /// What happens at the line.
    pub overrun: Overrun,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBudget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usd: Option<NanoUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    period: Period,
    #[serde(default)]
    overrun: Overrun,
}

impl TryFrom<RawBudget> for Budget {
    type Error = &'static str;

    fn try_from(raw: RawBudget) -> Result<Self, Self::Error> {
        let amount = match (raw.usd, raw.tokens) {
            (Some(usd), None) => Amount::Usd(usd),
            (None, Some(tokens)) => Amount::Tokens(tokens),
            (None, None) | (Some(_), Some(_)) => {
                return Err("a budget has either `usd` or `tokens`");
            }
        };
        Ok(Self { amount, period: raw.period, overrun: raw.overrun })
    }
}

impl From<Budget> for RawBudget {
    fn from(budget: Budget) -> Self {
        let (usd, tokens) = match budget.amount {
            Amount::Usd(usd) => (Some(usd), None),
            Amount::Tokens(tokens) => (None, Some(tokens)),
        };
        Self { usd, tokens, period: budget.period, overrun: budget.overrun }
    }
}

impl Budget {
    /// Whether every list entry in `theirs` keeps what each entry of `mine` promises.
    pub fn list_covers(mine: &[Self], theirs: &[Self]) -> bool {
        mine.iter().all(|mine| theirs.iter().any(|theirs| mine.covers(theirs)))
    }

    fn is_spent(&self, spent: Spend) -> bool {
        match self.amount {
            Amount::Usd(limit) => spent.cost >= limit,
            Amount::Tokens(limit) => spent.tokens >= limit,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        let amount_is_covered = match (self.amount, other.amount) {
            (Amount::Usd(mine), Amount::Usd(theirs)) => theirs <= mine,
            (Amount::Tokens(mine), Amount::Tokens(theirs)) => theirs <= mine,
            (Amount::Usd(_), Amount::Tokens(_)) | (Amount::Tokens(_), Amount::Usd(_)) => false,
        };
        let overrun_is_covered = self.overrun == Overrun::Allow || other.overrun == Overrun::Deny;
        amount_is_covered && overrun_is_covered && self.period == other.period
    }
}

/// What was spent, or may be spent, in both units that budgets know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spend {
    /// Money.
    pub cost: NanoUsd,
    /// Tokens.
    pub tokens: u64,
}

impl Default for NanoUsd {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Spend {
    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { cost: self.cost.plus(other.cost), tokens: self.tokens.saturating_add(other.tokens) }
    }

    /// The difference, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self { cost: self.cost.minus(other.cost), tokens: self.tokens.saturating_sub(other.tokens) }
    }

    /// What a finished call spent.
    pub fn of(price: &Price, usage: Usage) -> Self {
        let usage = usage.bounded();
        Self { cost: price.cost(usage), tokens: usage.total_tokens() }
    }
}

/// The state of one budget in its present period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Settled.
    pub spent: Spend,
    /// Set aside for calls in flight.
    pub held: Spend,
}

/// The worst case of a call, before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// What tokens cost.
    pub price: &'a Price,
    /// Estimated tokens of input.
    pub input_tokens: u64,
    /// The most output tokens that the call may produce.
    pub output_tokens: u64,
}

/// Why a budget has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Calls in flight hold the rest; it may come back in a moment.
    Held,
    /// It is spent.
    Spent,
}

impl Quote<'_> {
    /// What a call that may produce `output_tokens` sets aside.
    pub fn hold(&self, output_tokens: u64) -> Spend {
        Spend {
            cost: self.price.worst_cost(self.input_tokens, output_tokens),
            tokens: self.input_tokens.saturating_add(output_tokens),
        }
    }

    /// How many output tokens fit into all of these budgets, at most what the call asks for.
    ///
    /// Fewer than it asks for means that its `max_tokens` must be lowered; that happens only down
    /// to [`OUTPUT_TOKENS_MIN`]. Money already held counts as spent, so that no number of
    /// concurrent calls can cross the line. Where one budget is held and another spent, it is
    /// spent: waiting would not help.
    pub fn fit(&self, budgets: &[(Budget, Account)]) -> Result<u64, NoRoom> {
        let mut fitting = Ok(self.output_tokens);
        for (budget, account) in budgets {
            fitting = match (fitting, self.fit_one(budget, account)) {
                (_, Err(NoRoom::Spent)) => return Err(NoRoom::Spent),
                (Ok(all), Ok(one)) => Ok(all.min(one)),
                (Err(held), _) | (_, Err(held)) => Err(held),
            };
        }
        fitting
    }

    fn fit_one(&self, budget: &Budget, account: &Account) -> Result<u64, NoRoom> {
        if budget.overrun == Overrun::Allow {
            return if budget.is_spent(account.spent) {
                Err(NoRoom::Spent)
            } else {
                Ok(self.output_tokens)
            };
        }
        match self.room(budget, account.spent.plus(account.held)) {
            Some(room) => Ok(room),
            None if self.room(budget, account.spent).is_some() => Err(NoRoom::Held),
            None => Err(NoRoom::Spent),
        }
    }

    /// Output tokens, at most those asked for, that fit beside the input when `taken` is gone.
    /// `None`: the input does not fit, or too few would.
    fn room(&self, budget: &Budget, taken: Spend) -> Option<u64> {
        let fitting = match budget.amount {
            Amount::Usd(limit) => {
                let left = limit.nanos().checked_sub(taken.cost.nanos())?;
                self.price.output_tokens_within(NanoUsd::from_nanos(left), self.input_tokens)?
            }
            Amount::Tokens(limit) => {
                limit.checked_sub(taken.tokens)?.checked_sub(self.input_tokens)?
            }
        };
        let room = fitting.min(self.output_tokens);
        (room >= self.output_tokens.min(OUTPUT_TOKENS_MIN)).then_some(room)
    }
}
