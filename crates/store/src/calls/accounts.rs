//! What a key spent and holds in each period, in memory.

use doorward_domain::budget::{Account, Budget, Held, NoRoom, Period, Quote, Spend};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::usage::PeriodSpend;

/// One account per period, whether a budget needs it or not: a budget that is added while calls are
/// in flight finds what they hold, and what was spent before it.
#[derive(Debug)]
pub(super) struct Accounts([PeriodAccount; 4]);

#[derive(Debug)]
struct PeriodAccount {
    period: Period,
    start_us: i64,
    /// Not in it any more. `None`: it never ends.
    end: Option<Timestamp>,
    account: Account,
}

/// What was set aside, and in which periods: the start of each, in the order of the accounts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) held: Held,
    starts_us: [i64; 4],
}

impl Accounts {
    /// Accounts as of `now`, with what the database knows to be spent.
    pub(super) fn new(spent: &PeriodSpend, now: Timestamp, zone: &TimeZone) -> Self {
        Self(Period::ALL.map(|period| {
            let mut account = PeriodAccount::new(period, now, zone);
            account.account.spent = spent.of(period);
            account
        }))
    }

    /// Begins a new account where a period is over. A clock that is set back begins none.
    pub(super) fn roll(&mut self, now: Timestamp, zone: &TimeZone) {
        for account in &mut self.0 {
            if account.end.is_some_and(|end| end <= now) {
                *account = PeriodAccount::new(account.period, now, zone);
            }
        }
    }

    /// How many output tokens fit into every budget. Where one is held and another spent, it is
    /// spent: waiting would not help.
    pub(super) fn fit(&self, quote: &Quote<'_>, budgets: &[Budget]) -> Result<u64, NoRoom> {
        let (mut fitting, mut is_held) = (quote.most.output_tokens, false);
        for budget in budgets {
            match quote.fit(&[(*budget, self.of(budget.period))]) {
                Ok(room) => fitting = fitting.min(room),
                Err(NoRoom::Held) => is_held = true,
                Err(NoRoom::Spent) => return Err(NoRoom::Spent),
            }
        }
        if is_held { Err(NoRoom::Held) } else { Ok(fitting) }
    }

    /// Whether every budget has anything left. What is spent answers before what is held.
    pub(super) fn check_left(&self, budgets: &[Budget]) -> Result<(), NoRoom> {
        let mut left = Ok(());
        for budget in budgets {
            match budget.check_left(&self.of(budget.period)) {
                Ok(()) => {}
                Err(NoRoom::Held) => left = Err(NoRoom::Held),
                Err(NoRoom::Spent) => return Err(NoRoom::Spent),
            }
        }
        left
    }

    /// Whether every budget covers what is held also when this much more is spent.
    pub(super) fn have_room_beside(&self, more: Spend, budgets: &[Budget]) -> bool {
        budgets.iter().all(|budget| budget.has_room_beside(&self.of(budget.period), more))
    }

    /// Sets this aside in every account.
    pub(super) fn hold(&mut self, held: Held) -> Hold {
        for account in &mut self.0 {
            account.account.held = account.account.held.plus(held);
        }
        Hold { held, starts_us: self.0.each_ref().map(|account| account.start_us) }
    }

    /// Replaces a hold by what was really spent. A period that is over is left alone: its successor
    /// never had the hold, and the call is paid in the period that it began in.
    pub(super) fn settle(&mut self, hold: &Hold, spent: Spend) {
        for (account, start_us) in self.0.iter_mut().zip(hold.starts_us) {
            if account.start_us == start_us {
                account.account.held = account.account.held.minus(hold.held);
                account.account.spent = account.account.spent.plus(spent);
            }
        }
    }

    /// Books what a call spent that held nothing here, in the periods that it began in, where those
    /// are the present ones.
    pub(super) fn add(&mut self, spent: Spend, started_at: Timestamp) {
        let started_us = started_at.as_microsecond();
        for account in self.0.iter_mut().filter(|account| account.start_us <= started_us) {
            account.account.spent = account.account.spent.plus(spent);
        }
    }

    pub(super) fn of(&self, period: Period) -> Account {
        let found = self.0.iter().find(|account| account.period == period);
        found.map_or_else(Account::default, |found| found.account)
    }
}

