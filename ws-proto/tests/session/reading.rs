//! *Reading*: a message that is read in parts is the message that is handed out whole, wherever it is
//! cut, and takes no memory that grows with it.

#![cfg(feature = "alloc")]

use crate::support::End;
use ws_proto::{Buffers, Kind, Limits, Message, ProtocolError, Ready, Session, Step};
use ws_testkit::frame;

/// A message as it was read: its kind, and its bytes.
type Read = (Kind, Vec<u8>);

/// What a peer of `end` says: messages in one frame and in several, empty ones, Pings between.
fn conversation(end: End) -> (Vec<u8>, Vec<Read>) {
    let key = end.peer_key();
    let long: Vec<u8> = (0..40_000_u32).map(|at| at.to_be_bytes()[3]).collect();
    let text = "text with 你 and \u{1F600}".repeat(7);
    let (begin, rest) = text.as_bytes().split_at(11);
    let bytes = [
        frame(0x81, key, b"short"),
        frame(0x82, key, b""),
        frame(0x01, key, begin),
        frame(0x89, key, b"ping"),
        frame(0x00, key, b""),
        frame(0x80, key, rest),
        frame(0x82, key, &long),
        frame(0x02, key, b""),
        frame(0x8A, key, b""),
        frame(0x00, key, &long[..300]),
        frame(0x80, key, b""),
        frame(0x81, key, b"last"),
    ];
    let messages = vec![
        (Kind::Text, b"short".to_vec()),
        (Kind::Binary, Vec::new()),
        (Kind::Text, text.into_bytes()),
        (Kind::Binary, long.clone()),
        (Kind::Binary, long[..300].to_vec()),
        (Kind::Text, b"last".to_vec()),
    ];
    (bytes.concat(), messages)
}

/// Reads what lies in the session, with `room` for so much at a time, after the messages before.
fn read_all(session: &mut Session, room: usize, messages: &mut Vec<Read>) {
    let mut room = vec![0; room];
    loop {
        match session
            .ready_to_read()
            .expect("the peer does nothing wrong")
        {
            Ready::Message => {
                let kind = session.reading().expect("a message");
                if messages
                    .last()
                    .is_none_or(|(_, bytes)| bytes.ends_with(END))
                {
                    messages.push((kind, Vec::new()));
                }
                let (known, bytes) = messages.last_mut().expect("it was begun");
                assert_eq!(*known, kind);
                match session.read(&mut room).expect("nothing wrong") {
                    0 => {
                        assert_eq!(session.reading(), None);
                        bytes.extend(END);
                    }
                    len => bytes.extend(&room[..len]),
                }
            }
            Ready::Control => assert!(session.control().is_ok_and(|event| event.is_some())),
            next => {
                assert_eq!(next, Ready::NeedData);
                return;
            }
        }
    }
}

/// No message has this in it.
const END: &[u8] = b"\xFFend\xFF";

#[test]
fn reading_gives_the_bytes_of_the_message_wherever_it_is_cut() {
    for end in End::BOTH {
        let (wire, said) = conversation(end);
        let said: Vec<Read> = (said.into_iter())
            .map(|(kind, bytes)| (kind, [&*bytes, END].concat()))
            .collect();
        for cut in [1, 2, 7, 100, 4096, wire.len()] {
            for room in [1, 5, 1000, 1 << 20] {
                let mut session = end.session(&Limits::default());
                let mut messages = Vec::new();
                for piece in wire.chunks(cut) {
                    session.push(piece);
                    read_all(&mut session, room, &mut messages);
                }
                assert!(messages == said, "cut {cut}, room {room}");
                assert!(!session.is_within_message());
            }
        }
    }
}

/// Also when buffers are lent for each part alone, and what came is read into them by the system.
#[test]
fn reading_goes_on_with_buffers_that_are_lent() {
    for end in End::BOTH {
        let (wire, said) = conversation(end);
        for cut in [1, 13, 5000] {
            let mut session = end.session(&Limits::default());
            let mut buffers = Buffers::new(8 << 10);
            let (mut messages, mut wire) = (Vec::new(), &*wire);
            while !wire.is_empty() {
                session.attach(buffers);
                let next = &wire[..cut.min(wire.len())];
                let len = crate::support::session::read(&mut session, next).unwrap();
                wire = &wire[len..];
                buffers = session.detach().expect("there is memory");
                session.attach(buffers);
                read_all(&mut session, 3, &mut messages);
                buffers = session.detach().expect("there is memory");
            }
            let said = said
                .iter()
                .map(|(kind, bytes)| (*kind, [bytes, END].concat()));
            assert!(messages.iter().cloned().eq(said), "cut {cut}");
        }
    }
}

