//! The cases that are counted: the ways of a message, through the bare core and through a `Session`.

use std::hint::black_box;

use ws_proto::{
    Connection, Event, Header, Kind, Limits, Message, Opcode, Part, Ready, Received, Role, Session,
    Step,
};

use crate::handshake;
use crate::wire::{self, Script};

/// Bytes that are received with one copy, and frames that are sent into one buffer.
const BATCH: usize = 64 << 10;
/// The payload of a fragmented message is `PIECES` times as long as this.
const PIECE: usize = 8 << 10;
const PIECES: usize = 8;
/// Of everything that is drawn.
const SEED: [u8; 32] = [7; 32];

/// Work that is done in rounds.
pub(crate) struct Case {
    pub(crate) name: String,
    /// How many messages, or bytes, one round handles.
    pub(crate) units: usize,
    /// How many rounds come before those that count: they make the buffers.
    pub(crate) warm: usize,
    /// How many rounds count. Masking keys are drawn by sixteens.
    pub(crate) rounds: usize,
    pub(crate) make: Box<dyn Fn() -> Round>,
}

/// One round.
pub(crate) type Round = Box<dyn FnMut()>;

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        units: usize,
        rounds: usize,
        make: impl Fn() -> Round + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            units,
            warm: rounds,
            rounds,
            make: Box::new(make),
        }
    }
}

/// Whether the core is driven by itself or with the buffers of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Bare,
    Session,
}

impl Layer {
    const BOTH: [Self; 2] = [Self::Bare, Self::Session];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Session => "session",
        }
    }
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    const SCRIPTS: [(Script, &str); 3] = [
        (Script::Binary, "binary"),
        (Script::Ascii, "ascii"),
        (Script::Chinese, "chinese"),
    ];
    const SIZES: [(usize, &str); 5] = [
        (16, "16"),
        (125, "125"),
        (1 << 10, "1k"),
        (64 << 10, "64k"),
        (1 << 20, "1m"),
    ];
    let mut cases = Vec::new();
    for layer in Layer::BOTH {
        for (script, name) in SCRIPTS {
            for (len, size) in SIZES {
                let name = format!("server-{name}-{size}");
                let one = move || wire::whole(Role::Server, script, len);
                cases.push(receive(layer, Role::Server, &name, len, one));
            }
        }
        for (len, size) in SIZES {
            let name = format!("client-binary-{size}");
            let one = move || wire::whole(Role::Client, Script::Binary, len);
            cases.push(receive(layer, Role::Client, &name, len, one));
        }
        for role in [Role::Server, Role::Client] {
            let name = format!("{}-fragmented-8x8k", role_name(role));
            let len = PIECES * PIECE;
            let one = move || wire::fragmented(role, Script::Binary, len, PIECE);
            cases.push(receive(layer, role, &name, len, one));
        }
        for role in [Role::Server, Role::Client] {
            for (len, size) in SIZES {
                cases.push(send(layer, role, size, len));
            }
            cases.push(send_fragmented(layer, role));
        }
        cases.push(ping(layer));
        cases.push(one_per_read(layer));
    }
    cases.push(returned());
    cases.extend(handshake::all());
    cases.push(copy());
    cases
}

/// `one` makes a message, of `len` bytes, as the peer sends it.
fn receive(
    layer: Layer,
    role: Role,
    name: &str,
    len: usize,
    one: impl Fn() -> Vec<u8> + 'static,
) -> Case {
    let messages = in_batch(len);
    let name = format!("{}/receive/{name}", layer.name());
    Case::new(name, messages, 4, move || {
        let batch = one().repeat(messages);
        match layer {
            Layer::Bare => bare_receiver(connection(role, &limits()), batch, messages),
            Layer::Session => {
                let mut limits = limits();
                // As much as the bare core is given at once.
                limits.read_buffer = batch.len().max(BATCH);
                session_receiver(session(role, &limits), batch, messages)
            }
        }
    })
}

