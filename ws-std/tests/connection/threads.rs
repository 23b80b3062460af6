//! One connection and several threads; many connections and one slow one.

use crate::common;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, echo, pattern, run, server, timeouts, until, within};
use ws_proto::{Config, Session};
use ws_std::{
    Clock, CloseCode, Error, Group, Kind, Limits, Message, Part, Reader, SendError, Timeouts,
    WebSocket, Writer,
};
use ws_testkit::{BINARY, TEXT};

/// A server's end of ours without an opening handshake, and a peer that speaks bytes.
fn served(limits: &Limits, timeouts: Timeouts, clock: Clock) -> (WebSocket, Raw) {
    let (ws, _, peer) = served_on(limits, timeouts, clock);
    (ws, peer)
}

/// The same, and the stream below.
fn served_on(limits: &Limits, timeouts: Timeouts, clock: Clock) -> (WebSocket, TcpStream, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Raw::connect_small(listener.local_addr().unwrap());
    let stream = listener.accept().unwrap().0;
    socket2::SockRef::from(&stream)
        .set_send_buffer_size(4096)
        .unwrap();
    let mut config = Config::from(*limits);
    config.timeouts = timeouts;
    let mut session = Session::server(&config);
    let _ = session.check(clock.now());
    let below = stream.try_clone().unwrap();
    (
        WebSocket::over(stream, session, clock).unwrap(),
        below,
        peer,
    )
}

#[test]
fn a_reader_and_many_writers_share_a_connection() {
    const WRITERS: usize = 4;
    const EACH: usize = 5000;
    let server = run(echo());
    let (mut reader, writer) = server.connect().split();
    let sending: Vec<_> = (0..WRITERS)
        .map(|at| {
            let writer = writer.clone();
            thread::spawn(move || {
                for count in 0..EACH {
                    // Now and then one that is written from where it lies.
                    let filler = if count % 500 == 0 { 40_000 } else { count % 90 };
                    let message = format!("{at} {count} {}", "é".repeat(filler));
                    match count % 3 {
                        // The queue is long enough for none of them to be refused.
                        0 => until("room", || match writer.queue(&message) {
                            Err(Error::Send(SendError::Full { .. })) => false,
                            result => result.map(|()| true).unwrap(),
                        }),
                        _ => writer.send(&message).unwrap(),
                    }
                    if count % 10 == 0 {
                        writer.ping(b"still there?").unwrap();
                    }
                }
            })
        })
        .collect();
    let reading = thread::spawn(move || {
        let mut next = [0; WRITERS];
        for _ in 0..WRITERS * EACH {
            let message = reader.recv().unwrap().unwrap();
            let mut words = message.as_text().unwrap().split(' ');
            let mut number = || words.next().unwrap().parse::<usize>().unwrap();
            let (at, count) = (number(), number());
            assert_eq!(count, next[at], "in order, and none twice");
            next[at] += 1;
            let filler = if count % 500 == 0 { 40_000 } else { count % 90 };
            assert_eq!(words.next().unwrap().chars().count(), filler);
        }
        assert_eq!(next, [EACH; WRITERS]);
        reader.close(CloseCode::NORMAL, "").unwrap();
    });
    within(move || {
        for thread in sending {
            thread.join().unwrap();
        }
        reading.join().unwrap();
    });
}

#[test]
fn two_peers_that_send_at_once_do_not_wait_for_each_other() {
    const MESSAGES: usize = 40;
    const LEN: usize = 1 << 20;
    fn talk(ws: WebSocket) -> Reader {
        let (mut reader, writer) = ws.split();
        let sending = thread::spawn(move || {
            let message = pattern(LEN);
            for _ in 0..MESSAGES {
                writer.send(&message).unwrap();
                // So that the other side's reader has something to write, too.
                writer.ping(b"").unwrap();
            }
        });
        for _ in 0..MESSAGES {
            let message = reader.recv().unwrap().unwrap();
            assert_eq!(message.as_bytes().len(), LEN);
        }
        sending.join().unwrap();
        reader
    }
    let (done, end) = mpsc::channel();
    let server = run(server().websocket("/", move |ws, _| {
        assert_eq!(talk(ws).recv()?, None);
        done.send(()).unwrap();
        Ok::<_, Error>(())
    }));
    let ws = server.connect();
    within(move || talk(ws).close(CloseCode::NORMAL, "").unwrap());
    end.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_reader_never_waits_for_the_peer_to_take_its_pong() {
    use std::io::Write;
    // The peer takes nothing, its kernel and ours are full, and nobody is writing: it is the
    // reader's turn to.
    let (ws, mut stream, mut peer) =
        served_on(&Limits::default(), Timeouts::default(), Clock::system());
    stream.set_nonblocking(true).unwrap();
    // What the peer's kernel says when it sends may make room again, for a while.
    let mut full = 0;
    while full < 100 {
        full += 1;
        peer.send(9, b"take this");
        for piece in [&[0; 1000][..], &[0]] {
            while stream.write(piece).is_ok() {
                full = 0;
            }
        }
    }
    stream.set_nonblocking(false).unwrap();
    peer.send(TEXT, b"behind the ping");
    peer.send(9, b"and this");
    let (seen, sees) = mpsc::channel();
    let (mut reader, _writer) = ws.split();
    let reading = thread::spawn(move || {
        while let Ok(Some(message)) = reader.recv_owned() {
            seen.send(message).unwrap();
        }
    });
    let message = sees.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message, Message::Text("behind the ping").to_owned());
    // The Ping is answered by now, or is being answered.
    peer.send(TEXT, b"behind both");
    let message = sees.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message, Message::Text("behind both").to_owned());
    drop(peer);
    within(move || reading.join().unwrap());
}

