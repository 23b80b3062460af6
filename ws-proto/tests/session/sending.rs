//! The sending side of a [`Session`]: the bound on what waits, the place of control frames, and
//! output that is written in any portions.

#![cfg(feature = "alloc")]

use crate::support::{End, session};
use ws_proto::{
    Close, CloseCode, Kind, Limits, Message, Part, Prepared, SendError, Session, Shutdown, Step,
};
use ws_testkit::{BINARY, CLOSE, Frame, PING, PONG, TEXT, frames};

fn small(max_unsent: usize) -> Limits {
    let mut limits = Limits::default();
    limits.max_unsent = max_unsent;
    limits
}

/// Lets the session receive and answer; returns how many steps gave something.
fn receive(session: &mut Session, wire: &[u8]) -> usize {
    session.push(wire);
    let mut given = 0;
    while session::step(session).expect("in order").is_some() {
        given += 1;
    }
    given
}

fn waiting(session: &mut Session) -> usize {
    session.halves().1.unsent_len()
}

/// The opcode and payload of each.
fn contents(frames: &[Frame]) -> Vec<(u8, &[u8])> {
    frames
        .iter()
        .map(|f| (f.opcode(), &f.payload[..]))
        .collect()
}

#[test]
fn a_full_outbox_says_so_and_hands_the_message_back() {
    for end in End::BOTH {
        let mut session = end.session(&small(1000));
        let message = [0x42; 100];
        let mut accepted = 0;
        let error = loop {
            let before = waiting(&mut session);
            assert_eq!(session.has_room(), before < 1000);
            match session.send(&message) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    assert_eq!(waiting(&mut session), before, "nothing of it was queued");
                    break error;
                }
            }
        };
        assert_eq!(error, SendError::Full { limit: 1000 });
        let frame = if end == End::Server { 102 } else { 106 };
        assert_eq!(
            accepted,
            1000_usize.div_ceil(frame),
            "while less than that waits"
        );

        // The bound is for all that is queued, however it is queued.
        let (_, outgoing) = session.halves();
        let full = Err(SendError::Full { limit: 1000 });
        assert_eq!(outgoing.send_part(Kind::Text, &message, Part::More), full);
        assert_eq!(
            outgoing
                .send_by_reference(Message::Binary(&message))
                .map(|_| ()),
            full
        );

        // Once something was written the message goes, whatever its length.
        assert_eq!(session.send("small"), full);
        session.sent(2 * frame);
        session.send("small").expect("there is room again");
        session.send(&message).expect("and still");

        let written = frames(&[&session::drain(&mut session)[..]].concat());
        let expected = [
            vec![(BINARY, &message[..]); accepted - 2],
            vec![(TEXT, b"small"), (BINARY, &message)],
        ]
        .concat();
        assert_eq!(contents(&written), expected, "nothing lost, nothing twice");
    }
}

/// One message of any length may be queued when nothing waits: else it never could be.
#[test]
fn a_message_over_the_bound_may_be_queued_when_nothing_waits() {
    let mut server = Session::server(&small(1000).into());
    let long = vec![7; 100_000];
    server.send(&long).expect("nothing waits");
    let full = SendError::Full { limit: 1000 };
    assert_eq!(server.send("x"), Err(full));
    let written = session::drain(&mut server);
    assert_eq!(frames(&written)[0].payload, long);
    server.send("x").expect("nothing waits");
}

