//! The end of a connection: agreed, refused, or given up.

use crate::common;
use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::common::{Raw, echo, frame, limits, pattern, run, server, timeouts, within};
use ws_std::{
    Client, CloseCode, Error, Message, Next, ProtocolError, SendError, TimedOut, WebSocket,
};
use ws_testkit::{BINARY, CLOSE, TEXT};

/// A client of ours, and a peer that speaks bytes.
fn client_and_peer(client: impl FnOnce(Client) -> Client) -> (WebSocket, Raw) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(Client::new(format!(
        "ws://{}",
        listener.local_addr().unwrap()
    )));
    let connecting = thread::spawn(move || client.connect().unwrap());
    let peer = Raw::accept(&listener);
    (connecting.join().unwrap(), peer)
}

#[test]
fn codes_and_reasons_reach_the_other_side() {
    let (seen, told) = mpsc::channel();
    let server = run(server()
        .websocket("/", move |mut ws, _| {
            let end = ws.recv_owned();
            seen.send((end.is_ok_and(|end| end.is_none()), ws.peer_close()))
                .unwrap();
            Ok::<_, Error>(())
        })
        .websocket("/4000", |mut ws, _| {
            ws.close(CloseCode::new(4000).unwrap(), "服务器说再见")
        }));
    let mut ws = server.connect();
    assert_eq!(ws.peer_close(), None);
    ws.close(CloseCode::new(3333).unwrap(), "再见").unwrap();
    let close = Some((CloseCode::new(3333).unwrap(), "再见".into()));
    assert_eq!(told.recv().unwrap(), (true, close));
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::new(3333).unwrap());
    assert_eq!(ws.recv().unwrap(), None);

    let mut ws = ws_std::connect(server.url("/4000")).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    let close = Some((CloseCode::new(4000).unwrap(), "服务器说再见".into()));
    assert_eq!(ws.peer_close(), close);
    // It is over: nothing can be sent, and closing again is no error.
    let refused = ws.send("late").unwrap_err();
    assert!(
        matches!(refused, Error::Send(SendError::Closed)),
        "{refused}"
    );
    ws.close(CloseCode::NORMAL, "").unwrap();

    let mut raw = Raw::open(server.addr);
    raw.send(CLOSE, b""); // which says nothing
    assert_eq!(raw.next(), (CLOSE, vec![]));
    raw.ends();
    drop(raw);
    assert_eq!(told.recv().unwrap(), (true, None));
}

#[test]
fn a_reason_that_is_too_long_closes_nothing() {
    let server = run(echo());
    let mut ws = server.connect();
    let error = ws.close(CloseCode::NORMAL, &"界".repeat(42)).unwrap_err();
    assert!(
        matches!(error, Error::Send(SendError::ReasonTooLong)),
        "{error}"
    );
    ws.send("still open").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("still open")));
    ws.close(CloseCode::NORMAL, &"界".repeat(41)).unwrap();
}

#[test]
fn messages_that_crossed_our_close_are_dropped() {
    let (mut ws, mut peer) = client_and_peer(|client| client);
    let closing = thread::spawn(move || {
        ws.close(CloseCode::NORMAL, "").unwrap();
        ws.peer_close()
    });
    assert_eq!(peer.next_close().0, 1000);
    peer.send(TEXT, "crossed");
    peer.send(BINARY, pattern(100_000));
    peer.close(1000, "too");
    drop(peer);
    let close = within(move || closing.join().unwrap());
    assert_eq!(close, Some((CloseCode::NORMAL, "too".into())));
}

#[test]
fn a_peer_that_does_not_answer_our_close_is_given_up() {
    for ping in [None, Some(60_000)] {
        let (mut ws, peer) = client_and_peer(|client| client.timeouts(timeouts(ping, 60_000, 50)));
        let error = within(move || ws.close(CloseCode::NORMAL, "").unwrap_err());
        assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
        drop(peer);
    }
}

#[test]
fn a_peer_that_talks_instead_of_answering_our_close_is_given_up() {
    let (mut ws, mut peer) = client_and_peer(|client| client.timeouts(timeouts(None, 60_000, 50)));
    let talking = thread::spawn(move || {
        use std::io::Write;
        let words = frame(TEXT, b"blah", false).repeat(1000);
        while peer.stream.write_all(&words).is_ok() {}
    });
    let error = within(move || ws.close(CloseCode::NORMAL, "").unwrap_err());
    assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
    within(move || talking.join().unwrap());
}

