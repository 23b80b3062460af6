//! *Linear*: twice as much costs twice as much, however it drips in. Counted in what does not
//! depend on the machine: bytes that are looked at, presented again, or moved by memory that
//! grows. Instructions are counted by `cargo xtask gate`, under `scaling`, to the same bound.

#![cfg(feature = "alloc")]

mod support;

use support::{End, session};
use ws_proto::handshake::{HeadError, Scan};
use ws_proto::{Kind, Limits, Part, Session, Step};
use ws_testkit::counting::{Counting, usage};
use ws_testkit::{BINARY, CONTINUATION, PING, TEXT};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZES: [usize; 4] = [64 << 10, 128 << 10, 256 << 10, 512 << 10];
/// The inbox grows, too, whatever it receives.
const INBOX: usize = 64 << 10;

/// Each size costs at most 2.3 times what half of it costs.
fn assert_linear(what: &str, cost: impl Fn(usize) -> usize) {
    let costs = SIZES.map(cost);
    for pair in costs.windows(2) {
        assert!(pair[1] * 10 <= pair[0] * 23, "{what}: {costs:?}");
    }
}

/// A frame, or frames, of so many bytes of payload in all.
type Shape = (&'static str, fn(End, usize) -> Vec<u8>);

const SHAPES: [Shape; 5] = [
    ("one frame", |end, len| {
        end.peer_frame(TEXT, &vec![b'a'; len])
    }),
    ("fragments of 8 KiB", |end, len| {
        fragments(end, len, 8 << 10)
    }),
    ("fragments of a byte", |end, len| fragments(end, len, 1)),
    ("small messages", |end, len| {
        end.peer_frame(BINARY, &[7; 16]).repeat(len / 16)
    }),
    ("pings", |end, len| {
        end.peer_frame(PING, &[7; 125]).repeat(len / 125)
    }),
];

fn fragments(end: End, len: usize, each: usize) -> Vec<u8> {
    let mut wire = end.peer_part(BINARY, b"");
    wire.extend(
        end.peer_part(CONTINUATION, &vec![7; each])
            .repeat(len / each),
    );
    wire.extend(end.peer_frame(CONTINUATION, b""));
    wire
}

fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.max_fragments = u32::MAX;
    limits.max_unsent = usize::MAX;
    limits
}

/// Everything that was looked at is made illegible: a search that went back would find it so.
#[test]
fn linear_a_head_that_drips_is_looked_at_once() {
    let mut limits = Limits::default();
    limits.max_head = 64 << 10;
    for len in [16 << 10, 32 << 10, 64 << 10] {
        let line = "A-Header: with a value\r\n";
        let mut head = String::from("GET / HTTP/1.1\r\n");
        limits.max_headers = 128;
        while head.len() + 1000 < len {
            head += &line.replace("value", &"value ".repeat(140));
        }
        head += "\r\n";
        let mut scrambled = head.clone().into_bytes();
        let mut scan = Scan::new();
        for end in 1..=head.len() {
            let verdict = scan.advance(&scrambled[..end], &limits);
            let found = (end == head.len()).then_some(end);
            assert_eq!(verdict, Ok(found), "{end} of {len}");
            scrambled[end - 1] = 0;
        }
        assert_eq!(
            Scan::new().advance(&scrambled, &limits),
            Err(HeadError::ControlCharacter)
        );
    }
}

/// A connection is shown again what it did not consume, and each time looks at that much at most.
#[test]
fn linear_what_is_presented_again() {
    for end in End::BOTH {
        for (name, shape) in SHAPES {
            for piece in [1, 3, 100] {
                assert_linear(&format!("{name} by {piece}, {end:?}"), |len| {
                    presented(end, &mut shape(end, len), piece)
                });
            }
        }
    }
}

