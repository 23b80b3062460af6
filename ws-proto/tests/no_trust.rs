//! *No trust*: memory grows with what was received, never with what a header declares.

#![cfg(feature = "alloc")]

mod support;

use support::{End, session};
use ws_proto::handshake::{HeadError, Scan};
use ws_proto::{Limits, MessageBuf, ProtocolError, Ready, SendError, Session, Step};
use ws_testkit::counting::{Counting, short_of_memory, usage};
use ws_testkit::{BINARY, CONTINUATION, PING, TEXT, frames, head};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The receiver reads 16 KiB at a time, and there are a few small things.
const SMALL: usize = 64 << 10;

fn no_limit() -> Limits {
    let mut limits = Limits::default();
    limits.max_message = u64::MAX;
    limits
}

/// Reads all of `wire` in reads of up to `portion`, stepping after each; the session asks for
/// more at the end.
fn receive(session: &mut Session, wire: &[u8], portion: usize) -> Result<Ready, ProtocolError> {
    let mut at = 0;
    let mut ready = session.ready()?;
    while at < wire.len() {
        let end = (at + portion).min(wire.len());
        at += session::read(session, &wire[at..end])?;
        ready = session.ready()?;
    }
    // As an adapter does before the read that will wait.
    let _ = session.spare_mut()?;
    Ok(ready)
}

#[test]
fn no_trust_a_header_that_declares_much_costs_nothing() {
    for end in End::BOTH {
        for len in [1 << 20, 1 << 30, 1 << 40, (1 << 62) + 5, (1 << 63) - 1] {
            for opcode in [TEXT, BINARY] {
                let header = head(0x80 | opcode, end.peer_key(), len);
                let (ready, usage) = usage(|| {
                    let mut session = end.session(&no_limit());
                    receive(&mut session, &header, header.len())
                });
                assert_eq!(ready, Ok(Ready::NeedData));
                assert!(
                    usage.peak <= SMALL,
                    "{} bytes for {len} declared",
                    usage.peak
                );
            }
        }
    }
}

/// As the message comes in, no more than twice of it is held, or a read more, whatever the
/// portions.
#[test]
fn no_trust_at_most_twice_what_was_received() {
    for end in End::BOTH {
        let key = end.peer_key();
        for declared in [(1 << 40), 700_000] {
            for portion in [100, 5000, 1 << 20] {
                let mut wire = head(0x82, key, declared);
                wire.resize(wire.len() + 600_000, 0);
                for received in [1000, 3000, 20_000, 100_000, 300_000, 600_000] {
                    let (ready, usage) = usage(|| {
                        let mut session = end.session(&no_limit());
                        receive(&mut session, &wire[..received], portion)
                    });
                    assert_eq!(ready, Ok(Ready::NeedData));
                    // The inbox begins with 4 KiB, and the message with a read of 16.
                    let inbox = if received < 4 << 10 {
                        4 << 10
                    } else {
                        64 << 10
                    };
                    let most = 2 * received + inbox + (16 << 10) + 1000;
                    assert!(
                        usage.peak <= most,
                        "{} for {received}, by {portion}",
                        usage.peak
                    );
                }
            }
        }
    }
}

/// The same over fragments, and over fragments of nothing: those are counted, and cost nothing.
#[test]
fn no_trust_fragments_cost_what_they_hold() {
    for end in End::BOTH {
        for size in [0, 1, 100, 30_000] {
            let mut wire = end.peer_part(BINARY, &vec![0; size]);
            while wire.len() < 300_000 {
                wire.extend(end.peer_part(CONTINUATION, &vec![0; size]));
            }
            let mut limits = no_limit();
            limits.max_fragments = u32::MAX;
            let (ready, usage) = usage(|| {
                let mut session = end.session(&limits);
                receive(&mut session, &wire, 4096)
            });
            assert_eq!(ready, Ok(Ready::NeedData));
            let payload = if size == 0 { 0 } else { wire.len() };
            assert!(
                usage.peak <= 2 * payload + SMALL,
                "{} by {size}",
                usage.peak
            );

            // With the default bound an endless message ends all the same.
            let mut session = end.session(&Limits::default());
            let mut message = end.peer_part(BINARY, b"");
            message.extend(end.peer_part(CONTINUATION, b"").repeat(1 << 16));
            let limit = Limits::DEFAULT.max_fragments;
            let error = ProtocolError::TooManyFragments { limit };
            assert_eq!(receive(&mut session, &message, 4096), Err(error));
        }
    }
}

