//! What `ws serve` serves besides its own page: files, processes, TCP servers, over TLS or with a
//! token.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use ws_std::{Client, CloseCode, ConnectError, MessageBuf};

use crate::common::{PATIENCE, Served, closed, next, parts, run, text, ws};

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("places-{name}"));
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn a_folder_takes_the_place_of_the_page() {
    let folder = folder("static");
    std::fs::write(folder.join("index.html"), "mine").unwrap();
    std::fs::write(folder.join("a b.txt"), "text").unwrap();
    std::fs::write(folder.join(".env"), "secret").unwrap();
    let served = Served::start(&["--static", folder.to_str().unwrap()]);
    assert_eq!(served.get("/").1, "mine");
    let (head, body) = served.get("/a%20b.txt");
    assert_eq!(body, "text");
    assert!(
        head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"),
        "{head}"
    );
    for target in [
        "/page.js",
        "/.env",
        "/%2eenv",
        "/../places-static/a%20b.txt",
        "/..%2fx",
    ] {
        let (head, _) = served.get(target);
        let status = head.split(' ').nth(1).unwrap();
        assert!(["400", "404"].contains(&status), "{target}: {head}");
    }
    // What the server itself has is still there.
    let mut echo = served.connect("/echo");
    echo.send("hello").unwrap();
    assert_eq!(text(&mut echo), "hello");
    let (status, _, err) = parts(&run(
        &["serve", "--listen", "127.0.0.1:0", "--static", "/nowhere"],
        "",
    ));
    assert_eq!(status, Some(2));
    assert!(err.starts_with("ws: no files in /nowhere: "), "{err}");
}

#[cfg(unix)]
#[test]
fn each_connection_has_a_process_with_lines() {
    let served = Served::start(&[
        "--exec",
        "echo \"$PATH_INFO $QUERY_STRING\"; while read -r line; do echo \"<$line>\"; done",
    ]);
    let mut first = served.connect("/?a=b");
    let mut second = served.connect("/");
    assert_eq!(text(&mut first), "/ a=b");
    assert_eq!(text(&mut second), "/ ");
    first.send("one").unwrap();
    second.send("two").unwrap();
    assert_eq!(text(&mut first), "<one>");
    assert_eq!(text(&mut second), "<two>");
    first.close(CloseCode::NORMAL, "").unwrap();
    second.send("three").unwrap();
    assert_eq!(text(&mut second), "<three>");
}

#[cfg(unix)]
#[test]
fn bytes_of_a_process_are_binary_messages() {
    let served = Served::start(&["--framing", "bytes", "--exec", "cat"]);
    let mut client = served.connect("/");
    client.send(&[0, 0xFF, b'\n']).unwrap();
    assert_eq!(next(&mut client), MessageBuf::Binary(vec![0, 0xFF, b'\n']));
}

#[cfg(unix)]
#[test]
fn the_end_of_a_process_closes() {
    let served = Served::start(&["--exec", "read -r line; echo bye; exit $line"]);
    for (status, code) in [("0", 1000), ("3", 1011)] {
        let mut client = served.connect("/");
        client.send(status).unwrap();
        assert_eq!(text(&mut client), "bye");
        assert_eq!(closed(&mut client), code);
    }
}

/// It ignores the end of its input, and SIGTERM. What it holds open ends with it.
#[cfg(unix)]
#[test]
fn a_process_that_does_not_end_is_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let exec = format!(
        "trap '' TERM; exec 3<>/dev/tcp/127.0.0.1/{port}; echo ready; while :; do sleep 1000; done"
    );
    let exec = format!("exec bash -c '{}'", exec.replace('\'', "'\\''"));
    let served = Served::start(&["--exec-grace", "0.05", "--exec", &exec]);
    let mut client = served.connect("/");
    let (mut held, _) = listener.accept().unwrap();
    held.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(text(&mut client), "ready");
    client.close(CloseCode::NORMAL, "").unwrap();
    // The end of the stream: the process, and what it has started, are gone.
    assert_eq!(held.read(&mut [0]).unwrap(), 0);
}

/// A TCP server that sends everything back.
fn tcp_echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

