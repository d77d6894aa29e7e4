//! What a call consumed.

mod kind;

pub use kind::Kind;

/// What one call consumed, in the way that providers tell it: each whole with its parts.
/// `input_tokens` includes all that is of input, `output_tokens` all that is of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Consumption)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Of those, read from the provider's prompt cache.
    pub cached_input_tokens: u64,
    /// Of those of the prompt, written to the provider's prompt cache.
    pub cache_write_tokens: u64,
    /// Of those that were written, to stay for an hour.
    pub cache_write_1h_tokens: u64,
    /// Of those of the prompt, sound.
    pub input_audio_tokens: u64,
    /// Of those of the prompt, pictures.
    pub input_image_tokens: u64,
    /// Of those of the prompt, films.
    pub input_video_tokens: u64,
    /// Of those of sound, read from the cache.
    pub cached_audio_tokens: u64,
    /// Of those of pictures, read from the cache.
    pub cached_image_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Of those, spent on reasoning.
    pub reasoning_tokens: u64,
    /// Of those of the answer, sound.
    pub output_audio_tokens: u64,
    /// Of those of the answer, pictures.
    pub output_image_tokens: u64,
    /// Of those of the answer, films.
    pub output_video_tokens: u64,
    /// Searches of the web by the provider.
    pub web_searches: u64,
    /// Searches by the provider in files that are stored with it.
    pub file_searches: u64,
    /// Characters of a text that was spoken.
    pub characters: u64,
    /// Sound that was written down, in milliseconds.
    pub audio_ms: u64,
    /// Pictures made, where they are sold by the picture.
    pub images: u64,
    /// Units by which ranking documents is sold.
    pub ranking_units: u64,
}

/// The most that one call can be said to have used, of each kind. A provider's figure beyond it is
/// nonsense and is cut to it, so that sums never overflow.
pub const TOKENS_MAX: u64 = 1 << 40;

impl Usage {
    /// Nothing.
    pub const NONE: Self = Self::from_figures([0; Self::COUNT]);

    /// How many figures there are.
    pub const COUNT: usize = 20;

