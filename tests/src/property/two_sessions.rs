//! Two sessions back to back: RFC 6455 §5 to §7, as both ends see them.

use ws_proto::Role;

use super::input::side;
use ws_testkit::Setup;
use ws_testkit::orders::{self, Happening};

/// Whatever happens to two peers, in whatever order, messages arrive as they were sent or not at
/// all, and both come to an end: see [`orders::check`].
///
/// The input is a byte for the limits, and two bytes for each thing that happens: what and to
/// whom, and how much of it.
///
/// # Panics
///
/// If not.
pub fn two_sessions(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let mut setup = Setup::new(Role::Server);
    setup.limits.read_buffer = [512, 4096][usize::from(choice & 1)];
    setup.limits.max_unsent = [1 << 20, 0, 300, 3000][usize::from(choice >> 1 & 3)];
    let order: Vec<_> = input
        .as_chunks()
        .0
        .iter()
        .take(48)
        .copied()
        .map(happening)
        .collect();
    let _ = orders::check(&setup, &order);
}

fn happening([what, how_much]: [u8; 2]) -> Happening {
    let (side, len) = (side(what), usize::from(how_much));
    // What ends a connection is rare, so that there is a life before the end.
    match what >> 1 & 31 {
        0..=3 => Happening::SendOf(side, len),
        4 => Happening::SendOf(side, len * 16),
        5 => Happening::Send(side),
        6..=8 => Happening::Ping(side),
        9 => Happening::Deliver(side),
        10..=15 => Happening::DeliverSome(side, len),
        16..=18 => Happening::DeliverHalf(side),
        19 | 20 => Happening::Stall(side),
        21..=23 => Happening::Take(side),
        24 | 25 => Happening::Unstall(side),
        26 | 27 => Happening::Time,
        28 => Happening::Close(side),
        29 => Happening::Cut(side),
        30 => Happening::EndStream(side),
        _ => Happening::Violate(side),
    }
}
