//! What [`Connection`] promises, each promise under its name. *No alloc* and *no trust* have
//! binaries of their own, for they count what is allocated.

use crate::support::End;
use ws_proto::{
    Close, CloseCode, Connection, Event, Kind, Limits, Message, Opcode, Part, ProtocolError,
    SendError, Shutdown, State,
};
use ws_testkit::{BINARY, CLOSE, CONTINUATION, Got, PING, PONG, TEXT, close_payload, frames, head};

/// One of everything, as this end's peer would send it.
fn conversation(end: End) -> Vec<u8> {
    [
        end.peer_frame(TEXT, "κόσμε".as_bytes()),
        end.peer_frame(BINARY, &[0xFE; 200]),
        end.peer_frame(PING, b"are you there"),
        end.peer_part(TEXT, b""),
        end.peer_part(CONTINUATION, &"你".as_bytes()[..2]),
        end.peer_frame(PONG, &[0xAA; 125]),
        end.peer_frame(CONTINUATION, &"你".as_bytes()[2..]),
        end.peer_frame(TEXT, b""),
        end.peer_frame(BINARY, &vec![0x55; 70_000]),
        end.peer_frame(CLOSE, &close_payload(1000, "bye")),
    ]
    .concat()
}

/// What an application sees of it.
fn conversation_seen() -> Vec<Got> {
    vec![
        Got::Text("κόσμε".into()),
        Got::Binary(vec![0xFE; 200]),
        Got::Ping(b"are you there".into()),
        Got::Pong(vec![0xAA; 125]),
        Got::Text("你".into()),
        Got::Text(String::new()),
        Got::Binary(vec![0x55; 70_000]),
        Got::Close(Some((1000, "bye".into()))),
    ]
}

/// No event means that more input is needed, and nothing else: the same bytes again give nothing,
/// and something was given wherever a frame ended.
#[test]
fn starved_no_event_if_and_only_if_more_input_is_needed() {
    for end in End::BOTH {
        let wire = conversation(end);
        let mut connection = end.connection(&Limits::default());
        let (mut held, mut events) = (Vec::new(), 0);
        for &byte in &wire {
            held.push(byte);
            loop {
                let before = held.clone();
                let received = connection.receive(&mut held).expect("in order");
                let (consumed, is_event) = (received.consumed, received.event.is_some());
                held.drain(..consumed);
                if is_event {
                    events += 1;
                    continue;
                }
                if consumed == 0 {
                    assert_eq!(held, before, "starved, and yet the input was changed");
                }
                // Asking again changes nothing.
                let again = connection.receive(&mut held).expect("in order");
                assert_eq!((again.consumed, again.event), (0, None));
                break;
            }
        }
        assert!(held.is_empty());
        // A chunk for each payload byte of the data frames, and one for each frame that has none.
        let chunks = "κόσμε".len() + 200 + 1 + 2 + 1 + 1 + 70_000;
        assert_eq!(events, chunks + 3);
    }
}

/// An empty fragment has no bytes to be a chunk of: its end is an event all the same.
#[test]
fn starved_the_end_of_an_empty_fragment_is_an_event() {
    let end = End::Client;
    let mut wire = [
        end.peer_part(BINARY, b""),
        end.peer_part(CONTINUATION, b""),
        end.peer_frame(CONTINUATION, b""),
    ]
    .concat();
    let mut connection = end.connection(&Limits::default());
    for (at, part) in [(0, Part::More), (2, Part::More), (4, Part::Last)] {
        let received = connection.receive(&mut wire[at..]).expect("in order");
        let Some(Event::Chunk(chunk)) = received.event else {
            panic!("{received:?}");
        };
        assert_eq!(
            (received.consumed, chunk.payload, chunk.part),
            (2, &[][..], part)
        );
    }
}

/// After a Close everything is consumed and nothing is an event.
#[test]
fn starved_after_a_close_the_rest_is_dropped() {
    for end in End::BOTH {
        let wire = [end.peer_frame(CLOSE, b""), conversation(end)].concat();
        let outcome = end.hears(&Limits::default(), &wire, &[]);
        assert_eq!(outcome.seen(), [Got::Close(None)]);
        assert_eq!(outcome.error(), None);
    }
}

