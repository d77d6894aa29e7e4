//! What tokens cost.

use std::collections::HashMap;

use regex::Regex;
use serde::Deserialize;

use crate::money::NanoUsd;
use crate::usage::Usage;

/// Prices of one million tokens, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    /// Whether nothing costs anything.
    pub fn is_free(&self) -> bool {
        self.tiers.is_empty()
            && self.rates.worst_input() == NanoUsd::ZERO
            && self.rates.worst_output() == NanoUsd::ZERO
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
    NotRegex(Regex),
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
            Self::NotRegex(regex) => !regex.is_match(model),
            Self::All(matchers) => matchers.iter().all(|m| m.matches(model)),
        }
    }

    fn read(rule: &RawMatch) -> Result<Self, MalformedPrices> {
        match rule {
            RawMatch::All(kind, rules) if kind == "and" => {
                rules.iter().map(Self::read).collect::<Result<_, _>>().map(Self::All)
            }
            RawMatch::All(kind, _) => Err(MalformedPrices(format!("unknown match `{kind}`"))),
            RawMatch::Text(kind, text) => Self::read_text(kind, text),
        }
    }

    fn read_text(kind: &str, text: &str) -> Result<Self, MalformedPrices> {
        match kind {
            "equals" => Ok(Self::Equals(text.to_owned())),
            "starts_with" => Ok(Self::StartsWith(text.to_owned())),
            "ends_with" => Ok(Self::EndsWith(text.to_owned())),
            "contains" => Ok(Self::Contains(text.to_owned())),
            "regex" => expression(text).map(Self::Regex),
            "not_regex" => expression(text).map(Self::NotRegex),
            other => Err(MalformedPrices(format!("unknown match `{other}`"))),
        }
    }
}

fn expression(text: &str) -> Result<Regex, MalformedPrices> {
    Regex::new(text).map_err(|error| MalformedPrices(error.to_string()))
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

#[derive(Deserialize)]
#[serde(untagged)]
enum RawMatch {
    Text(String, String),
    /// `["and", [rule, …]]`.
    All(String, Vec<RawMatch>),
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
    Flat(NanoUsd),
    Tiered { base: NanoUsd, tiers: Vec<RawTier> },
}

#[derive(Deserialize)]
struct RawTier {
    above_tokens: u64,
    price: NanoUsd,
}

impl RawPrice {
    fn at(&self, input_tokens: u64) -> NanoUsd {
        match self {
            Self::Flat(price) => *price,
            Self::Tiered { base, tiers } => {
                let reached = tiers.iter().filter(|t| input_tokens > t.above_tokens);
                reached.max_by_key(|t| t.above_tokens).map_or(*base, |t| t.price)
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
