//! Round numbers for the lines of a grid.

/// Intervals of a grid, at most.
const INTERVALS_MAX: u64 = 4;

/// From nothing to the first round number that is not less than all there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) top: u64,
    step: u64,
}

impl Scale {
    pub(super) fn up_to(most: u64) -> Self {
        let most = most.clamp(1, u64::MAX / 10);
        let step = steps().find(|step| step * INTERVALS_MAX >= most).unwrap_or(most);
        Self { top: most.div_ceil(step) * step, step }
    }

    /// The values of the lines, from above.
    pub(super) fn ticks(self) -> impl Iterator<Item = u64> {
        (0..=self.top / self.step).rev().map(move |n| n * self.step)
    }
}

/// 1, 2, 5, 10, 20, 50 …
fn steps() -> impl Iterator<Item = u64> {
    (0..18).flat_map(|power| [1, 2, 5].map(|first: u64| first * 10_u64.pow(power)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn lines_are_round_and_the_highest_holds_everything() {
        let cases = [
            (0,             vec![1, 0]),
            (1,             vec![1, 0]),
            (3,             vec![3, 2, 1, 0]),
            (4,             vec![4, 3, 2, 1, 0]),
            (5,             vec![6, 4, 2, 0]),
            (41,            vec![60, 40, 20, 0]),
            (99,            vec![100, 50, 0]),
            (1_000_001,     vec![1_500_000, 1_000_000, 500_000, 0]),
        ];
        for (most, expected) in cases {
            assert_eq!(Scale::up_to(most).ticks().collect::<Vec<_>>(), expected, "{most}");
        }
        for most in [u64::MAX, u64::MAX / 10, 10_u64.pow(18), 10_u64.pow(18) + 1] {
            let scale = Scale::up_to(most);
            assert!(scale.ticks().count() <= 6 && scale.top > 0, "{scale:?}");
        }
    }
}
