//! Sending to others: from handlers, from other threads, to topics, to who is slow.

use crate::support;
use std::sync::Arc;
use std::thread;

use crate::common::{Raw, limits, upgrade};
use crate::support::{Told, echo, run, server};
use ws_loop::{CloseCode, Message, PostError, Prepared};
use ws_std::WebSocket;
use ws_testkit::{CLOSE, TEXT};

#[track_caller]
fn hears(ws: &mut WebSocket, text: &str) {
    assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)));
}

#[test]
fn other_threads_send_to_connections() {
    let server = echo();
    let mut all: Vec<_> = (0..4).map(|_| server.connect("/")).collect();
    let ids: Vec<_> = (0..4).map(|_| server.opened()).collect();
    let threads: Vec<_> = (0..4)
        .map(|name: usize| {
            let (handle, ids) = (server.handle.clone(), ids.clone());
            thread::spawn(move || {
                for number in 0..250 {
                    for &id in &ids {
                        handle.send(id, &*format!("{name} {number}")).unwrap();
                    }
                }
            })
        })
        .collect();
    for ws in &mut all {
        // What comes from one thread is in order.
        let mut next = [0; 4];
        for _ in 0..1000 {
            let text = ws.recv().unwrap().unwrap().as_text().unwrap().to_owned();
            let (name, number) = text.split_once(' ').unwrap();
            let next = &mut next[name.parse::<usize>().unwrap()];
            assert_eq!(number, next.to_string());
            *next += 1;
        }
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    server
        .handle
        .close(ids[0], CloseCode::NORMAL, "done")
        .unwrap();
    let mut closed = 0;
    for ws in &mut all {
        // Whose name it was is not known here.
        server.handle.broadcast("still here?").unwrap();
        match ws.recv().unwrap() {
            None => closed += 1,
            Some(message) => assert_eq!(message, Message::Text("still here?")),
        }
    }
    assert_eq!(closed, 1);
}

#[test]
fn a_broadcast_reaches_everybody_and_is_shared() {
    let server = echo();
    let mut all: Vec<_> = (0..50).map(|_| server.connect("/")).collect();
    for _ in 0..50 {
        server.opened();
    }
    let large = "x".repeat(100_000);
    let prepared = Arc::new(Prepared::new(&*large));
    server.handle.broadcast_prepared(prepared).unwrap();
    server.handle.broadcast("small").unwrap();
    for ws in &mut all {
        hears(ws, &large);
        hears(ws, "small");
    }
}

/// What is sent to one that has gone reaches nobody, not even who has its place now.
#[test]
fn names_are_not_used_again() {
    let server = echo();
    let mut first = server.connect("/");
    let gone = server.opened();
    first.close(CloseCode::NORMAL, "").unwrap();
    drop(first);
    server.closed();
    let mut second = server.connect("/");
    let id = server.opened();
    assert_ne!(id, gone);
    server.handle.send(gone, "for the first").unwrap();
    server.handle.close(gone, CloseCode::NORMAL, "").unwrap();
    server.handle.send(id, "for the second").unwrap();
    hears(&mut second, "for the second");
}

#[test]
fn a_reason_that_is_too_long_is_refused() {
    let server = echo();
    let _ws = server.connect("/");
    let id = server.opened();
    let posted = server.handle.close(id, CloseCode::NORMAL, &"x".repeat(124));
    assert!(matches!(posted, Err(PostError::Send(_))), "{posted:?}");
}

#[test]
fn members_hear_each_other_in_one_order() {
    let server = echo();
    let mut room: Vec<_> = (0..3).map(|_| server.connect("/room")).collect();
    let mut stranger = server.connect("/");
    for _ in 0..4 {
        server.opened();
    }
    for (at, ws) in room.iter_mut().enumerate() {
        for number in 0..100 {
            ws.send(&*format!("{at} {number}")).unwrap();
        }
    }
    let heard = room.iter_mut().map(|ws| {
        let next = || ws.recv().unwrap().unwrap().as_text().unwrap().to_owned();
        std::iter::repeat_with(next).take(300).collect::<Vec<_>>()
    });
    let heard: Vec<_> = heard.collect();
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);

    room[0].send("psst").unwrap();
    room[0].send("aloud").unwrap();
    hears(&mut room[0], "aloud");
    for ws in &mut room[1..] {
        hears(ws, "psst");
        hears(ws, "aloud");
    }
    room[1].send("leave").unwrap();
    room[1].send("aloud").unwrap();
    hears(&mut room[0], "aloud");
    hears(&mut room[2], "aloud");
    let mut leaver = room.remove(1);
    leaver.close(CloseCode::NORMAL, "").unwrap();
    for ws in &mut room {
        hears(ws, "somebody has gone");
    }
    stranger.send("nothing came before this").unwrap();
    hears(&mut stranger, "nothing came before this");
}

