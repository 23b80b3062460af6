//! What can happen to two peers, in any order: whatever it is, both come to an end, and nothing is
//! lost, invented or said too late.

use core::time::Duration;

use ws_proto::{CloseCode, ProtocolError, Shutdown, State};

use crate::engine::{Got, Setup};
use crate::pair::{End, Pair, Side};

/// What can happen, to either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A message is sent, each unlike the others: from none to more bytes than a read buffer has.
    Send(Side),
    /// A message of so many bytes is sent.
    SendOf(Side, usize),
    /// A Ping is sent.
    Ping(Side),
    /// This side closes.
    Close(Side),
    /// All that is under way from this side arrives, and the end of its stream.
    Deliver(Side),
    /// Half of it does: frames are cut.
    DeliverHalf(Side),
    /// So many bytes of it do.
    DeliverSome(Side, usize),
    /// The cable breaks in this direction: nothing arrives, nobody is told.
    Cut(Side),
    /// The process of this side is gone: its stream ends.
    EndStream(Side),
    /// This side breaks the protocol.
    Violate(Side),
    /// Its reader does not read: nothing can be written.
    Stall(Side),
    /// It reads again.
    Unstall(Side),
    /// A few bytes more can be written, less than a frame.
    Take(Side),
    /// Time passes until somebody wants to look at the clock.
    Time,
}

use Happening::{
    Close, Cut, Deliver, DeliverHalf, DeliverSome, EndStream, Ping, Send, SendOf, Stall, Take,
    Time, Unstall, Violate,
};
use Side::{Client, Server};

/// Has `order` happen to two peers with this setup, then everything that is under way and as much
/// time as it takes; checks what has to be true of any order. Says how it ended.
///
/// # Panics
///
/// If something is not true that has to be.
#[must_use]
pub fn check(setup: &Setup, order: &[Happening]) -> String {
    let mut pair = Pair::new(setup, setup);
    let mut trace = Trace::default();
    for &happening in order {
        apply(&mut pair, happening, &mut trace);
        check_now(&pair, order);
    }

    // What is under way arrives; what was stalled moves on. Then the client has had enough,
    // unless a cut is to be noticed by the clock alone.
    pair.unstall(Client);
    pair.unstall(Server);
    let cut = pair.up.is_cut() || pair.down.is_cut();
    let mut rounds = 0;
    while pair.client.end.is_none() || pair.server.end.is_none() {
        pair.exchange();
        if !cut && rounds == 0 {
            let _ = pair.close(Client, Some(CloseCode::NORMAL.into()));
            pair.exchange();
        }
        check_now(&pair, order);
        pair.pass_until_wake();
        rounds += 1;
        assert!(rounds < 20, "{order:?} does not end: {pair:?}");
    }
    check_now(&pair, order);
    // A ping within 20 s, as long for a sign of life, on each side; a close timeout.
    let allowed = Duration::from_secs(20 + 20 + 10) * 2;
    let took = pair.elapsed().saturating_sub(trace.last);
    assert!(took <= allowed, "{order:?} took {took:?}");

    check_end(&pair, order, &trace);
    let name = |end: Option<End>| match end {
        Some(End::Clean) => "Clean".into(),
        Some(End::Failed(_)) => "Failed".into(),
        Some(End::Dead(silence)) => format!("{silence:?}"),
        None => unreachable!("the loop is over"),
    };
    let (client, server) = pair.ends();
    format!("client {}, server {}", name(client), name(server))
}

/// What the invariants have to know of the past.
#[derive(Debug, Default)]
struct Trace {
    sends: u8,
    /// When the last thing happened.
    last: Duration,
    /// Whose stream did not carry what was written to it, and nothing else.
    tampered: Vec<Side>,
}

fn apply(pair: &mut Pair, happening: Happening, trace: &mut Trace) {
    match happening {
        Send(side) => {
            // From a few bytes to more than a read buffer, each unlike the others.
            let len = [3, 130, 700, 0][usize::from(trace.sends % 4)];
            let message = vec![b'a' + trace.sends % 26; len];
            let _ = pair.send(side, &message);
            trace.sends = trace.sends.wrapping_add(1);
        }
        SendOf(side, len) => {
            let _ = pair.send(side, &vec![b'a' + trace.sends % 26; len]);
            trace.sends = trace.sends.wrapping_add(1);
        }
        Ping(side) => {
            let _ = pair.ping(side, &[trace.sends]);
        }
        Close(side) => {
            let _ = pair.close(side, Some(CloseCode::GOING_AWAY.into()));
        }
        Deliver(side) => pair.deliver(side),
        DeliverHalf(side) => {
            let wire = match side {
                Client => &pair.up,
                Server => &pair.down,
            };
            let half = wire.in_flight().div_ceil(2);
            pair.deliver_at_most(side, half);
        }
        DeliverSome(side, len) => pair.deliver_at_most(side, len),
        Cut(side) => {
            pair.cut(side);
            trace.tampered.push(side);
        }
        EndStream(side) => {
            pair.end_stream(side);
            trace.tampered.push(side);
        }
        Violate(side) => {
            pair.inject(side, &[0x83, 0x00]);
            trace.tampered.push(side);
        }
        Stall(side) => pair.stall(side),
        Unstall(side) => pair.unstall(side),
        Take(side) => pair.take(side, 7),
        Time => pair.pass_until_wake(),
    }
    trace.last = pair.elapsed();
}

