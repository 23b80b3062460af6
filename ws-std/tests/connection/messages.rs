//! Messages, whole and in fragments, both ways; what the opening handshake told each side.

use crate::common;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::common::{Raw, echo, frame, pattern, run, server, within};
use ws_std::{Client, CloseCode, Error, Kind, Message, MessageBuf, Next, Part, SendError, Tapped};
use ws_testkit::{BINARY, CLOSE, PING, PONG, TEXT};

#[test]
fn every_message_comes_back_as_it_was() {
    let server = run(echo());
    let mut ws = server.connect();
    let mib = pattern(1 << 20);
    let chinese = "你好，世界！".repeat(50_000);
    let messages = [
        Message::Text(""),
        Message::Binary(b""),
        Message::Text("hello"),
        Message::Binary(b"\x00\xff"),
        Message::Text("简体中文 和 🦀"),
        Message::Text(&chinese),
        Message::Binary(&mib),
    ];
    for message in messages {
        ws.send(message).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(message));
        ws.send(message).unwrap();
        assert_eq!(ws.recv_owned().unwrap(), Some(message.to_owned()));
    }
    // Every length at which a header grows.
    for len in [1, 125, 126, 127, 65_535, 65_536, 32 << 10, (32 << 10) - 1] {
        ws.send(&mib[..len]).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&mib[..len])));
    }
    ws.close(CloseCode::NORMAL, "").unwrap();
}

#[test]
fn fragments_are_one_message_and_control_frames_may_come_between() {
    let server = run(echo());
    let mut ws = server.connect();
    let text = "分段的消息";
    let (head, tail) = text.as_bytes().split_at(4); // within a character
    ws.send_part(Kind::Text, head, Part::More).unwrap();
    ws.ping(b"between").unwrap();
    let refused = ws.send("another").unwrap_err();
    assert!(
        matches!(refused, Error::Send(SendError::MessageInProgress)),
        "{refused}"
    );
    ws.send_part(Kind::Text, b"", Part::More).unwrap();
    ws.send_part(Kind::Text, tail, Part::Last).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)));

    let mib = pattern(1 << 20);
    for (at, piece) in mib.chunks(100_000).enumerate() {
        let part = if at == 10 { Part::Last } else { Part::More };
        ws.send_part(Kind::Binary, piece, part).unwrap();
    }
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(&mib)));
}

#[test]
fn fragments_travel_as_they_were_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || {
        let mut ws = ws_std::connect(url).unwrap();
        ws.send_part(Kind::Text, b"a", Part::More).unwrap();
        ws.send_part(Kind::Text, b"b", Part::Last).unwrap();
        assert_eq!(
            ws.recv_owned().unwrap(),
            Some(MessageBuf::Text("cd".into()))
        );
    });
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.next(), (TEXT, b"a".to_vec()));
    assert_eq!(peer.next(), (0, b"b".to_vec()));
    peer.write(b"\x01\x01c\x89\x01p\x80\x01d"); // with a Ping between
    assert_eq!(peer.next(), (PONG, b"p".to_vec()));
    client.join().unwrap();
}

#[test]
fn a_receive_with_a_time_limit_says_what_ended_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (elapsed, told) = mpsc::channel();
    let client = thread::spawn(move || {
        let mut ws = ws_std::connect(url).unwrap();
        let next = ws.recv_timeout(Duration::from_millis(20)).unwrap();
        assert_eq!(next, Next::Elapsed);
        assert_eq!(ws.recv_timeout(Duration::ZERO).unwrap(), Next::Elapsed);
        elapsed.send(()).unwrap();
        let next = ws.recv_timeout(common::PATIENCE).unwrap();
        assert_eq!(next, Next::Message(Message::Text("late")));
        let next = ws.recv_timeout(common::PATIENCE).unwrap();
        assert_eq!(next, Next::Closed);
        assert_eq!(ws.recv_timeout(Duration::ZERO).unwrap(), Next::Closed);
        assert_eq!(ws.recv().unwrap(), None);
    });
    let mut peer = Raw::accept(&listener);
    told.recv().unwrap();
    // Half a message is no message, however the limit falls.
    peer.write(b"\x81\x04la");
    peer.write(b"te");
    peer.close(1000, "");
    assert_eq!(peer.next_close().0, 1000);
    drop(peer);
    client.join().unwrap();
}