#[test]
fn a_close_by_another_thread_is_timed_too() {
    // With pings off, nothing else wakes the reader.
    let (ws, mut peer) = client_and_peer(|client| {
        client
            .timeouts(timeouts(None, 60_000, 50))
            .handshake_timeout(common::PATIENCE * 100)
    });
    let (mut reader, writer) = ws.split();
    let reading = thread::spawn(move || reader.recv_owned().unwrap_err());
    // It waits by now, or soon will; either must do.
    peer.send(9, b"");
    assert_eq!(peer.next().0, 10);
    writer.close(CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(peer.next_close(), (1000, "bye".into()));
    let error = within(move || reading.join().unwrap());
    assert!(matches!(error, Error::TimedOut(TimedOut::Close)), "{error}");
}

#[test]
fn an_abort_wakes_the_reader() {
    let (ws, mut peer) = client_and_peer(|client| client);
    let (mut reader, writer) = ws.split();
    let reading = thread::spawn(move || reader.recv_owned());
    writer.abort();
    let error = within(move || reading.join().unwrap().unwrap_err());
    assert!(
        matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)),
        "{error}"
    );
    peer.ends();
    assert!(writer.send("late").is_err());
}

#[test]
fn a_stream_that_ends_without_a_close_is_an_error() {
    let (mut ws, mut peer) = client_and_peer(|client| client);
    peer.send(TEXT, "last");
    drop(peer);
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("last")));
    for _ in 0..2 {
        let error = ws.recv().unwrap_err();
        assert!(
            matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)),
            "{error}"
        );
    }
}

#[test]
fn a_violation_is_told_and_final() {
    // (frame of a server, what it breaks, code)
    let cases: [(&[u8], ProtocolError, u16); 4] = [
        (b"\x83\x00", ProtocolError::ReservedOpcode, 1002),
        (b"\x81\x80\0\0\0\0", ProtocolError::MaskForbidden, 1002),
        (b"\x81\x01\xff", ProtocolError::InvalidUtf8, 1007),
        (
            b"\x88\x02\x03\xed",
            ProtocolError::InvalidCloseCode(1005),
            1002,
        ),
    ];
    for (bytes, error, code) in cases {
        let (mut ws, mut peer) = client_and_peer(|client| client);
        peer.write(bytes);
        let failing = thread::spawn(move || {
            for _ in 0..2 {
                let found = ws.recv().unwrap_err();
                assert!(
                    matches!(found, Error::Protocol(its) if its == error),
                    "{found}"
                );
            }
            let found = ws.recv_timeout(common::PATIENCE).unwrap_err();
            assert!(
                matches!(found, Error::Protocol(its) if its == error),
                "{found}"
            );
            let found = ws.for_each(|_, _| Ok::<_, Error>(())).unwrap_err();
            assert!(
                matches!(found, Error::Protocol(its) if its == error),
                "{found}"
            );
            let found = ws.send("late").unwrap_err();
            assert!(matches!(found, Error::Send(SendError::Closed)), "{found}");
        });
        assert_eq!(peer.next_close().0, code);
        peer.ends();
        drop(peer);
        within(move || failing.join().unwrap());
    }
}

