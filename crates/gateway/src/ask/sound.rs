//! How long the sound in a file is, as far as the file itself tells.

mod packed;

/// The length of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) ms: u64,
    /// No less, and what a hold goes by.
    pub(crate) most_ms: u64,
    /// Whether the length is known, or an estimate.
    pub(crate) is_known: bool,
}

/// What one second of speech takes in a file at least, 8 kbit/s. Not always: Opus goes down to 6 kbit/s, and
/// a codec may leave silence out.
const BYTES_PER_SECOND_MIN: u64 = 1_000;

/// WAV tells its length by the size of its samples. What packed files tell is believed for an estimate;
/// of any other file only the size is known, and with that some most that it can hold.
pub(super) fn length(file: &[u8]) -> Length {
    if let Some(ms) = wav_ms(file) {
        return Length { ms, most_ms: ms, is_known: true };
    }
    let by_size_ms = duration_ms(file.len(), BYTES_PER_SECOND_MIN);
    let ms = packed::told_ms(file).unwrap_or(by_size_ms);
    Length { ms, most_ms: by_size_ms.max(ms), is_known: false }
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
            // Of two some programs take the first, others the last.
            b"fmt " if rate.is_some() => return None,
            b"fmt " => rate = Some(bytes_per_second(content.get(..size)?)?),
            // What is said to be shorter than it is would cost less than it does; streams that do not
            // know their length say the most.
            b"data" => return Some(duration_ms(content.len(), rate?)),
            _ => {}
        }
        // Chunks begin at even places.
        rest = content.get(size.checked_add(size % 2)?..)?;
    }
}

/// What a format of many channels says behind the plain kind of its samples, which are whole numbers or
/// floating-point ones (`KSDATAFORMAT_SUBTYPE_PCM` and `…_IEEE_FLOAT`).
const SUB_FORMAT: &[u8] = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

/// Of uncompressed samples: whole numbers (1), floating-point ones (3), or either (0xfffe). All that a
/// format says of its size must be the same, for one program goes by this and the next by that.
fn bytes_per_second(format: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u16::from_le_bytes(*format.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u32::from_le_bytes(*format.get(at..)?.first_chunk()?));
    let (kind, channels, rate, bits) = (word(0)?, word(2)?, long(4)?, word(14)?);
    let kind = match kind {
        0xfffe if format.get(26..40)? == SUB_FORMAT && word(18)? == bits => word(24)?,
        0xfffe => return None,
        kind => kind,
    };
    let is_sound = matches!((kind, bits), (1, 8 | 16 | 24 | 32) | (3, 32 | 64));
    let block = channels.checked_mul(bits / 8)?;
    let bytes = rate.checked_mul(block.into())?;
    let is_consistent = long(8)? == bytes && word(12)? == block;
    // Above what any equipment records, the figures are made up.
    let is_likely = rate <= 768_000 && channels <= 32 && u64::from(bytes) >= BYTES_PER_SECOND_MIN;
    (is_sound && is_consistent && is_likely).then_some(bytes.into())
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
        let exactly = |ms| Length { ms, most_ms: ms, is_known: true };
        assert_eq!(length(&wav(&[0; 16_000])), exactly(1_000));
        assert_eq!(length(&wav(&[0; 8_001])), exactly(501), "rounded up");
        let mut listed = wav(&[0; 16_000]);
        listed.splice(12..12, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(length(&listed), exactly(1_000));
        let mut many = wav(&[0; 16_000]);
        many[20..22].copy_from_slice(&[0xfe, 0xff]);
        many[16] = 40;
        many.splice(36..36, [&[22, 0, 16, 0, 4, 0, 0, 0, 1, 0][..], SUB_FORMAT].concat());
        assert_eq!(length(&many), exactly(1_000));
        let mut lying = wav(&[0; 16_000]);
        lying[40..44].copy_from_slice(&1_u32.to_le_bytes());
        assert_eq!(length(&lying), exactly(1_000), "what is there counts");
        lying[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(length(&lying), exactly(1_000), "as streams write it");
    }

    #[test]
    fn what_a_packed_file_tells_is_an_estimate_and_does_not_make_its_hold_smaller() {
        let file = |samples: u64| {
            let told = (44_100 << 44) | (1 << 41) | (15 << 36) | samples;
            [&b"fLaC\0\0\0\x22"[..], &[0; 10], &told.to_be_bytes(), &[0; 974]].concat()
        };
        let estimate = |ms, most_ms| Length { ms, most_ms, is_known: false };
        assert_eq!(length(&file(4_410)), estimate(100, 1_000));
        assert_eq!(length(&file(441_000)), estimate(10_000, 10_000));
    }

    #[test]
    fn any_other_file_is_as_long_as_it_can_be_at_most() {
        let at_most = |ms| Length { ms, most_ms: ms, is_known: false };
        // With these bytes at that place.
        let with = |at: usize, bytes: &[u8]| {
            let mut file = wav(&[0; 956]);
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        let extended = |sub_format: &[u8]| {
            let mut file = with(20, &[0xfe, 0xff]);
            file[16] = 40;
            let more = [&[22, 0, 16, 0, 4, 0, 0, 0][..], sub_format].concat();
            file.splice(36..36, more);
            file.truncate(1_000);
            file
        };
        let floating = [&[3, 0][..], SUB_FORMAT].concat();
        let format = wav(&[])[12..36].to_vec();
        let twice = |at: usize| {
            let mut file = wav(&[0; 956]);
            file.splice(at..at, format.iter().copied());
            file
        };
        #[rustfmt::skip]
        let cases = [
            (b"ID3".to_vec(),                    at_most(3)),
            (vec![0; 25_000_000],                at_most(25_000_000)),
            (wav(&[0; 956])[..40].to_vec(),      at_most(40)),
            (b"RIFF\0\0\0\0WAVEdata".to_vec(),   at_most(16)),
            (twice(36),                          at_most(1_024)),
            (with(16, &[14]),                    at_most(1_000)),
            (with(20, &[0x55]),                  at_most(1_000)),
            (with(22, &[0]),                     at_most(1_000)),
            (with(22, &[2]),                     at_most(1_000)),
            (with(24, &[0xff; 4]),               at_most(1_000)),
            (with(28, &[0x81]),                  at_most(1_000)),
            (with(32, &[1]),                     at_most(1_000)),
            (with(34, &[12]),                    at_most(1_000)),
            (with(34, &[32]),                    at_most(1_000)),
            (extended(&floating),                at_most(1_000)),
            (extended(&[0; 16]),                 at_most(1_000)),
            (with(20, &[0xfe, 0xff]),            at_most(1_000)),
        ];
        for (file, expected) in cases {
            assert_eq!(length(&file), expected, "{:?}", &file[..file.len().min(44)]);
        }
    }
}
