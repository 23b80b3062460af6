//! The receiving side of a [`Session`]: what is lent to it, what it hands out, and that it loses
//! nothing on the way.

#![cfg(feature = "alloc")]

use crate::support::{End, session};
use ws_proto::{
    Buffers, Event, Kind, Limits, MessageBuf, Part, ProtocolError, Ready, Session, State, Step,
};
use ws_testkit::{
    BINARY, CLOSE, CONTINUATION, Got, PING, PONG, Random, TEXT, close_payload, frames,
};

fn min_read() -> Limits {
    let mut limits = Limits::default();
    limits.read_buffer = Limits::MIN_READ;
    limits
}

fn bytes(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// One buffer serves all connections of an event loop: lent before a read, taken back after it.
/// What a session has not consumed goes with it and comes back.
#[test]
fn lend_one_buffer_to_many_sessions() {
    for end in End::BOTH {
        let limits = Limits::default();
        let mut random = Random::new(11);
        let mut sessions: Vec<_> = (0..40_u8)
            .map(|i| {
                let mut wire = Vec::new();
                let mut sent = Vec::new();
                for n in 0..20_u8 {
                    let text = format!("session {i} message {n}");
                    wire.extend(end.peer_frame(TEXT, text.as_bytes()));
                    wire.extend(end.peer_frame(PING, &[n; 125]));
                    wire.extend(end.peer_frame(BINARY, &vec![n; usize::from(n) * 40]));
                    sent.push(Got::Text(text));
                    sent.push(Got::Ping(vec![n; 125]));
                    sent.push(Got::Binary(vec![n; usize::from(n) * 40]));
                }
                (end.session(&limits), wire, 0, sent, Vec::new())
            })
            .collect();
        let mut shared = Buffers::new(2000);
        let mut busy = true;
        while busy {
            busy = false;
            for (session, wire, at, _, seen) in &mut sessions {
                busy |= *at < wire.len();
                session.attach(shared);
                let end = (*at + random.below(700)).min(wire.len());
                *at += session::read(session, &wire[*at..end]).expect("there is memory");
                while let Some(given) = session::step(session).expect("in order") {
                    seen.push(given);
                }
                let _ = session::drain(session);
                shared = session.detach().expect("there is memory");
                let bytes = shared.take_bytes();
                assert_eq!(bytes.len(), 2000, "the very buffer comes back");
                shared = Buffers::received(bytes, 0..0);
            }
        }
        for (_, _, _, sent, seen) in sessions {
            assert_eq!(seen, sent);
        }
    }
}

/// Many frames in one read are handed out one by one, each answered while it is held.
#[test]
fn echo_a_reply_while_the_message_is_held() {
    let mut wire = End::Server.peer_frame(TEXT, b"whole");
    wire.extend(End::Server.peer_part(TEXT, b"in "));
    wire.extend(End::Server.peer_frame(CONTINUATION, b"pieces"));
    let mut server = Session::server(&Limits::default().into());
    server.push(&wire);
    let (incoming, outgoing) = server.halves();
    let mut echoed = 0;
    while let Step::Message(message) = incoming.step(outgoing).expect("in order") {
        outgoing.send(message).expect("room");
        assert!(message.as_text().is_some());
        echoed += 1;
    }
    assert_eq!(echoed, 2);
    assert_eq!(server.unsent(), b"\x81\x05whole\x81\x09in pieces");
}

/// A large message is read straight into its own buffer: what `spare_mut` shows while it arrives
/// grows with it, and is the message in the end.
#[test]
fn a_large_message_is_read_straight_into_its_own_memory() {
    for end in End::BOTH {
        for kind in [TEXT, BINARY] {
            let payload = vec![b'z'; 300_000];
            let wire = end.peer_frame(kind, &payload);
            let mut session = end.session(&Limits::default());
            let (mut at, mut reads, mut largest, mut ended) = (0, 0, 0, None);
            while at < wire.len() {
                largest = largest.max(session.spare_mut().expect("memory").len());
                let spare = session.spare_mut().expect("memory").as_ptr_range();
                at += session::read(&mut session, &wire[at..]).expect("memory");
                ended = Some(spare.end);
                reads += 1;
                if at < wire.len() {
                    assert_eq!(session.ready(), Ok(Ready::NeedData));
                }
            }
            // Reads of 16 KiB would be 19: each may be as long as what came before.
            assert!(reads <= 7, "{reads} reads");
            assert!(largest > 100_000, "{largest}");
            let Ok(Step::Message(message)) = session.step() else {
                panic!("a message");
            };
            assert_eq!(message.as_bytes(), payload);
            // The last read ended where the message ends: it lies where it was read to.
            assert_eq!(Some(message.as_bytes().as_ptr_range().end), ended);
        }
    }
}

/// A message that was assembled is moved out; the next one gets memory of its own.
#[test]
fn take_message_moves_what_was_assembled() {
    for (end, opcode) in [
        (End::Server, TEXT),
        (End::Server, BINARY),
        (End::Client, TEXT),
    ] {
        let payload = "κόσμε, ".repeat(10_000).into_bytes();
        let mut session = end.session(&min_read());
        for _ in 0..2 {
            let wire = end.peer_frame(opcode, &payload);
            let mut at = 0;
            let mut last = None;
            while at < wire.len() {
                last = Some(session.spare_mut().expect("memory").as_ptr_range().end);
                at += session::read(&mut session, &wire[at..]).expect("memory");
                let ready = session.ready().expect("in order");
                assert_eq!(ready == Ready::Message, at == wire.len());
            }
            let taken = session.take_message().expect("in order");
            let bytes = match taken.expect("a message") {
                MessageBuf::Binary(bytes) if opcode == BINARY => bytes,
                MessageBuf::Text(text) if opcode == TEXT => text.into_bytes(),
                other => panic!("{other:?}"),
            };
            assert_eq!(bytes, payload);
            assert_eq!(Some(bytes.as_ptr_range().end), last, "it was copied");
            assert_eq!(session.take_message(), Ok(None));
            assert_eq!(session.ready(), Ok(Ready::NeedData));
        }
    }
}

/// `take_message` gives the same as `step`, whatever the message came as.
#[test]
fn take_message_of_every_shape() {
    for end in End::BOTH {
        let wire = [
            end.peer_frame(TEXT, "κόσμε".as_bytes()),
            end.peer_frame(BINARY, b"\x00"),
            end.peer_part(TEXT, "κό".as_bytes()),
            end.peer_frame(CONTINUATION, "σμε".as_bytes()),
            end.peer_frame(BINARY, b""),
        ]
        .concat();
        let mut session = end.session(&Limits::default());
        session.push(&wire);
        let mut taken = Vec::new();
        while session.ready() == Ok(Ready::Message) {
            taken.extend(session.take_message().expect("in order"));
        }
        let text = || MessageBuf::Text("κόσμε".into());
        let expected = [
            text(),
            MessageBuf::Binary(vec![0]),
            text(),
            MessageBuf::Binary(vec![]),
        ];
        assert_eq!(taken, expected);
    }
}

/// `ready` says what `step` gives, and changes nothing that can be seen.
#[test]
fn ready_says_what_step_gives() {
    for end in End::BOTH {
        let wire = [
            end.peer_frame(TEXT, b"x"),
            end.peer_part(BINARY, b"y"),
            end.peer_frame(PING, b""),
            end.peer_frame(CONTINUATION, b"z"),
            end.peer_frame(PONG, b""),
            end.peer_frame(CLOSE, &close_payload(1000, "")),
        ]
        .concat();
        let mut session = end.session(&Limits::default());
        let mut given = Vec::new();
        for byte in &wire {
            session.push(&[*byte]);
            loop {
                let ready = session.ready().expect("in order");
                assert_eq!(session.ready(), Ok(ready));
                let step = session.step().expect("in order");
                let same = match ready {
                    Ready::Message => matches!(step, Step::Message(_)),
                    Ready::Control => matches!(step, Step::Control(_)),
                    Ready::NeedData => step == Step::NeedData,
                    Ready::Closed => step == Step::Closed,
                };
                assert!(same, "{ready:?} {step:?}");
                given.push(ready);
                if matches!(ready, Ready::NeedData | Ready::Closed) {
                    break;
                }
            }
        }
        given.retain(|ready| *ready != Ready::NeedData);
        let (message, control) = (Ready::Message, Ready::Control);
        assert_eq!(
            given,
            [message, control, message, control, control, Ready::Closed]
        );
    }
}

#[test]
fn into_parts_loses_no_byte() {
    for end in End::BOTH {
        let behind = [
            end.peer_frame(BINARY, &bytes(300)),
            end.peer_frame(PING, b"x"),
        ]
        .concat();
        for cut in 0..behind.len().min(120) {
            let mut session = end.session(&Limits::default());
            let wire = [&end.peer_frame(TEXT, b"first")[..], &behind[..cut]].concat();
            session.push(&wire);
            assert_eq!(
                session::step(&mut session),
                Ok(Some(Got::Text("first".into())))
            );
            session.send("ours").expect("room");
            session.send("more").expect("room");
            let mut written = session.unsent()[..3].to_vec();
            session.sent(3);

            let mut parts = session.into_parts().expect("between messages");
            assert_eq!(
                parts.unread,
                behind[..cut],
                "nothing was consumed behind the message"
            );
            written.extend(parts.unsent);
            let written = frames(&written);
            assert!(
                written
                    .iter()
                    .map(|f| &f.payload[..])
                    .eq([b"ours", b"more"])
            );

            // The connection goes on where the session was.
            let mut rest = [&parts.unread[..], &behind[cut..]].concat();
            let received = parts.connection.receive(&mut rest).expect("in order");
            assert!(
                matches!(received.event, Some(Event::Message(_))),
                "{received:?}"
            );
        }
    }
}

/// A Pong that is owed and not queued yet is in the connection, if it is not in the bytes.
#[test]
fn into_parts_loses_no_answer() {
    let end = End::Server;
    for pings in 1..=3 {
        let mut session = end.session(&Limits::default());
        for i in 0..pings {
            session.push(&end.peer_frame(PING, &[i]));
            assert!(session::step(&mut session).expect("in order").is_some());
            let _ = session.unsent();
        }
        let mut parts = session.into_parts().expect("between messages");
        let mut written = parts.unsent;
        while let Some(control) = parts.connection.poll_transmit() {
            written.extend(control.as_ref());
        }
        let written = frames(&written);
        let last = written.last().expect("a Pong");
        assert_eq!((last.opcode(), &last.payload[..]), (PONG, &[pings - 1][..]));
    }
}

/// The bytes behind the opening handshake are the first frames.
#[test]
fn push_takes_what_came_after_the_handshake() {
    let end = End::Server;
    let wire = [
        end.peer_frame(BINARY, &bytes(5000)),
        end.peer_frame(TEXT, b"x"),
    ]
    .concat();
    let mut session = end.session(&min_read());
    session.push(&wire);
    assert_eq!(
        session::step(&mut session),
        Ok(Some(Got::Binary(bytes(5000))))
    );
    assert_eq!(session::step(&mut session), Ok(Some(Got::Text("x".into()))));
    assert_eq!(session::step(&mut session), Ok(None));
}

/// A reader may read as often as the socket gives before it steps: no byte may end up in the
/// wrong place.
#[test]
fn reading_several_times_between_steps_loses_nothing() {
    for end in End::BOTH {
        for reads in [1, 2, 3, 5, 50] {
            let mut wire = Vec::new();
            let mut sent = Vec::new();
            for i in 0..8 {
                let payload = bytes(2000 + 700 * i);
                wire.extend(end.peer_frame(BINARY, &payload));
                sent.push(Got::Binary(payload));
                wire.extend(end.peer_frame(TEXT, b"between"));
                sent.push(Got::Text("between".into()));
            }
            let mut session = end.session(&min_read());
            let (mut at, mut seen) = (0, Vec::new());
            while at < wire.len() {
                for _ in 0..reads {
                    at += session::read(&mut session, &wire[at..]).expect("memory");
                }
                while let Some(given) = session::step(&mut session).expect("in order") {
                    seen.push(given);
                }
            }
            assert_eq!(seen, sent, "{reads} reads");
        }
    }
}

/// A reader may take one message at a time and read again before it asks for the next.
#[test]
fn reading_between_a_message_and_the_next_step_loses_nothing() {
    for end in End::BOTH {
        let mut wire = Vec::new();
        let mut sent = Vec::new();
        for i in 0..8 {
            let payload = bytes(2000 + 700 * i);
            wire.extend(end.peer_frame(BINARY, &payload));
            sent.push(Got::Binary(payload));
        }
        let mut session = end.session(&min_read());
        let (mut at, mut seen) = (0, Vec::new());
        while at < wire.len() {
            at += session::read(&mut session, &wire[at..]).expect("memory");
            seen.extend(session::step(&mut session).expect("in order"));
        }
        while let Some(given) = session::step(&mut session).expect("in order") {
            seen.push(given);
        }
        assert_eq!(seen, sent);
    }
}

/// After an error nothing is handed out, and the same error always is.
#[test]
fn last_word_no_event_follows_an_error() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let wire = [
            end.peer_frame(TEXT, b"before"),
            end.peer_part(BINARY, b"begun"),
            vec![0x83],
        ]
        .concat();
        session.push(&wire);
        assert_eq!(
            session::step(&mut session),
            Ok(Some(Got::Text("before".into())))
        );
        let error = Err(ProtocolError::ReservedOpcode);
        for _ in 0..3 {
            assert_eq!(session.step().map(|_| ()), error);
            assert_eq!(session.ready().map(|_| ()), error);
            assert_eq!(session.take_message(), Ok(None));
            session.push(&end.peer_frame(TEXT, b"after"));
        }
        assert_eq!(session.eof(), error);
        assert_eq!(
            session.state(),
            State::Failed(ProtocolError::ReservedOpcode)
        );
        let written = frames(&session::drain(&mut session));
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].opcode(), CLOSE);
        assert_eq!(written[0].payload[..2], 1002_u16.to_be_bytes());
    }
}