/// The reading peer is behind: it pings and pings, and reads nothing. At most one Pong waits in
/// the outbox and one in its slot, however many there were.
#[test]
fn a_ping_flood_does_not_make_the_outbox_grow() {
    for end in End::BOTH {
        for read_so_far in [0, 1, 50] {
            let mut session = end.session(&Limits::default());
            session.send(&[1; 500]).expect("room");
            session.send("second").expect("room");
            // An adapter writes what the socket takes: first a bit, and then nothing.
            let _ = session.unsent();
            session.sent(read_so_far);
            let before = waiting(&mut session);
            let ping = end.peer_frame(PING, &[0xAB; 125]);
            for count in 1..=2000 {
                assert_eq!(receive(&mut session, &ping), 1);
                let _ = session.unsent();
                let grown = waiting(&mut session) - before;
                assert!(grown <= 131, "{grown} after {count} pings");
            }
            assert_eq!(receive(&mut session, &end.peer_frame(PING, b"last")), 1);

            // The flood is over, and so is the silence: everything is there, whole.
            let mut written = if read_so_far == 0 {
                Vec::new()
            } else {
                head_of(end, read_so_far)
            };
            written.extend(session::drain(&mut session));
            let written = frames(&written);
            let mut opcodes: Vec<_> = written.iter().map(Frame::opcode).collect();
            assert_eq!(written.last().map(Frame::opcode), opcodes.last().copied());
            opcodes.sort_unstable();
            assert_eq!(opcodes, [TEXT, BINARY, PONG, PONG]);
            let pongs: Vec<_> = written.iter().filter(|f| f.opcode() == PONG).collect();
            assert_eq!(pongs[0].payload, [0xAB; 125]);
            assert_eq!(
                pongs[1].payload, b"last",
                "the last word is for the last ping"
            );
        }
    }
}

/// With no message in the outbox a handful of Pongs may wait there, as each Ping of a short burst
/// is answered; a flood is not followed for long.
#[test]
fn a_ping_flood_with_nothing_else_to_send_is_bounded_too() {
    const MOST: usize = (1 << 10) + 131;
    for end in End::BOTH {
        for reads_one_byte in [false, true] {
            for payload in [0, 1, 125] {
                let mut session = end.session(&Limits::default());
                if reads_one_byte {
                    session.send("cut").expect("room");
                    let _ = session.unsent();
                    session.sent(1);
                }
                let ping = end.peer_frame(PING, &vec![0xAB; payload]);
                for count in 1..=5000 {
                    assert_eq!(receive(&mut session, &ping), 1);
                    let len = session.unsent().len();
                    assert!(len <= MOST, "{len} after {count} pings");
                }
                assert_eq!(receive(&mut session, &end.peer_frame(PING, b"last")), 1);
                let mut written = session::drain(&mut session);
                if reads_one_byte {
                    written.insert(0, 0x81);
                }
                let written = frames(&written);
                let last = written.last().expect("a Pong");
                assert_eq!((last.opcode(), &last.payload[..]), (PONG, &b"last"[..]));
            }
        }
    }
}

/// The first bytes of what a fresh session writes for the flood's first message.
fn head_of(end: End, len: usize) -> Vec<u8> {
    let mut session = end.session(&Limits::default());
    session.send(&[1; 500]).expect("room");
    session.unsent()[..len].to_vec()
}

/// A control frame is queued when the transport has taken any number of bytes: it goes before all
/// messages but the one that is cut, and every frame stays whole.
#[test]
fn control_frames_go_first_at_the_next_frame_boundary_from_every_offset() {
    let messages: [&[u8]; 4] = [b"first", &[0xCC; 130], b"", b"fourth"];
    for end in End::BOTH {
        let queue = || {
            let mut session = end.session(&Limits::default());
            for message in messages {
                session.send(message).expect("room");
            }
            session
        };
        let plain = frames(&session::drain(&mut queue()));
        let head = |payload: usize| if payload > 125 { 4 } else { 2 } + if end == End::Client { 4 } else { 0 };
        let mut boundaries = vec![0];
        for message in messages {
            let last = boundaries[boundaries.len() - 1];
            boundaries.push(last + head(message.len()) + message.len());
        }
        let total = boundaries[4];

        for offset in 0..=total {
            let mut session = queue();
            let mut written = session.unsent()[..offset].to_vec();
            session.sent(offset);
            receive(&mut session, &end.peer_frame(PING, b"ping"));
            session.halves().1.ping(b"ours").expect("open");
            written.extend(session::drain(&mut session));

            let begun = boundaries.iter().filter(|&&b| b < offset).count();
            let written = frames(&written);
            let mut expected: Vec<(u8, &[u8])> = contents(&plain);
            // Ours was flushed at once, and the answer before it: both were in their slots.
            expected.splice(begun..begun, [(PONG, &b"ping"[..]), (PING, b"ours")]);
            assert_eq!(contents(&written), expected, "{end:?} at {offset}");
        }
    }
}

