//! Messages through a loop: of every size, in every piece, and more than the peer takes.

use crate::common;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::common::{Raw, limits, pattern, within};
use crate::support::{Told, echo, run, server};
use ws_proto::{CloseCode, Message};
use ws_std::Client;
use ws_testkit::{BINARY, CONTINUATION, PING, PONG, TEXT};

#[test]
fn messages_of_all_sizes_come_back() {
    let server = run(server().max_message(16 << 20));
    let client = Client::new(server.url("/")).max_message(16 << 20);
    let mut ws = client.connect().unwrap();
    let sizes = [
        0,
        1,
        2,
        125,
        126,
        127,
        1024,
        4096,
        65_521,
        65_522,
        65_535,
        65_536,
        131_071,
        131_072,
        262_144,
        1 << 20,
        5 << 20,
    ];
    for len in sizes {
        let bytes = pattern(len);
        // Both ends write at the same time, and then read.
        let writer = ws.writer();
        let sent = bytes.clone();
        let sender = thread::spawn(move || writer.send(&sent));
        assert!(ws.recv().unwrap() == Some(Message::Binary(&bytes)), "{len}");
        sender.join().unwrap().unwrap();
    }
    for text in ["", "a", "grün", "张三", "🦀 crab"] {
        let long = text.repeat(20_000);
        for text in [text, &long] {
            let writer = ws.writer();
            let sent = String::from(text);
            let sender = thread::spawn(move || writer.send(&sent));
            assert!(
                ws.recv().unwrap() == Some(Message::Text(text)),
                "{}",
                text.len()
            );
            sender.join().unwrap().unwrap();
        }
    }
    ws.close(CloseCode::NORMAL, "done").unwrap();
    assert_eq!(ws.peer_close(), Some((CloseCode::NORMAL, String::new())));
    let why = server.closed();
    assert!(
        why.starts_with("Done(Some(") && why.contains("done"),
        "{why}"
    );
}

#[test]
fn fragments_are_joined_and_control_frames_between_them_answered() {
    let server = echo();
    let mut raw = Raw::open(server.addr);
    let part = |first: u8, payload: &[u8]| ws_testkit::frame(first, Some(ws_testkit::KEY), payload);
    raw.write(part(TEXT, b"a"));
    for _ in 0..498 {
        raw.write(part(CONTINUATION, b"b"));
    }
    raw.send(PING, "marco");
    raw.write(part(0x80 | CONTINUATION, b"c"));
    assert_eq!(raw.next(), (PONG, b"marco".into()));
    let expected = format!("a{}c", "b".repeat(498));
    assert_eq!(raw.next(), (TEXT, expected.into()));
}

#[test]
fn frames_right_after_the_head_are_handled() {
    let server = echo();
    let mut raw = Raw::connect(server.addr);
    let mut bytes = Raw::request("/", common::UPGRADE).into_bytes();
    bytes.extend(raw.frame(TEXT, b"early"));
    bytes.extend(raw.frame(BINARY, &pattern(70_000)));
    raw.write(bytes);
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.next(), (TEXT, b"early".into()));
    assert_eq!(raw.next(), (BINARY, pattern(70_000)));
}

#[test]
fn one_byte_per_write_is_enough() {
    let server = echo();
    let mut raw = Raw::connect(server.addr);
    for byte in Raw::request("/", common::UPGRADE).into_bytes() {
        raw.write([byte]);
    }
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    for len in [0, 1, 125, 300] {
        for byte in raw.frame(BINARY, &pattern(len)) {
            raw.write([byte]);
        }
        assert_eq!(raw.next(), (BINARY, pattern(len)));
    }
}

/// More messages in a read than a turn may have: what is left is handed out in the next.
#[test]
fn twenty_thousand_pipelined_messages_come_back_in_order() {
    let server = echo();
    let mut raw = Raw::open(server.addr);
    let all: Vec<u8> = (0..20_000_u32)
        .flat_map(|number| common::frame(BINARY, &number.to_be_bytes(), true))
        .collect();
    let mut stream = raw.stream.try_clone().unwrap();
    let writer = thread::spawn(move || stream.write_all(&all));
    for number in 0..20_000_u32 {
        assert_eq!(raw.next(), (BINARY, number.to_be_bytes().into()));
    }
    writer.join().unwrap().unwrap();
}

/// Other connections have their turn while one sends without end.
#[test]
fn a_busy_connection_keeps_nobody_waiting() {
    let server = echo();
    let busy = Raw::open(server.addr);
    let [mut reads, mut writes] = [(); 2].map(|()| busy.stream.try_clone().unwrap());
    let flood: Vec<u8> = common::frame(BINARY, b"", true).repeat(10_000);
    let writer = thread::spawn(move || while writes.write_all(&flood).is_ok() {});
    let reader = thread::spawn(move || {
        let mut answers = vec![0; 64 << 10];
        while reads.read(&mut answers).is_ok_and(|len| len > 0) {}
    });
    let mut ws = server.connect("/");
    for _ in 0..100 {
        ws.send("still here?").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("still here?")));
    }
    busy.stream.shutdown(Shutdown::Both).unwrap();
    writer.join().unwrap();
    reader.join().unwrap();
}

/// A peer that writes and reads nothing: the loop stops reading, and loses nothing.
#[test]
fn who_reads_nothing_is_not_read_from_and_loses_nothing() {
    let server = echo();
    let mut raw = Raw::connect_small(server.addr);
    raw.upgrade();
    let message = pattern(10_000);
    let frame = raw.frame(BINARY, &message);
    raw.stream.set_nonblocking(true).unwrap();
    let mut written = 0;
    // Until nothing has been taken for as long as another connection needs for its echoes.
    let mut others = server.connect("/");
    let mut stuck = 0;
    while stuck < 200 {
        let at = written % frame.len();
        match raw.stream.write(&frame[at..]) {
            Ok(len) => (written, stuck) = (written + len, 0),
            Err(_) => {
                others.send("x").unwrap();
                others.recv().unwrap();
                stuck += 1;
            }
        }
    }
    // What lies on the way, and with us: far from what the peer would have sent.
    assert!(written < 40 << 20, "{written}");
    raw.stream.set_nonblocking(false).unwrap();
    let mut stream = raw.stream.try_clone().unwrap();
    let (rest, at) = (frame.clone(), written % frame.len());
    let writer = thread::spawn(move || stream.write_all(&rest[at..]));
    for _ in 0..=written / frame.len() {
        assert!(raw.next() == (BINARY, message.clone()));
    }
    writer.join().unwrap().unwrap();
    loop {
        if server.told() == Told::Drained {
            break;
        }
    }
}

#[test]
fn what_is_sent_without_room_closes_with_1013() {
    let small = limits(|limits| limits.max_unsent = 10_000);
    let server = run(server().limits(small));
    let mut raw = Raw::connect_small(server.addr);
    raw.write(Raw::request("/room", common::UPGRADE));
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    let message = "x".repeat(60_000);
    server.opened();
    let handle = server.handle.clone();
    // Far more than the sockets take.
    for _ in 0..200 {
        handle.publish("room", &*message).unwrap();
    }
    within(move || {
        loop {
            match raw.next() {
                (TEXT, text) => assert_eq!(text.len(), 60_000),
                (opcode, payload) => {
                    assert_eq!((opcode, &payload[..2]), (8, &1013_u16.to_be_bytes()[..]));
                    assert_eq!(&payload[2..], b"too slow");
                    break;
                }
            }
        }
    });
}
