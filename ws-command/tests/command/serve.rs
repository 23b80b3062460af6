//! `ws serve`, from the outside: the page, the echo, the clock, and how it ends.

use crate::common;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::{PATIENCE, Served, closed, finish, next, parts, run, text, ws};
use ws_std::{Client, CloseCode, ConnectError, MessageBuf};

#[test]
fn the_page_is_served_with_its_headers() {
    let served = Served::start(&[]);
    let files = [
        ("/", "text/html", "<!doctype html>"),
        ("/?room=tea&name=Ada", "text/html", "<!doctype html>"),
        ("/page.css", "text/css", "/* "),
        ("/page.js", "text/javascript", "\"use strict\";"),
    ];
    for (target, kind, beginning) in files {
        let (head, body) = served.get(target);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for header in [
            &*format!("content-type: {kind}; charset=utf-8"),
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-cache",
        ] {
            assert!(
                head.lines().any(|line| line == header),
                "{header} in {head}"
            );
        }
        assert!(body.starts_with(beginning), "{target}");
    }
    let (head, _) = served.get("/nothing");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let (head, _) = served.get("/echo");
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
}

#[test]
fn the_echo_sends_everything_back() {
    let served = Served::start(&[]);
    let mut client = served.connect("/echo");
    client.send("grüße").unwrap();
    assert_eq!(next(&mut client), MessageBuf::Text("grüße".into()));
    let large = vec![0xA5; 1 << 20];
    client.send(&large).unwrap();
    assert_eq!(next(&mut client), MessageBuf::Binary(large));
    client.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.peer_close().unwrap().0, CloseCode::NORMAL);
}

#[test]
fn the_clock_ticks_until_the_client_closes() {
    let served = Served::start(&[]);
    let mut client = served.connect("/clock");
    let times = [(); 3].map(|()| text(&mut client));
    for time in &times {
        let shape: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    }
    // From the second on they come with the full seconds.
    assert!(times.is_sorted() && times[1] != times[2], "{times:?}");
    client.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.peer_close().unwrap().0, CloseCode::NORMAL);
}