/// What follows a message that was read up to anywhere is the next message, however that is asked
/// for, and however late the rest comes.
#[test]
fn reading_that_stops_skips_the_rest() {
    let end = End::Server;
    let key = end.peer_key();
    let first = [
        frame(0x01, key, &[b'a'; 300]),
        frame(0x89, key, b""),
        frame(0x80, key, &[b'b'; 300]),
    ]
    .concat();
    let next = frame(0x81, key, b"next");
    for here in [310, 400, 615, first.len()] {
        for read in [0, 1, 299, 300] {
            for explicit in [true, false] {
                let mut session = end.session(&Limits::default());
                session.push(&first[..here]);
                assert_eq!(session.ready_to_read(), Ok(Ready::Message));
                let mut room = vec![0; read];
                assert_eq!(session.read(&mut room), Ok(read));
                if explicit {
                    session.skip();
                    assert_eq!(session.reading(), None);
                }
                let mut steps = Vec::new();
                session.push(&first[here..]);
                session.push(&next);
                loop {
                    match session.step().expect("nothing wrong") {
                        Step::Message(message) => steps.push(message.to_owned()),
                        Step::Control(_) => {}
                        _ => break,
                    }
                }
                assert_eq!(
                    steps,
                    [Message::Text("next").to_owned()],
                    "{here} {read} {explicit}"
                );

                // The same, for somebody who reads the next one in parts, too.
                let mut session = end.session(&Limits::default());
                session.push(&first[..here]);
                assert_eq!(session.ready_to_read(), Ok(Ready::Message));
                assert_eq!(session.read(&mut room), Ok(read));
                session.skip();
                let mut messages = Vec::new();
                read_all(&mut session, 100, &mut messages);
                session.push(&first[here..]);
                session.push(&next);
                read_all(&mut session, 100, &mut messages);
                assert_eq!(messages, [(Kind::Text, [b"next", END].concat())]);
            }
        }
    }
}

/// A message that began to be assembled, or was, is read from its first byte.
#[test]
fn reading_begins_with_what_was_assembled() {
    let end = End::Client;
    let parts = [
        frame(0x02, None, &[1; 20_000]),
        frame(0x80, None, &[2; 20_000]),
    ]
    .concat();
    for here in [100, 20_100, parts.len()] {
        let mut session = end.session(&Limits::default());
        session.push(&parts[..here]);
        let _ = session.ready().expect("nothing wrong");
        // Straight into the message.
        let mut rest = &parts[here..];
        let len = crate::support::session::read(&mut session, rest).unwrap();
        rest = &rest[len..];
        let _ = session.ready_to_read().expect("nothing wrong");
        session.push(rest);
        let mut messages = Vec::new();
        read_all(&mut session, 777, &mut messages);
        let said = [&[1; 20_000][..], &[2; 20_000], END].concat();
        assert!(messages == [(Kind::Binary, said)], "{here}");
    }
}

#[test]
fn reading_text_fails_at_the_first_wrong_byte() {
    let end = End::Server;
    let mut session = end.session(&Limits::default());
    let text = [&[b'a'; 100][..], b"\xFF", &[b'a'; 100]].concat();
    session.push(&end.peer_frame(1, &text));
    let mut room = [0; 60];
    assert_eq!(session.ready_to_read(), Ok(Ready::Message));
    assert_eq!(session.read(&mut room), Ok(60));
    assert_eq!(session.read(&mut room), Err(ProtocolError::InvalidUtf8));
    assert_eq!(session.ready_to_read(), Err(ProtocolError::InvalidUtf8));
    assert_eq!(session.unsent()[2..4], 1007_u16.to_be_bytes());
}

/// One frame of 2^40 bytes, as far as it comes.
#[test]
fn reading_takes_no_memory_that_grows_with_the_message() {
    let mut limits = Limits::default();
    limits.max_message = u64::MAX;
    let mut session = End::Client.session(&limits);
    session.push(b"\x82\x7F\0\0\x01\0\0\0\0\0");
    let (payload, mut room) = (vec![7; 1 << 16], vec![0; 10_000]);
    let mut read = 0;
    for _ in 0..500 {
        let len = crate::support::session::read(&mut session, &payload).unwrap();
        while session.ready_to_read() == Ok(Ready::Message) {
            let some = session.read(&mut room).unwrap();
            assert!(room[..some].iter().all(|byte| *byte == 7));
            read += some;
        }
        assert!(len > 0);
        assert!(session.memory() <= 128 << 10, "{}", session.memory());
    }
    assert!(read > 10 << 20, "{read}");
    // Nor does what is skipped.
    session.skip();
    for _ in 0..500 {
        let _ = crate::support::session::read(&mut session, &payload).unwrap();
        assert_eq!(session.ready(), Ok(Ready::NeedData));
        assert!(session.memory() <= 128 << 10, "{}", session.memory());
    }
}