/// How many bytes are presented in all calls, if each piece is read behind what was left.
fn presented(end: End, wire: &mut [u8], piece: usize) -> usize {
    let mut connection = end.connection(&unlimited());
    let (mut at, mut read, mut presented) = (0, 0, 0);
    while read < wire.len() {
        read = wire.len().min(read + piece);
        loop {
            presented += read - at;
            let received = connection.receive(&mut wire[at..read]).expect("in order");
            at += received.consumed;
            while connection.poll_transmit().is_some() {}
            if at == read || received.event.is_none() {
                break;
            }
        }
    }
    assert_eq!(at, wire.len(), "all of it is consumed");
    // Fewer than 140 bytes are ever left unconsumed, half of that in the mean.
    assert!(presented <= 70 * wire.len(), "{presented}");
    presented
}

/// Memory that grows may be moved: all in all twice what it holds in the end, which is what doubling
/// comes to.
#[test]
fn linear_what_a_growing_message_moves() {
    for end in End::BOTH {
        for (name, shape) in SHAPES {
            for (portion, len) in [1, 100, 1460, 1 << 20].into_iter().flat_map(sizes) {
                let mut session = end.session(&unlimited());
                let wire = shape(end, len);
                let ((), usage) = usage(|| receive(&mut session, &wire, portion));
                assert!(usage.moved <= 2 * len + INBOX, "{name}: {usage:?}");
                // The answer to a Ping is boxed until it is queued.
                let answers = if name == "pings" { len / 125 } else { 0 };
                assert!(
                    usage.calls <= 24 + answers,
                    "{name} by {portion}: {usage:?}"
                );
            }
        }
    }
}

fn sizes(portion: usize) -> [(usize, usize); 4] {
    SIZES.map(|len| (portion, len))
}

fn receive(session: &mut Session, wire: &[u8], portion: usize) {
    let mut at = 0;
    while at < wire.len() {
        let end = wire.len().min(at + portion);
        at += session::read(session, &wire[at..end]).expect("memory");
        while !matches!(session.step().expect("in order"), Step::NeedData) {}
    }
}

/// What is queued, and taken in pieces of a socket's own choice: memory is doubled for what waits,
/// not for what was sent, which takes more steps than doubling it would.
#[test]
fn linear_what_a_growing_queue_moves() {
    for end in End::BOTH {
        for (piece, written) in [(16, 7), (1000, 500), (8 << 10, 5000)] {
            for len in SIZES {
                let mut session = end.session(&unlimited());
                let payload = vec![7; piece];
                let ((), usage) = usage(|| {
                    for _ in 0..len / piece {
                        let out = session.halves().1;
                        out.send_part(Kind::Binary, &payload, Part::More)
                            .expect("open");
                        let written = out.unsent().len().min(written);
                        out.sent(written);
                    }
                });
                assert!(usage.moved <= 3 * len + INBOX, "{piece}: {usage:?}");
            }
        }
    }
}

/// A peer that takes a little and pings each time: its Pongs go before what waits, which stays where
/// it lies. A frame that is cut is what may move, and each only once.
#[test]
fn linear_a_pong_before_a_queue_moves_none_of_it() {
    for end in End::BOTH {
        for (piece, written) in [(100, 250), (1000, 1500), (100 << 10, 5000)] {
            let mut session = end.session(&unlimited());
            for _ in 0..(1 << 20) / piece {
                session.send(&vec![7; piece][..]).expect("open");
            }
            let (mut moved, mut pongs) = (0, 0);
            while session.unsent_len() > written {
                let before = end_of_queue(&mut session);
                session.push(&end.peer_frame(PING, &[7; 125]));
                assert!(matches!(session.step(), Ok(Step::Control(_))));
                pongs += 1;
                moved += usize::from(end_of_queue(&mut session) != before);
                session.sent(written);
            }
            assert!(pongs > (1 << 20) / 5500, "{pongs}");
            // Once for the first, and once where half of it was sent and there was more room.
            assert!(moved <= 2, "{end:?} {piece}: {moved} of {pongs}");
        }
    }
}

/// Where in memory the last byte lies that is to be sent.
fn end_of_queue(session: &mut Session) -> *const u8 {
    let mut slices = [&[][..]; 8];
    let count = session.unsent_slices(&mut slices);
    slices[count - 1].as_ptr_range().end
}