    /// The names of the figures; the position is their code in compact records and never changes.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "input_audio_tokens",
        "input_image_tokens",
        "input_video_tokens",
        "cached_audio_tokens",
        "cached_image_tokens",
        "output_tokens",
        "reasoning_tokens",
        "output_audio_tokens",
        "output_image_tokens",
        "output_video_tokens",
        "web_searches",
        "file_searches",
        "characters",
        "audio_ms",
        "images",
        "ranking_units",
    ];

    /// So many tokens, of no kind in particular.
    pub const fn of_tokens(input_tokens: u64, output_tokens: u64) -> Self {
        Self { input_tokens, output_tokens, ..Self::NONE }
    }

    /// The figures, in the order of their [`NAMES`](Self::NAMES).
    pub const fn figures(self) -> [u64; Self::COUNT] {
        [
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.cache_write_1h_tokens,
            self.input_audio_tokens,
            self.input_image_tokens,
            self.input_video_tokens,
            self.cached_audio_tokens,
            self.cached_image_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.output_audio_tokens,
            self.output_image_tokens,
            self.output_video_tokens,
            self.web_searches,
            self.file_searches,
            self.characters,
            self.audio_ms,
            self.images,
            self.ranking_units,
        ]
    }

    /// Reads [`figures`](Self::figures).
    pub const fn from_figures(figures: [u64; Self::COUNT]) -> Self {
        let [
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            cache_write_1h_tokens,
            input_audio_tokens,
            input_image_tokens,
            input_video_tokens,
            cached_audio_tokens,
            cached_image_tokens,
            output_tokens,
            reasoning_tokens,
            output_audio_tokens,
            output_image_tokens,
            output_video_tokens,
            web_searches,
            file_searches,
            characters,
            audio_ms,
            images,
            ranking_units,
        ] = figures;
        Self {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            cache_write_1h_tokens,
            input_audio_tokens,
            input_image_tokens,
            input_video_tokens,
            cached_audio_tokens,
            cached_image_tokens,
            output_tokens,
            reasoning_tokens,
            output_audio_tokens,
            output_image_tokens,
            output_video_tokens,
            web_searches,
            file_searches,
            characters,
            audio_ms,
            images,
            ranking_units,
        }
    }

    /// Input and output together.
    pub const fn total_tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The same without what is told of its tokens: only how many go in and come out, and what is no
    /// tokens.
    #[must_use]
    pub fn wholes(self) -> Self {
        Self {
            web_searches: self.web_searches,
            file_searches: self.file_searches,
            characters: self.characters,
            audio_ms: self.audio_ms,
            images: self.images,
            ranking_units: self.ranking_units,
            ..Self::of_tokens(self.input_tokens, self.output_tokens)
        }
    }

    /// Figure by figure the sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut sums = self.figures();
        for (sum, more) in sums.iter_mut().zip(other.figures()) {
            *sum = sum.saturating_add(more);
        }
        Self::from_figures(sums)
    }

    /// The same figures within their bounds: parts are never larger than their whole. Sound and
    /// pictures that do not fit beside what was read from the cache were read from there, too, whether
    /// or not the provider tells how much of them.
    #[must_use]
    pub fn bounded(self) -> Self {
        self.bounded_input().bounded_output().bounded_units()
    }

    fn bounded_input(self) -> Self {
        let input_tokens = self.input_tokens.min(TOKENS_MAX);
        let cached_input_tokens = self.cached_input_tokens.min(input_tokens);
        let cache_write_tokens = self.cache_write_tokens.min(input_tokens - cached_input_tokens);
        let fresh = input_tokens - cached_input_tokens - cache_write_tokens;
        let room = (fresh, cached_input_tokens);
        let (fresh_audio, cached_audio_tokens) =
            split(self.input_audio_tokens, self.cached_audio_tokens, room);
        let room = (fresh - fresh_audio, cached_input_tokens - cached_audio_tokens);
        let (fresh_image, cached_image_tokens) =
            split(self.input_image_tokens, self.cached_image_tokens, room);
        Self {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens,
            cache_write_1h_tokens: self.cache_write_1h_tokens.min(cache_write_tokens),
            input_audio_tokens: fresh_audio + cached_audio_tokens,
            input_image_tokens: fresh_image + cached_image_tokens,
            input_video_tokens: self.input_video_tokens.min(fresh - fresh_audio - fresh_image),
            cached_audio_tokens,
            cached_image_tokens,
            ..self
        }
    }

    fn bounded_output(self) -> Self {
        let output_tokens = self.output_tokens.min(TOKENS_MAX);
        let mut room = output_tokens;
        let mut part = |tokens: u64| {
            let part = tokens.min(room);
            room -= part;
            part
        };
        Self {
            output_tokens,
            reasoning_tokens: part(self.reasoning_tokens),
            output_image_tokens: part(self.output_image_tokens),
            output_audio_tokens: part(self.output_audio_tokens),
            output_video_tokens: part(self.output_video_tokens),
            ..self
        }
    }

    fn bounded_units(self) -> Self {
        Self {
            web_searches: self.web_searches.min(TOKENS_MAX),
            file_searches: self.file_searches.min(TOKENS_MAX),
            characters: self.characters.min(TOKENS_MAX),
            audio_ms: self.audio_ms.min(TOKENS_MAX),
            images: self.images.min(TOKENS_MAX),
            ranking_units: self.ranking_units.min(TOKENS_MAX),
            ..self
        }
    }

    /// How much there is of one kind, within the bounds.
    pub fn of(self, kind: Kind) -> u64 {
        self.parts().iter().filter(|(one, _)| *one == kind).map(|(_, count)| *count).sum()
    }

    /// How much there is of each kind, within the bounds; what is of one is not of another.
    pub fn parts(self) -> [(Kind, u64); Kind::ALL.len()] {
        let all = self.bounded();
        let fresh_audio = all.input_audio_tokens - all.cached_audio_tokens;
        let fresh_image = all.input_image_tokens - all.cached_image_tokens;
        let fresh = all.input_tokens - all.cached_input_tokens - all.cache_write_tokens;
        let of_output = all.reasoning_tokens
            + all.output_audio_tokens
            + all.output_image_tokens
            + all.output_video_tokens;
        let cached = all.cached_input_tokens - all.cached_audio_tokens - all.cached_image_tokens;
        [
            (Kind::Input, fresh - fresh_audio - fresh_image - all.input_video_tokens),
            (Kind::InputAudio, fresh_audio),
            (Kind::InputImage, fresh_image),
            (Kind::InputVideo, all.input_video_tokens),
            (Kind::CachedInput, cached),
            (Kind::CachedAudio, all.cached_audio_tokens),
            (Kind::CachedImage, all.cached_image_tokens),
            (Kind::CacheWrite, all.cache_write_tokens - all.cache_write_1h_tokens),
            (Kind::CacheWrite1h, all.cache_write_1h_tokens),
            (Kind::Output, all.output_tokens - of_output),
            (Kind::Reasoning, all.reasoning_tokens),
            (Kind::OutputAudio, all.output_audio_tokens),
            (Kind::OutputImage, all.output_image_tokens),
            (Kind::OutputVideo, all.output_video_tokens),
            (Kind::WebSearch, all.web_searches),
            (Kind::FileSearch, all.file_searches),
            (Kind::Character, all.characters),
            (Kind::AudioMs, all.audio_ms),
            (Kind::Image, all.images),
            (Kind::RankingUnit, all.ranking_units),
        ]
    }
}

