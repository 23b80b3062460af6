//! What is allocated for a message: nothing, once the buffers are there. Through a `Session` in
//! memory, and through the blocking client and server over a socket.

#[path = "../../ws-std/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::sync::mpsc;

use common::{Raw, run, server, upgrade};
use ws_proto::handshake::{Compression, Direction, Takeover, WindowBits};
use ws_proto::{
    Buffers, Connection, Deflate, Event, Header, Kind, Limits, Message, Opcode, Part, Prepared,
    Received, Session, Step,
};
use ws_std::{Client, Server, WebSocket};
use ws_testkit::counting::{Counting, live, usage};
use ws_testkit::noise;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a message looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole(usize),
    /// So many fragments of 8 KiB.
    Fragments(usize),
}

const SHAPES: [Shape; 7] = [
    Shape::Whole(0),
    Shape::Whole(16),
    Shape::Whole(125),
    Shape::Whole(1000),
    Shape::Whole(64 << 10),
    Shape::Whole(1 << 20),
    Shape::Fragments(8),
];
const PIECE: usize = 8 << 10;
/// Messages until all buffers are there: some are two that take turns.
const WARM: usize = 4;
const STEADY: usize = 50;

impl Shape {
    const fn len(self) -> usize {
        match self {
            Self::Whole(len) => len,
            Self::Fragments(pieces) => pieces * PIECE,
        }
    }

    /// The pieces that one message is sent in.
    fn pieces(self, payload: &str) -> impl Iterator<Item = (&str, Part)> {
        let piece = match self {
            Self::Whole(_) => self.len().max(1),
            Self::Fragments(_) => PIECE,
        };
        let count = self.len().div_ceil(piece).max(1);
        (0..count).map(move |i| {
            let end = payload.len().min((i + 1) * piece);
            let part = if i + 1 == count {
                Part::Last
            } else {
                Part::More
            };
            (&payload[i * piece..end], part)
        })
    }
}

fn payload(len: usize) -> String {
    "abcdefghijklmnopqrstuvwxyz0123456789"
        .chars()
        .cycle()
        .take(len)
        .collect()
}

#[test]
fn bare_connections_allocate_nothing() {
    for shape in SHAPES {
        for server_sends in [true, false] {
            let (mut server, mut client) = (
                Connection::server(&Limits::default()),
                Connection::client(&Limits::default(), [1; 32]),
            );
            let payload = payload(shape.len());
            let mut wire = vec![0; shape.len() + 128];
            let (from, to) = if server_sends {
                (&mut server, &mut client)
            } else {
                (&mut client, &mut server)
            };
            let mut once = || {
                let len = send_bare(from, shape, &payload, &mut wire);
                assert_eq!(receive_bare(to, &mut wire[..len]), payload.len());
            };
            // The client's keys have a place of their own.
            once();
            let ((), usage) = usage(|| (0..STEADY).for_each(|_| once()));
            assert_eq!(usage.calls, 0, "{shape:?}, {server_sends}");
        }
    }
}

fn send_bare(from: &mut Connection, shape: Shape, payload: &str, wire: &mut [u8]) -> usize {
    if let Shape::Whole(_) = shape {
        return from.send(Message::Text(payload), wire).expect("room");
    }
    let mut at = 0;
    for (piece, part) in shape.pieces(payload) {
        let header = from.begin(Kind::Text, piece.len() as u64, part);
        at += put(&header.expect("open"), piece.as_bytes(), &mut wire[at..]);
    }
    at
}

/// Writes a frame; how long it is.
fn put(header: &Header, payload: &[u8], wire: &mut [u8]) -> usize {
    let bytes = header.encode();
    let (head, rest) = wire.split_at_mut(bytes.as_ref().len());
    head.copy_from_slice(bytes.as_ref());
    rest[..payload.len()].copy_from_slice(payload);
    if let Some(mask) = header.mask() {
        let _ = mask.apply(&mut rest[..payload.len()]);
    }
    head.len() + payload.len()
}

fn receive_bare(to: &mut Connection, mut wire: &mut [u8]) -> usize {
    let mut len = 0;
    loop {
        let Received { consumed, event } = to.receive(wire).expect("in order");
        match event {
            Some(Event::Message(message)) => len += message.as_bytes().len(),
            Some(Event::Chunk(chunk)) => len += chunk.payload.len(),
            _ => return len,
        }
        wire = &mut wire[consumed..];
    }
}

#[test]
fn sessions_allocate_nothing() {
    let limits = Limits::default();
    let pair = || {
        (
            Session::server(&limits.into()),
            Session::client(&limits.into(), [1; 32]),
        )
    };
    assert_steady(pair);
}

