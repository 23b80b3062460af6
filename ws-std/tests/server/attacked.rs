//! A server under attack, and an honest client beside the attacker.

use std::io::Write;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::common::{
    PATIENCE, Raw, Running, answer, ask, echo, frame, get, run, server, timeouts, until, upgrade,
};
use ws_std::{
    CloseCode, ConnectError, Group, Login, Message, Pace, Quota, Request, Response, Server, Trusted,
};
use ws_testkit::{BINARY, CLOSE, PING};

/// An honest client is served.
#[track_caller]
fn assert_served(server: &Running) {
    let mut ws = server.connect();
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
}

/// The code of the Close that comes, whatever comes before it.
#[track_caller]
fn close_code(raw: &mut Raw) -> u16 {
    loop {
        if let (CLOSE, payload) = raw.next() {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

fn quota(connections: usize, openings: usize) -> Quota {
    let mut quota = Quota::default();
    (quota.connections, quota.openings) = (connections, Some(openings));
    quota
}

/// If they were answered one after the other, each with its second, the last would wait minutes.
#[test]
fn who_is_refused_hears_it_at_once_however_many_are() {
    let server = run(echo().max_connections(1));
    let _full = server.connect();
    let mut refused: Vec<_> = (0..300).map(|_| Raw::connect(server.addr)).collect();
    for raw in refused.iter_mut().rev() {
        let (status, head, _) = answer(raw);
        assert_eq!(status, 503, "{head}");
    }
    let metrics = server.handle.metrics();
    assert_eq!((metrics.full, metrics.open), (300, 1));
}

#[test]
fn who_says_nothing_gives_way_to_who_comes_next() {
    let server = run(echo().quota(quota(64, 8)));
    let mut silent: Vec<_> = (0..200).map(|_| Raw::connect(server.addr)).collect();
    // In the middle of a request, too.
    silent.extend((0..8).map(|_| {
        let mut raw = Raw::connect(server.addr);
        raw.write("GET / HTTP/1.1\r\nHost: h\r\n");
        raw
    }));
    for _ in 0..50 {
        assert_served(&server);
        let metrics = server.handle.metrics();
        assert!(metrics.opening <= 8, "{metrics:?}");
        // Each comes again.
        silent.push(Raw::connect(server.addr));
    }
    assert_eq!(answer(&mut silent[0]).0, 503);
    let metrics = server.handle.metrics();
    assert!(metrics.displaced >= 200, "{metrics:?}");
    assert_eq!(metrics.full, 0);
}

#[test]
fn who_is_open_gives_way_to_nobody() {
    let server = run(echo().quota(quota(8, 2)));
    let mut open: Vec<_> = (0..6).map(|_| server.connect()).collect();
    let _silent: Vec<_> = (0..100).map(|_| Raw::connect(server.addr)).collect();
    for ws in &mut open {
        ws.send("hello").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("hello")));
    }
}

#[test]
fn an_address_has_its_share_whoever_asks_for_it() {
    let site = echo()
        .get("/page", |_| Response::text("hi"))
        .trust(Trusted::x_forwarded(["127.0.0.1"]).unwrap())
        .max_per_address(2);
    let server = run(site);
    let from = |last: u8| format!("X-Forwarded-For: 203.0.113.{last}\r\n");
    let open = |last| {
        let mut raw = Raw::connect(server.addr);
        raw.write(upgrade("/", &from(last)));
        let head = raw.head();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        (raw, status)
    };
    let first = open(1);
    let second = open(1);
    assert_eq!((first.1, second.1), (101, 101));
    assert_eq!(open(1).1, 429);
    let (status, _, body) = ask(server.addr, Raw::request("/page", &from(1)));
    assert_eq!(
        (status, &*body),
        (429, &b"an address may have 2 connections\n"[..])
    );
    assert_eq!(open(2).1, 101);
    assert_eq!(server.handle.metrics().crowd, 2);
    // The proxy itself has any number.
    let _many: Vec<_> = (0..20).map(|_| server.connect()).collect();
    drop(first);
    until("a free place", || open(1).1 == 101);
}

#[test]
fn who_talks_too_little_or_too_much_is_closed_with_1008() {
    let paced = |set: fn(&mut Pace)| {
        let mut pace = Pace::default();
        set(&mut pace);
        run(echo().pace(pace))
    };
    let quiet = paced(|pace| pace.max_idle = Some(Duration::from_millis(50)));
    let mut ws = quiet.connect();
    assert_eq!(ws.recv().unwrap(), None);
    let (code, reason) = ws.peer_close().unwrap();
    assert_eq!(
        (code, &*reason),
        (CloseCode::POLICY, "no message for too long")
    );
    assert_eq!(quiet.handle.metrics().idle, 1);

    let busy = paced(|pace| pace.max_frames = Some(100));
    assert_served(&busy);
    for flood in [frame(PING, b"", true), frame(BINARY, b"", true)] {
        let mut raw = Raw::open(busy.addr);
        raw.write(flood.repeat(1000));
        assert_eq!(close_code(&mut raw), 1008);
    }
    assert_served(&busy);
    until("two floods", || busy.handle.metrics().frames == 2);
}

#[test]
fn messages_that_do_not_end_leave_memory_for_the_others() {
    let server = run(echo().max_memory(4 << 20));
    let part = [
        &[0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0][..],
        &[7; 900_000],
    ]
    .concat();
    let mut greedy: Vec<_> = (0..12)
        .map(|_| {
            let mut raw = Raw::open(server.addr);
            // One that is closed takes no more.
            let _ = raw.stream.write_all(&part);
            raw
        })
        .collect();
    until("some closed", || server.handle.metrics().out_of_memory >= 4);
    assert!(server.handle.metrics().memory <= 4 << 20);
    assert_served(&server);
    assert_eq!(close_code(&mut greedy[11]), 1013);
    drop(greedy);
    until("all of it again", || server.handle.metrics().memory == 0);
}

/// A few bytes each on the way, and 900,000 here.
#[cfg(feature = "deflate")]
#[test]
fn messages_that_inflate_leave_memory_for_the_others() {
    use ws_std::{Client, Deflate, Kind, Part};
    let server = run(echo().deflate(Deflate::default()).max_memory(4 << 20));
    let greedy: Vec<_> = (0..12)
        .map(|_| {
            let client = Client::new(server.url("/")).deflate(Deflate::default());
            let ws = client.connect().unwrap();
            // One that is closed takes no more.
            let _ = (ws.writer()).send_part(Kind::Binary, &[0; 900_000], Part::More);
            ws
        })
        .collect();
    until("some closed", || server.handle.metrics().out_of_memory >= 4);
    assert!(server.handle.metrics().memory <= 4 << 20);
    assert_served(&server);
    drop(greedy);
    until("all of it again", || server.handle.metrics().memory == 0);
}

#[test]
fn members_that_do_not_read_leave_memory_for_the_others() {
    let everyone = Group::new();
    let joined = everyone.clone();
    let server = run(server()
        .max_memory(4 << 20)
        .websocket("/", move |mut ws, _| {
            let _member = joined.join(ws.writer());
            ws.for_each(|message, tx| tx.send(message))
        }));
    let stalled: Vec<_> = (0..12)
        .map(|_| {
            let mut raw = Raw::connect_small(server.addr);
            raw.write(upgrade("/", ""));
            raw
        })
        .collect();
    until("all of them", || everyone.len() == 12);
    let line = vec![7; 100_000];
    until("some that were too much", || {
        everyone.send(&line[..]);
        everyone.len() < 12
    });
    assert!(server.handle.metrics().memory <= 4 << 20);
    drop(stalled);
    until("all of it again", || server.handle.metrics().memory == 0);
    assert_served(&server);
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let (stuck, read) = mpsc::channel::<()>();
    let read = Mutex::new(read);
    let server = run(echo().on_refusal(move |_, _| {
        // As a pipe that is full: until the end.
        let _ = read.lock().unwrap().recv();
    }));
    for _ in 0..1100 {
        assert_eq!(ask(server.addr, get("/nowhere")).0, 404);
    }
    assert_served(&server);
    let metrics = server.handle.metrics();
    assert_eq!(metrics.refused, 1100);
    assert!(metrics.unlogged >= 1100 - 1024 - 1, "{metrics:?}");
    drop(stuck);
}

#[test]
fn a_hook_adds_headers_to_the_101() {
    fn hook(request: &mut Request) -> Option<Response> {
        let name = match request.path() {
            "/" => "set-cookie",
            _ => "sec-websocket-accept",
        };
        let value = http::HeaderValue::from_static("id=7");
        request.answer_headers_mut().append(name, value);
        None
    }
    let server = run(echo()
        .websocket("/bad", |_, _| Ok::<_, ws_std::Error>(()))
        .hook(hook));
    let ws = server.connect();
    assert_eq!(ws.headers()["set-cookie"], "id=7");
    // One of the handshake itself would be a lie.
    let ConnectError::Refused(answer) = ws_std::connect(server.url("/bad")).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(answer.status(), 500);
}

fn login(login: Login) -> Server {
    server().websocket("/", move |mut ws, _| {
        let name = login.wait(&mut ws, |message| {
            let name = message.as_text()?.strip_prefix("I am ")?;
            Some(name.to_owned())
        })?;
        match name {
            Some(name) => ws.send(&*format!("hello {name}")),
            None => Ok(()),
        }
    })
}

#[test]
fn who_says_the_right_words_is_let_in() {
    let twice = Login::within(PATIENCE).tries(2, "who?");
    let server = run(login(twice));
    for (lines, answers) in [
        (&["I am Li"][..], &["hello Li"][..]),
        (&["hm", "I am Li"], &["who?", "hello Li"]),
        (&["hm", "hm"], &["who?"]),
    ] {
        let mut ws = server.connect();
        lines.iter().for_each(|line| ws.send(*line).unwrap());
        for answer in answers {
            assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(*answer));
        }
        assert_eq!(ws.recv().unwrap(), None);
        let code = match answers.last() {
            Some(&"hello Li") => CloseCode::NORMAL,
            _ => CloseCode::POLICY,
        };
        assert_eq!(ws.peer_close().unwrap().0, code, "{lines:?}");
    }
}

