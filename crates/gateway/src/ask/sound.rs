//! How long the sound in a file is, as far as the file itself tells.

/// The length of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) ms: u64,
    /// Whether that is known, or the most that it can be.
    pub(crate) is_known: bool,
}

/// The least that one second of speech takes in a file: what the tightest codecs in use need, 8 kbit/s.
const BYTES_PER_SECOND_MIN: u64 = 1_000;

/// WAV tells its length by the size of its samples. Of any other file only the size is known, and with
/// that the most that it can hold.
pub(super) fn length(file: &[u8]) -> Length {
    match wav_ms(file) {
        Some(ms) => Length { ms, is_known: true },
        None => Length { ms: duration_ms(file.len(), BYTES_PER_SECOND_MIN), is_known: false },
    }
}

fn duration_ms(bytes: usize, bytes_per_second: u64) -> u64 {
    (bytes as u64).saturating_mul(1_000).div_ceil(bytes_per_second)
}

/// Source: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991. Samples that
/// are not as large as their format says, as of compressed ones, tell no length.
fn wav_ms(file: &[u8]) -> Option<u64> {
    let mut rest = file.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let mut rate = None;
    loop {
        let (id, behind) = rest.split_at_checked(4)?;
        let (size, content) = behind.split_first_chunk()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        match id {
            b"fmt " => rate = Some(bytes_per_second(content)?),
            // What is said to be shorter than it is would cost less than it does; streams that do not
            // know their length say the most.
            b"data" => return Some(duration_ms(content.len(), rate?)),
            _ => {}
        }
        // Chunks begin at even places.
        rest = content.get(size.checked_add(size % 2)?..)?;
    }
}

/// Of uncompressed samples: whole numbers (1), floating-point ones (3), or either (0xfffe).
fn bytes_per_second(format: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u16::from_le_bytes(*format.get(at..)?.first_chunk()?));
    let rate = u32::from_le_bytes(*format.get(4..)?.first_chunk()?);
    let (kind, channels, bits) = (word(0)?, word(2)?, word(14)?);
    let bytes = u64::from(rate) * u64::from(channels) * u64::from(bits) / 8;
    let is_sound = matches!(kind, 1 | 3 | 0xfffe) && (BYTES_PER_SECOND_MIN..).contains(&bytes);
    // Above what any equipment records, the figures are made up.
    (is_sound && rate <= 768_000 && channels <= 32 && bits <= 64).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A WAV file of these samples, in the format of a telephone: 16 000 bytes for a second.
    pub(crate) fn wav(samples: &[u8]) -> Vec<u8> {
        let size = u32::try_from(samples.len()).unwrap();
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend_from_slice(&8_000_u32.to_le_bytes());
        file.extend_from_slice(&16_000_u32.to_le_bytes());
        file.extend_from_slice(&[2, 0, 16, 0]);
        file.extend_from_slice(b"data");
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(samples);
        file
    }

    #[test]
    fn a_wav_file_is_as_long_as_its_samples() {
        let exactly = |ms| Length { ms, is_known: true };
        assert_eq!(length(&wav(&[0; 16_000])), exactly(1_000));
        assert_eq!(length(&wav(&[0; 8_001])), exactly(501), "rounded up");
        let mut listed = wav(&[0; 16_000]);
        listed.splice(12..12, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(length(&listed), exactly(1_000));
        let mut lying = wav(&[0; 16_000]);
        lying[40..44].copy_from_slice(&1_u32.to_le_bytes());
        assert_eq!(length(&lying), exactly(1_000), "what is there counts");
        lying[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(length(&lying), exactly(1_000), "as streams write it");
    }

    #[test]
    fn any_other_file_is_as_long_as_it_can_be_at_most() {
        let at_most = |ms| Length { ms, is_known: false };
        let fast = |mut file: Vec<u8>| {
            file[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
            file
        };
        let packed = |mut file: Vec<u8>| {
            file[20] = 0x55;
            file
        };
        let silent = |mut file: Vec<u8>| {
            file[22] = 0;
            file
        };
        #[rustfmt::skip]
        let cases = [
            (b"ID3".to_vec(),                    at_most(3)),
            (vec![0; 25_000_000],                at_most(25_000_000)),
            (wav(&[0; 956])[..40].to_vec(),      at_most(40)),
            (b"RIFF\0\0\0\0WAVEdata".to_vec(),   at_most(16)),
            (fast(wav(&[0; 956])),               at_most(1_000)),
            (packed(wav(&[0; 956])),             at_most(1_000)),
            (silent(wav(&[0; 956])),             at_most(1_000)),
        ];
        for (file, expected) in cases {
            assert_eq!(length(&file), expected, "{:?}", &file[..file.len().min(44)]);
        }
    }
}
