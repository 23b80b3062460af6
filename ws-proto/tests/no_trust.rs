//! *No trust*: memory grows with what was received, never with what a header declares.

#![cfg(feature = "alloc")]

#[path = "support/counting.rs"]
mod counting;
mod support;

use counting::{Counting, short_of_memory, usage};
use support::{BINARY, CONTINUATION, End, PING, TEXT, head, session};
use ws_proto::{Limits, ProtocolError, Ready, Session};

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

/// As the message comes in, no more than twice of it is held, whatever the portions.
#[test]
fn no_trust_at_most_twice_what_was_received() {
    for end in End::BOTH {
        let key = end.peer_key();
        for declared in [(1 << 40), 700_000] {
            for portion in [100, 5000, 1 << 20] {
                let mut wire = head(0x82, key, declared);
                wire.resize(wire.len() + 600_000, 0);
                for received in [1000, 20_000, 100_000, 300_000, 600_000] {
                    let (ready, usage) = usage(|| {
                        let mut session = end.session(&no_limit());
                        receive(&mut session, &wire[..received], portion)
                    });
                    assert_eq!(ready, Ok(Ready::NeedData));
                    let most = 2 * received + SMALL;
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
            message.extend(end.peer_part(CONTINUATION, b"").repeat(4096));
            let limit = Limits::DEFAULT.max_fragments;
            let error = ProtocolError::TooManyFragments { limit };
            assert_eq!(receive(&mut session, &message, 4096), Err(error));
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
            let written = support::frames(&session::drain(&mut session));
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

/// An idle session owns no buffers: none at first, and none once it was released.
#[test]
fn an_idle_session_owns_no_buffers() {
    let (mut server, fresh) = usage(|| Session::server(&Limits::default()));
    assert_eq!((fresh.calls, fresh.peak), (0, 0));
    let (mut client, fresh) = usage(|| Session::client(&Limits::default(), [1; 32]));
    // A client's keys.
    assert!(fresh.calls <= 1 && fresh.peak <= 256, "{fresh:?}");
    #[cfg(target_pointer_width = "64")]
    assert!(size_of::<Session>() <= 512, "{}", size_of::<Session>());

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
            while let Ok(ws_proto::Step::Message(message)) = incoming.step(outgoing) {
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
