//! Budgets: money or tokens in a period, and the worst case that is held before a call.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::money::NanoUsd;
use crate::price::Price;
use crate::usage::Usage;

/// Where fewer output tokens than this would fit, the call is refused instead of cut short.
pub const OUTPUT_TOKENS_MIN: u64 = 256;

/// Shares of a budget, in percent, at which somebody is told that so much of it is spent.
pub const ALERT_PERCENTS: [u8; 3] = [50, 80, 100];

/// A stretch of time after which a budget starts anew, aligned to the calendar.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
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
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// The call is cut to what fits, or refused: the line is never crossed.
    #[default]
    Deny,
    /// The call goes on at its full length; the next one after the line is refused. Of calls in flight, what
    /// their models spend on average counts towards it.
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

#[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RawBudget {
    /// How much money; or `tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usd: Option<NanoUsd>,
    /// How many tokens; or `usd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
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

impl utoipa::ToSchema for Budget {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        RawBudget::schemas(schemas);
    }
}

impl utoipa::PartialSchema for Budget {
    fn schema() -> RefOr<Schema> {
        RawBudget::schema()
    }
}

impl Budget {
    /// Whether every list entry in `theirs` keeps what each entry of `mine` promises.
    pub fn list_covers(mine: &[Self], theirs: &[Self]) -> bool {
        mine.iter().all(|mine| theirs.iter().any(|theirs| mine.covers(theirs)))
    }

    /// Whether anything is left of it, for a use that is not priced here.
    pub fn check_left(&self, account: &Account) -> Result<(), NoRoom> {
        if self.is_spent(account.spent) {
            Err(NoRoom::Spent)
        } else if self.is_spent(account.spent.plus(self.held_of(account))) {
            Err(NoRoom::Held)
        } else {
            Ok(())
        }
    }

    /// What calls in flight hold of it: their worst case, or what is expected of them where it may be overrun.
    pub const fn held_of(&self, account: &Account) -> Spend {
        match self.overrun {
            Overrun::Deny => account.held.worst,
            Overrun::Allow => account.held.expected,
        }
    }

    /// Whether it covers what is held also when this much more is spent. One that may be overrun always does.
    pub fn has_room_beside(&self, account: &Account, more: Spend) -> bool {
        let all = account.spent.plus(account.held.worst).plus(more);
        let fits = match self.amount {
            Amount::Usd(limit) => all.cost <= limit,
            Amount::Tokens(limit) => all.tokens <= limit,
        };
        fits || self.overrun == Overrun::Allow
    }

    /// The shares of [`ALERT_PERCENTS`] that are spent. Of a budget of nothing there are no shares.
    pub fn shares_spent(&self, spent: Spend) -> impl Iterator<Item = u8> {
        let (spent, whole) = match self.amount {
            Amount::Usd(limit) => (spent.cost.nanos(), limit.nanos()),
            Amount::Tokens(limit) => (spent.tokens, limit),
        };
        let is_spent = move |percent: &u8| {
            whole > 0 && u128::from(spent) * 100 >= u128::from(whole) * u128::from(*percent)
        };
        ALERT_PERCENTS.into_iter().filter(is_spent)
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

    /// The same, in each unit at most as much as `most`.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        Self { cost: self.cost.min(most.cost), tokens: self.tokens.min(most.tokens) }
    }

    /// What a finished call spent.
    pub fn of(price: &Price, usage: Usage) -> Self {
        let usage = usage.bounded();
        Self { cost: price.cost(usage), tokens: usage.total_tokens() }
    }
}

/// What is set aside for a call, or for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// The worst case, for budgets whose line is never crossed.
    pub worst: Spend,
    /// What such calls come to on average, never more than the worst case: for budgets that may be overrun.
    pub expected: Spend,
}

impl Held {
    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let (worst, expected) = (self.worst.plus(other.worst), self.expected.plus(other.expected));
        Self { worst, expected }
    }

    /// The difference, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        let (worst, expected) =
            (self.worst.minus(other.worst), self.expected.minus(other.expected));
        Self { worst, expected }
    }
}

/// The state of one budget in its present period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Settled.
    pub spent: Spend,
    /// Set aside for calls in flight.
    pub held: Held,
}

