//! How long a file of packed sound says that it is.
//!
//! Sources: ISO/IEC 11172-3, section 2.4 (MP3); RFC 3533, section 6, and RFC 7845, section 5.1 (Ogg);
//! RFC 9639, section 8.2 (FLAC); ISO/IEC 14496-12, section 8.2.2 (MP4).

use memchr::memmem;

/// What no sound of these formats takes more of in a millisecond, 512 kbit/s: a file that says that it is
/// shorter would be billed at less than it costs.
const BYTES_PER_MS_MAX: u64 = 64;
/// A day: beyond, the figures are made up.
const MS_MAX: u64 = 86_400_000;
/// The most boxes of an MP4 file, or of one of them, that are looked at.
const BOXES_MAX: usize = 64;

/// The length that a file of MP3, Ogg, FLAC or MP4 tells, in milliseconds. `None`: it tells none.
pub(super) fn told_ms(file: &[u8]) -> Option<u64> {
    let ms = if file.starts_with(b"OggS") {
        at_least(file, ogg_ms(file)?)
    } else if file.starts_with(b"fLaC") {
        flac_ms(file)?
    } else if file.get(4..8)? == b"ftyp" {
        at_least(file, mp4_ms(file)?)
    } else {
        mp3_ms(file)?
    };
    (1..=MS_MAX).contains(&ms).then_some(ms)
}

fn at_least(file: &[u8], ms: u64) -> u64 {
    ms.max(file.len() as u64 / BYTES_PER_MS_MAX)
}

fn ms_of(samples: u64, per_second: u64) -> Option<u64> {
    let thousandths = samples.checked_mul(1_000)?;
    (per_second > 0).then(|| thousandths.div_ceil(per_second))
}

/// The samples until the end of the last page.
fn ogg_ms(file: &[u8]) -> Option<u64> {
    let first = file.get(27 + usize::from(*file.get(26)?)..)?;
    let per_second = if first.starts_with(b"OpusHead") {
        48_000
    } else {
        u64::from(u32::from_le_bytes(*first.strip_prefix(b"\x01vorbis")?.get(5..)?.first_chunk()?))
    };
    let last = file.get(memmem::rfind(file, b"OggS")? + 6..)?;
    ms_of(u64::from_le_bytes(*last.first_chunk()?), per_second)
}

/// What its head tells, and no less than the file would hold unpacked.
fn flac_ms(file: &[u8]) -> Option<u64> {
    let told = u64::from_be_bytes(*file.get(18..)?.first_chunk()?);
    let (per_second, samples) = (told >> 44, told & 0xf_ffff_ffff);
    let bits = (((told >> 41) & 7) + 1) * (((told >> 36) & 31) + 1);
    let unpacked = (file.len() as u64).checked_mul(8)?.checked_div(bits)?;
    ms_of(samples.max(unpacked), per_second)
}

fn mp4_ms(file: &[u8]) -> Option<u64> {
    let head = content_of(content_of(file, *b"moov")?, *b"mvhd")?;
    let long = |at: usize| Some(u64::from(u32::from_be_bytes(*head.get(at..)?.first_chunk()?)));
    match head.first()? {
        0 => ms_of(long(16)?, long(12)?),
        1 => ms_of(u64::from_be_bytes(*head.get(24..)?.first_chunk()?), long(20)?),
        _ => None,
    }
}

/// What is in the first box of this name.
fn content_of(mut boxes: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    for _ in 0..BOXES_MAX {
        let (size, behind) = boxes.split_first_chunk::<4>()?;
        let (name, behind) = behind.split_first_chunk::<4>()?;
        let (head, size) = match u32::from_be_bytes(*size) {
            0 => (8, boxes.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*behind.first_chunk()?)).ok()?),
            size => (8, usize::try_from(size).ok()?),
        };
        let content = boxes.get(head..size)?;
        if *name == wanted {
            return Some(content);
        }
        boxes = boxes.get(size..)?;
    }
    None
}

/// Frame by frame, as it is played. What is no frame counts as the most that it can be.
fn mp3_ms(file: &[u8]) -> Option<u64> {
    let mut rest = file.get(tag_bytes(file)..)?;
    let mut us = 0;
    while let Some(frame) = Frame::at(rest)
        && let Some(behind) = rest.get(frame.bytes..)
    {
        us += frame.us;
        rest = behind;
    }
    (us > 0)
        .then(|| us.div_ceil(1_000) + super::duration_ms(rest.len(), super::BYTES_PER_SECOND_MIN))
}

/// The tag that may stand before the first frame (`ID3v2`).
fn tag_bytes(file: &[u8]) -> usize {
    match file {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            [a, b, c, d].iter().fold(0, |size, byte| (size << 7) | usize::from(**byte & 0x7f)) + 10
        }
        _ => 0,
    }
}

struct Frame {
    bytes: usize,
    us: u64,
}

