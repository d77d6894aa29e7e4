//! The prices that come with the program.

mod matcher;

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::{Price, Rates, Tier};
use crate::money::{MalformedMoney, NanoUsd};
use crate::usage::Kind;
use matcher::{Matcher, RawMatch};

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
    /// What everything costs.
    pub price: Price,
    /// Input and output tokens together that the model can hold, where known.
    pub context_window: Option<u64>,
}

/// A price table that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the price table cannot be read: {0}")]
pub struct MalformedPrices(String);

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

/// Dollars, by the table's names of kinds.
#[derive(Deserialize)]
#[serde(transparent)]
struct RawPrices(HashMap<String, RawPrice>);

/// The table's name of a kind. `None`: it has none. What it has names for beside these is sold by ways
/// that no route here has: live conversations, pages of documents, whole requests.
const fn listed_as(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Input => "input_mtok",
        Kind::InputAudio => "input_audio_mtok",
        Kind::InputImage => "input_image_mtok",
        Kind::InputVideo => "input_video_mtok",
        Kind::CachedInput => "cache_read_mtok",
        Kind::CachedAudio => "cache_audio_read_mtok",
        Kind::CachedImage => "cache_image_read_mtok",
        Kind::CacheWrite => "cache_write_mtok",
        Kind::CacheWrite1h => "cache_write_1h_mtok",
        Kind::Output => "output_mtok",
        Kind::Reasoning => "output_reasoning_mtok",
        Kind::OutputAudio => "output_audio_mtok",
        Kind::OutputImage => "output_image_mtok",
        Kind::OutputVideo => "output_video_mtok",
        Kind::WebSearch => "web_searches_kcount",
        Kind::FileSearch => "storage_searches_kcount",
        Kind::Character => "input_mchars",
        Kind::AudioMs => "input_audio_hours",
        Kind::Image | Kind::RankingUnit => return None,
    })
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
    fn of(&self, kind: Kind) -> Option<&RawPrice> {
        self.0.get(listed_as(kind)?)
    }

    /// `None`: nothing that can be used here has a price.
    fn rates_at(&self, input_tokens: u64) -> Option<Rates> {
        let at = |kind: Kind| self.of(kind).map(|price| (kind, price.at(input_tokens)));
        let listed: Vec<_> = Kind::ALL.into_iter().filter_map(at).collect();
        // What takes tokens and has a price for those that go one way only takes nothing for the others.
        let has_tokens = listed.iter().any(|(kind, _)| kind.is_of_tokens());
        let wholes = [Kind::Input, Kind::Output].map(|whole| (whole, NanoUsd::ZERO));
        let wholes = wholes.into_iter().filter(|_| has_tokens);
        (!listed.is_empty()).then(|| Rates::of(wholes.chain(listed)))
    }

    fn price(&self) -> Option<Price> {
        let listed = Kind::ALL.into_iter().filter_map(|kind| self.of(kind));
        let steps: BTreeSet<u64> = listed.flat_map(RawPrice::steps).collect();
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
    /// prices in dollars, by names that say for how much.
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
        let is_exact = |e: &&Entry| e.matchers.iter().any(|m| m.is_exactly(model));
        let exact = entries.iter().find(is_exact);
        let any = || entries.iter().find(|e| e.matchers.iter().any(|m| m.matches(model)));
        exact.or_else(any).map(|entry| &entry.listing)
    }

    /// The table that is compiled in. Reading it takes a few milliseconds: keep it.
    pub fn built_in() -> Result<Self, MalformedPrices> {
        Self::parse(include_str!("../../data/model_prices.json"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::usage::Usage;

    static BUILT_IN: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::built_in().unwrap());

    fn dollars(text: &str) -> NanoUsd {
        text.parse().unwrap()
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
            let expected = expected.map(|(input, output)| (dollars(input), dollars(output)));
            let price = |kind| found.and_then(|rates| rates.get(kind));
            let rates = price(Kind::Input).zip(price(Kind::Output));
            assert_eq!(rates, expected, "{provider} / {model}");
        }
    }

    #[test]
    fn the_built_in_table_knows_the_tiers_of_long_calls() {
        let listing = BUILT_IN.find("anthropic", "claude-sonnet-4-5").unwrap();
        let rates = Rates::of([
            (Kind::Input, dollars("6")),
            (Kind::CachedInput, dollars("0.6")),
            (Kind::CacheWrite, dollars("7.5")),
            (Kind::CacheWrite1h, dollars("12")),
            (Kind::Output, dollars("22.5")),
            (Kind::WebSearch, dollars("10")),
        ]);
        assert_eq!(listing.price.tiers, [Tier { above_tokens: 200_000, rates }]);
        assert_eq!(listing.context_window, Some(200_000));
        assert_eq!(listing.price.cost(Usage::of_tokens(200_000, 0)), dollars("0.6"));
        assert_eq!(listing.price.cost(Usage::of_tokens(200_001, 0)), dollars("1.200006"));
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
            let found = table.find("p", model).and_then(|l| l.price.rates.get(Kind::Input));
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
    fn the_built_in_table_prices_what_is_not_text() {
        use Kind::{
            AudioMs, CacheWrite1h, CachedAudio, CachedImage, Character, FileSearch, Input,
            InputAudio, InputImage, InputVideo, Output, OutputAudio, OutputImage, OutputVideo,
            WebSearch,
        };
        #[rustfmt::skip]
        let cases = [
            // provider    model                     kind           dollars
            ("anthropic",  "claude-sonnet-4-5",      CacheWrite1h,  Some("6")),
            ("anthropic",  "claude-sonnet-4-5",      WebSearch,     Some("10")),
            ("anthropic",  "claude-sonnet-4-5",      InputImage,    Some("3")),
            ("google",     "gemini-2.5-flash-image", OutputImage,   Some("30")),
            ("google",     "gemini-2.5-flash",       InputAudio,    Some("1")),
            ("google",     "gemini-2.5-flash",       CachedAudio,   Some("0.1")),
            ("google",     "gemini-2.5-flash",       WebSearch,     Some("35")),
            ("google",     "gemini-embedding-2",     InputVideo,    Some("12")),
            ("google",     "gemini-embedding-2",     Output,        Some("0")),
            ("google",     "gemini-omni-1.1-flash",  OutputVideo,   Some("17.5")),
            ("openai",     "gpt-audio",              OutputAudio,   Some("64")),
            ("openai",     "gpt-4o-audio-preview-2025-06-03", InputAudio, Some("40")),
            ("openai",     "gpt-4o-mini-audio-preview", OutputAudio, Some("20")),
            ("openai",     "gpt-4o-search-preview",  WebSearch,    Some("25")),
            ("openai",     "gpt-4o-mini-search-preview", WebSearch, Some("25")),
            ("openai",     "gpt-5-search-api",       WebSearch,    Some("10")),
            ("openrouter", "openai/gpt-4o-audio-preview", OutputAudio, Some("80")),
            ("openai",     "gpt-image-1",            CachedImage,   Some("2.5")),
            ("openai",     "gpt-4o",                 FileSearch,    Some("2.5")),
            ("openai",     "gpt-4o",                 InputAudio,    Some("2.5")),
            ("openai",     "gpt-3.5-turbo",          WebSearch,     None),
            ("openai",     "tts-1",                  Character,     Some("15")),
            ("openai",     "tts-1",                  Input,         None),
            ("openai",     "tts-1",                  Output,        None),
            ("openai",     "whisper-1",              AudioMs,       Some("0.36")),
            ("openai",     "whisper-1",              Input,         None),
        ];
        for (provider, model, kind, expected) in cases {
            let rates = BUILT_IN.find(provider, model).unwrap().price.rates;
            assert_eq!(rates.get(kind), expected.map(dollars), "{provider} / {model} {kind:?}");
        }
    }

    /// Sound that is billed as text is billed at a tenth; what searches each time sells that, too.
    #[test]
    fn models_of_openais_for_sound_and_for_searching_are_not_priced_by_their_text_alone() {
        let table: RawTable =
            serde_json::from_str(include_str!("../../data/model_prices.json")).unwrap();
        let sound: &[Kind] = &[Kind::InputAudio, Kind::OutputAudio];
        let about = [("audio", sound), ("search-", &[Kind::WebSearch])];
        for (word, kinds) in about {
            let is_about = |model: &&RawModel| {
                let mut rules = model.matches.iter();
                model.provider == "openai" && rules.any(|rule| format!("{rule:?}").contains(word))
            };
            let models: Vec<_> = table.models.iter().filter(is_about).collect();
            assert!(models.len() > 2, "{word}");
            for model in models {
                let has = |kind: &Kind| model.prices.of(*kind).is_some();
                assert!(kinds.iter().all(has), "{:?}", model.matches);
            }
        }
    }

    /// What a model is sold by and is not read would be on no bill.
    #[test]
    fn every_kind_that_the_table_prices_is_read_or_has_no_route_here() {
        let table: RawTable =
            serde_json::from_str(include_str!("../../data/model_prices.json")).unwrap();
        let read: Vec<_> = Kind::ALL.into_iter().filter_map(listed_as).collect();
        let passed_over: BTreeSet<(String, String)> = table
            .models
            .into_iter()
            .flat_map(|model| {
                model.prices.0.into_keys().map(move |name| (model.provider.clone(), name))
            })
            .filter(|(provider, name)| {
                let is_reached =
                    ["openai", "azure", "anthropic", "google", "aws"].contains(&provider.as_str());
                is_reached && !read.contains(&name.as_str())
            })
            .collect();
        // Live conversations, by the hour that they last.
        assert_eq!(passed_over, [("openai".to_owned(), "audio_hours".to_owned())].into());
        for name in read {
            let json = include_str!("../../data/model_prices.json");
            assert!(json.contains(&format!("\"{name}\":")), "{name}");
        }
    }

    #[test]
    fn a_model_that_is_sold_by_what_no_route_has_is_unpriced() {
        let find = |name: &str| {
            let json = format!(
                r#"{{"models":[{{"provider":"p","match":[["equals","a"]],"prices":{{"{name}":10}}}}]}}"#
            );
            let table = PriceTable::parse(&json).unwrap();
            table.find("p", "a").map(|listing| listing.price.clone())
        };
        assert_eq!(find("audio_hours"), None);
        let searching = find("web_searches_kcount").unwrap();
        assert!(searching.has(Kind::WebSearch) && !searching.has_tokens());
        assert!(find("output_mtok").unwrap().has_tokens());
    }

    #[test]
    fn a_tier_of_any_kind_makes_a_tier_of_the_price() {
        for kind in Kind::ALL.into_iter().filter_map(listed_as).filter(|kind| *kind != "input_mtok")
        {
            let json = format!(
                r#"{{"models":[{{"provider":"p","match":[["equals","a"]],"prices":{{"input_mtok":1,
                "{kind}":{{"base":1,"tiers":[{{"above_tokens":9,"price":2}}]}}}}}}]}}"#
            );
            let table = PriceTable::parse(&json).unwrap();
            let tiers = &table.find("p", "a").unwrap().price.tiers;
            assert_eq!(tiers.iter().map(|t| t.above_tokens).collect::<Vec<_>>(), [9], "{kind}");
        }
    }
}
