//! Money and counts, as people read them.

use doorward_domain::money::NanoUsd;

const NANOS_PER_CENT: u64 = 10_000_000;

/// Dollars and cents, the cents rounded down: `$1,204.50`; less than a cent is said so.
pub(crate) fn dollars(amount: NanoUsd) -> String {
    let cents = amount.nanos() / NANOS_PER_CENT;
    if cents == 0 && amount > NanoUsd::ZERO {
        return "<$0.01".to_owned();
    }
    format!("${}.{:02}", count(cents / 100), cents % 100)
}

/// The same of what may be far less than a cent: in three digits, to a millionth of a dollar. `$0.0042`.
pub(crate) fn fine(amount: NanoUsd) -> String {
    let millionths = amount.nanos().div_ceil(1_000);
    let unit = match millionths {
        100_000.. => 1_000,
        10_000.. => 100,
        1_000.. => 10,
        _ => 1,
    };
    let millionths = millionths.div_ceil(unit).saturating_mul(unit);
    if amount >= NanoUsd::from_nanos(1_000_000_000) || millionths >= 1_000_000 {
        return dollars(NanoUsd::from_nanos(amount.nanos().max(1_000_000_000)));
    }
    let digits = format!("{millionths:06}");
    let (cents, rest) = digits.split_at(2);
    format!("$0.{cents}{}", rest.trim_end_matches('0'))
}

/// A whole number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && at % 3 == first {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn money_is_told_in_cents() {
        for (nanos, expected) in [
            (0,                     "$0.00"),
            (1,                     "<$0.01"),
            (9_999_999,             "<$0.01"),
            (10_000_000,            "$0.01"),
            (12_345_678_901,        "$12.34"),
            (1_204_500_000_000,     "$1,204.50"),
        ] {
            assert_eq!(dollars(NanoUsd::from_nanos(nanos)), expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn little_money_is_told_in_three_digits() {
        for (nanos, expected) in [
            (0,                 "$0.00"),
            (1,                 "$0.000001"),
            (4_200_000,         "$0.0042"),
            (4_657_001,         "$0.00466"),
            (123_456_789,       "$0.124"),
            (500_000_000,       "$0.50"),
            (999_999_999,       "$1.00"),
            (1_000_000,         "$0.001"),
            (12_345_678_901,    "$12.34"),
        ] {
            assert_eq!(fine(NanoUsd::from_nanos(nanos)), expected, "{nanos}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_234_567, "1,234,567"),
        ];
        for (number, expected) in cases {
            assert_eq!(count(number), expected);
        }
    }
}
