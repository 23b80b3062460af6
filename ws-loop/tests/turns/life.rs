//! How connections begin, stay alive and end.

use crate::common;
use crate::support;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{Raw, answer, ask, get, timeouts, until, upgrade, within};
use crate::support::{Clock, Told, echo, run, server};
use ws_loop::ws_http::http::HeaderValue;
use ws_loop::{EventLoop, Hosts, Origins, Response, StatusCode, Trusted};
use ws_proto::CloseCode;
use ws_std::{Error, ProtocolError};
use ws_testkit::{BINARY, CLOSE, PING, PONG, TEXT};

#[test]
fn pages_and_refusals_are_answered() {
    let (sender, refused) = std::sync::mpsc::channel();
    let server = server()
        .get("/page", |request| {
            Response::html(format!("you are {}", request.peer_addr().ip()))
        })
        .hook(|request| {
            // A header of the handshake is not the application's to add.
            let name = match request.param("hooked").as_deref() {
                Some("upgrade") => "upgrade",
                _ => "x-hook",
            };
            let seen = HeaderValue::from_static("seen");
            request.answer_headers_mut().append(name, seen);
            let moved = request.path() == "/moved";
            moved.then(|| {
                let page = Response::text("").with_status(StatusCode::FOUND);
                page.header("location", "/")
            })
        })
        .on_refusal(move |_, refusal| sender.send(refusal.status().as_u16()).unwrap());
    let server = run(server);
    let (status, head, body) = ask(server.addr, get("/page"));
    assert_eq!((status, &*body), (200, &b"you are 127.0.0.1"[..]));
    assert!(head.contains("content-length: 17"), "{head}");
    let (status, _, body) = ask(server.addr, "HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((status, &*body), (200, &b""[..]));
    assert_eq!(ask(server.addr, get("/moved")).0, 302);
    let table = [
        (get("/"), 426),
        (upgrade("/refused", ""), 404),
        (upgrade("/", "Origin: http://evil.example\r\n"), 403),
        (upgrade("/?subprotocol=x", ""), 500),
        (upgrade("/?cookie=a%0Db", ""), 500),
        (upgrade("/?hooked=upgrade", ""), 500),
        (upgrade("/", "Host: h2\r\n"), 400),
        ("POST /page HTTP/1.1\r\nHost: h\r\n\r\n".into(), 405),
        ("what?\r\n\r\n".into(), 400),
    ];
    for (request, expected) in table {
        assert_eq!(ask(server.addr, &request).0, expected, "{request}");
        assert_eq!(refused.recv_timeout(common::PATIENCE), Ok(expected));
    }
    let mut open = Raw::connect(server.addr);
    open.write(upgrade("/?cookie=a", ""));
    let head = open.head();
    let lines = "x-hook: seen\r\nSet-Cookie: a\r\n";
    assert!(head.contains(lines), "{head}");
    drop(server);
}

#[test]
fn what_is_wrong_with_a_request_is_said_however_long_it_is() {
    let server = echo();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nCookie: {}\r\n\r\n",
        "x".repeat(60_000)
    );
    assert_eq!(ask(server.addr, head).0, 431);
}

#[test]
fn the_101_has_what_the_handler_adds() {
    let server = echo();
    let mut raw = Raw::connect(server.addr);
    let target = "/?subprotocol=chat&cookie=id%3D7";
    raw.write(upgrade(target, "Sec-WebSocket-Protocol: soap, chat\r\n"));
    let head = raw.head().to_ascii_lowercase();
    assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
    assert!(head.contains("set-cookie: id=7\r\n"), "{head}");
}

