//! What tokens cost.

use std::collections::HashMap;

use regex::Regex;
use serde::Deserialize;

use crate::money::{MalformedMoney, NanoUsd};
use crate::usage::Usage;

/// Prices of one million tokens, by kind.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// A million tokens of input.
    pub input: NanoUsd,
    /// A million tokens of input read from the provider's cache; the price of input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<NanoUsd>,
    /// A million tokens of input written to the provider's cache; the price of input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<NanoUsd>,
    /// A million tokens of output.
    pub output: NanoUsd,
    /// A million tokens of reasoning; the price of output when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<NanoUsd>,
}

impl Rates {
    /// Costs nothing.
    pub const FREE: Self = Self {
        input: NanoUsd::ZERO,
        cached_input: None,
        cache_write: None,
        output: NanoUsd::ZERO,
        reasoning: None,
    };

    /// Tokens times price per million, summed in 128 bits and rounded up once.
    fn cost(&self, usage: Usage) -> NanoUsd {
        let plain_input = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens;
        let plain_output = usage.output_tokens - usage.reasoning_tokens;
        let parts = [
            (plain_input, self.input),
            (usage.cached_input_tokens, self.cached_input.unwrap_or(self.input)),
            (usage.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
            (plain_output, self.output),
            (usage.reasoning_tokens, self.reasoning.unwrap_or(self.output)),
        ];
        let sum = parts.iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(*tokens) * u128::from(price.nanos()))
        });
        NanoUsd::from_wide_nanos(sum.div_ceil(1_000_000))
    }

    /// The dearest that input can be: before the call nobody knows what the cache will hold.
    fn worst_input(&self) -> NanoUsd {
        self.input
            .max(self.cached_input.unwrap_or(self.input))
            .max(self.cache_write.unwrap_or(self.input))
    }

    fn worst_output(&self) -> NanoUsd {
        self.output.max(self.reasoning.unwrap_or(self.output))
    }
}

/// Rates that hold for calls with more than this many input tokens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The tier holds above this many input tokens.
    pub above_tokens: u64,
    /// What tokens cost then, all of them.
    pub rates: Rates,
}

/// The price of a model.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What tokens cost.
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
            let input = ceiling.rates.input.max(price.rates.worst_input());
            let output = ceiling.rates.output.max(price.rates.worst_output());
            ceiling.rates = Rates { input, output, ..Rates::FREE };
            ceiling.tiers.extend_from_slice(&price.tiers);
            ceiling
        })
    }

    /// The cost of a finished call.
    pub fn cost(&self, usage: Usage) -> NanoUsd {
        let usage = usage.bounded();
        self.rates_for(usage.input_tokens).cost(usage)
    }

    /// The most that a call with this much input and output can cost.
    pub fn worst_cost(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        self.worst_rates(input_tokens)
            .cost(Usage { input_tokens, output_tokens, ..Usage::default() }.bounded())
    }

    /// How many output tokens fit into `room` beside this much input: `u64::MAX` where output is
    /// free, `None` where not even the input fits.
    pub fn output_tokens_within(&self, room: NanoUsd, input_tokens: u64) -> Option<u64> {
        let rates = self.worst_rates(input_tokens);
        let input = u128::from(rates.input.nanos()).checked_mul(u128::from(input_tokens))?;
        let left = (u128::from(room.nanos()) * 1_000_000).checked_sub(input)?;
        let tokens = left.checked_div(u128::from(rates.output.nanos()));
        Some(tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX))
    }

    /// The real input may be larger than its estimate, so each tier that is in reach counts:
    /// a call estimated at `input_tokens` is held at the dearest rates up to twice that.
    fn worst_rates(&self, input_tokens: u64) -> Rates {
        let reachable =
            self.tiers.iter().filter(|t| t.above_tokens < input_tokens.saturating_mul(2));
        let all = reachable.map(|t| t.rates).chain([self.rates]);
        let (input, output) = all.fold((NanoUsd::ZERO, NanoUsd::ZERO), |(input, output), rates| {
            (input.max(rates.worst_input()), output.max(rates.worst_output()))
        });
        Rates { input, output, ..Rates::FREE }
    }

    fn rates_for(&self, input_tokens: u64) -> Rates {
        let reached = self.tiers.iter().filter(|tier| input_tokens > tier.above_tokens);
        reached.max_by_key(|tier| tier.above_tokens).map_or(self.rates, |tier| tier.rates)
    }
}

