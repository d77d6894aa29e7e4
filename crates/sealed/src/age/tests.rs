use super::*;

const BYTES_MAX: usize = 1 << 20;
fn passphrase() -> Passphrase {
    Passphrase::new(SecretString::from("correct horse battery")).unwrap()
}

fn opened(sealed: &[u8]) -> Result<Vec<u8>, AgeError> {
    open(&passphrase(), sealed, BYTES_MAX).map(|plain| plain.to_vec())
}

#[test]
fn what_is_sealed_opens_at_every_edge_of_a_chunk() {
    for len in [0, 1, 65_535, 65_536, 65_537, 131_072] {
        let plain: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let sealed = seal(&passphrase(), &plain).unwrap();
        assert!(is_sealed(&sealed) && opened(&sealed).unwrap() == plain, "{len}");
    }
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let sealed = seal(&passphrase(), b"secret").unwrap();
    let other = Passphrase::given(SecretString::from("correct horse batterz"));
    assert!(matches!(open(&other, &sealed, BYTES_MAX), Err(AgeError::WrongPassphrase)));
}

/// One opening takes as long as a guess, so places are picked: each part of the header, the nonce,
/// the chunks, their tags and the end.
#[test]
fn a_byte_that_was_changed_or_is_missing_is_found() {
    let sealed = seal(&passphrase(), &vec![7; 65_600]).unwrap();
    let header = 1 + sealed.windows(4).position(|part| part == b"\n---").unwrap() + 48;
    let places = [0, 25, 32, 60, 90, header - 2, header + 3, header + 16, 65_700, sealed.len() - 1];
    for at in places {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(opened(&changed).is_err(), "byte {at} changed");
        assert!(opened(&sealed[..at]).is_err(), "cut at {at}");
    }
    let whole_chunks = header + 16 + 65_536 + 16;
    assert!(opened(&sealed[..whole_chunks]).is_err(), "a whole last chunk is missing");
    assert!(opened(&[&sealed[..], b"x"].concat()).is_err(), "something was added");
}

#[test]
fn a_file_that_asks_for_more_work_than_allowed_is_refused_before_it_is_done() {
    let sealed = seal(&passphrase(), b"secret").unwrap();
    let header = String::from_utf8_lossy(&sealed).into_owned();
    let lines: Vec<&str> = header.lines().take(4).collect();
    for (work, expected) in
        [("21", "more work"), ("63", "more work"), ("017", "not a file"), ("+7", "not a file")]
    {
        let asks = lines.join("\n").replacen(" 10\n", &format!(" {work}\n"), 1) + "\n";
        let error = opened(asks.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{work}: {error}");
    }
}

#[test]
fn other_files_are_refused_as_what_they_are() {
    for text in [
        "",
        "{}",
        "age-encryption.org/v1\n",
        "age-encryption.org/v1\n-> X25519 abc\nabc\n--- abc\n",
    ] {
        assert!(matches!(opened(text.as_bytes()), Err(AgeError::NotAge)), "{text}");
    }
    assert!(matches!(opened(&[b'x'; 500]), Err(AgeError::NotAge)));
}

#[test]
fn a_passphrase_is_long_enough_and_is_never_printed() {
    for (chars, fits) in [(11, false), (12, true), (1_024, true), (1_025, false)] {
        assert_eq!(Passphrase::new("ä".repeat(chars).into()).is_ok(), fits, "{chars}");
    }
    assert_eq!(format!("{:?}", passphrase()), "Passphrase([REDACTED])");
}