/// Some programs cut a message into pieces of a network packet or less, whatever its length.
#[test]
fn a_message_in_as_many_fragments_as_the_default_allows_is_received() {
    let count = Limits::DEFAULT.max_fragments;
    for end in End::BOTH {
        let mut limits = Limits::default();
        limits.max_message = 4 << 20;
        let mut wire = end.peer_part(BINARY, &[7; 64]);
        let more = end.peer_part(CONTINUATION, &[7; 64]);
        wire.extend(more.repeat(count as usize - 2));
        wire.extend(end.peer_frame(CONTINUATION, &[7; 64]));
        let mut session = end.session(&limits);
        assert_eq!(receive(&mut session, &wire, 64 << 10), Ok(Ready::Message));
        let message = session.message().unwrap().unwrap();
        assert_eq!(message.as_bytes(), [7; 4 << 20]);
    }
}

/// The limit is of bytes received; the memory that they are joined in may be twice as much.
#[test]
fn no_trust_a_message_of_the_limit_costs_at_most_twice_the_limit() {
    let limits = Limits::default();
    let limit = usize::try_from(limits.max_message).unwrap();
    for end in End::BOTH {
        for first in [1, limit / 2 + 1, limit - 1] {
            let mut wire = end.peer_part(BINARY, &vec![0; first]);
            wire.extend(end.peer_part(CONTINUATION, &vec![0; limit - first]));
            let (ready, usage) = usage(|| {
                let mut session = end.session(&limits);
                receive(&mut session, &wire, 64 << 10)
            });
            assert_eq!(ready, Ok(Ready::NeedData));
            assert!(usage.peak <= 2 * limit + SMALL, "{} by {first}", usage.peak);
        }
    }
}

/// A message over the limit is refused before a byte is reserved for it.
#[test]
fn no_trust_a_message_over_the_limit_reserves_nothing() {
    for end in End::BOTH {
        let header = head(0x82, end.peer_key(), (1 << 20) + 1);
        let (result, usage) = usage(|| {
            let mut session = end.session(&Limits::default());
            receive(&mut session, &header, header.len())
        });
        let limit = 1 << 20;
        assert_eq!(result, Err(ProtocolError::MessageTooBig { limit }));
        assert!(usage.peak <= SMALL / 2, "{}", usage.peak);
    }
}

/// Memory that cannot be had is an error, told with 1011, and not the end of the process.
#[test]
fn no_trust_memory_that_cannot_be_had_is_an_error() {
    for end in End::BOTH {
        for portion in [100, 5000, 1 << 20] {
            let mut wire = head(0x82, end.peer_key(), 500_000);
            wire.resize(wire.len() + 500_000, 0);
            let mut session = end.session(&no_limit());
            let result = short_of_memory(100_000, || receive(&mut session, &wire, portion));
            assert_eq!(result, Err(ProtocolError::OutOfMemory));
            assert_eq!(session.ready(), Err(ProtocolError::OutOfMemory), "sticky");
            let written = frames(&session::drain(&mut session));
            assert_eq!(written.len(), 1);
            assert_eq!(written[0].payload[..2], 1011_u16.to_be_bytes());
        }
    }
}

/// A peer that pings without end, and one that sends small messages without end, make us hold no
/// more than one of each.
#[test]
fn no_trust_a_flood_of_small_frames_costs_nothing() {
    for end in End::BOTH {
        let wire = [end.peer_frame(PING, &[1; 125]), end.peer_frame(TEXT, b"x")].concat();
        let ((), usage) = usage(|| {
            let mut session = end.session(&Limits::default());
            for _ in 0..5000 {
                session.push(&wire);
                while session::step(&mut session).expect("in order").is_some() {}
                let _ = session.unsent();
            }
        });
        assert!(usage.peak <= SMALL, "{}", usage.peak);
    }
}

/// What so many frames, one like the other, come to: they arrive in segments of a stream. How many
/// messages and control frames were seen, and whether there was an error.
fn flood(session: &mut Session, frame: &[u8], count: usize) -> Result<usize, ProtocolError> {
    const SEGMENT: usize = 1460;
    let at_a_time = SEGMENT / frame.len();
    let segment = frame.repeat(at_a_time);
    let (mut sent, mut seen) = (0, 0);
    while sent < count {
        let frames = at_a_time.min(count - sent);
        let mut unread = &segment[..frames * frame.len()];
        while !unread.is_empty() {
            let read = session::read(session, unread)?;
            unread = &unread[read..];
            while !matches!(session.step()?, Step::NeedData | Step::Closed) {
                seen += 1;
            }
        }
        sent += frames;
    }
    Ok(seen)
}

