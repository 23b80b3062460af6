//! Every row of `tests/handshake/requests`: what our server answers to a request over a socket. What
//! the core says to it is in `ws-proto/tests/handshake/tables.rs`.

use std::collections::BTreeSet;
use std::net::Shutdown;

use crate::common::{frame, run, server};
use crate::exchange::{received, refusal, send};
use ws_proto::Limits;
use ws_proto::handshake::{Key, Request, RequestError, Scan};
use ws_testkit::TEXT;
use ws_testkit::heads::{Row, rows};

/// The table.
fn table() -> Vec<Row> {
    rows("request.txt", "requests")
}

/// What is wrong with a request.
fn judged(input: &[u8]) -> Result<(), RequestError> {
    let parsed = Request::parse_prefix(&mut Scan::new(), input, &Limits::DEFAULT)?;
    parsed.map_or(Ok(()), |(request, _)| request.accept().map(drop))
}

#[test]
fn the_server_answers_each_as_the_table_says() {
    let rows = table();
    // A socket at every path that is asked for, so that the verdict is on the handshake.
    let mut site = server().subprotocols(["chat", "superchat"]);
    let paths: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| Request::parse(&row.head).ok())
        .map(|request| encoded(request.path()))
        // What names no resource cannot be a path of the server's.
        .filter(|path| path.starts_with('/'))
        // A brace is the beginning of a parameter, and two are a brace.
        .map(|path| path.replace('{', "{{").replace('}', "}}"))
        .collect();
    for path in paths {
        site = site.websocket(path, |mut ws, _| {
            ws.for_each(|message, tx| tx.send(message))
        });
    }
    let server = run(site);
    for row in rows {
        let place = &row.place;
        let hello = frame(TEXT, b"hello", true);
        let close = frame(ws_testkit::CLOSE, &1000_u16.to_be_bytes(), true);
        let input = match row.verdict[0].as_str() {
            "eof" => row.head.clone(),
            _ => [&row.head[..], &row.behind, &hello, &close].concat(),
        };
        let stream = send(server.addr, &input, place);
        if row.verdict[0] == "eof" {
            stream.shutdown(Shutdown::Write).expect(place);
        }
        let received = received(stream, place);
        match row.verdict[0].as_str() {
            "eof" => assert_eq!(received, b"", "{place}"),
            "101" => assert_opened(&row, &received),
            // No body is sent to it, and the length of the one that is not (RFC 9110 §9.3.2).
            status if row.head.starts_with(b"HEAD ") => {
                let line = format!("HTTP/1.1 {status} ");
                assert!(received.starts_with(line.as_bytes()), "{place}");
                assert!(received.ends_with(b"\r\n\r\n"), "{place}");
            }
            status => {
                let (got, head, body) = refusal(&received, place);
                assert_eq!(got.to_string(), status, "{place}\n{head}");
                let error = judged(&input).expect_err(place);
                assert_eq!(body, format!("{error}\n"), "{place}");
            }
        }
    }
}

/// The path as a URI has it.
fn encoded(path: &str) -> String {
    let encode = |byte| match byte {
        b'"' | b'<' | b'>' | b'`' | 0x80.. => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    path.bytes().map(encode).collect()
}

/// The answer opens the connection, and the frames that came with the request were read.
fn assert_opened(row: &Row, received: &[u8]) {
    let place = &row.place;
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, frames) = received.split_at(end.expect(place) + 4);
    let head = str::from_utf8(head).expect(place);
    assert!(head.starts_with("HTTP/1.1 101 "), "{place}\n{head}");
    let request = Request::parse(&row.head).expect(place);
    let key = Key::parse(request.header("Sec-WebSocket-Key").expect(place)).expect(place);
    let accept = format!("\r\nSec-WebSocket-Accept: {}\r\n", key.accept_token());
    assert!(head.contains(&accept), "{place}\n{head}");
    let mut spoken = ["chat", "superchat"].into_iter();
    let protocol = spoken.find(|ours| request.protocols().any(|offered| offered == *ours));
    let said = head.split_once("Sec-WebSocket-Protocol: ");
    let said = said.and_then(|(_, rest)| rest.split("\r\n").next());
    assert_eq!(said, protocol, "{place}");
    assert!(!head.contains("Extensions"), "{place}\n{head}");

    let hello = frame(TEXT, b"hello", false);
    let close = frame(ws_testkit::CLOSE, &1000_u16.to_be_bytes(), false);
    assert_eq!(frames, [hello, close].concat(), "{place}");
}