#[test]
fn sessions_that_compress_allocate_nothing() {
    let limits = Limits::default();
    for takeover in [Takeover::Kept, Takeover::Off] {
        let (settings, agreed) = (eager(), both(takeover));
        assert_steady(|| {
            (
                Session::server(&limits.into()).compressed(&settings, &agreed),
                Session::client(&limits.into(), [1; 32]).compressed(&settings, &agreed),
            )
        });
    }
}

/// Compresses whatever there is.
fn eager() -> Deflate {
    let mut settings = Deflate::default();
    settings.min_len = 0;
    settings
}

/// Both directions alike.
fn both(takeover: Takeover) -> Compression {
    let direction = Direction {
        window: WindowBits::new(12).expect("between 9 and 15"),
        takeover,
    };
    Compression {
        server: direction,
        client: direction,
    }
}

/// Messages of every shape, in both directions, between two sessions.
fn assert_steady(pair: impl Fn() -> (Session, Session)) {
    for shape in SHAPES {
        let payload = payload(shape.len());
        let (mut server, mut client) = pair();
        let mut round = || {
            carry(&mut client, &mut server, shape, &payload);
            carry(&mut server, &mut client, shape, &payload);
        };
        (0..WARM).for_each(|_| round());
        let ((), usage) = usage(|| (0..STEADY).for_each(|_| round()));
        assert_eq!(usage.calls, 0, "{shape:?}");
    }
}

fn carry(from: &mut Session, to: &mut Session, shape: Shape, payload: &str) {
    let outgoing = from.halves().1;
    match shape {
        Shape::Whole(_) => outgoing.send(payload).expect("room, and open"),
        Shape::Fragments(_) => {
            for (piece, part) in shape.pieces(payload) {
                let sent = outgoing.send_part(Kind::Text, piece.as_bytes(), part);
                sent.expect("room, and open");
            }
        }
    }
    let mut got = false;
    while !from.unsent().is_empty() {
        let len = fill(to, from.unsent());
        from.sent(len);
        while let Step::Message(message) = to.step().expect("in order") {
            assert_eq!(message.as_bytes().len(), payload.len());
            got = true;
        }
    }
    assert!(got);
}

/// One read; how much it took.
fn fill(to: &mut Session, wire: &[u8]) -> usize {
    let spare = to.spare_mut().expect("memory");
    let len = spare.len().min(wire.len());
    spare[..len].copy_from_slice(&wire[..len]);
    to.filled(len);
    len
}

/// A loop lends one pair to many sessions, each of which sends back what it receives: no turn
/// allocates, whether or not it ends within a frame received and within one sent.
#[test]
fn a_loop_that_lends_allocates_nothing() {
    for shape in SHAPES {
        for cut in [false, true] {
            for deflate in [None, Some(Takeover::Off), Some(Takeover::Kept)] {
                let counted = turns_of_a_loop(shape, cut, deflate);
                assert_eq!(counted, 0, "{shape:?}, {cut}, {deflate:?}");
            }
        }
    }
}

/// How often the turns of a loop allocated.
fn turns_of_a_loop(shape: Shape, cut: bool, deflate: Option<Takeover>) -> usize {
    const SESSIONS: usize = 8;
    let make = |session: Session| match deflate {
        Some(takeover) => session.compressed(&eager(), &both(takeover)),
        None => session,
    };
    let payload = payload(shape.len());
    // The same message again and again: it refers to none before.
    let mut peer = make(Session::client(&Limits::default().into(), [1; 32]));
    for (piece, part) in shape.pieces(&payload) {
        let sent = peer.send_part(Kind::Text, piece.as_bytes(), part);
        sent.expect("room");
    }
    let message = peer.unsent().repeat(2);
    let len = message.len() / 2;

    let mut pair = Some(Buffers::new(16 << 10));
    let mut turn = |session: &mut Session, mut wire: &[u8], leave: usize| {
        session.attach(pair.take().expect("it came back"));
        while !wire.is_empty() {
            wire = &wire[fill(session, wire)..];
            let (incoming, outgoing) = session.halves();
            while let Step::Message(message) = incoming.step(outgoing).expect("in order") {
                assert_eq!(message.as_bytes().len(), payload.len());
                outgoing.send(message).expect("room");
            }
        }
        while session.unsent_len() > leave {
            let most = session.unsent_len() - leave;
            let written = session.unsent().len().min(most);
            session.sent(written);
        }
        pair = session.detach();
    };
    let server = || make(Session::server(&Limits::default().into()));
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| server()).collect();
    let begun = if cut { len / 2 } else { 0 };
    for session in &mut sessions {
        turn(session, &message[..begun], 0);
    }
    let mut round = || {
        for session in &mut sessions {
            turn(session, &message[begun..begun + len], begun.min(1));
        }
    };
    (0..WARM).for_each(|_| round());
    let ((), usage) = usage(|| (0..STEADY / 5).for_each(|_| round()));
    // And when nothing is left over, nothing is owned.
    for session in &mut sessions {
        turn(session, &message[begun..len], 0);
        assert!(session.is_released());
    }
    usage.calls
}