#[test]
fn a_foreign_host_is_421_and_a_page_that_is_trusted_may_connect() {
    let server = EventLoop::bind("127.0.0.1:0").unwrap().websocket("/");
    let server = run(server.origins(Origins::list(["https://chat.example"]).unwrap()));
    assert_eq!(ask(server.addr, upgrade("/", "")).0, 421);
    let local =
        upgrade("/", "Origin: https://chat.example\r\n").replace("Host: h", "Host: localhost");
    let mut raw = Raw::connect(server.addr);
    raw.write(local);
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_proxy_says_where_a_client_is() {
    let trusted = Trusted::proxy_protocol(["127.0.0.1"]).unwrap();
    let page = |request: &ws_loop::Request| Response::text(request.peer_addr().to_string());
    let server = run(server().trust(trusted).get("/who", page));
    let mut raw = Raw::connect(server.addr);
    for byte in format!("PROXY TCP4 203.0.113.9 10.0.0.1 4000 80\r\n{}", get("/who")).bytes() {
        raw.write([byte]);
    }
    assert_eq!(answer(&mut raw).2, b"203.0.113.9:4000");
    let mut raw = Raw::connect(server.addr);
    raw.write("PROXY TCP4 203.0.113.9 10.0.0.1 4000 80\r\n");
    raw.write(upgrade("/", ""));
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    // Whoever should say it and does not is not answered.
    let mut raw = Raw::connect(server.addr);
    raw.write(get("/who"));
    raw.ends();
}

#[test]
fn a_close_is_answered_and_its_code_told() {
    let server = echo();
    let mut raw = Raw::open(server.addr);
    raw.send(TEXT, "one");
    raw.close(4000, "bye");
    assert_eq!(raw.next(), (TEXT, b"one".into()));
    assert_eq!(raw.next_close(), (4000, "".into()));
    raw.ends();
    let why = server.closed();
    assert!(why.contains("4000") && why.contains("bye"), "{why}");
}

#[test]
fn the_application_closes() {
    let server = echo();
    let mut ws = server.connect("/closing");
    ws.send("now").unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    let close = (CloseCode::NORMAL, "as you wish".into());
    assert_eq!(ws.peer_close(), Some(close));
    assert!(server.closed().starts_with("Done("));
}

#[test]
fn a_violation_is_answered_with_its_code() {
    let table: [(&[u8], u16); 5] = [
        (b"\x81\x02hi", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xFF", 1007),
        (b"\x82\xFF\0\0\0\0\0\x10\0\x01\0\0\0\0", 1009),
        (b"\xC1\x80\0\0\0\0", 1002),
    ];
    let server = echo();
    for (bytes, code) in table {
        let mut raw = Raw::open(server.addr);
        raw.send(TEXT, "fine");
        raw.write(bytes);
        assert_eq!(raw.next(), (TEXT, b"fine".into()));
        assert_eq!(raw.next_close().0, code, "{bytes:02x?}");
        raw.ends();
        assert!(server.closed().starts_with("Protocol("));
    }
}

/// A peer that is told 1009 may have written all of its message before it reads.
#[test]
fn who_is_told_1009_can_read_it_after_writing_all() {
    let server = run(server().max_message(1000));
    let mut ws = server.connect("/");
    ws.send(&vec![0; 8 << 20]).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.peer_close().unwrap().0, CloseCode::TOO_BIG);
}

#[test]
fn an_end_without_a_close_is_told() {
    let server = echo();
    let raw = Raw::open(server.addr);
    drop(raw);
    let why = server.closed();
    assert_eq!(why, format!("Protocol({:?})", ProtocolError::UnexpectedEof));
    // In the middle of a frame, and with a reset.
    let mut raw = Raw::open(server.addr);
    raw.write(b"\x82\xFE\x40\0\0\0\0\0half");
    let socket = socket2::SockRef::from(&raw.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(raw);
    let why = server.closed();
    assert!(
        why.starts_with("Io(") || why.starts_with("Protocol("),
        "{why}"
    );
}

/// What the peer sent before its end counts, a Close with its reason most of all.
#[test]
fn a_close_counts_whose_sender_has_gone() {
    let server = echo();
    for _ in 0..20 {
        let mut raw = Raw::open(server.addr);
        let mut bytes = raw.frame(TEXT, b"last");
        bytes.extend(raw.frame(CLOSE, &[&4001_u16.to_be_bytes()[..], b"gone"].concat()));
        raw.write(bytes);
        drop(raw);
        let why = server.closed();
        assert!(why.contains("4001") && why.contains("gone"), "{why}");
    }
}

/// The system may tell of the last bytes and of the end at once, and not again.
#[test]
fn an_end_right_after_the_last_bytes_is_seen() {
    let server = echo();
    for _ in 0..100 {
        let mut raw = Raw::open(server.addr);
        raw.send(TEXT, "last");
        raw.half_close();
        let why = server.closed();
        assert_eq!(why, format!("Protocol({:?})", ProtocolError::UnexpectedEof));
    }
}

/// One that takes nothing of what waits for it is not read from; that it sends something is a sign of
/// life all the same.
#[test]
fn a_peer_that_takes_nothing_is_alive_as_long_as_it_sends() {
    let clock = Clock::default();
    let server = run(clock.of(server()));
    let mut raw = Raw::connect_small(server.addr);
    raw.upgrade();
    let id = server.opened();
    let mut other = server.connect("/");
    let mut settle = || {
        for _ in 0..3 {
            other.send("x").unwrap();
            other.recv().unwrap();
        }
    };
    let large = vec![0; 16 << 20];
    server.handle.send(id, &large).unwrap();
    settle();
    clock.advance(&server, 20_100);
    settle();
    for _ in 0..3 {
        raw.send(PONG, "");
        settle();
        clock.advance(&server, 20_200);
        settle();
        let is_closed = |told| matches!(told, Told::Closed(..));
        assert!(!server.told.try_iter().any(is_closed));
    }
    clock.advance(&server, 20_200);
    assert_eq!(server.closed(), "TimedOut(Pong)");
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let clock = Clock::default();
    let server = run(clock.of(server().timeouts(timeouts(Some(20_000), 20_000, 10_000))));
    let mut raw = Raw::open(server.addr);
    server.opened();
    clock.advance(&server, 20_100);
    assert_eq!(raw.next(), (PING, b"".into()));
    raw.send(PONG, "");
    // The Pong is certain to have been read once an echo has come.
    raw.send(BINARY, "x");
    assert_eq!(raw.next(), (BINARY, b"x".into()));
    clock.advance(&server, 20_100);
    assert_eq!(raw.next(), (PING, b"".into()));
    clock.advance(&server, 20_100);
    assert_eq!(server.closed(), "TimedOut(Pong)");
    raw.ends();
}

#[test]
fn who_does_not_close_in_time_is_given_up() {
    let clock = Clock::default();
    let server = run(clock.of(server()));
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("/closing", ""));
    raw.head();
    raw.send(TEXT, "now");
    assert_eq!(raw.next_close().0, 1000);
    clock.advance(&server, 10_200);
    assert_eq!(server.closed(), "TimedOut(Close)");
    raw.ends();
}

#[test]
fn who_does_not_end_its_stream_is_dropped_in_time() {
    let clock = Clock::default();
    let server = run(clock.of(server()));
    let mut raw = Raw::open(server.addr);
    raw.close(1000, "");
    assert_eq!(raw.next_close().0, 1000);
    // It is over for the handler, and the socket lingers.
    server.closed();
    let stream = raw.stream.try_clone().unwrap();
    raw.ends();
    clock.advance(&server, 10_200);
    until("it is dropped", || (&stream).read_is_reset());
}

#[test]
fn lingering_has_the_rest_of_the_close_timeout() {
    let clock = Clock::default();
    let server = run(clock.of(server()));
    let mut raw = Raw::connect(server.addr);
    raw.write(upgrade("/closing", ""));
    raw.head();
    raw.send(TEXT, "now");
    assert_eq!(raw.next_close().0, 1000);
    clock.advance(&server, 6_000);
    raw.close(1000, "");
    server.closed();
    let stream = raw.stream.try_clone().unwrap();
    raw.ends();
    clock.advance(&server, 4_200);
    until("it is dropped", || (&stream).read_is_reset());
}

#[test]
fn a_slow_opening_is_told_408_and_dropped() {
    let clock = Clock::default();
    let server = run(clock.of(server()));
    let mut raw = Raw::connect(server.addr);
    raw.write("GET / HTTP/1.1\r\nHost: h\r\n");
    // It has been accepted once somebody who came later is served.
    server.connect("/").send("x").unwrap();
    clock.advance(&server, 10_100);
    assert_eq!(answer(&mut raw).0, 408);
    // One that says nothing at all, too.
    let mut silent = Raw::connect(server.addr);
    server.connect("/").send("x").unwrap();
    clock.advance(&server, 10_100);
    assert_eq!(answer(&mut silent).0, 408);
}

#[test]
fn beyond_the_most_connections_is_503_until_one_ends() {
    let server = run(server().max_connections(2));
    let first = server.connect("/");
    let _second = server.connect("/");
    let (status, head, _) = ask(server.addr, upgrade("/", ""));
    assert_eq!(status, 503);
    assert!(head.contains("retry-after: 1"), "{head}");
    drop(first);
    server.closed();
    until("there is room", || ws_std::connect(server.url("/")).is_ok());
}

#[test]
fn of_too_many_that_open_the_oldest_gives_way() {
    let server = run(server().max_connections(8));
    let mut slow: Vec<_> = (0..4)
        .map(|_| {
            let mut raw = Raw::connect(server.addr);
            raw.write("GET / HTTP/1.1\r\n");
            raw
        })
        .collect();
    // Two may open at a time.
    let mut ws = server.connect("/");
    ws.send("x").unwrap();
    assert!(ws.recv().unwrap().is_some());
    slow[0].ends();
    slow[1].ends();
    slow[2].ends();
    slow[3].write(&upgrade("/", "")["GET / HTTP/1.1\r\n".len()..]);
    assert!(slow[3].head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_shutdown_takes_leave_of_everybody() {
    let server = run(server().grace(Duration::from_secs(3600)));
    let mut ws = server.connect("/");
    let mut opening = Raw::connect(server.addr);
    opening.write("GET / HTTP/1.1\r\n");
    // It is known once a later one is open.
    let mut later = server.connect("/");
    server.handle.shutdown();
    for ws in [&mut ws, &mut later] {
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.peer_close().unwrap().0, CloseCode::GOING_AWAY);
    }
    assert_eq!(answer(&mut opening).0, 503);
    drop((ws, later, opening));
    let addr = server.addr;
    server.ended().unwrap();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_second_shutdown_waits_for_nobody() {
    let server = run(server().grace(Duration::from_secs(3600)));
    let mut raw = Raw::open(server.addr);
    server.opened();
    server.handle.shutdown();
    assert_eq!(raw.next_close().0, 1001);
    let handle = server.handle.clone();
    handle.shutdown();
    let closed = server.closed();
    assert_eq!(closed, "Shutdown");
    server.ended().unwrap();
    raw.ends();
    assert!(handle.broadcast("nobody").is_err());
}

#[test]
fn the_grace_has_an_end() {
    let clock = Clock::default();
    let server = run(clock.of(server().grace(Duration::from_secs(5))));
    let mut raw = Raw::open(server.addr);
    server.opened();
    server.handle.shutdown();
    assert_eq!(raw.next_close().0, 1001);
    clock.advance(&server, 5_000);
    server.ended().unwrap();
}

#[test]
fn a_misspelt_path_is_an_error_of_run() {
    let server = EventLoop::bind("127.0.0.1:0").unwrap().websocket("chat");
    let (sender, _told) = std::sync::mpsc::channel();
    assert!(server.run(support::Echo(sender)).is_err());
}

#[cfg(unix)]
#[test]
fn a_path_is_listened_at_and_left_free() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    let path = std::env::temp_dir().join(format!("ws-loop-{}.sock", std::process::id()));
    let listen = || {
        let server = EventLoop::bind_unix(&path).unwrap();
        server.websocket("/").hosts(Hosts::default())
    };
    // A socket that nobody listens at any more is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path));
    let server = run(listen());
    assert!(
        EventLoop::bind_unix(&path).is_err(),
        "somebody listens there"
    );
    let mut unix = UnixStream::connect(&path).unwrap();
    unix.set_read_timeout(Some(common::PATIENCE)).unwrap();
    unix.write_all(upgrade("/", "").as_bytes()).unwrap();
    unix.write_all(&common::frame(TEXT, b"hi", true)).unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\x81\x02hi") {
        let mut byte = [0];
        unix.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    server.handle.shutdown();
    drop(unix);
    server.ended().unwrap();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn loops_share_a_port() {
    let first = EventLoop::bind_shared("127.0.0.1:0").unwrap();
    let addr = first.local_addr().unwrap();
    let second = EventLoop::bind_shared(addr).unwrap();
    let routed = |server: EventLoop| run(server.hosts(Hosts::any()).websocket("/"));
    let loops = [routed(first), routed(second)];
    // The system deals them out by their ports: some of sixty-four go to each.
    let clients: Vec<_> = (0..64)
        .map(|_| ws_std::connect(format!("ws://{addr}/")).unwrap())
        .collect();
    for server in &loops {
        assert!(matches!(server.told(), Told::Opened(_)));
    }
    drop(clients);
}

#[test]
fn many_come_and_go_and_leave_nothing() {
    let server = echo();
    within(move || {
        for round in 0..20 {
            let mut all: Vec<_> = (0..50).map(|_| server.connect("/")).collect();
            for ws in &mut all {
                ws.send("hi").unwrap();
            }
            for mut ws in all {
                assert!(ws.recv().unwrap().is_some());
                if round % 2 == 0 {
                    ws.close(CloseCode::NORMAL, "").unwrap();
                }
            }
        }
        let (mut opened, mut closed) = (0, 0);
        while closed < 1000 {
            match server.told() {
                Told::Opened(_) => opened += 1,
                Told::Closed(..) => closed += 1,
                _ => {}
            }
        }
        assert_eq!(opened, 1000);
    });
}

/// Whether the peer has dropped the connection.
trait IsReset {
    fn read_is_reset(&mut self) -> bool;
}

impl IsReset for &TcpStream {
    fn read_is_reset(&mut self) -> bool {
        use std::io::Write;
        // After the end of its stream our writes are only refused once its socket is gone.
        self.write(b"x").is_err()
    }
}

#[test]
fn errors_of_the_client_are_as_with_any_server() {
    let server = echo();
    let mut ws = server.connect("/");
    drop(server);
    assert!(!matches!(ws.recv(), Err(Error::TimedOut(_))));
}