/// Splits tokens of sound or pictures into those that are new and those of the cache, of which `said`
/// are told. `room`: how many of either there can be.
fn split(tokens: u64, said: u64, (fresh, cached): (u64, u64)) -> (u64, u64) {
    let of_cache = said.max(tokens.saturating_sub(fresh)).min(tokens).min(cached);
    ((tokens - of_cache).min(fresh), of_cache)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything that a provider may claim.
    pub(crate) fn any_usage() -> impl Strategy<Value = Usage> {
        let figure = || prop_oneof![0_u64..100, 0_u64..1_000_000, any::<u64>()];
        prop::collection::vec(figure(), 20)
            .prop_map(|figures| Usage::from_figures(figures.try_into().unwrap()))
    }

    /// So much of each kind.
    pub(crate) fn usage_of(parts: [u64; 20]) -> Usage {
        let [
            plain,
            audio,
            image,
            video,
            cached,
            cached_audio,
            cached_image,
            written,
            hour,
            rest @ ..,
        ] = parts;
        let [answer, reasoning, out_audio, out_image, out_video, units @ ..] = rest;
        let [web_searches, file_searches, characters, audio_ms, images, ranking_units] = units;
        let fresh = plain + audio + image + video;
        Usage {
            input_tokens: fresh + cached + cached_audio + cached_image + written + hour,
            cached_input_tokens: cached + cached_audio + cached_image,
            cache_write_tokens: written + hour,
            cache_write_1h_tokens: hour,
            input_audio_tokens: audio + cached_audio,
            input_image_tokens: image + cached_image,
            input_video_tokens: video,
            cached_audio_tokens: cached_audio,
            cached_image_tokens: cached_image,
            output_tokens: answer + reasoning + out_audio + out_image + out_video,
            reasoning_tokens: reasoning,
            output_audio_tokens: out_audio,
            output_image_tokens: out_image,
            output_video_tokens: out_video,
            web_searches,
            file_searches,
            characters,
            audio_ms,
            images,
            ranking_units,
        }
    }

    fn sum(usage: Usage, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| usage.of(*kind)).sum()
    }

    #[test]
    fn sound_beside_a_cache_of_which_no_more_is_told_is_never_taken_for_text() {
        #[rustfmt::skip]
        let cases = [
            // input, cached, audio, of it cached    audio, cached audio, cached text, text
            ((100,    0,      90,    0),             (90,   0,            0,           10)),
            ((100,    10,     90,    0),             (90,   0,            10,          0)),
            ((100,    50,     90,    0),             (50,   40,           10,          0)),
            ((100,    50,     90,    50),            (40,   50,           0,           10)),
            ((100,    50,     20,    30),            (0,    20,           30,          50)),
            ((100,    100,    500,   0),             (0,    100,          0,           0)),
        ];
        for ((input, cached, audio, cached_audio), expected) in cases {
            let usage = Usage {
                input_tokens: input,
                cached_input_tokens: cached,
                input_audio_tokens: audio,
                cached_audio_tokens: cached_audio,
                ..Usage::default()
            };
            let of = |kind| usage.of(kind);
            let found = (
                of(Kind::InputAudio),
                of(Kind::CachedAudio),
                of(Kind::CachedInput),
                of(Kind::Input),
            );
            assert_eq!(found, expected, "{usage:?}");
        }
    }

    #[test]
    fn figures_are_named_as_they_are_written() {
        let usage = Usage::from_figures(std::array::from_fn(|at| at as u64));
        let json = serde_json::to_value(usage).unwrap();
        assert_eq!(json.as_object().unwrap().len(), Usage::COUNT);
        for (at, name) in Usage::NAMES.into_iter().enumerate() {
            assert_eq!(json[name], at, "{name}");
        }
    }

    proptest! {
        /// The parts are those of the wholes, to the last token.
        #[test]
        fn bounded_parts_never_exceed_their_whole(usage in any_usage()) {
            let bounded = usage.bounded();
            prop_assert_eq!(bounded.bounded(), bounded);
            prop_assert!(bounded.figures().iter().all(|figure| *figure <= TOKENS_MAX));
            prop_assert_eq!(usage.parts(), bounded.parts());
            prop_assert_eq!(sum(usage, &Kind::OF_INPUT), bounded.input_tokens);
            prop_assert_eq!(sum(usage, &Kind::OF_OUTPUT), bounded.output_tokens);
            prop_assert_eq!(bounded.input_tokens, usage.input_tokens.min(TOKENS_MAX));
            prop_assert_eq!(bounded.output_tokens, usage.output_tokens.min(TOKENS_MAX));
        }

        #[test]
        fn sound_figures_stay_as_they_are(parts: [u32; 20]) {
            let parts = parts.map(u64::from);
            let usage = usage_of(parts);
            prop_assert_eq!(usage.bounded(), usage);
            prop_assert_eq!(usage.parts().map(|(_, count)| count), parts);
            prop_assert_eq!(usage.parts().map(|(kind, _)| kind), Kind::ALL);
            prop_assert_eq!(usage.total_tokens(), parts[..14].iter().sum::<u64>());
        }

        #[test]
        fn figures_are_read_as_they_are_written(usage in any_usage(), other in any_usage()) {
            prop_assert_eq!(Usage::from_figures(usage.figures()), usage);
            let sums = usage.plus(other).figures();
            for (at, sum) in sums.into_iter().enumerate() {
                prop_assert_eq!(sum, usage.figures()[at].saturating_add(other.figures()[at]));
            }
        }

        #[test]
        fn the_total_never_overflows(usage in any_usage()) {
            prop_assert!(usage.total_tokens() >= usage.input_tokens.max(usage.output_tokens));
        }
    }
}
