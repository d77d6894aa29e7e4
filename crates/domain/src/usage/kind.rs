//! The kinds of what is consumed, each of which may have a price of its own.

/// A kind of what a call consumes. No two of them overlap: what is counted as one is not counted as
/// another, so that a bill is the sum over all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A token of input that is none of the kinds below.
    Input,
    /// A token of input that is sound.
    InputAudio,
    /// A token of input that is a picture.
    InputImage,
    /// A token of input that is a film.
    InputVideo,
    /// A token of input read from the provider's cache.
    CachedInput,
    /// The same of sound.
    CachedAudio,
    /// The same of a picture.
    CachedImage,
    /// A token of input written to the provider's cache.
    CacheWrite,
    /// The same, to stay there for an hour.
    CacheWrite1h,
    /// A token of output that is none of the kinds below.
    Output,
    /// A token of reasoning.
    Reasoning,
    /// A token of output that is sound.
    OutputAudio,
    /// A token of output that is a picture.
    OutputImage,
    /// A token of output that is a film.
    OutputVideo,
    /// A search of the web by the provider.
    WebSearch,
    /// A search by the provider in files that are stored with it.
    FileSearch,
    /// A character of a text to be spoken.
    Character,
    /// A millisecond of sound that is written down.
    AudioMs,
    /// A picture that is made.
    Image,
    /// A unit by which ranking documents is sold.
    RankingUnit,
}

impl Kind {
    /// Every kind; the position is the index into lists of prices.
    pub const ALL: [Self; 20] = [
        Self::Input,
        Self::InputAudio,
        Self::InputImage,
        Self::InputVideo,
        Self::CachedInput,
        Self::CachedAudio,
        Self::CachedImage,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::OutputVideo,
        Self::WebSearch,
        Self::FileSearch,
        Self::Character,
        Self::AudioMs,
        Self::Image,
        Self::RankingUnit,
    ];

    /// Those that tokens of input are of.
    pub const OF_INPUT: [Self; 9] = [
        Self::Input,
        Self::InputAudio,
        Self::InputImage,
        Self::InputVideo,
        Self::CachedInput,
        Self::CachedAudio,
        Self::CachedImage,
        Self::CacheWrite,
        Self::CacheWrite1h,
    ];

    /// Those that tokens of output are of.
    pub const OF_OUTPUT: [Self; 5] =
        [Self::Output, Self::Reasoning, Self::OutputAudio, Self::OutputImage, Self::OutputVideo];

    /// Those that are no tokens.
    pub const OF_UNITS: [Self; 6] = [
        Self::WebSearch,
        Self::FileSearch,
        Self::Character,
        Self::AudioMs,
        Self::Image,
        Self::RankingUnit,
    ];

