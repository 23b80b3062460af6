//! The next thing to send, and the request or WebSocket to send it on.

use core::fmt;

use ws_proto::Message;

use crate::engine::error::ProtocolError;
use crate::engine::refusal::Refusal;

/// A request that waits for its answer, or a WebSocket: the adapter's own number for it. Never use
/// a number twice while the session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Carrier(pub u32);

/// The next thing to send, and the request or WebSocket to send it on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transmit<'s> {
    /// Answers a request with 200 and this text: `text/plain; charset=UTF-8`, not to be cached.
    Answer {
        /// The request.
        to: Carrier,
        /// The body.
        body: &'s str,
    },
    /// Answers a request, and refuses it.
    Refuse {
        /// The request.
        to: Carrier,
        /// Its status and body.
        why: Refusal,
    },
    /// Sends a message on a WebSocket.
    Frame {
        /// The WebSocket.
        on: Carrier,
        /// The message.
        message: Message<'s>,
    },
    /// Closes a WebSocket, after what was sent on it. Do not report it as gone.
    HangUp {
        /// The WebSocket.
        on: Carrier,
        /// The client's fault that caused it, if any: it decides the code of the Close.
        why: Option<ProtocolError>,
    },
}

impl fmt::Debug for Transmit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { to, body } => write!(f, "Answer({to:?}, {} bytes)", body.len()),
            Self::Refuse { to, why } => write!(f, "Refuse({to:?}, {why:?})"),
            Self::Frame { on, message } => {
                let len = message.as_bytes().len();
                write!(f, "Frame({on:?}, {:?}, {len} bytes)", message.kind())
            }
            Self::HangUp { on, why } => write!(f, "HangUp({on:?}, {why:?})"),
        }
    }
}
