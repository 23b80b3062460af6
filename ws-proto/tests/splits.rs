//! *Split*: however the input is cut, what comes out is the same. Short transcripts here, cut at
//! every place and at every two; random ones are in `properties.rs`.

mod support;

use support::{
    BINARY, CLOSE, CONTINUATION, Driver, End, KEY, Outcome, PING, PONG, TEXT, close_payload, frame,
    head,
};
use ws_proto::{Limits, ProtocolError};

/// A name, the bytes, and the error that they end with.
type Transcript = (&'static str, Vec<u8>, Option<ProtocolError>);

/// Small enough that the transcripts reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_message = 40;
    limits.max_fragments = 4;
    limits
}

fn transcripts(end: End) -> Vec<Transcript> {
    let whole = |opcode, payload: &[u8]| end.peer_frame(opcode, payload);
    let part = |opcode, payload: &[u8]| end.peer_part(opcode, payload);
    let other = match end {
        End::Server => frame(0x81, None, b"Hello"),
        End::Client => frame(0x81, Some(KEY), b"Hello"),
    };
    let wrong = match end {
        End::Server => ProtocolError::MaskMissing,
        End::Client => ProtocolError::MaskForbidden,
    };
    let fragments = [
        part(TEXT, "κ你".as_bytes()),
        whole(PING, b"one"),
        part(CONTINUATION, b""),
        whole(PONG, b""),
        whole(CONTINUATION, "🌍".as_bytes()),
    ]
    .concat();
    vec![
        (
            "messages",
            [whole(TEXT, "你好".as_bytes()), whole(BINARY, &[0xFF; 9])].concat(),
            None,
        ),
        (
            "empty ones",
            [whole(TEXT, b""), whole(BINARY, b""), whole(PING, b"")].concat(),
            None,
        ),
        ("fragments and controls", fragments.clone(), None),
        (
            "two messages in fragments",
            [
                part(BINARY, b"a"),
                whole(CONTINUATION, b"b"),
                part(TEXT, b""),
                whole(CONTINUATION, b""),
            ]
            .concat(),
            None,
        ),
        (
            "pings",
            [
                whole(PING, b"one"),
                whole(PING, b"two"),
                whole(PING, b"three"),
            ]
            .concat(),
            None,
        ),
        (
            "closed, and what follows",
            [
                whole(TEXT, b"x"),
                whole(CLOSE, &close_payload(1000, "bye")),
                whole(TEXT, b"y"),
            ]
            .concat(),
            None,
        ),
        (
            "closed within a message",
            [
                part(TEXT, b"x"),
                whole(CLOSE, b""),
                whole(CONTINUATION, b"y"),
                vec![0xFF],
            ]
            .concat(),
            None,
        ),
        (
            "text that is not",
            [
                whole(TEXT, b"so far"),
                whole(TEXT, b"and \xE4\xBD now"),
                whole(TEXT, b"x"),
            ]
            .concat(),
            Some(ProtocolError::InvalidUtf8),
        ),
        (
            "text cut by its end",
            [
                part(TEXT, b"and \xE4\xBD"),
                whole(CONTINUATION, b""),
                whole(TEXT, b"x"),
            ]
            .concat(),
            Some(ProtocolError::InvalidUtf8),
        ),
        (
            "a length that is not minimal",
            [
                whole(PING, b"x"),
                vec![0x82, if end == End::Server { 0xFE } else { 0x7E }, 0, 5],
                vec![0; 9],
            ]
            .concat(),
            Some(ProtocolError::NonMinimalLength),
        ),
        (
            "too big",
            [
                part(BINARY, &[0; 30]),
                head(0x80, end.peer_key(), 11),
                vec![0; 11],
            ]
            .concat(),
            Some(ProtocolError::MessageTooBig { limit: 40 }),
        ),
        (
            "too many fragments",
            [
                part(BINARY, b""),
                part(CONTINUATION, b"").repeat(4),
                whole(TEXT, b"x"),
            ]
            .concat(),
            Some(ProtocolError::TooManyFragments { limit: 4 }),
        ),
        ("the wrong mask", [fragments, other].concat(), Some(wrong)),
        (
            "a reserved opcode",
            [whole(TEXT, b"x"), whole(0xB, b"y"), whole(TEXT, b"z")].concat(),
            Some(ProtocolError::ReservedOpcode),
        ),
        (
            "a close that may not be",
            [
                whole(CLOSE, &close_payload(1006, "gone")),
                whole(TEXT, b"z"),
            ]
            .concat(),
            Some(ProtocolError::InvalidCloseCode(1006)),
        ),
        (
            "a message within a message",
            [
                part(TEXT, b"x"),
                whole(TEXT, b"y"),
                whole(CONTINUATION, b"z"),
            ]
            .concat(),
            Some(ProtocolError::ExpectedContinuation),
        ),
    ]
}

/// Runs every transcript whole, byte by byte, and cut at every place and every two.
fn assert_same_however_split(run: fn(End, &[u8], &[usize]) -> Outcome) {
    let mut runs = 0_u32;
    for end in End::BOTH {
        for (name, wire, error) in transcripts(end) {
            let whole = run(end, &wire, &[]);
            assert_eq!(whole.error, error, "{name}");
            let every: Vec<_> = (1..wire.len()).collect();
            assert_eq!(run(end, &wire, &every), whole, "{name}, byte by byte");
            for first in 0..=wire.len() {
                for second in first..=wire.len() {
                    let split = run(end, &wire, &[first, second]);
                    assert_eq!(split, whole, "{name}, cut at {first} and {second}");
                    runs += 1;
                }
            }
        }
    }
    assert_ne!(runs, 0, "nothing was cut");
}

#[test]
fn split_a_connection_cut_at_every_two_places() {
    assert_same_however_split(|end, wire, cuts| Driver::run(end.connection(&limits()), wire, cuts));
}

#[cfg(feature = "alloc")]
#[test]
fn split_a_session_cut_at_every_two_places() {
    assert_same_however_split(|end, wire, cuts| {
        support::session::run(end.session(&limits()), wire, cuts)
    });
}

/// A session adds buffers and nothing else: it comes to what its connection comes to.
#[cfg(feature = "alloc")]
#[test]
fn split_a_session_is_its_connection() {
    for end in End::BOTH {
        for (name, wire, _) in transcripts(end) {
            let session = support::session::run(end.session(&limits()), &wire, &[]);
            let connection = Driver::run(end.connection(&limits()), &wire, &[]);
            assert_eq!(session, connection, "{name}");
        }
    }
}
