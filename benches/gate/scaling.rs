//! The cost of each byte of something long: it has to be the same however long that is.

use std::hint::black_box;
use std::time::Instant;

use ws_proto::handshake::{Key, Offer, Request, Scan};
use ws_proto::{Connection, Event, Kind, Limits, Opcode, Part, Received, Role, Session, Step};

use crate::cases::{Case, Round, fill, session};
use crate::wire::{self, Script};

/// Lengths of which each second one is twice the one before.
const DRIPPED: [(usize, &str); 4] = [
    (256 << 10, "256k"),
    (512 << 10, "512k"),
    (2 << 20, "2m"),
    (4 << 20, "4m"),
];
/// Within the limits that a server has unless told otherwise.
const HEADS: [(usize, &str); 2] = [(8 << 10, "8k"), (16 << 10, "16k")];
const WHOLE: [(usize, &str); 6] = [
    (64 << 10, "64k"),
    (256 << 10, "256k"),
    (1 << 20, "1m"),
    (4 << 20, "4m"),
    (16 << 20, "16m"),
    (64 << 20, "64m"),
];

/// How the peer cuts its message.
#[derive(Clone, Copy)]
enum Cut {
    /// Into frames of one byte.
    Crumbs,
    /// Into frames of 8 KiB.
    Fragments,
    Whole,
}

/// How much a read gives.
#[derive(Clone, Copy)]
enum Reads {
    /// 64 KiB: what was read is still near when it is looked at.
    Full,
    Bytes,
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (len, size) in HEADS.into_iter().chain(DRIPPED) {
        cases.push(once(format!("scaling/request/{size}"), len, request(len)));
    }
    for (len, size) in HEADS.into_iter().chain(DRIPPED) {
        cases.push(once(format!("scaling/response/{size}"), len, response(len)));
    }
    for (len, size) in DRIPPED {
        cases.push(once(format!("scaling/lists/{size}"), len, lists(len)));
    }
    for (len, size) in DRIPPED {
        cases.push(once(format!("scaling/pongs/{size}"), len, pongs(len)));
    }
    for (cut, reads, name) in [
        (Cut::Crumbs, Reads::Full, "crumbs"),
        (Cut::Fragments, Reads::Bytes, "dripped-fragments"),
    ] {
        for (len, size) in DRIPPED {
            let title = format!("scaling/bare-{name}/{size}");
            cases.push(once(title, len, move || bare(cut, reads, len)));
        }
        for (len, size) in DRIPPED {
            let title = format!("scaling/session-{name}/{size}");
            cases.push(once(title, len, move || fresh(cut, reads, len)));
        }
    }
    for (len, size) in DRIPPED {
        let title = format!("scaling/session-dripped/{size}");
        cases.push(once(title, len, move || {
            fresh(Cut::Whole, Reads::Bytes, len)
        }));
    }
    for (len, size) in WHOLE {
        let name = format!("scaling/bare-whole/{size}");
        cases.push(Case::new(name, len, 2, move || {
            bare(Cut::Whole, Reads::Full, len)
        }));
    }
    for (len, size) in WHOLE {
        let name = format!("scaling/session-whole/{size}");
        cases.push(Case::new(name, len, 2, move || {
            kept(Cut::Whole, Reads::Full, len)
        }));
    }
    for (len, size) in WHOLE {
        let name = format!("scaling/session-first/{size}");
        cases.push(Case::new(name, len, 2, move || {
            fresh(Cut::Whole, Reads::Full, len)
        }));
    }
    cases
}

/// Long work, of which one round is enough.
fn once(name: String, bytes: usize, make: impl Fn() -> Round + 'static) -> Case {
    Case {
        warm: 0,
        ..Case::new(name, bytes, 1, make)
    }
}

