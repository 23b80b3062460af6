//! A [`Session`] at the edges of its limits and buffers.
#![cfg(feature = "alloc")]

use crate::support;
use core::time::Duration;

use crate::support::End;
use ws_proto::{
    Buffers, Instant, Kind, Limits, Message, Part, Prepared, SendError, Sender, Session, Step,
    TimedOut, Verdict,
};
use ws_testkit::{BINARY, CLOSE, CONTINUATION, PING, PONG, Random, frames};

/// Consumes all there is.
fn drain(session: &mut Session) -> usize {
    let mut steps = 0;
    while !matches!(session.step(), Ok(Step::NeedData)) {
        steps += 1;
    }
    steps
}

#[test]
fn a_message_is_taken_while_less_than_the_mark_waits() {
    let mut limits = Limits::default();
    limits.max_unsent = 10;
    for (waiting, has_room) in [(9, true), (10, false), (11, false)] {
        let mut session = Session::server(&limits.into());
        session.send(&[7; 9][..waiting - 2]).expect("nothing waits");
        assert_eq!(
            (session.unsent_len(), session.has_room()),
            (waiting, has_room)
        );
        let full = SendError::Full { limit: 10 };
        let expected = if has_room { Ok(()) } else { Err(full) };
        assert_eq!(session.send(&[7; 1000]), expected, "whatever its length");
        assert_eq!(
            session.unsent_len(),
            waiting + if has_room { 1004 } else { 0 }
        );
    }
    // And a message beyond the limit, as long as nothing waits.
    let mut session = Session::server(&limits.into());
    session.send(&[0; 1000]).expect("nothing waits");
}

#[test]
fn a_pong_that_nobody_asked_for_is_sent() {
    let mut session = Session::server(&Limits::default().into());
    session.halves().1.pong(b"x").expect("open");
    assert_eq!(session.unsent(), [0x8A, 1, b'x']);
}

/// Some peers count (Autobahn 2.10); of a flood the last stands for all (§5.5.3).
#[test]
fn each_ping_of_a_handful_is_answered_and_the_last_of_a_flood() {
    let answered = |pings: u8, len: usize| {
        let mut session = Session::server(&Limits::default().into());
        for number in 0..pings {
            session.push(&End::Server.peer_frame(PING, &vec![number; len]));
        }
        drain(&mut session);
        let mut answers = Vec::new();
        while !session.unsent().is_empty() {
            answers.extend(frames(session.unsent()));
            let len = session.unsent().len();
            session.sent(len);
        }
        assert!(answers.iter().all(|frame| frame.opcode() == PONG));
        let number = |frame: &ws_testkit::Frame| frame.payload[0];
        answers.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(answered(3, 1), [0, 1, 2]);
    // 8 frames of 127 bytes and one of 127 are the first to pass 1 KiB.
    assert_eq!(answered(8, 125), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(answered(20, 125), [0, 1, 2, 3, 4, 5, 6, 7, 8, 19]);
    // Exactly 1 KiB is no room for one more, which waits in its slot.
    assert_eq!(
        answered(20, 62),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19]
    );
}

#[test]
fn after_a_message_that_waits_the_last_ping_is_answered() {
    let mut session = Session::server(&Limits::default().into());
    session.send("first").expect("room");
    for number in 0..3 {
        session.push(&End::Server.peer_frame(PING, &[number]));
    }
    drain(&mut session);
    let sent = frames(session.unsent());
    let pongs: Vec<_> = sent.iter().filter(|it| it.opcode() == PONG).collect();
    assert_eq!(pongs.len(), 1);
    assert_eq!(pongs[0].payload, [2]);
}

#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
fn a_session_is_released_when_there_is_nothing_to_read_into() {
    let released = |session: &mut Session| session.halves().0.is_released();
    let mut session = Session::server(&Limits::default().into());
    assert!(released(&mut session), "it begins without memory");
    session.spare_mut().expect("memory");
    assert!(!released(&mut session));
    session.release();
    assert!(released(&mut session));

    // Within a large frame bytes go straight into the message.
    let wire = End::Server.peer_frame(BINARY, &[7; 100_000]);
    session.push(&wire[..1000]);
    drain(&mut session);
    session.release();
    assert!(!released(&mut session), "the message has begun");
    let mut at = 1000;
    while at < wire.len() {
        let spare = session.spare_mut().expect("memory");
        let len = spare.len().min(wire.len() - at);
        spare[..len].copy_from_slice(&wire[at..at + len]);
        session.filled(len);
        at += len;
    }
    assert_eq!(
        session.step(),
        Ok(Step::Message(Message::Binary(&[7; 100_000])))
    );
}

#[test]
fn a_short_buffer_that_is_lent_becomes_long_enough_to_read_into() {
    let mut session = Session::server(&Limits::default().into());
    let wire = End::Server.peer_frame(BINARY, b"abc");
    for cut in [&wire[..5], &wire[5..7]] {
        session.attach(Buffers::received(cut.into(), 0..cut.len()));
        drain(&mut session);
        assert!(!session.spare_mut().expect("memory").is_empty());
        assert!(session.detach().is_some());
    }
    session.push(&wire[7..]);
    assert_eq!(session.step(), Ok(Step::Message(Message::Binary(b"abc"))));
}

/// So does one without any memory, such as one whose bytes were taken.
#[test]
fn a_buffer_without_memory_that_is_lent_gets_some_to_read_into() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let mut pair = Buffers::new(1000);
        assert_eq!(pair.take_bytes().len(), 1000);
        session.attach(pair);
        let wire = end.peer_frame(BINARY, b"abc");
        assert_eq!(support::session::read(&mut session, &wire), Ok(wire.len()));
        assert_eq!(session.step(), Ok(Step::Message(Message::Binary(b"abc"))));
    }
}