/// A transport that takes k bytes at a time, while the peer pings and messages are queued: the
/// stream is whole frames, the messages in order, for every k.
#[test]
fn partial_writes_of_any_size_leave_every_frame_whole() {
    for end in End::BOTH {
        for k in 1..=150 {
            let mut session = end.session(&Limits::default());
            let (mut written, mut sent) = (Vec::new(), Vec::new());
            for round in 0..60_u8 {
                if round % 3 == 0 {
                    let message = vec![round; usize::from(round) * 5];
                    session.send(&message).expect("room");
                    sent.push(message);
                }
                if round % 4 == 1 {
                    receive(&mut session, &end.peer_frame(PING, &[round]));
                }
                if round % 11 == 5 {
                    session.ping(&[round]).expect("open");
                }
                let unsent = session.unsent();
                let len = unsent.len().min(k);
                written.extend(&unsent[..len]);
                session.sent(len);
            }
            written.extend(session::drain(&mut session));
            let written = frames(&written);
            let messages: Vec<_> = written
                .iter()
                .filter(|f| f.opcode() == BINARY)
                .map(|f| f.payload.clone())
                .collect();
            assert_eq!(messages, sent, "k = {k}");
            // Pongs in the order of the pings, the last of them answered.
            let pongs: Vec<_> = written
                .iter()
                .filter(|f| f.opcode() == PONG)
                .map(|f| f.payload[0])
                .collect();
            assert!(pongs.is_sorted(), "{pongs:?}");
            assert_eq!(pongs.last(), Some(&57));
        }
    }
}

/// The Close comes after every message that was accepted before it, and the last word.
#[test]
fn last_word_the_close_comes_after_all_messages() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        session.send("one").expect("room");
        receive(&mut session, &end.peer_frame(PING, b"ping"));
        session.send("two").expect("room");
        session
            .close(Some(
                Close::new(CloseCode::GOING_AWAY, "bye").expect("short"),
            ))
            .expect("open");
        assert_eq!(session.send("three"), Err(SendError::Closed));
        assert_eq!(session.ping(b""), Err(SendError::Closed));
        assert_eq!(session.shutdown(), Shutdown::NotYet);
        let written = frames(&session::drain(&mut session));
        assert_eq!(
            contents(&written),
            [
                (PONG, &b"ping"[..]),
                (TEXT, b"one"),
                (TEXT, b"two"),
                (CLOSE, b"\x03\xE9bye"),
            ]
        );
        assert!(session.unsent().is_empty());
        assert_eq!(
            session.shutdown(),
            Shutdown::NotYet,
            "the peer has not closed"
        );
    }
}

/// Nothing is over while the last byte of the Close is not written.
#[test]
fn shutdown_waits_for_the_last_byte() {
    let over = [
        (End::Server, Shutdown::Write),
        (End::Client, Shutdown::AwaitPeer),
    ];
    for (end, over) in over {
        let mut session = end.session(&Limits::default());
        session.send("before").expect("room");
        receive(&mut session, &end.peer_frame(CLOSE, b"\x03\xE8"));
        let _ = session.unsent();
        let mut unsent = waiting(&mut session);
        while unsent > 0 {
            assert_eq!(session.shutdown(), Shutdown::NotYet, "{unsent} bytes to go");
            session.sent(1);
            unsent -= 1;
        }
        assert_eq!(session.shutdown(), over);
    }
}