#[test]
fn who_says_nothing_in_time_is_not() {
    let server = run(login(Login::within(Duration::from_millis(20))));
    let mut ws = server.connect();
    assert_eq!(ws.recv().unwrap(), None);
    let (code, reason) = ws.peer_close().unwrap();
    assert_eq!((code, &*reason), (CloseCode::POLICY, "not logged in"));
}

/// Before, each of them had a thread that waited for it to take something.
#[cfg(target_os = "linux")]
#[test]
fn five_hundred_stalled_members_cost_one_writer_and_delay_nobody() {
    const STALLED: usize = 500;
    let pumps = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap();
        let names = names.filter_map(|task| std::fs::read(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name == b"ws-pump\n").count()
    };
    let everyone = Group::new();
    let joined = everyone.clone();
    // However slow the machine is, nobody is pinged or given up.
    let server = server().timeouts(timeouts(None, 600_000, 10_000));
    let server = run(server.websocket("/", move |mut ws, _| {
        let _member = joined.join(ws.writer());
        ws.for_each(|_, _| Ok::<_, ws_std::Error>(()))
    }));
    let mut stalled: Vec<_> = (0..STALLED)
        .map(|_| {
            let mut raw = Raw::connect_small(server.addr);
            raw.upgrade();
            raw
        })
        .collect();
    let mut live = server.connect();
    until("all of them", || everyone.len() == STALLED + 1);
    // More than the system keeps for one that reads nothing, and less than we do.
    let line = |at: u8| vec![at; 200_000];
    for at in 0..4 {
        assert_eq!(everyone.send(&line(at)[..]), STALLED + 1);
        assert!(live.recv().unwrap() == Some(Message::Binary(&line(at))));
    }
    // One of another test may be ending.
    until("one writer", || pumps() == 1);
    // When they read, each gets all of it, from the one.
    for raw in &mut stalled {
        for at in 0..4 {
            assert!(raw.next() == (BINARY, line(at)));
        }
    }
    assert_eq!(everyone.send("on"), STALLED + 1);
    assert_eq!(live.recv().unwrap(), Some(Message::Text("on")));
    for raw in &mut stalled {
        assert_eq!(raw.next().1, b"on");
    }
    until("nobody who stalls", || pumps() == 0);
}
