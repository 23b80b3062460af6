//! Sessions under test.

use ws_proto::{Buffers, Event, Limits, ProtocolError, Session, Step};

use ws_testkit::Got;

use super::End;

impl End {
    pub(crate) fn session(self, limits: &Limits) -> Session {
        match self {
            Self::Server => Session::server(&(*limits).into()),
            Self::Client => Session::client(&(*limits).into(), [7; 32]),
        }
    }
}

/// What a step gave; `None` if it asks for data or the peer has closed.
pub(crate) fn step(session: &mut Session) -> Result<Option<Got>, ProtocolError> {
    Ok(match session.step()? {
        Step::Message(message) => Some(message.into()),
        Step::Control(event) => Some(seen_control(event)),
        Step::NeedData | Step::Closed => None,
    })
}

pub(crate) fn seen_control(event: Event<'_>) -> Got {
    match event {
        Event::Ping(payload) => Got::Ping(payload.into()),
        Event::Pong(payload) => Got::Pong(payload.into()),
        Event::Close(close) => close.into(),
        other => panic!("no control frame: {other:?}"),
    }
}

/// Takes everything that is unsent, as a transport that is always ready.
pub(crate) fn drain(session: &mut Session) -> Vec<u8> {
    let mut output = Vec::new();
    loop {
        let unsent = session.unsent();
        let len = unsent.len();
        if len == 0 {
            return output;
        }
        output.extend(unsent);
        session.sent(len);
    }
}

/// Takes everything that is unsent at once, as an adapter that writes without holding the session.
pub(crate) fn swap_out(session: &mut Session) -> Vec<u8> {
    let mut taken = Buffers::default();
    let (_, outgoing) = session.halves();
    outgoing.swap(&mut taken);
    let mut output = Vec::new();
    while taken.unsent_len() > 0 {
        let mut slices = [&[][..]; 3];
        let count = taken.unsent_slices(&mut slices);
        assert!(count > 0, "unsent, and nothing to send");
        let written = slices[..count].concat();
        taken.sent(written.len());
        output.extend(written);
    }
    outgoing.on_written(0);
    output
}

/// One read from a transport that holds `bytes`: how many were read.
pub(crate) fn read(session: &mut Session, bytes: &[u8]) -> Result<usize, ProtocolError> {
    let spare = session.spare_mut()?;
    assert!(!spare.is_empty(), "no room to read to");
    let len = spare.len().min(bytes.len());
    spare[..len].copy_from_slice(&bytes[..len]);
    session.filled(len);
    Ok(len)
}
