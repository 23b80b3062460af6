//! Rooms over sockets: who is in which, and what becomes of those that are slow.

use std::sync::mpsc;
use std::thread;

use crate::common::{Raw, Running, UPGRADE, pattern, run, server, timeouts, until, within};
use ws_std::{CloseCode, Error, Group, Message, RoomPolicy, Rooms, Slow, WebSocket};
use ws_testkit::BINARY;

/// Each line goes to the room of the path; `all: ` before it, to everyone.
fn chat(rooms: &Rooms<String>) -> Running {
    let rooms = rooms.clone();
    run(
        server().websocket("/{room}/{name}", move |mut ws, request| {
            let of = |name| request.path_param(name).unwrap_or_default();
            let (room, name) = (of("room"), of("name"));
            let guest = rooms.enter(ws.writer(), name.to_string());
            guest.join(&room);
            guest.send_to_others(&room, &*format!("{name} is here"));
            ws.for_each(|line, _| {
                let line = line.as_text().unwrap_or("(bytes)");
                match line.strip_prefix("all: ") {
                    Some(line) => rooms.send_to_all(line),
                    None => rooms.send(&room, &*format!("{}: {line}", guest.state())),
                };
                Ok::<_, Error>(())
            })
        }),
    )
}

fn line(ws: &mut WebSocket) -> String {
    let message = ws.recv().unwrap().expect("a line");
    message.as_text().unwrap().into()
}

#[test]
fn a_chat_of_several_rooms() {
    let rooms = Rooms::with(|_| RoomPolicy::new().history(10));
    let server = chat(&rooms);
    let enter = |target: &str| ws_std::connect(server.url(target)).unwrap();
    let mut ada = enter("/tea/Ada");
    until("Ada", || rooms.members("tea").len() == 1);
    let mut bob = enter("/tea/Bob");
    assert_eq!(line(&mut ada), "Bob is here");
    assert_eq!(line(&mut bob), "Ada is here");
    let mut eve = enter("/pub/Eve");
    until("Eve", || rooms.members("pub").len() == 1);
    bob.send("hello").unwrap();
    for ws in [&mut ada, &mut bob] {
        assert_eq!(line(ws), "Bob: hello");
    }
    eve.send("all: last orders").unwrap();
    // From outside of any connection, too.
    let outside = rooms.clone();
    thread::spawn(move || {
        until("its turn", || outside.metrics("tea").sent == 4);
        outside.send("tea", "(closed)")
    });
    for ws in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(line(ws), "last orders");
    }
    ada.send("bye").unwrap();
    for ws in [&mut ada, &mut bob] {
        assert_eq!(line(ws), "Ada: bye");
        assert_eq!(line(ws), "(closed)");
    }
    // Who comes later, or again, has missed nothing.
    bob.close(CloseCode::NORMAL, "").unwrap();
    let mut again = enter("/tea/Bob");
    for expected in [
        "Ada is here",
        "Bob is here",
        "Bob: hello",
        "Ada: bye",
        "(closed)",
    ] {
        assert_eq!(line(&mut again), expected);
    }
    drop((ada, again, eve));
    until("nobody", || rooms.is_empty() && rooms.names().is_empty());
}

/// A member that reads nothing, another that reads all, and what is too much for the former.
fn stalled(policy: RoomPolicy) -> (Group, Running, Raw, WebSocket) {
    let group = Group::with(policy);
    let joined = group.clone();
    // Nobody is given up meanwhile.
    let server = server().timeouts(timeouts(None, 600_000, 10_000));
    let server = run(server.websocket("/", move |mut ws, _| {
        let _member = joined.join(ws.writer());
        ws.for_each(|_, _| Ok::<_, Error>(()))
    }));
    let mut raw = Raw::connect_small(server.addr);
    raw.write(Raw::request("/", UPGRADE));
    raw.head();
    let live = server.connect();
    until("both", || group.len() == 2);
    (group, server, raw, live)
}

/// A message with its number, and the number of such a message.
fn numbered(number: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &pattern(100_000)].concat()
}

fn number((opcode, payload): (u8, Vec<u8>)) -> u32 {
    assert_eq!(opcode, BINARY);
    let number = u32::from_be_bytes(*payload.first_chunk().unwrap());
    assert!(payload == numbered(number));
    number
}

#[test]
fn the_latest_wait_for_one_that_stalls_and_come_when_it_reads() {
    let (group, _server, mut raw, mut live) = stalled(RoomPolicy::new().slow(Slow::Latest(3)));
    let mut sent = 0;
    while group.metrics().dropped < 10 {
        assert_eq!(group.send(&numbered(sent)[..]), 2);
        assert!(live.recv().unwrap() == Some(Message::Binary(&numbered(sent))));
        sent += 1;
    }
    // Nobody sends any more: what had left, then the last three.
    let read = within(move || {
        let mut read = Vec::new();
        while read.last() != Some(&(sent - 1)) {
            read.push(number(raw.next()));
        }
        (read, raw)
    });
    let (read, mut raw) = read;
    let kept = sent - 10;
    assert_eq!(read.len(), kept as usize);
    let (first, last) = read.split_at(read.len() - 3);
    assert!(first.iter().copied().eq(0..kept - 3));
    assert!(last.iter().copied().eq(sent - 3..sent));
    // And then it is a member as any.
    assert_eq!(group.send(&numbered(sent)[..]), 2);
    assert_eq!(number(raw.next()), sent);
    assert_eq!(group.metrics().closed, 0);
}

#[test]
fn who_may_miss_messages_stays() {
    let (group, _server, mut raw, mut live) = stalled(RoomPolicy::new().slow(Slow::Skip));
    let mut sent = 0;
    while group.metrics().skipped < 10 {
        group.send(&numbered(sent)[..]);
        assert!(live.recv().unwrap() == Some(Message::Binary(&numbered(sent))));
        sent += 1;
    }
    for expected in 0..sent - 10 {
        assert_eq!(number(raw.next()), expected);
    }
    until("room", || group.send("on") == 2);
    assert_eq!(raw.next().1, b"on");
    assert_eq!(group.len(), 2);
}

#[test]
fn all_wait_for_one_that_may_miss_nothing() {
    let (group, _server, mut raw, mut live) = stalled(RoomPolicy::new().slow(Slow::Wait));
    const COUNT: u32 = 50;
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let reached = (0..COUNT).map(|at| group.send(&numbered(at)[..]));
        done.send(reached.collect::<Vec<_>>())
    });
    let reading = thread::spawn(move || {
        (0..COUNT).for_each(|at| assert!(live.recv().unwrap().unwrap().as_bytes() == numbered(at)));
    });
    // More than the system and the queue keep for one that reads nothing.
    for expected in 0..COUNT {
        assert_eq!(number(raw.next()), expected);
    }
    let reached = within(move || is_done.recv().unwrap());
    assert_eq!(reached, [2; COUNT as usize]);
    within(move || reading.join().unwrap());
}
