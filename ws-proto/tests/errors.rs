//! What happens to a peer that breaks a rule: the error has a type, the peer is told the right
//! code, and nothing is delivered any more.

mod support;

use support::{BINARY, CLOSE, CONTINUATION, Driver, End, PING, TEXT, close_payload, frames, head};
use ws_proto::{Limits, ProtocolError, Shutdown, State};

/// Feeds what breaks a rule, after a valid message and before others; checks all that follows.
fn assert_told(end: End, limits: &Limits, wire: &[u8], error: ProtocolError, code: u16) {
    for bytewise in [false, true] {
        let mut driver = Driver::new(end.connection(limits));
        driver.feed(&end.peer_frame(TEXT, b"before"));
        assert_eq!(driver.outcome.seen.len(), 1);
        if bytewise {
            wire.iter().for_each(|byte| driver.feed(&[*byte]));
        } else {
            driver.feed(wire);
        }
        assert_eq!(driver.outcome.error, Some(error));
        assert_eq!(error.close_code().map(u16::from), Some(code));

        // The driver fails if any call answers anything else than this error from now on.
        for more in [
            end.peer_frame(TEXT, b"after"),
            end.peer_part(BINARY, b"after"),
            end.peer_frame(CONTINUATION, b"after"),
            end.peer_frame(PING, b"after"),
            end.peer_frame(CLOSE, &close_payload(1000, "after")),
            vec![0xFF; 300],
            vec![],
        ] {
            driver.feed(&more);
        }
        assert_eq!(driver.outcome.seen.len(), 1, "delivered after an error");
        assert_eq!(driver.connection.receive_eof(), Err(error), "sticky");
        assert_eq!(driver.connection.state(), State::Failed(error));
        assert_eq!(driver.connection.shutdown(), Shutdown::Now);
        assert!(
            !driver
                .connection
                .holds_message(&end.peer_frame(TEXT, b"after"))
        );
        assert!(
            !driver
                .connection
                .holds_control(&end.peer_frame(PING, b"after"))
        );

        let [close] = &frames(&driver.outcome.output)[..] else {
            panic!("one Close: {:x?}", driver.outcome.output);
        };
        assert_eq!(close.opcode(), CLOSE);
        assert_eq!(close.payload, close_payload(code, error.reason()));
    }
}

#[test]
fn a_message_too_big_is_told_1009() {
    let mut limits = Limits::default();
    limits.max_message = 10;
    let error = ProtocolError::MessageTooBig { limit: 10 };
    for end in End::BOTH {
        let wire = end.peer_frame(BINARY, &[0; 11]);
        assert_told(end, &limits, &wire, error, 1009);
        let wire = [
            end.peer_part(TEXT, b"0123456789"),
            end.peer_part(CONTINUATION, b""),
            end.peer_frame(CONTINUATION, b"a"),
        ]
        .concat();
        assert_told(end, &limits, &wire, error, 1009);
        let wire = head(0x82, end.peer_key(), (1 << 63) - 1);
        assert_told(end, &limits, &wire, error, 1009);
    }
}

#[test]
fn too_many_fragments_are_told_1008() {
    for max in [1, 2, 7, 4096] {
        let mut limits = Limits::default();
        limits.max_fragments = max;
        let error = ProtocolError::TooManyFragments { limit: max };
        for end in End::BOTH {
            let mut wire = end.peer_part(BINARY, b"");
            for _ in 1..max {
                wire.extend(end.peer_part(CONTINUATION, b""));
            }
            // As many as that are allowed, with the last of them final.
            let allowed = [
                &wire[..wire.len() - end.peer_part(CONTINUATION, b"").len()],
                &end.peer_frame(if max == 1 { BINARY } else { CONTINUATION }, b""),
            ]
            .concat();
            let outcome = Driver::run(end.connection(&limits), &allowed, &[]);
            assert_eq!((outcome.error, outcome.seen.len()), (None, 1));

            wire.extend(end.peer_frame(CONTINUATION, b""));
            assert_told(end, &limits, &wire, error, 1008);
        }
    }
}

#[test]
fn invalid_utf8_is_told_1007() {
    let error = ProtocolError::InvalidUtf8;
    let limits = Limits::default();
    for end in End::BOTH {
        for wire in [
            end.peer_frame(TEXT, b"\xFF"),
            end.peer_frame(TEXT, b"cut \xE4\xBD"),
            [
                end.peer_part(TEXT, b"ok"),
                end.peer_frame(CONTINUATION, b"\xC1\x80"),
            ]
            .concat(),
            end.peer_frame(CLOSE, b"\x03\xE8\xFF"),
            end.peer_frame(CLOSE, b"\x03\xE8cut \xE4\xBD"),
        ] {
            assert_told(end, &limits, &wire, error, 1007);
        }
    }
}

