//! `ws connect` in pipes: what goes in, what comes out, and the exit status.

use crate::common;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Served, connect, done, finish, parts, ws};
use ws_proto::{Config, Event, Session, Step};
use ws_std::{CloseCode, Message, Next, Response, Server, StatusCode};

/// A server that says things, by its paths. It lives as long as the test's process.
fn server() -> String {
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/close", |mut ws, request| {
            let code = request.param("code").unwrap().parse().unwrap();
            let reason = request.param("reason").unwrap_or_default();
            ws.close(CloseCode::new(code).unwrap(), &reason)
        })
        .websocket("/say", |mut ws, request| {
            // `t=6869&b=00FF`: a text message and a binary one, in hexadecimal digits.
            for (kind, digits) in request.query().unwrap().split('&').map(|p| p.split_at(2)) {
                let digits = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
                let bytes: Vec<u8> = digits
                    .map(|pair| u8::from_str_radix(pair, 16).unwrap())
                    .collect();
                match kind {
                    "t=" => ws.send(str::from_utf8(&bytes).unwrap())?,
                    _ => ws.send(&bytes)?,
                }
            }
            ws.close(CloseCode::NORMAL, "")
        })
        .websocket("/shout", |mut ws, _| {
            while ws.recv_timeout(Duration::ZERO)? != Next::Closed {
                ws.send("shout")?;
            }
            Ok::<_, ws_std::Error>(())
        })
        .websocket("/abort", |ws, _| {
            ws.writer().abort();
            Ok::<_, ws_std::Error>(())
        })
        .websocket("/header", |mut ws, request| {
            for name in ["x-one", "origin", "sec-websocket-protocol"] {
                ws.send(request.header(name).unwrap_or("-"))?;
            }
            let protocol = ws.subprotocol().unwrap_or("-").to_owned();
            ws.send(protocol.as_str())?;
            ws.close(CloseCode::NORMAL, "")
        })
        .get("/moved", |_| {
            Response::text("")
                .with_status(StatusCode::FOUND)
                .header("location", "http://example.com/")
        })
        .get("/denied", |_| {
            Response::text("not you\nnor you").with_status(StatusCode::FORBIDDEN)
        })
        .origins(ws_std::Origins::any())
        .subprotocols(["two"]);
    let address = server.local_addr();
    thread::spawn(move || server.run());
    format!("ws://{address}")
}

/// Accepts a connection, and its handshake.
pub(crate) fn accepted(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let request = ws_proto::handshake::Request::parse(&head).unwrap();
    let mut answer = [0; 512];
    let len = request.accept().unwrap().encode(&mut answer).unwrap();
    stream.write_all(&answer[..len]).unwrap();
    stream
}

/// A server's WebSocket on a connection whose handshake is done.
pub(crate) fn server_side(stream: TcpStream) -> ws_std::WebSocket {
    let session = Session::server(&Config::default());
    ws_std::WebSocket::over(stream, session, ws_std::Clock::system()).unwrap()
}

#[test]
fn each_line_is_a_message_and_each_message_a_line() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    assert_eq!(
        connect(&[echo], "hello\n\ngrüße\r\nno end"),
        done("hello\n\ngrüße\nno end\n")
    );
    assert_eq!(connect(&[echo], ""), done(""));
    let many: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    assert_eq!(connect(&[echo], &many), done(&many));
    let long = format!("{}\n", "x".repeat(1 << 20));
    assert_eq!(connect(&[echo], &long), done(&long));
}