/// What is true at every moment.
fn check_now(pair: &Pair, order: &[Happening]) {
    for side in Side::BOTH {
        let (peer, other) = (pair.peer(side), pair.peer(side.other()));
        // Messages: a prefix of what was sent, in order, intact.
        let mut sent = other.sent.iter();
        for message in peer.messages() {
            assert_eq!(
                Some(message),
                sent.next().map(Vec::as_slice),
                "{side:?} after {order:?}"
            );
        }
        // Nothing behind an error; nothing behind a Close. That nothing is written behind a
        // Close the pair itself asserts.
        let last = peer.got.len().saturating_sub(1);
        for (at, got) in peer.got.iter().enumerate() {
            let is_end = matches!(got, Got::Error(_) | Got::Close(_));
            assert!(!is_end || at == last, "{:?} after {order:?}", peer.got);
        }
        // State and shutdown tell the same story.
        let both_closed = peer.close_written && peer.close_received().is_some();
        match (peer.state(), peer.shutdown()) {
            (State::Open, shutdown) => {
                assert!(!peer.close_written && peer.close_received().is_none());
                assert_eq!(shutdown, Shutdown::NotYet, "after {order:?}");
            }
            (State::Closing, shutdown) => {
                assert!(!both_closed, "after {order:?}");
                assert_eq!(shutdown, Shutdown::NotYet, "after {order:?}");
            }
            (State::Closed, shutdown) => {
                assert!(peer.close_received().is_some() && peer.error().is_none());
                let written = shutdown != Shutdown::NotYet;
                assert_eq!(written, peer.close_written, "after {order:?}");
                assert!(side == Client || shutdown != Shutdown::AwaitPeer);
            }
            (State::Failed(error), shutdown) => {
                assert_eq!(peer.error(), Some(error), "after {order:?}");
                assert_ne!(shutdown, Shutdown::AwaitPeer, "after {order:?}");
            }
        }
    }
}

/// What is true at the end.
fn check_end(pair: &Pair, order: &[Happening], trace: &Trace) {
    for side in Side::BOTH {
        let (peer, other) = (pair.peer(side), pair.peer(side.other()));
        match peer.end {
            Some(End::Clean) => {
                assert!(
                    peer.close_written && peer.close_received().is_some(),
                    "{side:?} ended cleanly without two Closes: {order:?}"
                );
                assert!(other.close_written, "after {order:?}");
                // What the other side was told to say, or the answer to it.
                if trace.tampered.is_empty() {
                    let codes = [CloseCode::NORMAL, CloseCode::GOING_AWAY];
                    let said = codes.map(|code| Got::Close(Some((code.get(), String::new()))));
                    let close = peer.close_received().expect("it came");
                    assert!(said.contains(close), "{close:?} after {order:?}");
                }
                // The Close comes behind all messages, and so everything has arrived.
                if !trace.tampered.contains(&side.other()) {
                    assert_eq!(peer.messages().count(), other.sent.len(), "{order:?}");
                }
            }
            Some(End::Failed(error)) => {
                assert_eq!(peer.error(), Some(error));
                let wrong =
                    order.contains(&Violate(side.other())) || error == ProtocolError::UnexpectedEof;
                assert!(wrong, "{side:?} found {error:?} in {order:?}");
            }
            Some(End::Dead(_)) => {
                // Only a wire that is cut or stands still keeps an answer back.
                let reason = |happening: &Happening| {
                    matches!(happening, Cut(_) | Stall(_) | Take(_) | EndStream(_) | Time)
                };
                assert!(order.iter().any(reason), "{side:?} is dead: {order:?}");
            }
            None => panic!("{side:?} goes on after {order:?}"),
        }
    }
    if trace.tampered.is_empty()
        && !order
            .iter()
            .any(|what| matches!(what, Stall(_) | Take(_) | Time))
    {
        let clean = (Some(End::Clean), Some(End::Clean));
        assert_eq!(pair.ends(), clean, "after {order:?}");
    }
}