/// A small frame with each read, as where one message is answered before the next is sent.
fn one_per_read(layer: Layer) -> Case {
    const READS: usize = 64;
    let name = format!("{}/receive/server-binary-16-one-per-read", layer.name());
    Case::new(name, READS, 4, move || {
        let frame = wire::whole(Role::Server, Script::Binary, 16);
        match layer {
            Layer::Bare => {
                let mut connection = connection(Role::Server, &limits());
                let mut buffer = vec![0; frame.len()];
                Box::new(move || {
                    for _ in 0..READS {
                        buffer.copy_from_slice(black_box(&frame));
                        let received = connection.receive(&mut buffer).expect("in order");
                        let Some(Event::Message(message)) = received.event else {
                            panic!("no message");
                        };
                        black_box(message.as_bytes());
                        let rest = connection.receive(&mut []).expect("in order");
                        assert!(rest.event.is_none() && !connection.wants_transmit());
                    }
                })
            }
            Layer::Session => {
                let mut session = session(Role::Server, &limits());
                Box::new(move || {
                    for _ in 0..READS {
                        fill(&mut session, black_box(&frame));
                        let Ok(Step::Message(message)) = session.step() else {
                            panic!("no message");
                        };
                        black_box(message.as_bytes());
                        assert_eq!(session.step(), Ok(Step::NeedData));
                        assert!(session.unsent().is_empty());
                    }
                })
            }
        }
    })
}

/// The same for a caller that returns the message it waited for: `ready`, then `message`.
fn returned() -> Case {
    const READS: usize = 64;
    let name = "session/receive/server-binary-16-ready-then-message";
    Case::new(name, READS, 4, move || {
        let frame = wire::whole(Role::Server, Script::Binary, 16);
        let mut session = session(Role::Server, &limits());
        Box::new(move || {
            for _ in 0..READS {
                assert_eq!(session.ready(), Ok(Ready::NeedData));
                fill(&mut session, black_box(&frame));
                assert_eq!(session.ready(), Ok(Ready::Message));
                let message = session.message().expect("in order").expect("a message");
                black_box(message.as_bytes());
            }
        })
    })
}

/// How many frames with so much payload fit a batch.
fn in_batch(len: usize) -> usize {
    (BATCH / (len + Header::MAX_LEN)).max(1)
}

/// One copy into the buffer, as a read makes it, then everything that is in it. To have the
/// pieces of a message in one place, it joins them.
fn bare_receiver(mut connection: Connection, batch: Vec<u8>, messages: usize) -> Round {
    let mut buffer = vec![0; batch.len()];
    let mut joined = Vec::with_capacity(batch.len());
    Box::new(move || {
        buffer.copy_from_slice(&batch);
        let mut rest = &mut buffer[..];
        let mut whole = 0;
        loop {
            let Received { consumed, event } = connection.receive(rest).expect("in order");
            match event {
                Some(Event::Message(message)) => {
                    black_box(message.as_bytes());
                    whole += 1;
                }
                Some(Event::Chunk(chunk)) => {
                    joined.extend_from_slice(chunk.payload);
                    if chunk.part == Part::Last {
                        black_box(&joined);
                        joined.clear();
                        whole += 1;
                    }
                }
                _ => break,
            }
            rest = &mut rest[consumed..];
        }
        assert_eq!(whole, messages);
    })
}

fn session_receiver(mut session: Session, batch: Vec<u8>, messages: usize) -> Round {
    Box::new(move || {
        let mut unread = &batch[..];
        let mut whole = 0;
        while !unread.is_empty() {
            unread = fill(&mut session, unread);
            let (incoming, outgoing) = session.halves();
            while let Step::Message(message) = incoming.step(outgoing).expect("in order") {
                black_box(message.as_bytes());
                whole += 1;
            }
        }
        assert_eq!(whole, messages);
    })
}

/// Reads once; what is left.
pub(crate) fn fill<'w>(session: &mut Session, wire: &'w [u8]) -> &'w [u8] {
    let spare = session.spare_mut().expect("memory");
    let (now, later) = wire.split_at(wire.len().min(spare.len()));
    spare[..now.len()].copy_from_slice(now);
    session.filled(now.len());
    later
}