#[test]
fn a_receive_without_patience_takes_what_is_there() {
    let server = run(echo());
    let mut ws = server.connect();
    ws.send("there").unwrap();
    // It arrives some time; each attempt reads once.
    common::until("a message", || {
        match ws.recv_timeout(Duration::ZERO).unwrap() {
            Next::Message(message) => message == Message::Text("there"),
            next => next != Next::Elapsed,
        }
    });
}

/// The peer waits for its Pong, and the application takes as long as it takes.
#[test]
fn a_ping_is_answered_before_the_message_after_it_is_handled() {
    let ping_then_hi = [frame(PING, b"p", false), frame(TEXT, b"hi", false)].concat();
    for each in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (handled, handling) = mpsc::channel::<()>();
        let client = thread::spawn(move || {
            let mut ws = ws_std::connect(url).unwrap();
            if each {
                ws.for_each(|_, _| {
                    handling.recv().unwrap();
                    Ok::<(), Error>(())
                })
                .unwrap();
            } else {
                assert_eq!(ws.recv().unwrap(), Some(Message::Text("hi")));
                handling.recv().unwrap();
                assert_eq!(ws.recv().unwrap(), None);
            }
        });
        let mut peer = Raw::accept(&listener);
        peer.write(&ping_then_hi);
        assert_eq!(peer.next(), (PONG, b"p".to_vec()));
        handled.send(()).unwrap();
        peer.close(1000, "");
        assert_eq!(peer.next_close().0, 1000);
        drop(peer);
        client.join().unwrap();
    }
}

#[test]
fn the_answers_to_one_read_leave_in_one_write() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let writes = Arc::new(Mutex::new(Vec::new()));
    let seen = writes.clone();
    let client = thread::spawn(move || {
        let tap = move |what: Tapped<'_>| {
            if let Tapped::Sent(bytes) = what {
                seen.lock().unwrap().push(bytes.len());
            }
        };
        let mut ws = Client::new(url).tap(tap).connect().unwrap();
        ws.for_each(|message, tx| tx.send(message)).unwrap();
    });
    // After the 101, in the same write.
    let mut peer = Raw::over(listener.accept().unwrap().0, false);
    let head = peer.head();
    let request = ws_proto::handshake::Request::parse(head.as_bytes()).unwrap();
    let mut out = vec![0; 1024];
    let len = request.accept().unwrap().encode(&mut out).unwrap();
    out.truncate(len);
    for at in 0..100_u8 {
        out.extend(frame(BINARY, &[at], false));
    }
    out.extend(frame(PING, b"", false));
    peer.write(out);
    // Pongs go first.
    assert_eq!(peer.next(), (PONG, vec![]));
    for at in 0..100 {
        assert_eq!(peer.next(), (BINARY, vec![at]));
    }
    peer.close(1000, "");
    assert_eq!(peer.next_close().0, 1000);
    drop(peer);
    client.join().unwrap();
    let masked = |payload: usize| 2 + 4 + payload;
    assert_eq!(
        *writes.lock().unwrap(),
        [100 * masked(1) + masked(0), masked(2)]
    );
}

#[test]
fn a_failing_handler_has_sent_what_it_sent_before() {
    #[derive(Debug)]
    enum Failed {
        Mine,
        Theirs,
    }
    impl From<Error> for Failed {
        fn from(_: Error) -> Self {
            Self::Theirs
        }
    }
    let server = run(server().websocket("/", |mut ws, _| {
        let result = ws.for_each(|message, tx| {
            tx.send(message)?;
            tx.send("last")?;
            Err(Failed::Mine)
        });
        assert!(matches!(result, Err(Failed::Mine)));
        Ok::<_, Error>(())
    }));
    let mut ws = server.connect();
    ws.send("first").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("first")));
    assert_eq!(ws.recv().unwrap(), Some(Message::Text("last")));
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn answers_beyond_what_may_wait_are_written_and_not_refused() {
    let limits = common::limits(|limits| limits.max_unsent = 1000);
    let server = run(server().limits(limits).websocket("/", |mut ws, _| {
        ws.for_each(|message, tx| {
            for _ in 0..1000 {
                tx.send(message)?;
            }
            Ok::<_, Error>(())
        })
    }));
    let mut ws = server.connect();
    let message = "x".repeat(100);
    ws.send(&message).unwrap();
    for _ in 0..1000 {
        assert_eq!(ws.recv().unwrap(), Some(Message::Text(&message)));
    }
}

