//! What each kind costs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use utoipa::openapi::schema::{AdditionalProperties, Object, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::money::NanoUsd;
use crate::usage::{Kind, Usage};

/// Prices by kind: each of so many as [`Kind::per_price`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates([Option<NanoUsd>; Kind::ALL.len()]);

/// A nano-dollar for one of any kind is a whole number of these parts: those of [`cost`](Rates::cost)
/// are summed in them, and rounded once. A common multiple of all that prices are for.
const PARTS: u64 = 18_000_000;

impl Rates {
    /// Everything costs nothing.
    pub const FREE: Self = Self([Some(NanoUsd::ZERO); Kind::ALL.len()]);

    /// The prices of these kinds, and of those that are priced like them.
    pub fn of(prices: impl IntoIterator<Item = (Kind, NanoUsd)>) -> Self {
        let mut rates = Self([None; Kind::ALL.len()]);
        for (kind, price) in prices {
            rates.set(kind, price);
        }
        rates
    }

    /// Prices of a million tokens, whatever they are, and of nothing else.
    pub fn of_tokens(input: NanoUsd, output: NanoUsd) -> Self {
        Self::of([(Kind::Input, input), (Kind::Output, output)])
    }

    /// The price of a kind, or of the one that it is priced like. `None`: it has none, and what cannot
    /// be told beforehand not to be used must not be called.
    pub fn get(&self, kind: Kind) -> Option<NanoUsd> {
        let own = std::iter::once(&kind);
        own.chain(kind.priced_like()).find_map(|kind| self.own(*kind))
    }

    /// The prices that are named.
    pub fn named(&self) -> impl Iterator<Item = (Kind, NanoUsd)> {
        Kind::ALL.into_iter().filter_map(|kind| self.own(kind).map(|price| (kind, price)))
    }

    fn own(&self, kind: Kind) -> Option<NanoUsd> {
        self.0.get(kind as usize).copied().flatten()
    }

    pub(super) fn set(&mut self, kind: Kind, price: NanoUsd) {
        if let Some(slot) = self.0.get_mut(kind as usize) {
            *slot = Some(price);
        }
    }

    /// Counts times prices, summed in 128 bits and rounded up once. What has no price costs nothing.
    pub(super) fn cost(&self, usage: Usage) -> NanoUsd {
        NanoUsd::from_wide_nanos(self.sum(usage).div_ceil(u128::from(PARTS)))
    }

    /// What is left of `room` beside this, in [`PARTS`]. `None`: it does not fit.
    pub(super) fn left_of(&self, room: NanoUsd, usage: Usage) -> Option<u128> {
        (u128::from(room.nanos()) * u128::from(PARTS)).checked_sub(self.sum(usage))
    }

    fn sum(&self, usage: Usage) -> u128 {
        let costs = usage.parts().map(|(kind, count)| self.cost_in_parts(kind, count));
        costs.into_iter().fold(0, u128::saturating_add)
    }

    /// What so many of one kind cost, in [`PARTS`].
    pub(super) fn cost_in_parts(&self, kind: Kind, count: u64) -> u128 {
        let nanos = self.get(kind).unwrap_or(NanoUsd::ZERO).nanos();
        let weight = u128::from(PARTS / kind.per_price());
        (u128::from(count) * u128::from(nanos)).saturating_mul(weight)
    }

    /// The dearest of these kinds: before the call nobody knows what the input is made of, or what of
    /// it the cache will hold.
    pub(super) fn dearest(&self, kinds: &[Kind]) -> NanoUsd {
        let prices = kinds.iter().filter_map(|kind| self.get(*kind));
        prices.max().unwrap_or(NanoUsd::ZERO)
    }

    /// At any of these rates, and for whatever the tokens are, nothing costs more than at the result.
    pub(super) fn worst(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::FREE, |mut worst, rates| {
            let input = rates.dearest(&Kind::OF_INPUT);
            let output = rates.dearest(&Kind::OF_OUTPUT);
            let units = Kind::OF_UNITS.map(|kind| (kind, rates.dearest(&[kind])));
            for (kind, price) in
                [(Kind::Input, input), (Kind::Output, output)].into_iter().chain(units)
            {
                worst.set(kind, worst.dearest(&[kind]).max(price));
            }
            worst
        })
    }
}