/// The prices that come with the program, by provider and model name.
#[derive(Debug)]
pub struct PriceTable {
    by_provider: HashMap<String, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    matchers: Vec<Matcher>,
    listing: Listing,
}

/// What the table knows about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What tokens cost.
    pub price: Price,
    /// Input and output tokens together that the model can hold, where known.
    pub context_window: Option<u64>,
}

#[derive(Debug)]
enum Matcher {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(Regex),
    Not(Regex),
    All(Vec<Matcher>),
}

/// A price table that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the price table cannot be read: {0}")]
pub struct MalformedPrices(String);

impl Matcher {
    fn matches(&self, model: &str) -> bool {
        match self {
            Self::Equals(text) => model == text,
            Self::StartsWith(text) => model.starts_with(text.as_str()),
            Self::EndsWith(text) => model.ends_with(text.as_str()),
            Self::Contains(text) => model.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(model),
            Self::Not(regex) => !regex.is_match(model),
            Self::All(matchers) => matchers.iter().all(|m| m.matches(model)),
        }
    }

    fn read(rule: &RawMatch) -> Result<Self, MalformedPrices> {
        match rule.0.as_slice() {
            [RawPart::Text(kind), RawPart::Text(text)] => Self::read_text(kind, text),
            [RawPart::Text(kind), rules @ ..] if kind == "and" && !rules.is_empty() => {
                rules.iter().map(Self::read_part).collect::<Result<_, _>>().map(Self::All)
            }
            _ => Err(MalformedPrices("a match is [kind, text] or [\"and\", rule, …]".to_owned())),
        }
    }

    fn read_part(part: &RawPart) -> Result<Self, MalformedPrices> {
        match part {
            RawPart::Rule(rule) => Self::read(rule),
            RawPart::Text(text) => Err(MalformedPrices(format!("`{text}` stands for a rule"))),
        }
    }

    fn read_text(kind: &str, text: &str) -> Result<Self, MalformedPrices> {
        match kind {
            "equals" => Ok(Self::Equals(text.to_owned())),
            "starts_with" => Ok(Self::StartsWith(text.to_owned())),
            "ends_with" => Ok(Self::EndsWith(text.to_owned())),
            "contains" => Ok(Self::Contains(text.to_owned())),
            "regex" => Self::read_regex(text).map_err(|e| MalformedPrices(e.to_string())),
            other => Err(MalformedPrices(format!("unknown match `{other}`"))),
        }
    }

    /// The table says "not" by a negative look-ahead over the whole name, `^(?!…)`; the engine,
    /// which is linear in time, has no look-ahead.
    fn read_regex(text: &str) -> Result<Self, regex::Error> {
        match text.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix(')')) {
            Some(body) => {
                Regex::new(body).and_then(|_| Regex::new(&format!("^(?:{body})"))).map(Self::Not)
            }
            None => Regex::new(text).map(Self::Regex),
        }
    }
}

#[derive(Deserialize)]
struct RawTable {
    models: Vec<RawModel>,
}

#[derive(Deserialize)]
struct RawModel {
    provider: String,
    #[serde(rename = "match")]
    matches: Vec<RawMatch>,
    prices: RawPrices,
    context_window: Option<u64>,
}

/// `[kind, text]`, or `["and", rule, …]`.
#[derive(Deserialize)]
struct RawMatch(Vec<RawPart>);

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPart {
    Text(String),
    Rule(RawMatch),
}