/// A payload that is referred to is written by the caller right after the header; nothing gets between.
#[test]
fn send_by_reference_leaves_the_payload_where_it_is() {
    let payload = vec![0x5A; 70_000];
    for portion in [1, 9, 10, 11, 4096, 100_000] {
        let mut server = Session::server(&Limits::default().into());
        server.send("before").expect("room");
        let (_, outgoing) = server.halves();
        let lent = outgoing
            .send_by_reference(Message::Binary(&payload))
            .expect("room");
        assert!(core::ptr::eq(lent, payload.as_slice()), "not a copy");
        assert_eq!(outgoing.unsent_len(), 8 + 10 + 70_000);
        assert_eq!(outgoing.send("early"), Err(SendError::MessageInProgress));
        assert_eq!(
            outgoing.send_by_reference(Message::Text("")),
            Err(SendError::MessageInProgress)
        );

        // A vectored write of what is unsent and what was lent takes `portion` bytes of both.
        let (mut written, mut rest) = (Vec::new(), lent);
        let mut pinged = false;
        while waiting(&mut server) > 0 {
            let own = server.unsent().len().min(portion);
            written.extend(&server.unsent()[..own]);
            let theirs = (portion - own).min(rest.len());
            written.extend(&rest[..theirs]);
            rest = &rest[theirs..];
            server.sent(own + theirs);
            if !pinged {
                // In the middle of it all: it has to wait for the end of the frame.
                pinged = true;
                receive(&mut server, &End::Server.peer_frame(PING, b"ping"));
            }
        }
        written.extend(session::drain(&mut server));
        server.send("after").expect("room");
        written.extend(session::drain(&mut server));
        let written = frames(&written);
        // Nothing of `after` was queued when the Pong was: so it is behind the lent frame.
        let expected: [(u8, &[u8]); 4] = [
            (TEXT, b"before"),
            (BINARY, &payload),
            (PONG, b"ping"),
            (TEXT, b"after"),
        ];
        assert_eq!(contents(&written), expected, "portions of {portion}");
    }
}

/// A client has to mask, so its payload is copied after all; the caller's stays as it was.
#[test]
fn send_by_reference_of_a_client_copies_and_masks() {
    let payload = vec![0x5A; 70_000];
    let mut client = Session::client(&Limits::default().into(), [3; 32]);
    let (_, outgoing) = client.halves();
    let lent = outgoing
        .send_by_reference(Message::Binary(&payload))
        .expect("room");
    assert!(lent.is_empty());
    assert_eq!(payload, vec![0x5A; 70_000]);
    let written = frames(&session::drain(&mut client));
    assert_eq!(contents(&written), [(BINARY, &payload[..])]);
}

#[test]
fn send_part_makes_one_message_of_its_parts() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let (_, outgoing) = session.halves();
        outgoing
            .send_part(Kind::Text, b"one ", Part::More)
            .expect("room");
        assert_eq!(outgoing.send("no"), Err(SendError::MessageInProgress));
        let other = outgoing.send_part(Kind::Binary, b"no", Part::Last);
        assert_eq!(other, Err(SendError::MessageInProgress));
        outgoing
            .send_part(Kind::Text, b"", Part::More)
            .expect("room");
        outgoing.ping(b"between").expect("open");
        outgoing
            .send_part(Kind::Text, b"message", Part::Last)
            .expect("room");
        outgoing.send(b"next").expect("the message is over");

        let written = frames(&session::drain(&mut session));
        let firsts: Vec<_> = written.iter().map(|f| f.first).collect();
        // The Ping was queued before anything was written: so it is the first.
        assert_eq!(firsts, [0x89, 0x01, 0x00, 0x80, 0x82]);
        let joined: Vec<u8> = written[1..4]
            .iter()
            .flat_map(|f| f.payload.clone())
            .collect();
        assert_eq!(joined, b"one message");
    }
}