/// What the peer's Close said stays.
#[test]
fn peer_close_is_kept() {
    let end = End::Client;
    let mut session = end.session(&Limits::default());
    assert_eq!(session.peer_close(), None);
    session.push(&end.peer_frame(CLOSE, &close_payload(4321, "see you")));
    assert!(matches!(
        session.step(),
        Ok(Step::Control(Event::Close(Some(_))))
    ));
    assert_eq!(session.step(), Ok(Step::Closed));
    let close = session.peer_close().expect("it said something");
    assert_eq!((close.code().get(), close.reason()), (4321, "see you"));
}

/// A session that was released is as one that never worked, and works again.
#[test]
fn release_gives_the_buffers_back_and_the_session_goes_on() {
    for end in End::BOTH {
        let mut session = end.session(&min_read());
        for round in 0..3 {
            let wire = [
                end.peer_frame(BINARY, &bytes(5000 + round)),
                end.peer_frame(TEXT, b"x"),
                end.peer_frame(PING, b"y"),
            ]
            .concat();
            for cut in [1, 100, 3000, wire.len() - 3] {
                session.push(&wire[..cut]);
                let mut seen = Vec::new();
                while let Some(given) = session::step(&mut session).expect("in order") {
                    seen.push(given);
                }
                // In the middle of a frame as well: what is in use is kept.
                session.release();
                session.push(&wire[cut..]);
                session.release();
                while let Some(given) = session::step(&mut session).expect("in order") {
                    seen.push(given);
                }
                assert_eq!(seen.len(), 3);
                assert_eq!(seen[0], Got::Binary(bytes(5000 + round)));
                session.send("kept").expect("room");
                session.release();
                let written = frames(&session::drain(&mut session));
                assert_eq!(written.len(), 2, "a Pong and a message");
                session.release();
            }
        }
    }
}

