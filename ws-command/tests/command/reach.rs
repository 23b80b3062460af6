//! The way of `ws connect` to a server, and the formats of its messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use ws_std::{Basic, CloseCode, Credentials, Response, Server, StatusCode};

use crate::common::{Served, connect, done, finish, parts, run, ws};
use crate::connect::{accepted, server_side};

/// A file of this test's own.
fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("reach-{name}"));
    let _ = std::fs::remove_file(&path);
    path
}

/// A server that says back what it was asked.
fn asked() -> String {
    let users = Basic::new([Credentials::new("ada", "love:lace").unwrap()]);
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .hook(move |request| match request.path() {
            "/private" => users.check(request).err().map(Response::from),
            "/moved" => Some(
                Response::text("")
                    .with_status(StatusCode::FOUND)
                    .header("location", "/echo"),
            ),
            _ => None,
        })
        .websocket("/private", |mut ws, _| ws.close(CloseCode::NORMAL, ""))
        .websocket("/echo", |mut ws, _| {
            ws.for_each(|message, tx| tx.send(message))
        })
        .websocket("/asked", |mut ws, request| {
            for name in ["host", "authorization"] {
                ws.send(request.header(name).unwrap_or("-"))?;
            }
            ws.close(CloseCode::NORMAL, "")
        });
    let address = server.local_addr();
    thread::spawn(move || server.run());
    address.to_string()
}

#[test]
fn messages_can_be_arguments() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    // The input is not read.
    assert_eq!(
        connect(&[echo, "one", "two\nlines"], "three\n"),
        done("one\ntwo\\nlines\n")
    );
    assert_eq!(connect(&[echo, "-x", "zero"], "one\n"), done("zero\none\n"));
    assert_eq!(connect(&[echo, "-i", "hex", "00fF"], ""), done("00ff\n"));
    let (status, _, err) = connect(&[echo, "-i", "hex", "0"], "");
    assert_eq!((status, &*err), (Some(2), "ws: \"0\" is not hexadecimal\n"));
}

#[test]
fn formats_of_the_input_and_the_output() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    let cases: [(&[&str], &str, &str); 7] = [
        (&["-i", "base64", "-o", "base64"], "AP8K\n", "AP8K\n"),
        (&["-i", "json", "-o", "json"], "\"a\\nb\"\n", "\"a\\nb\"\n"),
        (&["-o", "hex"], "hi\n", "6869\n"),
        (&["-o", "raw"], "a\nb\n", "ab"),
        (
            &["-o", "pretty"],
            "{\"a\":[1]}\nno\n",
            "{\n  \"a\": [\n    1\n  ]\n}\nno\n",
        ),
        (&["-0"], "two\nlines\0one\0", "two\nlines\0one\0"),
        (&["-i", "json"], "\"\\\\n\"\n", "\\n\n"),
    ];
    for (args, input, output) in cases {
        assert_eq!(
            connect(&[&[echo], args].concat(), input),
            done(output),
            "{args:?}"
        );
    }
    let (status, _, err) = connect(&[echo, "-i", "base64"], "AP8K\n!\n");
    assert_eq!(
        (status, &*err),
        (Some(1), "ws: line 2 of the input is not base64\n")
    );
    let (_, out, _) = connect(&[echo, "--times"], "hello\n");
    let (time, message) = out.split_once(' ').unwrap();
    assert_eq!(
        (time.len(), time.ends_with('Z'), message),
        (24, true, "hello\n")
    );
}

