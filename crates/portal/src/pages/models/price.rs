//! Prices of models: in a line, as a table, in the fields of a form.

use doorward_domain::money::NanoUsd;
use doorward_domain::price::Rates;
use doorward_domain::usage::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::form::Form;
use crate::money::count;
use crate::text::{text, text_of};

/// Kinds that every model of texts has; the others stand behind a fold.
pub(super) const USUAL: [Kind; 4] =
    [Kind::Input, Kind::Output, Kind::CachedInput, Kind::CacheWrite];

/// What a model costs.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Price {
    /// `free` or `listed`.
    Word(String),
    /// The operator says. What else the API has in it are its steps, which the form does not have.
    Set(Box<Rates>),
}

/// What the built-in table knows of a provider's model.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedPrice {
    pub(crate) rates: Rates,
    pub(crate) tiers: Vec<Tier>,
    pub(crate) context_window: Option<u64>,
}

/// What holds above so many tokens of input.
#[derive(Debug, Deserialize)]
pub(crate) struct Tier {
    pub(crate) above_tokens: u64,
    pub(crate) rates: Rates,
}

/// One kind and its price.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) kind: String,
    pub(crate) per: String,
    pub(crate) price: String,
}

/// One field of a price.
#[derive(Debug)]
pub(super) struct PriceField {
    pub(super) name: String,
    pub(super) label: String,
}

impl Price {
    /// In a line; `listed`: what the table has for the first deployment.
    pub(crate) fn words(&self, listed: Option<&ListedPrice>) -> String {
        match (self, listed) {
            (Self::Word(word), _) if word == "free" => text("price-free"),
            (Self::Word(_), Some(listed)) => listed.words(),
            (Self::Word(_), None) => text("price-listed"),
            (Self::Set(rates), _) => words(rates),
        }
    }

    /// Which of the three ways it is.
    pub(crate) fn way(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Set(_) => "set",
        }
    }

    pub(crate) fn rates(&self) -> Option<&Rates> {
        match self {
            Self::Word(_) => None,
            Self::Set(rates) => Some(rates),
        }
    }
}

impl ListedPrice {
    pub(crate) fn words(&self) -> String {
        words(&self.rates)
    }
}

/// `$0.15 in · $0.60 out`, or the first price where nothing is sold by the token.
pub(super) fn words(rates: &Rates) -> String {
    if let Some((input, output)) = rates.get(Kind::Input).zip(rates.get(Kind::Output)) {
        let (input, output) = (dollars(input), dollars(output));
        return text_of("price-words", [("input", &input), ("output", &output)]);
    }
    let first = lines(rates).into_iter().next();
    first.map_or_else(String::new, |line| format!("{} {}", line.price, line.per))
}

impl Tier {
    pub(crate) fn words(&self) -> String {
        let above = count(self.above_tokens);
        text_of("price-above", [("tokens", &above), ("price", &words(&self.rates))])
    }
}

/// What one of the three ways to price a model is called.
pub(super) fn way_words(way: &str) -> String {
    text(&format!("price-way-{way}"))
}

/// Every price that is named.
pub(crate) fn lines(rates: &Rates) -> Vec<Line> {
    let line = |(kind, price): (Kind, NanoUsd)| Line {
        kind: label(kind),
        per: text(&format!("per-{}", unit(kind))),
        price: dollars(price),
    };
    rates.named().map(line).collect()
}

/// A price is told to the last digit: it is multiplied by millions.
fn dollars(price: NanoUsd) -> String {
    format!("${price}")
}

fn label(kind: Kind) -> String {
    text(&format!("price-{}", kind.name().replace('_', "-")))
}

/// What a kind is sold by.
fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::WebSearch | Kind::FileSearch => "thousand-searches",
        Kind::Character => "million-characters",
        Kind::AudioMs => "hour",
        Kind::Image => "picture",
        Kind::RankingUnit => "thousand-units",
        Kind::Input
        | Kind::InputAudio
        | Kind::InputImage
        | Kind::InputVideo
        | Kind::CachedInput
        | Kind::CachedAudio
        | Kind::CachedImage
        | Kind::CacheWrite
        | Kind::CacheWrite1h
        | Kind::Output
        | Kind::Reasoning
        | Kind::OutputAudio
        | Kind::OutputImage
        | Kind::OutputVideo => "million-tokens",
    }
}

impl PriceField {
    fn new(kind: Kind) -> Self {
        // The form says of all that it is by the million tokens.
        let label = match unit(kind) {
            "million-tokens" => label(kind),
            unit => {
                let per = text(&format!("per-{unit}"));
                text_of("price-label", [("kind", &label(kind)), ("per", &per)])
            }
        };
        Self { name: field(kind), label }
    }

    pub(super) fn usual() -> Vec<Self> {
        USUAL.into_iter().map(Self::new).collect()
    }

    pub(super) fn others() -> Vec<Self> {
        Kind::ALL.into_iter().filter(|kind| !USUAL.contains(kind)).map(Self::new).collect()
    }
}

fn field(kind: Kind) -> String {
    format!("price.{}", kind.name())
}

/// Fills the fields of a form in.
pub(super) fn fill(form: &mut Form, price: &Price) {
    form.add("price_is", price.way());
    for (kind, amount) in price.rates().into_iter().flat_map(Rates::named) {
        form.add(&field(kind), amount.to_string());
    }
}

/// What the fields say.
pub(super) fn typed(form: &Form) -> Value {
    if form.value("price_is") != "set" {
        return form.value("price_is").into();
    }
    let amount = |kind: Kind| {
        let text = form.value(&field(kind)).trim();
        (!text.is_empty()).then(|| (kind.name().to_owned(), Value::from(text)))
    };
    Value::Object(Kind::ALL.into_iter().filter_map(amount).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::text::is_there;

    #[test]
    fn every_kind_has_a_word_and_a_unit() {
        for kind in Kind::ALL {
            let word = format!("price-{}", kind.name().replace('_', "-"));
            assert!(is_there(&word), "{word}");
            assert!(is_there(&format!("per-{}", unit(kind))), "{kind:?}");
        }
    }

    #[test]
    fn a_price_goes_through_a_form_as_it_is() {
        for value in [
            json!("free"),
            json!("listed"),
            json!({"input": "0.15", "output": "0.60"}),
            json!({"input": "1.00", "output": "2.00", "cache_write_1h": "0.000001", "image": "0.04"}),
        ] {
            let price: Price = serde_json::from_value(value.clone()).unwrap();
            let mut form = Form::default();
            fill(&mut form, &price);
            assert_eq!(typed(&form), value);
        }
    }

    #[test]
    fn a_price_is_told_in_a_line() {
        let words = |value: Value| words(&serde_json::from_value(value).unwrap());
        assert_eq!(words(json!({"input": "0.15", "output": "0.60"})), "$0.15 in · $0.60 out");
        assert_eq!(words(json!({"characters_1m": "15"})), "$15.00 a million characters");
    }
}