#[test]
fn split_whole_and_byte_by_byte_are_the_same() {
    for end in End::BOTH {
        let wire = conversation(end);
        let whole = end.hears(&Limits::default(), &wire, &[]);
        let every: Vec<_> = (1..wire.len()).collect();
        let bytewise = end.hears(&Limits::default(), &wire, &every);
        assert_eq!(whole, bytewise);
        assert_eq!(whole.seen(), conversation_seen());
        assert_eq!(whole.error(), None);
    }
}

/// The longest that can be held: a control frame of which one byte is missing. 131 bytes are the
/// longest control frame, 14 the longest header.
#[test]
fn held_fewer_than_140_bytes_are_left_unconsumed() {
    let mut longest = 0;
    for end in End::BOTH {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            for len in [0, 1, 2, 124, 125, 126, 65_535, 65_536] {
                if opcode >= CLOSE && len > 125 {
                    continue;
                }
                let payload = match (opcode, len) {
                    (CLOSE, 2..) => close_payload(1000, &"r".repeat(len - 2)),
                    (CLOSE, _) => continue,
                    _ => vec![b'x'; len],
                };
                let wire = end.peer_frame(opcode, &payload);
                for cut in 0..wire.len().min(200) {
                    let mut connection = end.connection(&Limits::default());
                    let mut input = wire[..cut].to_vec();
                    let received = connection.receive(&mut input).expect("in order");
                    let left = cut - received.consumed;
                    assert!(received.event.is_none() || left == 0);
                    longest = longest.max(left);
                }
            }
        }
    }
    assert_eq!(longest, 130);
}

/// The payload lies at the end of what was consumed, unmasked where it lay: so a caller can keep
/// it without copying.
#[test]
fn tail_an_events_payload_is_the_tail_of_the_consumed_bytes() {
    for end in End::BOTH {
        for cut in [usize::MAX, 7, 40] {
            let mut wire = conversation(end);
            let mut connection = end.connection(&Limits::default());
            let (mut at, mut until, mut payloads) = (0, 0, 0);
            while at < wire.len() {
                until = until.max(at).saturating_add(cut).min(wire.len());
                let received = connection.receive(&mut wire[at..until]).expect("in order");
                let consumed = at + received.consumed;
                let payload = received
                    .event
                    .map(|event| ws_testkit::payload_of(&event).to_vec());
                if let Some(payload) = payload {
                    let tail = &wire[consumed - payload.len()..consumed];
                    assert_eq!(tail, payload);
                    payloads += payload.len();
                }
                at = consumed;
            }
            let all = "κόσμε".len() + 200 + 13 + 3 + 125 + 70_000 + "bye".len();
            assert_eq!(payloads, all);
        }
    }
}

/// What lies whole at the start of the input is told before it is received, and a cut of it is not.
#[test]
fn held_what_lies_whole_is_told_before_it_is_received() {
    for end in End::BOTH {
        let mut connection = end.connection(&Limits::default());
        for (opcode, payload, message, control) in [
            (TEXT, &b"hello"[..], true, false),
            (BINARY, &[7; 300], true, false),
            (PING, b"are you there", false, true),
            (CLOSE, &close_payload(1000, "bye"), false, true),
        ] {
            let mut wire = end.peer_frame(opcode, payload);
            let held = |input: &[u8]| {
                (
                    connection.holds_message(input),
                    connection.holds_control(input),
                )
            };
            assert_eq!(held(&wire), (message, control), "{opcode}");
            assert_eq!(held(&wire[..wire.len() - 1]), (false, false), "{opcode}");
            assert!(!connection.is_closed_by_peer());
            let len = wire.len();
            let received = connection.receive(&mut wire).expect("in order");
            assert!(received.consumed == len && received.event.is_some());
        }
        assert!(connection.is_closed_by_peer());
    }
}

/// A stream that has ended is told apart from a peer that has closed, and from one that was wrong.
#[test]
fn eof_is_known_to_the_half_that_receives() {
    for end in End::BOTH {
        let receiver = || end.connection(&Limits::default()).split().0;
        let mut cut = receiver();
        assert!(!cut.is_ended());
        assert_eq!(cut.receive_eof(), Err(ProtocolError::UnexpectedEof));
        assert!(cut.is_ended());

        let mut closed = receiver();
        let mut wire = end.peer_frame(CLOSE, &close_payload(1000, ""));
        assert!(closed.receive(&mut wire).is_ok());
        assert!(!closed.is_ended());
        assert_eq!(closed.receive_eof(), Ok(()));
        assert!(closed.is_ended());

        let mut wrong = receiver();
        assert!(wrong.receive(&mut [0xFF]).is_err());
        assert!(!wrong.is_ended());
    }
}

