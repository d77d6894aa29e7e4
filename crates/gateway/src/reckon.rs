//! What a call uses as far as its request tells: set aside before it leaves, and billed where its
//! provider does not say.
//!
//! Speech, pictures, transcripts and rankings are sold by units of their own, by tokens, or by both. A
//! unit is known from the request, exactly or at most. Tokens of sound and of pictures are reckoned by
//! the figures of OpenAI, which tells them in most answers.

use doorward_domain::money::NanoUsd;
use doorward_domain::price::Price;
use doorward_domain::usage::{Kind, Usage};

use crate::ask::{Length, Units};
use crate::meter::Metered;
use crate::route::Work;

/// Sound that goes in is ten tokens a second; what is said in a second is hardly as many.
const MS_PER_TOKEN: u64 = 100;

/// What a call uses as far as its request tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reckoning {
    /// Of text.
    pub(crate) input_tokens: u64,
    pub(crate) units: Units,
}

impl Reckoning {
    /// What is set aside: whatever of it the price is for.
    pub(crate) fn held(&self, price: &Price) -> Usage {
        let most = self.at_most();
        if sells_tokens(price) {
            most.tokens().plus(most.amount(price))
        } else {
            most.untold(price)
        }
    }

    /// What is billed where the provider says nothing.
    pub(crate) fn untold(&self, price: &Price) -> Usage {
        let tokens = if self.sells_unit(price) {
            Usage::default()
        } else if sells_tokens(price) {
            self.tokens()
        } else {
            Usage::of_tokens(self.input_tokens, 0)
        };
        tokens.plus(self.amount(price))
    }

    /// What is billed, and whether it is estimated.
    pub(crate) fn settled(&self, metered: Metered, price: &Price) -> (Usage, bool) {
        if self.units == Units::Text {
            return metered.usage(self.input_tokens);
        }
        let Some(told) = metered.told else {
            let is_exact = self.sells_unit(price) && self.is_exact();
            return (self.untold(price).bounded(), !is_exact);
        };
        let (told, is_reckoned) = self.completed(told, metered.is_unit_told, price);
        (told.bounded(), is_reckoned)
    }

    /// What the provider said, and what it did not say of it; whether that is estimated.
    fn completed(&self, told: Usage, is_unit_told: bool, price: &Price) -> (Usage, bool) {
        let told = self.of_its_kind(told);
        let Some(unit) = self.unit() else { return (told, false) };
        if is_unit_told || told.of(unit) > 0 {
            let owes_tokens = told.total_tokens() == 0 && !self.sells_unit(price);
            return if owes_tokens && sells_tokens(price) {
                (told.plus(self.at_length(told.audio_ms).tokens()), true)
            } else {
                (told, false)
            };
        }
        (told.plus(self.amount(price)), self.sells_unit(price) && !self.is_exact())
    }

    /// A provider that does not tell kinds of tokens apart means those that its route is for.
    fn of_its_kind(&self, told: Usage) -> Usage {
        match self.units {
            Units::Pictures { .. } if told.output_image_tokens == 0 => {
                Usage { output_image_tokens: told.output_tokens, ..told }
            }
            Units::Characters { .. } if told.output_audio_tokens == 0 => {
                Usage { output_audio_tokens: told.output_tokens, ..told }
            }
            Units::Sound(_) if told.input_audio_tokens == 0 => {
                Usage { input_audio_tokens: told.input_tokens, ..told }
            }
            Units::Text
            | Units::Pictures { .. }
            | Units::Characters { .. }
            | Units::Sound(_)
            | Units::Ranking(_) => told,
        }
    }

    /// The same with the most that it can be.
    const fn at_most(self) -> Self {
        match self.units {
            Units::Sound(length) => {
                Self { units: Units::Sound(Length { ms: length.most_ms, ..length }), ..self }
            }
            Units::Text | Units::Pictures { .. } | Units::Characters { .. } | Units::Ranking(_) => {
                self
            }
        }
    }

    /// The same for so much sound, where it is sound.
    const fn at_length(self, ms: u64) -> Self {
        match self.units {
            Units::Sound(_) => {
                let length = Length { ms, most_ms: ms, is_known: true };
                Self { units: Units::Sound(length), ..self }
            }
            Units::Text | Units::Pictures { .. } | Units::Characters { .. } | Units::Ranking(_) => {
                self
            }
        }
    }

