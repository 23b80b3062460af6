//! Sending binary messages: into a buffer that is used again, many before it is "written".

use std::hint::black_box;

use ws_bench::messages::{Content, LENGTHS, Random, payloads};
use ws_bench::{Bench, Row, Way, floor, limits};
use ws_proto::{Connection, Kind, Limits, Message, Opcode, Part, Role, Session};

pub(crate) fn measure(bench: &mut Bench) {
    for role in [Role::Server, Role::Client] {
        for (size, len) in LENGTHS {
            let payloads = payloads(Content::Binary, len);
            let name = match role {
                Role::Server => "server",
                Role::Client => "client",
            };
            let name = format!("send/{name}/{size}");
            let mut row = Row::new(name, ours(role, &payloads));
            row.push(limit_of(role, &payloads));
            if role == Role::Server && len >= 64 << 10 {
                row.extend(lent(&payloads));
            }
            row.extend(ws_bench::peers::sending(role, &payloads));
            bench.measure(aims(row, role, size).aim("Session", 1.2, "ws-proto"));
        }
    }
}

/// The aims. Where the floor is meant, both figures were measured in one run.
fn aims<'w>(row: Row<'w>, role: Role, size: &str) -> Row<'w> {
    let floor = |ours: f64, floor: f64| (ours / floor, "floor");
    let (most, other) = match (role, size) {
        (Role::Server, "16B") => floor(10.0, 5.0),
        (Role::Server, "1KiB") => floor(16.0, 14.0),
        (Role::Client, "16B") => floor(15.0, 12.0),
        (Role::Client, "1KiB") => floor(32.0, 32.0),
        (Role::Client, "64KiB") => (1.3, "copy-XOR"),
        _ => return row,
    };
    row.aim("ws-proto", most, other)
}

/// The floor, the bare core, and a session.
fn ours(role: Role, payloads: &[Vec<u8>]) -> [Way<'_>; 3] {
    let count = payloads.len();
    let room = payloads.iter().map(|payload| payload.len() + 14).sum();
    let (mut first, mut second) = (Vec::with_capacity(room), vec![0; room]);
    let mut random = Random::default();
    let mut connection = match role {
        Role::Server => Connection::server(&Limits::DEFAULT),
        Role::Client => Connection::client(&Limits::DEFAULT, SEED),
    };
    let mut session = match role {
        Role::Server => Session::server(&Limits::DEFAULT.into()),
        Role::Client => Session::client(&Limits::DEFAULT.into(), SEED),
    };
    [
        Way::batch("floor", count, move || {
            first.clear();
            for payload in payloads {
                let key = (role == Role::Client).then(|| random.bits().to_ne_bytes());
                floor::encode(floor::last(Opcode::Binary), key, payload, &mut first);
            }
            black_box(&first[..]);
        }),
        Way::batch("ws-proto", count, move || {
            let mut at = 0;
            for payload in payloads {
                let message = Message::Binary(payload);
                let sent = connection.send(message, &mut second[at..]);
                at += sent.expect("room, and open");
            }
            black_box(&second[..at]);
        }),
        Way::batch("Session", count, move || {
            for payload in payloads {
                session.send(payload).expect("room, and open");
            }
            let len = black_box(session.unsent()).len();
            session.sent(len);
        }),
    ]
}

/// Without a copy: the header, and after it what the caller has.
fn lent(payloads: &[Vec<u8>]) -> [Way<'_>; 2] {
    let count = payloads.len();
    let mut connection = Connection::server(&Limits::DEFAULT);
    let mut session = Session::server(&Limits::DEFAULT.into());
    [
        Way::batch("ws-proto begin", count, move || {
            for payload in payloads {
                let header = connection.begin(Kind::Binary, payload.len() as u64, Part::Last);
                black_box((header.expect("open").encode(), &payload[..]));
            }
        }),
        Way::batch("Session lent", count, move || {
            for payload in payloads {
                let (_, outgoing) = session.halves();
                let rest = outgoing.send_by_reference(Message::Binary(payload));
                let rest = black_box(rest.expect("room, and open"));
                let len = black_box(outgoing.unsent()).len() + rest.len();
                outgoing.sent(len);
            }
        }),
    ]
}

/// The limits, on the same payloads in one piece: to copy them, or, as a
/// client, to mask them from one place to another.
fn limit_of(role: Role, payloads: &[Vec<u8>]) -> Way<'static> {
    let count = payloads.len();
    let from = payloads.concat();
    let mut to = from.clone();
    match role {
        Role::Server => Way::batch("memcpy", count, move || {
            to.copy_from_slice(&from);
            black_box(&to[..]);
        }),
        Role::Client => Way::batch("copy-XOR", count, move || {
            limits::xor_to(&from, &mut to, [0x37, 0xFA, 0x21, 0x3D]);
            black_box(&to[..]);
        }),
    }
}

/// Entropy for masking keys, the same in every run.
const SEED: [u8; 32] = [7; 32];