    /// The name of its price.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::InputVideo => "input_video",
            Self::CachedInput => "cached_input",
            Self::CachedAudio => "cached_audio",
            Self::CachedImage => "cached_image",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::OutputVideo => "output_video",
            Self::WebSearch => "web_searches_1k",
            Self::FileSearch => "file_searches_1k",
            Self::Character => "characters_1m",
            Self::AudioMs => "audio_hour",
            Self::Image => "image",
            Self::RankingUnit => "ranking_units_1k",
        }
    }

    /// The kind whose price has this name.
    pub fn with_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What its price is the price of.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Input => "A million tokens of input.",
            Self::InputAudio => {
                "A million tokens of sound in the input; the price of input when absent."
            }
            Self::InputImage => {
                "A million tokens of pictures in the input; the price of input when absent."
            }
            Self::InputVideo => {
                "A million tokens of films in the input; the price of input when absent."
            }
            Self::CachedInput => {
                "A million tokens of input read from the provider's cache; the price of input when absent."
            }
            Self::CachedAudio => {
                "A million tokens of sound read from the provider's cache; the price of cached input when absent, else that of sound."
            }
            Self::CachedImage => {
                "A million tokens of pictures read from the provider's cache; the price of cached input when absent, else that of pictures."
            }
            Self::CacheWrite => {
                "A million tokens of input written to the provider's cache; the price of input when absent."
            }
            Self::CacheWrite1h => {
                "A million tokens of input written to the provider's cache for an hour; the price of writing to it when absent."
            }
            Self::Output => "A million tokens of output.",
            Self::Reasoning => "A million tokens of reasoning; the price of output when absent.",
            Self::OutputAudio => {
                "A million tokens of sound in the output; the price of output when absent."
            }
            Self::OutputImage => {
                "A million tokens of pictures in the output; the price of output when absent."
            }
            Self::OutputVideo => {
                "A million tokens of films in the output; the price of output when absent."
            }
            Self::WebSearch => "A thousand searches of the web by the provider.",
            Self::FileSearch => "A thousand searches by the provider in files stored with it.",
            Self::Character => "A million characters of text to be spoken.",
            Self::AudioMs => "An hour of sound that is written down.",
            Self::Image => "One picture that is made.",
            Self::RankingUnit => "A thousand units by which ranking documents is sold.",
        }
    }

    /// Whose price it has where it has none itself: that of the first of these which has one.
    pub const fn priced_like(self) -> &'static [Self] {
        match self {
            Self::InputAudio
            | Self::InputImage
            | Self::InputVideo
            | Self::CachedInput
            | Self::CacheWrite => &[Self::Input],
            Self::CachedAudio => &[Self::CachedInput, Self::InputAudio, Self::Input],
            Self::CachedImage => &[Self::CachedInput, Self::InputImage, Self::Input],
            Self::CacheWrite1h => &[Self::CacheWrite, Self::Input],
            Self::Reasoning | Self::OutputAudio | Self::OutputImage | Self::OutputVideo => {
                &[Self::Output]
            }
            Self::Input
            | Self::Output
            | Self::WebSearch
            | Self::FileSearch
            | Self::Character
            | Self::AudioMs
            | Self::Image
            | Self::RankingUnit => &[],
        }
    }

    /// How many of it its price buys.
    pub const fn per_price(self) -> u64 {
        match self {
            Self::WebSearch | Self::FileSearch | Self::RankingUnit => 1_000,
            Self::AudioMs => 3_600_000,
            Self::Image => 1,
            Self::Input
            | Self::InputAudio
            | Self::InputImage
            | Self::InputVideo
            | Self::CachedInput
            | Self::CachedAudio
            | Self::CachedImage
            | Self::CacheWrite
            | Self::CacheWrite1h
            | Self::Output
            | Self::Reasoning
            | Self::OutputAudio
            | Self::OutputImage
            | Self::OutputVideo
            | Self::Character => 1_000_000,
        }
    }

    /// Whether it is counted in tokens.
    pub fn is_of_tokens(self) -> bool {
        !Self::OF_UNITS.contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place_its_name_and_its_group() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(Kind::with_name(kind.name()), Some(kind));
        }
        let groups = [&Kind::OF_INPUT[..], &Kind::OF_OUTPUT, &Kind::OF_UNITS].concat();
        assert_eq!(groups, Kind::ALL);
        assert_eq!(Kind::with_name("cache_read"), None);
    }

    #[test]
    fn a_price_is_taken_over_within_input_or_output_only_and_ends_at_the_whole() {
        for kind in Kind::ALL {
            let others = kind.priced_like();
            let (group, whole): (&[Kind], _) = if Kind::OF_INPUT.contains(&kind) {
                (&Kind::OF_INPUT, Some(&Kind::Input))
            } else if Kind::OF_OUTPUT.contains(&kind) {
                (&Kind::OF_OUTPUT, Some(&Kind::Output))
            } else {
                (&[], None)
            };
            assert!(others.iter().all(|other| group.contains(other) && *other != kind), "{kind:?}");
            assert!(others.last() == whole || whole == Some(&kind), "{kind:?}");
        }
    }
}