impl PeriodAccount {
    fn new(period: Period, now: Timestamp, zone: &TimeZone) -> Self {
        let (start, end) = (period.start(now, zone), period.end(now, zone));
        Self { period, start_us: start.as_microsecond(), end, account: Account::default() }
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::budget::{Amount, Overrun};
    use doorward_domain::price::Price;
    use doorward_domain::usage::Usage;

    use super::*;

    fn tokens_per(period: Period, tokens: u64) -> Budget {
        Budget { amount: Amount::Tokens(tokens), period, overrun: Overrun::Deny }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn spend(tokens: u64) -> Spend {
        Spend { tokens, ..Spend::default() }
    }

    /// Of which half is expected.
    fn hold(tokens: u64) -> Held {
        Held { worst: spend(tokens), expected: spend(tokens / 2) }
    }

    fn accounts(now: &str) -> Accounts {
        Accounts::new(&PeriodSpend::default(), at(now), &TimeZone::UTC)
    }

    fn fit(accounts: &Accounts, output_tokens: u64, budgets: &[Budget]) -> Result<u64, NoRoom> {
        let quote = Quote {
            price: &Price::FREE,
            most: Usage::of_tokens(0, output_tokens),
            fixed_output_tokens: 0,
            average: None,
        };
        accounts.fit(&quote, budgets)
    }

    #[test]
    fn a_hold_of_yesterday_does_not_touch_todays_account() {
        let budget = [tokens_per(Period::Day, 1_000)];
        let expected = |accounts: &Accounts| {
            Period::ALL.map(|period| accounts.of(period).held.expected.tokens)
        };
        let mut accounts = accounts("2026-03-01T23:59:59Z");
        let yesterday = accounts.hold(hold(600));
        accounts.roll(at("2026-03-02T00:00:00Z"), &TimeZone::UTC);
        let today = accounts.hold(hold(300));
        assert_eq!(fit(&accounts, 700, &budget), Ok(700));
        assert_eq!(expected(&accounts), [150, 150, 450, 450], "2 March 2026 is a Monday");

        accounts.settle(&yesterday, spend(600));
        assert_eq!(expected(&accounts), [150; 4]);
        assert_eq!(fit(&accounts, 701, &budget), Ok(700));
        accounts.settle(&today, spend(100));
        assert_eq!(expected(&accounts), [0; 4]);
        assert_eq!(fit(&accounts, 901, &budget), Ok(900));
        assert_eq!(fit(&accounts, 901, &[tokens_per(Period::Total, 1_000)]), Ok(300));
    }

    #[test]
    fn a_clock_set_back_neither_forgets_nor_leaks() {
        let budget = [tokens_per(Period::Day, 1_000)];
        let mut accounts = accounts("2026-03-02T00:00:01Z");
        let early = accounts.hold(hold(400));
        accounts.settle(&early, spend(400));
        accounts.roll(at("2026-02-20T00:00:00Z"), &TimeZone::UTC);
        let late = accounts.hold(hold(600));
        accounts.settle(&late, spend(0));
        assert_eq!(fit(&accounts, 601, &budget), Ok(600));
    }

    #[test]
    fn what_the_database_knows_counts_in_its_period() {
        let (day, month) = (tokens_per(Period::Day, 1_000), tokens_per(Period::Month, 1_000));
        let known = PeriodSpend::from_fn(|period| match period {
            Period::Day => spend(900),
            Period::Month => spend(999),
            Period::Week | Period::Total => spend(0),
        });
        let accounts = Accounts::new(&known, at("2026-03-02T12:00:00Z"), &TimeZone::UTC);
        assert_eq!(fit(&accounts, 100, &[day]), Ok(100));
        assert_eq!(fit(&accounts, 100, &[month]), Err(NoRoom::Spent));
    }

    #[test]
    fn a_call_that_held_nothing_is_booked_in_the_periods_that_it_began_in() {
        let mut accounts = accounts("2026-03-02T00:00:01Z");
        accounts.add(spend(400), at("2026-03-01T23:59:59Z"));
        accounts.add(spend(50), at("2026-03-02T00:00:00Z"));
        let of = |period| accounts.of(period).spent.tokens;
        assert_eq!(Period::ALL.map(of), [50, 50, 450, 450], "2 March 2026 is a Monday");
    }

    #[test]
    fn a_spent_budget_is_told_before_one_that_is_only_held() {
        let mut accounts = accounts("2026-03-02T12:00:00Z");
        let call = accounts.hold(hold(500));
        accounts.settle(&call, spend(500));
        accounts.hold(hold(500));
        let (held, spent) = (tokens_per(Period::Day, 1_000), tokens_per(Period::Week, 500));
        assert_eq!(fit(&accounts, 100, &[held]), Err(NoRoom::Held));
        for budgets in [[held, spent], [spent, held]] {
            assert_eq!(fit(&accounts, 100, &budgets), Err(NoRoom::Spent));
        }
    }
}