/// The worst case of a call, before it is sent, and what is expected of it.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// What everything costs.
    pub price: &'a Price,
    /// Estimated tokens of input, the most output tokens that the call may produce, and the most of what
    /// is no tokens.
    pub most: Usage,
    /// Of the output tokens, those that no bound makes fewer: of pictures, of speech, of what was heard; or
    /// with fewer than which the provider would refuse the request.
    pub fixed_output_tokens: u64,
    /// What calls of the model spent lately, on average. `None`: nothing is known of that, and the worst is
    /// expected.
    pub average: Option<Spend>,
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
    pub fn hold(&self, output_tokens: u64) -> Held {
        let most = Usage { output_tokens, ..self.most };
        let worst = Spend { cost: self.price.worst_cost(most), tokens: most.total_tokens() };
        let expected = self.average.map_or(worst, |average| average.at_most(worst));
        Held { worst, expected }
    }

    /// How many output tokens fit into all of these budgets, at most what the call asks for.
    ///
    /// Fewer than it asks for means that its `max_tokens` must be lowered; that happens only down
    /// to [`OUTPUT_TOKENS_MIN`], and not below what is fixed of them, as a picture or sound is. Money already
    /// held counts as spent, so that no number of concurrent calls can cross the line. A budget that may be
    /// overrun cuts no call short: it lets in each that comes before its line, and counts those in flight at what
    /// is expected of them. Where one budget is held and another spent, it is spent: waiting would not help.
    pub fn fit(&self, budgets: &[(Budget, Account)]) -> Result<u64, NoRoom> {
        let mut fitting = Ok(self.most.output_tokens);
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
            return budget.check_left(account).map(|()| self.most.output_tokens);
        }
        match self.room(budget, account.spent.plus(account.held.worst)) {
            Some(room) => Ok(room),
            None if self.room(budget, account.spent).is_some() => Err(NoRoom::Held),
            None => Err(NoRoom::Spent),
        }
    }

    /// Output tokens, at most those asked for, that fit beside the rest when `taken` is gone.
    /// `None`: the rest does not fit, or too few would.
    fn room(&self, budget: &Budget, taken: Spend) -> Option<u64> {
        let fitting = match budget.amount {
            Amount::Usd(limit) => {
                let left = limit.nanos().checked_sub(taken.cost.nanos())?;
                self.price.output_tokens_within(NanoUsd::from_nanos(left), self.most)?
            }
            Amount::Tokens(limit) => {
                limit.checked_sub(taken.tokens)?.checked_sub(self.most.input_tokens)?
            }
        };
        let room = fitting.min(self.most.output_tokens);
        (room >= self.least()).then_some(room)
    }

    /// The fewest output tokens that are worth a call.
    fn least(&self) -> u64 {
        self.most.output_tokens.min(OUTPUT_TOKENS_MIN.max(self.fixed_output_tokens))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::tests::any_money;
    use crate::price::Rates;
    use crate::price::tests::any_price;

    const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    /// Summer time begins and ends at midnight: one midnight is skipped, one comes twice.
    const SAO_PAULO: &str = "<-03>3<-02>,M10.3.0/0,M2.3.0/0";
    const AUCKLAND: &str = "NZST-12NZDT,M9.5.0,M4.1.0/3";
    const KATHMANDU: &str = "<+0545>-5:45";

    fn zone(posix: &str) -> TimeZone {
        TimeZone::posix(posix).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn any_zone() -> impl Strategy<Value = TimeZone> {
        prop::sample::select(vec![NEW_YORK, BERLIN, SAO_PAULO, AUCKLAND, KATHMANDU, "UTC0"])
            .prop_map(zone)
    }

    /// Small enough that a handful of calls reach the line.
    pub(crate) fn any_budget() -> impl Strategy<Value = Budget> {
        let amount = prop_oneof![
            (0_u64..200_000_000).prop_map(|nanos| Amount::Usd(NanoUsd::from_nanos(nanos))),
            (0_u64..5_000).prop_map(Amount::Tokens),
        ];
        let period = prop::sample::select(Period::ALL.to_vec());
        let overrun = prop_oneof![3 => Just(Overrun::Deny), 1 => Just(Overrun::Allow)];
        (amount, period, overrun).prop_map(|(amount, period, overrun)| Budget {
            amount,
            period,
            overrun,
        })
    }

    fn any_deny_budget() -> impl Strategy<Value = Budget> {
        any_budget().prop_map(|budget| Budget { overrun: Overrun::Deny, ..budget })
    }

    /// Ten dollars per million tokens: a token costs 10 000 nano-dollars.
    fn price() -> Price {
        let rate: NanoUsd = "10".parse().unwrap();
        Price { rates: Rates::of_tokens(rate, rate), tiers: vec![] }
    }

    fn deny(amount: Amount) -> Budget {
        Budget { amount, period: Period::Month, overrun: Overrun::Deny }
    }

    fn tokens(tokens: u64) -> Spend {
        Spend { cost: NanoUsd::from_nanos(tokens * 10_000), tokens }
    }

    /// Held for calls of which nothing more is known than their worst case.
    fn at_worst(worst: Spend) -> Held {
        Held { worst, expected: worst }
    }

    fn taken(budget: &Budget, account: &Account) -> (u64, u64) {
        let all = account.spent.plus(budget.held_of(account));
        match budget.amount {
            Amount::Usd(limit) => (all.cost.nanos(), limit.nanos()),
            Amount::Tokens(limit) => (all.tokens, limit),
        }
    }

    fn is_within(budget: &Budget, account: &Account) -> bool {
        let (taken, limit) = taken(budget, account);
        taken <= limit
    }

    #[test]
    fn periods_follow_the_calendar_of_their_zone() {
        use Period::{Day, Month, Week};
        #[rustfmt::skip]
        let cases = [
            // zone      period  now                     start                   end
            ("UTC0",     Day,    "2026-02-28T23:59:59Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("UTC0",     Day,    "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
            ("UTC0",     Month,  "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("UTC0",     Month,  "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            // 1 June 2026 is a Monday.
            ("UTC0",     Week,   "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z"),
            ("UTC0",     Week,   "2026-06-07T23:59:59Z", "2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z"),
            ("UTC0",     Week,   "2026-05-31T23:59:59Z", "2026-05-25T00:00:00Z", "2026-06-01T00:00:00Z"),
            // The zone decides which day it is.
            (NEW_YORK,   Day,    "2026-06-02T03:59:59Z", "2026-06-01T04:00:00Z", "2026-06-02T04:00:00Z"),
            (NEW_YORK,   Month,  "2026-06-01T03:59:59Z", "2026-05-01T04:00:00Z", "2026-06-01T04:00:00Z"),
            (KATHMANDU,  Day,    "2026-06-01T18:14:59Z", "2026-05-31T18:15:00Z", "2026-06-01T18:15:00Z"),
            // A day of 23 hours, one of 25, and weeks and months with one of them inside.
            (NEW_YORK,   Day,    "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
            (NEW_YORK,   Day,    "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            (BERLIN,     Week,   "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"),
            (BERLIN,     Month,  "2026-10-31T12:00:00Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
            // 18 October 2026 begins at one o'clock, the day after at midnight again.
            (SAO_PAULO,  Day,    "2026-10-18T12:00:00Z", "2026-10-18T03:00:00Z", "2026-10-19T02:00:00Z"),
            (SAO_PAULO,  Day,    "2026-10-17T12:00:00Z", "2026-10-17T03:00:00Z", "2026-10-18T03:00:00Z"),
            // 14 February 2026 has its last hour twice.
            (SAO_PAULO,  Day,    "2026-02-15T02:30:00Z", "2026-02-14T02:00:00Z", "2026-02-15T03:00:00Z"),
        ];
        for (posix, period, now, start, end) in cases {
            let zone = zone(posix);
            assert_eq!(period.start(at(now), &zone), at(start), "{posix} {period:?} {now}");
            assert_eq!(period.end(at(now), &zone), Some(at(end)), "{posix} {period:?} {now}");
        }
    }

    #[test]
    fn a_total_budget_never_starts_anew() {
        let (now, zone) = (at("2026-06-01T00:00:00Z"), zone(BERLIN));
        assert_eq!(Period::Total.start(now, &zone), Timestamp::UNIX_EPOCH);
        assert_eq!(Period::Total.end(now, &zone), None);
    }

    #[test]
    fn a_budget_in_json_has_one_amount_and_known_fields() {
        let budget = |amount, period, overrun| Some(Budget { amount, period, overrun });
        let usd = |text: &str| Amount::Usd(text.parse().unwrap());
        #[rustfmt::skip]
        let cases = [
            // json                                                 budget
            (r#"{"usd":"12.50","period":"day"}"#,                   budget(usd("12.5"), Period::Day, Overrun::Deny)),
            (r#"{"usd":3,"period":"total","overrun":"deny"}"#,      budget(usd("3"), Period::Total, Overrun::Deny)),
            (r#"{"tokens":1000,"period":"week","overrun":"allow"}"#, budget(Amount::Tokens(1_000), Period::Week, Overrun::Allow)),
            (r#"{"tokens":0,"period":"month"}"#,                    budget(Amount::Tokens(0), Period::Month, Overrun::Deny)),
            (r#"{"usd":null,"tokens":1,"period":"day"}"#,           budget(Amount::Tokens(1), Period::Day, Overrun::Deny)),
            (r#"{"usd":"1","tokens":1,"period":"day"}"#,            None),
            (r#"{"period":"day"}"#,                                 None),
            (r#"{"usd":"1"}"#,                                      None),
            (r#"{"usd":"-1","period":"day"}"#,                      None),
            (r#"{"usd":"1e30","period":"day"}"#,                    None),
            (r#"{"tokens":-1,"period":"day"}"#,                     None),
            (r#"{"tokens":1.5,"period":"day"}"#,                    None),
            (r#"{"tokens":"1","period":"day"}"#,                    None),
            (r#"{"usd":"1","period":"year"}"#,                      None),
            (r#"{"usd":"1","period":"day","overrun":"maybe"}"#,     None),
            (r#"{"usd":"1","period":"day","limit":5}"#,             None),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str::<Budget>(json).ok(), expected, "{json}");
        }
    }

    #[test]
    fn a_period_reads_in_json_as_everywhere_else() {
        for period in Period::ALL {
            let json = format!("\"{}\"", period.as_str());
            assert_eq!(serde_json::to_string(&period).unwrap(), json);
        }
    }

    #[test]
    fn output_is_lowered_to_what_fits_but_not_below_the_least() {
        let price = price();
        #[rustfmt::skip]
        let cases = [
            // limit  spent  held  input  wanted   fits
            (10_000,  0,     0,    100,   4_096,   Ok(4_096)),
            (4_196,   0,     0,    100,   4_096,   Ok(4_096)), // to the token
            (4_195,   0,     0,    100,   4_096,   Ok(4_095)),
            (10_000,  8_000, 0,    100,   4_096,   Ok(1_900)),
            (10_000,  9_000, 0,    744,   4_096,   Ok(256)),
            (10_000,  9_000, 0,    745,   4_096,   Err(NoRoom::Spent)), // 255 would fit
            (10_000,  9_000, 0,    900,   100,     Ok(100)), // less was asked for, and all of it fits
            (10_000,  9_000, 0,    901,   100,     Err(NoRoom::Spent)),
            (10_000,  9_000, 0,    1_000, 0,       Ok(0)), // an embedding
            (10_000,  9_000, 0,    1_001, 0,       Err(NoRoom::Spent)),
            (10_000,  5_000, 4_000, 745,  4_096,   Err(NoRoom::Held)),
            (10_000,  0,     10_000, 1,   1,       Err(NoRoom::Held)),
            (10_000,  10_000, 0,   1,     1,       Err(NoRoom::Spent)),
            (10_000,  9_900, 100,  10,    4_096,   Err(NoRoom::Spent)), // too little, also without the hold
            (10_000,  12_000, 0,   1,     1,       Err(NoRoom::Spent)), // a provider billed beyond a hold
            (0,       0,     0,    1,     1,       Err(NoRoom::Spent)),
        ];
        for (limit, spent, held, input_tokens, output_tokens, expected) in cases {
            let quote = Quote {
                price: &price,
                most: Usage::of_tokens(input_tokens, output_tokens),
                fixed_output_tokens: 0,
                average: None,
            };
            let account = Account { spent: tokens(spent), held: at_worst(tokens(held)) };
            for amount in [Amount::Tokens(limit), Amount::Usd(tokens(limit).cost)] {
                let fits = quote.fit(&[(deny(amount), account)]);
                assert_eq!(fits, expected, "{amount:?} {account:?} {quote:?}");
            }
        }
    }

    #[test]
    fn all_budgets_must_have_room_and_a_spent_one_decides() {
        let price = price();
        let quote = Quote {
            price: &price,
            most: Usage::of_tokens(100, 4_096),
            fixed_output_tokens: 0,
            average: None,
        };
        let (wide, narrow) = (deny(Amount::Tokens(100_000)), deny(Amount::Tokens(1_000)));
        let empty = Account::default();
        let held = Account { held: at_worst(tokens(1_000)), ..empty };
        let spent = Account { spent: tokens(1_000), ..empty };
        #[rustfmt::skip]
        let cases = [
            // budgets                                                  fits
            (vec![],                                                    Ok(4_096)),
            (vec![(wide, empty)],                                       Ok(4_096)),
            (vec![(wide, empty), (narrow, empty)],                      Ok(900)),
            (vec![(narrow, empty), (wide, empty)],                      Ok(900)),
            (vec![(narrow, held), (wide, empty)],                       Err(NoRoom::Held)),
            (vec![(wide, empty), (narrow, held)],                       Err(NoRoom::Held)),
            (vec![(narrow, held), (narrow, spent)],                     Err(NoRoom::Spent)),
            (vec![(narrow, spent), (narrow, held)],                     Err(NoRoom::Spent)),
            (vec![(narrow, held), (wide, empty), (narrow, spent)],      Err(NoRoom::Spent)),
        ];
        for (budgets, expected) in cases {
            assert_eq!(quote.fit(&budgets), expected, "{budgets:?}");
        }
    }

    #[test]
    fn what_is_fixed_fits_whole_or_not_at_all() {
        let price = price();
        let most = Usage::of_tokens(100, 4_096);
        #[rustfmt::skip]
        let cases = [
            // limit  of it fixed  fits
            (4_196,   0,           Ok(4_096)),
            (4_195,   0,           Ok(4_095)),
            (4_195,   4_095,       Ok(4_095)),
            (4_194,   4_095,       Err(NoRoom::Spent)),
            (4_196,   4_096,       Ok(4_096)),
            (4_195,   4_096,       Err(NoRoom::Spent)),
        ];
        for (limit, fixed_output_tokens, expected) in cases {
            for amount in [Amount::Tokens(limit), Amount::Usd(tokens(limit).cost)] {
                let quote = Quote { price: &price, most, fixed_output_tokens, average: None };
                let fits = quote.fit(&[(deny(amount), Account::default())]);
                assert_eq!(fits, expected, "{amount:?} {fixed_output_tokens}");
            }
        }
    }

    #[test]
    fn a_budget_that_may_be_overrun_refuses_only_after_the_line() {
        let price = price();
        let quote = Quote {
            price: &price,
            most: Usage::of_tokens(100, 4_096),
            fixed_output_tokens: 0,
            average: None,
        };
        #[rustfmt::skip]
        let cases = [
            // spent  worst    expected  fits
            (0,       0,       0,        Ok(4_096)),
            (999,     0,       0,        Ok(4_096)),
            (0,       100_000, 999,      Ok(4_096)), // the worst case is not what it holds
            (500,     100_000, 499,      Ok(4_096)),
            (500,     100_000, 500,      Err(NoRoom::Held)),
            (999,     100_000, 50_000,   Err(NoRoom::Held)),
            (1_000,   0,       0,        Err(NoRoom::Spent)),
            (1_000,   100_000, 50_000,   Err(NoRoom::Spent)),
            (5_000,   0,       0,        Err(NoRoom::Spent)),
        ];
        for (spent, worst, expected, fits) in cases {
            let held = Held { worst: tokens(worst), expected: tokens(expected) };
            let account = Account { spent: tokens(spent), held };
            for amount in [Amount::Tokens(1_000), Amount::Usd(tokens(1_000).cost)] {
                let budget = Budget { overrun: Overrun::Allow, ..deny(amount) };
                assert_eq!(quote.fit(&[(budget, account)]), fits, "{amount:?} {account:?}");
            }
        }
    }

    #[test]
    fn a_call_is_expected_to_be_as_others_of_its_model_but_never_worse_than_it_can_be() {
        let spend = |nanos, tokens| Spend { cost: NanoUsd::from_nanos(nanos), tokens };
        #[rustfmt::skip]
        let cases = [
            // average                         expected, where the worst case is a million and 100
            (None,                             spend(1_000_000, 100)),
            (Some(spend(0, 0)),                spend(0, 0)),
            (Some(spend(300_000, 40)),         spend(300_000, 40)),
            (Some(spend(300_000, 400)),        spend(300_000, 100)),
            (Some(spend(3_000_000, 40)),       spend(1_000_000, 40)),
            (Some(spend(u64::MAX, u64::MAX)),  spend(1_000_000, 100)),
        ];
        let price = price();
        for (average, expected) in cases {
            let most = Usage::of_tokens(70, 1_000);
            let quote = Quote { price: &price, most, fixed_output_tokens: 0, average };
            let worst = spend(1_000_000, 100);
            assert_eq!(quote.hold(30), Held { worst, expected }, "{average:?}");
        }
    }

    #[test]
    fn a_free_model_needs_no_money_but_its_tokens_count() {
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(100, 4_096),
            fixed_output_tokens: 0,
            average: None,
        };
        let account = Account { spent: tokens(1_000), ..Account::default() };
        let (usd, count) = (deny(Amount::Usd(tokens(1_000).cost)), deny(Amount::Tokens(1_000)));
        assert_eq!(quote.fit(&[(usd, account)]), Ok(4_096));
        assert_eq!(quote.fit(&[(count, account)]), Err(NoRoom::Spent));
    }

    #[test]
    fn lists_cover_only_what_keeps_every_promise() {
        let usd = |text: &str| Amount::Usd(text.parse().unwrap());
        let day = |amount| Budget { amount, period: Period::Day, overrun: Overrun::Deny };
        let loose = |amount| Budget { overrun: Overrun::Allow, ..day(amount) };
        let count = Amount::Tokens;
        #[rustfmt::skip]
        let cases = [
            // mine                                 theirs                                    covers
            (vec![],                                vec![],                                   true),
            (vec![],                                vec![day(usd("1"))],                      true),
            (vec![day(usd("1"))],                   vec![],                                   false),
            (vec![day(usd("1"))],                   vec![day(usd("1"))],                      true),
            (vec![day(usd("1"))],                   vec![day(usd("0.5"))],                    true),
            (vec![day(usd("1"))],                   vec![day(usd("1.01"))],                   false),
            (vec![day(usd("1"))],                   vec![deny(usd("1"))],                     false), // a month
            (vec![day(usd("1"))],                   vec![day(count(1))],                      false),
            (vec![day(usd("1"))],                   vec![loose(usd("1"))],                    false),
            (vec![loose(usd("1"))],                 vec![day(usd("1"))],                      true),
            (vec![day(usd("1")), day(count(9))],    vec![day(usd("1"))],                      false),
            (vec![day(usd("1")), day(count(9))],    vec![day(count(9)), day(usd("1"))],       true),
            (vec![day(usd("1"))],                   vec![day(usd("2")), day(usd("1"))],       true),
        ];
        for (mine, theirs, expected) in cases {
            assert_eq!(Budget::list_covers(&mine, &theirs), expected, "{mine:?} / {theirs:?}");
        }
    }

    #[test]
    fn what_is_left_of_a_budget_tells_what_is_spent_from_what_is_held() {
        let spend = |tokens| Spend { tokens, ..Spend::default() };
        let budget = |overrun| Budget { amount: Amount::Tokens(10), period: Period::Day, overrun };
        #[rustfmt::skip]
        let cases = [
            // spent  worst  expected  overrun          left
            (0,       0,     0,        Overrun::Deny,   Ok(())),
            (9,       0,     0,        Overrun::Deny,   Ok(())),
            (9,       1,     0,        Overrun::Deny,   Err(NoRoom::Held)),
            (0,       11,    1,        Overrun::Deny,   Err(NoRoom::Held)),
            (10,      0,     0,        Overrun::Deny,   Err(NoRoom::Spent)),
            (11,      5,     5,        Overrun::Deny,   Err(NoRoom::Spent)),
            (5,       99,    4,        Overrun::Allow,  Ok(())),
            (5,       99,    5,        Overrun::Allow,  Err(NoRoom::Held)),
            (10,      0,     0,        Overrun::Allow,  Err(NoRoom::Spent)),
            (10,      99,    9,        Overrun::Allow,  Err(NoRoom::Spent)),
        ];
        for (spent, worst, expected, overrun, left) in cases {
            let held = Held { worst: spend(worst), expected: spend(expected) };
            let account = Account { spent: spend(spent), held };
            assert_eq!(budget(overrun).check_left(&account), left, "{account:?} {overrun:?}");
        }
    }

    #[test]
    fn a_share_is_spent_from_its_line_on() {
        #[rustfmt::skip]
        let cases = [
            // spent      of        shares
            (0,           1_000,    vec![]),
            (499,         1_000,    vec![]),
            (500,         1_000,    vec![50]),
            (799,         1_000,    vec![50]),
            (800,         1_000,    vec![50, 80]),
            (999,         1_000,    vec![50, 80]),
            (1_000,       1_000,    vec![50, 80, 100]),
            (5_000,       1_000,    vec![50, 80, 100]),
            (1,           3,        vec![]),
            (2,           3,        vec![50]), // 66 %
            (0,           0,        vec![]),
            (5,           0,        vec![]),
            (u64::MAX,    u64::MAX, vec![50, 80, 100]),
        ];
        for (spent, of, expected) in cases {
            let amounts = [
                (Amount::Tokens(of), Spend { tokens: spent, ..Spend::default() }),
                (
                    Amount::Usd(NanoUsd::from_nanos(of)),
                    Spend { cost: NanoUsd::from_nanos(spent), tokens: 0 },
                ),
            ];
            for (amount, spend) in amounts {
                let shares: Vec<u8> = deny(amount).shares_spent(spend).collect();
                assert_eq!(shares, expected, "{spent} of {of}");
            }
        }
    }

    fn any_average() -> impl Strategy<Value = Option<Spend>> {
        let spend = |(nanos, tokens)| Spend { cost: NanoUsd::from_nanos(nanos), tokens };
        prop::option::of((0_u64..50_000_000, 0_u64..2_000).prop_map(spend))
    }

    /// A call that came in, or one of those in flight that is over.
    #[derive(Debug, Clone)]
    enum Step {
        Start { most: Usage, average: Option<Spend> },
        Settle { call: prop::sample::Index, input_percent: u64, output_percent: u64 },
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u64..400, 0_u64..2_000, 0_u64..3, any_average()).prop_map(
                |(input_tokens, output_tokens, web_searches, average)| {
                    let most = Usage { web_searches, ..Usage::of_tokens(input_tokens, output_tokens) };
                    Step::Start { most, average }
                },
            ),
            2 => (any::<prop::sample::Index>(), 0_u64..=100, 0_u64..=100).prop_map(
                |(call, input_percent, output_percent)| Step::Settle { call, input_percent, output_percent },
            ),
        ]
    }

    struct InFlight {
        most: Usage,
        hold: Held,
    }

    /// The budgets of one key under many concurrent calls, as the store keeps them.
    struct Ledger {
        price: Price,
        accounts: Vec<(Budget, Account)>,
        in_flight: Vec<InFlight>,
    }

    impl Ledger {
        fn start(&mut self, most: Usage, average: Option<Spend>) -> Result<u64, NoRoom> {
            let quote = Quote { price: &self.price, most, fixed_output_tokens: 0, average };
            let fitting = quote.fit(&self.accounts)?;
            let hold = quote.hold(fitting);
            for (_, account) in &mut self.accounts {
                account.held = account.held.plus(hold);
            }
            self.in_flight.push(InFlight { most: Usage { output_tokens: fitting, ..most }, hold });
            Ok(fitting)
        }

        fn settle(&mut self, position: usize, input_percent: u64, output_percent: u64) {
            let done = self.in_flight.swap_remove(position);
            let usage = Usage {
                input_tokens: done.most.input_tokens * input_percent / 100,
                output_tokens: done.most.output_tokens * output_percent / 100,
                ..done.most
            };
            self.end(done.hold, Spend::of(&self.price, usage));
        }

        /// It comes to just what was expected of it.
        fn settle_as_expected(&mut self, position: usize) {
            let done = self.in_flight.swap_remove(position);
            self.end(done.hold, done.hold.expected);
        }

        fn end(&mut self, hold: Held, spent: Spend) {
            for (_, account) in &mut self.accounts {
                account.held = account.held.minus(hold);
                account.spent = account.spent.plus(spent);
            }
        }
    }

    proptest! {
        /// What customers are promised: no number of concurrent calls crosses the line.
        #[test]
        fn spent_and_held_together_never_exceed_a_budget(
            price in any_price(),
            budgets in prop::collection::vec(any_deny_budget(), 1..4),
            steps in prop::collection::vec(any_step(), 1..60),
        ) {
            let accounts = budgets.into_iter().map(|budget| (budget, Account::default())).collect();
            let mut ledger = Ledger { price, accounts, in_flight: vec![] };
            for step in steps {
                match step {
                    Step::Start { most, average } => {
                        let output_tokens = most.output_tokens;
                        if let Ok(fitting) = ledger.start(most, average) {
                            prop_assert!(fitting <= output_tokens);
                            prop_assert!(fitting >= output_tokens.min(OUTPUT_TOKENS_MIN));
                        }
                    }
                    Step::Settle { call, input_percent, output_percent } => {
                        if !ledger.in_flight.is_empty() {
                            let position = call.index(ledger.in_flight.len());
                            ledger.settle(position, input_percent, output_percent);
                        }
                    }
                }
                for (budget, account) in &ledger.accounts {
                    prop_assert!(is_within(budget, account), "{:?} {:?}", budget, account);
                }
            }
            while !ledger.in_flight.is_empty() {
                ledger.settle(0, 100, 100);
            }
            prop_assert!(ledger.accounts.iter().all(|(_, a)| a.held == Held::default()));
        }

        /// What an overrun is bounded by: where calls come to what is expected of them, the last one that is let
        /// in may cross the line, and no other, however many there are at once. None is cut short, and none is
        /// refused before the line.
        #[test]
        fn calls_that_are_as_expected_overrun_a_budget_by_less_than_one_of_them(
            price in any_price(),
            budget in any_budget(),
            steps in prop::collection::vec(any_step(), 1..60),
        ) {
            let budget = Budget { overrun: Overrun::Allow, ..budget };
            let accounts = vec![(budget, Account::default())];
            let mut ledger = Ledger { price, accounts, in_flight: vec![] };
            let mut dearest = 0;
            for step in steps {
                let (before, limit) = taken(&budget, &ledger.accounts[0].1);
                match step {
                    Step::Start { most, average } => match ledger.start(most, average) {
                        Ok(fitting) => {
                            prop_assert_eq!(fitting, most.output_tokens);
                            dearest = dearest.max(taken(&budget, &ledger.accounts[0].1).0 - before);
                            prop_assert!(before < limit);
                        }
                        Err(_) => prop_assert!(before >= limit),
                    },
                    Step::Settle { call, .. } => {
                        if !ledger.in_flight.is_empty() {
                            let position = call.index(ledger.in_flight.len());
                            ledger.settle_as_expected(position);
                        }
                    }
                }
            }
            while !ledger.in_flight.is_empty() {
                ledger.settle_as_expected(0);
            }
            let account = ledger.accounts[0].1;
            prop_assert_eq!(account.held, Held::default());
            let (spent, limit) = taken(&budget, &account);
            prop_assert!(spent < limit + dearest || spent == 0, "{} of {}", spent, limit);
        }

        #[test]
        fn output_is_never_lowered_further_than_needed(
            price in any_price(),
            budget in any_deny_budget(),
            spent in (0_u64..100_000_000, 0_u64..2_000),
            input_tokens in 0_u64..400,
            output_tokens in 1_u64..4_000,
        ) {
            let spent = Spend { cost: NanoUsd::from_nanos(spent.0), tokens: spent.1 };
            let quote = Quote { price: &price, most: Usage::of_tokens(input_tokens, output_tokens), fixed_output_tokens: 0, average: None };
            let fits = quote.fit(&[(budget, Account { spent, ..Account::default() })]);
            let with = |output| Account { spent, held: quote.hold(output) };
            match fits {
                Ok(all) if all == output_tokens => prop_assert!(is_within(&budget, &with(all))),
                Ok(some) => prop_assert!(!is_within(&budget, &with(some + 1))),
                Err(_) => {
                    let least = output_tokens.min(OUTPUT_TOKENS_MIN);
                    prop_assert!(!is_within(&budget, &with(least)));
                }
            }
        }

        #[test]
        fn a_held_budget_has_room_once_the_calls_in_flight_are_gone(
            price in any_price(),
            budgets in prop::collection::vec(
                (any_budget(), (0_u64..100_000_000, 0_u64..3_000), (0_u64..100_000_000, 0_u64..3_000)),
                1..4,
            ),
            input_tokens in 0_u64..400,
            output_tokens in 0_u64..2_000,
        ) {
            let spend = |(nanos, tokens)| Spend { cost: NanoUsd::from_nanos(nanos), tokens };
            let account = |spent, held| Account { spent: spend(spent), held: at_worst(spend(held)) };
            let now: Vec<_> = budgets.iter().map(|(b, s, h)| (*b, account(*s, *h))).collect();
            let later: Vec<_> = budgets.iter().map(|(b, s, _)| (*b, account(*s, (0, 0)))).collect();
            let quote = Quote { price: &price, most: Usage::of_tokens(input_tokens, output_tokens), fixed_output_tokens: 0, average: None };
            match quote.fit(&now) {
                Ok(fitting) => prop_assert!(quote.fit(&later).is_ok_and(|all| all >= fitting)),
                Err(NoRoom::Held) => prop_assert!(quote.fit(&later).is_ok()),
                Err(NoRoom::Spent) => prop_assert_eq!(quote.fit(&later), Err(NoRoom::Spent)),
            }
        }

        #[test]
        fn what_a_list_of_budgets_admits_a_covering_list_admits(
            mine in prop::collection::vec(any_budget(), 0..3),
            theirs in prop::collection::vec(any_budget(), 0..3),
            spent in (0_u64..200_000_000, 0_u64..5_000),
            held in (0_u64..20_000_000, 0_u64..500),
            expected in (0_u64..20_000_000, 0_u64..500),
        ) {
            prop_assert!(Budget::list_covers(&mine, &mine) && Budget::list_covers(&[], &mine));
            let spend = |(nanos, tokens)| Spend { cost: NanoUsd::from_nanos(nanos), tokens };
            let worst = spend(held);
            let held = Held { worst, expected: spend(expected).at_most(worst) };
            let account = Account { spent: spend(spent), held };
            let price = price();
            let quote = Quote { price: &price, most: Usage::of_tokens(10, 1_000), fixed_output_tokens: 0, average: None };
            let fit = |list: &[Budget]| {
                quote.fit(&list.iter().map(|budget| (*budget, account)).collect::<Vec<_>>())
            };
            if Budget::list_covers(&mine, &theirs)
                && let Ok(fitting) = fit(&theirs)
            {
                prop_assert!(fit(&mine).is_ok_and(|more| more >= fitting));
            }
        }

        #[test]
        fn periods_follow_each_other_without_gap_or_overlap(
            second in 0_i64..4_000_000_000,
            zone in any_zone(),
        ) {
            let now = Timestamp::from_second(second).unwrap();
            for period in [Period::Day, Period::Week, Period::Month] {
                let (start, end) = (period.start(now, &zone), period.end(now, &zone).unwrap());
                let last = end.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap();
                prop_assert!(start <= now && now < end, "{:?} {} {}", period, start, end);
                prop_assert_eq!(period.start(start, &zone), start);
                prop_assert_eq!(period.start(last, &zone), start);
                prop_assert_eq!(period.start(end, &zone), end);
                prop_assert_eq!(period.end(start, &zone), Some(end));
            }
        }

        #[test]
        fn weeks_begin_on_a_monday_and_months_on_the_first(
            second in 0_i64..4_000_000_000,
            zone in any_zone(),
        ) {
            let now = Timestamp::from_second(second).unwrap();
            let week = Period::Week.start(now, &zone).to_zoned(zone.clone());
            let month = Period::Month.start(now, &zone).to_zoned(zone.clone());
            prop_assert_eq!(week.weekday(), jiff::civil::Weekday::Monday);
            prop_assert_eq!(month.day(), 1);
            prop_assert_eq!(month.month(), now.to_zoned(zone.clone()).month());
            prop_assert_eq!(&week, &week.start_of_day().unwrap());
            prop_assert_eq!(&month, &month.start_of_day().unwrap());
        }

        #[test]
        fn a_budget_is_written_as_it_is_read(budget in any_budget(), usd in any_money()) {
            for budget in [budget, Budget { amount: Amount::Usd(usd), ..budget }] {
                let json = serde_json::to_string(&budget).unwrap();
                prop_assert_eq!(serde_json::from_str::<Budget>(&json).unwrap(), budget);
            }
        }
    }
}
