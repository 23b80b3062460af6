//! Compressed messages end to end. The examples of RFC 7692 §7.2.3 are in `tests/transcripts/deflate.txt`.
#![cfg(feature = "deflate")]

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Compress, Compressors, Deflate, Kind, Limits, Message, Part, Prepared, ProtocolError, Role,
    SendError, Session, Step,
};
use ws_testkit::noise;

const FULL: Compression = Compression {
    server: Direction::FULL,
    client: Direction::FULL,
};

/// As much as was agreed on.
fn settings() -> Deflate {
    let mut settings = Deflate::default();
    settings.send = Direction::FULL;
    settings.min_len = 0;
    settings
}

/// A server's frame: unmasked, RSV1 set on the first.
fn client(agreed: Compression) -> Session {
    let limits = Limits::default();
    Session::client(&limits.into(), [1; 32]).compressed(&settings(), &agreed)
}

fn server(agreed: Compression) -> Session {
    let limits = Limits::default();
    Session::server(&limits.into()).compressed(&settings(), &agreed)
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
            for round in 0..40 {
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
                        let prepared = Prepared::new(&text);
                        from.halves().1.send_prepared(&prepared).unwrap();
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
    let mut client = Session::client(&limits.into(), [1; 32]).compressed(&settings(), &FULL);
    client.push(&bomb);
    let error = Err(ProtocolError::MessageTooBig { limit: 100_000 });
    assert_eq!(client.step(), error);
    // Nothing is inflated in the context that it has left behind.
    client.push(&part(true, true, 1, &deflated(b"Hello")));
    assert_eq!(client.step(), error);
    assert_eq!(client.take_message(), Ok(None));
}

/// Windows of so many bits, and no takeover.
fn agreed(bits: u8) -> Compression {
    let direction = Direction {
        window: WindowBits::new(bits).unwrap(),
        takeover: Takeover::Off,
    };
    Compression {
        server: direction,
        client: direction,
    }
}

/// No more contexts are kept than are wanted: the oldest makes room, and is made anew when it is
/// asked for.
#[test]
fn of_shared_contexts_the_oldest_makes_room() {
    let text = "some text ".repeat(10_000);
    for (most, kept) in [(0, [false; 3]), (2, [false, true, true]), (16, [true; 3])] {
        let mut shared = Compressors::keeping(most);
        let windows = [15, 12, 9];
        for bits in windows {
            let mut session = server(agreed(bits));
            let outgoing = session.halves().1;
            let sent = shared.lend(outgoing, text.len(), |outgoing| outgoing.send(&text));
            sent.unwrap();
        }
        for (bits, kept) in windows.into_iter().zip(kept) {
            let mut session = server(agreed(bits));
            let is_lent = shared.lend(session.halves().1, text.len(), |outgoing| {
                !outgoing.wants_compressor(text.len())
            });
            assert_eq!(is_lent, kept, "{bits} of {most}");
        }
    }
}

/// A context of one connection is of no use to another that has agreed on a smaller window.
#[test]
fn a_context_is_lent_to_connections_that_agreed_on_the_same() {
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

/// A server's frame with a part of a compressed message.
fn part(first: bool, last: bool, kind: u8, payload: &[u8]) -> Vec<u8> {
    let opcode = if first { 0x40 | kind } else { 0 };
    let mut frame = vec![opcode | if last { 0x80 } else { 0 }];
    match u8::try_from(payload.len()) {
        Ok(len @ ..126) => frame.push(len),
        _ => {
            let len = u16::try_from(payload.len()).expect("short");
            frame.push(126);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// What `message` is compressed to, without a header.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut server = server(FULL);
    server.send(message).unwrap();
    let unsent = server.unsent();
    let start = match unsent[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    unsent[start..].to_vec()
}

/// Room runs out while zlib still holds a part of the last repetition, and no input is left to
/// bring it out with.
#[test]
fn what_ends_where_the_room_ends_comes_out_whole() {
    for len in (4096 - 260..4096 + 260).chain(8192 - 20..8192 + 20) {
        let message = vec![b'x'; len];
        let deflated = deflated(&message);
        for cut in 0..=deflated.len() {
            let (one, other) = deflated.split_at(cut);
            let mut client = client(FULL);
            client.push(&part(true, false, 2, one));
            client.push(&part(false, true, 2, other));
            client.push(b"\x81\x02ok");
            assert_eq!(client.step(), Ok(Step::Message(Message::Binary(&message))));
            assert_eq!(client.step(), Ok(Step::Message(Message::Text("ok"))));
        }
    }
}

#[test]
fn a_message_of_the_limit_is_received_and_one_of_a_byte_more_is_not() {
    let mut limits = Limits::default();
    for max in [0, 1, 5000] {
        limits.max_message = max;
        let max = usize::try_from(max).expect("small");
        for cut in [0, 1, 2, 5] {
            let received = |len| {
                let deflated = deflated(&vec![b'x'; len]);
                let (one, other) = deflated.split_at(cut.min(deflated.len()));
                let mut client =
                    Session::client(&limits.into(), [1; 32]).compressed(&settings(), &FULL);
                client.push(&part(true, false, 1, one));
                client.push(&part(false, true, 1, other));
                match client.step()? {
                    Step::Message(Message::Text(text)) => Ok(text.len()),
                    step => panic!("{step:?}"),
                }
            };
            assert_eq!(received(max), Ok(max), "{max} cut at {cut}");
            let limit = max as u64;
            let too_big = ProtocolError::MessageTooBig { limit };
            assert_eq!(received(max + 1), Err(too_big), "{max} cut at {cut}");
        }
    }
}

/// The smallest blocks that DEFLATE can have make it grow more than by a sixty-fourth.
#[test]
fn noise_arrives_whole_whatever_its_compressor_makes_of_it() {
    let noise = noise(100_000);
    for memory in 1..=9 {
        for level in [1, 2, 6, 9] {
            let mut settings = settings();
            (settings.memory, settings.level) = (memory, level);
            let limits = Limits::default();
            let mut server = Session::server(&limits.into()).compressed(&settings, &FULL);
            let mut client = client(FULL);
            for len in [noise.len(), 1, 16_400, 700] {
                server.send(&noise[..len]).unwrap();
                carry(&mut server, &mut client);
                let binary = Message::Binary(&noise[..len]);
                assert_eq!(client.step(), Ok(Step::Message(binary)));
            }
        }
    }
}

/// The peer has seen a message that this context has not: nothing may refer beyond it.
#[test]
fn a_prepared_message_between_others_misleads_nobody() {
    let (mut server, mut client) = (server(FULL), client(FULL));
    let text = "what is said twice is shorter the second time";
    let prepared = Prepared::new("and something else, of another length, in between");
    for _ in 0..3 {
        server.send(text).unwrap();
        server.halves().1.send_prepared(&prepared).unwrap();
        server.send(text).unwrap();
        carry(&mut server, &mut client);
        for message in [Message::Text(text), prepared.message(), Message::Text(text)] {
            assert_eq!(client.step(), Ok(Step::Message(message)));
        }
    }
}

/// What may not be sent now is refused before the context has seen it.
#[test]
fn a_message_within_another_is_refused_and_disturbs_it_not() {
    let (mut server, mut client) = (server(FULL), client(FULL));
    let (_, outgoing) = server.halves();
    outgoing.send_part(Kind::Text, b"one ", Part::More).unwrap();
    let in_progress = Err(SendError::MessageInProgress);
    assert_eq!(outgoing.send("another that is compressed"), in_progress);
    let prepared = Prepared::new("prepared");
    assert_eq!(outgoing.send_prepared(&prepared), in_progress);
    let binary = outgoing.send_part(Kind::Binary, b"another", Part::Last);
    assert_eq!(binary, in_progress);
    outgoing.send_part(Kind::Text, b"one", Part::Last).unwrap();
    carry(&mut server, &mut client);
    assert_eq!(client.step(), Ok(Step::Message(Message::Text("one one"))));
    let long = "one one one one one one";
    server.send(long).unwrap();
    assert!(server.unsent().len() < 10, "the context is as it was");
    carry(&mut server, &mut client);
    assert_eq!(client.step(), Ok(Step::Message(Message::Text(long))));
}

/// What a message may take before it is inflated: an eighth more than the limit, and 1 KiB.
#[test]
fn the_compressed_length_is_judged_by_the_header() {
    let mut limits = Limits::default();
    limits.max_message = 8001;
    let limit = 8001;
    let most = 8001_u16 + 1000 + 1024;
    for (len, error) in [
        (most, None),
        (most + 1, Some(ProtocolError::MessageTooBig { limit })),
    ] {
        let mut client = Session::client(&limits.into(), [1; 32]).compressed(&settings(), &FULL);
        client.push(&[0xC2, 126]);
        client.push(&len.to_be_bytes());
        assert_eq!(client.step().err(), error, "{len}");
    }
}

/// Peers there are that promise to begin each message with an empty window, or to keep to a small
/// one, and do not. The window of 32 KiB is there anyway.
#[test]
fn a_peer_that_forgets_what_it_promised_is_borne_with() {
    let noise = noise(5000);
    for end in [Role::Server, Role::Client] {
        let promised = direction(9, Takeover::Off);
        let mut forgetful = made(other(end), same(Direction::FULL));
        let mut ours = made(end, same(promised));
        for (round, len) in [(0, 5000..6000), (1, 0..100), (2, 0..100)] {
            forgetful.send(&noise[..]).unwrap();
            assert!(len.contains(&forgetful.unsent().len()), "it refers back");
            carry(&mut forgetful, &mut ours);
            let expected = Ok(Step::Message(Message::Binary(&noise)));
            assert_eq!(ours.step(), expected, "{end:?} {round}");
        }
        // Silence gives the window back, which the promise is for.
        ours.release();
        forgetful.send(&noise[..]).unwrap();
        carry(&mut forgetful, &mut ours);
        assert_eq!(ours.step(), Err(ProtocolError::InvalidDeflate), "{end:?}");
    }
}

/// Silence between two fragments is no end of a message.
#[test]
fn a_window_that_a_message_is_within_stays_in_silence() {
    for takeover in [Takeover::Off, Takeover::Kept] {
        for end in [Role::Server, Role::Client] {
            let agreed = same(direction(15, takeover));
            let (mut peer, mut ours) = (made(other(end), agreed), made(end, agreed));
            for part in [Part::More, Part::Last] {
                let out = peer.halves().1;
                out.send_part(Kind::Text, "again and ".repeat(20).as_bytes(), part)
                    .unwrap();
                carry(&mut peer, &mut ours);
                if part == Part::More {
                    assert_eq!(ours.step(), Ok(Step::NeedData));
                    ours.release();
                }
            }
            let whole = "again and ".repeat(40);
            assert_eq!(
                ours.step(),
                Ok(Step::Message(Message::Text(&whole))),
                "{end:?}"
            );
        }
    }
}

/// What was agreed on is what may be used at most: the application's own setting is kept to.
#[test]
fn a_sender_uses_no_more_than_its_settings_and_no_more_than_was_agreed_on() {
    let noise = noise(2000);
    let full = Direction::FULL;
    for (send, agreed, refers) in [
        (full, full, true),
        (direction(15, Takeover::Off), full, false),
        (full, direction(15, Takeover::Off), false),
        (direction(9, Takeover::Kept), full, false),
        (full, direction(9, Takeover::Kept), false),
    ] {
        for role in [Role::Server, Role::Client] {
            let mut settings = settings();
            settings.send = send;
            let limits = Limits::default();
            let session = match role {
                Role::Server => Session::server(&limits.into()),
                Role::Client => Session::client(&limits.into(), [1; 32]),
            };
            let mut session = session.compressed(&settings, &same(agreed));
            session.send(&noise[..]).unwrap();
            let first = session.unsent().len();
            session.send(&noise[..]).unwrap();
            let second = session.unsent().len() - first;
            assert_eq!(second < 100, refers, "{role:?} {send:?} {agreed:?}");
        }
    }
}

fn direction(bits: u8, takeover: Takeover) -> Direction {
    let window = WindowBits::new(bits).unwrap();
    Direction { window, takeover }
}

const fn same(direction: Direction) -> Compression {
    Compression {
        server: direction,
        client: direction,
    }
}

const fn other(end: Role) -> Role {
    match end {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

fn made(end: Role, agreed: Compression) -> Session {
    match end {
        Role::Server => server(agreed),
        Role::Client => client(agreed),
    }
}

/// Text in parts is judged part by part, as text that is not compressed is.
#[test]
fn text_that_is_invalid_fails_with_the_part_that_makes_it_so() {
    let (mut server, mut client) = (server(FULL), client(FULL));
    let (_, outgoing) = server.halves();
    outgoing
        .send_part(Kind::Binary, b"no text: \xFF, and more", Part::More)
        .expect("room");
    let mut frame = outgoing.unsent().to_vec();
    assert_eq!(frame[0], 0x42, "compressed, binary, not the last");
    frame[0] = 0x41;
    client.push(&frame);
    assert_eq!(client.step(), Err(ProtocolError::InvalidUtf8));
}
