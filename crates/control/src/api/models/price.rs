//! The price of a model, as requests and answers have it.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use doorward_domain::catalog::Pricing;
use doorward_domain::price::{Listing, MalformedPrices, Price, PriceTable, Rates, Tier};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, Object, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::problem::ApiError;

/// `"free"`, `"listed"`, or dollars by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum PriceWish {
    Free,
    #[default]
    Listed,
    Set(Box<Rates>),
}

impl<'de> Deserialize<'de> for PriceWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WishVisitor)
    }
}

struct WishVisitor;

const EXPECTED: &str =
    "\"free\", \"listed\", or an object such as {\"input\": \"0.15\", \"output\": \"0.60\"}";

impl<'de> Visitor<'de> for WishVisitor {
    type Value = PriceWish;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PriceWish, E> {
        match text {
            "free" => Ok(PriceWish::Free),
            "listed" => Ok(PriceWish::Listed),
            _ => Err(E::custom(format_args!("must be {EXPECTED}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PriceWish, A::Error> {
        let rates = Rates::deserialize(MapAccessDeserializer::new(map))?;
        Ok(PriceWish::Set(Box::new(rates)))
    }
}

impl From<PriceWish> for Pricing {
    fn from(wish: PriceWish) -> Self {
        match wish {
            PriceWish::Free => Self::Free,
            PriceWish::Listed => Self::Listed,
            PriceWish::Set(rates) => {
                Self::Set(Box::new(Price { rates: *rates, tiers: Vec::new() }))
            }
        }
    }
}

/// The same in answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PriceObject {
    Word(&'static str),
    Set {
        #[serde(flatten)]
        rates: Box<Rates>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tiers: Vec<Tier>,
    },
}

impl ToSchema for PriceWish {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Price")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Rates::name().into_owned(), <Rates as utoipa::PartialSchema>::schema()));
        Rates::schemas(schemas);
    }
}

impl utoipa::PartialSchema for PriceWish {
    fn schema() -> RefOr<Schema> {
        let words =
            Object::builder().schema_type(Type::String).enum_values(Some(["free", "listed"]));
        AnyOfBuilder::new()
            .item(words)
            .item(Ref::from_schema_name(Rates::name()))
            .description(Some("Free, as the built-in table has it, or dollars by kind: for a million tokens, or what else the name of the kind says."))
            .into()
    }
}

impl From<Pricing> for PriceObject {
    fn from(pricing: Pricing) -> Self {
        match pricing {
            Pricing::Free => Self::Word("free"),
            Pricing::Listed => Self::Word("listed"),
            Pricing::Set(price) => Self::Set { rates: Box::new(price.rates), tiers: price.tiers },
        }
    }
}

/// What the built-in table knows of a provider's model.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ListedPrice {
    rates: Rates,
    /// What holds above so many tokens of input.
    tiers: Vec<Tier>,
    /// Tokens of input and output together that it can hold, where known.
    #[schema(required)]
    context_window: Option<u64>,
}

impl From<&Listing> for ListedPrice {
    fn from(listing: &Listing) -> Self {
        let Price { rates, tiers } = listing.price.clone();
        Self { rates, tiers, context_window: listing.context_window }
    }
}

/// The built-in table, read once: that takes some milliseconds.
pub(in crate::api) fn table() -> Result<&'static PriceTable, ApiError> {
    static TABLE: LazyLock<Result<PriceTable, MalformedPrices>> =
        LazyLock::new(PriceTable::built_in);
    TABLE.as_ref().map_err(|error| ApiError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Option<PriceWish> {
        serde_json::from_value(value).ok()
    }

    #[test]
    fn prices_are_words_or_dollars_per_million() {
        assert_eq!(read(json!("free")), Some(PriceWish::Free));
        assert_eq!(read(json!("listed")), Some(PriceWish::Listed));
        let text = read(json!({"input": "0.15", "output": "0.60"}));
        assert!(matches!(text, Some(PriceWish::Set(_))));
        assert_eq!(text, read(json!({"input": 0.15, "output": 0.6})));
        for bad in [
            json!("gratis"),
            json!(null),
            json!(0),
            json!({"input": "0.15"}),
            json!({"input": "-1", "output": "1"}),
            json!({"input": 1e30, "output": "1"}),
            json!({"input": "1", "output": "1", "otuput": "1"}),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_price_comes_out_as_it_went_in() {
        for value in [json!("free"), json!("listed"), json!({"input": "0.15", "output": "0.60"})] {
            let wish = read(value.clone()).unwrap();
            let object = PriceObject::from(Pricing::from(wish));
            assert_eq!(serde_json::to_value(object).unwrap(), value);
        }
    }
}
