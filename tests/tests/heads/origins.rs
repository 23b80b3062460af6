//! Every row of `tests/handshake/origins.txt`: who may connect, under each policy, by the core and
//! by our server over a socket.

use std::net::Shutdown;

use crate::common::{run, server};
use crate::exchange::{received, refusal, send};
use ws_proto::handshake::{Origin, Request, RequestError};
use ws_std::Origins;
use ws_testkit::heads::{Row, rows};

/// Who is on the list.
const LIST: [&str; 4] = [
    "https://good.example",
    "http://partner.example:8080",
    "app://desktop",
    "https://[2001:db8::1]",
];

/// The table.
fn table() -> Vec<Row> {
    rows("request.txt", "origins.txt")
}

/// What the core says under the policies of the table, in its order.
fn judged(head: &[u8]) -> [Result<(), RequestError>; 3] {
    let accepted = Request::parse(head).and_then(|request| request.accept().map(|_| request));
    let listed = |request: Request<'_>| match request.origin()? {
        Some(origin) if !LIST.iter().any(|own| Origin::parse(own) == Ok(origin)) => {
            Err(RequestError::Origin)
        }
        _ => Ok(()),
    };
    [
        accepted.and_then(|request| request.same_origin()),
        accepted.and_then(listed),
        accepted.map(drop),
    ]
}

#[test]
fn the_core_judges_each_as_the_table_says() {
    for row in table() {
        let got = judged(&row.head).map(|judged| match judged {
            Ok(()) => "101".into(),
            Err(error) => error.status().to_string(),
        });
        assert_eq!(got, *row.verdict, "{}", row.place);
    }
}

#[test]
fn the_server_answers_each_as_the_table_says() {
    let list = Origins::list(LIST).unwrap();
    let site = || server().websocket("/chat", |_, _| Ok::<_, ws_std::Error>(()));
    // The first is what a server does that nobody told anything.
    let servers = [site(), site().origins(list), site().origins(Origins::any())].map(run);
    for row in table() {
        let place = &row.place;
        for (server, verdict) in servers.iter().zip(&row.verdict) {
            let stream = send(server.addr, &[&row.head[..], &row.behind].concat(), place);
            if verdict == "101" {
                stream.shutdown(Shutdown::Write).expect(place);
                let received = received(stream, place);
                assert!(received.starts_with(b"HTTP/1.1 101 "), "{place}");
                continue;
            }
            let (status, head, body) = refusal(&received(stream, place), place);
            assert_eq!(status.to_string(), *verdict, "{place}\n{head}");
            if verdict == "403" {
                // It names who asks, unless that is no origin.
                assert!(
                    body.starts_with("origin ") && body.ends_with('\n'),
                    "{body}"
                );
            }
        }
    }
}

/// What devices and sandboxed pages send, for servers that list it; nothing else is let in by it.
#[test]
fn null_and_file_can_be_listed() {
    let head = rows("request.txt", "origins.txt").swap_remove(0).head;
    let with = |origin: &str| {
        let (head, end) = head.split_at(head.len() - 2);
        [head, format!("Origin: {origin}\r\n").as_bytes(), end].concat()
    };
    let site = || server().websocket("/chat", |_, _| Ok::<_, ws_std::Error>(()));
    for (listed, others) in [
        ("null", ["file://", "http://null", "NULL"]),
        ("file://", ["null", "file://server.example.com", "file:///"]),
    ] {
        let list = Origins::list(["https://good.example", listed]).unwrap();
        let server = run(site().origins(list));
        for (origin, status) in [(listed, 101), ("https://good.example", 101)]
            .into_iter()
            .chain(others.map(|origin| (origin, 403)))
        {
            let stream = send(server.addr, &with(origin), origin);
            stream.shutdown(Shutdown::Write).expect(origin);
            let answer = received(stream, origin);
            let line = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(line.as_bytes()), "{listed}: {origin}");
        }
    }
}