/// A session that has fallen silent owns nothing, whatever it has done before: but for contexts
/// that the next message may refer to.
#[test]
fn a_silent_session_owns_nothing() {
    for shape in SHAPES {
        for deflate in [None, Some(Takeover::Off)] {
            let payload = payload(shape.len());
            let make = |session: Session| match deflate {
                Some(takeover) => session.compressed(&eager(), &both(takeover)),
                None => session,
            };
            let mut peer = make(Session::client(&Limits::default().into(), [1; 32]));
            let mut session = make(Session::server(&Limits::default().into()));
            let before = live();
            let ((), counted) = usage(|| {
                carry(&mut session, &mut peer, shape, &payload);
                carry(&mut peer, &mut session, shape, &payload);
                session.ping(b"are you there").expect("open");
                let len = session.unsent().len();
                session.sent(len);
            });
            assert!(counted.kept > 0);
            peer.release();
            session.release();
            assert_eq!(live() - before, 0, "{shape:?}, {deflate:?}");
        }
    }
}

/// A message that is prepared is sent to many without being copied for each: what each takes is
/// counted, and what each has unsent is one and the same memory.
#[test]
fn a_broadcast_copies_no_payload() {
    const SESSIONS: usize = 10_000;
    const LEN: usize = 64 << 10;
    for deflate in [None, Some(Takeover::Off)] {
        let mut sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let session = Session::server(&Limits::default().into());
                match deflate {
                    Some(takeover) => session.compressed(&eager(), &both(takeover)),
                    None => session,
                }
            })
            .collect();
        // Nothing that could be compressed.
        let prepared = Prepared::new(&noise(LEN));
        let ((), counted) = usage(|| {
            for session in &mut sessions {
                session.send_prepared(&prepared).expect("room");
            }
        });
        let waiting: usize = sessions.iter().map(Session::unsent_len).sum();
        assert!(waiting >= SESSIONS * LEN);
        let each = (counted.peak + counted.moved) / SESSIONS;
        assert!(each <= 600, "{each} for each, {deflate:?}");
        let payloads = sessions.iter_mut().map(|session| {
            let mut slices = [&[][..]; 3];
            assert_eq!(session.unsent_slices(&mut slices), 2);
            slices[1].as_ptr_range()
        });
        let payloads: BTreeSet<_> = payloads.map(|range| (range.start, range.end)).collect();
        assert_eq!(payloads.len(), 1, "{deflate:?}");
        // What was sent is let go of.
        let ((), counted) = usage(|| {
            for session in &mut sessions {
                session.sent(session.unsent_len());
                session.release();
            }
        });
        assert_eq!(counted.calls, 0);
        assert!(sessions.iter().all(|session| !session.wants_write()));
    }
}

/// A message goes to the end of a `Vec` that has room for it, and nothing else is needed.
#[test]
fn a_connection_sends_to_room_that_is_there() {
    for shape in SHAPES {
        let payload = payload(shape.len());
        for mut from in [
            Connection::server(&Limits::default()),
            Connection::client(&Limits::default(), [1; 32]),
        ] {
            let message = Message::Text(&payload);
            // The client's keys have a place of their own.
            from.send_to(message, &mut Vec::new()).expect("memory");
            let mut out = Vec::with_capacity(Header::MAX_LEN + payload.len());
            let (sent, counted) = usage(|| from.send_to(message, &mut out));
            assert_eq!((sent, counted.calls), (Ok(()), 0), "{shape:?}");
            assert!(out.len() > payload.len());
        }
    }
}

/// However a frame drips, its memory grows by a part of itself each time, and not with each read.
#[test]
fn a_frame_that_drips_grows_its_memory_rarely() {
    const LEN: usize = 256 << 10;
    for read in [1, 100, 1460] {
        let mut session = Session::client(&Limits::default().into(), [1; 32]);
        let header = Header::new(Opcode::Binary, LEN as u64).expect("short enough");
        let mut wire = vec![0; LEN + Header::MAX_LEN];
        let len = put(&header, payload(LEN).as_bytes(), &mut wire);
        let mut got = 0;
        let ((), usage) = usage(|| {
            let mut unread = &wire[..len];
            while !unread.is_empty() {
                let len = fill(&mut session, &unread[..read.min(unread.len())]);
                unread = &unread[len..];
                while let Step::Message(message) = session.step().expect("in order") {
                    got = message.as_bytes().len();
                }
            }
        });
        assert_eq!(got, LEN);
        assert!(usage.calls <= 24, "{} for reads of {read}", usage.calls);
        assert!(usage.peak <= 2 * LEN + (32 << 10), "{} bytes", usage.peak);
    }
}