/// The server reads a head of `len` bytes, one at a time.
fn request(len: usize) -> impl Fn() -> Round {
    move || {
        let (limits, first) = (head_limits(len), "GET /chat HTTP/1.1\r\nHost: example.com");
        let head = head(first, len, &limits);
        Box::new(move || {
            let mut scan = Scan::new();
            for end in 0..head.len() {
                let part = black_box(&head[..end]);
                let none = Request::parse_prefix(&mut scan, part, &limits).expect("in order");
                assert!(none.is_none());
            }
            let whole = Request::parse_prefix(&mut scan, &head, &limits);
            black_box(whole.expect("in order").expect("whole"));
        })
    }
}

/// The client reads a head of `len` bytes, one at a time.
fn response(len: usize) -> impl Fn() -> Round {
    const FIRST: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    move || {
        let limits = head_limits(len);
        let head = head(FIRST, len, &limits);
        let key = Key::new(*b"the sample nonce");
        Box::new(move || {
            let offer = Offer::new("example.com", "/chat").expect("valid");
            let mut scan = Scan::new();
            for end in 0..head.len() {
                let part = black_box(&head[..end]);
                let none = offer.verify(&key, &mut scan, part, &limits);
                assert!(none.expect("in order").is_none());
            }
            let whole = offer.verify(&key, &mut scan, &head, &limits);
            black_box(whole.expect("in order").expect("whole"));
        })
    }
}

/// The server judges a head that has been read, of lists of nothing, of names and of parameters.
fn lists(len: usize) -> impl Fn() -> Round {
    move || {
        let mut head = String::from("GET /chat HTTP/1.1\r\nHost: example.com");
        for (start, item) in [
            ("\r\nConnection: Upgrade", " ,"),
            ("\r\nUpgrade: websocket", ", a"),
            ("\r\nSec-WebSocket-Protocol: a", ",b"),
            ("\r\nSec-WebSocket-Extensions: a", " ;\tb=\"\\c\""),
        ] {
            head.push_str(start);
            head.push_str(&item.repeat(len / 4 / item.len()));
        }
        head.push_str("\r\n\r\n");
        Box::new(move || {
            let request = Request::parse(black_box(head.as_bytes())).expect("whole");
            black_box(request.wants_upgrade());
            black_box(request.accept().is_ok());
            black_box(request.protocols().count());
            black_box(request.extensions().count());
        })
    }
}

/// The peer takes a little of a long queue and pings, again and again.
fn pongs(len: usize) -> impl Fn() -> Round {
    const TAKEN: usize = 1500;
    move || {
        let mut limits = Limits::default();
        limits.max_unsent = usize::MAX;
        let ping = wire::frame(Role::Server, Opcode::Ping, Part::Last, &[7; 125]);
        Box::new(move || {
            let mut session = session(Role::Server, &limits);
            while session.unsent().len() < len {
                let out = session.halves().1;
                // Not by `send`: a second place that calls it would keep the first from having it
                // inlined, and that one is measured by itself.
                out.send_part(Kind::Binary, &[7; 1000], Part::Last)
                    .expect("open");
            }
            while session.unsent().len() > TAKEN {
                session.push(black_box(&ping));
                assert!(matches!(session.step(), Ok(Step::Control(_))));
                black_box(session.unsent());
                session.sent(TAKEN);
            }
        })
    }
}

/// The first lines, and as many others as make `len` bytes.
fn head(first: &str, len: usize, limits: &Limits) -> Vec<u8> {
    const NAME: &str = "\r\nX-Line: ";
    let mut head = first.to_owned();
    let left = len - head.len() - 4;
    let lines = left.div_ceil(limits.max_head_line.min(left)) * 2;
    for line in 0..lines {
        let end = first.len() + left * (line + 1) / lines;
        head.push_str(NAME);
        head.extend(std::iter::repeat_n('x', end - head.len()));
    }
    head.push_str("\r\n\r\n");
    assert_eq!(head.len(), len);
    head.into_bytes()
}

/// The defaults as far as they allow such a head.
fn head_limits(len: usize) -> Limits {
    let mut limits = Limits::default();
    limits.max_head = limits.max_head.max(len);
    limits.max_head_line = limits.max_head_line.max(len / 32);
    limits
}

