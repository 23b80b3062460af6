//! The circumstance *cut*: any bytes, in any pieces, to any engine; the same must come of them.

use crate::connection::Core;
use crate::converse::{Outcome, converse, pieces};
use crate::engine::{Engine, Setup};
use crate::frame::Frame;
use crate::session::{Driven, Inlet};

/// Asserts that the core and a session by each of the `inlets` make the same of `input`, whole,
/// byte by byte and in pieces of the lengths `cuts`, while they echo its messages. Returns what it
/// is.
///
/// # Panics
///
/// If they do not.
pub fn assert_same_however_cut(
    setup: &Setup,
    input: &[u8],
    cuts: &[usize],
    inlets: &[Inlet],
) -> Outcome {
    let mut setup = Setup {
        echo: true,
        ..*setup
    };
    // The core queues nothing, and so never refuses for that.
    setup.limits.max_unsent = usize::MAX;
    let role = setup.role;
    let pieces = || Pieces { input, at: 0, cuts };
    let whole = converse(&mut *plainest(&setup, usize::MAX), role, [input]);
    let cut = converse(&mut *plainest(&setup, usize::MAX), role, pieces());
    assert_eq!(cut, whole, "core, cut at {cuts:?}");
    let bytewise = converse(&mut *plainest(&setup, 1), role, [input]);
    assert_eq!(bytewise, whole, "core, byte by byte");
    for &inlet in inlets {
        let cut = converse(&mut Driven::new(&setup, inlet), role, pieces());
        let uncut = converse(&mut Driven::new(&setup, inlet), role, [input]);
        if inlet == Inlet::Bytewise {
            let whole = whole.sorted();
            assert_eq!(cut.sorted(), whole, "session, {inlet:?}, cut at {cuts:?}");
            assert_eq!(uncut.sorted(), whole, "session, {inlet:?}");
        } else {
            assert_eq!(cut, whole, "session, {inlet:?}, cut at {cuts:?}");
            assert_eq!(uncut, whole, "session, {inlet:?}");
        }
    }
    whole
}

/// Asserts that the core, and a session by each inlet, makes the same of `input` whole and cut at any
/// two places.
///
/// # Panics
///
/// If one does not.
pub fn assert_same_cut_at_every_two_places(setup: &Setup, input: &[u8]) {
    let core = |cuts: &[usize]| {
        let mut core = plainest(setup, usize::MAX);
        converse(&mut *core, setup.role, pieces(input, cuts))
    };
    let session = |inlet, cuts: &[usize]| {
        let mut session = Driven::new(setup, inlet);
        converse(&mut session, setup.role, pieces(input, cuts))
    };
    let whole = core(&[]);
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let cuts = [first, second];
            assert_eq!(core(&cuts), whole, "core, cut at {cuts:?}");
            // Two cuts change nothing for one that is given single bytes.
            for inlet in [Inlet::Spare, Inlet::Lent, Inlet::Pushed, Inlet::InParts] {
                assert_eq!(
                    session(inlet, &cuts),
                    whole,
                    "session, {inlet:?}, cut at {cuts:?}"
                );
            }
        }
    }
}

/// The core that is shown so many bytes more at a time, or a session: the core does not compress.
fn plainest(setup: &Setup, piece: usize) -> Box<dyn Engine> {
    match (setup.deflate, piece) {
        (None, _) => Box::new(Core::new(setup, piece)),
        (Some(_), 1) => Box::new(Driven::new(setup, Inlet::Bytewise)),
        (Some(_), _) => Box::new(Driven::new(setup, Inlet::Spare)),
    }
}

/// The pieces of an input that is cut at positions relative to each other.
struct Pieces<'a> {
    input: &'a [u8],
    at: usize,
    cuts: &'a [usize],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.at >= self.input.len() {
            return None;
        }
        let rest = &self.input[self.at..];
        let len = match self.cuts.split_first() {
            Some((&cut, cuts)) => {
                self.cuts = cuts;
                cut.min(rest.len())
            }
            None => rest.len(),
        };
        self.at += len;
        Some(&rest[..len])
    }
}

impl Outcome {
    /// The same with Pongs before messages, and nothing masked. What is written a little at a
    /// time lets a late Pong go before a message that was not begun; both orders are right.
    fn sorted(&self) -> Self {
        let mut frames = Vec::new();
        let mut rest = self.out.as_slice();
        while let Some((frame, len)) = Frame::decode(rest) {
            frames.push(Frame {
                mask: None,
                ..frame
            });
            rest = &rest[len..];
        }
        frames.sort_by_key(|frame| match frame.opcode() {
            9 | 10 => 0,
            8 => 2,
            _ => 1,
        });
        Self {
            out: frames.iter().flat_map(Frame::encode).collect(),
            ..self.clone()
        }
    }
}