fn send(layer: Layer, role: Role, size: &str, len: usize) -> Case {
    let name = format!("{}/send/{}-{size}", layer.name(), role_name(role));
    let messages = in_batch(len);
    Case::new(name, messages, 16, move || {
        let payload = wire::payload(Script::Binary, len);
        match layer {
            Layer::Bare => {
                let mut connection = connection(role, &limits());
                let mut out = vec![0; messages * (len + Header::MAX_LEN)];
                Box::new(move || {
                    let mut room = &mut out[..];
                    for _ in 0..messages {
                        let message = Message::Binary(black_box(&payload));
                        let len = connection.send(message, room).expect("room, and open");
                        room = &mut room[len..];
                    }
                    black_box(&mut out);
                })
            }
            Layer::Session => {
                let mut session = session(role, &limits());
                Box::new(move || {
                    for _ in 0..messages {
                        let message = Message::Binary(black_box(&payload));
                        session.send(message).expect("room, and open");
                    }
                    flush(&mut session);
                })
            }
        }
    })
}

/// One write of all that is unsent.
fn flush(session: &mut Session) {
    let len = black_box(session.unsent()).len();
    session.sent(len);
}

fn send_fragmented(layer: Layer, role: Role) -> Case {
    let name = format!("{}/send/{}-fragmented-8x8k", layer.name(), role_name(role));
    Case::new(name, 1, 16, move || {
        let payload = wire::payload(Script::Binary, PIECE);
        let part = |i| {
            if i + 1 == PIECES {
                Part::Last
            } else {
                Part::More
            }
        };
        match layer {
            Layer::Bare => {
                let mut connection = connection(role, &limits());
                let mut out = vec![0; PIECES * (PIECE + Header::MAX_LEN)];
                Box::new(move || {
                    let mut at = 0;
                    for i in 0..PIECES {
                        let header = connection
                            .begin(Kind::Binary, PIECE as u64, part(i))
                            .expect("open");
                        let bytes = header.encode();
                        let (head, body) = out[at..].split_at_mut(bytes.as_ref().len());
                        head.copy_from_slice(bytes.as_ref());
                        match header.mask() {
                            Some(mask) => drop(mask.apply_to(&payload, body)),
                            None => body[..PIECE].copy_from_slice(&payload),
                        }
                        at += head.len() + PIECE;
                    }
                    black_box(&mut out);
                })
            }
            Layer::Session => {
                let (_, mut outgoing) = session(role, &limits()).split();
                Box::new(move || {
                    for i in 0..PIECES {
                        outgoing
                            .send_part(Kind::Binary, black_box(&payload), part(i))
                            .expect("room, and open");
                    }
                    let len = black_box(outgoing.unsent()).len();
                    outgoing.sent(len);
                })
            }
        }
    })
}

/// A Ping by itself, received and answered.
fn ping(layer: Layer) -> Case {
    let name = format!("{}/ping/answered-16", layer.name());
    Case::new(name, 1, 64, move || {
        let payload = wire::payload(Script::Binary, 16);
        let wire = wire::frame(Role::Server, Opcode::Ping, Part::Last, &payload);
        match layer {
            Layer::Bare => {
                let mut connection = connection(Role::Server, &limits());
                let mut buffer = wire.clone();
                Box::new(move || {
                    buffer.copy_from_slice(&wire);
                    let _ = black_box(connection.receive(&mut buffer).expect("in order"));
                    let pong = connection.poll_transmit().expect("an answer");
                    black_box(pong.as_ref());
                })
            }
            Layer::Session => {
                let mut session = session(Role::Server, &limits());
                Box::new(move || {
                    fill(&mut session, &wire);
                    let _ = black_box(session.step().expect("in order"));
                    flush(&mut session);
                })
            }
        }
    })
}

/// The cost of receiving a batch, however it is decoded.
fn copy() -> Case {
    Case::new("copy/64k", 1, 16, || {
        let (from, mut to) = (vec![1_u8; BATCH], vec![0; BATCH]);
        Box::new(move || {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
        })
    })
}

/// Room for what is sent here.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_unsent = 4 << 20;
    limits
}

fn connection(role: Role, limits: &Limits) -> Connection {
    match role {
        Role::Server => Connection::server(limits),
        Role::Client => Connection::client(limits, SEED),
    }
}

pub(crate) fn session(role: Role, limits: &Limits) -> Session {
    match role {
        Role::Server => Session::server(&(*limits).into()),
        Role::Client => Session::client(&(*limits).into(), SEED),
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}