/// Whoever fills all the room has more to say: there is more of it for the next read.
#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri minutes")]
fn room_grows_while_reads_fill_it() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let head = end.peer_frame(BINARY, &[7; 1000]).len() - 1000;
        let mut rooms = Vec::new();
        for _ in 0..4 {
            let room = session.spare_mut().expect("memory").len();
            rooms.push(room);
            // Once it is longer, a frame of two bytes of length does not fill it.
            let payload = vec![7; room.min(60_000) - head];
            let wire = end.peer_frame(BINARY, &payload);
            assert_eq!(support::session::read(&mut session, &wire), Ok(wire.len()));
            assert_eq!(session.step(), Ok(Step::Message(Message::Binary(&payload))));
            assert_eq!(session.step(), Ok(Step::NeedData));
        }
        assert!(rooms[0] < rooms[1] && rooms[1] < rooms[2], "{rooms:?}");
        assert_eq!(rooms[2], rooms[3], "and no longer when a read leaves some");
    }
}

/// A header came alone, and its buffer went back with nothing left over.
#[test]
fn a_payload_has_a_place_after_a_header_that_left_nothing() {
    for end in End::BOTH {
        // More than a buffer, and so many that Miri is done within seconds.
        let long = if cfg!(miri) { 5500 } else { 100_000 };
        for len in [1, 125, 126, 5000, long] {
            let payload = vec![7; len];
            let wire = end.peer_frame(BINARY, &payload);
            let mut session = end.session(&Limits::default());
            session.attach(Buffers::new(4096));
            let mut at = wire.len() - len;
            assert_eq!(support::session::read(&mut session, &wire[..at]), Ok(at));
            assert_eq!(session.step(), Ok(Step::NeedData));
            assert!(session.detach().is_some());
            while at < wire.len() {
                assert_eq!(session.step(), Ok(Step::NeedData));
                at += support::session::read(&mut session, &wire[at..]).expect("memory");
            }
            assert_eq!(session.step(), Ok(Step::Message(Message::Binary(&payload))));
        }
    }
}

/// What was pushed waits in another place than a large message is read into.
#[test]
fn what_was_pushed_comes_before_what_is_read_after_it() {
    for end in End::BOTH {
        let len = if cfg!(miri) { 30_000 } else { 100_000 };
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        let wire = end.peer_frame(BINARY, &payload);
        let mut session = end.session(&Limits::default());
        session.push(&wire[..5000]);
        assert_eq!(session.step(), Ok(Step::NeedData));
        session.push(&wire[5000..6000]);
        let mut at = 6000;
        at += support::session::read(&mut session, &wire[at..]).expect("memory");
        while at < wire.len() {
            assert_eq!(session.step(), Ok(Step::NeedData));
            at += support::session::read(&mut session, &wire[at..]).expect("memory");
        }
        let Ok(Step::Message(message)) = session.step() else {
            panic!("a message");
        };
        assert!(message.as_bytes() == payload);
    }
}