#[test]
fn a_message_is_answered_while_the_input_is_open() {
    let served = Served::start(&[]);
    let mut child = ws(&["connect", &served.url("/echo")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    drop(stdin);
    assert_eq!(finish(child).status.code(), Some(0));
}

/// Little is read at a time, and a Ping is always on its way. For how long that may go on is in
/// ws-proto's `tests/alive`, under A5.
#[test]
fn all_lines_arrive_at_a_server_that_reads_little_at_a_time_and_pings() {
    const LINES: usize = 4_000;
    let line = |number: usize| format!("{number:0999}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = thread::spawn(move || {
        let lines: String = (0..LINES).map(|number| line(number) + "\n").collect();
        connect(&[&url], lines)
    });
    let mut stream = accepted(&listener);
    let mut session = Session::server(&Config::default());
    let (mut arrived, mut answered) = (0, 0_u32);
    session.ping(&answered.to_be_bytes()).unwrap();
    loop {
        while session.wants_write() {
            let written = stream.write(session.unsent()).unwrap();
            session.sent(written);
        }
        match session.step().unwrap() {
            Step::Message(message) => {
                assert_eq!(message, Message::Text(&line(arrived)));
                arrived += 1;
            }
            Step::Control(Event::Pong(payload)) => {
                assert_eq!(payload, answered.to_be_bytes());
                answered += 1;
                session.ping(&answered.to_be_bytes()).unwrap();
            }
            Step::Control(_) => {}
            Step::NeedData => {
                let spare = session.spare_mut().unwrap();
                let little = spare.len().min(1_000);
                let len = stream.read(&mut spare[..little]).unwrap();
                assert!(len > 0, "it ends after {arrived} lines, without a Close");
                session.filled(len);
            }
            Step::Closed => break,
        }
    }
    assert_eq!(arrived, LINES);
    // The first could be read before anything was: much more was to come than the system holds.
    assert!(answered > 0);
    assert_eq!(session.peer_close().unwrap().code(), CloseCode::NORMAL);
    drop(stream);
    assert_eq!(client.join().unwrap(), done(""));
}

#[test]
fn line_breaks_within_a_message_do_not_break_the_line() {
    let server = server();
    let say = format!("{server}/say?t=610A62&t=0D0A&t=5C6E09");
    assert_eq!(
        connect(&[&say, "-n", "9"], ""),
        done("a\\nb\n\\r\\n\n\\n\t\n")
    );
}

#[test]
fn binary_messages_are_digits_or_text() {
    let server = server();
    let say = format!("{server}/say?b=68650A&b=00FF&b=");
    let wait = &["-n", "9"];
    assert_eq!(
        connect(&[&say, wait[0], wait[1]], ""),
        done("68650a\n00ff\n\n")
    );
    assert_eq!(
        connect(&[&say, wait[0], wait[1], "--binary"], ""),
        done("he\\n\n00ff\n\n")
    );
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    assert_eq!(
        connect(&[echo, "-b"], b"hello\n\xFF\xFE\n"),
        done("hello\nfffe\n")
    );
    // What was sent as binary comes back as binary: the trace shows it.
    let (_, _, trace) = connect(&[echo, "-b", "-v"], "hello\n");
    assert!(
        trace.contains("> binary FIN len=5 68 65 6c 6c 6f\n"),
        "{trace}"
    );
}

#[test]
fn what_is_not_text_is_not_sent_as_text() {
    let served = Served::start(&[]);
    let (status, out, err) = connect(&[&served.url("/echo")], b"one\n\xFF\nthree\n");
    assert_eq!((status, &*out), (Some(1), "one\n"));
    assert_eq!(
        err,
        "ws: line 2 of the input is not UTF-8: --binary sends it as it is\n"
    );
}

#[test]
fn the_exit_status_says_how_it_was_closed() {
    let server = server();
    let close = |query: &str| {
        // The input stays open: it must not be waited for.
        let (input, kept_open) = std::io::pipe().unwrap();
        let url = format!("{server}/close?{query}");
        let child = ws(&["connect", &url]).stdin(input).spawn().unwrap();
        let (status, out, err) = parts(&finish(child));
        drop(kept_open);
        assert_eq!(out, "");
        (status, err)
    };
    let ok = (Some(0), String::new());
    assert_eq!(close("code=1000&reason=bye"), ok);
    assert_eq!(close("code=1001"), ok);
    let failed = |what: &str| (Some(1), format!("ws: closed by the server with {what}\n"));
    assert_eq!(
        close("code=1008&reason=who%20are%20you"),
        failed("1008 who are you")
    );
    assert_eq!(close("code=1011"), failed("1011"));
    assert_eq!(
        close("code=4000&reason=%1b%5b31m%0A"),
        failed("4000 \\u{1b}[31m\\n")
    );
    let (status, out, err) = connect(&[&format!("{server}/abort"), "-n1"], "");
    assert_eq!((status, &*out), (Some(1), ""));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("ws: the connection was lost: "), "{err}");
}

