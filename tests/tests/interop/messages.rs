//! Our client and our server against those of others: Python's websockets and websocket-client,
//! and node's ws. What each of their programs does is written at its top, in `tests/peers`.
#![cfg(unix)]

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::ours::Ours;
use crate::peers::{LIMIT, PATIENCE, Theirs, expect, next, node, python};
use crate::process::Process;
use ws_std::{
    Client, CloseCode, ConnectError, Error, Kind, Message, MessageBuf, Next, Part, ProtocolError,
    Tapped, Timeouts, WebSocket,
};
use ws_testkit::Frame;

const LENGTHS: [usize; 7] = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];

const CLOSES: [(u16, &str); 4] = [
    (1000, "done"),
    (1001, ""),
    (3000, "再见"),
    (
        4999,
        "the longest that there is, 123 bytes: ________________________________________\
         _____________________________________________",
    ),
];

// ---- Their clients, our server ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_websockets() {
    passes_with(&mut python("websockets_client.py"));
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_websocket_client() {
    passes_with(&mut python("websocket_client.py"));
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn client_of_ws() {
    passes_with(&mut node("ws_client.js"));
}

fn passes_with(client: &mut Command) {
    let mut limits = ws_std::Limits::DEFAULT;
    let server = Ours::start(|server| server.limits(limits));
    limits.max_message = LIMIT;
    let limited = Ours::start(|server| server.limits(limits));
    client.args([&server, &limited].map(|server| format!("ws://{}", server.address)));
    let (status, said) = Process::start(client).finish();
    assert!(status.success(), "{status}:\n{said}");
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_ne!(checks, 0, "no checks:\n{said}");

    assert_eq!(server.broken_rules(), []);
    let too_big = ProtocolError::MessageTooBig { limit: LIMIT };
    assert_eq!(limited.broken_rules(), [too_big; 3]);
}

// ---- Our client, their servers ----

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_echo_messages_of_all_lengths() {
    for server in Theirs::all(&[]) {
        let mut ws = server.connect("/echo");
        for message in LENGTHS.into_iter().flat_map(messages) {
            ws.send(&message).expect("open");
            expect(&mut ws, &message, server.name);
        }
        // All in flight at once.
        let sent: Vec<_> = (0..100).flat_map(messages).collect();
        for message in &sent {
            ws.send(message).expect("open");
        }
        for message in &sent {
            expect(&mut ws, message, server.name);
        }
        ws.close(CloseCode::NORMAL, "")
            .expect("a closing handshake");
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_send_fragments() {
    for server in Theirs::all(&[]) {
        let (client, tap) = tapped(server.client("/fragments"));
        let mut ws = client.connect().expect(server.name);
        for message in LENGTHS.into_iter().flat_map(messages) {
            ws.send(&message).expect("open");
            expect(&mut ws, &message, server.name);
        }
        let frames = tap.frames();
        let fragments = frames.iter().filter(|frame| frame.first & Frame::FIN == 0);
        assert!(fragments.count() > 2000, "{}", server.name);
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_take_fragments() {
    for server in Theirs::all(&[]) {
        let (client, tap) = tapped(server.client("/echo"));
        let mut ws = client.connect().expect(server.name);
        for message in messages(100_000) {
            let (kind, bytes) = (message.as_message().kind(), message.as_message().as_bytes());
            // Cut inside characters: 1000 is no multiple of 3. The last fragment is empty.
            for piece in bytes.chunks(1000) {
                ws.send_part(kind, piece, Part::More).expect("open");
            }
            ws.send_part(kind, b"", Part::Last).expect("open");
            expect(&mut ws, &message, server.name);
        }

        ws.send_part(Kind::Text, b"before, ", Part::More)
            .expect("open");
        ws.ping(b"between").expect("open");
        tap.wait_for_pong(&mut ws, b"between");
        ws.send_part(Kind::Text, b"after", Part::Last)
            .expect("open");
        expect(
            &mut ws,
            &MessageBuf::Text("before, after".into()),
            server.name,
        );
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_answer_pings() {
    for server in Theirs::all(&[]) {
        let (client, tap) = tapped(server.client("/echo"));
        let mut ws = client.connect().expect(server.name);
        let longest: Vec<u8> = (0..125).collect();
        for payload in [&b""[..], "再见".as_bytes(), &longest] {
            ws.ping(payload).expect("open");
            tap.wait_for_pong(&mut ws, payload);
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_ping_and_hear_the_pong() {
    for server in Theirs::all(&[]) {
        let mut ws = server.connect("/ping");
        expect(&mut ws, &MessageBuf::Text("polo".into()), server.name);
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_answer_the_keepalive() {
    for server in Theirs::all(&[]) {
        let mut timeouts = Timeouts::DEFAULT;
        timeouts.ping_interval = Some(Duration::from_millis(50));
        timeouts.pong_timeout = Duration::from_secs(10);
        let (client, tap) = tapped(server.client("/echo").timeouts(timeouts));
        let mut ws = client.connect().expect(server.name);
        let deadline = Instant::now() + PATIENCE;
        while tap.pongs().len() < 20 {
            assert!(Instant::now() < deadline, "{}", server.name);
            let next = ws.recv_timeout(Duration::from_millis(100));
            assert_eq!(next.expect("alive"), Next::Elapsed);
        }
        expect_echo(&mut ws, "still there", server.name);
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_choose_subprotocols() {
    for server in Theirs::all(&[]) {
        for (offered, chosen) in [
            (&["chat.v1"][..], Some("chat.v1")),
            (&["chat.v1", "chat.v2"], Some("chat.v2")),
            (&["other", "chat.v1"], Some("chat.v1")),
            (&[], None),
        ] {
            let mut client = server.client("/subprotocol");
            for name in offered {
                client = client.subprotocol(*name);
            }
            let mut ws = client.connect().expect(server.name);
            assert_eq!(ws.subprotocol(), chosen, "{}", server.name);
            let said = MessageBuf::Text(chosen.unwrap_or_default().into());
            expect(&mut ws, &said, server.name);
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_close() {
    for server in Theirs::all(&[]) {
        for (code, reason) in CLOSES {
            let query = percent_encoded(reason);
            let mut ws = server.connect(&format!("/close?code={code}&reason={query}"));
            expect_close(&mut ws, (code, reason), server.name);
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_are_closed() {
    for mut server in Theirs::all(&[]) {
        for (code, reason) in CLOSES {
            let mut ws = server.connect("/report-close");
            let sent = CloseCode::new(code).expect("it may travel");
            ws.close(sent, reason).expect("a closing handshake");
            let (answered, _) = ws.peer_close().expect("an answer with a code");
            assert_eq!(answered, sent, "{}", server.name);
            let told = server.process.line("closed ");
            assert_eq!(told.trim_end(), format!("{code} {reason}").trim_end());
        }
        drop(server.connect("/report-close"));
        assert_eq!(server.process.line("closed ").trim_end(), "1001");
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_refuse_messages_that_are_too_big() {
    for server in Theirs::all(&[]) {
        for (len, fragment) in [(1001, 1001), (1001, 500), (1_000_000, 1_000_000)] {
            let mut ws = server.connect("/limit");
            expect_echo(&mut ws, &"x".repeat(1000), server.name);
            for piece in vec![b'x'; len].chunks(fragment) {
                // The refusal may overtake the message.
                let _ = ws.send_part(Kind::Text, piece, Part::More);
            }
            let _ = ws.send_part(Kind::Text, b"", Part::Last);
            assert_eq!(next(&mut ws, server.name), Next::Closed);
            let (code, _) = ws.peer_close().expect("a code");
            assert_eq!(code, CloseCode::TOO_BIG, "{}", server.name);
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_are_told_that_messages_are_too_big() {
    for mut server in Theirs::all(&[]) {
        for path in ["/report-close", "/fragments"] {
            let mut ws = server
                .client(path)
                .max_message(LIMIT)
                .connect()
                .expect(server.name);
            expect_echo(&mut ws, &"x".repeat(1000), server.name);
            ws.send("x".repeat(1001).as_str()).expect("open");
            match ws.recv_timeout(PATIENCE) {
                Err(Error::Protocol(ProtocolError::MessageTooBig { limit: LIMIT })) => {}
                other => panic!("{}, {path}: {other:?}", server.name),
            }
            if path == "/report-close" {
                let told = server.process.line("closed ");
                assert!(told.starts_with("1009"), "{}: {told}", server.name);
            }
        }
    }
}

#[test]
#[ignore = "needs the peers of tests/peers/install.sh"]
fn servers_refuse_a_path() {
    for server in Theirs::all(&[]) {
        match server.client("/nowhere").connect() {
            Err(ConnectError::Refused(response)) => assert_eq!(response.status(), 404),
            other => panic!("{}: {other:?}", server.name),
        }
    }
}

impl Theirs {
    fn connect(&self, path: &str) -> WebSocket {
        self.client(path).connect().expect(self.name)
    }
}

/// The bytes that a client receives, as the frames they are.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<u8>>>);

impl Received {
    fn frames(&self) -> Vec<Frame> {
        let bytes = self.0.lock().expect("no panic");
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while let Some((frame, len)) = Frame::decode(rest) {
            frames.push(frame);
            rest = &rest[len..];
        }
        frames
    }

    fn pongs(&self) -> Vec<Vec<u8>> {
        let frames = self.frames().into_iter();
        let pongs = frames.filter(|frame| frame.opcode() == 10);
        pongs.map(|frame| frame.payload).collect()
    }

    /// Waits until the last Pong is one with this payload; no message may come before.
    fn wait_for_pong(&self, ws: &mut WebSocket, payload: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while self.pongs().last().is_none_or(|pong| pong != payload) {
            assert!(Instant::now() < deadline, "no pong {payload:?}");
            let next = ws.recv_timeout(Duration::from_millis(20));
            assert_eq!(next.expect("alive"), Next::Elapsed);
        }
    }
}

fn tapped(client: Client) -> (Client, Received) {
    let received = Received::default();
    let bytes = received.clone();
    let client = client.tap(move |tapped| {
        if let Tapped::Received(received) = tapped {
            bytes.0.lock().expect("no panic").extend(received);
        }
    });
    (client, received)
}

/// Messages of `len` bytes, or the Chinese one of the characters that fit.
fn messages(len: usize) -> [MessageBuf; 3] {
    let chinese = "万物并育而不相害".chars().cycle().take(len / 3);
    [
        MessageBuf::Text("abcdefghij".chars().cycle().take(len).collect()),
        MessageBuf::Text(chinese.collect()),
        MessageBuf::Binary((0..=255).cycle().step_by(7).take(len).collect()),
    ]
}

fn expect_echo(ws: &mut WebSocket, text: &str, who: &str) {
    ws.send(text).expect("open");
    assert_eq!(next(ws, who), Next::Message(Message::Text(text)), "{who}");
}

fn expect_close(ws: &mut WebSocket, (code, reason): (u16, &str), who: &str) {
    assert_eq!(next(ws, who), Next::Closed);
    let (got, said) = ws.peer_close().expect("a code");
    assert_eq!((got.get(), &*said), (code, reason), "{who}");
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