    /// All of it in tokens.
    fn tokens(&self) -> Usage {
        let text = Usage::of_tokens(self.input_tokens, 0);
        match self.units {
            Units::Text | Units::Ranking(_) => text,
            Units::Characters { tokens, .. } => {
                Usage { output_tokens: tokens, output_audio_tokens: tokens, ..text }
            }
            Units::Sound(Length { ms, .. }) => {
                let heard = ms.div_ceil(MS_PER_TOKEN);
                Usage {
                    input_tokens: text.input_tokens.saturating_add(heard),
                    input_audio_tokens: heard,
                    output_tokens: heard,
                    ..Usage::default()
                }
            }
            Units::Pictures { count, tokens } => {
                let made = count.saturating_mul(tokens);
                Usage { output_tokens: made, output_image_tokens: made, ..text }
            }
        }
    }

    /// How much of the unit it is, where that is known or has a price.
    fn amount(&self, price: &Price) -> Usage {
        let none = Usage::default();
        match self.units {
            _ if !self.is_exact() && !self.sells_unit(price) => none,
            Units::Text => none,
            Units::Characters { count, .. } => Usage { characters: count, ..none },
            Units::Sound(Length { ms, .. }) => Usage { audio_ms: ms, ..none },
            Units::Pictures { count, .. } => Usage { images: count, ..none },
            Units::Ranking(ranking_units) => Usage { ranking_units, ..none },
        }
    }

    /// Whether the amount is known, and not only the most that it can be.
    const fn is_exact(&self) -> bool {
        match self.units {
            Units::Text | Units::Ranking(_) => false,
            Units::Characters { .. } | Units::Pictures { .. } => true,
            Units::Sound(length) => length.is_known,
        }
    }

    const fn unit(&self) -> Option<Kind> {
        match self.units {
            Units::Text => None,
            Units::Characters { .. } => Some(Kind::Character),
            Units::Sound(_) => Some(Kind::AudioMs),
            Units::Pictures { .. } => Some(Kind::Image),
            Units::Ranking(_) => Some(Kind::RankingUnit),
        }
    }

    fn sells_unit(&self, price: &Price) -> bool {
        self.unit().is_some_and(|unit| sells(price, unit))
    }
}

/// What a price does not say the cost of: neither by the unit that this is sold by, nor by tokens.
pub(crate) fn unsold(work: Work, price: &Price) -> Option<&'static str> {
    let (unit, what) = match work {
        Work::Count => return None,
        Work::Speech => (Kind::Character, "characters"),
        Work::Transcript => (Kind::AudioMs, "hours of sound"),
        Work::Picture => (Kind::Image, "pictures"),
        Work::Ranking => (Kind::RankingUnit, "ranking units"),
        Work::Chat
        | Work::Completion
        | Work::Response
        | Work::Prompt
        | Work::Embedding
        | Work::Moderation => (Kind::Input, "tokens"),
    };
    let is_sold = price.has_tokens() || (unit != Kind::Input && price.has(unit));
    (!is_sold).then_some(what)
}

fn sells_tokens(price: &Price) -> bool {
    Kind::OF_INPUT.into_iter().chain(Kind::OF_OUTPUT).any(|kind| sells(price, kind))
}

/// Whether it costs anything.
fn sells(price: &Price, kind: Kind) -> bool {
    price.rates.get(kind).is_some_and(|price| price > NanoUsd::ZERO)
}

#[cfg(test)]
mod tests {
    use doorward_domain::price::Rates;

    use super::*;

    fn price(kinds: &[Kind]) -> Price {
        let rates = Rates::of(kinds.iter().map(|kind| (*kind, NanoUsd::from_nanos(1))));
        Price { rates, tiers: Vec::new() }
    }

    const BY_TOKENS: &[Kind] = &[Kind::Input, Kind::Output];

    fn of(units: Units) -> Reckoning {
        Reckoning { input_tokens: 7, units }
    }

    /// The figures that are not zero, by name.
    fn named(usage: Usage) -> Vec<(&'static str, u64)> {
        Usage::NAMES.into_iter().zip(usage.figures()).filter(|(_, figure)| *figure > 0).collect()
    }