#[test]
fn a_large_message_is_never_refused_because_others_wait() {
    const LARGE: usize = 300;
    // One byte may wait: everything that another thread queues is in the way.
    let limits = common::limits(|limits| limits.max_unsent = 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = Raw::connect(listener.local_addr().unwrap());
    let stream = listener.accept().unwrap().0;
    let ws = WebSocket::over(stream, Session::server(&limits.into()), Clock::system()).unwrap();
    let (_reader, writer) = ws.split();
    let stop = Arc::new(AtomicBool::new(false));
    let queueing = [(); 3].map(|()| {
        let (writer, stop) = (writer.clone(), stop.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                match writer.queue("x") {
                    Ok(()) | Err(Error::Send(SendError::Full { .. } | SendError::Closed)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let sending = thread::spawn(move || {
        let large = pattern(40_000);
        let result = (0..LARGE).try_for_each(|_| writer.send(&large));
        stop.store(true, Ordering::SeqCst);
        for thread in queueing {
            thread.join().unwrap();
        }
        writer.close(CloseCode::NORMAL, "").unwrap();
        result
    });
    let mut large = 0;
    loop {
        match peer.next() {
            (TEXT, x) => assert_eq!(x, b"x"),
            (BINARY, bytes) => {
                assert_eq!(bytes.len(), 40_000);
                large += 1;
            }
            (opcode, _) => break assert_eq!(opcode, 8),
        }
    }
    within(move || sending.join().unwrap()).unwrap();
    assert_eq!(large, LARGE);
}

#[test]
fn a_queue_for_a_stalled_peer_refuses_what_is_too_much_and_keeps_the_rest() {
    let (ws, mut peer) = served(&Limits::default(), Timeouts::default(), Clock::system());
    let writer = ws.writer();
    let message = |at: u32| [&at.to_be_bytes()[..], &pattern(10_000)].concat();
    let mut queued = 0;
    let limit = loop {
        match writer.queue(&message(queued)) {
            Ok(()) => queued += 1,
            Err(Error::Send(SendError::Full { limit })) => break limit,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(limit, Limits::DEFAULT.max_unsent);
    let waiting = writer.unsent_len();
    assert!((limit..limit + 10_100).contains(&waiting), "{waiting}");
    // Refused whole: a smaller one would not come between the halves of it.
    for at in 0..queued {
        assert_eq!(peer.next(), (BINARY, message(at)));
    }
    // It is over when all is read.
    until("an empty queue", || writer.unsent_len() == 0);
    writer.queue("and on").unwrap();
    assert_eq!(peer.next(), (TEXT, b"and on".to_vec()));
}

#[test]
fn what_the_peer_does_not_take_at_once_comes_when_it_does() {
    let (ws, mut peer) = served(&Limits::default(), Timeouts::default(), Clock::system());
    let message = pattern(2 << 20); // one that waits alone may be of any length
    ws.writer().queue(&message).unwrap();
    // Nobody calls anything any more.
    assert_eq!(peer.next(), (BINARY, message));
    drop(ws);
    assert_eq!(peer.next_close().0, 1001);
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    // The writer blocks, the reader looks at the clock.
    let clock = Clock::manual();
    let (ws, mut peer) = served(
        &Limits::default(),
        timeouts(Some(20_000), 500, 10_000),
        clock.clone(),
    );
    let (mut reader, writer) = ws.split();
    let sending = thread::spawn(move || writer.send(&[7; 8 << 20]));
    let reading = thread::spawn(move || {
        loop {
            if let Err(error) = reader.recv() {
                return error;
            }
        }
    });
    use std::io::Write;
    let tick = peer.frame(TEXT, b"tick");
    until("an end", || {
        clock.advance(Duration::from_secs(1));
        peer.stream.write_all(&tick).is_err()
    });
    let error = within(move || reading.join().unwrap());
    assert!(
        matches!(error, Error::TimedOut(ws_std::TimedOut::Pong)),
        "{error}"
    );
    within(move || sending.join().unwrap()).unwrap_err();
    drop(peer);
}

#[test]
fn a_group_reaches_every_member_until_it_leaves() {
    let group = Group::new();
    let everyone = group.clone();
    let server = run(server().websocket("/", move |mut ws, _| {
        let _member = everyone.join(ws.writer());
        ws.for_each(|message, _| {
            everyone.send(message);
            Ok::<_, Error>(())
        })
    }));
    let mut members: Vec<_> = (0..5).map(|_| server.connect()).collect();
    until("five members", || group.len() == 5);
    members[2].send("hello").unwrap();
    for member in &mut members {
        assert_eq!(member.recv().unwrap(), Some(Message::Text("hello")));
    }
    assert_eq!(group.send(b"\x01"), 5);
    for member in &mut members {
        assert_eq!(member.recv().unwrap(), Some(Message::Binary(&[1])));
    }
    let mut left = members.pop().unwrap();
    left.close(CloseCode::NORMAL, "").unwrap();
    until("four members", || group.len() == 4);
    drop(members.pop());
    until("three members", || group.len() == 3);
    assert_eq!(group.send("rest"), 3);
    for member in &mut members {
        assert_eq!(member.recv().unwrap(), Some(Message::Text("rest")));
    }
    drop(members);
    until("nobody", || group.is_empty());
    assert_eq!(group.send("nobody"), 0);
}

#[test]
fn a_stalled_member_is_dropped_and_delays_nobody() {
    let group = Group::new();
    let everyone = group.clone();
    let server = run(server().websocket("/", move |mut ws, _| {
        let _member = everyone.join(ws.writer());
        ws.for_each(|_, _| Ok::<_, Error>(()))
    }));
    let mut stalled = Raw::connect_small(server.addr);
    stalled.upgrade();
    let mut live = server.connect();
    until("two members", || group.len() == 2);

    let message = pattern(100_000);
    let mut sent = 0;
    while group.send(&message) == 2 {
        sent += 1;
        // The other one gets each at once, however full the first.
        assert_eq!(live.recv().unwrap(), Some(Message::Binary(&message)));
    }
    assert_eq!(live.recv().unwrap(), Some(Message::Binary(&message)));
    assert_eq!(group.len(), 1);
    assert!(sent >= 10, "a megabyte may wait: {sent}");

    // What was queued for it is all it gets, whole, and then why.
    for _ in 0..sent {
        assert_eq!(stalled.next(), (BINARY, message.clone()));
    }
    assert_eq!(stalled.next_close(), (1013, "too slow".into()));
    stalled.ends_after_close();
    assert_eq!(group.send("on"), 1);
    assert_eq!(live.recv().unwrap(), Some(Message::Text("on")));
}

impl Raw {
    fn ends_after_close(&mut self) {
        self.close(1013, "");
        self.ends();
    }
}

#[test]
fn a_member_within_a_message_of_its_own_is_told_that_it_lost_one() {
    let group = Group::new();
    let (ws, mut peer) = served(&Limits::default(), Timeouts::default(), Clock::system());
    let writer = ws.writer();
    let _member = group.join(writer.clone());
    writer.send_part(Kind::Text, b"a", Part::More).unwrap();
    assert_eq!(group.send("between"), 0);
    assert_eq!(peer.next(), (0x1, b"a".to_vec()));
    assert_eq!(peer.next_close().0, 1013);
}

#[test]
fn a_writer_outlives_its_connection_harmlessly() {
    let (seen, writers) = mpsc::channel::<Writer>();
    let server = run(server().websocket("/", move |ws, _| {
        seen.send(ws.writer()).unwrap();
        Ok::<_, Error>(())
    }));
    let mut ws = server.connect();
    assert_eq!(ws.recv().unwrap(), None);
    let writer = writers.recv().unwrap();
    for error in [
        writer.send("late").unwrap_err(),
        writer.queue("late").unwrap_err(),
        writer.send(&[0; 100_000]).unwrap_err(),
        writer.ping(b"late").unwrap_err(),
        writer.close(CloseCode::NORMAL, "").unwrap_err(),
    ] {
        assert!(matches!(error, Error::Send(SendError::Closed)), "{error}");
    }
    let group = Group::new();
    let _member = group.join(writer);
    assert_eq!(group.send("late"), 0);
}

#[test]
fn a_close_after_a_large_message_is_written() {
    // The close of one thread and the large message of another: whichever comes first, the Close
    // leaves, and not only when somebody writes next.
    for _ in 0..200 {
        let (ws, mut peer) = served(
            &Limits::default(),
            timeouts(None, 60_000, 60_000),
            Clock::system(),
        );
        let writer = ws.writer();
        let closing = thread::spawn(move || writer.close(CloseCode::NORMAL, ""));
        let writer = ws.writer();
        let sending = thread::spawn(move || writer.send(&[0; 40_000]));
        loop {
            match peer.next() {
                (BINARY, bytes) => assert_eq!(bytes.len(), 40_000),
                (opcode, _) => break assert_eq!(opcode, 8),
            }
        }
        closing.join().unwrap().unwrap();
        let _ = sending.join().unwrap();
    }
}
