//! Streams of frames: RFC 6455 §5, the closing handshake of §7 included.

use ws_proto::{ProtocolError, Role};

use super::input::cuts;
use ws_testkit::Frame;
use ws_testkit::{Got, Inlet, Setup};
use ws_testkit::{Outcome, assert_same_however_cut};

/// Frames to a server mean the same however they are cut.
///
/// # Panics
///
/// If not.
pub fn frames_server(input: &[u8]) {
    frames(Role::Server, input);
}

/// Frames to a client mean the same however they are cut.
///
/// # Panics
///
/// If not.
pub fn frames_client(input: &[u8]) {
    frames(Role::Client, input);
}

/// The same comes of a stream however it is cut and whatever reads it: the core, or a session by
/// any of its inlets, in parts or not. What is sent is well-formed, and a Close is the last of it.
///
/// The input is a byte that chooses limits and inlet, a byte for the number of cuts, the cuts, and
/// the stream.
fn frames(role: Role, input: &[u8]) {
    let Some(outcome) = outcome(role, input) else {
        return;
    };
    // An error is told to the peer in the Close that ends what is sent.
    if let Some(Got::Error(error)) = outcome.got.last() {
        let code = error.close_code().expect("somebody is there to be told");
        let close = last_frame(&outcome.out);
        let told = [&code.get().to_be_bytes(), error.reason().as_bytes()].concat();
        assert_eq!(close.map(|frame| frame.payload), Some(told));
        assert!(!matches!(error, ProtocolError::OutOfMemory));
    }
}

/// What comes of an input.
fn outcome(role: Role, input: &[u8]) -> Option<Outcome> {
    let (&choice, input) = input.split_first()?;
    let (cuts, stream) = cuts(input);
    let mut setup = Setup::new(role);
    setup.limits.max_message =
        [1 << 20, 0, 5, 200, 4000, 70_000, 1 << 40, u64::MAX][usize::from(choice & 7)];
    setup.limits.max_fragments = [4096, 1, 3, u32::MAX][usize::from(choice >> 3 & 3)];
    let whole = [Inlet::Spare, Inlet::Bytewise, Inlet::Lent, Inlet::Pushed];
    let inlets = [whole[usize::from(choice >> 5 & 3)], Inlet::InParts];
    setup.limits.read_buffer = [512, 4096][usize::from(choice >> 7)];
    Some(assert_same_however_cut(&setup, stream, &cuts, &inlets))
}

/// How a stream breaks the rules.
pub(super) fn broken(role: Role, input: &[u8]) -> Option<ProtocolError> {
    match outcome(role, input)?.got.last()? {
        Got::Error(error) => Some(*error),
        _ => None,
    }
}

fn last_frame(mut out: &[u8]) -> Option<Frame> {
    let mut last = None;
    while let Some((frame, len)) = Frame::decode(out) {
        last = Some(frame);
        out = &out[len..];
    }
    last
}
