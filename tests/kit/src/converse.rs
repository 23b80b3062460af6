//! What comes of bytes: they are given to an engine, and what it received and sent is kept.

use ws_proto::{ProtocolError, Role, Shutdown, State};

use crate::engine::{Engine, Got};
use crate::frame::{CLOSE, Frame};

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
    /// What was received before the error, if there was one.
    #[must_use]
    pub fn seen(&self) -> &[Got] {
        seen(&self.got)
    }

    /// The error, if there was one.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        error(&self.got)
    }
}

/// An engine, and what came of what it was given so far.
#[derive(Debug)]
pub struct Conversation<E> {
    /// The engine.
    pub engine: E,
    /// What it received, an error last.
    pub got: Vec<Got>,
    /// What it sent.
    pub out: Vec<u8>,
}

impl<E: Engine> Conversation<E> {
    /// One that begins.
    pub const fn new(engine: E) -> Self {
        Self {
            engine,
            got: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Gives the engine a piece of what its peer says, and takes what it has to send.
    pub fn hear(&mut self, piece: &[u8]) {
        self.engine.receive(piece, &mut self.got);
        transmit(&mut self.engine, &mut self.out);
    }

    /// What was received before the error, if there was one.
    #[must_use]
    pub fn seen(&self) -> &[Got] {
        seen(&self.got)
    }

    /// The error, if there was one.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        error(&self.got)
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
    let (mut got, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        engine.receive(piece, &mut got);
    }
    transmit(engine, &mut out);
    let errors = got.iter().filter(|got| matches!(got, Got::Error(_)));
    assert!(errors.count() <= 1, "an error is told once");
    let end = got
        .iter()
        .position(|got| matches!(got, Got::Error(_) | Got::Close(_)));
    assert!(
        end.is_none_or(|at| at + 1 == got.len()),
        "something was received after the end: {got:?}"
    );
    assert_speaks_well(&out, role, engine.compresses());
    Outcome {
        got,
        out,
        shutdown: engine.shutdown(),
        state: engine.state(),
    }
}

/// The pieces of `input` that end at `cuts`, which ascend, and at its end.
pub fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut from = 0;
    let ends = cuts.iter().copied().chain([input.len()]);
    ends.map(move |to| &input[core::mem::replace(&mut from, to)..to])
}

/// Takes everything that is to be sent: what waits for the first batch to be gone, too.
fn transmit(engine: &mut dyn Engine, out: &mut Vec<u8>) {
    loop {
        let more = engine.transmit();
        if more.is_empty() {
            break;
        }
        out.extend(more);
    }
}

fn error(got: &[Got]) -> Option<ProtocolError> {
    match got.last() {
        Some(Got::Error(error)) => Some(*error),
        _ => None,
    }
}

fn seen(got: &[Got]) -> &[Got] {
    let errors = usize::from(error(got).is_some());
    &got[..got.len() - errors]
}

fn assert_speaks_well(mut out: &[u8], role: Role, compresses: bool) {
    while !out.is_empty() {
        let (frame, len) = Frame::decode(out).expect("whole frames");
        assert_eq!(frame.mask.is_some(), role == Role::Client, "{frame:?}");
        assert!(matches!(frame.opcode(), 1 | 2 | 8..=10), "{frame:?}");
        let rsv1 = if compresses && frame.opcode() < CLOSE {
            frame.first & Frame::RSV1
        } else {
            0
        };
        assert_eq!(frame.first & 0xF0, Frame::FIN | rsv1, "{frame:?}");
        assert_eq!(frame.encode(), out[..len], "the length in the fewest bytes");
        out = &out[len..];
        assert!(!frame.is_close() || out.is_empty(), "a Close is the last");
    }
}