#[test]
fn a_message_over_the_limit_is_1009_and_the_limit_is_named() {
    let (seen, told) = mpsc::channel();
    let server = run(server().max_message(1000).websocket("/", move |mut ws, _| {
        assert_eq!(ws.recv()?.unwrap().as_bytes().len(), 1000);
        seen.send(ws.recv_owned().unwrap_err()).unwrap();
        Ok::<_, Error>(())
    }));
    let mut raw = Raw::open(server.addr);
    raw.send(BINARY, pattern(1000));
    // Refused by its header: the payload never has to come.
    raw.write(b"\x82\xfe\x03\xe9\0\0\0\0");
    assert_eq!(raw.next_close(), (1009, "message too big".into()));
    raw.ends();
    drop(raw);
    let error = told.recv().unwrap();
    assert!(
        matches!(
            error,
            Error::Protocol(ProtocolError::MessageTooBig { limit: 1000 })
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "limit exceeded: message too big (Limits::max_message is 1000 bytes)"
    );

    let (mut ws, mut peer) = client_and_peer(|client| client.max_message(9));
    peer.write(b"\x81\x0a");
    let failing = thread::spawn(move || ws.recv_owned().unwrap_err());
    assert_eq!(peer.next_close().0, 1009);
    drop(peer);
    let error = within(move || failing.join().unwrap());
    assert!(matches!(
        error,
        Error::Protocol(ProtocolError::MessageTooBig { limit: 9 })
    ));
}

#[test]
fn a_message_in_too_many_fragments_is_1008_and_the_limit_is_named() {
    const FIRST: &[u8] = b"\x02\x81\0\0\0\0a";
    const NEXT: &[u8] = b"\x00\x81\0\0\0\0b";
    const LAST: &[u8] = b"\x80\x81\0\0\0\0c";
    let (seen, told) = mpsc::channel();
    let limits = limits(|limits| limits.max_fragments = 3);
    let server = run(server().limits(limits).websocket("/", move |mut ws, _| {
        assert_eq!(ws.recv()?.unwrap().as_bytes(), b"abc");
        seen.send(ws.recv_owned().unwrap_err()).unwrap();
        Ok::<_, Error>(())
    }));
    let mut raw = Raw::open(server.addr);
    raw.write([FIRST, NEXT, LAST].concat());
    // Refused with the fourth, whether it is the last or not.
    raw.write([FIRST, NEXT, NEXT, NEXT].concat());
    assert_eq!(raw.next_close(), (1008, "too many fragments".into()));
    raw.ends();
    drop(raw);
    let error = told.recv().unwrap();
    assert!(
        matches!(
            error,
            Error::Protocol(ProtocolError::TooManyFragments { limit: 3 })
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "limit exceeded: too many fragments (Limits::max_fragments is 3)"
    );
}

#[test]
fn a_peer_that_sends_on_can_read_why_it_was_refused() {
    let server = run(echo());
    let mut raw = Raw::open(server.addr);
    let big = raw.frame(BINARY, &pattern((1 << 20) + 1));
    // Some of the payload behind the header that is refused, before anything is read.
    raw.write(&big[..40_000]);
    assert_eq!(raw.next_close().0, 1009);
    raw.ends();
    // And more, from a peer that is slow to see it: nothing of it is reset.
    for piece in big[40_000..50_000].chunks(100) {
        raw.write(piece);
    }

    // Our own client, which writes all of it before it reads.
    let mut ws = server.connect();
    let _ = ws.send(&pattern(8 << 20));
    let end = ws.recv_owned();
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::TOO_BIG, "{end:?}");
}

#[test]
fn a_handler_that_returns_closes_with_1000_or_1011() {
    let (reported, reports) = mpsc::channel();
    let server = run(server()
        .websocket("/", |mut ws, _| ws.send("bye"))
        .websocket("/drops", |ws, _| {
            drop(ws);
            Ok::<_, Error>(())
        })
        .websocket("/fails", |_ws, _| Err("because"))
        .on_error(move |request, error| {
            reported
                .send(format!("{}: {error}", request.path()))
                .unwrap();
        }));
    for (path, code) in [
        ("/", CloseCode::NORMAL),
        ("/drops", CloseCode::NORMAL),
        ("/fails", CloseCode::INTERNAL),
    ] {
        let mut ws = ws_std::connect(server.url(path)).unwrap();
        while ws.recv().unwrap().is_some() {}
        assert_eq!(ws.peer_close(), Some((code, String::new())), "{path}");
    }
    assert_eq!(reports.recv().unwrap(), "/fails: because");
}

#[test]
fn a_peer_that_closes_and_is_gone_has_closed_in_good_order() {
    let (go, wait) = mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let (seen, told) = mpsc::channel();
    let server = run(server().websocket("/", move |mut ws, _| {
        wait.lock().unwrap().recv().unwrap();
        // More than the peer's kernel takes, for nobody.
        let end = ws.for_each(|_, tx| tx.send(&[0; 1 << 20]));
        seen.send((end, ws.peer_close())).unwrap();
        Ok::<_, Error>(())
    }));
    let mut raw = Raw::open(server.addr);
    raw.send(TEXT, "a question");
    raw.close(1001, "");
    drop(raw);
    go.send(()).unwrap();
    let (end, close) = told.recv_timeout(common::PATIENCE).unwrap();
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(close, Some((CloseCode::GOING_AWAY, String::new())));
}

#[test]
fn a_peer_that_never_ends_its_stream_is_waited_for_once() {
    // It keeps its side open for good, but says enough to be left to itself: 16 MiB.
    let server = run(server()
        .timeouts(timeouts(None, 60_000, 600_000))
        .max_connections(1)
        .websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message))));
    let mut silent = Raw::open(server.addr);
    silent.close(1000, "");
    assert_eq!(silent.next_close().0, 1000);
    silent.ends();
    // It may be left before the last of this is written.
    let _ = silent.stream.write_all(&pattern(17 << 20));
    // Its place is free although it still holds its socket.
    common::until("a free place", || {
        let mut next = Raw::connect(server.addr);
        next.write(common::upgrade("/", ""));
        next.head().starts_with("HTTP/1.1 101 ")
    });
    drop(silent);
}

#[test]
fn a_receive_after_the_end_says_so_again() {
    let (mut ws, mut peer) = client_and_peer(|client| client);
    peer.close(1000, "");
    assert_eq!(ws_next(&mut peer, &mut ws), None);
    assert_eq!(ws.recv_owned().unwrap(), None);
    assert_eq!(ws.recv_timeout(common::PATIENCE).unwrap(), Next::Closed);
    ws.for_each(|_, _| Ok::<_, Error>(())).unwrap();
}

/// What the client receives while the peer ends its side.
fn ws_next(peer: &mut Raw, ws: &mut WebSocket) -> Option<String> {
    peer.half_close();
    ws.recv().unwrap().map(|message| format!("{message:?}"))
}
