//! What a loop allocates for a turn: nothing, once the buffers are there.

#[path = "../../ws-std/tests/common/mod.rs"]
mod common;

use std::thread;

use common::{Raw, frame, pattern};
use ws_loop::{Conn, EventLoop, Handler, Hosts, Message, Refusal, Reply, Request, SendError};
use ws_testkit::BINARY;
use ws_testkit::counting::{Counting, usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&mut self, _: &Request, _: &mut Reply) -> Result<(), Refusal> {
        Ok(())
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) -> Result<(), SendError> {
        conn.send(message)
    }
}

/// How often a loop allocates in its life, while `talk` talks to it.
fn allocations(talk: impl FnOnce(&mut [Raw; 2])) -> usize {
    let server = EventLoop::bind("127.0.0.1:0").unwrap();
    let server = server.hosts(Hosts::any()).websocket("/");
    let (addr, handle) = (server.local_addr().unwrap(), server.handle());
    let thread = thread::spawn(move || usage(|| server.run(Echo)));
    let mut peers = [(); 2].map(|()| Raw::open(addr));
    talk(&mut peers);
    for peer in &mut peers {
        peer.close(1000, "");
        peer.next_close();
        peer.ends();
    }
    drop(peers);
    handle.shutdown();
    let (ran, usage) = thread.join().unwrap();
    ran.unwrap();
    usage.calls
}

/// Two who talk by turns: whole messages.
fn whole(rounds: usize, len: usize) -> usize {
    allocations(|peers| {
        for _ in 0..rounds {
            for peer in &mut *peers {
                peer.send(BINARY, pattern(len));
                assert_eq!(peer.next().1.len(), len);
            }
        }
    })
}

/// Each read ends within a frame, and the loop serves another before it reads on.
fn cut(rounds: usize, len: usize) -> usize {
    let message = frame(BINARY, &pattern(len), true);
    let (begun, rest) = message.split_at(message.len() / 2);
    allocations(|[peer, other]| {
        peer.write(begun);
        for _ in 0..rounds {
            // Once this has come back what was written before has been read.
            other.send(BINARY, "x");
            assert_eq!(other.next().1, b"x");
            peer.write([rest, begun].concat());
            assert_eq!(peer.next().1.len(), len);
        }
        peer.write(rest);
        assert_eq!(peer.next().1.len(), len);
    })
}

#[test]
fn a_turn_allocates_nothing() {
    for len in [0, 16, 1000, 30_000] {
        assert_eq!(whole(5, len), whole(100, len), "{len}");
    }
}

#[test]
fn a_turn_with_a_frame_that_is_cut_allocates_nothing() {
    for len in [16, 1000, 6000] {
        assert_eq!(cut(5, len), cut(100, len), "{len}");
    }
}