/// Dollars per million tokens; kinds that are not tokens (hours, searches) are left out.
#[derive(Deserialize)]
struct RawPrices {
    #[serde(rename = "input_mtok")]
    input: Option<RawPrice>,
    #[serde(rename = "cache_read_mtok")]
    cache_read: Option<RawPrice>,
    #[serde(rename = "cache_write_mtok")]
    cache_write: Option<RawPrice>,
    #[serde(rename = "output_mtok")]
    output: Option<RawPrice>,
    #[serde(rename = "output_reasoning_mtok")]
    reasoning: Option<RawPrice>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrice {
    Flat(RawDollars),
    Tiered { base: RawDollars, tiers: Vec<RawTier> },
}

#[derive(Deserialize)]
struct RawTier {
    above_tokens: u64,
    price: RawDollars,
}

/// Dollars as the table has them: the result of somebody's floating-point arithmetic, such as
/// 0.18000000000000002, here rounded to the nearest nano-dollar.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct RawDollars(NanoUsd);

impl TryFrom<f64> for RawDollars {
    type Error = MalformedMoney;

    fn try_from(dollars: f64) -> Result<Self, MalformedMoney> {
        format!("{dollars:.9}").parse().map(Self)
    }
}

impl RawPrice {
    fn at(&self, input_tokens: u64) -> NanoUsd {
        match self {
            Self::Flat(price) => price.0,
            Self::Tiered { base, tiers } => {
                let reached = tiers.iter().filter(|t| input_tokens > t.above_tokens);
                reached.max_by_key(|t| t.above_tokens).map_or(base.0, |t| t.price.0)
            }
        }
    }

    fn steps(&self) -> impl Iterator<Item = u64> {
        let tiers = match self {
            Self::Flat(_) => [].as_slice(),
            Self::Tiered { tiers, .. } => tiers,
        };
        tiers.iter().map(|tier| tier.above_tokens)
    }
}

impl RawPrices {
    /// `None` where tokens have no price: the model is sold by the hour or by the search.
    fn rates_at(&self, input_tokens: u64) -> Option<Rates> {
        let at = |price: &Option<RawPrice>| price.as_ref().map(|p| p.at(input_tokens));
        let (input, output) = (at(&self.input), at(&self.output));
        Some(Rates {
            input: input.or(output.map(|_| NanoUsd::ZERO))?,
            cached_input: at(&self.cache_read),
            cache_write: at(&self.cache_write),
            output: output.unwrap_or(NanoUsd::ZERO),
            reasoning: at(&self.reasoning),
        })
    }

    fn price(&self) -> Option<Price> {
        let all = [&self.input, &self.cache_read, &self.cache_write, &self.output, &self.reasoning];
        let mut steps: Vec<u64> = all.into_iter().flatten().flat_map(RawPrice::steps).collect();
        steps.sort_unstable();
        steps.dedup();
        let tier = |above_tokens: u64| {
            Some(Tier { above_tokens, rates: self.rates_at(above_tokens.saturating_add(1))? })
        };
        Some(Price {
            rates: self.rates_at(0)?,
            tiers: steps.into_iter().map(tier).collect::<Option<_>>()?,
        })
    }
}

impl PriceTable {
    /// Reads the table from JSON: `{"models":[{"provider","match","prices","context_window"}]}`,
    /// prices in dollars per million tokens.
    pub fn parse(json: &str) -> Result<Self, MalformedPrices> {
        let table: RawTable =
            serde_json::from_str(json).map_err(|e| MalformedPrices(e.to_string()))?;
        let mut by_provider: HashMap<String, Vec<Entry>> = HashMap::new();
        for model in table.models {
            let Some(price) = model.prices.price() else { continue };
            let matchers = model.matches.iter().map(Matcher::read).collect::<Result<_, _>>()?;
            let listing = Listing { price, context_window: model.context_window };
            by_provider.entry(model.provider).or_default().push(Entry { matchers, listing });
        }
        Ok(Self { by_provider })
    }