/// One of the two is memory too, and none is none.
#[test]
fn buffers_have_memory_if_one_of_them_has() {
    assert!(!Buffers::default().has_memory());
    assert!(Buffers::new(1000).has_memory());
    let mut session = Session::server(&Limits::default().into());
    assert!(session.detach().is_none(), "nothing was lent");
    session.attach(Buffers::new(1000));
    let (incoming, outgoing) = session.halves();
    let (mut read, mut write) = (Buffers::default(), Buffers::default());
    incoming.detach(&mut read);
    outgoing.detach(&mut write);
    assert!(read.has_memory() && write.has_memory());
    incoming.attach(&mut read);
    outgoing.attach(&mut write);
    assert!(!read.has_memory() && !write.has_memory());
    assert!(session.detach().is_some());
}

#[test]
fn parts_are_of_one_kind_and_nothing_comes_between() {
    let mut session = Session::server(&Limits::default().into());
    let (_, outgoing) = session.halves();
    outgoing
        .send_part(Kind::Text, b"a", Part::More)
        .expect("room");
    let in_progress = Err(SendError::MessageInProgress);
    assert_eq!(outgoing.send("b"), in_progress);
    assert_eq!(outgoing.send_prepared(&Prepared::new("b")), in_progress);
    assert_eq!(
        outgoing.send_by_reference(Message::Text("b")),
        Err(SendError::MessageInProgress)
    );
    assert_eq!(
        outgoing.send_part(Kind::Binary, b"b", Part::Last),
        in_progress
    );
    outgoing
        .send_part(Kind::Text, b"c", Part::Last)
        .expect("room");
    outgoing.send("d").expect("the message is over");
    let sent = frames(session.unsent());
    let opcodes: Vec<_> = sent.iter().map(|frame| frame.opcode()).collect();
    assert_eq!(opcodes, [1, CONTINUATION, 1]);
    session.close(None).expect("open");
    let (_, outgoing) = session.halves();
    assert_eq!(
        outgoing.send_part(Kind::Text, b"a", Part::More),
        Err(SendError::Closed)
    );
}

#[test]
fn a_bare_sender_keeps_parts_of_one_kind_together() {
    let mut sender = Sender::server();
    sender.begin(Kind::Text, 1, Part::More).expect("the first");
    let in_progress = Err(SendError::MessageInProgress);
    assert_eq!(sender.begin(Kind::Binary, 1, Part::Last), in_progress);
    let header = sender.begin(Kind::Text, 1, Part::Last).expect("the last");
    assert!(header.is_final());
    sender.begin(Kind::Binary, 1, Part::Last).expect("another");
}

/// However much of a queue is shown at once, and however much of that the transport takes: the
/// first piece is what `unsent` shows, and what leaves is whole frames, each once and in order.
#[test]
fn unsent_slices_are_what_unsent_shows_in_every_order() {
    // Miri takes minutes for all of them.
    let (seeds, steps) = if cfg!(miri) { (1, 30) } else { (60, 120) };
    for (end, seed) in End::BOTH
        .into_iter()
        .flat_map(|end| (0..seeds).map(move |seed| (end, seed)))
    {
        let mut random = Random::new(seed);
        let mut session = end.session(&Limits::default());
        let shared = [4095, 4096, 9000].map(|len| Prepared::new(&vec![0xAB; len]));
        let (mut sent, mut pinged, mut wrote) = (Vec::new(), 0_u32, Vec::new());
        for step in 0..steps {
            match random.below(5) {
                0 => {
                    let message = vec![step; [0, 1, 125, 126, 3000][random.below(5)]];
                    session.send(&message).expect("room");
                    sent.push(message);
                }
                1 => {
                    let prepared = &shared[random.below(3)];
                    session.send_prepared(prepared).expect("room");
                    sent.push(prepared.message().as_bytes().into());
                }
                2 => {
                    session.push(&end.peer_frame(PING, &pinged.to_be_bytes()));
                    assert_eq!(drain(&mut session), 1);
                    pinged += 1;
                }
                _ => {}
            }
            let first = session.unsent().to_vec();
            let mut all = [&[][..]; 1000];
            let count = session.unsent_slices(&mut all);
            assert!(all[..count].iter().all(|piece| !piece.is_empty()));
            let all = all[..count].concat();
            // A Pong may wait in its slot for its turn.
            assert_eq!(all.len(), session.unsent_len());
            assert!(all.starts_with(&first) && first.is_empty() == all.is_empty());
            let mut few = [&[][..]; 4];
            let count = session.unsent_slices(&mut few[..1 + random.below(4)]);
            let few = few[..count].concat();
            assert!(all.starts_with(&few) && few.len() >= first.len());
            let most = [1, 20, 5000, 1 << 20][random.below(4)].min(few.len());
            let len = random.below(most + 1);
            wrote.extend(&few[..len]);
            session.sent(len);
        }
        while session.wants_write() {
            let mut slices = [&[][..]; 3];
            let count = session.unsent_slices(&mut slices);
            let written = slices[..count].concat();
            session.sent(written.len());
            wrote.extend(written);
        }
        let (messages, pongs): (Vec<_>, Vec<_>) = frames(&wrote)
            .into_iter()
            .partition(|frame| frame.opcode() != PONG);
        let messages: Vec<_> = messages.into_iter().map(|frame| frame.payload).collect();
        assert!(messages == sent, "{end:?}, {seed}");
        let answered: Vec<_> = pongs.into_iter().map(|frame| frame.payload).collect();
        assert!(answered.is_sorted_by(|a, b| a < b), "each once, in order");
        let last = pinged
            .checked_sub(1)
            .map(|last| last.to_be_bytes().to_vec());
        assert_eq!(answered.last(), last.as_ref(), "and the last of them");
    }
}