#[test]
fn limits_are_those_asked_for() {
    let served = Served::start(&["--max-message", "1KiB", "--max-connections", "1"]);
    let mut client = served.connect("/echo");
    client.send("a".repeat(1024).as_str()).unwrap();
    assert_eq!(text(&mut client).len(), 1024);
    let refused = ws_std::connect(served.url("/echo"));
    let Err(ConnectError::Refused(answer)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(answer.status(), 503);
    client.send("a".repeat(1025).as_str()).unwrap();
    assert_eq!(closed(&mut client), 1009);
}

/// The status of the answer to a request with a line of so many bytes.
fn with_a_cookie(served: &Served, len: usize) -> u16 {
    match Client::new(served.url("/echo"))
        .header("Cookie", "c".repeat(len))
        .connect()
    {
        Ok(_) => 101,
        Err(ConnectError::Refused(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn lines_of_a_head_may_be_as_long_as_asked_for() {
    assert_eq!(with_a_cookie(&Served::start(&[]), 12 << 10), 101);
    assert_eq!(with_a_cookie(&Served::start(&[]), 20 << 10), 431);
    let longer = Served::start(&["--max-head-line", "24KiB"]);
    assert_eq!(with_a_cookie(&longer, 20 << 10), 101);
    assert_eq!(with_a_cookie(&longer, 25 << 10), 431);
    let shorter = Served::start(&["--max-head", "8KiB"]);
    assert_eq!(with_a_cookie(&shorter, 12 << 10), 431);
}

#[test]
fn who_talks_too_little_too_much_or_too_long_is_closed() {
    let closed = |served: &Served, messages: &[&[u8]]| {
        let mut ws = ws_std::connect(format!("ws://{}/echo", served.address)).unwrap();
        messages.iter().for_each(|message| drop(ws.send(*message)));
        while let Ok(Some(_)) = ws.recv() {}
        ws.peer_close().unwrap().0
    };
    let idle = Served::start(&["--max-idle", "0.05"]);
    assert_eq!(closed(&idle, &[]), CloseCode::POLICY);
    let busy = Served::start(&["--max-frames", "10"]);
    assert_eq!(closed(&busy, &[&b""[..]; 100]), CloseCode::POLICY);
    let small = Served::start(&["--max-memory", "64KiB"]);
    let large = closed(&small, &[&[7; 500_000][..]]);
    assert_eq!(large, CloseCode::TRY_AGAIN_LATER);
}

/// Long enough for anything that is to happen at once, and shorter than the defaults.
const SOON: std::time::Duration = std::time::Duration::from_secs(8);

/// A connection to the echo that does nothing by itself.
fn silent(served: &Served) -> TcpStream {
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        served.address
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// Reads to the end, which comes soon. A reset is an end, too.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => rest,
    }
}

#[test]
fn deadlines_are_those_asked_for() {
    let served = Served::start(&["--handshake-timeout", "0.05"]);
    let mut slow = TcpStream::connect(served.address).unwrap();
    slow.set_read_timeout(Some(SOON)).unwrap();
    slow.write_all(b"GET /echo HTTP/1.1\r\n").unwrap();
    rest(&slow);
    let served = Served::start(&["--ping-interval", "0.05"]);
    let mut ping = [0; 1];
    silent(&served).read_exact(&mut ping).unwrap();
    assert_eq!(ping, [0x89]);
    let served = Served::start(&["--ping-interval", "0.05", "--pong-timeout", "0.05"]);
    rest(&silent(&served));
}

/// A rate is measured over ten seconds.
#[test]
fn who_is_too_slow_is_closed() {
    let served = Served::start(&["--ping-interval", "0", "--min-rate", "1000"]);
    let mut slow = silent(&served);
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    // The beginning of a message of 1000 bytes.
    slow.write_all(&[0x81, 0xFE, 0x03, 0xE8, 0, 0, 0, 0, b'a'])
        .unwrap();
    let mut close = [0; 4];
    slow.read_exact(&mut close).unwrap();
    assert_eq!((close[0], &close[2..]), (0x88, &1008_u16.to_be_bytes()[..]));
}

#[test]
fn fragments_are_counted() {
    let served = Served::start(&["--max-fragments", "2"]);
    let mut client = served.connect("/echo");
    for part in [ws_std::Part::More, ws_std::Part::More, ws_std::Part::Last] {
        client.send_part(ws_std::Kind::Text, b"a", part).unwrap();
    }
    assert_eq!(closed(&mut client), 1008);
    assert_eq!(client.peer_close().unwrap().1, "too many fragments");
}

/// Six thousand are few: some programs cut a message into pieces of a network packet. The most are
/// those of Autobahn 9.3: 4 MiB in pieces of 64 bytes, as many as the default is.
#[test]
fn a_message_in_thousands_of_fragments_is_echoed() {
    let served = Served::start(&["--max-message", "64MiB"]);
    for (len, fragments) in [(6_000, 6_000), (600_000, 6_000), (4 << 20, 1 << 16)] {
        let mut client = Client::new(served.url("/echo"))
            .max_message(64 << 20)
            .connect()
            .unwrap();
        let message: Vec<u8> = (b'a'..=b'w').cycle().take(len).collect();
        let mut pieces = message.chunks(len / fragments).peekable();
        while let Some(piece) = pieces.next() {
            let part = match pieces.peek() {
                Some(_) => ws_std::Part::More,
                None => ws_std::Part::Last,
            };
            client.send_part(ws_std::Kind::Text, piece, part).unwrap();
        }
        let echoed = next(&mut client);
        assert!(echoed.as_message().as_bytes() == message, "{fragments}");
    }
}

#[test]
fn only_pages_of_these_origins_may_connect() {
    let tried = |served: &Served, origin: &str| match Client::new(served.url("/echo"))
        .origin(origin)
        .connect()
    {
        Ok(_) => 101,
        Err(ConnectError::Refused(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    let served = Served::start(&[]);
    assert_eq!(tried(&served, &format!("http://{}", served.address)), 101);
    assert_eq!(tried(&served, "https://example.com"), 403);
    let served = Served::start(&[
        "--origin",
        "https://example.com",
        "--origin",
        "http://b:8080",
    ]);
    assert_eq!(tried(&served, "https://example.com"), 101);
    assert_eq!(tried(&served, "http://b:8080"), 101);
    assert_eq!(tried(&served, "http://b"), 403);
    let served = Served::start(&["--origin", "any"]);
    assert_eq!(tried(&served, "https://example.org"), 101);
}

#[test]
fn it_answers_for_these_hosts() {
    let asked = |served: &Served, host: &str| {
        let mut stream = TcpStream::connect(served.address).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    let served = Served::start(&[]);
    assert_eq!(asked(&served, "localhost:1"), 200);
    assert_eq!(asked(&served, "evil.example"), 421);
    let served = Served::start(&["--host", "chat.example", "--host", "b"]);
    assert_eq!(asked(&served, "chat.example:80"), 200);
    assert_eq!(asked(&served, "B"), 200);
    assert_eq!(asked(&served, "evil.example"), 421);
    let served = Served::start(&["--host", "any"]);
    assert_eq!(asked(&served, "evil.example"), 200);
}

#[test]
fn a_port_in_use_is_said_on_one_line() {
    let served = Served::start(&[]);
    let address = served.address.to_string();
    let (status, out, err) = parts(&run(&["serve", "--listen", &address], ""));
    assert_eq!((status, &*out), (Some(2), ""));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.starts_with(&format!("ws: cannot listen on {address}: ")),
        "{err}"
    );
    assert!(!err.contains("os error") && !err.contains("Os {"), "{err}");
}

#[test]
fn bad_arguments_are_said() {
    for args in [
        &["serve", "--listen", "nowhere"][..],
        &["serve", "--max-message", "lots"],
        &["serve", "--origin", "example.com"],
        &["serve", "--host", "example.com:80"],
        &["serve", "--ping-interval", "-1"],
        &["nonsense"],
    ] {
        let (status, out, err) = parts(&run(args, ""));
        assert_eq!((status, &*out), (Some(2), ""), "{args:?}");
        assert!(!err.is_empty(), "{args:?}");
    }
}

#[test]
fn help_shows_defaults_and_examples() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["connect", "--help"],
    ] {
        let (status, out, err) = parts(&run(args, ""));
        assert_eq!((status, &*err), (Some(0), ""), "{args:?}");
        assert!(out.contains("\nExamples:\n"), "{out}");
        assert!(args.len() == 1 || out.contains("[default: "), "{out}");
    }
}

#[cfg(unix)]
mod signals {
    use nix::sys::signal::Signal::{SIGINT, SIGTERM};

    use super::*;

    #[test]
    fn a_signal_ends_it_in_good_order() {
        for signal in [SIGINT, SIGTERM] {
            let served = Served::start(&[]);
            let mut clients = ["/echo", "/chat", "/clock"].map(|path| served.connect(path));
            // A request that is not complete yet gets its answer too.
            let mut opening = TcpStream::connect(served.address).unwrap();
            opening.set_read_timeout(Some(PATIENCE)).unwrap();
            opening.write_all(b"GET /echo HTTP/1.1\r\n").unwrap();
            // The others are open, and connections are accepted in order: one more shows that
            // this one is.
            drop(served.connect("/echo"));
            served.signal(signal);
            for client in &mut clients {
                assert_eq!(closed(client), 1001);
            }
            let mut answer = String::new();
            opening.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
            assert_eq!(served.finish(), (Some(0), String::new()));
        }
    }

    #[test]
    fn a_shutdown_waits_as_long_as_asked_for() {
        // Whichever is shorter ends those that answer no Close.
        for [close, grace] in [["0.05", "600"], ["600", "0.05"]] {
            let served = Served::start(&["--close-timeout", close, "--grace", grace]);
            let stream = silent(&served);
            served.signal(SIGTERM);
            let last = rest(&stream);
            assert_eq!(last.first(), Some(&0x88), "{last:?}");
            assert_eq!(served.finish().0, Some(0));
        }
    }

    #[test]
    fn a_second_signal_ends_it_at_once() {
        // The grace is longer than our patience: only the second signal can end it in time.
        let served = Served::start(&["--grace", "600", "--close-timeout", "600"]);
        let mut awake = served.connect("/echo");
        let _silent = silent(&served);
        served.signal(SIGTERM);
        // It is shutting down when this arrives; the silent one does not answer its Close.
        assert_eq!(closed(&mut awake), 1001);
        served.signal(SIGTERM);
        assert_eq!(served.finish(), (Some(0), String::new()));
    }

    #[test]
    fn verbose_says_who_comes_and_goes() {
        let mut child = ws(&["serve", "--listen", "127.0.0.1:0", "-v"])
            .spawn()
            .unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let mut client = ws_std::connect(format!("ws://{address}echo?%1b")).unwrap();
        client.send("one").unwrap();
        assert_eq!(text(&mut client), "one");
        client.close(CloseCode::new(4000).unwrap(), "").unwrap();
        let from = Client::new(format!("ws://{address}echo")).origin("http://a");
        assert!(from.connect().is_err());
        common::send_signal(&child, SIGTERM);
        let (status, _, err) = parts(&finish(child));
        assert_eq!(status, Some(0));
        assert!(err.contains(" /echo?%1b open\n"), "{err}");
        let end = err
            .lines()
            .find(|line| line.contains(" /echo?%1b closed with 4000 after "));
        assert!(
            end.is_some_and(|line| line.ends_with(" s, 1 messages")),
            "{err}"
        );
        let host = address.trim_end_matches('/');
        let refused = format!(" refused with 403: origin http://a is not of host {host}\n");
        assert!(err.contains(&refused), "{err}");
    }
}
