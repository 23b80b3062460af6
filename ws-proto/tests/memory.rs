//! The memory that a session says it holds is the memory that it holds.

#![cfg(feature = "deflate")]

use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{Buffers, Config, Deflate, Message, Session, Step};
use ws_testkit::counting::{Counting, live};
use ws_testkit::noise;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How much it may differ by: places for buffers are not counted, and a context of zlib a little
/// more than whole.
const BESIDE: usize = 8 << 10;

fn assert_told(told: usize, before: isize, case: &str) {
    let held = usize::try_from(live() - before).expect("more than before");
    assert!(
        told <= held + BESIDE && held <= told + BESIDE,
        "{case}: {held} bytes are held, {told} are told"
    );
}

fn agreed(bits: u8) -> Compression {
    let window = WindowBits::new(bits).expect("a window");
    let direction = Direction {
        window,
        takeover: Takeover::Kept,
    };
    Compression {
        server: direction,
        client: direction,
    }
}

fn settings(memory: u8) -> Deflate {
    let mut settings = Deflate::default();
    settings.send = Direction::FULL;
    settings.memory = memory;
    settings.min_len = 0;
    settings
}

fn server(bits: u8, memory: u8) -> Session {
    Session::server(&Config::default()).compressed(&settings(memory), &agreed(bits))
}

fn client() -> Session {
    Session::client(&Config::default(), [7; 32])
}

#[test]
fn a_session_tells_what_its_compressor_holds() {
    for bits in [9, 12, 15] {
        for memory in [1, 5, 9] {
            let mut session = server(bits, memory);
            let before = live();
            session.send("a context, please").expect("room");
            assert_told(session.memory(), before, &format!("{bits}, {memory}"));
            // Its output waits beside it.
            session.send(&noise(1 << 20)).expect("room");
            assert_told(
                session.memory(),
                before,
                &format!("{bits}, {memory}, noise"),
            );
        }
    }
}

#[test]
fn a_session_tells_what_it_inflates_with() {
    let text = "a text that is compressed, ".repeat(10);
    let mut client = client().compressed(&settings(8), &agreed(15));
    client.send(text.as_str()).expect("room");
    assert!(client.unsent_len() < text.len());
    let mut server = server(15, 8);
    let before = live();
    server.push(client.unsent());
    assert_eq!(server.step(), Ok(Step::Message(Message::Text(&text))));
    assert_told(server.memory(), before, "a window");
}

/// Half of a message that is read straight to where it is handed out, and the room for the next.
#[test]
fn a_session_tells_what_has_arrived_of_a_message() {
    let mut client = client();
    client.send(&noise(1 << 20)).expect("room");
    let mut server = Session::server(&Config::default());
    let before = live();
    server.push(&client.unsent()[..600 << 10]);
    assert_eq!(server.step(), Ok(Step::NeedData));
    server.push(&client.unsent()[600 << 10..700 << 10]);
    assert_told(server.memory(), before, "half a message");
}

/// What is written while the session goes on belongs to who writes it, and is counted there.
#[test]
fn what_is_being_written_is_told_by_its_buffers() {
    let mut session = Session::server(&Config::default());
    let mut pair = Buffers::default();
    assert_eq!(pair.memory(), 0);
    let before = live();
    session.send(&noise(1 << 20)).expect("room");
    let memory = session.memory();
    session.halves().1.swap(&mut pair);
    assert_eq!(pair.memory(), memory);
    assert!(session.memory() < memory, "it is not counted twice");
    assert_told(pair.memory(), before, "a message");
}
