//! What a transport takes, as a sign of life of the peer: what it takes after it would take no more.
//! It takes no more once it took a piece in part; after a whole piece it may.

#![cfg(feature = "alloc")]

use std::time::Duration;

use ws_proto::{Instant, Limits, Message, Prepared, Session, Verdict};

const LEN: usize = 10_000;

/// Whether the peer, which owes a Pong, is given up after a transport took what `write` says.
fn lives(write: impl FnOnce(&mut Session)) -> bool {
    let at = |secs| Instant::from_epoch(Duration::from_secs(secs));
    let mut session = Session::server(&Limits::default().into());
    let _ = session.check(at(0));
    let _ = session.check(at(20));
    let ping = session.unsent().len();
    assert!(ping > 0, "a Ping is due");
    session.sent(ping);
    let _ = session.check(at(20));
    write(&mut session);
    session.check(at(1000)) != Verdict::LastCall
}

#[test]
fn a_peer_that_is_silent_is_given_up() {
    assert!(!lives(|_| {}));
}

#[test]
fn a_message_that_is_taken_in_two_parts_is_a_sign() {
    for (first, second) in [(1, 1), (LEN, 1), (1, LEN + 3), (LEN - 1, 5)] {
        assert!(lives(|session| {
            session.send(&[7; LEN]).expect("room");
            session.sent(first);
            session.sent(second);
        }));
    }
}

#[test]
fn messages_that_are_taken_whole_are_none() {
    assert!(!lives(|session| {
        for _ in 0..3 {
            session.send(&[7; LEN]).expect("room");
            session.sent(LEN + 4);
        }
    }));
    // What takes no piece in part, and then a part: nothing was refused before.
    assert!(!lives(|session| {
        session.send(&[7; LEN]).expect("room");
        session.sent(LEN + 4);
        session.send(&[7; LEN]).expect("room");
        session.sent(1);
    }));
}

/// The header is one piece and the payload that lies elsewhere another.
#[test]
fn each_piece_of_a_shared_payload_may_be_taken_alone() {
    let prepared = Prepared::new(&[7; LEN]);
    for (writes, alive) in [
        (&[4, LEN][..], false),
        (&[LEN + 4], false),
        (&[4, LEN - 1], false),
        (&[4, 1, 1], true),
        (&[1, 1], true),
        (&[LEN, 1], true),
        (&[2, LEN + 2], true),
    ] {
        let lives = lives(|session| {
            session.send_prepared(&prepared).expect("room");
            writes.iter().for_each(|&len| session.sent(len));
        });
        assert_eq!(lives, alive, "{writes:?}");
    }
}

/// So it is with one that the caller writes from its own memory.
#[test]
fn each_piece_of_a_referred_payload_may_be_taken_alone() {
    let payload = [7; LEN];
    for (writes, alive) in [
        (&[4, LEN][..], false),
        (&[LEN + 4], false),
        (&[4, LEN - 1], false),
        (&[4, 1, 1], true),
        (&[1, 1], true),
        (&[LEN, 1], true),
        (&[2, LEN + 2], true),
    ] {
        let lives = lives(|session| {
            let (_, outgoing) = session.halves();
            let message = Message::Binary(&payload);
            let lent = outgoing.send_by_reference(message).expect("room");
            assert_eq!(lent.len(), LEN);
            writes.iter().for_each(|&len| session.sent(len));
        });
        assert_eq!(lives, alive, "{writes:?}");
    }
}

/// After pieces of several messages, too, whether or not the last is one that lies elsewhere.
#[test]
fn the_last_piece_decides() {
    let (prepared, payload) = (Prepared::new(&[7; LEN]), [7; LEN]);
    for (first, alive) in [
        (LEN + 4, false),
        (LEN + 5, true),
        (LEN + 4 + 4, false),
        (LEN + 4 + 5, true),
        (LEN + 4 + LEN + 4, false),
    ] {
        let lives = lives(|session| {
            session.send_prepared(&prepared).expect("room");
            let (_, outgoing) = session.halves();
            let message = Message::Binary(&payload);
            let _ = outgoing.send_by_reference(message).expect("room");
            session.sent(first);
            session.sent(1);
        });
        assert_eq!(lives, alive, "{first}");
    }
}

/// A frame of ours that waited for the end of a referred payload is not what a transport refused.
#[test]
fn the_end_of_a_referred_payload_refuses_nothing() {
    let payload = [7; LEN];
    assert!(!lives(|session| {
        let (_, outgoing) = session.halves();
        let message = Message::Binary(&payload);
        let _ = outgoing.send_by_reference(message).expect("room");
        outgoing.sent(4);
        outgoing.ping(b"").expect("open");
        assert!(outgoing.unsent().is_empty(), "it has to wait");
        outgoing.sent(LEN);
        assert_eq!(outgoing.unsent().len(), 2);
        outgoing.sent(2);
    }));
}
