//! Sentences of RFC 6455 that show on a socket only, and that no other file has a reason to test.

use crate::common;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::common::{Raw, frame, run, server, within};
use ws_proto::handshake::{Key, Request};
use ws_std::{ConnectError, Error};
use ws_testkit::TEXT;

/// A client of ours that connects to `target`, with a peer that has read its request.
fn connecting(target: &str) -> (JoinHandle<Result<(), ConnectError>>, Raw, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}{target}", listener.local_addr().unwrap());
    let client = thread::spawn(move || ws_std::connect(url).map(drop));
    let mut peer = Raw::over(listener.accept().unwrap().0, false);
    let head = peer.head();
    (client, peer, head)
}

const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

/// `%23` is no fragment, and stays what it is.
#[test]
fn section_3_an_escaped_number_sign_travels_as_it_is() {
    let (client, mut peer, head) = connecting("/a%23b?c=%23d");
    assert!(head.starts_with("GET /a%23b?c=%23d HTTP/1.1\r\n"), "{head}");
    peer.write(FORBIDDEN);
    let refused = within(move || client.join().unwrap());
    assert!(matches!(refused, Err(ConnectError::Refused(_))));
}

#[test]
fn section_4_1_each_connection_has_a_nonce_of_its_own() {
    let nonces: BTreeSet<_> = (0..32)
        .map(|_| {
            let (_, mut peer, head) = connecting("/");
            peer.write(FORBIDDEN);
            let request = Request::parse(head.as_bytes()).unwrap();
            let key = request.header("Sec-WebSocket-Key").unwrap();
            assert!(Key::parse(key).is_ok(), "{key}");
            key.to_owned()
        })
        .collect();
    assert_eq!(nonces.len(), 32);
}

/// Nothing but the request is sent to a server that has not answered, that answers no, or whose
/// yes is wrong: then the connection ends.
#[test]
fn section_4_1_nothing_follows_the_request_before_a_good_answer() {
    for answer in [
        "",
        "HTTP/1.1 1",
        FORBIDDEN,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        let (client, mut peer, _) = connecting("/");
        peer.write(answer);
        peer.half_close();
        peer.ends();
        let failed = within(move || client.join().unwrap());
        assert!(failed.is_err(), "{answer:?}");
    }
}

/// Neither within a connection nor between two of them, which have seeds of their own.
#[test]
fn section_5_3_no_masking_key_comes_twice() {
    let (seen, keys) = mpsc::channel();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let client = thread::spawn(move || {
            let mut ws = ws_std::connect(url).unwrap();
            for _ in 0..100 {
                ws.send("same").unwrap();
            }
        });
        let mut peer = Raw::accept(&listener);
        // A header of two bytes, a key and the text; the Close behind them has another length.
        let sent = peer.rest();
        for frame in sent.chunks_exact(2 + 4 + 4).take(100) {
            seen.send(frame[2..6].to_vec()).unwrap();
        }
        within(move || client.join().unwrap());
    }
    drop(seen);
    let keys: Vec<_> = keys.iter().collect();
    assert_eq!(keys.len(), 200);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

/// A server that fails a connection can log why.
#[test]
fn section_7_1_7_the_application_hears_why_a_connection_failed() {
    let (reported, reports) = mpsc::channel();
    let server = run(server()
        .websocket("/", |mut ws, _| ws.for_each(|_, _| Ok::<_, Error>(())))
        .on_error(move |_, error| reported.send(error.to_string()).unwrap()));
    let mut raw = Raw::open(server.addr);
    raw.write(frame(TEXT, b"not masked", false));
    assert_eq!(raw.next_close().0, 1002);
    raw.ends();
    drop(raw);
    let report = reports.recv_timeout(common::PATIENCE).unwrap();
    assert!(report.starts_with("protocol error: "), "{report}");
}