/// The Pong is seen by whoever asked to, on both ways to receive, and its code may send.
#[test]
fn pongs_are_shown_to_who_wants_to_see_them() {
    within(|| {
        let server = run(echo());
        let mut ws = server.connect();
        let writer = ws.writer();
        let (pong, pongs) = mpsc::channel();
        ws.on_pong(move |payload| {
            pong.send(payload.to_vec()).unwrap();
            writer.send("pong came").unwrap();
        });
        ws.ping(b"marco").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("pong came")));
        assert_eq!(pongs.recv().unwrap(), b"marco");

        ws.ping(b"polo").unwrap();
        ws.for_each(|message, tx| {
            assert_eq!(message, Message::Text("pong came"));
            tx.close(CloseCode::NORMAL, "")
        })
        .unwrap();
        assert_eq!(pongs.recv().unwrap(), b"polo");
    });
}

#[test]
fn pings_are_answered_both_ways() {
    let server = run(echo());
    let mut raw = Raw::open(server.addr);
    raw.send(PING, b"are you there?");
    assert_eq!(raw.next(), (PONG, b"are you there?".to_vec()));
    raw.send(PONG, b"unasked"); // RFC 6455 section 5.5.3: no answer
    raw.send(TEXT, "and now?");
    assert_eq!(raw.next(), (TEXT, b"and now?".to_vec()));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || {
        let mut ws = ws_std::connect(url).unwrap();
        ws.ping(b"1").unwrap();
        let error = ws.ping(&[0; 126]).unwrap_err();
        assert!(
            matches!(error, Error::Send(SendError::ControlTooLong)),
            "{error}"
        );
        assert_eq!(ws.recv().unwrap(), None);
    });
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.next(), (PING, b"1".to_vec()));
    peer.send(PONG, b"1");
    peer.send(PING, b"2");
    assert_eq!(peer.next(), (PONG, b"2".to_vec()));
    peer.close(1000, "");
    assert_eq!(peer.next().0, CLOSE);
    drop(peer);
    client.join().unwrap();
}

#[test]
fn each_side_knows_what_the_other_said_when_opening() {
    let (seen, told) = mpsc::channel();
    let server = run(server().websocket("/chat", move |ws, request| {
        seen.send((ws.peer_addr(), request.peer_addr())).unwrap();
        assert_eq!(ws.headers(), request.headers());
        assert_eq!(request.method(), "GET");
        assert_eq!(request.path(), "/chat");
        assert_eq!(
            request.query(),
            Some("name=%E5%BC%A0+%E4%BC%9F&n=1&n=2&empty")
        );
        assert_eq!(request.param("name").as_deref(), Some("张 伟"));
        assert_eq!(request.param("n").as_deref(), Some("1"));
        assert_eq!(request.param("empty").as_deref(), Some(""));
        assert_eq!(request.param("none"), None);
        assert_eq!(request.header("x-token"), Some("secret"));
        assert_eq!(request.header("X-Token"), Some("secret"));
        assert!(request.header("Origin").is_some());
        assert_eq!(request.header("Cookie"), None);
        assert_eq!(request.as_http().uri(), request.uri());
        Ok::<_, Error>(())
    }));
    let origin = format!("http://{}", server.addr);
    let mut ws = Client::new(server.url("/chat?name=%E5%BC%A0+%E4%BC%9F&n=1&n=2&empty"))
        .header("X-Token", "secret")
        .origin(&origin)
        .connect()
        .unwrap();
    assert_eq!(ws.peer_addr(), server.addr);
    assert_eq!(ws.headers()["upgrade"], "websocket");
    let (of_socket, of_request) = told.recv().unwrap();
    assert!(of_socket.ip().is_loopback());
    assert_eq!(of_socket, of_request);
    // A failed assertion there is 1011 here.
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close(), Some((CloseCode::NORMAL, String::new())));
}

