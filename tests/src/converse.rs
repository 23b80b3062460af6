//! Any bytes, in any pieces, to any engine: the same must come of them.

use ws_proto::{Role, Shutdown, State};

use crate::engine::{Core, Driven, Engine, Got, Inlet, Setup};
use crate::frame::Frame;

/// What came of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was received, an error last.
    pub got: Vec<Got>,
    /// What was sent.
    pub out: Vec<u8>,
    /// When to close the TCP connection.
    pub shutdown: Shutdown,
    /// Where the connection stands.
    pub state: State,
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

/// Gives `pieces` to `engine`, then takes everything it has to send.
///
/// # Panics
///
/// If anything was received after an error, or if what was sent is not a run of whole frames,
/// rightly masked, of which a Close is the last.
pub fn converse<'p>(
    engine: &mut dyn Engine,
    role: Role,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Outcome {
    let mut got = Vec::new();
    for piece in pieces {
        engine.receive(piece, &mut got);
    }
    let mut out = engine.transmit();
    // What waited for the first batch to be sent.
    loop {
        let more = engine.transmit();
        if more.is_empty() {
            break;
        }
        out.extend(more);
    }
    let errors = got.iter().filter(|got| matches!(got, Got::Error(_)));
    assert!(errors.count() <= 1, "an error is told once");
    let end = got
        .iter()
        .position(|got| matches!(got, Got::Error(_) | Got::Close(_)));
    assert!(
        end.is_none_or(|at| at + 1 == got.len()),
        "something was received after the end: {got:?}"
    );
    assert_speaks_well(&out, role);
    Outcome {
        got,
        out,
        shutdown: engine.shutdown(),
        state: engine.state(),
    }
}

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
    let whole = converse(&mut Core::new(&setup, usize::MAX), role, [input]);
    let cut = converse(&mut Core::new(&setup, usize::MAX), role, pieces());
    assert_eq!(cut, whole, "core, cut at {cuts:?}");
    let bytewise = converse(&mut Core::new(&setup, 1), role, [input]);
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

fn assert_speaks_well(mut out: &[u8], role: Role) {
    while !out.is_empty() {
        let (frame, len) = Frame::decode(out).expect("whole frames");
        assert_eq!(frame.mask.is_some(), role == Role::Client, "{frame:?}");
        assert!(matches!(frame.opcode(), 1 | 2 | 8..=10), "{frame:?}");
        assert_eq!(frame.first & 0xF0, Frame::FIN, "{frame:?}");
        assert_eq!(frame.encode(), out[..len], "the length in the fewest bytes");
        out = &out[len..];
        assert!(!frame.is_close() || out.is_empty(), "a Close is the last");
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