    type Figures = &'static [(&'static str, u64)];
    type Untold = (Units, &'static [Kind], Figures, bool);
    type Told = (Units, &'static [Kind], Usage, Figures, bool);

    const SPEECH: Units = Units::Characters { count: 10, tokens: 50 };
    const WAV: Units = Units::Sound(Length { ms: 2_000, most_ms: 2_000, is_known: true });
    const MP3: Units = Units::Sound(Length { ms: 9_000, most_ms: 12_000, is_known: false });
    const PICTURES: Units = Units::Pictures { count: 2, tokens: 408 };
    const RANKING: Units = Units::Ranking(3);

    #[test]
    fn what_the_provider_does_not_say_is_billed_by_what_the_price_is_for() {
        use Kind::{AudioMs, Character, Image, RankingUnit};
        #[rustfmt::skip]
        let cases: [Untold; 14] = [
            // asked         sold by             billed                                              estimated
            (SPEECH,         &[Character],       &[("characters", 10)],                              false),
            (SPEECH,         BY_TOKENS,          &[("input_tokens", 7), ("output_tokens", 50), ("output_audio_tokens", 50), ("characters", 10)], true),
            (SPEECH,         &[],                &[("input_tokens", 7), ("characters", 10)],         true),
            (WAV,            &[AudioMs],         &[("audio_ms", 2_000)],                             false),
            (MP3,            &[AudioMs],         &[("audio_ms", 9_000)],                             true),
            (WAV,            BY_TOKENS,          &[("input_tokens", 27), ("input_audio_tokens", 20), ("output_tokens", 20), ("audio_ms", 2_000)], true),
            (MP3,            BY_TOKENS,          &[("input_tokens", 97), ("input_audio_tokens", 90), ("output_tokens", 90)], true),
            (MP3,            &[],                &[("input_tokens", 7)],                             true),
            (PICTURES,       &[Image],           &[("images", 2)],                                   false),
            (PICTURES,       BY_TOKENS,          &[("input_tokens", 7), ("output_tokens", 816), ("output_image_tokens", 816), ("images", 2)], true),
            (RANKING,        &[RankingUnit],          &[("ranking_units", 3)],                                 true),
            (RANKING,        BY_TOKENS,          &[("input_tokens", 7)],                             true),
            (RANKING,        &[],                &[("input_tokens", 7)],                             true),
            (Units::Text,    BY_TOKENS,          &[("input_tokens", 7)],                             true),
        ];
        for (units, kinds, expected, is_estimated) in cases {
            let (usage, estimated) = of(units).settled(Metered::default(), &price(kinds));
            assert_eq!(
                (named(usage), estimated),
                (expected.to_vec(), is_estimated),
                "{units:?} {kinds:?}"
            );
            assert_eq!(usage, of(units).untold(&price(kinds)).bounded());
        }
    }

    #[test]
    fn what_the_provider_says_counts_and_the_rest_is_known_by_the_request() {
        use Kind::{AudioMs, Character, Image, InputAudio, RankingUnit};
        let tokens = |input, output| Usage::of_tokens(input, output);
        let ms = |audio_ms| Usage { audio_ms, ..Usage::default() };
        #[rustfmt::skip]
        let cases: [Told; 11] = [
            (SPEECH,   &[Character],   tokens(4, 30),  &[("input_tokens", 4), ("output_tokens", 30), ("output_audio_tokens", 30), ("characters", 10)], false),
            (SPEECH,   BY_TOKENS,      tokens(4, 30),  &[("input_tokens", 4), ("output_tokens", 30), ("output_audio_tokens", 30), ("characters", 10)], false),
            (MP3,      &[AudioMs],     ms(1_500),      &[("audio_ms", 1_500)],                        false),
            (MP3,      &[AudioMs],     tokens(0, 0),   &[("audio_ms", 9_000)],                        true),
            (MP3,      BY_TOKENS,      ms(1_500),      &[("input_tokens", 22), ("input_audio_tokens", 15), ("output_tokens", 15), ("audio_ms", 1_500)], true),
            (MP3,      &[InputAudio],  tokens(14, 45), &[("input_tokens", 14), ("input_audio_tokens", 14), ("output_tokens", 45)], false),
            (PICTURES, BY_TOKENS,      tokens(9, 600), &[("input_tokens", 9), ("output_tokens", 600), ("output_image_tokens", 600), ("images", 2)], false),
            (PICTURES, &[Image],       tokens(0, 0),   &[("images", 2)],                              false),
            (RANKING,  &[RankingUnit],      Usage { ranking_units: 1, ..Usage::default() }, &[("ranking_units", 1)], false),
            (RANKING,  &[RankingUnit],      tokens(90, 0),  &[("input_tokens", 90), ("ranking_units", 3)],      true),
            (RANKING,  BY_TOKENS,      tokens(90, 0),  &[("input_tokens", 90)],                       false),
        ];
        for (units, kinds, told, expected, is_estimated) in cases {
            let metered = Metered { told: Some(told), ..Metered::default() };
            let (usage, estimated) = of(units).settled(metered, &price(kinds));
            assert_eq!(
                (named(usage), estimated),
                (expected.to_vec(), is_estimated),
                "{units:?} {kinds:?} {told:?}"
            );
        }
    }

    #[test]
    fn nothing_of_a_unit_is_nothing_where_the_provider_says_so() {
        use Kind::{AudioMs, RankingUnit};
        #[rustfmt::skip]
        let cases: [Untold; 4] = [
            (MP3,      &[AudioMs],  &[],                    false),
            (WAV,      &[AudioMs],  &[],                    false),
            (RANKING,  &[RankingUnit],   &[],                    false),
            (MP3,      BY_TOKENS,   &[("input_tokens", 7)], true),
        ];
        for (units, kinds, expected, is_estimated) in cases {
            let metered =
                Metered { told: Some(Usage::default()), is_unit_told: true, ..Metered::default() };
            let (usage, estimated) = of(units).settled(metered, &price(kinds));
            assert_eq!((named(usage), estimated), (expected.to_vec(), is_estimated), "{units:?}");
        }
    }

    #[test]
    fn what_is_set_aside_is_of_the_kind_that_it_will_be() {
        let heard = of(MP3).held(&price(BY_TOKENS));
        assert_eq!(
            (heard.output_tokens, heard.output_audio_tokens),
            (120, 0),
            "it is written down"
        );
        let spoken = of(SPEECH).held(&price(BY_TOKENS));
        assert_eq!((spoken.output_tokens, spoken.output_audio_tokens), (50, 50));
    }

    #[test]
    fn what_is_sold_by_a_unit_is_sold_on_the_route_of_that_unit_and_tokens_are_on_all() {
        let units = [
            (Work::Speech, Kind::Character),
            (Work::Transcript, Kind::AudioMs),
            (Work::Picture, Kind::Image),
            (Work::Ranking, Kind::RankingUnit),
        ];
        let is_sold = |work, price: &Price| unsold(work, price).is_none();
        for (work, unit) in units {
            assert!(is_sold(work, &price(&[unit])) && is_sold(work, &price(BY_TOKENS)), "{work:?}");
            assert!(!is_sold(work, &price(&[])) && !is_sold(work, &price(&[Kind::WebSearch])));
            assert!(!is_sold(Work::Chat, &price(&[unit])), "{unit:?}");
            assert!(
                units.iter().all(|(other, of)| is_sold(*other, &price(&[unit])) == (*of == unit))
            );
        }
        for work in [Work::Chat, Work::Embedding, Work::Moderation] {
            assert!(is_sold(work, &price(BY_TOKENS)) && !is_sold(work, &price(&[Kind::Input])));
        }
        assert!(is_sold(Work::Count, &price(&[])), "that is free");
        assert_eq!(unsold(Work::Speech, &price(&[Kind::Image])), Some("characters"));
    }

    #[test]
    fn no_less_is_set_aside_than_is_billed_where_the_provider_says_nothing() {
        let all = [SPEECH, WAV, MP3, PICTURES, RANKING, Units::Text];
        let prices = [
            price(&[]),
            price(BY_TOKENS),
            price(&[Kind::Character, Kind::AudioMs, Kind::Image, Kind::RankingUnit]),
            price(&Kind::ALL),
        ];
        for (units, price) in all.iter().flat_map(|units| prices.iter().map(move |p| (*units, p))) {
            let (held, billed) = (of(units).held(price), of(units).untold(price));
            let covers = held.figures().into_iter().zip(billed.figures()).all(|(h, b)| h >= b);
            assert!(covers, "{units:?}: {held:?} {billed:?}");
        }
    }

    /// One deployment sells it by the unit and another one by tokens: whichever serves the call, and
    /// whatever of what was reckoned it tells, the hold covers it.
    #[test]
    fn a_hold_at_the_ceiling_of_unlike_prices_covers_what_each_of_them_bills() {
        for (units, unit) in [
            (SPEECH, Kind::Character),
            (WAV, Kind::AudioMs),
            (MP3, Kind::AudioMs),
            (PICTURES, Kind::Image),
            (RANKING, Kind::RankingUnit),
        ] {
            let dear = |kind: Kind| (kind, NanoUsd::from_nanos(7_000_000_000 + kind as u64));
            let price = |kinds: &[Kind]| Price {
                rates: Rates::of(kinds.iter().map(|kind| dear(*kind))),
                tiers: Vec::new(),
            };
            let unlike = [price(&[unit]), price(BY_TOKENS)];
            let hold = of(units).held(&Price::ceiling(unlike.iter()));
            let most = Price::ceiling(unlike.iter()).worst_cost(hold);
            let told = of(units).tokens();
            let both = told.plus(of(units).amount(&unlike[0]));
            for told in [None, Some(told), Some(both), Some(Usage::default())] {
                for price in &unlike {
                    let metered = Metered { told, ..Metered::default() };
                    let (usage, _) = of(units).settled(metered, price);
                    assert!(price.cost(usage) <= most, "{units:?} {told:?} {usage:?}");
                }
            }
        }
    }
}
