//! What numbers of a picture count.

use doorward_domain::money::NanoUsd;

use crate::money::{count, fine};
use crate::time::duration;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Nano-dollars.
    Money,
    /// Microseconds.
    Time,
}

impl Unit {
    /// In full.
    pub(crate) fn exact(self, value: u64) -> String {
        match self {
            Self::Count => count(value),
            Self::Money => fine(NanoUsd::from_nanos(value)),
            Self::Time => duration(value),
        }
    }

    /// In a few letters: of a round number, with nothing left out.
    pub(crate) fn short(self, value: u64) -> String {
        match self {
            Self::Count => compact(value),
            Self::Money if value.is_multiple_of(1_000_000_000) => {
                format!("${}", compact(value / 1_000_000_000))
            }
            Self::Money => fine(NanoUsd::from_nanos(value)),
            Self::Time if value == 0 => "0".to_owned(),
            Self::Time => duration(value),
        }
    }
}

/// `1.5M`.
fn compact(value: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let unit = UNITS.into_iter().find(|(size, _)| value >= *size);
    let Some((size, name)) = unit else { return value.to_string() };
    match value % size / (size / 10) {
        0 => format!("{}{name}", value / size),
        tenths => format!("{}.{tenths}{name}", value / size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn round_numbers_are_short() {
        for (unit, value, expected) in [
            (Unit::Count, 0,                 "0"),
            (Unit::Count, 999,               "999"),
            (Unit::Count, 1_500,             "1.5k"),
            (Unit::Count, 2_000_000,         "2M"),
            (Unit::Money, 0,                 "$0"),
            (Unit::Money, 5_000_000_000,     "$5"),
            (Unit::Money, 20_000_000_000_000, "$20k"),
            (Unit::Money, 500_000_000,       "$0.50"),
            (Unit::Money, 2_000_000,         "$0.002"),
            (Unit::Time,  0,                 "0"),
            (Unit::Time,  200_000,           "200 ms"),
            (Unit::Time,  1_500_000,         "1.5 s"),
        ] {
            assert_eq!(unit.short(value), expected, "{unit:?} {value}");
        }
    }
}
