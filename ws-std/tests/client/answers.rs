//! What a client makes of answers that open nothing: refusals, proxies, redirects.

use std::error::Error;
use std::io::{self, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::common::{PATIENCE, Raw, run, server, site};
use ws_std::{
    Client, ConnectError, InvalidUrl, Proxy, Request, Response, StatusCode, UriError, WebSocket,
};

#[test]
fn a_client_says_what_it_could_not_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let failed = |url: String| ws_std::connect(url).unwrap_err();
    assert!(matches!(
        failed("http://h/".into()),
        ConnectError::Url(InvalidUrl::Uri(UriError::Scheme))
    ));
    // Without TLS nothing is connected to for it.
    #[cfg(not(feature = "tls"))]
    {
        let secure = failed(format!("wss://{nobody}/"));
        assert!(matches!(secure, ConnectError::NoTls), "{secure}");
    }
    let error = failed(format!("ws://{nobody}/"));
    assert!(
        matches!(&error, ConnectError::Connect { tried, .. } if tried.host() == nobody.to_string()),
        "{error}"
    );

    // (what a server answers, what the client says)
    let cases = [
        (
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nhi",
            "the server refused with status 302",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n<html>",
            "the server refused with status 200",
        ),
        (
            "HTTP/1.1 101 x\r\n\r\n",
            "handshake failed: the response lacks Upgrade: websocket",
        ),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "handshake failed: the status line is malformed",
        ),
        (
            "",
            "lost the connection to HERE during the handshake: unexpected end of file",
        ),
        (
            "HTTP/1.1 101 Swit",
            "lost the connection to HERE during the handshake: unexpected end of file",
        ),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    for (answer, says) in cases {
        let url = url.clone();
        let client = thread::spawn(move || ws_std::connect(url).unwrap_err());
        let mut peer = Raw::over(listener.accept().unwrap().0, false);
        peer.head();
        peer.write(answer);
        drop(peer);
        let here = listener.local_addr().unwrap().to_string();
        assert_eq!(chain(&client.join().unwrap()), says.replace("HERE", &here));
    }

    // Nobody answers: the deadline is one for all of it.
    let client = Client::new(&url).handshake_timeout(Duration::from_millis(50));
    let error = client.connect().unwrap_err();
    let here = listener.local_addr().unwrap();
    assert_eq!(
        error.to_string(),
        format!("timed out after 0.05 s, waiting for an answer from {here}")
    );
    let waits = thread::spawn(move || client.handshake_timeout(PATIENCE).connect());
    listener.accept().unwrap(); // the one before
    drop(listener.accept().unwrap());
    let error = waits.join().unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Io { .. }), "{error}");

    // What could break a line is not sent.
    let error = Client::new(&url)
        .header("a", "b\r\nc: d")
        .connect()
        .unwrap_err();
    assert_eq!(
        chain(&error),
        "header \"a\" cannot be sent: header value is not printable ASCII"
    );
    let error = Client::new(&url).subprotocol("a b").connect().unwrap_err();
    assert!(matches!(error, ConnectError::Argument(_)), "{error}");
    let debug = format!("{:?}", Client::new(&url).header("Authorization", "secret"));
    assert!(
        debug.contains("Authorization") && !debug.contains("secret"),
        "{debug}"
    );
}