const MILLION: usize = 1_000_000;
/// What a connection may hold besides what its peer has said.
const LITTLE: usize = 8 << 10;
/// And what it takes to say where that lies.
const BOX: usize = 128;

/// 14 bytes each, from a client: twice a quarter of the read buffer, whatever they declare.
#[test]
fn no_trust_five_thousand_headers_that_declare_the_most_cost_8_kib_each() {
    const SESSIONS: usize = 5000;
    let limits = Limits::default();
    for end in End::BOTH {
        let header = head(0x80 | BINARY, end.peer_key(), limits.max_message);
        let mut sessions: Vec<_> = (0..SESSIONS).map(|_| end.session(&limits)).collect();
        let ((), usage) = usage(|| {
            for session in &mut sessions {
                assert_eq!(receive(session, &header, header.len()), Ok(Ready::NeedData));
            }
        });
        assert!(
            usage.peak <= SESSIONS * (LITTLE + BOX),
            "{} each",
            usage.peak / SESSIONS
        );
    }
}

#[test]
fn no_trust_a_million_fragments_cost_what_they_hold() {
    for end in End::BOTH {
        for payload in [&b""[..], b"x"] {
            let mut limits = Limits::default();
            limits.max_fragments = u32::MAX;
            let fragment = end.peer_part(CONTINUATION, payload);
            let mut session = end.session(&limits);
            let ((), counted) = usage(|| {
                session.push(&end.peer_part(BINARY, b""));
                assert_eq!(flood(&mut session, &fragment, MILLION), Ok(0));
            });
            let most = 2 * MILLION * payload.len() + LITTLE;
            assert!(counted.peak <= most, "{} for {payload:?}", counted.peak);

            // Unless told otherwise a session has enough of them some time.
            let mut session = end.session(&Limits::default());
            session.push(&end.peer_part(BINARY, b""));
            let error = flood(&mut session, &fragment, MILLION).expect_err("too many");
            let limit = Limits::DEFAULT.max_fragments;
            assert_eq!(error, ProtocolError::TooManyFragments { limit });
        }
    }
}

#[test]
fn no_trust_a_million_empty_messages_cost_nothing() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let frame = end.peer_frame(TEXT, b"");
        let (seen, usage) = usage(|| flood(&mut session, &frame, MILLION));
        assert_eq!(seen, Ok(MILLION));
        assert!(usage.peak <= LITTLE, "{}", usage.peak);
    }
}

/// Nobody reads the answers: a handful waits, behind a message or before any.
#[test]
fn no_trust_a_million_pings_unread_leave_a_handful_of_pongs() {
    for end in End::BOTH {
        for waits in [false, true] {
            let mut session = end.session(&Limits::default());
            let frame = end.peer_frame(PING, &[7; 125]);
            let (seen, usage) = usage(|| {
                if waits {
                    session.send("unread").expect("room");
                }
                flood(&mut session, &frame, MILLION)
            });
            assert_eq!(seen, Ok(MILLION));
            let queued = session.unsent().len();
            assert!(queued <= 1024 + 2 * 131, "{queued} bytes");
            assert!(usage.peak <= LITTLE, "{}", usage.peak);
        }
    }
}

/// What nobody takes: up to the mark and one message, in memory that doubles.
#[test]
fn no_trust_unsent_output_stops_at_its_limit() {
    let limit = Limits::DEFAULT.max_unsent;
    for end in End::BOTH {
        for len in [1, 1000, 100_000, 3 << 20] {
            // The peer takes nothing, or a little each time.
            for (taken, rounds) in [(0, 1), (len / 2, 50), (len + 5, 50), (limit / 2, 5)] {
                let message = vec![7; len];
                let mut session = end.session(&Limits::default());
                let ((), usage) = usage(|| {
                    for _ in 0..rounds {
                        let mut sends = (0..MILLION).map(|_| session.send(&message));
                        let refused = sends.find_map(Result::err);
                        assert_eq!(refused, Some(SendError::Full { limit }), "{len}");
                        let unsent = session.unsent().len();
                        assert!(unsent < limit + len + 14, "{unsent} for {len}");
                        session.sent(taken.min(unsent - 1));
                    }
                });
                let most = 2 * (limit + len) + LITTLE;
                assert!(usage.peak <= most, "{} for {len}, {taken}", usage.peak);
            }
        }
    }
}