/// However it is sent, it is the same frame, after what was there.
#[cfg(feature = "alloc")]
#[test]
fn send_to_adds_what_send_writes() {
    for end in End::BOTH {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![7; len];
            let (mut one, mut other) = (
                end.connection(&Limits::default()),
                end.connection(&Limits::default()),
            );
            let mut written = vec![0; one.frame_len(len)];
            assert_eq!(
                one.send(Message::Binary(&payload), &mut written),
                Ok(written.len())
            );
            let mut out = b"before".to_vec();
            assert_eq!(other.send_to(Message::Binary(&payload), &mut out), Ok(()));
            assert!(out == [b"before", &written[..]].concat(), "{end:?}, {len}");
            let [frame] = &frames(&written)[..] else {
                panic!("one frame of {len}");
            };
            assert!(frame.payload == payload);
        }
    }
}

/// Replying while the message is held: that this compiles is the contract.
#[test]
fn echo_a_reply_while_the_message_is_held() {
    let mut wire = End::Server.peer_frame(TEXT, b"Hello");
    let mut server = Connection::server(&Limits::default());
    let received = server.receive(&mut wire).expect("in order");
    let Some(Event::Message(message)) = received.event else {
        panic!("{received:?}");
    };
    let mut out = [0; 16];
    let len = server.send(message, &mut out).expect("room, and open");
    assert_eq!(message, Message::Text("Hello"));
    assert_eq!(out[..len], *b"\x81\x05Hello");
}

#[test]
fn pong_one_for_any_number_of_pings_and_it_answers_the_last() {
    for end in End::BOTH {
        for count in [1, 2, 3, 1000] {
            let mut wire = Vec::new();
            for i in 0..count {
                wire.extend(end.peer_frame(PING, format!("ping {i}").as_bytes()));
            }
            let mut connection = end.connection(&Limits::default());
            let (mut at, mut pings) = (0, 0);
            while at < wire.len() {
                let received = connection.receive(&mut wire[at..]).expect("in order");
                at += received.consumed;
                pings += usize::from(matches!(received.event, Some(Event::Ping(_))));
            }
            assert_eq!(pings, count, "each one is shown");
            let pong = connection.poll_transmit().expect("a Pong");
            assert_eq!(pong.opcode(), Opcode::Pong);
            let [pong] = &frames(pong.as_ref())[..] else {
                panic!("{pong:?}");
            };
            assert_eq!(pong.payload, format!("ping {}", count - 1).as_bytes());
            assert!(connection.poll_transmit().is_none());
        }
    }
}

/// Two control frames that wait and a Close: the Close is the last.
#[test]
fn pong_before_ping_before_close() -> Result<(), SendError> {
    let mut server = Connection::server(&Limits::default());
    server.ping(b"first")?;
    server.ping(b"later")?;
    let _ = server.receive(&mut End::Server.peer_frame(PING, b"theirs"));
    server.close(None)?;
    let mut wire: Vec<u8> = Vec::new();
    while let Some(control) = server.poll_transmit() {
        wire.extend(control.as_ref());
    }
    assert_eq!(wire, b"\x8A\x06theirs\x89\x05later\x88\x00");
    Ok(())
}

/// Everything that could be sent behind a Close is refused, and leaves no trace.
fn assert_silent(connection: &mut Connection, context: &str) {
    let mut out = [0xEE; 64];
    let closed = Err(SendError::Closed);
    let close = Close::from(CloseCode::NORMAL);
    assert_eq!(
        connection.send(Message::Text("x"), &mut out),
        Err(SendError::Closed)
    );
    assert_eq!(out, [0xEE; 64], "{context}: bytes were encoded");
    let header = connection.begin(Kind::Binary, 1, Part::Last);
    assert_eq!(header.map(|_| ()), closed, "{context}");
    assert_eq!(connection.ping(b"x"), closed, "{context}");
    assert_eq!(connection.pong(b"x"), closed, "{context}");
    assert_eq!(connection.close(Some(close)), closed, "{context}");
    assert_eq!(connection.close(None), closed, "{context}");
}