/// One that takes nothing holds up nobody: as a member that is to miss nothing it is closed, as one
/// that may miss some it misses them.
#[test]
fn a_member_that_stalls_holds_up_nobody() {
    let small = limits(|limits| limits.max_unsent = 100_000);
    let server = run(server().limits(small));
    let [mut stalled, mut skipping] = ["/room", "/news"].map(|path| {
        let mut raw = Raw::connect_small(server.addr);
        raw.write(upgrade(path, ""));
        raw.head();
        raw
    });
    let mut ws = server.connect("/room");
    for _ in 0..3 {
        server.opened();
    }
    const MESSAGES: usize = 400;
    for number in 0..MESSAGES {
        let text = format!("{number:0>30000}");
        server.handle.publish("room", &*text).unwrap();
        hears(&mut ws, &text);
    }
    let numbers = |raw: &mut Raw| {
        let mut numbers = Vec::new();
        loop {
            match raw.next() {
                (TEXT, text) if text.starts_with(b"0") => {
                    let text = String::from_utf8(text).unwrap();
                    numbers.push(text.parse::<usize>().unwrap());
                }
                (opcode, payload) => return (numbers, opcode, payload),
            }
        }
    };
    // Whole messages up to some, and a Close that says why.
    let (heard, opcode, payload) = numbers(&mut stalled);
    assert!(heard.iter().copied().eq(0..heard.len()) && heard.len() < MESSAGES);
    assert_eq!(
        (opcode, &payload[..2]),
        (CLOSE, &1013_u16.to_be_bytes()[..])
    );
    assert_eq!(&payload[2..], b"too slow");
    // Whole messages, with gaps, and it is a member still.
    let number = numbers_until(&mut skipping, &server);
    assert!(number.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(number.len() < MESSAGES, "it missed some");
}

fn numbers_until(raw: &mut Raw, server: &support::Looping) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        // It has room again at some time, and hears this then.
        server.handle.publish("room", "still here?").unwrap();
        match raw.next() {
            (TEXT, text) if text.starts_with(b"0") => {
                numbers.push(String::from_utf8(text).unwrap().parse().unwrap());
            }
            (TEXT, text) => {
                assert!(text == b"still here?" || text == b"somebody has gone");
                if text == b"still here?" {
                    return numbers;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_posted_has_a_bound() {
    let server = server().max_posted(1000);
    let handle = server.handle();
    // Nobody takes it yet; one of any length always fits.
    handle.broadcast(&vec![0; 5000]).unwrap();
    let posted = handle.broadcast("x");
    assert_eq!(posted, Err(PostError::Full { limit: 1000 }));
    let server = run(server);
    let mut ws = server.connect("/greeted");
    hears(&mut ws, "welcome");
    server.handle.broadcast("x").unwrap();
    hears(&mut ws, "x");
}

#[test]
fn the_end_of_a_member_is_told_to_the_others_once() {
    let server = echo();
    let mut ws = server.connect("/room");
    server.opened();
    for _ in 0..50 {
        drop(server.connect("/room"));
        hears(&mut ws, "somebody has gone");
    }
    let closed = std::iter::from_fn(|| Some(server.told()));
    let closed = closed.filter(|told| matches!(told, Told::Closed(..)));
    assert_eq!(closed.take(50).count(), 50);
}