/// A head that drips is found without memory, and one without end is given up at its limit.
#[test]
fn no_trust_a_head_without_end_costs_nothing_and_ends_at_its_limit() {
    let limits = Limits::default();
    let long = format!("A: {}\r\n", "b".repeat(500));
    for (first, rest, most, error) in [
        (
            "GET /",
            "x",
            limits.max_head_line,
            HeadError::FirstLineTooLong {
                limit: limits.max_head_line,
            },
        ),
        (
            "GET / HTTP/1.1\r\nA:",
            "x",
            limits.max_head_line,
            HeadError::LineTooLong {
                limit: limits.max_head_line,
            },
        ),
        (
            "GET / HTTP/1.1\r\n",
            "A: b\r\n",
            128 * 6,
            HeadError::TooManyHeaders { limit: 128 },
        ),
        (
            "GET / HTTP/1.1\r\n",
            &long,
            limits.max_head,
            HeadError::HeadTooLong {
                limit: limits.max_head,
            },
        ),
    ] {
        let head = first.to_owned() + &rest.repeat(20_000);
        let (ended, usage) = usage(|| {
            let mut scan = Scan::new();
            (0..head.len())
                .find_map(|end| Some((end, scan.advance(&head.as_bytes()[..end], &limits).err()?)))
        });
        let (at, ended) = ended.expect("it ends");
        assert_eq!(ended, error);
        assert!(at <= first.len() + most + 2, "{error:?} at {at}");
        assert_eq!(usage.calls, 0);
    }
}

/// An idle session owns no buffers: none at first, and none once it was released.
#[test]
fn an_idle_session_owns_no_buffers() {
    let (mut server, fresh) = usage(|| Session::server(&Limits::default().into()));
    assert_eq!((fresh.calls, fresh.peak), (0, 0));
    let (mut client, fresh) = usage(|| Session::client(&Limits::default().into(), [1; 32]));
    // A client's keys.
    assert!(fresh.calls <= 1 && fresh.peak <= 256, "{fresh:?}");

    for (end, session) in [(End::Server, &mut server), (End::Client, &mut client)] {
        let ((), used) = usage(|| {
            session.push(&end.peer_frame(BINARY, &[0; 50_000]));
            session.push(&end.peer_frame(PING, b"x"));
            while session::step(session).expect("in order").is_some() {}
            session.send(&[0; 50_000]).expect("room");
            session::drain(session);
            session.release();
        });
        assert!(used.peak > 50_000, "{used:?}: or the counter is broken");
        // Everything was given back: the same work needs as much again.
        let ((), again) = usage(|| {
            session.push(&end.peer_frame(BINARY, &[0; 50_000]));
            session.push(&end.peer_frame(PING, b"x"));
            while session::step(session).expect("in order").is_some() {}
            session.send(&[0; 50_000]).expect("room");
            session::drain(session);
        });
        assert_eq!(again.peak, used.peak);
    }
}

/// Once the buffers are there, echoing small messages allocates nothing at all.
#[test]
fn echo_of_small_messages_allocates_nothing_once_the_buffers_are_there() {
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let mut wire = end.peer_frame(TEXT, b"Hello");
        wire.extend(end.peer_frame(BINARY, &[7; 1000]));
        let mut echo = || {
            session.push(&wire);
            let (incoming, outgoing) = session.halves();
            while let Ok(Step::Message(message)) = incoming.step(outgoing) {
                outgoing.send(message).expect("room");
            }
            let len = session.unsent().len();
            session.sent(len);
        };
        echo();
        let ((), usage) = usage(|| (0..1000).for_each(|_| echo()));
        assert_eq!(usage.calls, 0);
    }
}

/// Messages that are taken out and held do not hold what a longer one before them took.
#[test]
fn no_trust_messages_that_are_held_cost_what_they_say() {
    let in_two = |end: End, opcode, payload: &[u8]| {
        let (first, second) = payload.split_at(payload.len() / 2);
        [
            end.peer_part(opcode, first),
            end.peer_frame(CONTINUATION, second),
        ]
        .concat()
    };
    for end in End::BOTH {
        let mut session = end.session(&Limits::default());
        let long = in_two(end, TEXT, &[b'a'; 1 << 20]);
        let short = in_two(end, BINARY, b"xy");
        let mut held = Vec::new();
        for _ in 0..10 {
            assert_eq!(receive(&mut session, &long, 64 << 10), Ok(Ready::Message));
            assert!(matches!(session.take_message(), Ok(Some(_))));
            assert_eq!(receive(&mut session, &short, 64 << 10), Ok(Ready::Message));
            let Ok(Some(MessageBuf::Binary(message))) = session.take_message() else {
                panic!("a message");
            };
            held.push(message);
        }
        for message in held {
            assert_eq!((&message[..], message.capacity()), (&b"xy"[..], 2));
        }
    }
}