/// An error and its causes, each of which says what the others do not.
fn chain(error: &dyn Error) -> String {
    let all: Vec<_> = iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect();
    all.join(": ")
}
#[test]
fn what_a_refusal_says_is_read_as_http_says() {
    let cases = [
        (
            "Transfer-Encoding: chunked\r\n\r\n1c\r\n{\"message\":\"we are closed\"}\n\r\n0\r\n\r\n",
            "{\"message\":\"we are closed\"}\n",
        ),
        ("Content-Length: 5\r\n\r\nhello and more", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX", "hello"),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    for (rest, body) in cases {
        let url = url.clone();
        let client = thread::spawn(move || ws_std::connect(url).unwrap_err());
        let mut peer = Raw::over(listener.accept().unwrap().0, false);
        peer.head();
        peer.write(format!("HTTP/1.1 503 Closed\r\n{rest}"));
        // It is not closed: the answer says where it ends.
        let ConnectError::Refused(answer) = client.join().unwrap() else {
            panic!("it was refused");
        };
        assert_eq!(
            (answer.status(), answer.body()),
            (StatusCode::SERVICE_UNAVAILABLE, body.as_bytes())
        );
    }
}

#[test]
fn a_client_goes_through_a_proxy() {
    let server = run(site());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = |start: &str| Proxy::parse(&format!("{start}{}", listener.local_addr().unwrap()));
    // (proxy, what it has to get, what it answers), turn by turn
    let address = server.addr;
    let connect = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    let [high, low] = address.port().to_be_bytes();
    let request = [5, 1, 0, 1, 127, 0, 0, 1, high, low];
    type Turns<'b> = Vec<(&'b [u8], &'b [u8])>;
    let cases: [(&str, Turns<'_>); 2] = [
        (
            "http://",
            vec![(connect.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n")],
        ),
        (
            "socks5://li:s3cret@",
            vec![
                (b"\x05\x02\0\x02", b"\x05\x02"),
                (b"\x01\x02li\x06s3cret", b"\x01\0"),
                (&request, b"\x05\0\0\x01\0\0\0\0\0\0"),
            ],
        ),
    ];
    for (start, turns) in cases {
        let client = Client::new(server.url("/socket")).proxy(proxy(start).unwrap());
        let client = thread::spawn(move || {
            let mut ws = client.connect().unwrap();
            ws.recv().unwrap().unwrap().as_text().map(str::to_owned)
        });
        let (mut near, _) = listener.accept().unwrap();
        for (wanted, answer) in turns {
            let mut got = vec![0; wanted.len()];
            near.read_exact(&mut got).unwrap();
            assert_eq!(got, wanted);
            if start == "http://" {
                while !got.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    near.read_exact(&mut byte).unwrap();
                    got.push(byte[0]);
                }
            }
            near.write_all(answer).unwrap();
        }
        let far = TcpStream::connect(address).unwrap();
        let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        thread::spawn(move || io::copy(&mut { far }, &mut { near }));
        assert_eq!(client.join().unwrap().as_deref(), Some("the socket"));
    }

    let refusing = [
        (
            "http://",
            &b"HTTP/1.1 407 Who\r\n\r\n"[..],
            "the proxy answered with status 407",
        ),
        (
            "socks5://",
            b"\x05\xff",
            "the proxy asks for credentials, and none are set",
        ),
        ("http://", b"", "the proxy closed the connection"),
        (
            "http://",
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101",
            "the target sent bytes before anything was sent to it",
        ),
    ];
    for (start, answer, says) in refusing {
        let client = Client::new("ws://nobody.example/").proxy(proxy(start).unwrap());
        let client = thread::spawn(move || client.connect().unwrap_err());
        let mut near = Raw::over(listener.accept().unwrap().0, false);
        near.write(answer);
        near.half_close();
        let error = client.join().unwrap();
        let name = format!("{}{}", start, listener.local_addr().unwrap());
        assert_eq!(
            chain(&error),
            format!("cannot connect to nobody.example:80 through {name}: {says}")
        );
    }
}

#[test]
fn redirects_are_followed_if_they_may_be() {
    // What came along of what may hold tokens.
    let secrets = |mut ws: WebSocket, request: &Request| {
        let header = request.header("authorization").into_iter();
        let all: Vec<_> = header.chain(request.subprotocols()).collect();
        ws.send(&*all.join(" "))
    };
    let last = run(server().websocket("/end", secrets));
    let end = format!("http://{}/end", last.addr);
    let first = run(server()
        .hook(move |request| {
            let to = match request.path() {
                "/away" => end.clone(),
                "/here" => "end".into(),
                "/loop" => "/loop".into(),
                "/nowhere" => "ftp://h/".into(),
                _ => return None,
            };
            let answer = Response::text("").with_status(StatusCode::FOUND);
            Some(answer.header("location", to))
        })
        .subprotocols(["chat"])
        .websocket("/end", secrets));
    let client = |path: &str| {
        let client = Client::new(first.url(path)).header("Authorization", "s3cret");
        client.subprotocol("chat").subprotocol("t0ken")
    };
    for (path, heard) in [
        ("/end", "s3cret chat t0ken"),
        ("/here", "s3cret chat t0ken"),
        ("/away", ""),
    ] {
        let mut ws = client(path).follow_redirects().connect().unwrap();
        assert_eq!(ws.recv().unwrap().unwrap().as_text(), Some(heard), "{path}");
    }
    for (path, says) in [
        ("/loop", "redirect not followed: more than 5 redirects"),
        (
            "/nowhere",
            "redirect not followed: a redirect to what is no URL of a WebSocket: the scheme is neither \
             ws:// nor wss://",
        ),
    ] {
        let error = client(path).follow_redirects().connect().unwrap_err();
        assert_eq!(chain(&error), says);
    }
    let ConnectError::Refused(answer) = client("/here").connect().unwrap_err() else {
        panic!("it was not to follow");
    };
    assert_eq!(answer.status(), StatusCode::FOUND);
}
