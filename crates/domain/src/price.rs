//! What calls cost.

mod rates;
mod table;

pub use rates::Rates;
pub use table::{Listing, MalformedPrices, PriceTable};

use crate::money::NanoUsd;
use crate::usage::{Kind, Usage};

/// Rates that hold for calls with more than this many input tokens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The tier holds above this many input tokens.
    pub above_tokens: u64,
    /// What everything costs then, all of it.
    pub rates: Rates,
}

/// The price of a model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What each kind costs.
    pub rates: Rates,
    /// What they cost in long calls instead: the highest tier that a call reaches holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

impl Price {
    /// Costs nothing.
    pub const FREE: Self = Self { rates: Rates::FREE, tiers: Vec::new() };

    /// A price whose worst cost is none of these ones' less, for any call.
    pub fn ceiling<'a>(prices: impl Iterator<Item = &'a Self>) -> Self {
        prices.fold(Self::FREE, |mut ceiling, price| {
            ceiling.rates = Rates::worst([ceiling.rates, price.rates].into_iter());
            ceiling.tiers.extend_from_slice(&price.tiers);
            ceiling
        })
    }

    /// Whether it says what this kind costs, in calls of any length. Where it does not, no call may
    /// leave that could use it.
    pub fn has(&self, kind: Kind) -> bool {
        let tiers = self.tiers.iter().map(|tier| &tier.rates);
        tiers.chain([&self.rates]).all(|rates| rates.get(kind).is_some())
    }

    /// Whether nothing costs anything, whatever it is.
    pub fn is_free(&self) -> bool {
        let tiers = self.tiers.iter().map(|tier| &tier.rates);
        tiers.chain([&self.rates]).all(|rates| *rates == Rates::FREE)
    }

    /// Whether it says what tokens cost, of input and of output.
    pub fn has_tokens(&self) -> bool {
        self.has(Kind::Input) && self.has(Kind::Output)
    }

    /// The cost of a finished call.
    pub fn cost(&self, usage: Usage) -> NanoUsd {
        self.rates_for(usage.input_tokens.min(crate::usage::TOKENS_MAX)).cost(usage)
    }

    /// The most that a call can cost which uses no more than that: so many tokens of input and output,
    /// whatever they are, and so much of all that is no tokens.
    pub fn worst_cost(&self, most: Usage) -> NanoUsd {
        self.worst_rates(most.input_tokens).cost(most.wholes())
    }

    /// How many output tokens fit into `room` beside the rest of `most`: `u64::MAX` where output is
    /// free, `None` where not even the rest fits.
    pub fn output_tokens_within(&self, room: NanoUsd, most: Usage) -> Option<u64> {
        let rates = self.worst_rates(most.input_tokens);
        let beside = Usage { output_tokens: 0, ..most.wholes() };
        let left = rates.left_of(room, beside)?;
        let tokens = left.checked_div(rates.cost_in_parts(Kind::Output, 1));
        Some(tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX))
    }

    /// The real input may be larger than its estimate, so each tier that is in reach counts:
    /// a call estimated at `input_tokens` is held at the dearest rates up to twice that.
    fn worst_rates(&self, input_tokens: u64) -> Rates {
        let reachable =
            self.tiers.iter().filter(|t| t.above_tokens < input_tokens.saturating_mul(2));
        Rates::worst(reachable.map(|t| t.rates).chain([self.rates]))
    }

    fn rates_for(&self, input_tokens: u64) -> Rates {
        let reached = self.tiers.iter().filter(|tier| input_tokens > tier.above_tokens);
        reached.max_by_key(|tier| tier.above_tokens).map_or(self.rates, |tier| tier.rates)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::usage::TOKENS_MAX;
    use crate::usage::tests::{any_usage, usage_of};

    fn dollars(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    /// Up to 100 dollars.
    fn any_rate() -> impl Strategy<Value = NanoUsd> {
        prop_oneof![Just(0), 1_u64..1_000, 0_u64..100_000_000_000].prop_map(NanoUsd::from_nanos)
    }

    /// Input and output at least.
    fn any_rates() -> impl Strategy<Value = Rates> {
        let part = prop::option::weighted(0.3, any_rate());
        (any_rate(), any_rate(), prop::collection::vec(part, Kind::ALL.len())).prop_map(
            |(input, output, parts)| {
                let parts = Kind::ALL.into_iter().zip(parts);
                let parts = parts.filter_map(|(kind, price)| price.map(|price| (kind, price)));
                Rates::of([(Kind::Input, input), (Kind::Output, output)].into_iter().chain(parts))
            },
        )
    }

    /// Any price that an operator may set: tiers in any order, dearer or cheaper.
    pub(crate) fn any_price() -> impl Strategy<Value = Price> {
        let tier = (0_u64..2_000, any_rates())
            .prop_map(|(above_tokens, rates)| Tier { above_tokens, rates });
        (any_rates(), prop::collection::vec(tier, 0..4))
            .prop_map(|(rates, tiers)| Price { rates, tiers })
    }

    /// A price as providers have them: long calls are never cheaper.
    fn any_rising_price() -> impl Strategy<Value = Price> {
        (any_rates(), prop::collection::btree_map(0_u64..2_000, any_rates(), 0..4)).prop_map(
            |(rates, steps)| {
                let mut last = rates;
                let tiers = steps.into_iter().map(|(above_tokens, step)| {
                    let more = |kind| step.get(kind).unwrap_or(NanoUsd::ZERO);
                    let dearer: Vec<_> =
                        last.named().map(|(kind, price)| (kind, price.plus(more(kind)))).collect();
                    last = Rates::of(dearer);
                    Tier { above_tokens, rates: last }
                });
                Price { rates, tiers: tiers.collect() }
            },
        )
    }

    fn any_parts() -> impl Strategy<Value = [u64; 20]> {
        let part = prop_oneof![0_u64..5, 0_u64..1_500];
        prop::collection::vec(part, 20).prop_map(|parts| parts.try_into().unwrap())
    }

    /// So many of some kinds, and none of the others.
    fn of(counts: &[(Kind, u64)]) -> Usage {
        let mut parts = [0; 20];
        for (kind, count) in counts {
            parts[*kind as usize] += count;
        }
        usage_of(parts)
    }

    fn price_of(rates: &Rates) -> Price {
        Price { rates: *rates, tiers: vec![] }
    }

    #[test]
    fn so_many_of_each_kind_as_its_price_is_for_cost_just_that() {
        let price = price_of(&Rates::of(
            Kind::ALL.map(|kind| (kind, NanoUsd::from_nanos(1_000_000_007 + kind as u64))),
        ));
        let bare = price_of(&Rates::of_tokens(dollars("3"), dollars("15")));
        for kind in Kind::ALL {
            let usage = of(&[(kind, kind.per_price())]);
            assert_eq!(price.cost(usage).nanos(), 1_000_000_007 + kind as u64, "{kind:?}");
            let whole = match kind {
                kind if Kind::OF_INPUT.contains(&kind) => "3",
                kind if Kind::OF_OUTPUT.contains(&kind) => "15",
                _ => "0",
            };
            assert_eq!(bare.cost(usage), dollars(whole), "{kind:?}");
        }
    }

    #[test]
    fn a_bill_is_the_sum_of_its_kinds() {
        use Kind::{
            AudioMs, CacheWrite, CacheWrite1h, CachedInput, Image, Input, InputAudio, Output,
            OutputImage, Reasoning, WebSearch,
        };
        let rates = [
            (Input, "3"),
            (InputAudio, "10"),
            (CachedInput, "0.3"),
            (CacheWrite, "3.75"),
            (CacheWrite1h, "6"),
            (Output, "15"),
            (OutputImage, "60"),
            (Reasoning, "20"),
            (WebSearch, "10"),
            (AudioMs, "0.36"),
            (Image, "0.04"),
        ];
        let price = price_of(&Rates::of(rates.map(|(kind, price)| (kind, dollars(price)))));
        #[rustfmt::skip]
        let cases: [(&[(Kind, u64)], &str); 6] = [
            // 1000 x 3 + 2000 x 0.3 + 4000 x 3.75 + 500 x 15 + 300 x 20, by the million
            (&[(Input, 1_000), (CachedInput, 2_000), (CacheWrite, 4_000), (Output, 500), (Reasoning, 300)], "0.0321"),
            // 4000 x 6
            (&[(CacheWrite1h, 4_000)],                                         "0.024"),
            // 10 x 3 + 1290 x 60
            (&[(Input, 10), (OutputImage, 1_290)],                             "0.07743"),
            // 100 x 10 + 20 x 15; two searches of a cent
            (&[(InputAudio, 100), (Output, 20), (WebSearch, 2)],               "0.0213"),
            // a second is 0.0001 dollars
            (&[(AudioMs, 12_500)],                                             "0.00125"),
            (&[(Image, 3)],                                                    "0.12"),
        ];
        for (counts, cost) in cases {
            assert_eq!(price.cost(of(counts)), dollars(cost), "{counts:?}");
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once_and_not_per_part() {
        // Each token costs 0.4 nano-dollars, and so does each search.
        let rate = NanoUsd::from_nanos(400_000);
        let search = (Kind::WebSearch, NanoUsd::from_nanos(400));
        let price = price_of(&Rates::of([(Kind::Input, rate), (Kind::Output, rate), search]));
        let parts = |input, cached, written, output, reasoning, searches| {
            of(&[
                (Kind::Input, input),
                (Kind::CachedInput, cached),
                (Kind::CacheWrite, written),
                (Kind::Output, output),
                (Kind::Reasoning, reasoning),
                (Kind::WebSearch, searches),
            ])
        };
        #[rustfmt::skip]
        let cases = [
            // parts                     nano-dollars
            (parts(0, 0, 0, 0, 0, 0),    0),
            (parts(1, 0, 0, 0, 0, 0),    1),
            (parts(1, 0, 0, 1, 0, 0),    1), // 0.8, not 1 + 1
            (parts(1, 1, 1, 1, 1, 0),    2), // 2.0, not 5
            (parts(1, 1, 1, 1, 0, 1),    2), // the same
            (parts(1, 1, 1, 2, 1, 0),    3), // 2.4
        ];
        for (usage, nanos) in cases {
            assert_eq!(price.cost(usage).nanos(), nanos, "{usage:?}");
        }
    }

    #[test]
    fn a_tier_prices_the_whole_of_a_call_above_its_step() {
        let rates = |input| Rates::of_tokens(dollars(input), NanoUsd::ZERO);
        let tier = |above_tokens, input| Tier { above_tokens, rates: rates(input) };
        let (low, high) = (tier(1_000, "2"), tier(2_000, "3"));
        #[rustfmt::skip]
        let cases = [
            // input tokens  cost
            (1_000,          "0.001"),
            (1_001,          "0.002002"),
            (2_000,          "0.004"),
            (2_001,          "0.006003"),
        ];
        for tiers in [vec![low, high], vec![high, low]] {
            let price = Price { rates: rates("1"), tiers };
            for (tokens, cost) in cases {
                assert_eq!(price.cost(Usage::of_tokens(tokens, 0)), dollars(cost), "{tokens}");
            }
        }
    }

    #[test]
    fn nonsense_figures_saturate_instead_of_giving_credit() {
        let nonsense = Usage::from_figures([u64::MAX; 20]);
        for kinds in [&[Kind::Input, Kind::Output][..], &[Kind::Image], &Kind::ALL] {
            let dearest = Rates::of(kinds.iter().map(|kind| (*kind, NanoUsd::MAX)));
            assert_eq!(price_of(&dearest).cost(nonsense), NanoUsd::MAX);
            assert_eq!(price_of(&dearest).worst_cost(nonsense), NanoUsd::MAX);
        }
    }

    #[test]
    fn a_price_has_a_kind_where_each_of_its_tiers_has() {
        let tokens = Rates::of_tokens(dollars("1"), dollars("2"));
        let searching = Rates::of(tokens.named().chain([(Kind::WebSearch, dollars("10"))]));
        let above = |rates| vec![Tier { above_tokens: 9, rates }];
        let speech = Rates::of([(Kind::Character, dollars("15"))]);
        #[rustfmt::skip]
        let cases = [
            // price                                                  tokens  searches
            (price_of(&tokens),                                        true,   false),
            (price_of(&searching),                                     true,   true),
            (price_of(&speech),                                        false,  false),
            (price_of(&Rates::FREE),                                   true,   true),
            (Price { rates: searching, tiers: above(tokens) },        true,   false),
            (Price { rates: tokens, tiers: above(searching) },        true,   false),
            (Price { rates: searching, tiers: above(searching) },     true,   true),
        ];
        for (price, tokens, searches) in cases {
            assert_eq!((price.has_tokens(), price.has(Kind::WebSearch)), (tokens, searches));
        }
    }

    #[test]
    fn a_price_in_json_names_kinds_and_nothing_else() {
        #[rustfmt::skip]
        let cases = [
            // json                                                              valid
            (r#"{"rates":{"input":"3","output":"15"}}"#,                         true),
            (r#"{"rates":{"input":3,"output":0.5,"cached_input":"0.3"}}"#,       true),
            (r#"{"rates":{"output":"15","web_searches_1k":"10","input":"3"}}"#,  true),
            (r#"{"rates":{"characters_1m":"15"}}"#,                              true),
            (r#"{"rates":{"audio_hour":"0.36","image":"0.04"}}"#,                true),
            (r#"{"rates":{}}"#,                                                  false),
            (r#"{"rates":{"input":"3"}}"#,                                       false),
            (r#"{"rates":{"output":"3"}}"#,                                      false),
            (r#"{"rates":{"image":"0.04","output":"3"}}"#,                       false),
            (r#"{"rates":{"image":"0.04","output_image":"3"}}"#,                 false),
            (r#"{"rates":{"input":"-3","output":"15"}}"#,                        false),
            (r#"{"rates":{"input":"3","output":null}}"#,                         false),
            (r#"{"rates":{"input":"3","output":"15","input":"3"}}"#,             false),
            (r#"{"rates":{"input":"3","output":"15","cache_read":"1"}}"#,        false),
            (r#"{"rates":{"input":"3","output":"15"},"tier":[]}"#,               false),
            (r#"{"input":"3","output":"15"}"#,                                   false),
        ];
        for (json, is_valid) in cases {
            assert_eq!(serde_json::from_str::<Price>(json).is_ok(), is_valid, "{json}");
        }
    }

    proptest! {
        /// Whichever of the deployments serves a call, its hold covers it, and also the output that
        /// was lowered to what fits.
        #[test]
        fn a_ceiling_covers_each_of_its_prices(
            prices in prop::collection::vec(any_price(), 1..4),
            most in any_parts(),
            room in 0_u64..1_000_000_000_000,
        ) {
            let ceiling = Price::ceiling(prices.iter());
            let most = usage_of(most);
            let worst = prices.iter().map(|price| price.worst_cost(most)).max();
            prop_assert!(Some(ceiling.worst_cost(most)) >= worst);
            if let [only] = prices.as_slice() {
                prop_assert_eq!(ceiling.worst_cost(most), only.worst_cost(most));
            }
            let room = NanoUsd::from_nanos(room);
            if let Some(tokens) = ceiling.output_tokens_within(room, most) {
                let lowered = Usage { output_tokens: tokens.min(most.output_tokens), ..most };
                prop_assert!(prices.iter().all(|price| price.worst_cost(lowered) <= room));
            }
        }

        #[test]
        fn a_cost_is_the_exact_sum_rounded_up(rates in any_rates(), parts in any_parts()) {
            // In parts of which 3 600 000 million make a dollar's billionth.
            let sum: u128 = Kind::ALL.into_iter().zip(parts).map(|(kind, count)| {
                let nanos = rates.get(kind).map_or(0, NanoUsd::nanos);
                let each = 3_600_000_000_000 / u128::from(kind.per_price());
                u128::from(count) * u128::from(nanos) * each
            }).sum();
            let cost = u128::from(price_of(&rates).cost(usage_of(parts)).nanos());
            prop_assert_eq!(cost, sum.div_ceil(3_600_000_000_000));
        }

        #[test]
        fn a_cost_never_falls_when_something_is_added(
            price in any_rising_price(),
            parts in any_parts(),
            more in any_parts(),
        ) {
            let mut larger = parts;
            for (kind, more) in more.into_iter().enumerate() {
                larger[kind] += more;
                prop_assert!(price.cost(usage_of(larger)) >= price.cost(usage_of(parts)));
            }
        }

        #[test]
        fn the_worst_case_is_never_exceeded_by_what_it_stands_for(
            price in any_price(),
            parts in any_parts(),
            slack in any_parts(),
        ) {
            let usage = usage_of(parts);
            let most = usage.wholes().plus(usage_of(slack).wholes());
            prop_assert!(price.cost(usage) <= price.worst_cost(most));
            prop_assert!(price.cost(usage) <= price.worst_cost(usage));
        }

        #[test]
        fn the_worst_case_holds_for_whatever_a_provider_claims(
            price in any_price(),
            usage in any_usage(),
        ) {
            prop_assert!(price.cost(usage) <= price.worst_cost(usage));
        }

        #[test]
        fn the_output_that_fits_really_fits_and_one_token_more_does_not(
            price in any_price(),
            most in any_parts(),
            room in prop_oneof![0_u64..10_000, 0_u64..10_000_000_000, 0_u64..1_000_000_000_000_000],
        ) {
            let (room, most) = (NanoUsd::from_nanos(room), usage_of(most));
            let worst = |output_tokens| price.worst_cost(Usage { output_tokens, ..most });
            match price.output_tokens_within(room, most) {
                None => prop_assert!(worst(0) > room),
                Some(TOKENS_MAX..) => prop_assert!(worst(TOKENS_MAX) <= room),
                Some(fitting) => {
                    prop_assert!(worst(fitting) <= room);
                    prop_assert!(worst(fitting + 1) > room);
                }
            }
        }

        #[test]
        fn a_price_is_written_as_it_is_read(price in any_price()) {
            let json = serde_json::to_string(&price).unwrap();
            prop_assert_eq!(serde_json::from_str::<Price>(&json).unwrap(), price);
        }
    }
}