/// "the masking key MUST be … unpredictable" (§5.3): the least of it is that no two frames in a
/// row have the same. And masking happens to the copy, not to what the caller gave.
#[test]
fn masked_output_never_repeats_a_key_and_leaves_the_payload_alone() {
    let mut client = Session::client(&Limits::default().into(), [9; 32]);
    let payload = [0x11; 40];
    let mut keys = Vec::new();
    for i in 0..300 {
        match i % 4 {
            0 => client.send(&payload).expect("room"),
            1 => client.send("text").expect("room"),
            2 => client.ping(b"ping").expect("open"),
            _ => {
                let (_, outgoing) = client.halves();
                outgoing
                    .send_part(Kind::Binary, &payload, Part::Last)
                    .expect("room");
            }
        }
        for frame in frames(&session::drain(&mut client)) {
            keys.push(frame.mask.expect("a client masks"));
        }
    }
    assert_eq!(payload, [0x11; 40]);
    assert_eq!(keys.len(), 300);
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));

    let mut server = Session::server(&Limits::default().into());
    server.send(&payload).expect("room");
    assert!(
        frames(&session::drain(&mut server))
            .iter()
            .all(|f| f.mask.is_none())
    );
}

/// A prepared payload of 4096 bytes lies where it was prepared; a shorter one is copied, and so is a
/// client's, which must be masked.
#[test]
fn send_prepared_copies_what_is_short_or_masked() {
    for (end, len, pieces) in [
        (End::Server, 4095, 1),
        (End::Server, 4096, 2),
        (End::Client, 4096, 1),
    ] {
        let prepared = Prepared::new(&vec![7; len]);
        let mut session = end.session(&Limits::default());
        session.send_prepared(&prepared).expect("room");
        let mut slices = [&[][..]; 3];
        assert_eq!(session.unsent_slices(&mut slices), pieces, "{end:?}, {len}");
        let shared = prepared.message().as_bytes().as_ptr();
        let last = slices[pieces - 1].as_ptr();
        assert_eq!(core::ptr::eq(shared, last), pieces == 2, "{end:?}, {len}");
    }
}

/// `unsent_whole` is all there is to write, or it says that there are pieces.
#[test]
fn unsent_whole_is_all_or_none() {
    let mut session = End::Server.session(&Limits::default());
    assert_eq!(session.unsent_whole(), Some(&[][..]));
    session.send("hi").expect("room");
    session.ping(b"").expect("room");
    assert_eq!(session.unsent_whole(), None, "the Ping goes first");
    assert_eq!(session.unsent(), b"\x89\x00");
    session.sent(2);
    assert_eq!(session.unsent_whole(), Some(&b"\x81\x02hi"[..]));
    session.sent(1);
    assert_eq!(session.unsent_whole(), Some(&b"\x02hi"[..]));
    session
        .send_prepared(&Prepared::new(&vec![7; 4096]))
        .expect("room");
    assert_eq!(session.unsent_whole(), None, "the payload is elsewhere");
    while !session.unsent().is_empty() {
        let len = session.unsent().len();
        session.sent(len);
    }
    assert_eq!(session.unsent_whole(), Some(&[][..]));
}

/// `swap` takes what `unsent` would show, also when some of it was written before.
#[test]
fn swap_takes_everything() {
    for written_before in [0, 1, 5, 7] {
        let mut server = Session::server(&Limits::default().into());
        server.send("first").expect("room");
        server.send("second").expect("room");
        let mut stream = server.unsent()[..written_before].to_vec();
        server.sent(written_before);
        stream.extend(session::swap_out(&mut server));
        assert_eq!(
            contents(&frames(&stream)),
            [(TEXT, &b"first"[..]), (TEXT, b"second")]
        );
        assert!(server.unsent().is_empty());
        assert_eq!(waiting(&mut server), 0);

        server.send("third").expect("room");
        let taken = session::swap_out(&mut server);
        assert_eq!(contents(&frames(&taken)), [(TEXT, &b"third"[..])]);
    }
}

/// Everything that is answered while a batch is read leaves in one write.
#[test]
fn echo_of_a_batch_is_one_write() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let wire: Vec<u8> = (0..20_u8)
            .flat_map(|i| end.peer_frame(BINARY, &[i]))
            .collect();
        session.push(&wire);
        let (incoming, outgoing) = session.halves();
        while let Step::Message(message) = incoming.step(outgoing).expect("in order") {
            outgoing.send(message).expect("room");
        }
        let written = frames(session.unsent());
        assert!(written.iter().map(|f| f.payload[0]).eq(0..20));
    }
}