#[test]
fn a_file_goes_and_comes_as_one_message() {
    let served = Served::start(&[]);
    let echo = &*served.url("/echo");
    let (from, to) = (file("from"), file("to"));
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&from, &bytes).unwrap();
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let args = [echo, "-b", "--send-file", from, "--receive-file", to];
    assert_eq!(connect(&args, ""), done(""));
    assert!(std::fs::read(to).unwrap() == bytes);
    // `-` is the input, and the output.
    let args = [echo, "--send-file", "-", "--receive-file", "-"];
    assert_eq!(connect(&args, "two\nlines\n"), done("two\nlines\n"));
    let (status, _, err) = connect(&[echo, "--send-file", from], "");
    assert_eq!(status, Some(2));
    assert!(
        err.contains("is not UTF-8: --binary sends it as it is"),
        "{err}"
    );
    let (status, _, err) = connect(&[echo, "--receive-file", "/nowhere/x", "hello"], "");
    assert_eq!(status, Some(1));
    assert!(
        err.starts_with("ws: cannot write the output: /nowhere/x: "),
        "{err}"
    );
}

#[test]
fn the_end_of_the_input_need_not_be_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    // Either would wait for longer than the test does, if the server did not close.
    for option in [&["--stay"][..], &["--wait", "100000"]] {
        let child = ws(&[&["connect", &*url], option].concat()).spawn().unwrap();
        let mut ws = server_side(accepted(&listener));
        ws.send("after the end").unwrap();
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(parts(&finish(child)), done("after the end\n"));
    }
    // And after the wait it closes.
    let served = Served::start(&[]);
    assert_eq!(
        connect(&[&served.url("/echo"), "--wait", "0.01", "hello"], ""),
        done("hello\n")
    );
}

#[test]
fn who_asks_is_said() {
    let server = asked();
    let private = format!("ws://{server}/private");
    let (status, _, err) = connect(&[&private], "");
    assert_eq!(status, Some(2));
    assert!(err.contains("status 401"), "{err}");
    assert_eq!(
        connect(&[&private, "--user", "ada:love:lace"], ""),
        done("")
    );
    let by_url = format!("ws://ada:love%3Alace@{server}/private");
    assert_eq!(connect(&[&by_url], ""), done(""));
    let told = ws(&["connect", &*format!("ws://{server}/asked"), "--stay"])
        .env("WS_TOKEN", "s3cret")
        .spawn()
        .unwrap();
    assert_eq!(
        parts(&finish(told)),
        done(&format!("{server}\nBearer s3cret\n"))
    );
    let (_, _, trace) = connect(&[&private, "-v", "--token", "s3cret"], "");
    assert!(!trace.contains("s3cret"), "{trace}");
}

#[test]
fn redirects_are_followed_if_asked_for() {
    let moved = format!("ws://{}/moved", asked());
    let (status, _, err) = connect(&[&moved], "hello\n");
    assert_eq!(status, Some(2));
    assert!(err.contains("--follow goes there"), "{err}");
    assert_eq!(connect(&[&moved, "--follow"], "hello\n"), done("hello\n"));
}

#[test]
fn another_address_is_connected_to_and_the_host_stays() {
    let server = asked();
    let args = ["ws://localhost:1/asked", "--stay", "--connect-to", &*server];
    assert_eq!(connect(&args, ""), done("localhost:1\n-\n"));
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_connected_to() {
    let path = file("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .websocket("/", |mut ws, request| {
            ws.send(request.header("host").unwrap_or("-"))?;
            ws.close(CloseCode::NORMAL, "")
        });
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        server.serve_over(socket, ([0, 0, 0, 0], 0).into());
    });
    let args = [
        "ws://localhost/",
        "--stay",
        "--unix",
        path.to_str().unwrap(),
    ];
    assert_eq!(connect(&args, ""), done("localhost\n"));
}

/// A proxy that does what it is asked once, and says what it was asked.
fn proxy() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let proxy = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = BufReader::new(client.try_clone().unwrap()).lines();
        let asked = head.next().unwrap().unwrap();
        while !head.next().unwrap().unwrap().is_empty() {}
        let target = asked.split(' ').nth(1).unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
        asked
    });
    (address, proxy)
}