/// Prints the time of each byte of a message, from one that fits a cache to one that does not:
/// there all of them rise, the copy by itself too. Nothing is held against it.
pub(crate) fn pace() {
    /// Bytes that are received for one line.
    const ENOUGH: usize = 1 << 30;
    println!(
        "{:12} {:>8} {:>8} {:>8}",
        "ns per KiB", "copy", "bare", "session"
    );
    for (len, size) in WHOLE {
        let mut ways = [copy, bare, kept].map(|way| way(Cut::Whole, Reads::Full, len));
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ENOUGH / len {
            for (way, times) in ways.iter_mut().zip(&mut times) {
                let start = Instant::now();
                way();
                times.push(start.elapsed().as_secs_f64() * 1e9 * 1024.0 / len as f64);
            }
        }
        let [copy, bare, session] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        println!("{size:12} {copy:8.1} {bare:8.1} {session:8.1}");
    }
}

/// The reads alone.
fn copy(cut: Cut, reads: Reads, len: usize) -> Round {
    let (_, wire) = message(cut, len);
    let mut buffer = vec![0; wire.len()];
    let read = reads.at_most(len);
    Box::new(move || {
        for (to, from) in buffer.chunks_mut(read).zip(wire.chunks(read)) {
            to.copy_from_slice(black_box(from));
        }
        black_box(&mut buffer);
    })
}

fn bare(cut: Cut, reads: Reads, len: usize) -> Round {
    let (limits, wire) = message(cut, len);
    let mut buffer = vec![0; wire.len()];
    Box::new(move || {
        let mut connection = Connection::server(&limits);
        let (mut start, mut end, mut got) = (0, 0, 0);
        while end < buffer.len() {
            let read = reads.at_most(buffer.len() - end);
            buffer[end..end + read].copy_from_slice(&wire[end..end + read]);
            end += read;
            loop {
                let input = &mut buffer[start..end];
                let Received { consumed, event } = connection.receive(input).expect("in order");
                start += consumed;
                match event {
                    Some(Event::Message(message)) => got += black_box(message).as_bytes().len(),
                    Some(Event::Chunk(chunk)) => got += black_box(chunk).payload.len(),
                    _ => break,
                }
            }
        }
        assert_eq!(got, len);
    })
}

/// Each message is the first of a connection: its memory is new.
fn fresh(cut: Cut, reads: Reads, len: usize) -> Round {
    let (limits, wire) = message(cut, len);
    Box::new(move || receive(&mut Session::server(&limits.into()), &wire, reads, len))
}

/// The memory of one message is the next one's.
fn kept(cut: Cut, reads: Reads, len: usize) -> Round {
    let (limits, wire) = message(cut, len);
    let mut session = session(Role::Server, &limits);
    Box::new(move || receive(&mut session, &wire, reads, len))
}

fn receive(session: &mut Session, wire: &[u8], reads: Reads, len: usize) {
    let mut unread = wire;
    let mut got = 0;
    while !unread.is_empty() {
        let now = &unread[..reads.at_most(unread.len())];
        let left = fill(session, now);
        unread = &unread[now.len() - left.len()..];
        while let Step::Message(message) = session.step().expect("in order") {
            got += black_box(message).as_bytes().len();
        }
    }
    assert_eq!(got, len);
}

fn message(cut: Cut, len: usize) -> (Limits, Vec<u8>) {
    let mut limits = Limits::default();
    limits.max_message = len as u64;
    limits.max_fragments = u32::MAX;
    let wire = match cut {
        Cut::Crumbs => wire::fragmented(Role::Server, Script::Chinese, len, 1),
        Cut::Fragments => wire::fragmented(Role::Server, Script::Chinese, len, 8 << 10),
        Cut::Whole => wire::whole(Role::Server, Script::Chinese, len),
    };
    (limits, wire)
}

impl Reads {
    fn at_most(self, len: usize) -> usize {
        match self {
            Self::Full => len.min(64 << 10),
            Self::Bytes => len.min(1),
        }
    }
}