#[cfg(feature = "deflate")]
mod compressed {
    use super::*;
    use ws_proto::handshake::{Compression, Direction};
    use ws_proto::{Config, Deflate, Part};

    fn pair(max_message: u64) -> (Session, Session) {
        let agreed = Compression {
            server: Direction::FULL,
            client: Direction::FULL,
        };
        let mut settings = Deflate::DEFAULT;
        settings.send = Direction::FULL;
        let mut config = Config::default();
        config.limits.max_message = max_message;
        let client = Session::client(&config, [7; 32]).compressed(&settings, &agreed);
        let server = Session::server(&config).compressed(&settings, &agreed);
        (client, server)
    }

    fn transport(from: &mut Session, to: &mut Session) {
        to.push(&crate::support::session::drain(from));
    }

    #[test]
    fn reading_compressed_messages() {
        let (mut client, mut server) = pair(1 << 20);
        let text = "all work and no play, 你 ".repeat(3000);
        let mut read = Vec::new();
        for room in [1, 1000, 1 << 20] {
            client.send(&*text).unwrap();
            let (one, other) = text.as_bytes().split_at(1000);
            client.send_part(Kind::Text, one, Part::More).unwrap();
            client.send_part(Kind::Text, other, Part::Last).unwrap();
            client.send("").unwrap();
            transport(&mut client, &mut server);
            read_all(&mut server, room, &mut read);
            // Skipped, it is inflated nevertheless: the next may refer to it.
            client.send(&*text).unwrap();
            client.send("and on").unwrap();
            transport(&mut client, &mut server);
            assert_eq!(server.ready_to_read(), Ok(Ready::Message));
            server.skip();
            let next = server.step().unwrap();
            assert_eq!(next, Step::Message("and on".into()));
        }
        let said = [&*text, &*text, ""].map(|text| (Kind::Text, [text.as_bytes(), END].concat()));
        assert!(read == [said.clone(), said.clone(), said].concat());
    }

    #[test]
    fn reading_wrong_text_that_was_compressed_fails() {
        let (mut client, mut server) = pair(1 << 20);
        let text = [&[b'a'; 4000][..], b"\xE4\xBD"].concat();
        client.send_part(Kind::Text, &text, Part::Last).unwrap();
        transport(&mut client, &mut server);
        let error = loop {
            match server.ready_to_read() {
                Ok(next) => assert_eq!(next, Ready::Message),
                Err(error) => break error,
            }
            let _ = server.read(&mut [0; 1000]);
        };
        assert_eq!(error, ProtocolError::InvalidUtf8);
    }

    #[test]
    fn reading_a_bomb_takes_little_memory_and_ends_at_the_limit() {
        const LIMIT: u64 = 32 << 20;
        let (mut client, mut server) = pair(LIMIT);
        let megabyte = vec![0; 1 << 20];
        let mut room = vec![0; 1 << 16];
        for extra in [0, 1] {
            for _ in 0..31 {
                client
                    .send_part(Kind::Binary, &megabyte, Part::More)
                    .unwrap();
            }
            client
                .send_part(Kind::Binary, &megabyte[extra..], Part::More)
                .unwrap();
            client
                .send_part(Kind::Binary, &megabyte[..2 * extra], Part::Last)
                .unwrap();
            transport(&mut client, &mut server);
            let mut read = 0;
            let error = loop {
                match server.ready_to_read() {
                    Ok(next) => assert_eq!(next, Ready::Message),
                    Err(error) => break Some(error),
                }
                let len = server.read(&mut room).unwrap();
                if len == 0 {
                    break None;
                }
                read += len as u64;
                assert!(server.memory() < 5 << 20, "{}", server.memory());
            };
            match extra {
                0 => assert_eq!((read, error), (LIMIT, None)),
                _ => assert_eq!(error, Some(ProtocolError::MessageTooBig { limit: LIMIT })),
            }
        }
    }
}
