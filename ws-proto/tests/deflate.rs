//! Compressed messages against the examples of RFC 7692 §7.2.3, and end to end.
#![cfg(feature = "deflate")]

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Compress, Deflate, Kind, Limits, Message, Part, Prepared, ProtocolError, Session, Step,
};

const FULL: Compression = Compression {
    server: Direction::FULL,
    client: Direction::FULL,
};

fn settings() -> Deflate {
    let mut settings = Deflate::default();
    settings.min_len = 0;
    settings
}

/// A server's frame: unmasked, RSV1 set on the first.
fn client(agreed: Compression) -> Session {
    let limits = Limits::default();
    Session::client(&limits, [1; 32]).compressed(&settings(), &agreed, &limits)
}

fn server(agreed: Compression) -> Session {
    let limits = Limits::default();
    Session::server(&limits).compressed(&settings(), &agreed, &limits)
}

#[track_caller]
fn receives(wire: &[u8], expected: &[&str]) {
    for cut in 0..=wire.len() {
        let mut client = client(FULL);
        let mut got = Vec::new();
        for piece in [&wire[..cut], &wire[cut..]] {
            client.push(piece);
            while let Step::Message(message) = client.step().unwrap() {
                got.push(message.as_text().unwrap().to_owned());
            }
        }
        assert_eq!(got, expected, "cut at {cut}");
    }
}

