//! Frames: read as they were sent, or not at all.

use doorward_dialect::bedrock::Frames;
use proptest::collection::vec;
use proptest::prelude::*;

use super::support::{frame, frame_of, frames, sealed};

const LINES: &str = concat!(
    r#"{"messageStart":{"role":"assistant"}}"#,
    "\n",
    r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Grüße"}}}"#,
    "\n",
    r#"{"messageStop":{"stopReason":"end_turn"}}"#,
);

fn read(stream: &[u8]) -> String {
    let mut out = Vec::new();
    Frames::new().push(stream, &mut out);
    String::from_utf8(out).unwrap()
}

fn is_refused(events: &str) -> bool {
    events.ends_with("}\n\n")
        && events.matches(r#"data: {"error":{"unreadableFrame":"#).count() == 1
}

#[test]
fn each_frame_is_an_event_with_its_name() {
    let expected = LINES.lines().map(|line| format!("data: {line}\n\n")).collect::<Vec<_>>();
    let expected = expected.concat();
    assert_eq!(read(&frames(LINES)), expected);
}

#[test]
fn an_exception_and_an_error_without_a_model_are_errors() {
    let message = r#"{"message":"slow down"}"#;
    let told = read(&frame("throttlingException", message));
    assert_eq!(told, format!("data: {{\"error\":{{\"throttlingException\":{message}}}}}\n\n"));
    let headers =
        [(":message-type", "error"), (":error-code", "Fail\"ed"), (":error-message", "a\nb")];
    let told = read(&frame_of(&headers, b""));
    assert_eq!(told, "data: {\"error\":{\"Fail\\\"ed\":{\"message\":\"a\\nb\"}}}\n\n");
}

#[test]
fn a_line_end_between_values_does_not_end_the_event() {
    let told = read(&frame("messageStop", "{\r\n \"stopReason\":\n\"end_turn\"}"));
    assert_eq!(told, "data: {\"messageStop\":{   \"stopReason\": \"end_turn\"}}\n\n");
}

#[test]
fn headers_of_every_kind_are_passed_over() {
    let mut headers = Vec::new();
    for (kind, bytes) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        headers.extend_from_slice(&[1, b'x', kind]);
        headers.extend(std::iter::repeat_n(0xff, bytes));
    }
    headers.extend_from_slice(&[1, b'y', 6, 0, 2, 0xff, 0xff]);
    let own = frame_of(&[(":message-type", "event"), (":event-type", "metadata")], b"");
    headers.extend_from_slice(&own[12..own.len() - 4]);
    assert_eq!(read(&sealed(&headers, b"{}")), "data: {\"metadata\":{}}\n\n");
}

#[test]
fn what_is_no_frame_is_refused_and_so_is_everything_behind_it() {
    let text = |name: &str, value: &[u8]| {
        let mut header = vec![u8::try_from(name.len()).unwrap()];
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(&[7, 0, u8::try_from(value.len()).unwrap()]);
        header.extend_from_slice(value);
        header
    };
    let with_lengths = |total: u32, headers: u32| {
        let mut frame = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame
    };
    #[rustfmt::skip]
    let cases = [
        ("too long",               with_lengths((1 << 20) + 1, 0)),
        ("endless",                with_lengths(u32::MAX, 0)),
        ("too short",              with_lengths(15, 0)),
        ("headers beyond its end", with_lengths(20, 5)),
        ("a kind of none",         sealed(&[1, b'x', 10], b"{}")),
        ("a header that is cut",   sealed(&[5, b'x'], b"{}")),
        ("a value that is cut",    sealed(&[1, b'x', 7, 0, 9, b'a'], b"{}")),
        ("a name of nothing",      sealed(&[0, 0], b"{}")),
        ("no UTF-8",               sealed(&text(":event-type", &[0xff]), b"{}")),
    ];
    for (case, bytes) in cases {
        let stream = [frames(LINES), bytes, frames(LINES)].concat();
        let told = read(&stream);
        assert!(is_refused(&told), "{case}: {told}");
        assert!(told.starts_with(&read(&frames(LINES))), "{case}: {told}");
    }
}

#[test]
fn one_flipped_bit_is_seen_wherever_it_is() {
    let stream = frames(LINES);
    let whole = read(&stream);
    for place in 0..stream.len() * 8 {
        let mut bad = stream.clone();
        bad[place / 8] ^= 1 << (place % 8);
        let told = read(&bad);
        assert!(is_refused(&told), "bit {place}: {told}");
        let before = told.split("data: {\"error\"").next().unwrap();
        assert!(whole.starts_with(before), "bit {place}: {told}");
    }
}

proptest! {
    /// Cuts and garbage change nothing but where the events end.
    #[test]
    fn any_bytes_say_the_same_wherever_they_are_cut(
        garbage in vec(any::<u8>(), 0..40),
        cuts in vec(1_usize..90, 1..40),
    ) {
        let stream = [frames(LINES), garbage].concat();
        let whole = read(&stream);
        let (mut pieces, mut out, mut rest) = (Frames::new(), Vec::new(), &stream[..]);
        for bytes in cuts.into_iter().cycle() {
            let (piece, behind) = rest.split_at(bytes.min(rest.len()));
            pieces.push(piece, &mut out);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), whole);
    }
}