#[test]
fn a_proxy_is_gone_through() {
    let served = Served::start(&[]);
    let (address, asked) = proxy();
    let proxy = format!("http://{address}");
    let args = [&*served.url("/echo"), "--proxy", &*proxy];
    assert_eq!(connect(&args, "hello\n"), done("hello\n"));
    let target = served.address;
    assert_eq!(asked.join().unwrap(), format!("CONNECT {target} HTTP/1.1"));
}

#[test]
fn what_is_lost_is_connected_to_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut child = ws(&["connect", "--reconnect", "-x", "first", &url])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut first = server_side(accepted(&listener));
    assert_eq!(crate::common::text(&mut first), "first");
    first.send("one").unwrap();
    // It ends without a Close.
    first.writer().abort();
    let mut second = server_side(accepted(&listener));
    assert_eq!(crate::common::text(&mut second), "first");
    stdin.write_all(b"line\n").unwrap();
    assert_eq!(crate::common::text(&mut second), "line");
    second.send("two").unwrap();
    // This is how the server says that it has nothing more.
    second.close(CloseCode::NORMAL, "").unwrap();
    let (status, out, err) = parts(&finish(child));
    assert_eq!((status, &*out), (Some(0), "one\ntwo\n"));
    assert!(
        err.starts_with("ws: the connection has ended; again in "),
        "{err}"
    );
    assert!(err.ends_with("\nws: connected again\n"), "{err}");
}

#[cfg(not(target_arch = "x86"))]
mod tls {
    use super::*;
    use ws_std::ServerTls;

    /// A server with TLS for `localhost`, its address, and the file with its certificate.
    fn secure() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let server = Server::bind("127.0.0.1:0")
            .unwrap()
            .tls(ServerTls::from_files(&cert, &key).unwrap())
            .websocket("/", |mut ws, _| ws.for_each(|message, tx| tx.send(message)));
        let address = server.local_addr().to_string();
        thread::spawn(move || server.run());
        (address, cert.to_str().unwrap().into())
    }

    #[test]
    fn a_server_is_believed_that_is_trusted_or_all_are() {
        let (address, cert) = secure();
        let url = format!("wss://{address}/");
        let (status, _, err) = connect(&[&url], "hello\n");
        assert_eq!(status, Some(2));
        assert!(err.contains("certificate"), "{err}");
        assert_eq!(connect(&[&url, "--insecure"], "hello\n"), done("hello\n"));
        let named = ["--ca", &*cert, "--server-name", "localhost"];
        let args = [&[&*url], &named[..]].concat();
        assert_eq!(connect(&args, "hello\n"), done("hello\n"));
        // It is not the one whose name the certificate has.
        assert_eq!(connect(&[&url, "--ca", &cert], "hello\n").0, Some(2));
        let to = [
            "wss://localhost/",
            "--ca",
            &*cert,
            "--connect-to",
            &*address,
        ];
        assert_eq!(connect(&to, "hello\n"), done("hello\n"));
        let (status, _, err) = connect(&[&url, "--ca", "/nowhere.pem"], "");
        assert_eq!(status, Some(2));
        assert!(err.starts_with("ws: cannot read /nowhere.pem: "), "{err}");
    }
}

#[test]
fn completions_and_manual_pages_name_what_there_is() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (status, out, _) = parts(&run(&["completions", shell], ""));
        assert_eq!(status, Some(0));
        assert!(out.contains("connect-to"), "{shell}");
    }
    let (status, out, _) = parts(&run(&["man"], ""));
    assert_eq!(status, Some(0));
    assert!(
        out.contains(".TH ws 1") && out.contains("ws bench"),
        "{out}"
    );
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("man1");
    let (status, _, err) = parts(&run(&["man", "--dir", folder.to_str().unwrap()], ""));
    assert_eq!((status, &*err), (Some(0), ""));
    for command in ["connect", "serve", "bench", "record", "replay"] {
        let mut page = String::new();
        let path = folder.join(format!("ws-{command}.1"));
        std::fs::File::open(path)
            .unwrap()
            .read_to_string(&mut page)
            .unwrap();
        assert!(page.contains("Examples:"), "{command}");
    }
}