impl Serialize for Rates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named().map(|(kind, price)| (kind.name(), price)))
    }
}

impl<'de> Deserialize<'de> for Rates {
    /// Takes an object of prices by the names of their kinds. Input and output are named both or, with
    /// all that is priced like them, neither.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RatesVisitor)
    }
}

struct RatesVisitor;

impl<'de> Visitor<'de> for RatesVisitor {
    type Value = Rates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rates, A::Error> {
        let mut rates = Rates::of([]);
        while let Some(name) = map.next_key::<String>()? {
            let kind = Kind::with_name(&name).ok_or_else(|| unknown(&name))?;
            if rates.own(kind).is_some() {
                return Err(A::Error::duplicate_field(kind.name()));
            }
            rates.set(kind, map.next_value()?);
        }
        let has_units = rates.named().any(|(kind, _)| !kind.is_of_tokens());
        let has_tokens = rates.named().any(|(kind, _)| kind.is_of_tokens());
        let wholes = [Kind::Input, Kind::Output];
        match wholes.into_iter().find(|whole| rates.own(*whole).is_none()) {
            Some(missing) if has_tokens || !has_units => {
                Err(A::Error::missing_field(missing.name()))
            }
            _ => Ok(rates),
        }
    }
}

/// In serde's words.
fn unknown<E: Error>(name: &str) -> E {
    let kinds = Kind::ALL.map(|kind| format!("`{}`", kind.name())).join(", ");
    E::custom(format_args!("unknown field `{name}`, expected one of {kinds}"))
}

impl ToSchema for Rates {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NanoUsd::name().into_owned(), NanoUsd::schema()));
        NanoUsd::schemas(schemas);
    }
}

impl PartialSchema for Rates {
    fn schema() -> RefOr<Schema> {
        let mut object = Object::builder()
            .description(Some("Prices by kind. Input and output are named both; neither where nothing is sold by the token."))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for kind in Kind::ALL {
            let mut price = Ref::from_schema_name(NanoUsd::name());
            kind.meaning().clone_into(&mut price.description);
            object = object.property(kind.name(), price);
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nano_dollar_of_every_kind_is_a_whole_number_of_parts() {
        for kind in Kind::ALL {
            assert_eq!(PARTS % kind.per_price(), 0, "{kind:?}");
        }
    }

    #[test]
    fn a_kind_without_a_price_costs_what_it_is_priced_like() {
        use Kind::{
            CacheWrite, CacheWrite1h, CachedAudio, CachedImage, CachedInput, Input, InputAudio,
            Output, OutputImage, Reasoning, WebSearch,
        };
        let nanos = NanoUsd::from_nanos;
        #[rustfmt::skip]
        let cases: [(&[Kind], Kind, Option<Kind>); 15] = [
            // priced                             asked          its price is that of
            (&[Input, Output],                    CachedInput,   Some(Input)),
            (&[Input, Output],                    CachedAudio,   Some(Input)),
            (&[Input, InputAudio],                CachedAudio,   Some(InputAudio)),
            (&[Input, InputAudio],                CachedImage,   Some(Input)),
            (&[Input, InputAudio, CachedInput],   CachedAudio,   Some(CachedInput)),
            (&[Input, CachedInput],               CachedImage,   Some(CachedInput)),
            (&[Input, CachedAudio],               CachedAudio,   Some(CachedAudio)),
            (&[Input, CacheWrite],                CacheWrite1h,  Some(CacheWrite)),
            (&[Input, CacheWrite1h],              CacheWrite1h,  Some(CacheWrite1h)),
            (&[Input, CacheWrite1h],              CacheWrite,    Some(Input)),
            (&[Input, Output],                    Reasoning,     Some(Output)),
            (&[Output, OutputImage],              OutputImage,   Some(OutputImage)),
            (&[Input],                            OutputImage,   None),
            (&[Input, Output],                    WebSearch,     None),
            (&[WebSearch],                        Input,         None),
        ];
        for (priced, asked, expected) in cases {
            let rates = Rates::of(priced.iter().map(|kind| (*kind, nanos(*kind as u64))));
            let expected = expected.map(|kind| nanos(kind as u64));
            assert_eq!(rates.get(asked), expected, "{asked:?} of {priced:?}");
        }
    }
}