#[test]
fn last_word_nothing_is_encoded_after_a_close() {
    let by_us = |connection: &mut Connection, _: End| {
        let close = Close::new(CloseCode::GOING_AWAY, "that was all").expect("short");
        connection.close(Some(close)).expect("open");
    };
    let by_peer = |connection: &mut Connection, end: End| {
        let mut wire = end.peer_frame(CLOSE, &close_payload(1001, "that was all"));
        let _ = connection.receive(&mut wire).expect("in order");
    };
    let by_error = |connection: &mut Connection, _: End| {
        let _ = connection.receive(&mut [0xFF]).expect_err("reserved");
    };
    let by_eof = |connection: &mut Connection, _: End| {
        let _ = connection.receive_eof();
    };
    type Ending = fn(&mut Connection, End);
    let endings: [(&str, Ending, Option<u16>); 4] = [
        ("by us", by_us, Some(1001)),
        ("by peer", by_peer, Some(1001)),
        ("by error", by_error, Some(1002)),
        ("by eof", by_eof, None),
    ];
    for (context, ending, code) in endings {
        for end in End::BOTH {
            let mut connection = end.connection(&Limits::default());
            ending(&mut connection, end);
            assert_silent(&mut connection, context);
            // A Ping that comes before the Close was written is not answered behind it.
            let _ = connection.receive(&mut end.peer_frame(PING, b"too late"));
            let mut output = Vec::new();
            while let Some(control) = connection.poll_transmit() {
                output.extend(control.as_ref());
            }
            let codes: Vec<_> = frames(&output)
                .iter()
                .map(|f| (f.opcode(), u16::from_be_bytes([f.payload[0], f.payload[1]])))
                .collect();
            assert_eq!(
                codes,
                Vec::from_iter(code.map(|code| (CLOSE, code))),
                "{context}"
            );
            assert_silent(&mut connection, context);
            let _ = connection.receive(&mut end.peer_frame(PING, b"too late"));
            let _ = connection.receive_eof();
            assert!(connection.poll_transmit().is_none(), "{context}");
        }
    }
}

/// A message that was begun does not go on behind a Close.
#[test]
fn last_word_within_a_fragmented_message() -> Result<(), SendError> {
    let mut server = Connection::server(&Limits::default());
    server.begin(Kind::Text, 1, Part::More)?;
    server.close(None)?;
    let goes_on = server.begin(Kind::Text, 1, Part::Last);
    assert_eq!(goes_on.map(|_| ()), Err(SendError::Closed));
    Ok(())
}

/// What a header alone gives away is told on the header alone. The table of all headers is in
/// `header_table.rs`; here is what depends on limits.
#[test]
fn header_time_limits_are_judged_before_a_payload_byte() {
    let mut limits = Limits::default();
    limits.max_message = 1000;
    limits.max_fragments = 3;
    let too_big = ProtocolError::MessageTooBig { limit: 1000 };
    let too_many = ProtocolError::TooManyFragments { limit: 3 };
    for end in End::BOTH {
        let key = end.peer_key();
        let begun = end.peer_part(BINARY, &[0; 600]);
        let three = [
            end.peer_part(TEXT, b"a"),
            end.peer_part(CONTINUATION, b""),
            end.peer_part(CONTINUATION, b"c"),
        ]
        .concat();
        let cases: [(&[u8], u8, u64, Option<ProtocolError>); 8] = [
            (&[], 0x82, 1000, None),
            (&[], 0x82, 1001, Some(too_big)),
            (&[], 0x01, 1001, Some(too_big)),
            (&[], 0x82, (1 << 63) - 1, Some(too_big)),
            (&begun, 0x80, 400, None),
            (&begun, 0x80, 401, Some(too_big)),
            (&begun, 0x00, (1 << 63) - 1, Some(too_big)),
            (&three, 0x80, 5, Some(too_many)),
        ];
        for (before, first, len, error) in cases {
            let mut conversation = end.conversation(&limits);
            conversation.hear(before);
            assert_eq!(conversation.error(), None);
            let header = head(first, key, len);
            conversation.hear(&header[..header.len() - 1]);
            assert_eq!(conversation.error(), None, "before the header is there");
            conversation.hear(&header[header.len() - 1..]);
            assert_eq!(conversation.error(), error, "{first:x} {len}");
            assert_eq!(
                conversation.engine.connection().payload_remaining(),
                if error.is_none() { len } else { 0 }
            );
        }
    }
}

