//! A session tells its watcher by itself what was received, written and flushed.
#![cfg(feature = "alloc")]

use super::liveness::{LAST_CALL, NO_CLOSE, NO_PONG, at, until};
use crate::support::{End, session};
use ws_proto::{Buffers, Limits, Session};
use ws_testkit::{PING, PONG, TEXT, frames};

fn watched() -> Session {
    let mut server = Session::server(&Limits::default().into());
    assert_eq!(server.check(at(0)), until(20));
    server
}

fn pinged() -> Session {
    let mut server = watched();
    assert_eq!(server.check(at(20)), until(20));
    let written = frames(&session::drain(&mut server));
    assert_eq!(written[0].opcode(), PING);
    assert_eq!(server.check(at(20)), until(40));
    server
}

fn receive(server: &mut Session, opcode: u8) {
    server.push(&End::Server.peer_frame(opcode, b""));
    while session::step(server).expect("in order").is_some() {}
}

#[test]
fn time_begins_with_the_first_look_at_the_clock() {
    let mut server = Session::server(&Limits::default().into());
    assert_eq!(server.deadline(), Some(at(0)), "now");
    assert_eq!(server.check(at(1 << 33)), until((1 << 33) + 20));
    assert_eq!(server.deadline(), Some(at((1 << 33) + 20)));
}

#[test]
fn whatever_comes_is_seen() {
    for opcode in [PONG, PING, TEXT] {
        let mut server = pinged();
        receive(&mut server, opcode);
        session::drain(&mut server);
        assert_eq!(server.check(at(33)), until(40));
        assert_eq!(server.check(at(40)), until(40), "the next Ping");
    }
}

/// A large message that comes in, and never a whole one.
#[test]
#[cfg_attr(miri, ignore = "so many bytes take Miri many minutes")]
fn bytes_of_a_part_are_seen() {
    let mut server = watched();
    let wire = End::Server.peer_frame(ws_testkit::BINARY, &[0; 200_000]);
    let mut at_byte = 0;
    let mut read = |server: &mut Session| {
        let end = at_byte + 50_000;
        while at_byte < end {
            at_byte += session::read(server, &wire[at_byte..end]).expect("memory");
            assert_eq!(session::step(server), Ok(None));
        }
    };
    for round in 1..4 {
        let due = 20 * round;
        read(&mut server);
        assert_eq!(server.check(at(due)), until(due));
        session::drain(&mut server);
        assert_eq!(server.check(at(due)), until(due + 20));
    }
    assert_eq!(server.check(at(80)), LAST_CALL);
    assert_eq!(server.check(at(80)), NO_PONG);
}

#[test]
fn the_clock_starts_when_all_is_flushed() {
    let mut server = watched();
    server.send(&[0; 1000]).expect("room");
    let _ = server.unsent();
    server.sent(1);
    assert_eq!(server.check(at(20)), until(20));
    let _ = server.unsent();
    server.sent(500);
    assert_eq!(server.check(at(39)), until(40));
    assert_eq!(server.check(at(58)), until(59), "nothing was written since");
    session::drain(&mut server);
    assert_eq!(server.check(at(58)), until(60));
    assert_eq!(server.check(at(78)), LAST_CALL);
    assert_eq!(server.check(at(78)), NO_PONG);
}

/// What was taken is not written yet: the program says when it is.
#[test]
fn what_was_swapped_out_counts_when_all_of_it_is_written() {
    let mut server = watched();
    let _ = server.check(at(20));
    let mut taken = Buffers::default();
    server.halves().1.swap(&mut taken);
    assert_eq!(taken.unsent_len(), 2);
    assert_eq!(server.check(at(20)), until(25));
    server.halves().1.on_written(1);
    assert_eq!(server.check(at(30)), until(35));
    server.halves().1.on_written(0);
    assert_eq!(server.check(at(35)), until(40));
    assert_eq!(server.check(at(55)), LAST_CALL);
    assert_eq!(server.check(at(55)), NO_PONG);
}

/// An adapter that tries, and moves no byte, has neither received nor written anything.
#[test]
fn reads_and_writes_of_nothing_are_no_news() {
    let mut server = pinged();
    let _ = server.spare_mut().expect("memory");
    server.filled(0);
    assert_eq!(session::step(&mut server), Ok(None));
    assert_eq!(server.check(at(40)), LAST_CALL, "nothing was received");
    assert_eq!(server.check(at(40)), NO_PONG);

    let mut server = watched();
    server.send(&[0; 1000]).expect("room");
    let _ = server.check(at(20));
    let _ = server.unsent();
    server.sent(0);
    assert_eq!(server.check(at(40)), LAST_CALL, "nothing was written");
    let _ = server.unsent();
    server.sent(0);
    assert_eq!(server.check(at(40)), NO_PONG);
}

/// Bytes that lie in a buffer that is lent were received; an empty one brings no news.
#[test]
fn what_lies_in_a_lent_buffer_is_seen() {
    let pong = End::Server.peer_frame(PONG, b"");
    let len = pong.len();
    let mut server = pinged();
    server.attach(Buffers::received(pong, 0..len));
    assert_eq!(server.check(at(33)), until(40));
    assert_eq!(server.check(at(40)), until(40), "the next Ping");

    let mut server = pinged();
    server.attach(Buffers::received(vec![0; 200], 10..10));
    assert_eq!(server.check(at(40)), LAST_CALL, "nothing was received");
    assert_eq!(server.check(at(40)), NO_PONG);
}

/// A transport that refuses a message as a whole, and takes it later, has a peer that reads.
#[test]
fn what_was_refused_is_an_answer_when_it_is_taken() {
    let mut server = pinged();
    server.send("hello").expect("room");
    let _ = server.unsent();
    server.sent(0);
    session::drain(&mut server);
    assert_eq!(server.check(at(40)), until(40), "the next Ping");
}

#[test]
fn no_close_is_noticed() {
    let mut server = watched();
    server.close(None).expect("open");
    assert_eq!(server.check(at(3)), until(3));
    session::drain(&mut server);
    assert_eq!(server.check(at(3)), until(13));
    assert_eq!(server.check(at(12)), until(13));
    assert_eq!(server.check(at(13)), LAST_CALL);
    assert_eq!(server.check(at(13)), NO_CLOSE);
}