    /// What the table knows about a provider's model. An exact name wins over a pattern; among
    /// patterns the first in the table does.
    pub fn find(&self, provider: &str, model: &str) -> Option<&Listing> {
        let entries = self.by_provider.get(provider)?;
        let is_exact = |e: &&Entry| {
            e.matchers.iter().any(|m| matches!(m, Matcher::Equals(text) if text == model))
        };
        let exact = entries.iter().find(is_exact);
        let any = || entries.iter().find(|e| e.matchers.iter().any(|m| m.matches(model)));
        exact.or_else(any).map(|entry| &entry.listing)
    }
}

impl PriceTable {
    /// The table that is compiled in. Reading it takes a few milliseconds: keep it.
    pub fn built_in() -> Result<Self, MalformedPrices> {
        Self::parse(include_str!("../data/model_prices.json"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::usage::TOKENS_MAX;
    use crate::usage::tests::any_usage;

    static BUILT_IN: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::built_in().unwrap());

    fn dollars(text: &str) -> NanoUsd {
        text.parse().unwrap()
    }

    /// Up to 100 dollars per million tokens.
    fn any_rate() -> impl Strategy<Value = NanoUsd> {
        prop_oneof![Just(0), 1_u64..1_000, 0_u64..100_000_000_000].prop_map(NanoUsd::from_nanos)
    }

    fn any_rates() -> impl Strategy<Value = Rates> {
        let part = || prop::option::of(any_rate());
        (any_rate(), part(), part(), any_rate(), part()).prop_map(
            |(input, cached_input, cache_write, output, reasoning)| Rates {
                input,
                cached_input,
                cache_write,
                output,
                reasoning,
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

    fn plus(a: Rates, b: Rates) -> Rates {
        let sum =
            |a: Option<NanoUsd>, b: Option<NanoUsd>| a.map(|a| a.plus(b.unwrap_or(NanoUsd::ZERO)));
        Rates {
            input: a.input.plus(b.input),
            cached_input: sum(a.cached_input, b.cached_input),
            cache_write: sum(a.cache_write, b.cache_write),
            output: a.output.plus(b.output),
            reasoning: sum(a.reasoning, b.reasoning),
        }
    }

    /// A price as providers have them: long calls are never cheaper.
    fn any_rising_price() -> impl Strategy<Value = Price> {
        (any_rates(), prop::collection::btree_map(0_u64..2_000, any_rates(), 0..4)).prop_map(
            |(rates, steps)| {
                let mut last = rates;
                let tiers = steps.into_iter().map(|(above_tokens, step)| {
                    last = plus(last, step);
                    Tier { above_tokens, rates: last }
                });
                Price { rates, tiers: tiers.collect() }
            },
        )
    }

    /// Plain, cached and cache-writing input, plain output and reasoning.
    fn usage_of(parts: [u64; 5]) -> Usage {
        let [plain, cached, written, answer, reasoning] = parts;
        Usage {
            input_tokens: plain + cached + written,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: answer + reasoning,
            reasoning_tokens: reasoning,
        }
    }

    fn any_parts() -> impl Strategy<Value = [u64; 5]> {
        prop::array::uniform5(prop_oneof![0_u64..5, 0_u64..1_500])
    }

    fn price_of(rates: Rates) -> Price {
        Price { rates, tiers: vec![] }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let rates = Rates {
            input: dollars("3"),
            cached_input: Some(dollars("0.3")),
            cache_write: Some(dollars("3.75")),
            output: dollars("15"),
            reasoning: Some(dollars("20")),
        };
        let bare = Rates { cached_input: None, cache_write: None, reasoning: None, ..rates };
        #[rustfmt::skip]
        let cases = [
            // rates  plain, cached, written, answer, reasoning         cost
            (rates,   [1_000_000, 0, 0, 0, 0],                          "3"),
            (rates,   [0, 1_000_000, 0, 0, 0],                          "0.3"),
            (rates,   [0, 0, 1_000_000, 0, 0],                          "3.75"),
            (rates,   [0, 0, 0, 1_000_000, 0],                          "15"),
            (rates,   [0, 0, 0, 0, 1_000_000],                          "20"),
            (rates,   [1_000, 2_000, 4_000, 500, 300],                  "0.0321"),
            (bare,    [0, 1_000_000, 0, 0, 0],                          "3"),
            (bare,    [0, 0, 1_000_000, 0, 0],                          "3"),
            (bare,    [0, 0, 0, 0, 1_000_000],                          "15"),
            (rates,   [0, 0, 0, 0, 0],                                  "0"),
        ];
        for (rates, parts, cost) in cases {
            assert_eq!(price_of(rates).cost(usage_of(parts)), dollars(cost), "{parts:?}");
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once_and_not_per_part() {
        // Each token costs 0.4 nano-dollars.
        let rate = NanoUsd::from_nanos(400_000);
        let price = price_of(Rates { input: rate, output: rate, ..Rates::FREE });
        #[rustfmt::skip]
        let cases = [
            // parts              nano-dollars
            ([0, 0, 0, 0, 0],     0),
            ([1, 0, 0, 0, 0],     1),
            ([1, 0, 0, 1, 0],     1), // 0.8, not 1 + 1
            ([1, 1, 1, 1, 1],     2), // 2.0, not 5
            ([1, 1, 1, 2, 1],     3), // 2.4
        ];
        for (parts, nanos) in cases {
            assert_eq!(price.cost(usage_of(parts)).nanos(), nanos, "{parts:?}");
        }
    }

    #[test]
    fn a_tier_prices_the_whole_of_a_call_above_its_step() {
        let tier = |above_tokens, input| Tier {
            above_tokens,
            rates: Rates { input: dollars(input), ..Rates::FREE },
        };
        let rates = Rates { input: dollars("1"), ..Rates::FREE };
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
            let price = Price { rates, tiers };
            for (tokens, cost) in cases {
                assert_eq!(price.cost(usage_of([tokens, 0, 0, 0, 0])), dollars(cost), "{tokens}");
            }
        }
    }

    #[test]
    fn nonsense_figures_saturate_instead_of_giving_credit() {
        let nonsense = Usage {
            input_tokens: u64::MAX,
            cached_input_tokens: u64::MAX,
            cache_write_tokens: u64::MAX,
            output_tokens: u64::MAX,
            reasoning_tokens: u64::MAX,
        };
        let dearest = price_of(Rates { input: NanoUsd::MAX, output: NanoUsd::MAX, ..Rates::FREE });
        assert_eq!(dearest.cost(nonsense), NanoUsd::MAX);
        assert_eq!(dearest.worst_cost(u64::MAX, u64::MAX), NanoUsd::MAX);
    }

    #[test]
    fn a_price_in_json_has_no_unknown_fields() {
        #[rustfmt::skip]
        let cases = [
            // json                                                            valid
            (r#"{"rates":{"input":"3","output":"15"}}"#,                       true),
            (r#"{"rates":{"input":3,"output":0.5,"cached_input":"0.3"}}"#,     true),
            (r#"{"rates":{"input":"3"}}"#,                                     false),
            (r#"{"rates":{"input":"-3","output":"15"}}"#,                      false),
            (r#"{"rates":{"input":"3","output":"15","cache_read":"1"}}"#,      false),
            (r#"{"rates":{"input":"3","output":"15"},"tier":[]}"#,             false),
            (r#"{"input":"3","output":"15"}"#,                                 false),
        ];
        for (json, is_valid) in cases {
            assert_eq!(serde_json::from_str::<Price>(json).is_ok(), is_valid, "{json}");
        }
    }

    #[test]
    fn the_built_in_table_knows_models_by_name_and_by_pattern() {
        #[rustfmt::skip]
        let cases = [
            // provider    model                          input         output
            ("openai",     "gpt-4o-mini",                 Some(("0.15", "0.6"))),
            ("openai",     "gpt-4o-mini-2024-07-18",      Some(("0.15", "0.6"))),
            ("openai",     "ft:gpt-4o-mini-2024-07-18:x", Some(("0.3",  "1.2"))),
            ("anthropic",  "claude-sonnet-4-5",           Some(("3",    "15"))),
            ("anthropic",  "claude-sonnet-4-5-20250929",  Some(("3",    "15"))),
            ("google",     "gemini-2.5-pro-preview",      Some(("1.25", "10"))),
            ("google",     "gemini-2.5-pro-preview-tts",  Some(("1",    "20"))), // not the one above
            ("openai",     "claude-sonnet-4-5",           None),
            ("openai",     "no-such-model",               None),
            ("openai",     "GPT-4o-mini",                 None),
            ("nobody",     "gpt-4o-mini",                 None),
            ("openai",     "",                            None),
        ];
        for (provider, model, expected) in cases {
            let found = BUILT_IN.find(provider, model).map(|l| l.price.rates);
            let rates = found.map(|rates| (rates.input, rates.output));
            let expected = expected.map(|(input, output)| (dollars(input), dollars(output)));
            assert_eq!(rates, expected, "{provider} / {model}");
        }
    }

    #[test]
    fn the_built_in_table_knows_the_tiers_of_long_calls() {
        let listing = BUILT_IN.find("anthropic", "claude-sonnet-4-5").unwrap();
        let rates = Rates {
            input: dollars("6"),
            cached_input: Some(dollars("0.6")),
            cache_write: Some(dollars("7.5")),
            output: dollars("22.5"),
            reasoning: None,
        };
        assert_eq!(listing.price.tiers, [Tier { above_tokens: 200_000, rates }]);
        assert_eq!(listing.context_window, Some(200_000));
        assert_eq!(listing.price.cost(usage_of([200_000, 0, 0, 0, 0])), dollars("0.6"));
        assert_eq!(listing.price.cost(usage_of([200_001, 0, 0, 0, 0])), dollars("1.200006"));
    }

    #[test]
    fn an_exact_name_wins_over_a_pattern_and_the_first_pattern_over_the_next() {
        let model = |rule: &str, input: u32| {
            format!(r#"{{"provider":"p","match":[{rule}],"prices":{{"input_mtok":{input}}}}}"#)
        };
        let models = [
            model(r#"["starts_with","a"]"#, 1),
            model(r#"["contains","b"]"#, 2),
            model(r#"["equals","abc"]"#, 3),
            model(r#"["ends_with","z"]"#, 4),
            model(r#"["regex","^x\\d+$"]"#, 5),
            model(r#"["and",["starts_with","q"],["regex","^(?!.*-old(?:$|-))"]]"#, 6),
        ];
        let table = PriceTable::parse(&format!(r#"{{"models":[{}]}}"#, models.join(","))).unwrap();
        #[rustfmt::skip]
        let cases = [
            // model    input
            ("abc",     Some(3)),
            ("abcd",    Some(1)),
            ("cb",      Some(2)),
            ("z",       Some(4)),
            ("x12",     Some(5)),
            ("x12y",    None),
            ("q-new",   Some(6)),
            ("q-older", Some(6)),
            ("q-old",   None),
            ("q-old-1", None),
            ("r-new",   None),
        ];
        for (model, input) in cases {
            let found = table.find("p", model).map(|l| l.price.rates.input);
            assert_eq!(
                found,
                input.map(|i: u64| NanoUsd::from_nanos(i * 1_000_000_000)),
                "{model}"
            );
        }
    }

    #[test]
    fn listed_dollars_are_rounded_to_the_nearest_nano_dollar() {
        #[rustfmt::skip]
        let cases = [
            // json                    nano-dollars
            ("0.18000000000000002",    Some(180_000_000)),
            ("1.0399999999999998",     Some(1_040_000_000)),
            ("0.08333333333333334",    Some(83_333_333)),
            ("0.0416666666666667",     Some(41_666_667)),
            ("3",                      Some(3_000_000_000)),
            ("0",                      Some(0)),
            ("-0.0000000001",          None),
            ("-1",                     None),
            ("1e30",                   None),
            (r#""3""#,                 None),
            ("null",                   None),
        ];
        for (json, nanos) in cases {
            let read = serde_json::from_str::<RawDollars>(json).ok();
            assert_eq!(read.map(|dollars| dollars.0.nanos()), nanos, "{json}");
        }
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused_as_a_whole() {
        let model = |body: &str| format!(r#"{{"models":[{{"provider":"p",{body}}}]}}"#);
        let cases = [
            String::new(),
            "[]".to_owned(),
            model(r#""match":[["equals","a"]]"#),
            model(r#""match":[["like","a"]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["or",["equals","a"]]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["and"]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["and",["equals","a"],"b"]],"prices":{"input_mtok":1}"#),
            model(r#""match":[[]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["regex","^(?!a)(b)"]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["regex","("]],"prices":{"input_mtok":1}"#),
            model(r#""match":[["equals","a"]],"prices":{"input_mtok":-1}"#),
            model(r#""match":[["equals","a"]],"prices":{"input_mtok":"cheap"}"#),
        ];
        for json in cases {
            assert!(PriceTable::parse(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_model_that_is_not_sold_by_the_token_is_unpriced() {
        let json = r#"{"models":[{"provider":"p","match":[["equals","a"]],
            "prices":{"web_searches_kcount":10}}]}"#;
        assert_eq!(PriceTable::parse(json).unwrap().find("p", "a"), None);
    }

    #[test]
    fn a_tier_of_any_kind_of_token_makes_a_tier_of_the_price() {
        for kind in ["cache_read", "cache_write", "output", "output_reasoning"] {
            let json = format!(
                r#"{{"models":[{{"provider":"p","match":[["equals","a"]],"prices":{{"input_mtok":1,
                "{kind}_mtok":{{"base":1,"tiers":[{{"above_tokens":9,"price":2}}]}}}}}}]}}"#
            );
            let table = PriceTable::parse(&json).unwrap();
            let tiers = &table.find("p", "a").unwrap().price.tiers;
            assert_eq!(tiers.iter().map(|t| t.above_tokens).collect::<Vec<_>>(), [9], "{kind}");
        }
    }

    proptest! {
        /// Whichever of the deployments serves a call, its hold covers it, and also the output that
        /// was lowered to what fits.
        #[test]
        fn a_ceiling_covers_each_of_its_prices(
            prices in prop::collection::vec(any_price(), 1..4),
            input in 0_u64..1_000_000,
            output in 0_u64..100_000,
            room in 0_u64..1_000_000_000_000,
        ) {
            let ceiling = Price::ceiling(prices.iter());
            let worst = prices.iter().map(|price| price.worst_cost(input, output)).max();
            prop_assert!(Some(ceiling.worst_cost(input, output)) >= worst);
            if let [only] = prices.as_slice() {
                prop_assert_eq!(ceiling.worst_cost(input, output), only.worst_cost(input, output));
            }
            let room = NanoUsd::from_nanos(room);
            if let Some(tokens) = ceiling.output_tokens_within(room, input) {
                let tokens = tokens.min(output);
                prop_assert!(prices.iter().all(|price| price.worst_cost(input, tokens) <= room));
            }
        }

        #[test]
        fn a_cost_is_the_exact_sum_rounded_up(rates in any_rates(), parts in any_parts()) {
            let [plain, cached, written, answer, reasoning] = parts.map(u128::from);
            let nanos = |rate: NanoUsd| u128::from(rate.nanos());
            let sum = plain * nanos(rates.input)
                + cached * nanos(rates.cached_input.unwrap_or(rates.input))
                + written * nanos(rates.cache_write.unwrap_or(rates.input))
                + answer * nanos(rates.output)
                + reasoning * nanos(rates.reasoning.unwrap_or(rates.output));
            let cost = u128::from(price_of(rates).cost(usage_of(parts)).nanos());
            prop_assert!(cost * 1_000_000 >= sum && (cost * 1_000_000) < sum + 1_000_000);
        }

        #[test]
        fn a_cost_never_falls_when_tokens_are_added(
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
            slack in (0_u64..3, 0_u64..3),
        ) {
            let usage = usage_of(parts);
            let worst = price.worst_cost(usage.input_tokens + slack.0, usage.output_tokens + slack.1);
            prop_assert!(price.cost(usage) <= worst);
        }

        #[test]
        fn the_worst_case_holds_for_whatever_a_provider_claims(price in any_price(), usage in any_usage()) {
            let worst = price.worst_cost(usage.input_tokens, usage.output_tokens);
            prop_assert!(price.cost(usage) <= worst);
        }

        #[test]
        fn the_output_that_fits_really_fits_and_one_token_more_does_not(
            price in any_price(),
            input_tokens in 0_u64..3_000,
            room in prop_oneof![0_u64..10_000, 0_u64..10_000_000_000],
        ) {
            let room = NanoUsd::from_nanos(room);
            match price.output_tokens_within(room, input_tokens) {
                None => prop_assert!(price.worst_cost(input_tokens, 0) > room),
                Some(TOKENS_MAX..) => {
                    prop_assert!(price.worst_cost(input_tokens, TOKENS_MAX) <= room);
                }
                Some(fitting) => {
                    prop_assert!(price.worst_cost(input_tokens, fitting) <= room);
                    prop_assert!(price.worst_cost(input_tokens, fitting + 1) > room);
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