/// Text fails at the first byte that nothing can follow to make it valid, within an unfinished
/// frame too (§8.1).
#[test]
fn early_invalid_utf8_fails_at_the_first_impossible_byte() {
    // The text of Autobahn's case 6.4: a surrogate, impossible at its second byte of three … and
    // others, with the count of bytes that are still possible.
    let cases: [(&[u8], usize); 8] = [
        (
            b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited",
            12,
        ),
        (b"\xFF", 0),
        (b"plain\x80", 5),
        (b"\xC0\xAF", 0),
        (b"\xE0\x80\xAF", 1),
        (b"\xED\xA0\x80", 1),
        (b"\xF0\x8F\xBF\xBF", 1),
        (b"ok \xF0\x9F\x92A", 6),
    ];
    for end in End::BOTH {
        for (text, possible) in cases {
            // A frame that promises much more, and the same text over fragments of one byte.
            let frame = head(TEXT, end.peer_key(), 1000);
            let mut conversation = end.conversation(&Limits::default());
            conversation.hear(&frame);
            let key = end.peer_key().unwrap_or_default();
            for (i, byte) in text.iter().enumerate() {
                conversation.hear(&[byte ^ key[i % 4]]);
                let failed = conversation.error().is_some();
                assert_eq!(failed, i >= possible, "{text:x?} at {i}");
            }
            assert_eq!(conversation.error(), Some(ProtocolError::InvalidUtf8));
            assert_eq!(conversation.seen(), []);

            let mut conversation = end.conversation(&Limits::default());
            let mut opcode = TEXT;
            for (i, byte) in text.iter().enumerate() {
                conversation.hear(&end.peer_part(opcode, &[*byte]));
                opcode = CONTINUATION;
                assert_eq!(conversation.error().is_some(), i >= possible);
            }
        }
    }
}

/// However far into the text, and whole or in two pieces.
#[test]
fn early_invalid_utf8_at_every_position_of_a_long_text() {
    for end in End::BOTH {
        for wrong in 0..300 {
            let mut text = vec![b'a'; 300];
            text[wrong] = 0xFF;
            let wire = end.peer_frame(TEXT, &text);
            let head = wire.len() - text.len();
            for cut in [0, head + wrong + 1, wire.len() - 1] {
                let mut conversation = end.conversation(&Limits::default());
                conversation.hear(&wire[..cut]);
                assert_eq!(conversation.error().is_some(), cut > head + wrong, "{cut}");
                conversation.hear(&wire[cut..]);
                assert_eq!(conversation.error(), Some(ProtocolError::InvalidUtf8));
            }
        }
    }
}

/// Text may not end within a character; binary may hold anything.
#[test]
fn early_text_that_ends_within_a_character_fails_with_its_last_frame() {
    for end in End::BOTH {
        let cut = &"🌍".as_bytes()[..3];
        for wire in [
            end.peer_frame(TEXT, cut),
            [end.peer_part(TEXT, cut), end.peer_frame(CONTINUATION, b"")].concat(),
        ] {
            let outcome = end.hears(&Limits::default(), &wire, &[]);
            assert_eq!(outcome.error(), Some(ProtocolError::InvalidUtf8));
            assert_eq!(outcome.seen(), []);
        }
        let outcome = end.hears(&Limits::default(), &end.peer_frame(BINARY, cut), &[]);
        assert_eq!(outcome.seen(), [Got::Binary(cut.into())]);
    }
}

/// The end of the stream: clean behind a Close, an error without one, and then nobody is left to
/// be told.
#[test]
fn eof_is_clean_only_after_a_close() {
    for end in End::BOTH {
        let mut connection = end.connection(&Limits::default());
        connection.ping(b"x").expect("open");
        let gone = Err(ProtocolError::UnexpectedEof);
        assert_eq!(connection.receive_eof(), gone);
        assert_eq!(connection.receive_eof(), gone);
        assert!(
            connection.poll_transmit().is_none(),
            "nobody is left to tell"
        );
        assert_eq!(connection.shutdown(), Shutdown::Now);

        let mut connection = end.connection(&Limits::default());
        let _ = connection.receive(&mut end.peer_frame(CLOSE, b""));
        assert_eq!(connection.receive_eof(), Ok(()));
        assert_eq!(connection.shutdown(), Shutdown::NotYet, "the answer waits");
        assert!(connection.poll_transmit().is_some());
        assert_eq!(connection.shutdown(), Shutdown::Now);
        assert_eq!(connection.state(), State::Closed);
    }
}
