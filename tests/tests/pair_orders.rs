//! Every order in which a few things can happen to two peers: whatever it is, both come to an
//! end, and nothing is lost, invented or said too late.

use core::time::Duration;
use std::collections::BTreeMap;

use ws_proto::{CloseCode, ProtocolError, Role, Shutdown, State};
use ws_tests::{End, Pair, Setup, Side};

/// What can happen, to either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Send(Side),
    Close(Side),
    /// All that is under way from this side arrives, and the end of its stream.
    Deliver(Side),
    /// Half of it does: frames are cut.
    DeliverHalf(Side),
    /// The cable breaks in this direction: nothing arrives, nobody is told.
    Cut(Side),
    /// The process of this side is gone: its stream ends.
    EndStream(Side),
    /// This side breaks the protocol.
    Violate(Side),
    /// Its reader does not read: nothing can be written.
    Stall(Side),
    Unstall(Side),
    /// A few bytes more can be written, less than a frame.
    Take(Side),
    /// Time passes until somebody wants to look at the clock.
    Time,
}

use Happening::{
    Close, Cut, Deliver, DeliverHalf, EndStream, Send, Stall, Take, Time, Unstall, Violate,
};
use Side::{Client, Server};

const ALPHABET: [Happening; 17] = [
    Send(Client),
    Send(Server),
    Close(Client),
    Close(Server),
    Deliver(Client),
    Deliver(Server),
    DeliverHalf(Client),
    DeliverHalf(Server),
    Cut(Client),
    Cut(Server),
    EndStream(Client),
    EndStream(Server),
    Violate(Client),
    Violate(Server),
    Stall(Client),
    Stall(Server),
    Time,
];

/// All orders of up to five happenings.
#[test]
fn every_order_comes_to_a_good_end() {
    let mut orders = 0_usize;
    let mut ends = BTreeMap::new();
    for len in 0..=5 {
        let mut digits = vec![0; len];
        loop {
            let order: Vec<_> = digits.iter().map(|&digit| ALPHABET[digit]).collect();
            *ends.entry(check(&order)).or_insert(0) += 1;
            orders += 1;
            // The next number to the base of the alphabet.
            let Some(at) = digits.iter().rposition(|&digit| digit + 1 < ALPHABET.len()) else {
                break;
            };
            digits[at] += 1;
            digits[at + 1..].fill(0);
        }
    }
    println!("{orders} orders: {ends:#?}");
    assert_eq!(orders, (0..=5).map(|len| ALPHABET.len().pow(len)).sum());
    for end in ["Clean", "Failed", "NoPong", "NoClose"] {
        for side in ["client", "server"] {
            let some = format!("{side} {end}");
            assert!(ends.keys().any(|ends| ends.contains(&some)), "never {some}");
        }
    }
}

/// Longer ones, drawn by a generator that always draws the same.
#[test]
fn long_orders_come_to_a_good_end() {
    let more = [Unstall(Client), Unstall(Server), Take(Client), Take(Server)];
    let all: Vec<_> = ALPHABET.into_iter().chain(more).collect();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let below = u64::try_from(below).expect("it fits");
        usize::try_from((state >> 11) % below).expect("it fits")
    };
    for _ in 0..30_000 {
        let mut order: Vec<_> = (0..draw(40)).map(|_| all[draw(all.len())]).collect();
        // In most orders the fatal ones are rare, so that there is a life before the end.
        if draw(4) > 0 {
            let fatal = |happening: &Happening| {
                matches!(happening, Cut(_) | EndStream(_) | Violate(_) | Close(_))
            };
            let keep_from = order.len().saturating_sub(6);
            let mut at = 0;
            order.retain(|happening| {
                at += 1;
                at > keep_from || !fatal(happening)
            });
        }
        check(&order);
    }
}

/// Has `order` happen, then everything that is under way and as much time as it takes; checks
/// what has to be true of any order. Says how it ended.
fn check(order: &[Happening]) -> String {
    let mut setup = Setup::new(Role::Server);
    setup.limits.read_buffer = 512;
    let mut pair = Pair::new(&setup, &setup);
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
    // A ping 20 s after the last pong, an extended wait of 40 s, on each side; a close timeout.
    let allowed = Duration::from_secs(20 + 40 + 10) * 2;
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
            trace.sends += 1;
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
            let is_end = matches!(got, ws_tests::Got::Error(_) | ws_tests::Got::Close(_));
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