#[test]
fn bad_headers_are_told_1002() {
    let limits = Limits::default();
    for end in End::BOTH {
        let key = end.peer_key();
        let mask = if key.is_some() { 0x80 } else { 0 };
        let key: Vec<u8> = key.into_iter().flatten().collect();
        let with_key = |bytes: &[u8]| [bytes, &key].concat();
        let (other, wrong) = match end {
            End::Server => (End::Client, ProtocolError::MaskMissing),
            End::Client => (End::Server, ProtocolError::MaskForbidden),
        };
        let begun = end.peer_part(BINARY, b"x");
        let cases = [
            (with_key(&[0xC1, mask]), ProtocolError::ReservedBit),
            (with_key(&[0xA1, mask]), ProtocolError::ReservedBit),
            (with_key(&[0x91, mask]), ProtocolError::ReservedBit),
            (with_key(&[0x83, mask]), ProtocolError::ReservedOpcode),
            (with_key(&[0x8F, mask]), ProtocolError::ReservedOpcode),
            (with_key(&[0x09, mask]), ProtocolError::FragmentedControl),
            (
                with_key(&[0x8A, mask | 126, 0, 126]),
                ProtocolError::ControlTooLong,
            ),
            (
                with_key(&[0x82, mask | 126, 0, 125]),
                ProtocolError::NonMinimalLength,
            ),
            (
                with_key(&[0x82, mask | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
                ProtocolError::NonMinimalLength,
            ),
            (
                with_key(&[0x82, mask | 127, 0x80, 0, 0, 0, 0, 1, 0, 0]),
                ProtocolError::LengthTooLarge,
            ),
            (other.peer_frame(TEXT, b"x"), wrong),
            (
                end.peer_frame(CONTINUATION, b"x"),
                ProtocolError::UnexpectedContinuation,
            ),
            (
                [begun, end.peer_frame(TEXT, b"x")].concat(),
                ProtocolError::ExpectedContinuation,
            ),
            (end.peer_frame(CLOSE, b"\x03"), ProtocolError::CloseTooShort),
            (
                end.peer_frame(CLOSE, &close_payload(1005, "")),
                ProtocolError::InvalidCloseCode(1005),
            ),
        ];
        for (wire, error) in cases {
            assert_told(end, &limits, &wire, error, 1002);
        }
    }
}

/// The Close that was on its way already is the last word: what went wrong afterwards is known
/// here and not told.
#[test]
fn an_error_behind_our_own_close_is_not_told() {
    for end in End::BOTH {
        let mut driver = Driver::new(end.connection(&Limits::default()));
        driver.connection.close(None).expect("open");
        driver.feed(&[0xFF]);
        assert_eq!(driver.outcome.error, Some(ProtocolError::ReservedBit));
        let [close] = &frames(&driver.outcome.output)[..] else {
            panic!("one Close: {:x?}", driver.outcome.output);
        };
        assert_eq!((close.opcode(), &close.payload[..]), (CLOSE, &[][..]));
    }
}

/// Messages that were complete before the error, in the same read, are delivered; the error comes
/// after them.
#[test]
fn what_came_before_the_error_is_delivered() {
    for end in End::BOTH {
        let wire = [
            end.peer_frame(TEXT, b"one"),
            end.peer_frame(PING, b"two"),
            end.peer_frame(BINARY, b"three"),
            vec![0x83],
        ]
        .concat();
        let outcome = Driver::run(end.connection(&Limits::default()), &wire, &[]);
        assert_eq!(outcome.seen.len(), 3);
        assert_eq!(outcome.error, Some(ProtocolError::ReservedOpcode));
    }
}

/// A limit error names the option that raises it.
#[test]
fn limit_errors_name_the_limit() {
    let error = ProtocolError::MessageTooBig { limit: 7 };
    assert_eq!(
        error.to_string(),
        "message too big (Limits::max_message is 7 bytes)"
    );
    let error = ProtocolError::TooManyFragments { limit: 7 };
    assert_eq!(
        error.to_string(),
        "too many fragments (Limits::max_fragments is 7)"
    );
}