#[test]
fn too_long_a_message_names_the_option() {
    let served = Served::start(&[]);
    let (status, out, err) = connect(
        &[&served.url("/echo"), "--max-message", "10"],
        "0123456789\n0123456789+\n",
    );
    assert_eq!((status, &*out), (Some(1), "0123456789\n"));
    assert_eq!(
        err,
        "ws: a message is longer than 10 bytes: --max-message sets the limit\n"
    );
}

#[test]
fn no_connection_is_one_line_and_status_two() {
    let server = server();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("ws://{}/", silent.local_addr().unwrap());
    let at = |path: &str| format!("{server}{path}");
    for (url, says) in [
        (
            "http://127.0.0.1/".into(),
            "invalid URL: the scheme is neither ws:// nor wss:// in \"http://127.0.0.1/\"",
        ),
        // No scheme is ws://.
        (
            "nonsense.invalid".into(),
            "cannot connect to nonsense.invalid:80",
        ),
        ("ws://".into(), "invalid URL"),
        ("ws://127.0.0.1:99999/".into(), "invalid URL"),
        (format!("ws://{closed}/"), "cannot connect to 127.0.0.1:"),
        (
            "ws://name.invalid/".into(),
            "cannot connect to name.invalid",
        ),
        (at("/nowhere"), "refused with status 404: nothing is here"),
        (at("/denied"), "refused with status 403: not you"),
        (
            at("/moved"),
            "refused with status 302, and points to http://example.com/",
        ),
        (silent_url, "timed out after 0.5 s"),
    ] {
        let (status, out, err) = connect(&[&url, "--timeout", "0.5"], "hello\n");
        assert_eq!((status, &*out), (Some(2), ""), "{url}: {err}");
        assert!(
            err.starts_with("ws: ") && err.contains(says),
            "{url}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{url}: {err}");
        assert!(!err.contains("os error") && !err.contains("Os {"), "{err}");
    }
    for args in [
        &["ws://h/", "-H", "no colon"][..],
        &["ws://h/", "-n", "0"],
        &[],
    ] {
        assert_eq!(connect(args, "").0, Some(2));
    }
}

#[test]
fn a_count_closes_and_the_end_of_the_input_does_not() {
    let served = Served::start(&[]);
    let (status, out, err) = connect(&["-n", "2", &served.url("/clock")], "");
    assert_eq!((status, &*err), (Some(0), ""));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(
        connect(&["--count=2", &served.url("/echo")], "1\n2\n3\n4\n"),
        done("1\n2\n")
    );
}

#[test]
fn the_request_says_what_was_asked_for() {
    let url = format!("{}/header", server());
    let args = [
        &*url,
        "-H",
        "X-One: two three",
        "--origin",
        "https://example.com",
        "-s",
        "one",
        "--subprotocol",
        "two",
    ];
    assert_eq!(
        connect(&[&args[..], &["-n9"]].concat(), ""),
        done("two three\nhttps://example.com\none, two\ntwo\n")
    );
}