#[test]
fn a_subprotocol_is_chosen_by_the_server() {
    let chosen = |ours: &'static [&'static str], offered: &[&str]| {
        let server =
            run(server()
                .subprotocols(ours.iter().copied())
                .websocket("/", |mut ws, request| {
                    let offered: Vec<_> = request.subprotocols().collect();
                    let said = format!("{:?} of {offered:?}", ws.subprotocol());
                    ws.send(&said)
                }));
        let mut client = Client::new(server.url("/"));
        for name in offered {
            client = client.subprotocol(*name);
        }
        let mut ws = client.connect().unwrap();
        let agreed = ws.subprotocol().map(String::from);
        assert_eq!(
            ws.recv().unwrap(),
            Some(Message::Text(&format!("{agreed:?} of {offered:?}")))
        );
        agreed
    };
    let ours = &["chat.v2", "chat.v1"];
    assert_eq!(
        chosen(ours, &["chat.v1", "chat.v2"]).as_deref(),
        Some("chat.v2")
    );
    assert_eq!(
        chosen(ours, &["soap", "chat.v1"]).as_deref(),
        Some("chat.v1")
    );
    assert_eq!(chosen(ours, &["soap"]), None);
    assert_eq!(chosen(ours, &[]), None);
    assert_eq!(chosen(&[], &["soap"]), None);
}

#[test]
fn a_client_library_can_be_dropped_at_any_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || drop(ws_std::connect(url).unwrap()));
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.next_close(), (1001, String::new()));
    peer.ends();
    client.join().unwrap();
}

#[test]
fn a_trace_shows_every_byte() {
    let server = run(echo());
    let trace = Arc::new(Mutex::new(Vec::<(&str, Vec<u8>)>::new()));
    let seen = trace.clone();
    let client = Client::new(server.url("/")).tap(move |what| {
        let (kind, bytes) = match what {
            Tapped::HeadSent(bytes) => ("head sent", bytes),
            Tapped::HeadReceived(bytes) => ("head received", bytes),
            Tapped::Sent(bytes) => ("sent", bytes),
            Tapped::Received(bytes) => ("received", bytes),
        };
        seen.lock().unwrap().push((kind, bytes.to_vec()));
    });
    let mut ws = client.connect().unwrap();
    ws.send("hi").unwrap();
    ws.recv().unwrap();
    ws.close(CloseCode::NORMAL, "").unwrap();
    let trace = trace.lock().unwrap();
    let of = |kind| -> Vec<u8> {
        let of_kind = trace.iter().filter(|(its, _)| *its == kind);
        of_kind.flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    assert!(of("head sent").starts_with(b"GET / HTTP/1.1\r\n"));
    assert!(of("head received").starts_with(b"HTTP/1.1 101 "));
    assert!(of("head received").ends_with(b"\r\n\r\n"));
    assert_eq!(of("received"), b"\x81\x02hi\x88\x02\x03\xe8");
    assert_eq!(of("sent").len(), (2 + 4 + 2) + (2 + 4 + 2));
}

#[test]
fn frames_after_the_request_are_not_lost() {
    let server = run(echo());
    let mut raw = Raw::connect(server.addr);
    let big = pattern(100_000);
    let mut bytes = common::upgrade("/", "").into_bytes();
    bytes.extend(raw.frame(TEXT, b"early"));
    bytes.extend(raw.frame(BINARY, &big));
    let (first, rest) = bytes.split_at(bytes.len() - 7);
    let rest = rest.to_vec();
    raw.write(first);
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.next(), (TEXT, b"early".to_vec()));
    raw.write(rest);
    assert_eq!(raw.next(), (BINARY, big));
}

#[test]
fn a_server_that_answers_byte_by_byte_is_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = thread::spawn(move || {
        let mut ws = ws_std::connect(url).unwrap();
        assert_eq!(ws.headers()["server"], "drip");
        assert_eq!(ws.recv().unwrap(), Some(Message::Text("你")));
    });
    let mut peer = Raw::over(listener.accept().unwrap().0, false);
    let head = peer.head();
    let request = ws_proto::handshake::Request::parse(head.as_bytes()).unwrap();
    let mut out = vec![0; 1024];
    let accept = request
        .accept()
        .unwrap()
        .headers(&[("Server", "drip")])
        .unwrap();
    let len = accept.encode(&mut out).unwrap();
    out.truncate(len);
    out.extend(frame(TEXT, "你".as_bytes(), false));
    for byte in out {
        peer.write([byte]);
    }
    within(move || client.join().unwrap());
}
