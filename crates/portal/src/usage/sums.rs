//! The figures of a report's row.

use doorward_domain::money::NanoUsd;
use serde::Deserialize;

/// What some calls used.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Sums {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost_usd: NanoUsd,
    duration_us: u64,
    first_byte_us: u64,
}

impl Sums {
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            errors: self.errors.saturating_add(other.errors),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd: self.cost_usd.plus(other.cost_usd),
            duration_us: self.duration_us.saturating_add(other.duration_us),
            first_byte_us: self.first_byte_us.saturating_add(other.first_byte_us),
        }
    }

    /// Of how many requests there was an answer.
    fn answered(self) -> Option<u64> {
        Some(self.requests.saturating_sub(self.errors)).filter(|count| *count > 0)
    }

    /// How long an answer took on average, in microseconds. `None`: there was none.
    pub(crate) fn duration_us(self) -> Option<u64> {
        self.answered().map(|count| self.duration_us / count)
    }

    /// The same until the first byte.
    pub(crate) fn first_byte_us(self) -> Option<u64> {
        self.answered().map(|count| self.first_byte_us / count)
    }

    pub(super) fn cost_per_request(self) -> Option<NanoUsd> {
        let each = self.cost_usd.nanos().checked_div(self.requests)?;
        Some(NanoUsd::from_nanos(each))
    }

    /// How many of a hundred requests failed, with a tenth where that is little. `None`: there was none.
    pub(super) fn errors_percent(self) -> Option<String> {
        let permille = self.errors.saturating_mul(1_000).checked_div(self.requests)?;
        Some(match permille {
            0 => "0%".to_owned(),
            1..100 if permille % 10 != 0 => format!("{}.{}%", permille / 10, permille % 10),
            _ => format!("{}%", permille / 10),
        })
    }
}