#[test]
fn a_message_compressed_using_one_block() {
    // §7.2.3.1
    receives(
        &[0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
        &["Hello"],
    );
    receives(
        &[
            0x41, 0x03, 0xF2, 0x48, 0xCD, 0x80, 0x04, 0xC9, 0xC9, 0x07, 0x00,
        ],
        &["Hello"],
    );
}

#[test]
fn sharing_the_window() {
    // §7.2.3.2
    receives(
        &[
            0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xC1, 0x05, 0xF2, 0x00, 0x11,
            0x00, 0x00,
        ],
        &["Hello", "Hello"],
    );
}

#[test]
fn a_block_with_no_compression() {
    // §7.2.3.3
    receives(
        &[
            0xC1, 0x0B, 0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00,
        ],
        &["Hello"],
    );
}

#[test]
fn a_block_with_bfinal() {
    // §7.2.3.4
    receives(
        &[0xC1, 0x08, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        &["Hello"],
    );
}

/// Neither the end of a stream without a tail nor an empty payload may leave a context in which
/// the next message is misread.
#[test]
fn the_end_of_a_stream_leaves_the_context_in_order() {
    receives(
        &[
            0xC1, 0x07, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xC1, 0x07, 0xF2, 0x48, 0xCD,
            0xC9, 0xC9, 0x07, 0x00,
        ],
        &["Hello", "Hello"],
    );
    let mut client = client(FULL);
    client.push(&[0xC1, 0x00]);
    assert_eq!(client.step(), Err(ProtocolError::InvalidDeflate));
}

#[test]
fn two_blocks_in_one_message() {
    // §7.2.3.5
    receives(
        &[
            0xC1, 0x0D, 0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07,
            0x00,
        ],
        &["Hello"],
    );
}

#[test]
fn an_empty_message() {
    // §7.2.3.6
    receives(&[0xC1, 0x01, 0x00], &[""]);
    let mut server = server(FULL);
    server.send("").unwrap();
    assert_eq!(server.unsent(), [0xC1, 0x01, 0x00]);
}

#[test]
fn sends_what_the_rfc_shows() {
    // §7.2.3.1, §7.2.3.2
    let mut server = server(FULL);
    server.send("Hello").unwrap();
    server.send("Hello").unwrap();
    assert_eq!(
        server.unsent(),
        [
            0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xC1, 0x05, 0xF2, 0x00, 0x11,
            0x00, 0x00,
        ]
    );
}

fn carry(from: &mut Session, to: &mut Session) {
    let len = from.unsent().len();
    to.push(from.unsent());
    from.sent(len);
}

/// Compressed, not compressed, in parts and prepared messages in turn: no context gets lost.
#[test]
fn contexts_stay_consistent_whatever_is_compressed() {
    for takeover in [Takeover::Kept, Takeover::Off] {
        for bits in 9..=15 {
            let direction = Direction {
                window: WindowBits::new(bits).unwrap(),
                takeover,
            };
            let agreed = Compression {
                server: direction,
                client: direction,
            };
            let (mut client, mut server) = (client(agreed), server(agreed));
            for round in 0..40_usize {
                let text = format!(
                    "{{\"round\":{round},\"name\":\"{}\"}}",
                    "你好 ".repeat(round * 7)
                );
                let (from, to) = if round % 2 == 0 {
                    (&mut client, &mut server)
                } else {
                    (&mut server, &mut client)
                };
                match round % 5 {
                    0 | 1 => from.send(&text).unwrap(),
                    2 => from.halves().1.send_with(&text, Compress::Never).unwrap(),
                    3 => {
                        let mut prepared = Prepared::new(&text);
                        from.halves().1.send_prepared(&mut prepared).unwrap();
                    }
                    _ => {
                        let (a, b) = text.as_bytes().split_at(text.len() / 2);
                        let out = from.halves().1;
                        out.send_part(Kind::Text, a, Part::More).unwrap();
                        out.send_part(Kind::Text, b, Part::Last).unwrap();
                    }
                }
                carry(from, to);
                assert_eq!(
                    to.step(),
                    Ok(Step::Message(Message::Text(&text))),
                    "{bits} {takeover:?} {round}"
                );
            }
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let mut out = server(FULL);
    let zeros = vec![0; 1 << 20];
    out.send(&zeros[..]).unwrap();
    let mut bomb = out.unsent().to_vec();
    assert!(bomb.len() < 2000);
    bomb[0] &= 0x7F; // not final
    let mut limits = Limits::default();
    limits.max_message = 100_000;
    let mut client = Session::client(&limits, [1; 32]).compressed(&settings(), &FULL, &limits);
    client.push(&bomb);
    assert_eq!(
        client.step(),
        Err(ProtocolError::MessageTooBig { limit: 100_000 })
    );
}

/// A context of one connection is of no use to another that has agreed on a smaller window.
#[test]
fn a_context_is_lent_to_connections_that_agreed_on_the_same() {
    let agreed = |bits| {
        let direction = Direction {
            window: WindowBits::new(bits).unwrap(),
            takeover: Takeover::Off,
        };
        Compression {
            server: direction,
            client: direction,
        }
    };
    let text = "some text ".repeat(10_000);
    let mut wide = server(agreed(15));
    wide.send(&text).unwrap();
    let compressor = wide.halves().1.take_compressor().unwrap();

    let mut narrow = server(agreed(9));
    assert!(narrow.halves().1.wants_compressor(text.len()));
    assert!(!narrow.halves().1.suits_compressor(&compressor));
    let back = narrow.halves().1.lend_compressor(compressor).unwrap();

    let mut same = server(agreed(15));
    assert!(same.halves().1.lend_compressor(back).is_none());
    assert!(!same.halves().1.wants_compressor(text.len()));
    let mut peer = client(agreed(15));
    same.send(&text).unwrap();
    carry(&mut same, &mut peer);
    assert_eq!(peer.step(), Ok(Step::Message(Message::Text(&text))));
}

/// Text that came in one piece is checked when it is handed out; the connection fails just as if
/// it had come in many.
#[test]
fn text_that_is_none_fails_the_connection_however_it_is_cut() {
    let mut server = server(FULL);
    server.send(&b"not text: \xFF"[..]).unwrap();
    let mut wire = server.unsent().to_vec();
    wire[0] = 0xC1;
    for cut in 0..=wire.len() {
        let mut client = client(FULL);
        client.push(&wire[..cut]);
        let early = client.step().err();
        client.push(&wire[cut..]);
        let error = early.or_else(|| client.step().err());
        assert_eq!(error, Some(ProtocolError::InvalidUtf8), "cut at {cut}");
        assert_eq!(client.step(), Err(ProtocolError::InvalidUtf8));
        assert!(client.unsent().starts_with(&[0x88]), "a Close says so");
    }
}