/// A peer that pings after each write gets an answer, a message, an answer, and so on, to the end.
#[test]
fn answers_and_messages_take_turns() {
    for end in End::BOTH {
        for len in [1, 4096] {
            let prepared = Prepared::new(&vec![7; len]);
            let mut session = end.session(&Limits::default());
            for _ in 0..4 {
                session.send_prepared(&prepared).expect("room");
            }
            let frame = session.unsent_len() / 4;
            let mut wrote = Vec::new();
            for _ in 0..40 {
                session.push(&end.peer_frame(PING, b"?"));
                assert_eq!(drain(&mut session), 1);
                // A frame, or a part of one.
                let unsent = session.unsent();
                let written = unsent.len().min(frame).min(3000);
                wrote.extend(&unsent[..written]);
                session.sent(written);
            }
            wrote.extend(support::session::drain(&mut session));
            let frames = frames(&wrote);
            let opcodes = frames.iter().map(|frame| frame.opcode());
            let turns = [PONG, BINARY].repeat(4);
            let opcodes: Vec<_> = opcodes.take(8).collect();
            assert_eq!(opcodes, turns, "{end:?}, {len}");
        }
    }
}

/// The mark is for messages. What a peer waits for goes at any time: a Pong, a Ping, the Close.
#[test]
fn control_frames_go_where_no_message_has_room() {
    let mut limits = Limits::default();
    limits.max_unsent = 10;
    for end in End::BOTH {
        let mut session = end.session(&limits);
        session.send(&[7; 1000]).expect("nothing waits");
        let full = Err(SendError::Full { limit: 10 });
        let prepared = Prepared::new(&vec![7; 9000]);
        assert!(!session.has_room());
        assert_eq!(session.send("x"), full);
        assert_eq!(session.send_prepared(&prepared), full);
        assert_eq!(session.send_part(Kind::Text, b"x", Part::Last), full);
        assert_eq!(
            session.send_by_reference(Message::Text("x")),
            Err(SendError::Full { limit: 10 })
        );

        session.push(&end.peer_frame(PING, b"are you there"));
        assert_eq!(drain(&mut session), 1);
        session.ping(b"are you").expect("open");
        session.close(None).expect("open");
        assert!(!session.has_room());
        let written = frames(&support::session::drain(&mut session));
        let opcodes: Vec<_> = written.iter().map(|frame| frame.opcode()).collect();
        assert_eq!(opcodes, [PONG, PING, BINARY, CLOSE]);
        assert!(session.has_room());
    }
}

/// Whoever sends a Close from another thread counts its time; the one that checks judges.
#[test]
fn timing_a_close_judges_nobody() {
    let at = |secs| Instant::from_epoch(Duration::from_secs(secs));
    let until = |secs| Verdict::Alive {
        wake: Some(at(secs)),
    };
    let mut session = Session::server(&Limits::default().into());
    assert_eq!(session.check(at(0)), until(20));
    session.close(None).expect("open");
    let (_, outgoing) = session.halves();
    assert_eq!(outgoing.time_close(at(3)), until(3), "write first");
    let len = session.unsent().len();
    session.sent(len);
    let (_, outgoing) = session.halves();
    assert_eq!(outgoing.time_close(at(4)), until(14));
    assert_eq!(outgoing.time_close(at(15)), until(14));
    assert_eq!(session.check(at(15)), Verdict::LastCall);
    let (_, outgoing) = session.halves();
    assert_eq!(outgoing.time_close(at(15)), until(14));
    assert_eq!(session.check(at(15)), Verdict::Dead(TimedOut::Close));
}
