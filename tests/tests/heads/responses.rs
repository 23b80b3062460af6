//! Every row of `tests/handshake/responses`: what our client does with a response over a socket. What
//! the core says to it is in `ws-proto/tests/handshake/tables.rs`.

use std::net::{Shutdown, TcpListener};
use std::thread;

use crate::common::{Raw, frame};
use ws_proto::handshake::{Key, Request};
use ws_std::{Client, ConnectError};
use ws_testkit::TEXT;
use ws_testkit::heads::name;
use ws_testkit::heads::{Row, rows};

/// The accept token of the sample key, without its padding: in the rows it stands for whichever
/// belongs to the key that was sent.
const TOKEN: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo";

/// The subprotocols that are offered.
const OFFERED: [&str; 2] = ["chat", "superchat"];

/// The table.
fn table() -> Vec<Row> {
    rows("response.txt", "responses")
}

#[test]
fn the_client_does_with_each_as_the_table_says() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let url = format!("ws://{}/chat", listener.local_addr().expect("it is bound"));
    let rows = table();
    let server = thread::spawn(move || {
        for row in table() {
            answer(&listener, &row);
        }
    });
    for row in rows {
        let place = &row.place;
        let client = OFFERED
            .iter()
            .fold(Client::new(&url), |client, name| client.subprotocol(*name));
        let got = match client.connect() {
            Ok(mut ws) => {
                // What came behind the head is a frame.
                let message = ws.recv().expect(place).expect(place);
                assert_eq!(message.as_text(), Some("hello"), "{place}");
                "open".into()
            }
            Err(ConnectError::Handshake(error)) => name(&error),
            Err(ConnectError::Refused(response)) => {
                format!("Refused({})", response.status().as_u16())
            }
            Err(ConnectError::Io { .. }) => "more".into(),
            Err(error) => panic!("{place}: {error:?}"),
        };
        assert_eq!(got, row.verdict.join(" "), "{place}");
    }
    server.join().expect("no panic");
}

/// Reads a request, and answers as the row says with the token of its key.
fn answer(listener: &TcpListener, row: &Row) {
    let place = &row.place;
    let mut raw = Raw::over(listener.accept().expect(place).0, false);
    let request = raw.head();
    let request = Request::parse(request.as_bytes()).expect(place);
    let key = Key::parse(request.header("Sec-WebSocket-Key").expect(place)).expect(place);
    let token = key.accept_token();
    let token = token.as_str().trim_end_matches('=');

    let head = ws_testkit::heads::replaced(&row.head, TOKEN.as_bytes(), token.as_bytes());
    let hello = match row.verdict[0].as_str() {
        "open" => frame(TEXT, b"hello", false),
        _ => Vec::new(),
    };
    raw.write([head, row.behind.clone(), hello].concat());
    if row.verdict[0] != "open" {
        // A client that has seen enough is gone by now.
        let _ = raw.stream.shutdown(Shutdown::Write);
    }
    raw.rest();
}