/// A pipe holds some thousand lines of it.
#[test]
fn a_trace_that_nobody_reads_stops_nothing() {
    const LINES: usize = 20_000;
    let served = Served::start(&[]);
    let mut child = ws(&["connect", "-v", &served.url("/echo")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let unread = child.stderr.take();
    let mut stdin = child.stdin.take().unwrap();
    thread::spawn(move || stdin.write_all("hello\n".repeat(LINES).as_bytes()));
    let (status, out, _) = parts(&finish(child));
    assert_eq!((status, out.lines().count()), (Some(0), LINES));
    drop(unread);
}

#[test]
fn the_trace_shows_frames_and_no_secrets() {
    let served = Served::start(&[]);
    let url = served.url("/echo?token=s3cret&room=tea");
    let args = [
        "-v",
        &url,
        "-H",
        "Authorization: Bearer s3cret",
        "-H",
        "Cookie: a=s3cret",
        "-H",
        "X-Api-Key: s3cret",
        "-H",
        "X-Plain: seen",
    ];
    let (status, out, trace) = connect(&args, "hello\n\u{1b}[2J\n");
    assert_eq!((status, &*out), (Some(0), "hello\n\u{1b}[2J\n"));
    for line in [
        "> GET /echo?token=[redacted]&room=tea HTTP/1.1",
        "> Authorization: [redacted]",
        "> Cookie: [redacted]",
        "> X-Api-Key: [redacted]",
        "> X-Plain: seen",
        "< HTTP/1.1 101 Switching Protocols",
        "> text FIN len=5 \"hello\"",
        "< text FIN len=5 \"hello\"",
        "> text FIN len=4 \"\\u{1b}[2J\"",
        "> close FIN len=2 1000",
        "< close FIN len=2 1000",
    ] {
        assert!(
            trace.lines().any(|shown| shown == line),
            "{line} in {trace}"
        );
    }
    assert!(!trace.contains("s3cret"), "{trace}");
    let shown = |name: &str| {
        let line = trace
            .lines()
            .find(|line| line[2..].to_lowercase().starts_with(name));
        assert!(!line.unwrap().contains("redacted"), "{trace}");
    };
    shown("sec-websocket-key: ");
    shown("sec-websocket-accept: ");
}

#[test]
fn a_closed_output_ends_it_quietly() {
    let url = format!("{}/shout", server());
    let mut child = ws(&["connect", &url])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "shout\n");
    drop(stdout);
    let mut stderr = child.stderr.take().unwrap();
    assert_eq!(finish(child).status.code(), Some(0));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    drop(stdin);
}

#[cfg(unix)]
mod signals {
    use std::os::unix::process::ExitStatusExt;

    use nix::sys::signal::Signal::{SIGINT, SIGTERM};

    use super::*;

    #[test]
    fn a_signal_closes() {
        let (heard, hears) = std::sync::mpsc::channel();
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .websocket("/", move |mut ws, _| {
                ws.send("there")?;
                while ws.recv()?.is_some() {}
                let _ = heard.send(ws.peer_close().map(|(code, _)| code.get()));
                Ok::<_, ws_std::Error>(())
            });
        let url = format!("ws://{}/", server.local_addr());
        thread::spawn(move || server.run());
        for signal in [SIGINT, SIGTERM] {
            let mut child = ws(&["connect", &url])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let stdin = child.stdin.take();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            stdout.read_line(&mut String::new()).unwrap();
            common::send_signal(&child, signal);
            let (status, _, err) = parts(&finish(child));
            assert_eq!((status, &*err), (Some(0), ""));
            assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), Some(1001));
            drop(stdin);
        }
    }

    #[test]
    fn a_second_signal_ends_it_at_once() {
        // It sends one message, and then hears nothing.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut child = ws(&["connect", "-v", &url])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut stream = accepted(&listener);
        stream.write_all(b"\x81\x05there").unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        common::send_signal(&child, SIGINT);
        // Its Close: now it waits for ours, which does not come.
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        assert_eq!(close[..2], [0x88, 0x82]);
        common::send_signal(&child, SIGINT);
        let status = finish(child).status;
        assert_eq!((status.code(), status.signal()), (Some(130), None));
        drop(stdin);
    }
}