impl Frame {
    /// The frame of layer III that begins here.
    fn at(bytes: &[u8]) -> Option<Self> {
        const KBITS: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const KBITS_LOW: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        const HZ: [u32; 3] = [44_100, 48_000, 32_000];
        let &[0xff, kind, rates, _, ..] = bytes else { return None };
        // The version of MPEG: 1, 2 or 2.5.
        let (table, slower, samples) = match kind & 0b1111_1110 {
            0b1111_1010 => (KBITS, 0, 1_152_u32),
            0b1111_0010 => (KBITS_LOW, 1, 576),
            0b1110_0010 => (KBITS_LOW, 2, 576),
            _ => return None,
        };
        let kbits = *table.get(usize::from(rates >> 4)).filter(|kbits| **kbits > 0)?;
        let hz = HZ.get(usize::from((rates >> 2) & 3))? >> slower;
        let size = samples / 8 * kbits * 1_000 / hz + u32::from((rates >> 1) & 1);
        let us = u64::from(samples) * 1_000_000 / u64::from(hz);
        Some(Self { bytes: usize::try_from(size).ok()?, us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(head: [u8; 4], bytes: usize, count: usize) -> Vec<u8> {
        let mut frame = vec![0; bytes];
        frame[..4].copy_from_slice(&head);
        frame.repeat(count)
    }

    fn ogg(head: &[u8], granule: u64, bytes: usize) -> Vec<u8> {
        let page = |granule: u64, content: &[u8]| {
            [&b"OggS\0\x02"[..], &granule.to_le_bytes(), &[0; 12], &[1, 30], content].concat()
        };
        [page(0, head), page(granule, &vec![0; bytes])].concat()
    }

    fn flac(samples: u64, bytes: usize) -> Vec<u8> {
        let told = (44_100 << 44) | (1 << 41) | (15 << 36) | samples;
        let mut file = b"fLaC\0\0\0\x22".to_vec();
        file.extend([0; 10]);
        file.extend(told.to_be_bytes());
        file.resize(bytes, 0);
        file
    }

    fn a_box(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    fn mp4(head: &[u8], bytes: usize) -> Vec<u8> {
        let moov = a_box(*b"moov", &[a_box(*b"free", b"x"), a_box(*b"mvhd", head)].concat());
        [a_box(*b"ftyp", b"M4A "), a_box(*b"mdat", &vec![0; bytes]), moov].concat()
    }

    #[test]
    fn a_packed_file_tells_its_length() {
        let mp3 = |count| frames([0xff, 0xfb, 0x90, 0], 417, count);
        let tagged = [&b"ID3\x04\0\0\0\0\x01\x02"[..], &[0; 130], &mp3(100)].concat();
        let trailed = [&mp3(100)[..], &[b'x'; 500]].concat();
        let vorbis =
            [&b"\x01vorbis"[..], &[0; 4], &[2], &44_100_u32.to_le_bytes(), &[0; 14]].concat();
        let older = [&[0; 12][..], &1_000_u32.to_be_bytes(), &2_500_u32.to_be_bytes()].concat();
        let newer =
            [&[1][..], &[0; 19], &1_000_u32.to_be_bytes(), &2_500_u64.to_be_bytes()].concat();
        let huge = [&[1][..], &[0; 19], &1_000_u32.to_be_bytes(), &u64::MAX.to_be_bytes()].concat();
        #[rustfmt::skip]
        let cases: [(&str, Vec<u8>, Option<u64>); 20] = [
            ("MP3",                       mp3(100),                                   Some(2_613)),
            ("MP3 behind a tag",          tagged,                                     Some(2_613)),
            ("MP3 and something else",    trailed,                                    Some(2_613 + 500)),
            ("MP3 that is cut",           mp3(100)[..41_600].to_vec(),                Some(2_587 + 317)),
            ("MP3 of 8 kbit/s",           frames([0xff, 0xf3, 0x14, 0], 24, 100),     Some(2_400)),
            ("MP3 of no rate",            frames([0xff, 0xfb, 0x00, 0], 417, 100),    None),
            ("Opus",                      ogg(b"OpusHead", 96_000, 9_000),            Some(2_000)),
            ("Opus said to be shorter",   ogg(b"OpusHead", 1, 64_000),                Some(1_001)),
            ("Vorbis",                    ogg(&vorbis, 88_200, 9_000),                Some(2_000)),
            ("Ogg of another kind",       ogg(b"Speex   ", 88_200, 9_000),            None),
            ("Ogg without an end",        ogg(b"OpusHead", u64::MAX, 9_000),          None),
            ("FLAC",                      flac(88_200, 90_000),                       Some(2_000)),
            ("FLAC said to be shorter",   flac(1, 176_400),                           Some(1_000)),
            ("FLAC that is cut",          flac(88_200, 20),                           None),
            ("MP4",                       mp4(&older, 9_000),                         Some(2_500)),
            ("MP4 of the later version",  mp4(&newer, 9_000),                         Some(2_500)),
            ("MP4 said to be shorter",    mp4(&older, 640_000),                       Some(10_001)),
            ("MP4 of an odd length",      mp4(&huge, 9_000),                          None),
            ("MP4 without a scale",       mp4(&[0; 20], 9_000),                       None),
            ("nothing",                   Vec::new(),                                 None),
        ];
        for (name, file, expected) in cases {
            assert_eq!(told_ms(&file), expected, "{name}");
        }
    }

    proptest::proptest! {
        /// Nothing that anybody sends does more than tell no length.
        #[test]
        fn nonsense_is_bounded(
            start in proptest::sample::select(vec![&b"OggS"[..], b"fLaC", b"\0\0\0\x08ftyp", b"\xff\xfb\x90", b"ID3"]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let told = told_ms(&[start, &rest].concat());
            proptest::prop_assert!(told.is_none_or(|ms| ms <= MS_MAX));
        }
    }
}