#[test]
fn blocking_peers_allocate_nothing() {
    for shape in SHAPES {
        let counted = blocking(shape, |server| server, |client| client);
        assert_eq!(counted, [0, 0], "{shape:?}");
    }
}

/// But for a buffer that a server does not leave in a context others will use: it is of the size
/// of a large message.
#[test]
fn blocking_peers_that_compress_allocate_for_large_messages_only() {
    let settings = eager();
    for shape in SHAPES {
        let [at_server, at_client] = blocking(
            shape,
            |server| server.deflate(settings),
            |client| client.deflate(settings),
        );
        let buffers = match shape {
            Shape::Whole(len) if len >= 64 << 10 => STEADY,
            Shape::Whole(_) | Shape::Fragments(_) => 0,
        };
        assert_eq!(at_client, 0, "{shape:?}");
        assert!(at_server <= buffers, "{shape:?}: {at_server}");
    }
}

/// How often the server's thread allocated, and the client's, when messages went to and fro over
/// a socket.
fn blocking(
    shape: Shape,
    as_server: impl Fn(Server) -> Server,
    as_client: impl Fn(Client) -> Client,
) -> [usize; 2] {
    let (tell, told) = mpsc::channel();
    let server = as_server(server());
    let server = server.websocket("/", move |mut ws, _| {
        let payload = payload(shape.len());
        let calls = exchange(&mut ws, |ws| {
            receive(ws, shape);
            send(ws, shape, &payload);
        });
        let _ = tell.send(calls);
        ws.for_each(|_, _| Ok::<_, ws_std::Error>(()))
    });
    let server = run(server);

    let client = as_client(Client::new(server.url("/")));
    let mut client = client.connect().expect("a server");
    let payload = payload(shape.len());
    let at_client = exchange(&mut client, |ws| {
        send(ws, shape, &payload);
        receive(ws, shape);
    });
    let at_server = told.recv().expect("the handler's count");
    [at_server, at_client]
}

/// How often the steady part allocated.
fn exchange(ws: &mut WebSocket, mut once: impl FnMut(&mut WebSocket)) -> usize {
    fill_inbox(ws);
    (0..WARM).for_each(|_| once(ws));
    let ((), usage) = usage(|| (0..STEADY).for_each(|_| once(ws)));
    usage.calls
}

/// Has both sides read as much as there is room for, until their inboxes grow no more: when they
/// would otherwise is a matter of how the kernel cuts the stream.
fn fill_inbox(ws: &mut WebSocket) {
    const LARGE: usize = 512 << 10;
    let large = noise(LARGE);
    for _ in 0..8 {
        ws.send(&large[..]).expect("open");
        let message = ws.recv().expect("in order").expect("a message");
        assert_eq!(message.as_bytes().len(), LARGE);
    }
}

fn send(ws: &mut WebSocket, shape: Shape, payload: &str) {
    match shape {
        Shape::Whole(_) => ws.send(payload).expect("open"),
        Shape::Fragments(_) => {
            for (piece, part) in shape.pieces(payload) {
                let sent = ws.send_part(Kind::Text, piece.as_bytes(), part);
                sent.expect("open");
            }
        }
    }
}

fn receive(ws: &mut WebSocket, shape: Shape) {
    let message = ws.recv().expect("in order").expect("a message");
    assert_eq!(message.as_bytes().len(), shape.len());
}

/// The counter counts: or the tests above would prove nothing.
#[test]
fn the_allocator_counts() {
    let (boxed, usage) = usage(|| Box::new([0_u8; 100]));
    assert_eq!((usage.calls, usage.peak), (1, boxed.len()));
}

/// While the handler is there, the connection keeps the request's headers, and not the bytes that
/// they were parsed from, nor the answer.
#[test]
fn a_handler_begins_with_the_headers_and_no_more() {
    let (kept, keeps) = mpsc::channel();
    let server = run(server().websocket("/", move |_ws, _request| {
        // The thread is this connection's own.
        kept.send(live()).expect("somebody listens");
        Ok::<_, ws_std::Error>(())
    }));
    let of_a_head = |value: usize| {
        let value = "v".repeat(value);
        let headers = format!("X-One: {value}\r\nX-Two: {value}\r\n");
        let mut client = Raw::connect(server.addr);
        client.write(upgrade("/", &headers));
        keeps.recv().expect("a handler")
    };
    let (small, large) = (of_a_head(1), of_a_head(7001));
    assert!(large - small >= 2 * 7000, "{small} {large}");
    assert!(large - small <= 2 * 7100, "{small} {large}");
    assert!(small <= 4 << 10, "{small}");
}