/// The two sides on two threads, or in two structs: the incoming one is given the other for each
/// step.
#[test]
fn split_sides_work_as_one() {
    let (mut incoming, mut outgoing) = Session::server(&Limits::default().into()).split();
    incoming.push(&End::Server.peer_frame(PING, b"x"));
    assert!(matches!(
        incoming.step(&mut outgoing),
        Ok(Step::Control(Event::Ping(b"x")))
    ));
    outgoing
        .send_part(Kind::Text, b"y", Part::Last)
        .expect("room");
    assert_eq!(outgoing.unsent(), b"\x8A\x01x\x81\x01y");
}

/// A control frame is handed out when it is the next and has arrived whole; a message, never.
#[test]
fn control_hands_out_control_frames_alone() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        assert_eq!(session.control(), Ok(None));
        session.push(&end.peer_frame(TEXT, b"hello"));
        assert_eq!(session.control(), Ok(None), "a message is the next");
        let ping = end.peer_frame(PING, b"ping");
        let (head, rest) = ping.split_at(ping.len() - 1);
        session.push(head);
        assert_eq!(
            session::step(&mut session),
            Ok(Some(Got::Text("hello".into())))
        );
        assert_eq!(session.control(), Ok(None), "its last byte is not there");
        session.push(rest);
        assert_eq!(session.control(), Ok(Some(Event::Ping(b"ping"))));
        assert_eq!(session.control(), Ok(None));
    }
}

/// What comes after a failure is for nobody: reading on takes no memory, and what there is can be freed.
#[test]
fn after_a_failure_what_comes_is_dropped() {
    for end in End::BOTH {
        let mut session = end.session(&min_read());
        session.push(&end.peer_frame(0x83, b"an opcode that nobody knows"));
        let failure = Err(ProtocolError::ReservedOpcode);
        assert_eq!(session.step(), failure);
        let before = session.memory();
        for _ in 0..100 {
            let room = session.spare_mut().expect("memory").len();
            session.filled(room);
            assert_eq!(session.step(), failure);
        }
        assert!(session.memory() <= before.max(Limits::MIN_READ));
        session.release();
        assert!(session.halves().0.is_released());
    }
}
