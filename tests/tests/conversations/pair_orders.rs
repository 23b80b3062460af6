//! Every order in which a few things can happen to two peers comes to a good end: see
//! [`ws_testkit::orders`].

use std::collections::BTreeMap;

use ws_proto::Role;
use ws_testkit::orders::{self, Happening};
use ws_testkit::{Setup, Side};

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
    assert_eq!(
        orders,
        (0..=5).map(|len| ALPHABET.len().pow(len)).sum::<usize>()
    );
    for end in ["Clean", "Failed", "Pong", "Close"] {
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

fn check(order: &[Happening]) -> String {
    let mut setup = Setup::new(Role::Server);
    setup.limits.read_buffer = 512;
    orders::check(&setup, order)
}