#[test]
fn bytes_go_through_a_websocket_from_tcp_to_tcp() {
    let echo = tcp_echo();
    let served = Served::start(&["--tcp", &echo]);
    let mut tunnel = ws(&["connect", "--tcp-listen", "127.0.0.1:0", &served.url("/")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(tunnel.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim_end()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut streams = [(); 2].map(|()| TcpStream::connect(&*address).unwrap());
    for stream in &mut streams {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut to, sent) = (stream.try_clone().unwrap(), bytes.clone());
        let writing = thread::spawn(move || to.write_all(&sent));
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).unwrap();
        writing.join().unwrap().unwrap();
        assert!(back == bytes);
    }
    #[cfg(unix)]
    {
        crate::common::send_signal(&tunnel, nix::sys::signal::Signal::SIGTERM);
        assert_eq!(crate::common::finish(tunnel).status.code(), Some(0));
        // Its connections were closed.
        assert_eq!(streams[0].read(&mut [0]).unwrap(), 0);
    }
    #[cfg(not(unix))]
    tunnel.kill().unwrap();
}

#[test]
fn a_tcp_server_that_is_not_there_is_a_bad_gateway() {
    let closed_port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let served = Served::start(&["--tcp", &closed_port.to_string()]);
    assert_eq!(closed(&mut served.connect("/")), 1014);
}

#[test]
fn what_is_counted_can_be_read() {
    let served = Served::start(&["--metrics"]);
    let open = served.connect("/echo");
    let counted = |name: &str| -> u64 {
        let (_, body) = served.get("/metrics");
        let line = body
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {body}"))
            .parse()
            .unwrap()
    };
    assert_eq!(counted("ws_open"), 1);
    assert_eq!(counted("ws_opened_total"), 1);
    assert_eq!(counted("ws_refused_total{reason=\"other\"}"), 0);
    assert!(
        Client::new(served.url("/echo"))
            .origin("http://a")
            .connect()
            .is_err()
    );
    assert_eq!(counted("ws_refused_total{reason=\"other\"}"), 1);
    assert!(counted("ws_accepted_total") >= 5);
    drop(open);
    assert!(
        Served::start(&[])
            .get("/metrics")
            .0
            .starts_with("HTTP/1.1 404 ")
    );
}

#[test]
fn only_who_has_the_token_is_let_in() {
    let served = Served::start(&["--token", "s3cret"]);
    let status = |client: Client| match client.connect() {
        Ok(_) => 101,
        Err(ConnectError::Refused(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    let echo = || Client::new(served.url("/echo"));
    assert_eq!(status(echo()), 401);
    assert_eq!(status(echo().header("Authorization", "Bearer wrong")), 401);
    assert_eq!(status(echo().header("Authorization", "Bearer s3cret")), 101);
    assert_eq!(status(Client::new(served.url("/echo?token=s3cret"))), 101);
    assert_eq!(status(Client::new(served.url("/echo?token=s3cre"))), 401);
    assert_eq!(status(echo().header("Cookie", "a=b; token=s3cret")), 101);
    assert_eq!(status(echo().header("Cookie", "token=")), 401);
    assert!(served.get("/").0.starts_with("HTTP/1.1 401 "));
    // A page gets it as a cookie, and the URL is rid of it.
    let (head, _) = served.get("//evil.example/?room=tea&token=s3cret");
    assert!(head.starts_with("HTTP/1.1 303 "), "{head}");
    assert!(head.contains("\r\nlocation: ?room=tea\r\n"), "{head}");
    let cookie = "set-cookie: token=s3cret; HttpOnly; SameSite=Strict; Path=/";
    assert!(head.lines().any(|line| line == cookie), "{head}");
    let (_, out, _) = parts(&run(
        &["connect", &served.url("/echo"), "--token", "s3cret"],
        "hello\n",
    ));
    assert_eq!(out, "hello\n");
    assert_eq!(
        run(&["serve", "--token", "not a token"], "").status.code(),
        Some(2)
    );
}

#[cfg(not(target_arch = "x86"))]
#[test]
fn it_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = folder("tls");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--cert",
        cert,
        "--key",
        key,
    ];
    for ca in [&[][..], &["--ca", cert]] {
        let mut child = ws(&[&serve[..], ca].concat()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening on https://")
            .unwrap();
        let url = format!("wss://{address}echo");
        let trusting = [
            "connect",
            "--ca",
            cert,
            "--server-name",
            "localhost",
            &*url,
            "hello",
        ];
        let output = run(&trusting, "");
        // Who has no certificate is not let in where one is asked for.
        let expected = if ca.is_empty() {
            (Some(0), "hello\n")
        } else {
            (Some(2), "")
        };
        let (status, out, _) = parts(&output);
        assert_eq!((status, &*out), expected);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (status, _, err) = parts(&run(&["serve", "--cert", cert, "--key", cert], ""));
    assert_eq!(status, Some(2));
    assert!(err.starts_with("ws: "), "{err}");
}

#[test]
fn an_address_for_others_is_said() {
    let mut child = ws(&["serve", "--listen", "0.0.0.0:0", "--token", "s3cret"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line
        .trim_end_matches("/\n")
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    // Without a network there is none to say.
    if std::net::UdpSocket::bind("0.0.0.0:0")
        .unwrap()
        .connect("192.0.2.1:9")
        .is_ok()
    {
        let mut open = String::new();
        errors.read_line(&mut open).unwrap();
        assert!(open.starts_with("open http://"), "{open}");
        assert!(
            open.ends_with(&format!(":{port}/?token=s3cret\n")),
            "{open}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Each connection is a descriptor, and what a shell allows at first is few.
#[cfg(target_os = "linux")]
#[test]
fn as_many_descriptors_are_used_as_the_system_allows() {
    let mut shell = std::process::Command::new("sh");
    let serve = "ulimit -Sn 60; ulimit -Hn 300; exec \"$0\" serve --listen 127.0.0.1:0";
    shell.args(["-c", serve, env!("CARGO_BIN_EXE_ws")]);
    let served = Served::spawn(shell.stdin(Stdio::null()).stdout(Stdio::piped()));
    let id = served.child.as_ref().unwrap().id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let open = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let open: Vec<_> = open.unwrap().split_whitespace().collect();
    assert_eq!(open[3..5], ["300", "300"]);
}
